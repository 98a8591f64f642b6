"""The contract of an Archive: whole entries of a shared tier, read and put back."""

from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from proxy.core.changes import ALL_TENANTS, Selector
from proxy.core.model import Answer, Entry, Usage
from proxy.errors import TierError
from proxy.ports import Archive, SharedTier
from proxy.tiers import redisarchive, sqlitearchive
from proxy.tiers.redis import RedisTier
from proxy.tiers.redisarchive import RedisArchive
from proxy.tiers.redislink import RedisLink
from proxy.tiers.redissealing import RedisSealing
from proxy.tiers.sqlite import SqliteTier
from proxy.tiers.sqlitearchive import SqliteArchive
from tests.tiers.builders import Events, FakeClock, Fold, entry, scope, unit
from tests.tiers.conftest import REDIS, SEALED, codec_for, is_sqlite, redis_at

ALL = Selector(ALL_TENANTS, everything=True)
FEW = 30
"""Ids that Redis's archive holds at once here: a scan finds more."""


@dataclass(frozen=True)
class Store:
    """A tier and its archive."""

    tier: SharedTier
    archive: Archive

    async def fill(self, entries: Sequence[Entry]) -> None:
        for one in entries:
            await self.tier.put(one)

    async def walk(self, selector: Selector = ALL) -> list[Entry]:
        """All that is meant, in the order in which it comes."""
        async with aclosing(self.archive.pages(selector)) as pages:
            return [one async for page in pages for one in page]


def built(kind: str, request: pytest.FixtureRequest, path: Path, clock: FakeClock) -> Store:
    codec = codec_for(kind)
    if is_sqlite(kind):
        lite = SqliteTier(path / "cache.db", clock=clock, on_event=Events(), codec=codec)
        return Store(lite, SqliteArchive(lite, clock=clock))
    link = RedisLink(redis_at(request, kind), timeout_s=20)
    sealing = RedisSealing(link, "cache", codec)
    tier = RedisTier(link, prefix="cache", clock=clock, on_event=Events(), sealing=sealing)
    archive = RedisArchive(tier, link, prefix="cache", clock=clock, most=FEW, sealing=sealing)
    return Store(tier, archive)


@pytest.fixture(params=["sqlite", *REDIS, *SEALED, "sealed cluster"])
async def store(
    request: pytest.FixtureRequest, tmp_path: Path, clock: FakeClock
) -> AsyncIterator[Store]:
    found = built(request.param, request, tmp_path, clock)
    await found.tier.start()
    yield found
    await found.tier.close()


def by_id(entries: Sequence[Entry]) -> list[Entry]:
    return sorted(entries, key=lambda one: one.id)


async def test_an_empty_store_has_no_pages(store: Store) -> None:
    """Nothing comes, and putting nothing back is nothing."""
    assert await store.walk() == []
    assert list(await store.archive.restore([])) == []


async def test_entries_come_whole_and_in_order(store: Store, clock: FakeClock) -> None:
    """Each field and each bit of the vector is what was stored; the order is that of the ids."""
    made = [
        entry("q", clock, tags=("a", "b"), answer=Answer(b"{}", (b"\xff",), Usage(1, 2), ("x",))),
        entry("plain", clock, seed=None, ttl=float("inf")),
        *(entry(f"q{n}", clock, seed=n) for n in range(9)),
    ]
    await store.fill(made)
    told = await store.walk()

    assert told == by_id(made)
    vectors = [None if one.vector is None else one.vector.tobytes() for one in told]
    assert vectors == [
        one.vector if one.vector is None else one.vector.tobytes() for one in by_id(made)
    ]


async def test_more_than_is_read_at_once(store: Store, clock: FakeClock) -> None:
    """By the hundreds, none is left out or told twice, in the order of their ids."""
    made = [entry(f"q{n}", clock, seed=None) for n in range(230)]
    await store.fill(made)

    assert max(redisarchive.AT_ONCE, sqlitearchive.AT_ONCE, 2 * FEW) < len(made)
    assert [one.id for one in await store.walk()] == [one.id for one in by_id(made)]


