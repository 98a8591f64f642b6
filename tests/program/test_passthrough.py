"""What is passed through takes no memory, however large: seen from outside the process."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import aiohttp
import pytest

from tests.support.origin import ScriptedOrigin
from tests.support.program import Process, process, settings

PIECE = bytes(range(256)) * 1024
PIECES = 400
TOTAL = len(PIECE) * PIECES
MOST_EXTRA = 64 * 2**20

Way = Callable[[aiohttp.ClientSession, str], Awaitable[int]]


def memory(running: Process, name: str) -> int:
    """Bytes that the kernel says the process has (`VmRSS`), or had at most (`VmHWM`)."""
    status = Path(f"/proc/{running.child.pid}/status").read_text()
    (line,) = (line for line in status.splitlines() if line.startswith(name))
    return int(line.split()[1]) * 1024


def forget_peak(running: Process) -> None:
    """Have the kernel count the most memory from now on."""
    Path(f"/proc/{running.child.pid}/clear_refs").write_text("5")


async def upload(http: aiohttp.ClientSession, url: str) -> int:
    """Send it; returns how many bytes have arrived."""

    async def body() -> AsyncIterator[bytes]:
        for _ in range(PIECES):
            yield PIECE

    async with http.post(f"{url}/files", data=body()) as got:
        return int((await got.json())["bytes"])


async def download(http: aiohttp.ClientSession, url: str) -> int:
    """Fetch it, at first more slowly than it comes; returns its size."""
    received = 0
    async with http.get(f"{url}/files/1/content") as got:
        await got.content.readexactly(1)
        await asyncio.sleep(0.3)
        async for piece in got.content.iter_any():
            received += len(piece)
    return received + 1


@pytest.mark.parametrize("way", [upload, download])
async def test_a_hundred_megabytes(origin: ScriptedOrigin, tmp_path: Path, way: Way) -> None:
    """More than 100 MB pass, up or down, and the process grows by less than 64 MB at any time."""
    with process(settings(origin.url, tmp_path), tmp_path) as running:
        async with aiohttp.ClientSession() as http:
            async with http.get(f"{running.url}/models") as got:
                assert got.status == 200
            before = memory(running, "VmRSS")
            forget_peak(running)
            if way is download:
                origin.then(pieces=(PIECE,) * PIECES, headers=(("content-type", "x/y"),))
            passed = await way(http, running.url)
            peak = memory(running, "VmHWM")

    assert passed == TOTAL > 100_000_000
    assert peak - before < MOST_EXTRA
