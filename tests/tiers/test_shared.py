"""The contract of a SharedTier; every implementation is a parameter of `make`."""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from proxy.core.changes import ALL_TENANTS, Added, Forgotten, Removed, Selector
from proxy.core.model import Answer, Entry
from proxy.errors import TierError
from proxy.ports import SharedTier
from proxy.tiers.redis import RedisTier
from proxy.tiers.redislink import RedisLink
from proxy.tiers.redissealing import RedisSealing
from proxy.tiers.sqlite import SqliteTier
from tests.tiers.builders import Events, FakeClock, Fold, added, entry, scope
from tests.tiers.conftest import REDIS, SEALED, codec_for, is_sqlite, redis_at

Make = Callable[..., SharedTier]


@pytest.fixture(params=["sqlite", *REDIS, *SEALED])
def make(request: pytest.FixtureRequest, tmp_path: Path, clock: FakeClock, events: Events) -> Make:
    """Builds tiers, not started, that all open one store; `where` names another store."""
    codec = codec_for(request.param)
    if is_sqlite(request.param):

        def sqlite(where: str = "cache", **options: Any) -> SharedTier:
            path = tmp_path / f"{where}.db"
            return SqliteTier(path, clock=clock, on_event=events, codec=codec, **options)

        return sqlite
    url = redis_at(request, request.param)

    def redis(where: str = "cache", **options: Any) -> SharedTier:
        link = RedisLink(url, timeout_s=20)
        sealing = RedisSealing(link, where, codec)
        return RedisTier(
            link, prefix=where, clock=clock, on_event=events, sealing=sealing, **options
        )

    return redis


@pytest.fixture
async def tier(make: Make) -> AsyncIterator[SharedTier]:
    built = make()
    await built.start()
    yield built
    await built.close()


async def test_an_entry_comes_back_whole(tier: SharedTier, clock: FakeClock) -> None:
    """Every field, the vector bit for bit, and one that has no vector."""
    made = entry("q", clock, tags=("a", "b"), namespace="ns")
    plain = entry("plain", clock, seed=None)
    await tier.put(made)
    await tier.put(plain)
    back = await tier.get(made.scope, made.id)

    assert back == made
    assert back is not None
    assert back.vector is not None
    assert made.vector is not None
    assert back.vector.tobytes() == made.vector.tobytes()
    assert await tier.get(plain.scope, plain.id) == plain


async def test_a_large_answer_comes_back(tier: SharedTier, clock: FakeClock) -> None:
    """A megabyte of frames is no special case."""
    made = entry("q", clock, answer=Answer(b"{}", tuple(b"%d" % n * 50 for n in range(5000))))
    await tier.put(made)

    assert await tier.get(made.scope, made.id) == made


async def test_what_is_not_there_is_none(tier: SharedTier, clock: FakeClock) -> None:
    """An unknown key is a miss, and so is a known one under another scope."""
    made = entry("q", clock)
    await tier.put(made)

    assert await tier.get(made.scope, "unknown") is None
    assert await tier.get(scope("other").id, made.id) is None


async def test_a_stale_entry_is_given_until_it_is_no_longer_kept(
    tier: SharedTier, clock: FakeClock
) -> None:
    """Freshness is the caller's business; `kept_until` is the tier's."""
    made = entry("q", clock, ttl=100)
    await tier.put(made)
    clock.now = made.expires_at + 1

    assert await tier.get(made.scope, made.id) == made

    clock.now = made.kept_until

    assert await tier.get(made.scope, made.id) is None


async def test_an_entry_may_be_kept_for_ever(tier: SharedTier, clock: FakeClock) -> None:
    """An infinite lifetime is stored, served, indexed, and never expires."""
    made = entry("q", clock, ttl=float("inf"))
    await tier.put(made)
    reader = Fold(tier)
    await reader.catch_up()

    assert await tier.expire(clock() + 1e12) == 0
    assert await tier.get(made.scope, made.id) == made
    assert reader.ids == {made.id}


async def test_a_refresh_replaces(tier: SharedTier, clock: FakeClock) -> None:
    """The same id is one entry: the last one."""
    made = entry("q", clock)
    again = replace(made, answer=Answer(b"new"), created_at=made.created_at + 1)
    await tier.put(made)
    await tier.put(again)

    assert await tier.get(made.scope, made.id) == again
    assert await tier.purge(Selector(ALL_TENANTS, everything=True)) == [made.id]


