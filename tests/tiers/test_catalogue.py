"""The contract of a Catalogue: the list of what a shared tier has."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from proxy.core.cataloguing import Description, described
from proxy.core.changes import ALL_TENANTS, Selector
from proxy.core.model import Answer, Entry
from proxy.errors import TierError
from proxy.ports import Catalogue, SharedTier
from proxy.tiers import rediscatalogue, sqlitecatalogue
from proxy.tiers.redis import RedisTier
from proxy.tiers.rediscatalogue import RedisCatalogue
from proxy.tiers.redislink import RedisLink
from proxy.tiers.redissealing import RedisSealing
from proxy.tiers.sqlite import SqliteTier
from proxy.tiers.sqlitecatalogue import SqliteCatalogue
from tests.tiers.builders import Events, FakeClock, entry, scope
from tests.tiers.conftest import REDIS, SEALED, codec_for, is_sqlite, redis_at

ALL = Selector(ALL_TENANTS, everything=True)


@dataclass(frozen=True)
class Store:
    """A tier and its list."""

    tier: SharedTier
    catalogue: Catalogue

    async def fill(self, entries: Sequence[Entry]) -> None:
        for one in entries:
            await self.tier.put(one)

    async def walk(
        self, selector: Selector = ALL, limit: int = 7, text: str | None = None
    ) -> list[Description]:
        """The whole list, page by page."""
        found: list[Description] = []
        cursor: str | None = None
        while True:
            page = await self.catalogue.page(selector, cursor, limit, text=text)
            assert page is not None
            assert len(page.items) <= limit
            found += page.items
            if (cursor := page.cursor) is None:
                return found


def built(kind: str, request: pytest.FixtureRequest, path: Path, clock: FakeClock) -> Store:
    codec = codec_for(kind)
    if is_sqlite(kind):
        lite = SqliteTier(path / "cache.db", clock=clock, on_event=Events(), codec=codec)
        return Store(lite, SqliteCatalogue(lite, clock=clock))
    link = RedisLink(redis_at(request, kind), timeout_s=20)
    sealing = RedisSealing(link, "cache", codec)
    tier = RedisTier(link, prefix="cache", clock=clock, on_event=Events(), sealing=sealing)
    return Store(tier, RedisCatalogue(link, prefix="cache", clock=clock, sealing=sealing))


@pytest.fixture(params=["sqlite", *REDIS, *SEALED])
async def store(
    request: pytest.FixtureRequest, tmp_path: Path, clock: FakeClock
) -> AsyncIterator[Store]:
    found = built(request.param, request, tmp_path, clock)
    await found.tier.start()
    yield found
    await found.tier.close()


def ids(found: Sequence[Description] | Sequence[Entry]) -> list[str]:
    return sorted(one.id for one in found)


async def test_an_empty_store_has_an_empty_list(store: Store) -> None:
    """No items, no cursor, and nothing to find."""
    assert await store.walk() == []
    assert await store.catalogue.find("unknown") is None
    assert await store.catalogue.count() == 0


async def test_everything_is_said_but_the_answer(store: Store, clock: FakeClock) -> None:
    """Each field is the entry's own; the size is the answer's."""
    made = entry("q", clock, tags=("a", "b"), namespace="ns", answer=Answer(b"12345", (b"678",)))
    plain = entry("plain", clock, seed=None, ttl=float("inf"))
    await store.fill([made, plain])
    told = {one.id: one for one in await store.walk()}

    assert told == {made.id: described(made), plain.id: described(plain)}
    assert told[made.id].size == 8
    assert (told[made.id].is_indexed, told[plain.id].is_indexed) == (True, False)
    assert await store.catalogue.find(made.id) == described(made)
    assert await store.catalogue.count() == 2


@pytest.mark.parametrize("limit", [1, 3, 10, 200])
async def test_pages_make_up_the_list(store: Store, clock: FakeClock, limit: int) -> None:
    """Every entry once, however long a page is, also of entries with one and the same lifetime."""
    made = [entry(f"q{n}", clock, ttl=100 if n % 3 else 50 + n) for n in range(20)]
    await store.fill(made)
    found = await store.walk(limit=limit)

    assert ids(found) == ids(made)


async def test_more_than_is_looked_at_at_once(store: Store, clock: FakeClock) -> None:
    """Entries of one time, by the hundreds: none is left out, whether few or all are meant."""
    made = [entry(f"q{n}", clock, ttl=float("inf"), tags=("x",) * (n == 0)) for n in range(1100)]
    await store.fill(made)

    assert max(rediscatalogue.SCAN, sqlitecatalogue.SCAN) < len(made)
    assert ids(await store.walk(limit=200)) == ids(made)
    assert ids(await store.walk(Selector(ALL_TENANTS, tags=("x",)))) == [made[0].id]


async def test_a_selector_narrows_it(store: Store, clock: FakeClock) -> None:
    """Tenant, namespace, model, tag, scope, id and age, as an invalidation would mean them."""
    other = scope("zeta", "ns", "gpt-5")
    first = entry("q", clock, tags=("a",))
    second = replace(entry("q", clock, where=other, principal="ann"), created_at=clock() - 50)
    await store.fill([first, second])
    meant = [
        (Selector("zeta", everything=True), second),
        (Selector("acme", everything=True), first),
        (Selector(ALL_TENANTS, namespace="ns"), second),
        (Selector(ALL_TENANTS, namespace=""), first),
        (Selector(ALL_TENANTS, model="gpt-5"), second),
        (Selector(ALL_TENANTS, tags=("a", "b")), first),
        (Selector(ALL_TENANTS, scope=other.id), second),
        (Selector(ALL_TENANTS, principal="ann"), second),
        (Selector(ALL_TENANTS, ids=(second.id, "unknown")), second),
        (Selector(ALL_TENANTS, older_than=clock() - 10), second),
    ]

    for selector, found in meant:
        assert await store.walk(selector) == [described(found)]


@pytest.mark.parametrize("limit", [1, 3, 50])
async def test_a_text_narrows_it(store: Store, clock: FakeClock, limit: int) -> None:
    """Entries that have it in their question, in capitals or not, and that are meant as well."""
    made = [
        entry(f"{n} {'Größe' if n % 10 == 3 else 'size'}?", clock, tags=("x",) * (n == 13))
        for n in range(120)
    ]
    await store.fill(made)

    assert ids(await store.walk(limit=limit, text="GRÖSSE")) == ids(made[3::10])
    assert ids(await store.walk(Selector(ALL_TENANTS, tags=("x",)), limit, "size")) == []
    assert ids(await store.walk(Selector(ALL_TENANTS, tags=("x",)), limit, "größe")) == [
        made[13].id
    ]
    assert await store.walk(limit=limit, text="%") == []


async def test_what_is_removed_while_pages_are_read_hides_nothing(
    store: Store, clock: FakeClock
) -> None:
    """The entry a cursor stands on may go: all others are still told."""
    made = [entry(f"q{n}", clock, ttl=100) for n in range(12)]
    await store.fill(made)
    found: list[Description] = []
    cursor: str | None = None
    while True:
        page = await store.catalogue.page(ALL, cursor, 2)
        assert page is not None
        found += page.items
        if page.items:
            told = tuple(one.id for one in page.items)
            await store.tier.purge(Selector(ALL_TENANTS, ids=told))
        if (cursor := page.cursor) is None:
            break

    assert ids(found) == ids(made)


async def test_what_nobody_would_get_is_not_told(store: Store, clock: FakeClock) -> None:
    """An entry past its time is no longer there, swept or not; nor is one that was removed."""
    late, gone, kept = (entry(q, clock, ttl=t) for q, t in (("a", 50), ("b", 200), ("c", 200)))
    await store.fill([late, gone, kept])
    await store.tier.purge(Selector(ALL_TENANTS, ids=(gone.id,)))
    clock.now += 100

    assert ids(await store.walk()) == [kept.id]
    assert await store.catalogue.find(late.id) is None
    assert await store.catalogue.find(gone.id) is None


@pytest.mark.parametrize("cursor", ["", "x", "-1", "1.5", "99:1:a", "0:nan:a", "\u0661", "9" * 30])
async def test_a_cursor_of_nobodys(store: Store, cursor: str) -> None:
    """It is said to be none; the list does not begin anew."""
    assert await store.catalogue.page(ALL, cursor, 5) is None


async def test_a_store_that_is_away(store: Store) -> None:
    """A fault is a TierError, as with every part."""
    await store.tier.close()
    with pytest.raises(TierError):
        await store.catalogue.page(ALL, None, 5)
    with pytest.raises(TierError):
        await store.catalogue.find("a")
    with pytest.raises(TierError):
        await store.catalogue.count()
