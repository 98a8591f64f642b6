"""The derived tiers follow the shared tier's log, whatever fails in between."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from proxy.core.changes import ALL_TENANTS, Changes, Selector
from proxy.core.model import Caller
from proxy.errors import TierError
from proxy.tiers.faiss import FaissTier
from proxy.tiers.session import MemoryTier
from proxy.tiers.sqlite import SqliteTier
from proxy.tiers.sqlitewaiting import SqliteLogWatch
from proxy.upkeep import Every, Upkeep
from tests.support.backlogs import backlog_of
from tests.support.ports import Heard
from tests.support.waiting import until
from tests.tiers.builders import DIMENSION, EMBEDDER, FakeClock, entry, scope, unit

CALLER, OTHER = Caller("acme"), Caller("acme", "other")


class Parts:
    """All three tiers, and their upkeep, on a clock that stands still."""

    def __init__(self, directory: Path, *, snapshot: str = "index.snapshot") -> None:
        self.clock = FakeClock()
        self.heard = Heard()
        self.session = MemoryTier(clock=self.clock, max_entries=9, max_bytes=1 << 20, ttl_s=600)
        self.shared = SqliteTier(
            directory / "x.db", clock=self.clock, on_event=self.heard.event, log_records=4
        )
        self.index = FaissTier(
            directory / snapshot,
            embedder=EMBEDDER,
            dimension=DIMENSION,
            max_entries=100,
            clock=self.clock,
            on_event=self.heard.event,
        )
        self.upkeep = Upkeep(
            self.session,
            self.shared,
            self.index,
            clock=self.clock,
            observer=self.heard,
            every=Every(0.01, 0.01, 0.01),
        )

    async def start(self) -> None:
        await self.shared.start()
        await self.upkeep.start()

    async def close(self) -> None:
        await self.index.close()
        await self.shared.close()

    async def found(self, question: str, seed: int = 1) -> bool:
        """Whether the index has this question."""
        made = entry(question, self.clock, seed=seed)
        candidates = await self.index.search(made.scope, unit(seed), 4)
        return made.id in {candidate.entry_id for candidate in candidates}


@pytest.fixture
async def parts(tmp_path: Path) -> AsyncIterator[Parts]:
    made = Parts(tmp_path)
    await made.start()
    yield made
    await made.close()


async def test_the_index_follows(parts: Parts) -> None:
    """What is stored is found once the log is read, and not before."""
    await parts.shared.put(entry("one", parts.clock))
    assert not await parts.found("one")
    await parts.upkeep.catch_up()

    assert await parts.found("one")


async def test_a_removal_reaches_both(parts: Parts) -> None:
    """Another replica's purge takes the entry out of this one's session tier and index."""
    made = entry("one", parts.clock)
    await parts.shared.put(made)
    parts.session.put(CALLER, made)
    await parts.upkeep.catch_up()
    await parts.shared.purge(Selector("acme", ids=(made.id,)))
    await parts.upkeep.catch_up()

    assert not await parts.found("one")
    assert parts.session.get(CALLER, made.id) is None


async def test_a_restart_reads_only_the_tail(parts: Parts, tmp_path: Path) -> None:
    """The snapshot stands for what came before it."""
    await parts.shared.put(entry("one", parts.clock, seed=1))
    await parts.upkeep.stop()
    await parts.shared.put(entry("two", parts.clock, seed=2))
    second = Parts(tmp_path)
    await second.start()
    loaded = await second.found("one", 1), await second.found("two", 2)
    await second.upkeep.catch_up()
    caught_up = await second.found("one", 1), await second.found("two", 2)
    await second.close()

    assert loaded == (True, False)
    assert caught_up == (True, True)


async def test_a_lost_index_is_read_anew(parts: Parts, tmp_path: Path) -> None:
    """Losing it loses nothing, although the log itself was trimmed."""
    for number in range(12):
        await parts.shared.put(entry(f"q{number}", parts.clock, seed=number))
    await parts.shared.expire(parts.clock())
    second = Parts(tmp_path, snapshot="another")
    await second.start()
    await second.upkeep.catch_up()
    found = [await second.found(f"q{number}", number) for number in range(12)]
    await second.close()

    assert all(found)


async def test_who_is_too_far_behind_starts_anew(parts: Parts, tmp_path: Path) -> None:
    """What was removed while nobody read is not found for ever."""
    gone = entry("gone", parts.clock, seed=50)
    await parts.shared.put(gone)
    await parts.upkeep.stop()
    await parts.shared.purge(Selector("acme", ids=(gone.id,)))
    for number in range(12):
        await parts.shared.put(entry(f"q{number}", parts.clock, seed=number))
    await parts.shared.expire(parts.clock())
    second = Parts(tmp_path)
    await second.start()
    assert await second.found("gone", 50)
    await second.upkeep.catch_up()
    found = await second.found("gone", 50), await second.found("q11", 11)
    await second.close()

    assert found == (False, True)


async def test_expiry_takes_out_of_every_tier(parts: Parts) -> None:
    """By the same way as a removal."""
    await parts.shared.put(entry("one", parts.clock, ttl=10))
    await parts.upkeep.catch_up()
    parts.clock.now += 11
    await parts.upkeep._expire()
    await parts.upkeep.catch_up()

    assert not await parts.found("one")
    assert parts.index.stats()["entries"] == 0


async def test_the_index_is_saved_when_it_has_changed(parts: Parts, tmp_path: Path) -> None:
    """And not otherwise: an idle program does not wear the disk."""
    file = tmp_path / "index.snapshot"
    await parts.shared.put(entry("one", parts.clock))
    await parts.upkeep.catch_up()
    await parts.upkeep.save()
    first = file.stat().st_mtime_ns
    await parts.upkeep.save()
    assert file.stat().st_mtime_ns == first
    await parts.shared.put(entry("two", parts.clock, seed=2))
    await parts.upkeep.catch_up()
    await parts.upkeep.save()

    assert file.stat().st_mtime_ns != first


async def test_a_fault_is_an_event_and_the_next_round_tries(tmp_path: Path) -> None:
    """The shared tier that is not there yet is followed as soon as it is."""
    parts = Parts(tmp_path)
    await parts.upkeep.start()
    async with asyncio.TaskGroup() as group:
        works = [group.create_task(work()) for work in parts.upkeep.works().values()]
        await until(lambda: "upkeep_failed" in parts.heard.names)
        await parts.shared.start()
        await parts.shared.put(entry("one", parts.clock))
        await until(lambda: parts.index.stats()["entries"] == 1)
        for work in works:
            work.cancel()
    await parts.close()

    assert {event["work"] for name, event in parts.heard.events if name == "upkeep_failed"} <= {
        "follow",
        "expire",
        "save",
    }


async def test_a_fault_is_told_once(tmp_path: Path) -> None:
    """Not at every round of an outage; and again when it comes back after being well."""
    parts = Parts(tmp_path)
    await parts.upkeep.start()
    for _ in range(3):
        await parts.upkeep._tried("follow", parts.upkeep.catch_up)
    assert parts.heard.names == ["upkeep_failed"]
    await parts.shared.start()
    await parts.upkeep._tried("follow", parts.upkeep.catch_up)
    await parts.shared.close()
    await parts.upkeep._tried("follow", parts.upkeep.catch_up)
    await parts.close()

    assert parts.heard.names == ["upkeep_failed"] * 2


async def test_a_stop_without_a_shared_tier(tmp_path: Path) -> None:
    """It ends all the same, and says what it could not do."""
    parts = Parts(tmp_path)
    await parts.upkeep.start()
    await parts.upkeep.stop()
    await parts.close()

    assert parts.heard.names == ["upkeep_failed"]


async def test_without_an_index(parts: Parts) -> None:
    """The session tier alone follows."""
    upkeep = Upkeep(parts.session, parts.shared, None, clock=parts.clock, observer=parts.heard)
    made = entry("one", parts.clock)
    await upkeep.start()
    await parts.shared.put(made)
    parts.session.put(CALLER, made)
    await upkeep.catch_up()
    await parts.shared.purge(Selector("acme", everything=True))
    await upkeep.catch_up()
    await upkeep.save()
    await upkeep.stop()

    assert parts.session.get(CALLER, made.id) is None


async def test_a_refresh_leaves_the_other_sessions(parts: Parts) -> None:
    """The old answer is served nowhere once the log is read; the new one is, where it is known."""
    old = entry("one", parts.clock)
    new = replace(old, created_at=old.created_at + 1)
    await parts.shared.put(old)
    parts.session.put(CALLER, old)
    parts.session.put(OTHER, new)
    await parts.shared.put(new)
    await parts.upkeep.catch_up()

    assert parts.session.get(CALLER, old.id) is None
    assert parts.session.get(OTHER, old.id) is new


async def test_news_are_followed_at_once(tmp_path: Path) -> None:
    """What another process stores or removes is known long before the next look."""
    here, there = Parts(tmp_path), Parts(tmp_path, snapshot="another")
    made = entry("one", here.clock)
    await here.start()
    await there.start()
    upkeep = Upkeep(
        here.session,
        here.shared,
        here.index,
        clock=here.clock,
        observer=here.heard,
        watch=SqliteLogWatch(here.shared),
        every=Every(poll_s=600),
    )
    async with asyncio.TaskGroup() as group:
        works = [group.create_task(work()) for work in upkeep.works().values()]
        await there.shared.put(made)
        await until(lambda: here.index.stats()["entries"] == 1, "the entry")
        here.session.put(CALLER, made)
        await there.shared.purge(Selector("acme", ids=(made.id,)))
        await until(lambda: here.index.stats()["entries"] == 0, "the removal")
        for work in works:
            work.cancel()
    await there.close()
    await here.close()

    assert here.session.get(CALLER, made.id) is None


class CountingTier(SqliteTier):
    """Counts how often the log is read."""

    reads = 0

    async def changes(self, after: str | None, limit: int) -> Changes:
        self.reads += 1
        return await super().changes(after, limit)


async def test_who_asks_meanwhile_shares_a_reading(parts: Parts, tmp_path: Path) -> None:
    """A hundred writers at once do not read the log a hundred times, and all see their own."""
    tier = CountingTier(tmp_path / "x.db", clock=parts.clock, on_event=parts.heard.event)
    await tier.start()
    upkeep = Upkeep(parts.session, tier, parts.index, clock=parts.clock, observer=parts.heard)
    async with asyncio.TaskGroup() as group:
        for _ in range(100):
            group.create_task(upkeep.catch_up())
    await tier.close()

    assert tier.reads <= 4


async def test_what_has_been_read_already(parts: Parts, tmp_path: Path) -> None:
    """Who knows up to where he needs the log does not have it read again, but for what is new."""
    tier = CountingTier(tmp_path / "x.db", clock=parts.clock, on_event=parts.heard.event)
    await tier.start()
    upkeep = Upkeep(parts.session, tier, parts.index, clock=parts.clock, observer=parts.heard)
    await upkeep.catch_up()
    read = tier.reads
    await upkeep.catch_up(await tier.put(replace(entry("exact", parts.clock), vector=None)))
    assert tier.reads == read

    await upkeep.catch_up(await tier.put(entry("q", parts.clock)))
    assert tier.reads == read + 1
    assert parts.index.stats()["entries"] == 1
    await tier.close()


async def test_concurrent_catching_up(parts: Parts) -> None:
    """Every writer brings the index up to the log; they do not get in each other's way."""

    async def store(number: int) -> None:
        await parts.shared.put(entry(f"q{number}", parts.clock, seed=number))
        await parts.upkeep.catch_up()
        assert await parts.found(f"q{number}", number)

    async with asyncio.TaskGroup() as group:
        for number in range(30):
            group.create_task(store(number))

    assert parts.index.stats()["entries"] == 30


