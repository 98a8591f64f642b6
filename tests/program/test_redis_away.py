"""What waits while Redis is away: counted, written once it is back, and gone when it is deleted."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from proxy.core.changes import ALL_TENANTS, Selector
from proxy.errors import TierError
from tests.support.origin import ScriptedOrigin
from tests.support.program import (
    Json,
    Process,
    Served,
    async_sdk,
    chat,
    merged,
    process,
    served,
    settings,
)
from tests.support.servers import RedisServer
from tests.support.waiting import until

QUESTIONS = [f"What is thing number {number}?" for number in range(5)]
EVERYTHING = Selector(ALL_TENANTS, everything=True)
MISSES, IN_SESSION, IN_SHARED = (
    [answered] * len(QUESTIONS)
    for answered in (("MISS", None), ("HIT", "session"), ("HIT", "shared"))
)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RedisServer]:
    """A server of the test's own, to be stopped and killed."""
    own = RedisServer(tmp_path)
    own.start()
    yield own
    own.kill()


@pytest.fixture
def config(origin: ScriptedOrigin, server: RedisServer, tmp_path: Path) -> Json:
    base = settings(origin.url, tmp_path, cache={"deadline_ms": 200})
    base["cache"]["shared"] = {"url": server.url, "timeout_ms": 200, "poll_s": 0.05}
    return base


@pytest.fixture
def other(config: Json, tmp_path: Path) -> Iterator[Process]:
    """A second proxy on the same Redis."""
    with process(config, tmp_path, "other") as running:
        yield running


def slow(config: Json) -> Json:
    """A proxy that drains only when Redis is back, or when the test says so."""
    return merged(config, {"cache": {"shared": {"poll_s": 60}}})


async def ask_all(url: str) -> list[tuple[str | None, str | None]]:
    """(what the cache says, which tier) for every question, in order."""
    answered = []
    async with async_sdk(url) as sdk:
        for text in QUESTIONS:
            got = await sdk.chat.completions.with_raw_response.create(**chat(text))
            answered.append((got.headers.get("x-cache"), got.headers.get("x-cache-tier")))
    return answered


async def fill_while_away(proxy: Served) -> None:
    """Ask all while Redis does not answer; wait until all the answers wait."""
    assert await ask_all(proxy.url) == MISSES
    await until(lambda: len(proxy.runtime.backlog) == len(QUESTIONS), "the answers' waiting")


async def is_well(proxy: Served) -> None:
    await until(lambda: proxy.runtime.shared_stage.trouble is None, "Redis' return")


async def series(proxy: Served, line: str) -> bool:
    """Whether the metrics have this line."""
    return line in (await proxy.get("/metrics")).body.decode().splitlines()


async def test_killed_and_restarted(config: Json, server: RedisServer, other: Process) -> None:
    """Misses answered while Redis was down are hits on another proxy once it is back."""
    async with served(config) as one:
        server.kill()
        await fill_while_away(one)
        assert await ask_all(one.url) == IN_SESSION
        assert await series(one, "reprise_backlog_entries 5.0")
        await asyncio.to_thread(server.start)
        await until(lambda: len(one.runtime.backlog) == 0, "the draining")

        assert await ask_all(other.url) == IN_SHARED
        assert await series(one, "reprise_backlog_drained_total 5.0")
        assert sum(line["entries"] for line in one.events("backlog_drained")) == len(QUESTIONS)


async def test_deleted_while_away(config: Json, server: RedisServer) -> None:
    """The deletion cannot be acknowledged, and yet what waits does not come back after it."""
    async with served(config) as one:
        server.kill()
        await fill_while_away(one)
        with pytest.raises(TierError):
            await one.runtime.invalidate(EVERYTHING)
        await asyncio.to_thread(server.start)
        await is_well(one)
        await one.runtime.drain.drain()

        assert (await one.runtime.invalidate(EVERYTHING, dry_run=True)).ids == ()
        assert await series(one, 'reprise_backlog_dropped_total{cause="removed"} 5.0')


async def test_deleted_while_it_is_drained(
    config: Json, server: RedisServer, other: Process
) -> None:
    """Once the deletion has returned, nothing is served that waited or was on its way."""
    async with served(slow(config)) as one:
        server.kill()
        await fill_while_away(one)
        with one.runtime.backlog.held():
            await asyncio.to_thread(server.start)
            await is_well(one)
        async with asyncio.TaskGroup() as group:
            group.create_task(one.runtime.drain.drain())
            stats = one.runtime.backlog.stats
            await until(lambda: stats()["drained"] >= 2, "the draining's begin")
            deleting = group.create_task(one.runtime.invalidate(EVERYTHING))
        await one.runtime.drain.drain()

        assert deleting.result().count == len(QUESTIONS)
        assert await ask_all(other.url) == MISSES


async def test_ended_while_away(config: Json, server: RedisServer) -> None:
    """A proxy that is told to stop does not wait for a Redis that is not there."""
    async with served(config) as one:
        server.kill()
        await fill_while_away(one)
        log = one.log

    assert '"backlog_lost"' in log.getvalue()


async def test_ended_before_it_has_drained(
    config: Json, server: RedisServer, other: Process
) -> None:
    """What waits is written before the end, where Redis takes it."""
    async with served(slow(config)) as one:
        server.kill()
        await fill_while_away(one)
        with one.runtime.backlog.held():
            await asyncio.to_thread(server.start)
            await is_well(one)
        assert len(one.runtime.backlog) == len(QUESTIONS)

    assert await ask_all(other.url) == IN_SHARED
