"""`reprise serve` as a process of its own."""

import asyncio
import socket
import subprocess
import sys
from pathlib import Path

import aiohttp
import pytest

from tests.support.origin import Act, Gate, ScriptedOrigin
from tests.support.program import Json, Process, async_sdk, chat, process, settings
from tests.support.waiting import until, until_sync

QUESTION = "How do I reset my password?"
REWORDED = "how can I reset my password"


@pytest.fixture
def config(origin: ScriptedOrigin, tmp_path: Path) -> Json:
    return settings(origin.url, tmp_path, embedder={"kind": "local"})


async def ask(running: Process, text: str) -> tuple[str, str | None]:
    """(what was said, which tier said it)."""
    async with async_sdk(running.url) as sdk:
        raw = await sdk.chat.completions.with_raw_response.create(
            model="m", messages=[{"role": "user", "content": text}]
        )
        said = raw.parse().choices[0].message.content or ""
        tier: str | None = raw.headers.get("x-cache-tier")
        return said, tier


async def test_all_tiers_over_a_restart(
    config: Json, origin: ScriptedOrigin, tmp_path: Path
) -> None:
    """The first process fills all tiers; the second one finds them filled."""
    with process(config, tmp_path) as first:
        said, _ = await ask(first, QUESTION)
        tiers = [(await ask(first, text))[1] for text in (QUESTION, REWORDED)]
        status = await asyncio.to_thread(first.stop)
    with process(config, tmp_path, "second") as second:
        again = [await ask(second, text) for text in (QUESTION, REWORDED)]

    assert status == 0
    assert tiers == ["session", "vector"]
    assert again == [(said, "shared"), (said, "vector")]
    assert origin.calls == 1


async def test_a_stop_lets_requests_end(
    config: Json, origin: ScriptedOrigin, tmp_path: Path
) -> None:
    """A stream under way is finished and stored; new connections are refused."""
    gate = Gate()
    origin.then(gates={2: gate})
    config["server"]["drain_s"] = 20
    with process(config, tmp_path) as running:
        async with (
            aiohttp.ClientSession() as http,
            http.post(f"{running.url}/chat/completions", json=chat(QUESTION, stream=True)) as got,
        ):
            await gate.reached()
            stopping = asyncio.get_running_loop().run_in_executor(None, running.stop)
            await until(lambda: _refuses(running.root), "refusing")
            gate.open()
            whole = await got.read()
            status = await stopping
    with process(config, tmp_path, "second") as second:
        _, tier = await ask_as_nobody(second)

    assert whole.endswith(b"data: [DONE]\n\n")
    assert status == 0
    assert tier == "shared"


async def ask_as_nobody(running: Process) -> tuple[int, str | None]:
    """The same question, without a credential."""
    async with (
        aiohttp.ClientSession() as http,
        http.post(f"{running.url}/chat/completions", json=chat(QUESTION)) as got,
    ):
        await got.read()
        return got.status, got.headers.get("x-cache-tier")


def _refuses(root: str) -> bool:
    host, port = root.removeprefix("http://").split(":")
    try:
        with socket.create_connection((host, int(port)), timeout=5):
            return False
    except ConnectionRefusedError:
        return True


def test_a_stop_is_bounded(config: Json, origin: ScriptedOrigin, tmp_path: Path) -> None:
    """A request that never ends does not keep the process."""
    origin.always = Act(before=Gate())
    config["server"]["drain_s"] = 0.3
    with process(config, tmp_path) as running:

        async def leave_waiting() -> None:
            async with aiohttp.ClientSession() as http, asyncio.TaskGroup() as group:
                url = f"{running.url}/chat/completions"
                asking = group.create_task(http.post(url, json=chat()))
                await origin.asked(1)
                status = await asyncio.to_thread(running.stop)
                assert status == 0
                asking.cancel()

        try:
            asyncio.run(leave_waiting())
        except* aiohttp.ClientError:
            pass
        until_sync(lambda: running.child.poll() is not None, "the end")

    assert running.child.returncode == 0


def test_a_taken_port(config: Json, tmp_path: Path) -> None:
    """One line says what is wrong, and the status is not 0."""
    with process(config, tmp_path) as running:
        port = running.url.rsplit(":", 1)[1].removesuffix("/v1")
        ended = subprocess.run(
            [sys.executable, "-m", "proxy", "serve", "--config", str(tmp_path / "proxy.yaml")],
            env={"PORT": port, "PATH": ""},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    assert ended.returncode == 1
    assert "cannot listen on 127.0.0.1" in ended.stderr
    assert "Traceback" not in ended.stderr
