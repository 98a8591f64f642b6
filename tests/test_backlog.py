"""Answers that wait for the shared tier: in bounds, and gone when they should be."""

import asyncio
import io
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from proxy.backlog import TRIES, Backlog, Drain
from proxy.config import Config
from proxy.core.changes import ALL_TENANTS, Selector
from proxy.core.model import Entry, Lease
from proxy.errors import TierError
from proxy.resilience import Deadline, Stage, Tasks
from proxy.runtime import open_runtime
from proxy.tiers.session import MemoryTier, size_of
from proxy.tiers.sqlite import SqliteTier
from proxy.upkeep import Upkeep
from tests.support.backlogs import backlog_of
from tests.support.ports import Heard
from tests.support.program import settings
from tests.support.waiting import until
from tests.tiers.builders import FakeClock, entry

LATER = 1.0


def drain_all(backlog: Backlog, now: float) -> list[str]:
    """Take everything, as if it were written; returns the questions in order."""
    taken: list[str] = []
    while True:
        with backlog.taken(now) as one:
            if one is None:
                return taken
            backlog.written(one)
            taken.append(one.question)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def heard() -> Heard:
    return Heard()


def test_in_order(clock: FakeClock, heard: Heard) -> None:
    """The oldest is written first."""
    backlog = backlog_of(heard)
    for text in ("a", "b", "c"):
        backlog.add(entry(text, clock))

    assert backlog.stats()["entries"] == 3
    assert drain_all(backlog, clock()) == ["a", "b", "c"]
    assert (backlog.stats()["drained"], backlog.stats()["bytes"]) == (3, 0)


def test_the_oldest_make_room(clock: FakeClock, heard: Heard) -> None:
    """They are counted, and one event says so until the queue was empty."""
    backlog = backlog_of(heard, max_entries=2)
    for text in ("a", "b", "c", "d"):
        backlog.add(entry(text, clock))

    assert backlog.stats()["dropped_full"] == 2
    assert heard.names == ["backlog_full"]
    assert drain_all(backlog, clock()) == ["c", "d"]
    for text in ("a", "b", "c"):
        backlog.add(entry(text, clock))
    assert heard.names == ["backlog_full", "backlog_full"]


def test_bounded_in_bytes(clock: FakeClock, heard: Heard) -> None:
    """And one answer that is too large by itself displaces nothing."""
    small = entry("a", clock)
    large = replace(entry("b", clock), answer=replace(small.answer, body=b"x" * 9000))
    backlog = backlog_of(heard, max_bytes=2 * size_of(small) + 10)
    for one in (small, large, entry("c", clock)):
        backlog.add(one)
    assert (len(backlog), backlog.stats()["dropped_full"]) == (2, 1)

    backlog.add(entry("d", clock))
    assert backlog.stats()["bytes"] <= 2 * size_of(small) + 10
    assert drain_all(backlog, clock()) == ["c", "d"]


def test_none_are_kept(clock: FakeClock, heard: Heard) -> None:
    """Where the operator wants none."""
    backlog = backlog_of(heard, max_entries=0)
    backlog.add(entry("a", clock))

    assert (len(backlog), backlog.stats()["dropped_full"], heard.names) == (0, 1, [])


def test_the_newest_answer_of_an_id(clock: FakeClock, heard: Heard) -> None:
    """An id waits once; an older answer that comes late is not put in its place."""
    backlog = backlog_of(heard)
    older = entry("a", clock)
    newer = replace(older, created_at=clock() + LATER)
    for one in (older, entry("b", clock), newer, older):
        backlog.add(one)

    assert backlog.stats()["dropped_replaced"] == 2
    assert drain_all(backlog, clock()) == ["b", "a"]


def test_what_has_expired_since(clock: FakeClock, heard: Heard) -> None:
    """It is not written."""
    backlog = backlog_of(heard)
    short = entry("a", clock)
    backlog.add(replace(short, kept_until=clock() + 1))
    backlog.add(entry("b", clock))
    clock.now += 2

    assert drain_all(backlog, clock()) == ["b"]
    assert backlog.stats()["dropped_expired"] == 1


