"""Processes over one shared tier are one cache."""

import asyncio
import itertools
import json
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.support.origin import Act, Gate, ScriptedOrigin
from tests.support.program import (
    KEY,
    Got,
    Json,
    Process,
    async_sdk,
    chat,
    merged,
    process,
    settings,
)
from tests.support.servers import RedisServer
from tests.support.waiting import until, until_async

CROWD = 100
"""Callers of each replica."""

QUESTION, REWORDED = "How do I reset my password?", "how do I reset my PASSWORD"


async def ask(running: Process, text: str) -> dict[str, str]:
    async with async_sdk(running.url) as sdk:
        raw = await sdk.chat.completions.with_raw_response.create(
            model="m", messages=[{"role": "user", "content": text}]
        )
        return dict(raw.headers)


async def test_a_bad_hit_is_removed_everywhere(origin: ScriptedOrigin, tmp_path: Path) -> None:
    """Told to one process, the entry leaves the session tier of the other."""
    base = settings(origin.url, tmp_path, embedder={"kind": "local"})
    configs = [
        merged(
            base,
            {
                "cache": {
                    "vector": {"snapshot": f"{tmp_path}/{name}.snapshot"},
                    "judgement": {"labels": f"{tmp_path}/{name}.labels"},
                }
            },
        )
        for name in ("one", "other")
    ]
    with process(configs[0], tmp_path, "one") as one, process(configs[1], tmp_path, "other") as two:
        await ask(one, QUESTION)
        bad = await ask(one, REWORDED)
        assert (await ask(two, QUESTION))["x-cache"] == "HIT"
        assert (await ask(two, QUESTION))["x-cache-tier"] == "session"
        verdict = {"request_id": bad["x-request-id"], "verdict": "bad"}
        headers = {"authorization": f"Bearer {KEY}"}
        async with (
            aiohttp.ClientSession() as http,
            http.post(f"{one.url}/cache/feedback", json=verdict, headers=headers) as got,
        ):
            assert (await got.json())["removed"]

        async def is_gone() -> bool:
            return (await ask(two, QUESTION))["x-cache"] == "MISS"

        await until_async(is_gone, "the removal in the other process")


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[RedisServer]:
    server = RedisServer(tmp_path / "redis")
    server.start()
    yield server
    server.kill()


@pytest.fixture
def replicas(origin: ScriptedOrigin, redis: RedisServer, tmp_path: Path) -> Iterator[list[Process]]:
    """Four, over one Redis, with the exact tiers."""
    cache = {"deadline_ms": 20_000, "shared": {"url": redis.url, "poll_s": 60}}
    config = settings(origin.url, tmp_path, cache=cache)
    with ExitStack() as stack, ThreadPoolExecutor() as starting:

        def start(number: int) -> Process:
            return stack.enter_context(process(config, tmp_path, f"r{number}"))

        yield list(starting.map(start, range(4)))


class Crowd:
    """Callers who send their requests, and count what has left."""

    def __init__(self, http: aiohttp.ClientSession) -> None:
        self._http = http
        self.sent = 0

    async def ask(self, at: Process, body: dict[str, Any]) -> tuple[str, str]:
        """How it was answered, and what the answer says. One that breaks off raises."""
        headers = {"authorization": f"Bearer {KEY}"}
        async with self._http.post(f"{at.url}/chat/completions", json=body, headers=headers) as got:
            assert got.status == 200
            return got.headers["x-cache"], said(await got.text())

    async def took_turns(self, at: Process) -> bool:
        """Whether that replica has asked for a lease."""
        async with self._http.get(f"{at.root}/metrics") as got:
            return 'command="take"' in await got.text()


def said(text: str) -> str:
    """The words of an answer, in either form."""
    if not text.startswith("data:"):
        return str(json.loads(text)["choices"][0]["message"]["content"])
    assert text.endswith("data: [DONE]\n\n")
    events = [json.loads(line[6:]) for line in text.splitlines() if line.startswith("data: {")]
    deltas = [choice["delta"] for event in events for choice in event["choices"]]
    return "".join(delta.get("content") or "" for delta in deltas)


