"""Processes that have what they store sealed, and what is then left on disks."""

import asyncio
import base64
import itertools
import json
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import aiohttp
import pytest

from tests.support.completions import text_for
from tests.support.origin import ScriptedOrigin
from tests.support.program import KEY, Json, Process, chat, merged, process, settings
from tests.support.servers import RedisServer

OLD, NEW = (
    {"id": name, "key": base64.b64encode(name.encode() * 8).decode()} for name in ("old1", "new1")
)
TENANT_KEY = "a secret of some length"
PROMPT, REWORDED = "How do I reset my password?", "how do I reset my PASSWORD"

Store = tuple[str, RedisServer | None]
"""The URL of the shared tier, and its server."""


@pytest.fixture
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    """Where entries are, and the server that has them."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path}/data/reprise.db", None
        return
    server = RedisServer(tmp_path / "redis")
    server.start("--rdbcompression", "no")
    yield server.url, server
    server.kill()


def sealed(origin: ScriptedOrigin, directory: Path, url: str, *keys: Json, **over: Json) -> Json:
    """A configuration with these keys, the first of which seals."""
    (directory / "data").mkdir(exist_ok=True)
    cache = {
        "shared": {"url": url},
        "encryption": {"keys": list(keys)},
        "tenant_key": TENANT_KEY,
    }
    return settings(origin.url, directory / "data", **merged({"cache": cache}, over))


class Caller:
    """Asks processes, and checks every answer."""

    def __init__(self, http: aiohttp.ClientSession) -> None:
        self._http = http

    async def ask(self, running: Process, text: str) -> str:
        """How the cache says it answered."""
        headers = {"authorization": f"Bearer {KEY}"}
        url = f"{running.url}/chat/completions"
        async with self._http.post(url, json=chat(text), headers=headers) as got:
            assert got.status == 200
            told = (await got.json())["choices"][0]["message"]["content"]
            assert told == text_for(chat(text), f"Bearer {KEY}")
            return f"{got.headers['x-cache']} {got.headers.get('x-cache-tier', '')}".strip()


def unreadable(running: Process) -> list[Json]:
    return [line for line in running.lines if line["event"] == "entry_unreadable"]


@pytest.mark.parametrize("store", ["redis"], indirect=True)
async def test_keys_are_exchanged_under_traffic(
    origin: ScriptedOrigin, tmp_path: Path, store: Store
) -> None:
    """Restarted one by one, twice: no request fails, and nothing that was stored is lost."""
    url, _ = store
    names, numbers = itertools.count(), itertools.count()
    asked: list[str] = []

    def begun(stack: ExitStack, *keys: Json) -> Process:
        config = sealed(origin, tmp_path, url, *keys)
        return stack.enter_context(process(config, tmp_path, f"p{next(names)}"))

    # A connection that is kept would be waited for at each stop.
    connector = aiohttp.TCPConnector(force_close=True)
    async with aiohttp.ClientSession(connector=connector) as http:
        caller = Caller(http)

        async def traffic(running: Process, done: asyncio.Event) -> None:
            while not done.is_set():
                asked.append(f"question {next(numbers)}")
                assert await caller.ask(running, asked[-1]) == "MISS"
                await asyncio.sleep(0.2)

        with ExitStack() as stack:
            one, two = begun(stack, OLD), begun(stack, OLD)
            every = [one, two]
            for keys in ([OLD, NEW], [NEW, OLD]):
                for _ in range(2):
                    done = asyncio.Event()
                    async with asyncio.TaskGroup() as group:
                        group.create_task(traffic(two, done))
                        await asyncio.to_thread(one.stop)
                        fresh = await asyncio.to_thread(begun, stack, *keys)
                        done.set()
                    for text in asked:
                        assert (await caller.ask(fresh, text)).startswith("HIT")
                    one, two = two, fresh
                    every.append(fresh)
            assert [unreadable(running) for running in every] == [[]] * len(every)
            assert len(asked) > 4


def on_disk(directory: Path) -> bytes:
    """All files below a folder."""
    return b"".join(one.read_bytes() for one in directory.rglob("*") if one.is_file())


@pytest.mark.parametrize(
    ("store", "keys"),
    [("sqlite", (OLD,)), ("redis", (OLD,)), ("sqlite", ())],
    ids=["sqlite", "redis", "in clear"],
    indirect=["store"],
)
async def test_no_prompt_is_on_a_disk(
    origin: ScriptedOrigin,
    tmp_path: Path,
    store: Store,
    keys: tuple[Json, ...],
) -> None:
    """Neither in the database and its WAL or Redis's file, nor in snapshot, labels and log.

    Without keys they are there: this test would find them.
    """
    url, server = store
    over: Json = {"cache": {"vector": {"snapshot_every_s": 1}}, "embedder": {"kind": "local"}}
    config = sealed(origin, tmp_path, url, *keys, **over)
    with process(config, tmp_path, "one") as running:
        async with aiohttp.ClientSession() as http:
            caller = Caller(http)
            found = [await caller.ask(running, PROMPT)]
            body = json.dumps(chat(REWORDED)).encode()
            headers = {"authorization": f"Bearer {KEY}", "content-type": "application/json"}
            async with http.post(
                f"{running.url}/chat/completions", data=body, headers=headers
            ) as got:
                found.append(got.headers["x-cache"])
                bad = {"request_id": got.headers["x-request-id"], "verdict": "bad"}
            await caller.ask(running, "a second question, which is kept")
            async with http.post(f"{running.url}/cache/feedback", json=bad, headers=headers) as got:
                assert got.status == 200
            await caller.ask(running, PROMPT)
        if server is not None:
            assert server.ask("SAVE").startswith(b"+OK")
        while_running = on_disk(tmp_path)
        running.stop()
    left = while_running + on_disk(tmp_path)

    assert found == ["MISS", "HIT"]
    assert (PROMPT.encode() in left) == (not keys)
    assert (REWORDED.encode() in left, KEY.encode() in left) == (False, False)
