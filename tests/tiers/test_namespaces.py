"""The contract of Namespaces; every implementation is a parameter of `make`."""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from redis.asyncio import Redis

from proxy.core.changes import ALL_TENANTS, Forgotten, Likeness, Selector
from proxy.core.model import Entry
from proxy.ports import Catalogue
from proxy.tiers.redis import RedisTier
from proxy.tiers.rediscatalogue import RedisCatalogue
from proxy.tiers.redislink import Groups, RedisLink
from proxy.tiers.redissealing import RedisSealing
from proxy.tiers.sqlite import SqliteTier
from proxy.tiers.sqlitecatalogue import SqliteCatalogue
from tests.support.servers import RedisServer
from tests.tiers.builders import EMBEDDER, Events, FakeClock, Fold, entry, scope, unit
from tests.tiers.conftest import REDIS, SEALED, codec_for, is_sqlite, redis_at

ALL = Selector(ALL_TENANTS, everything=True)
WEEK_S = 7 * 86400.0

Tier = SqliteTier | RedisTier
Make = Callable[[], tuple[Tier, Catalogue]]


@pytest.fixture(params=["sqlite", *REDIS, *SEALED])
async def make(
    request: pytest.FixtureRequest, tmp_path: Path, clock: FakeClock, events: Events
) -> AsyncIterator[Make]:
    """Builds tiers that all open one store, with its list; they are closed at the end."""
    made: list[Tier] = []

    def build() -> tuple[Tier, Catalogue]:
        codec = codec_for(request.param)
        if is_sqlite(request.param):
            lite = SqliteTier(tmp_path / "cache.db", clock=clock, on_event=events, codec=codec)
            made.append(lite)
            return lite, SqliteCatalogue(lite, clock=clock)
        link = RedisLink(url, timeout_s=20)
        sealing = RedisSealing(link, "cache", codec)
        made.append(RedisTier(link, prefix="cache", clock=clock, on_event=events, sealing=sealing))
        return made[-1], RedisCatalogue(link, prefix="cache", clock=clock, sealing=sealing)

    url = "" if is_sqlite(request.param) else redis_at(request, request.param)
    yield build
    for tier in made:
        await tier.close()


@pytest.fixture
async def tier(make: Make) -> Tier:
    built, _ = make()
    await built.start()
    return built


def zoo(clock: FakeClock) -> list[Entry]:
    """Entries of two tenants in three namespaces, several of each."""
    return [
        entry(f"q{number}", clock, where=scope(tenant, namespace), seed=number or None)
        for tenant in ("acme", "other")
        for namespace in ("", "docs", "döcs\n*")
        for number in range(4)
    ]


async def gone(tier: Tier, entries: list[Entry]) -> set[str]:
    return {one.id for one in entries if await tier.get(one.scope, one.id) is None}


@pytest.mark.parametrize("namespace", ["", "docs", "döcs\n*", "nobody's"])
@pytest.mark.parametrize("tenant", ["acme", "nobody", ALL_TENANTS])
async def test_a_namespace_is_forgotten(
    make: Make, clock: FakeClock, namespace: str, tenant: str
) -> None:
    """Of one tenant or of all: nothing of it is read, listed or counted, and all else is."""
    tier, catalogue = make()
    await tier.start()
    made = zoo(clock)
    await asyncio.gather(*map(tier.put, made))
    meant = {one.id for one in made if Selector(tenant, namespace=namespace).matches(one)}
    await tier.forget(namespace, tenant)
    kept = {one.id for one in made} - meant
    page = await catalogue.page(ALL, None, 100)

    assert await gone(tier, made) == meant
    assert set(await tier.purge(ALL, dry_run=True)) == kept
    assert page is not None
    assert {one.id for one in page.items} == kept
    for one in made:
        assert (await catalogue.find(one.id) is None) == (one.id in meant)
    assert await tier.expire(clock()) == len(meant)
    assert await tier.expire(clock()) == 0
    assert await catalogue.count() == len(kept)
    assert await gone(tier, made) == meant


async def test_the_log_tells_of_it_at_once(tier: Tier, clock: FakeClock) -> None:
    """In one record, whatever the namespace holds; the entries' own follow when they are swept."""
    made = zoo(clock)
    await asyncio.gather(*map(tier.put, made))
    reader = Fold(tier)
    await reader.catch_up()
    await tier.forget("docs", "acme")
    changes = await reader.step()

    assert changes.items == (Forgotten(Selector("acme", namespace="docs")),)

    await tier.expire(clock())
    await reader.catch_up()

    assert set(reader.removed) == await gone(tier, made)
    assert len(reader.removed) == 4


async def test_an_answer_asked_before_is_refused(make: Make, clock: FakeClock) -> None:
    """By whoever stores it, and however little he knows; one that was asked after it is taken."""
    (tier, _), (late, _) = make(), make()
    await tier.start()
    await late.start()
    before = entry("q", clock, where=scope(namespace="docs"), generation=late.newest)
    number = await tier.forget("docs", ALL_TENANTS)

    assert not await late.put(before)
    assert await tier.get(before.scope, before.id) is None
    assert await late.put(replace(before, generation=number))
    assert await tier.get(before.scope, before.id) == before
    assert not await late.put(before)
    assert await tier.get(before.scope, before.id) == before