async def test_a_selector_narrows_it(store: Store, clock: FakeClock) -> None:
    """Tenant, namespace, model, tag: as a list of entries would mean them."""
    first = entry("q", clock, tags=("a",))
    second = entry("q", clock, where=scope("zeta", "ns", "gpt-5"))
    await store.fill([first, second])

    for selector, found in [
        (Selector("zeta", everything=True), second),
        (Selector(ALL_TENANTS, namespace=""), first),
        (Selector(ALL_TENANTS, model="gpt-5"), second),
        (Selector(ALL_TENANTS, tags=("a",)), first),
    ]:
        assert await store.walk(selector) == [found]


async def test_what_nobody_would_get_is_not_there(store: Store, clock: FakeClock) -> None:
    """Neither what is past its time nor what was removed, one by one or with its namespace."""
    late, gone, kept = (entry(q, clock, ttl=t) for q, t in (("a", 50), ("b", 200), ("c", 200)))
    purged = entry("d", clock, where=scope(namespace="ns"), ttl=200)
    await store.fill([late, gone, kept, purged])
    await store.tier.purge(Selector(ALL_TENANTS, ids=(gone.id,)))
    await store.tier.purge(Selector(ALL_TENANTS, namespace="ns"))
    clock.now += 100

    assert [one.id for one in await store.walk()] == [kept.id]


async def test_what_is_put_back_is_served_and_logged(store: Store, clock: FakeClock) -> None:
    """As if it had been stored here, with its own times; the index follows the log."""
    made = [entry(f"q{n}", clock, seed=n) for n in range(5)]
    plain = entry("plain", clock, seed=None)
    fold = Fold(store.tier)
    await fold.catch_up()

    assert list(await store.archive.restore([*made, plain])) == [True] * 6
    await fold.catch_up()
    assert fold.ids == {one.id for one in made}
    assert await store.tier.get(plain.scope, plain.id) == plain
    assert await store.walk() == by_id([*made, plain])


async def test_a_newer_answer_stays(store: Store, clock: FakeClock) -> None:
    """What is put back replaces only what is older; the same once more changes nothing."""
    old = entry("q", clock)
    new = replace(old, answer=Answer(b'{"new": 1}'), created_at=old.created_at + 0.001)
    await store.tier.put(old)

    assert list(await store.archive.restore([new])) == [True]
    assert list(await store.archive.restore([old, new])) == [False, False]
    assert await store.walk() == [new]
    fold = Fold(store.tier)
    await fold.catch_up()
    before = fold.position
    await store.archive.restore([old, new])
    await fold.catch_up()
    assert fold.position == before


async def test_an_answer_that_is_over_does_not_stay(store: Store, clock: FakeClock) -> None:
    """Nobody would be answered with it, however new it is."""
    over = entry("q", clock, ttl=-1)
    back = replace(entry("q", clock, ttl=100), created_at=clock() - 50)
    await store.tier.put(over)

    assert list(await store.archive.restore([back])) == [True]
    assert await store.walk() == [back]


async def test_what_was_purged_can_be_put_back(store: Store, clock: FakeClock) -> None:
    """Whoever imports a backup after a purge wants it there, its namespace purged or not."""
    made = entry("q", clock, where=scope(namespace="ns"))
    await store.tier.put(made)
    await store.tier.purge(Selector(ALL_TENANTS, namespace="ns"))
    assert await store.walk() == []

    assert list(await store.archive.restore([made])) == [True]
    assert await store.walk() == [made]
    assert await store.tier.get(made.scope, made.id) == made


async def test_vectors_of_another_embedder(store: Store, clock: FakeClock) -> None:
    """They are kept as they are: who has that embedder can use them."""
    made = replace(entry("q", clock), vector=unit(3, 12), embedder="other/12")

    assert list(await store.archive.restore([made])) == [True]
    assert (await store.walk())[0].embedder == "other/12"


async def test_a_store_that_is_away(store: Store, clock: FakeClock) -> None:
    """A fault is a TierError, as with every part."""
    await store.tier.close()
    with pytest.raises(TierError):
        await store.walk()
    with pytest.raises(TierError):
        await store.archive.restore([entry("q", clock)])