async def test_a_private_entry_is_refused(tier: SharedTier, clock: FakeClock) -> None:
    """It never reaches a shared store."""
    made = entry("q", clock, private=True)

    with pytest.raises(ValueError, match="private"):
        await tier.put(made)
    assert await tier.get(made.scope, made.id) is None


async def test_puts_at_once_are_all_stored(tier: SharedTier, clock: FakeClock) -> None:
    """Whatever shares a transaction, each put that returned is there, and logged once."""
    made = [entry(f"q{n}", clock, seed=n) for n in range(60)]
    await asyncio.gather(*map(tier.put, made))
    reader = Fold(tier, limit=7)
    await reader.catch_up()

    assert [await tier.get(one.scope, one.id) for one in made] == made
    assert reader.ids == {one.id for one in made}


async def test_gets_at_once_get_their_own(tier: SharedTier, clock: FakeClock) -> None:
    """However many are read together, and whoever leaves meanwhile: nobody gets another's entry."""
    made = [entry(f"q{n}", clock) for n in range(40)]
    await asyncio.gather(*map(tier.put, made))
    for left in (0, 1, 39):
        async with asyncio.TaskGroup() as group:
            asked = [group.create_task(tier.get(one.scope, one.id)) for one in made]
            missed = group.create_task(tier.get(made[0].scope, "nothing"))
            await asyncio.sleep(0)
            asked[left].cancel()
        found = [None if task.cancelled() else task.result() for task in asked]

        assert found == [None if place == left else one for place, one in enumerate(made)]
        assert missed.result() is None


async def test_a_caller_who_leaves_takes_nobody_along(tier: SharedTier, clock: FakeClock) -> None:
    """Cancelling one put leaves the others' entries stored."""
    made = [entry(f"q{n}", clock) for n in range(8)]
    async with asyncio.TaskGroup() as group:
        puts = [group.create_task(tier.put(one)) for one in made]
        await asyncio.sleep(0)
        puts[3].cancel()
    others = made[:3] + made[4:]

    assert [await tier.get(one.scope, one.id) for one in others] == others


# The change log.


async def test_the_log_tells_what_was_added(tier: SharedTier, clock: FakeClock) -> None:
    """With all that an index keeps; entries without a vector are none of its business."""
    made = entry("q", clock)
    await tier.put(entry("before", clock))
    reader = Fold(tier)
    await reader.catch_up()
    await tier.put(made)
    await tier.put(entry("plain", clock, seed=None))
    changes = await reader.step()

    assert changes.items == (added(made),)
    assert not changes.reset
    assert not changes.more
    item = changes.items[0]
    assert isinstance(item, Added)
    assert made.vector is not None
    assert item.vector.tobytes() == made.vector.tobytes()
    assert (await reader.step()).items == ()


async def test_a_reader_without_position_is_given_everything(
    tier: SharedTier, clock: FakeClock
) -> None:
    """In pages, of which the first alone says to forget the rest."""
    made = [entry(f"q{n}", clock, seed=n) for n in range(8)]
    for one in made:
        await tier.put(one)
    await tier.put(entry("late", clock, ttl=0))
    await tier.put(entry("plain", clock, seed=None))
    reader = Fold(tier, limit=3)
    first = await reader.step()

    assert first.reset
    assert first.more
    assert 0 < len(first.items) <= 3

    await reader.catch_up()

    assert reader.held == {one.id: added(one) for one in made}
    assert reader.resets == 1


async def test_an_empty_store_is_read_to_its_end(tier: SharedTier, clock: FakeClock) -> None:
    """And from there the first entry is seen."""
    reader = Fold(tier)
    await reader.catch_up()
    await reader.catch_up()

    assert reader.ids == set()

    made = entry("q", clock)
    await tier.put(made)
    await reader.catch_up()

    assert reader.ids == {made.id}


async def test_what_changes_under_a_scan_is_not_lost(tier: SharedTier, clock: FakeClock) -> None:
    """Added, replaced and removed between two pages, before and behind the reader."""
    made = [entry(f"q{n}", clock, seed=n) for n in range(12)]
    for one in made:
        await tier.put(one)
    reader = Fold(tier, limit=4)
    await reader.step()
    seen, unseen = sorted(reader.ids), sorted({one.id for one in made} - reader.ids)
    late = entry("late", clock, seed=50)
    await tier.put(late)
    await tier.purge(Selector("acme", ids=(seen[0], unseen[0])))
    await reader.catch_up()

    assert reader.ids == {one.id for one in made} - {seen[0], unseen[0]} | {late.id}
    assert reader.resets == 1