async def test_who_reads_the_log_knows_of_it(make: Make) -> None:
    """As does who starts afterwards; numbers grow."""
    (tier, _), (follower, _) = make(), make()
    await tier.start()
    await follower.start()
    assert (tier.newest, follower.newest) == (0, 0)

    first = await tier.forget("docs", "acme")
    second = await tier.forget("", ALL_TENANTS)
    await follower.changes(None, 10)
    starter, _ = make()
    await starter.start()

    assert 0 < first < second
    assert tier.newest == follower.newest == starter.newest == second


async def test_what_is_stored_without_a_call_is_as_new_as_its_storing(
    make: Make, clock: FakeClock
) -> None:
    """An import, for one: it is not refused for a purge before it, by whoever it is made."""
    (tier, _), (late, _) = make(), make()
    await tier.start()
    await late.start()
    number = await tier.forget("docs", ALL_TENANTS)
    made = entry("q", clock, where=scope(namespace="docs"))

    assert await late.put(made)

    found = await tier.get(made.scope, made.id)

    assert found is not None
    assert found.generation == number
    await tier.forget("docs", "acme")
    assert not await tier.put(found)


async def test_a_large_namespace_is_swept_in_pages(tier: Tier, clock: FakeClock) -> None:
    """And what was stored anew in between stays."""
    where = scope(namespace="docs")
    made = [entry(f"q{n}", clock, where=where, seed=n % 5) for n in range(1300)]
    await asyncio.gather(*map(tier.put, made))
    number = await tier.forget("docs", "acme")
    renewed = replace(made[0], generation=number)
    await tier.put(renewed)

    assert await tier.expire(clock()) == 1299
    assert await tier.get(renewed.scope, renewed.id) == renewed

    reader = Fold(tier, limit=500)
    await reader.catch_up()

    assert reader.ids == {renewed.id}


async def test_old_purges_are_forgotten(tier: Tier, clock: FakeClock) -> None:
    """A week after, by the next one's sweep: so long no call is under way. Numbers still grow."""
    old = entry("q", clock, where=scope(namespace="docs"), ttl=1e8, generation=0)
    number = await tier.forget("docs", "acme")
    await tier.expire(clock() + WEEK_S - 9)

    assert not await tier.put(old)

    later = await tier.forget("another", "acme")
    await tier.expire(clock() + WEEK_S + 9)

    assert await tier.put(old)
    assert await tier.forget("docs", "acme") > later > number
    assert await tier.get(old.scope, old.id) is None


async def test_what_is_like_a_text_is_only_told_of(tier: Tier, clock: FakeClock) -> None:
    """The tier compares no vectors; the log has all that another process needs to."""
    made = entry("q", clock, seed=3)
    await tier.put(made)
    reader = Fold(tier)
    await reader.catch_up()
    like = Likeness(unit(3), 0.9, EMBEDDER)

    assert list(await tier.purge(Selector("acme", model="gpt", like=like))) == []
    assert await tier.get(made.scope, made.id) == made

    await reader.catch_up()
    [told] = reader.forgotten

    assert told == Selector("acme", model="gpt", like=like)
    assert told.like is not None
    assert np.array_equal(told.like.vector, like.vector)
    assert (told.like.at_least, told.like.embedder) == (0.9, EMBEDDER)
    assert told.matches(made)
    assert not told.matches(entry("other", clock, seed=4))


async def test_entries_of_an_earlier_version_on_redis(
    redis_server: RedisServer, clock: FakeClock, events: Events
) -> None:
    """Their descriptions name no purge: they are read until the first one means them."""
    link = RedisLink(redis_server.url)
    tier = RedisTier(link, prefix="p", clock=clock, on_event=events)
    [group] = Groups("p", 1)
    await tier.start()
    made = [entry("q", clock, where=scope(namespace=name)) for name in ("docs", "")]
    async with Redis.from_url(redis_server.url) as raw:
        for one in made:
            await tier.put(one)
            about = await raw.hget(group.about, one.id)
            assert isinstance(about, bytes)
            await raw.hset(group.about, one.id, about.rpartition(b",")[0] + b"]")

    assert [await tier.get(one.scope, one.id) for one in made] == made

    await tier.forget("docs", ALL_TENANTS)

    assert await gone(tier, made) == {made[0].id}
    assert await tier.purge(ALL) == [made[1].id]
    assert await tier.expire(clock()) == 1

    await tier.close()


async def test_numbers_grow_over_a_redis_that_was_emptied(
    redis_server: RedisServer, clock: FakeClock, events: Events
) -> None:
    """It has forgotten its purges with its entries; a call begun before that is still overtaken."""
    tier = RedisTier(RedisLink(redis_server.url), prefix="p", clock=clock, on_event=events)
    await tier.start()
    before = entry("q", clock, where=scope(namespace="docs"))
    number = await tier.forget("docs", "acme")
    redis_server.ask("FLUSHALL")

    assert await tier.put(replace(before, generation=number))
    assert await tier.forget("docs", "acme") > number
    assert await tier.get(before.scope, before.id) is None
    assert not await tier.put(replace(before, generation=number))

    await tier.close()