def test_nothing_is_taken_while_held(clock: FakeClock, heard: Heard) -> None:
    """An invalidation has the queue to itself."""
    backlog = backlog_of(heard)
    first, other = entry("a", clock), entry("b", clock)
    backlog.add(first)
    backlog.add(other)
    with backlog.held():
        assert drain_all(backlog, clock()) == []
        meant = backlog.matching(Selector(ALL_TENANTS, ids=(first.id,)))
        backlog.drop(meant)

    assert meant == [first.id]
    assert drain_all(backlog, clock()) == ["b"]


def test_what_is_removed_while_it_is_written(clock: FakeClock, heard: Heard) -> None:
    """It does not come back into the queue when the write fails."""
    backlog = backlog_of(heard)
    one = entry("a", clock)
    backlog.add(one)
    with backlog.taken(clock()) as taken:
        assert taken is one
        backlog.drop([one.id])
        backlog.refused(one)

    assert (len(backlog), backlog.stats()["dropped_removed"]) == (0, 1)


def test_several_are_taken(clock: FakeClock, heard: Heard) -> None:
    """Beside one another, but never two answers of one id: the older could come last."""
    backlog = backlog_of(heard)
    first = entry("a", clock)
    backlog.add(first)
    backlog.add(entry("b", clock))
    with backlog.taken(clock()) as one:
        backlog.add(replace(first, created_at=clock() + LATER))
        with backlog.taken(clock()) as two, backlog.taken(clock()) as three:
            assert (one, two and two.question, three) == (first, "b", None)
        backlog.written(first)

    assert drain_all(backlog, clock()) == ["b", "a"]


async def test_who_writes_directly_waits(clock: FakeClock, heard: Heard) -> None:
    """For what is taken of the same id, and for nothing else."""
    backlog = backlog_of(heard)
    older, other = entry("a", clock), entry("b", clock)
    backlog.add(older)
    backlog.add(other)
    async with asyncio.TaskGroup() as group:
        with backlog.taken(clock()), backlog.taken(clock()):
            newer = replace(older, created_at=clock() + LATER)
            waiting = group.create_task(backlog.give_way(newer))
            settling = group.create_task(backlog.settled())
            await backlog.give_way(entry("c", clock))
            for _ in range(5):
                await asyncio.sleep(0)
            assert not waiting.done()
            assert not settling.done()


class Moody(SqliteTier):
    """A real tier that can be told to refuse writes, or to be away."""

    refuses: frozenset[str] | set[str] = frozenset()
    is_away = False
    purged_before_a_put: Selector | None = None

    async def start(self) -> None:
        """Unless it is away."""
        if self.is_away:
            raise TierError("away")
        await super().start()

    async def get(self, scope: str, key: str) -> Entry | None:
        """Unless it is away."""
        if self.is_away:
            raise TierError("away")
        return await super().get(scope, key)

    async def put(self, entry: Entry, lease: Lease | None = None) -> str:
        """Unless it is away, or this question is refused."""
        if self.is_away or entry.question in self.refuses:
            raise TierError("refused")
        if (selector := self.purged_before_a_put) is not None:
            await self.purge(selector)
        return await super().put(entry, lease)


class Parts:
    """A drain before a real tier."""

    def __init__(self, path: Path, clock: FakeClock, heard: Heard, tasks: Tasks) -> None:
        self.clock, self.heard, self.tasks = clock, heard, tasks
        self.shared = Moody(path, clock=clock, on_event=heard.event)
        self.stage = Stage("shared", self.shared.start, tasks=tasks, observer=heard, retry_s=0.01)
        self.backlog = backlog_of(heard)
        self.session = MemoryTier(clock=clock, max_entries=9, max_bytes=1 << 20, ttl_s=60)
        self.upkeep = Upkeep(
            self.session, self.shared, None, clock=clock, observer=heard, backlog=self.backlog
        )
        self.drain = Drain(
            self.backlog,
            (self.shared, self.stage),
            catch_up=self.upkeep.catch_up,
            clock=clock,
            observer=heard,
            write_s=5,
        )

    async def has(self, one: Entry) -> bool:
        """Whether the tier has this id."""
        return await self.shared.get(one.scope, one.id) is not None