@asynccontextmanager
async def crowd() -> AsyncIterator[Crowd]:
    sent = itertools.count(1)

    async def count(*_: object) -> None:
        made.sent = next(sent)

    trace = aiohttp.TraceConfig()
    trace.on_request_chunk_sent.append(count)
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector, trace_configs=[trace]) as http:
        made = Crowd(http)
        yield made


async def test_a_crowd_over_all_replicas_is_one_call(
    replicas: list[Process], origin: ScriptedOrigin
) -> None:
    """However many ask at once, wherever and in whichever form: the origin is asked once."""
    gate = Gate()
    origin.always = Act(before=gate)
    async with crowd() as callers, asyncio.TaskGroup() as group:
        asking = [
            group.create_task(callers.ask(replica, chat(stream=bool(number % 2))))
            for number in range(CROWD)
            for replica in replicas
        ]
        await gate.reached()
        await until(lambda: callers.sent == len(asking), "everybody's asking")
        for replica in replicas:
            await until_async(partial(callers.took_turns, replica), "its turn")
        gate.open()
    results = Counter(task.result()[0] for task in asking)

    assert origin.calls == 1
    assert len({task.result()[1] for task in asking}) == 1
    assert results["MISS"] == 1
    assert results["COALESCED"] >= len(replicas) - 1
    assert set(results) <= {"MISS", "COALESCED", "HIT"}


async def test_one_replica_takes_a_dead_ones_place(
    replicas: list[Process], origin: ScriptedOrigin
) -> None:
    """Killed in mid-stream, the one who asks is followed by exactly one other."""
    gate = Gate()
    origin.then(gates={2: gate})
    async with crowd() as callers:
        first = asyncio.gather(callers.ask(replicas[0], chat(stream=True)), return_exceptions=True)
        await gate.reached()
        async with asyncio.TaskGroup() as group:
            asking = [
                group.create_task(callers.ask(replica, chat(stream=bool(number % 2))))
                for number in range(10)
                for replica in replicas[1:]
            ]
            await until(lambda: callers.sent == 1 + len(asking), "everybody's asking")
            replicas[0].kill()
        (broken,) = await first

    assert isinstance(broken, aiohttp.ClientError)
    assert origin.calls == 2
    assert len({task.result()[1] for task in asking}) == 1


@dataclass(frozen=True)
class Caller:
    """Asks one replica."""

    replica: Process
    http: aiohttp.ClientSession

    async def ask(self, text: str, cache_control: str = "") -> Got:
        return await self.post("chat/completions", chat(text), {"cache-control": cache_control})

    async def has(self, text: str) -> bool:
        """Whether there is an answer in the cache."""
        return (await self.ask(text, "only-if-cached")).status == 200

    async def post(self, path: str, body: Any, headers: dict[str, str]) -> Got:
        sent = {"authorization": f"Bearer {KEY}", **headers}
        async with self.http.post(f"{self.replica.url}/{path}", json=body, headers=sent) as got:
            return Got(got.status, got.headers, await got.read())


@pytest.fixture
async def two(
    origin: ScriptedOrigin, redis: RedisServer, tmp_path: Path
) -> AsyncIterator[tuple[Caller, Caller]]:
    """Two replicas with all tiers, that look at the log by themselves too late for a test."""
    cache: Json = {"deadline_ms": 20_000, "shared": {"url": redis.url, "poll_s": 600}}
    configs = [
        settings(
            origin.url,
            tmp_path,
            embedder={"kind": "local"},
            cache=cache
            | {
                "vector": {"snapshot": f"{tmp_path}/{name}.snapshot"},
                "judgement": {"labels": f"{tmp_path}/{name}.labels"},
            },
        )
        for name in ("one", "other")
    ]
    connector = aiohttp.TCPConnector(limit=0)
    with process(configs[0], tmp_path, "one") as one, process(configs[1], tmp_path, "two") as other:
        async with aiohttp.ClientSession(connector=connector) as http:
            yield Caller(one, http), Caller(other, http)