async def test_a_position_survives_a_restart(make: Make, clock: FakeClock) -> None:
    """Another process goes on where this one stopped."""
    first, second = make(), make()
    await first.start()
    made, later = entry("q", clock), entry("later", clock)
    await first.put(made)
    reader = Fold(first)
    await reader.catch_up()
    await first.put(later)
    await first.close()
    await second.start()
    changes = await second.changes(reader.position, 10)
    await second.close()

    assert changes.items == (added(later),)
    assert not changes.reset


@pytest.mark.parametrize("position", ["", "x", "1", "1.2.3.4.5", "99-1", "7.7", "9" * 40, "0-0/x"])
async def test_a_foreign_position_starts_anew(
    tier: SharedTier, clock: FakeClock, position: str
) -> None:
    """Whatever a snapshot carried, the reader ends up with what is there."""
    made = entry("q", clock)
    await tier.put(made)
    changes = await tier.changes(position, 10)

    assert changes.reset
    assert changes.items == (added(made),)


async def test_another_stores_position_starts_anew(make: Make, clock: FakeClock) -> None:
    """Even when both logs are equally long."""
    here, there = make("here"), make("there")
    await here.start()
    await there.start()
    await here.put(entry("here", clock))
    reader = Fold(here)
    await reader.catch_up()
    await asyncio.sleep(0.002)  # a stream numbers its records by the millisecond
    made = entry("there", clock)
    await there.put(made)
    changes = await there.changes(reader.position, 10)
    await here.close()
    await there.close()

    assert changes.reset
    assert changes.items == (added(made),)


async def test_a_trimmed_position_starts_anew(make: Make, clock: FakeClock) -> None:
    """`expire` keeps so many records; who is further behind starts anew, and loses none."""
    tier = make(log_records=5)
    await tier.start()
    reader = Fold(tier)
    await tier.put(entry("first", clock))
    await reader.catch_up()
    made = [entry(f"q{n}", clock, seed=n) for n in range(20)]
    for one in made:
        await tier.put(one)
    await tier.expire(clock())
    await reader.catch_up()

    assert reader.resets == 2
    assert len(reader.ids) == 21

    await tier.put(made[0])
    await tier.expire(clock())
    await reader.catch_up()
    await tier.close()

    assert reader.resets == 2


async def test_an_entry_replaced_without_vector_leaves_the_index(
    tier: SharedTier, clock: FakeClock
) -> None:
    """Whoever held the old one is told; a first entry without vector tells nobody."""
    made = entry("q", clock)
    await tier.put(made)
    reader = Fold(tier)
    await reader.catch_up()
    await tier.put(replace(made, vector=None, embedder=""))
    await reader.catch_up()

    assert reader.ids == set()
    assert reader.removed == [made.id]

    anew = Fold(tier)
    await anew.catch_up()

    assert anew.ids == set()


async def test_expiry_is_logged_once(tier: SharedTier, clock: FakeClock) -> None:
    """What is past `kept_until` is gone and said to be; what is not stays."""
    short = [entry(f"short{n}", clock, ttl=10) for n in range(5)]
    long = entry("long", clock, ttl=1000)
    for one in [*short, long]:
        await tier.put(one)
    reader = Fold(tier)
    await reader.catch_up()
    clock.now += 10

    assert await tier.expire(clock()) == 5
    assert await tier.expire(clock()) == 0

    await reader.catch_up()

    assert reader.ids == {long.id}
    assert sorted(reader.removed) == sorted(one.id for one in short)
    assert await tier.get(long.scope, long.id) == long


async def test_an_invalidation_is_told_from_other_removals(
    tier: SharedTier, clock: FakeClock
) -> None:
    """Not so what expires, or is replaced by an answer without a vector."""
    old, replaced, purged = made = [entry(f"q{n}", clock, ttl=10 + 90 * n) for n in range(3)]
    for one in made:
        await tier.put(one)
    reader = Fold(tier)
    await reader.catch_up()
    clock.now += 10
    await tier.expire(clock())
    await tier.put(replace(replaced, vector=None, embedder=""))
    await tier.purge(Selector("acme", ids=(purged.id,)))
    told: list[object] = []
    while True:
        changes = await reader.step()
        told += changes.items
        if not changes.more:
            break

    assert sorted(told, key=str) == sorted(
        [
            Removed(old.id),
            Removed(replaced.id),
            Forgotten(Selector("acme", ids=(purged.id,))),
            Removed(purged.id),
        ],
        key=str,
    )