@pytest.fixture
async def parts(tmp_path: Path, clock: FakeClock, heard: Heard) -> AsyncIterator[Parts]:
    tasks = Tasks(heard)
    made = Parts(tmp_path / "x.db", clock, heard, tasks)
    await made.stage.start()
    yield made
    await tasks.close()
    await made.shared.close()


async def test_drained(parts: Parts) -> None:
    """All of it is written, and an event says how much."""
    entries = [entry(text, parts.clock) for text in ("a", "b", "c")]
    for one in entries:
        parts.backlog.add(one)
    await parts.drain.drain()

    assert [await parts.has(one) for one in entries] == [True] * 3
    assert ("backlog_drained", {"entries": 3}) in parts.heard.events


async def test_nothing_is_tried_while_it_is_away(parts: Parts) -> None:
    """The answers wait until the stage's own probe finds the tier well."""
    one = entry("a", parts.clock)
    parts.backlog.add(one)
    parts.shared.is_away = True
    for _ in range(TRIES + 2):
        await parts.drain.drain()
    await until(lambda: parts.stage.trouble is not None, "the breaker")
    assert len(parts.backlog) == 1

    parts.shared.is_away = False
    await until(lambda: parts.stage.trouble is None)
    await parts.drain.drain()
    assert await parts.has(one)


async def test_an_answer_that_is_refused(parts: Parts) -> None:
    """It is given up after a few times, holds nobody up, and opens no breaker."""
    bad = entry("bad", parts.clock)
    parts.shared.refuses = {"bad"}
    parts.backlog.add(bad)
    for number in range(TRIES):
        good = entry(f"good {number}", parts.clock)
        parts.backlog.add(good)
        await parts.drain.drain()
        await parts.drain.drain()
        assert await parts.has(good)

    assert not await parts.has(bad)
    assert parts.backlog.stats()["dropped_failed"] == 1
    assert parts.stage.trouble is None


async def test_a_tier_that_takes_nothing(parts: Parts) -> None:
    """A full one, say: nothing is given up for it, however often it is tried."""
    waiting = [entry(text, parts.clock) for text in ("a", "b")]
    parts.shared.refuses = {"a", "b"}
    for one in waiting:
        parts.backlog.add(one)
    for _ in range(3 * TRIES):
        await parts.drain.drain()
    assert parts.stage.status == "refuses writes: refused"
    assert parts.stage.trouble is None
    parts.shared.refuses = set()
    await parts.drain.drain()

    assert [await parts.has(one) for one in waiting] == [True, True]
    assert parts.stage.status is None


async def test_drained_as_soon_as_it_is_back(parts: Parts) -> None:
    """Not after the interval at which it is looked after."""
    one = entry("a", parts.clock)
    parts.backlog.add(one)
    parts.shared.is_away = True
    await parts.drain.drain()
    await until(lambda: parts.stage.trouble is not None, "the breaker")
    async with asyncio.timeout(30):
        draining = parts.tasks.start("drain", parts.drain.keep_draining(3600))
        await asyncio.sleep(0)
        parts.shared.is_away = False
        await until(lambda: not parts.backlog, "the draining")

    assert not draining.done()
    assert await parts.has(one)


async def test_what_another_has_written_since(parts: Parts) -> None:
    """A newer answer is not overwritten by one that waited."""
    older = entry("a", parts.clock)
    newer = replace(older, created_at=older.created_at + LATER)
    await parts.shared.put(newer)
    parts.backlog.add(older)
    await parts.drain.drain()
    found = await parts.shared.get(older.scope, older.id)

    assert found is not None
    assert found.created_at == newer.created_at
    assert parts.backlog.stats()["dropped_replaced"] == 1


async def test_a_vector_that_came_later(parts: Parts) -> None:
    """The same answer, stored first for its own question alone, is completed."""
    whole = entry("a", parts.clock)
    await parts.shared.put(replace(whole, vector=None, embedder=""))
    parts.backlog.add(whole)
    await parts.drain.drain()
    found = await parts.shared.get(whole.scope, whole.id)

    assert found is not None
    assert found.vector is not None


