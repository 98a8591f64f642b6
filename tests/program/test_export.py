"""A cache that is exported and imported elsewhere gives the same hits."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest

from proxy.core.entrylines import begin, end, written
from tests.cli.test_check import run
from tests.support.origin import ScriptedOrigin
from tests.support.program import Got, Json, Process, chat, merged, process, settings
from tests.support.servers import RedisServer
from tests.support.waiting import until_async
from tests.tiers.builders import FakeClock, entry
from tests.web.admin.calling import TOKEN

EXACT = ["How do I reset my password?", "What is a semantic cache?", "Who wrote Faust?"]
REWORDED = "How can I reset my password?"
OPEN: Json = {"admin": {"token": TOKEN, "allow_export": True}, "embedder": {"kind": "local"}}


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RedisServer]:
    running = RedisServer(tmp_path / "redis")
    running.start()
    yield running
    running.kill()


@asynccontextmanager
async def proxy(
    origin: ScriptedOrigin, path: Path, name: str, url: str | None = None
) -> AsyncIterator[Process]:
    """One with a cache of its own."""
    config = merged(settings(origin.url, path / name), OPEN)
    if url is not None:
        config["cache"]["shared"]["url"] = url
    (path / name).mkdir(exist_ok=True)
    with process(config, path / name) as running:
        yield running


async def command(running: Process, *arguments: str) -> str:
    ended = await asyncio.to_thread(run, *arguments, ADMIN_TOKEN=TOKEN, REPRISE_URL=running.root)
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


async def ask(running: Process, body: Json) -> Got:
    headers = {"authorization": "Bearer sk-test"}
    async with (
        aiohttp.ClientSession() as http,
        http.post(f"{running.url}/chat/completions", json=body, headers=headers) as got,
    ):
        return Got(got.status, got.headers, await got.read())


def content(file: str) -> bytes:
    return Path(file).read_bytes()


async def stored(running: Process, count: int) -> None:
    async def is_there() -> bool:
        told = json.loads(await command(running, "stats", "--json"))
        return bool(told["entries"]["shared"] == count)

    await until_async(is_there, "what was answered, in the shared tier")


async def hits(running: Process) -> list[tuple[str | None, str | None, object]]:
    """How each question is answered, in both forms, and what is said."""
    found: list[tuple[str | None, str | None, object]] = []
    for text in [*EXACT, REWORDED]:
        plain = await ask(running, chat(text))
        stream = await ask(running, chat(text, stream=True))
        frames = [line[6:] for line in stream.body.split(b"\n\n") if line.startswith(b"data: {")]
        pieces = [json.loads(frame)["choices"] for frame in frames]
        found += [(plain.cache, plain.tier, plain.text), (stream.cache, stream.tier, pieces)]
    return found


async def test_from_sqlite_to_redis_and_back(
    origin: ScriptedOrigin, tmp_path: Path, server: RedisServer
) -> None:
    """Exports are equal byte for byte; exact, reworded and streamed hits are the same.

    What an import has reported is there after the process was killed at once.
    """
    files = [str(tmp_path / f"{name}.jsonl") for name in "abc"]
    async with proxy(origin, tmp_path, "one") as running:
        for number, text in enumerate(EXACT):
            await ask(running, chat(text, stream=number == 1))
        await stored(running, len(EXACT))
        await command(running, "export", files[0])
        first = await hits(running)
    calls = origin.calls
    async with proxy(origin, tmp_path, "two", server.url) as running:
        assert await command(running, "import", files[0]) == "3 imported\n"
        second = await hits(running)
        await command(running, "export", files[1])
    async with proxy(origin, tmp_path, "three") as running:
        assert await command(running, "import", files[1]) == "3 imported\n"
        running.kill()
    async with proxy(origin, tmp_path, "three") as running:
        await command(running, "export", files[2])
        third = await hits(running)

    exports = list(map(content, files))
    assert exports[0] == exports[1] == exports[2]
    assert {cache for cache, _, _ in first} == {"HIT"}
    assert [told[0::2] for told in first] == [told[0::2] for told in second]
    assert second == third
    assert second[-1][1] == "vector"
    assert origin.calls == calls


async def test_a_server_that_is_lost_half_way(
    origin: ScriptedOrigin, tmp_path: Path, server: RedisServer
) -> None:
    """An export breaks off, lest a part be taken for the whole; an import says how far it came."""
    made = [entry(f"q{number}", FakeClock(), seed=None) for number in range(100)]
    long = {"message": {"role": "assistant", "content": "x" * 300_000}, "finish_reason": "stop"}
    body = json.dumps({"choices": [long]})
    lines = []
    for one in made:
        told = json.loads(written(one))
        lines.append(json.dumps({**told, "body": body, "frames": []}).encode() + b"\n")
    file = tmp_path / "made.jsonl"
    file.write_bytes(b"".join((begin(), *lines, end(len(lines)))))
    async with proxy(origin, tmp_path, "one", server.url) as running:
        assert await command(running, "import", str(file)) == "100 imported\n"
        headers = {"authorization": f"Bearer {TOKEN}"}
        async with (
            aiohttp.ClientSession() as http,
            http.get(f"{running.root}/admin/v1/export", headers=headers) as got,
        ):
            assert (await got.content.readline()) == begin()
            await asyncio.to_thread(server.kill)
            with pytest.raises(aiohttp.ClientPayloadError):
                await got.read()
        again = await asyncio.to_thread(
            run, "import", str(file), ADMIN_TOKEN=TOKEN, REPRISE_URL=running.root
        )

    assert (again.returncode, again.stdout) == (1, "")
    assert "when 0 entries were imported" in again.stderr