class CrashingIndex(FaissTier):
    """Has a defect, until it is mended."""

    crashes = True

    async def apply(self, changes: Changes) -> None:
        if self.crashes:
            raise ValueError("secret words")
        await super().apply(changes)


async def test_a_defect_of_the_index_is_its_own(tmp_path: Path) -> None:
    """Whatever an index raises, sessions follow the log as before, and it catches up later."""
    parts = Parts(tmp_path)
    index = CrashingIndex(
        None,
        embedder=EMBEDDER,
        dimension=DIMENSION,
        max_entries=100,
        clock=parts.clock,
        on_event=parts.heard.event,
    )
    parts.index = index
    upkeep = Upkeep(
        parts.session,
        parts.shared,
        index,
        clock=parts.clock,
        observer=parts.heard,
        every=Every(0.01),
    )
    await parts.start()
    await index.start()
    made = entry("one", parts.clock)
    parts.session.put(CALLER, made)
    await parts.shared.put(made)
    await upkeep.catch_up()
    await parts.shared.purge(Selector("acme", ids=(made.id,)))
    await parts.shared.put(entry("two", parts.clock, seed=2))
    await upkeep.catch_up()
    assert parts.session.get(CALLER, made.id) is None
    assert [name for name, _ in parts.heard.events] == ["index_behind"]
    assert "secret words" not in str(parts.heard.events)

    index.crashes = False
    await upkeep._read_on()
    assert upkeep.is_in_step
    found = [await parts.found("one"), await parts.found("two", 2)]
    await parts.close()

    assert found == [False, True]


