"""Repeats that the session tier does not have are sought in the shared tier."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from proxy.core.changes import ALL_TENANTS, Selector
from proxy.web.keys import STOPPING
from tests.support.lines import (
    ASKED,
    PATH,
    Line,
    common,
    grown,
    known,
    line_to,
    raw,
    series,
    told,
)
from tests.support.origin import Act, ScriptedOrigin
from tests.support.program import Served, Serving, chat
from tests.support.servers import RedisServer
from tests.support.waiting import until

NO_SESSION = {"session": {"enabled": False}}
PATIENT = {"deadline_ms": 20_000}
"""However busy the machine is, a lookup is not late."""


@pytest.fixture(scope="module")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    server = RedisServer(tmp_path_factory.mktemp("redis"))
    server.start()
    try:
        yield server
    finally:
        server.kill()


@dataclass(slots=True)
class Slow:
    """A proxy without a session tier, and its Redis, which can be told to answer nobody."""

    proxy: Served
    line: Line
    server: RedisServer

    async def sought(self, *requests: bytes) -> None:
        """Ask while Redis is silent, and wait until it is waited for."""
        self.server.pause()
        for request in requests:
            self.line.writer.write(request)
        await until(lambda: self.proxy.runtime.shared_stage.is_busy, "a lookup")


@pytest.fixture(params=["sqlite", "redis"])
def shared(request: pytest.FixtureRequest, tmp_path: Path) -> dict[str, Any]:
    """Either shared tier, empty."""
    if request.param == "sqlite":
        return {}
    server: RedisServer = request.getfixturevalue("redis")
    return {"url": server.url, "key_prefix": tmp_path.name}


@pytest.fixture
async def slow(serving: Serving, redis: RedisServer, tmp_path: Path) -> AsyncIterator[Slow]:
    url = {"url": redis.url, "key_prefix": tmp_path.name, "timeout_ms": 5000}
    async with (
        serving(cache={**NO_SESSION, "deadline_ms": 9000, "shared": url}) as proxy,
        line_to(proxy) as line,
    ):
        try:
            yield Slow(proxy, line, redis)
        finally:
            redis.resume()


@asynccontextmanager
async def without_session(serving: Serving, shared: dict[str, Any]) -> AsyncIterator[Served]:
    async with serving(cache={**NO_SESSION, **PATIENT, "shared": shared}) as proxy:
        yield proxy


async def stored(proxy: Served) -> None:
    """Wait until what was answered is in the shared tier."""
    await until(lambda: not len(proxy.runtime.writing), "storing")


async def known_there(proxy: Served, line: Line, path: str, body: dict[str, Any]) -> bytes:
    """A request whose answer the shared tier has, and that the lane knows from now on."""
    asked = raw(path, body)
    await line.ask(asked)
    await stored(proxy)
    await line.ask(asked)
    return asked


@pytest.mark.parametrize("name", ASKED)
async def test_both_ways_say_the_same(serving: Serving, shared: dict[str, Any], name: str) -> None:
    """Every endpoint, plain and as a stream: the same bytes and log lines, stage by stage."""
    path, body = ASKED[name]
    async with (
        without_session(serving, shared) as proxy,
        line_to(proxy) as line,
        line_to(proxy) as other,
    ):
        await known_there(proxy, line, path, body)
        quick = [await line.ask(raw(path, body)) for _ in range(3)]
        answered = proxy.lane.answered
        full = await other.ask(raw(path, body, chunked=True))
        lines = proxy.events("request")

    assert answered == 3
    assert b"x-cache-tier: shared" in full
    assert {common(reply) for reply in quick} == {common(full)}
    assert len({*quick, full}) == 4
    assert [told(one) for one in lines[2:-1]] == [told(lines[-1])] * 3
    assert {tuple(one["ms"]) for one in lines[1:]} == {("session", "shared", "total")}


async def test_the_same_is_counted(serving: Serving, shared: dict[str, Any]) -> None:
    """Tokens, money, times, lookups: also where both tiers answer in turn."""
    async with (
        serving(cache={**PATIENT, "shared": shared}) as proxy,
        line_to(proxy) as line,
        line_to(proxy) as other,
    ):

        async def now() -> Any:
            return series((await proxy.get("/metrics")).body.decode())

        async def some(asked: bytes, by: Line) -> None:
            for _ in range(3):
                proxy.runtime.session.drop([entry])
                tiers = [await by.ask(asked) for _ in range(2)]
                assert [b"x-cache-tier: shared" in one for one in tiers] == [True, False]

        await known_there(proxy, line, PATH, chat())
        entry = proxy.events("request")[-1]["entry"]
        counts = [await now()]
        for by, chunked in ((line, False), (other, True)):
            await some(raw(PATH, chat(), chunked=chunked), by)
            counts.append(await now())
        answered = proxy.lane.answered

    by_lane, by_full = grown(counts[1], counts[0]), grown(counts[2], counts[1])
    assert answered == 6
    assert by_lane == pytest.approx(by_full)


async def test_first_seen_by_another_replica(serving: Serving, redis: RedisServer) -> None:
    """What was read from the shared tier once is known, and answered by the session tier."""
    url = {"url": redis.url, "key_prefix": "replicas"}
    async with serving(cache={"shared": url}) as first:
        await first.post(chat())
        await stored(first)
    async with serving(cache={**PATIENT, "shared": url}) as second, line_to(second) as line:
        replies = [await line.ask(raw(PATH, chat())) for _ in range(2)]
        answered = second.lane.answered

    assert [b"x-cache-tier: shared" in reply for reply in replies] == [True, False]
    assert all(b"x-cache: HIT" in reply for reply in replies)
    assert answered == 1


@pytest.mark.parametrize(
    "meant",
    [Selector(ALL_TENANTS, everything=True), Selector(ALL_TENANTS, namespace="docs")],
    ids=["everything", "a namespace"],
)
async def test_what_was_forgotten_is_not_found(
    serving: Serving, shared: dict[str, Any], meant: Selector
) -> None:
    """Neither what was removed, nor what is there yet and of a namespace that was purged."""
    async with without_session(serving, shared) as proxy, line_to(proxy) as line:
        asked = raw(PATH, chat(), {"x-cache-namespace": "docs"})
        await line.ask(asked)
        await stored(proxy)
        before = [await line.ask(asked) for _ in range(2)]
        await proxy.runtime.invalidate(meant)
        after = await line.ask(asked)
        answered = proxy.lane.answered

    assert all(b"x-cache: HIT" in reply for reply in before)
    assert b"x-cache: MISS" in after
    assert answered == 1


async def test_what_was_replaced_is_not_repeated(
    serving: Serving, shared: dict[str, Any], origin: ScriptedOrigin
) -> None:
    """An answer that another replica has refreshed is given as it is now."""
    async with without_session(serving, shared) as proxy, line_to(proxy) as line:
        asked = await known_there(proxy, line, PATH, chat())
        before = await line.ask(asked)
        origin.then(text="Something newer")
        await proxy.post(chat(), cache_control="no-cache")
        await stored(proxy)
        after = [await line.ask(asked) for _ in range(2)]
        answered = proxy.lane.answered

    assert b"Something newer" not in before
    assert all(b"Something newer" in reply and b"x-cache: HIT" in reply for reply in after)
    assert answered == 2


async def test_what_is_too_old_is_not_repeated(serving: Serving, origin: ScriptedOrigin) -> None:
    """An answer that the shared tier keeps beyond its time is looked up as ever."""
    ttl = {"default_s": 0.3, "stale_s": 60}
    async with (
        serving(cache={**NO_SESSION, **PATIENT, "ttl": ttl}) as proxy,
        line_to(proxy) as line,
    ):
        asked = await known_there(proxy, line, PATH, chat())
        await line.ask(asked)
        answered = proxy.lane.answered
        await asyncio.sleep(0.4)
        reply = await line.ask(asked)

    assert (answered, proxy.lane.answered) == (1, 1)
    assert b"x-cache: MISS" in reply
    assert origin.calls == 2


async def test_what_comes_meanwhile_waits(slow: Slow) -> None:
    """Pipelined requests are answered in their order, whoever answers them."""
    asked = await known_there(slow.proxy, slow.line, PATH, chat())
    await slow.sought(asked)
    slow.line.writer.write(raw(PATH, chat("Another question")))
    slow.line.writer.write(asked[:40])
    await slow.line.writer.drain()
    slow.server.resume()
    first, second = await slow.line.answer(), await slow.line.answer()
    third = await slow.line.ask(asked[40:])

    assert [b"x-cache: HIT" in one for one in (first, second, third)] == [True, False, True]
    assert b"Another question" in second
    assert slow.proxy.lane.answered == 1


async def test_a_caller_who_left_is_noticed(slow: Slow) -> None:
    """As on the full path: the same line, once."""
    asked = await known_there(slow.proxy, slow.line, PATH, chat())
    lines = []
    for chunked in (False, True):
        async with line_to(slow.proxy) as line:
            before = len(slow.proxy.events("request"))
            quiet = Slow(slow.proxy, line, slow.server)
            await quiet.sought(raw(PATH, chat(), chunked=True) if chunked else asked)
        await until(lambda: len(slow.proxy.events("request")) > before, "its line")  # noqa: B023
        slow.server.resume()
        lines.append(slow.proxy.events("request")[-1])

    assert lines[0]["reason"] == "the caller left"
    assert told(lines[0]) == told(lines[1])
    assert tuple(lines[0]["ms"]) == tuple(lines[1]["ms"])
    assert len(slow.proxy.events("request")) == 4


async def test_a_server_that_stops_answers_first(slow: Slow) -> None:
    """A repeat that is sought is answered, and says that the connection ends."""
    asked = await known_there(slow.proxy, slow.line, PATH, chat())
    await slow.sought(asked)
    slow.proxy.runner.app[STOPPING].set()
    async with asyncio.TaskGroup() as group:
        group.create_task(slow.proxy.runner.cleanup())
        await asyncio.sleep(0)
        slow.server.resume()
        reply = await slow.line.answer()
        rest = await slow.line.reader.read()

    assert b"x-cache: HIT" in reply
    assert b"\r\nconnection: close\r\n" in reply
    assert rest == b""


async def test_a_shared_tier_that_is_late(
    serving: Serving, redis: RedisServer, origin: ScriptedOrigin, tmp_path: Path
) -> None:
    """It is gone past, by the full path too, which asks the origin."""
    url = {"url": redis.url, "key_prefix": tmp_path.name}
    async with (
        serving(cache={**NO_SESSION, "deadline_ms": 200, "shared": url}) as proxy,
        line_to(proxy) as line,
    ):
        asked = await known_there(proxy, line, PATH, chat())
        origin.always = Act(text="From the origin")
        redis.pause()
        try:
            reply = await line.ask(asked)
        finally:
            redis.resume()
        opened = proxy.events("breaker_opened")

    assert b"From the origin" in reply
    assert b"x-cache: MISS" in reply
    assert [one["stage"] for one in opened] == ["shared"]


async def test_a_session_that_has_the_same_answer_again(serving: Serving) -> None:
    """An answer that was read anew is the same one: the session tier answers at once."""
    async with serving(cache=PATIENT) as proxy, line_to(proxy) as line, line_to(proxy) as other:
        asked = await known(line, chat())
        await stored(proxy)
        entry = proxy.events("request")[-1]["entry"]
        proxy.runtime.session.drop([entry])
        full = await other.ask(raw(PATH, chat(), chunked=True))
        reply = await line.ask(asked)
        answered = proxy.lane.answered

    assert b"x-cache-tier: shared" in full
    assert b"x-cache-tier: session" in reply
    assert answered == 1