async def test_an_empty_store_tells_its_first_reader_what_follows(
    tier: SharedTier, clock: FakeClock
) -> None:
    """Its position is one of the log: the first record is no new beginning."""
    reader = Fold(tier)
    await reader.catch_up()
    await tier.put(entry("q", clock))
    await reader.catch_up()

    assert reader.resets == 1
    assert len(reader.ids) == 1


async def test_many_entries_expire_and_are_purged(tier: SharedTier, clock: FakeClock) -> None:
    """More than one page of either."""
    made = [entry(f"q{n}", clock, ttl=10 if n % 2 else 99, seed=n % 5) for n in range(1300)]
    await asyncio.gather(*map(tier.put, made))
    clock.now += 20

    assert await tier.expire(clock()) == 650

    purged = await tier.purge(Selector("acme", everything=True))

    assert sorted(purged) == sorted(one.id for one in made[::2])

    reader = Fold(tier, limit=500)
    await reader.catch_up()

    assert reader.ids == set()


# Invalidation.


def _zoo(clock: FakeClock) -> list[Entry]:
    return [
        entry("plain", clock),
        entry("tagged a", clock, tags=("a",)),
        entry("tagged a b", clock, tags=("a", "b"), seed=None),
        entry("other model", clock, where=scope(model="claude"), tags=('q"\\',)),
        entry("other namespace", clock, where=scope(namespace="ns")),
        entry("other namespace too", clock, where=scope(namespace="ns"), tags=("b",)),
        entry("old", clock, created_at=clock() - 50, tags=("a",)),
        entry("of one caller", clock, principal="ann", tags=("b",)),
        entry("of another tenant", clock, where=scope("other"), tags=("a",)),
        entry("of another tenant's namespace", clock, where=scope("other", "ns")),
    ]


PLAIN, OTHER_NAMESPACE = scope().key("plain"), scope(namespace="ns").key("other namespace")
SELECTORS: list[dict[str, Any]] = [
    {"everything": True},
    {"ids": (PLAIN, PLAIN, "unknown")},
    {"ids": (PLAIN, OTHER_NAMESPACE), "namespace": "ns"},
    {"tags": ("a",)},
    {"tags": ("a", "b", "c")},
    {"tags": ('q"\\',)},
    {"tags": ("%",)},
    {"scope": scope(namespace="ns").id},
    {"model": "claude"},
    {"namespace": "ns"},
    {"namespace": ""},
    {"older_than": -10.0},
    {"tags": ("b",), "namespace": "ns", "model": "gpt"},
    {"principal": "ann"},
    {"principal": "bob"},
]


@pytest.mark.parametrize("tenant", ["acme", "other", "nobody", ALL_TENANTS])
@pytest.mark.parametrize("fields", SELECTORS, ids=str)
async def test_a_purge_means_what_the_selector_means(
    tier: SharedTier, clock: FakeClock, tenant: str, fields: dict[str, Any]
) -> None:
    """Every field, alone and together: a dry run finds, a purge deletes and logs, just those."""
    if "older_than" in fields:
        fields = {"older_than": clock() + fields["older_than"]}
    zoo = _zoo(clock)
    for one in zoo:
        await tier.put(one)
    reader = Fold(tier, limit=100)
    await reader.catch_up()
    selector = Selector(tenant, **fields)
    meant = {one.id for one in zoo if selector.matches(one)}

    assert set(await tier.purge(selector, dry_run=True)) == meant
    assert [one for one in zoo if await tier.get(one.scope, one.id) is None] == []

    purged = await tier.purge(selector)

    assert set(purged) == meant
    assert len(purged) == len(meant)
    assert {one.id for one in zoo if await tier.get(one.scope, one.id) is None} == meant

    await reader.catch_up()

    assert set(reader.removed) == meant
    assert reader.ids == {one.id for one in zoo if one.vector is not None} - meant
    assert await tier.purge(selector) == []


@pytest.mark.parametrize("fields", [*SELECTORS, {"older_than": 0.0}], ids=str)
async def test_the_log_tells_what_was_chosen(
    tier: SharedTier, clock: FakeClock, fields: dict[str, Any]
) -> None:
    """Word for word, whatever it was: who follows the log must mean what the operator meant."""
    chosen = Selector("acme", **fields)
    reader = Fold(tier)
    await reader.catch_up()
    await tier.purge(chosen)
    await tier.put(entry("q", clock))
    await reader.catch_up()

    assert [set(told.ids) for told in reader.forgotten] == [set(chosen.ids)]
    assert [replace(told, ids=chosen.ids) for told in reader.forgotten] == [chosen]
    assert len(reader.ids) == 1