async def test_the_fault_of_a_catching_up_is_told(tmp_path: Path) -> None:
    """Who asks for it must know that it did not happen."""
    parts = Parts(tmp_path)
    with pytest.raises(TierError):
        await parts.upkeep.catch_up()
    await parts.close()


async def test_sessions_forget_when_the_log_starts_anew(tmp_path: Path) -> None:
    """A removal that the log no longer tells is not missed: the sessions start anew as well."""
    parts = Parts(tmp_path)
    await parts.start()
    kept = entry("q1", parts.clock)
    await parts.shared.put(kept)
    await parts.upkeep.catch_up()
    parts.session.put(CALLER, kept)
    await parts.shared.purge(Selector(kept.tenant, ids=(kept.id,)))
    for number in range(9):
        await parts.shared.put(entry(f"later {number}", parts.clock))
    await parts.shared.expire(parts.clock())
    await parts.upkeep.catch_up()

    assert parts.session.get(CALLER, kept.id) is None
    await parts.close()


async def test_sessions_forget_though_the_log_never_told_them_anything(tmp_path: Path) -> None:
    """Nor does an answer without a vector outlive a removal that was trimmed off the log."""
    parts = Parts(tmp_path)
    await parts.start()
    await parts.upkeep.catch_up()
    kept = replace(entry("q1", parts.clock), vector=None, embedder="")
    await parts.shared.put(kept)
    parts.session.put(CALLER, kept)
    await parts.upkeep.catch_up()
    await parts.shared.purge(Selector(kept.tenant, ids=(kept.id,)))
    for number in range(9):
        await parts.shared.put(entry(f"later {number}", parts.clock))
    await parts.shared.expire(parts.clock())
    await parts.upkeep.catch_up()

    assert parts.session.get(CALLER, kept.id) is None
    await parts.close()