async def test_what_another_has_removed_since(parts: Parts) -> None:
    """The log is read before anything is written: what it removed does not come back."""
    one = entry("a", parts.clock)
    await parts.shared.put(one)
    await parts.upkeep.catch_up()
    parts.backlog.add(replace(one, created_at=one.created_at + LATER))
    await parts.shared.purge(Selector(ALL_TENANTS, ids=(one.id,)))
    await parts.drain.drain()

    assert not await parts.has(one)
    assert parts.backlog.stats()["dropped_removed"] == 1


@pytest.mark.parametrize("fields", [{"tags": ("faq",)}, {"everything": True}], ids=str)
async def test_what_another_has_forgotten_meanwhile(parts: Parts, fields: dict[str, Any]) -> None:
    """Between the log's being read and the writing: what the purge could not find is taken back."""
    meant, other = entry("a", parts.clock, tags=("faq",)), entry("b", parts.clock)
    parts.backlog.add(meant)
    parts.shared.purged_before_a_put = Selector("acme", **fields)
    await parts.drain.drain()
    parts.shared.purged_before_a_put = None
    parts.backlog.add(other)
    await parts.drain.drain()

    assert not await parts.has(meant)
    assert await parts.has(other)
    assert len(parts.backlog) == 0


async def test_what_waits_of_a_purged_namespace(parts: Parts) -> None:
    """It was asked for before the purge, however long it waits, and whoever made that."""
    late, fresh = entry("late", parts.clock, generation=0), entry("fresh", parts.clock)
    number = await parts.shared.forget("", ALL_TENANTS)
    await parts.upkeep.catch_up()
    parts.backlog.add(late)
    parts.backlog.add(replace(fresh, generation=number))
    await parts.drain.drain()

    assert not await parts.has(late)
    assert await parts.has(fresh)
    assert parts.backlog.stats()["dropped_removed"] == 1


async def test_closing_writes_what_it_can(parts: Parts) -> None:
    """Within the time it is given."""
    one = entry("a", parts.clock)
    parts.backlog.add(one)
    await parts.drain.close(Deadline(10))

    assert await parts.has(one)
    assert "backlog_lost" not in parts.heard.names


async def test_closing_while_it_is_away(parts: Parts) -> None:
    """What cannot be written is lost, at once, and said."""
    parts.backlog.add(entry("a", parts.clock))
    parts.shared.is_away = True
    async with asyncio.timeout(2):
        await parts.drain.close(Deadline(10))

    assert ("backlog_lost", {"entries": 1}) in parts.heard.events
    assert parts.backlog.stats()["dropped_closed"] == 1


async def test_closing_with_no_time_left(parts: Parts) -> None:
    """It does not wait."""
    parts.backlog.add(entry("a", parts.clock))
    await parts.drain.close(Deadline(0))

    assert len(parts.backlog) == 0


async def test_an_invalidation_waits_for_what_is_on_its_way(tmp_path: Path) -> None:
    """Nothing more is taken meanwhile, and what lands in the middle of it is removed too."""
    config = settings("http://127.0.0.1:9/v1", tmp_path, cache={"shared": {"poll_s": 60}})
    async with open_runtime(Config.model_validate(config), io.StringIO()) as runtime:
        clock = FakeClock()
        first, second = entry("a", clock), entry("b", clock)
        runtime.backlog.add(first)
        runtime.backlog.add(second)
        async with asyncio.TaskGroup() as group:
            with runtime.backlog.taken(clock()) as taken:
                everything = Selector(ALL_TENANTS, everything=True)
                deleting = group.create_task(runtime.invalidate(everything))
                for _ in range(20):
                    await asyncio.sleep(0.005)
                assert not deleting.done()
                with runtime.backlog.taken(clock()) as another:
                    assert another is None
                await runtime.shared.put(first)
        assert taken is first
        assert sorted(deleting.result().ids) == sorted((first.id, second.id))
        assert await runtime.shared.get(first.scope, first.id) is None
        assert len(runtime.backlog) == 0