async def test_what_one_stores_all_serve(
    two: tuple[Caller, Caller], origin: ScriptedOrigin
) -> None:
    """The question from the shared tier, then the session's; rewordings; and what replaces it."""
    one, other = two
    origin.always = Act(text="old")
    await one.ask(QUESTION)

    async def is_shared() -> bool:
        return (await other.ask(QUESTION, "only-if-cached")).tier == "shared"

    await until_async(is_shared, "the question's hit")
    assert (await other.ask(QUESTION)).tier == "session"

    async def is_found() -> bool:
        return (await other.ask(REWORDED, "only-if-cached")).tier == "vector"

    await until_async(is_found, "the rewording's hit")
    origin.always = Act(text="new")
    await one.ask(QUESTION, "no-cache")

    async def is_new() -> bool:
        return (await other.ask(QUESTION)).text == "new"

    await until_async(is_new, "the new answer's hit")
    assert origin.calls == 2


async def test_a_deleted_answer_is_not_served_again(
    two: tuple[Caller, Caller], origin: ScriptedOrigin
) -> None:
    """On the replica that deleted it not once, however many ask meanwhile; on others soon not."""
    for number in range(6):
        served = await served_after_deletion(*two, f"Is {number * 37} a prime number?", origin)

        assert served == []


async def served_after_deletion(
    one: Caller, other: Caller, question: str, origin: ScriptedOrigin
) -> list[Got]:
    """Hits on the first replica that were asked for after it had said that it deleted them."""
    served: list[Got] = []
    deleted = asyncio.Event()
    origin.always = Act()
    entry = (await one.ask(question)).headers["x-cache-entry"]

    async def keep_asking() -> None:
        while not deleted.is_set():
            await other.ask(question, "only-if-cached")
            await one.ask(question, "only-if-cached")
        got = await one.ask(question, "only-if-cached")
        if got.status == 200:
            served.append(got)

    async def is_gone() -> bool:
        return not await other.has(question)

    async with asyncio.TaskGroup() as group:
        for _ in range(8):
            group.create_task(keep_asking())
        await until_async(lambda: other.has(question), "the other's hit")
        verdict = {"entry_id": entry, "verdict": "bad"}
        assert (await one.post("cache/feedback", verdict, {})).json["removed"]
        deleted.set()
    await until_async(is_gone, "the removal in the other replica")
    return served


async def test_an_answer_under_way_elsewhere_is_not_stored_after_a_deletion(
    two: tuple[Caller, Caller], origin: ScriptedOrigin
) -> None:
    """It was asked for before: its caller gets it, and the next one asks anew."""
    one, other = two
    origin.always = Act(text="old")
    entry = (await one.ask(QUESTION)).headers["x-cache-entry"]
    await until_async(lambda: other.has(QUESTION), "the other's hit")
    gate = Gate()
    origin.always = Act(text="old", before=gate)
    async with asyncio.TaskGroup() as group:
        asking = group.create_task(other.ask(QUESTION, "no-cache"))
        await gate.reached()
        verdict = {"entry_id": entry, "verdict": "bad"}
        assert (await one.post("cache/feedback", verdict, {})).json["removed"]

        async def is_gone() -> bool:
            return not await other.has(QUESTION)

        await until_async(is_gone, "the removal in the other replica")
        gate.open()
    origin.always = Act(text="new")

    assert asking.result().text == "old"
    assert not await other.has(QUESTION)
    assert (await other.ask(QUESTION)).text == "new"
    await until_async(lambda: one.has(QUESTION), "the new answer's hit")
    assert (await one.ask(QUESTION)).text == "new"