async def test_only_invalidations_overtake_what_is_under_way(parts: Parts) -> None:
    """Not that an entry's time was over, or that it was replaced: its question may be asked anew.

    A log that starts anew does not say what it has told no more: then everything is overtaken.
    """
    told: list[Selector] = []
    backlog = backlog_of(parts.heard)
    upkeep = Upkeep(
        parts.session,
        parts.shared,
        parts.index,
        clock=parts.clock,
        observer=parts.heard,
        backlog=backlog,
        void=told.append,
    )
    made = [entry(f"q{number}", parts.clock, ttl=10 + 90 * number) for number in range(3)]
    for one in made:
        await parts.shared.put(one)
        backlog.add(one)
    await upkeep.catch_up()
    parts.clock.now += 10
    await parts.shared.expire(parts.clock())
    await parts.shared.put(replace(made[1], vector=None, embedder=""))
    await upkeep.catch_up()

    assert told == []
    assert len(backlog) == 3

    meant = Selector("acme", ids=(made[2].id,))
    await parts.shared.purge(meant)
    await upkeep.catch_up()

    assert told == [meant]
    assert len(backlog) == 2

    for number in range(9):
        await parts.shared.put(entry(f"later {number}", parts.clock))
    await parts.shared.expire(parts.clock())
    await upkeep.catch_up()

    assert told[1:] == [Selector(ALL_TENANTS, everything=True)]


async def test_what_is_forgotten_elsewhere_is_forgotten_here(parts: Parts) -> None:
    """What the shared tier never had: private answers, those that wait, and those under way."""
    told: list[Selector] = []
    backlog = backlog_of(parts.heard)
    upkeep = Upkeep(
        parts.session,
        parts.shared,
        parts.index,
        clock=parts.clock,
        observer=parts.heard,
        backlog=backlog,
        void=told.append,
    )
    docs = scope(namespace="docs")
    private = entry("mine", parts.clock, where=docs, private=True)
    waits = entry("waits", parts.clock, where=docs, tags=("faq",))
    other = entry("other", parts.clock)
    for one in (private, other):
        parts.session.put(CALLER, one)
    for one in (waits, other):
        backlog.add(one)
    await upkeep.catch_up()
    await parts.shared.purge(Selector(ALL_TENANTS, tags=("faq",)))
    await upkeep.catch_up()

    assert parts.session.get(CALLER, private.id) == private
    assert backlog.matching(Selector(ALL_TENANTS, everything=True)) == [other.id]

    await parts.shared.forget("docs", "acme")
    await upkeep.catch_up()

    assert parts.session.get(CALLER, private.id) is None
    assert parts.session.get(CALLER, other.id) == other
    assert told == [Selector(ALL_TENANTS, tags=("faq",)), Selector("acme", namespace="docs")]


async def test_a_session_survives_the_first_look_at_an_empty_log(tmp_path: Path) -> None:
    """The log's first record is no new beginning for who has just stored it."""
    parts = Parts(tmp_path)
    await parts.start()
    await parts.upkeep.catch_up()
    kept = entry("q1", parts.clock)
    parts.session.put(CALLER, kept)
    await parts.shared.put(kept)
    await parts.upkeep.catch_up()

    assert parts.session.get(CALLER, kept.id) == kept
    await parts.close()