# Two processes.


async def test_two_instances_see_each_other(make: Make, clock: FakeClock) -> None:
    """Entries, refreshes and invalidations of one are the other's at once."""
    one, two = make(), make()
    await one.start()
    await two.start()
    reader = Fold(two)
    made, kept = entry("q", clock), entry("kept", clock)
    await one.put(made)
    await one.put(kept)

    assert await two.get(made.scope, made.id) == made

    await reader.catch_up()
    await two.purge(Selector("acme", ids=(made.id,)))
    await reader.catch_up()

    assert await one.get(made.scope, made.id) is None
    assert reader.ids == {kept.id}
    assert reader.removed == [made.id]

    await one.close()
    await two.close()


async def test_two_instances_write_at_once(make: Make, clock: FakeClock) -> None:
    """Neither fails, nothing is lost."""
    tiers = [make(), make()]
    for one in tiers:
        await one.start()
    made = [entry(f"q{n}", clock, seed=n) for n in range(60)]
    await asyncio.gather(*(tiers[n % 2].put(one) for n, one in enumerate(made)))
    readers = [Fold(one, limit=10) for one in tiers]
    for reader in readers:
        await reader.catch_up()
    for one in tiers:
        await one.close()

    assert all(reader.ids == {one.id for one in made} for reader in readers)


# Life.


async def test_start_and_close_may_be_repeated(make: Make, clock: FakeClock) -> None:
    """`start` twice, `close` twice, and a start after that: nothing is lost."""
    tier = make()
    await tier.close()
    await tier.start()
    made = entry("q", clock)
    await tier.put(made)
    await tier.start()
    await tier.close()
    await tier.close()
    await tier.start()

    assert await tier.get(made.scope, made.id) == made

    await tier.close()


async def test_a_tier_that_is_not_started_says_so(make: Make, clock: FakeClock) -> None:
    """Before `start` and after `close`, every call is a TierError."""
    tier = make()
    for _ in range(2):
        with pytest.raises(TierError, match="not started"):
            await tier.get("s", "k")
        with pytest.raises(TierError, match="not started"):
            await tier.put(entry("q", clock))
        with pytest.raises(TierError, match="not started"):
            await tier.changes(None, 1)
        with pytest.raises(TierError, match="not started"):
            await tier.expire(clock())
        with pytest.raises(TierError, match="not started"):
            await tier.purge(Selector("t", everything=True))
        await tier.start()
        await tier.close()


steps = st.lists(
    st.tuples(st.sampled_from("ppppvxter"), st.integers(0, 7), st.integers(1, 4)), max_size=25
)


@settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(script=steps)
async def test_the_log_folds_to_the_live_entries(
    tier: SharedTier, script: list[tuple[str, int, int]]
) -> None:
    """After any puts, purges and expiries, read in any steps, an index holds just what is live."""
    clock: FakeClock = tier._clock  # type: ignore[attr-defined]
    await tier.purge(Selector(ALL_TENANTS, everything=True))
    reader, live = Fold(tier), dict[str, Entry]()
    for action, number, limit in script:
        made = entry(f"q{number}", clock, ttl=10 * limit, seed=None if action == "v" else number)
        match action:
            case "p" | "v":
                await tier.put(made)
                live[made.id] = made
            case "x":
                await tier.purge(Selector("acme", ids=(made.id,)))
                live.pop(made.id, None)
            case "t":
                clock.now += 7
                live = {key: one for key, one in live.items() if one.kept_until > clock()}
                await tier.expire(clock())
            case "e":
                reader = Fold(tier)
            case _:
                reader._limit = limit
                await reader.step()
    await reader.catch_up()

    assert reader.held == {one.id: added(one) for one in live.values() if one.vector is not None}
    for one in live.values():
        assert await tier.get(one.scope, one.id) == one


async def test_who_has_read_an_empty_log_is_told_what_comes_first(
    tier: SharedTier, clock: FakeClock
) -> None:
    """A removal is told as one: a session tier may hold an entry that no log record brought."""
    made = entry("q", clock, seed=None)
    beginning = await tier.changes(None, 10)
    while beginning.more:
        beginning = await tier.changes(beginning.position, 10)
    await tier.put(made)
    await tier.purge(Selector(ALL_TENANTS, everything=True))
    told = await tier.changes(beginning.position, 10)

    assert not told.reset
    everything = Forgotten(Selector(ALL_TENANTS, everything=True))

    assert told.items == (everything, Removed(made.id))
