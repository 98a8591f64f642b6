import asyncio
import contextlib
import re
from pathlib import Path

import pytest

from tests.support.origin import ScriptedOrigin
from tests.support.program import Json, Process, process, settings
from tests.support.waiting import until_async


@pytest.fixture
def config(origin: ScriptedOrigin, tmp_path: Path) -> Json:
    return settings(origin.url, tmp_path, server={"connections": {"most": 300}})


async def _healthy(running: Process) -> asyncio.StreamWriter | None:
    """A connection on which the program has answered, or None where it has closed it."""
    reader, writer = await asyncio.open_connection("127.0.0.1", int(running.root.split(":")[2]))
    with contextlib.suppress(OSError, EOFError):
        writer.write(b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n")
        await reader.readuntil(b"}")
        return writer
    writer.close()
    return None


def _limits(running: Process) -> tuple[int, int]:
    """Descriptors that it may have: the soft limit, and the hard one."""
    told = Path(f"/proc/{running.child.pid}/limits").read_text()
    soft, hard = re.findall(r"Max open files\s+(\d+)\s+(\d+)", told)[0]
    return int(soft), int(hard)


def test_it_takes_as_many_descriptors_as_it_may(config: Json, tmp_path: Path) -> None:
    """A shell's low soft limit does not bound the connections; nothing is told, as all is well."""
    with process(config, tmp_path, program=("tests.program.limited", "64", "1000")) as running:
        limits = _limits(running)
        events = {line["event"] for line in running.lines}

    assert limits == (1000, 1000)
    assert "few_descriptors" not in events


async def test_it_bears_that_there_are_too_few(config: Json, tmp_path: Path) -> None:
    """It says at the start that they may not do; and who is closed out is let in again later."""
    with process(config, tmp_path, program=("tests.program.limited", "64", "100")) as running:
        found = [await _healthy(running) for _ in range(120)]
        told = [line for line in running.lines if line["event"] == "few_descriptors"]
        for one in filter(None, found):
            one.close()

        async def is_in() -> bool:
            writer = await _healthy(running)
            if writer is not None:
                writer.close()
            return writer is not None

        await until_async(is_in, "being let in")

    assert None in found
    assert any(found)
    assert [(line["level"], line["descriptors"]) for line in told] == [("warning", 100)]
