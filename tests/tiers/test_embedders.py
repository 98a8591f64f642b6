"""The contract of `Embedders`; every implementation is a parameter of `opened`."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from proxy.core.changes import ALL_TENANTS, Selector
from proxy.core.model import Answer
from proxy.core.reembedding import Standing
from proxy.ports import Embedders, SharedTier
from proxy.tiers.redis import RedisTier
from proxy.tiers.redisembedders import RedisEmbedders
from proxy.tiers.redislink import RedisLink
from proxy.tiers.redissealing import RedisSealing
from proxy.tiers.sqlite import SqliteTier
from proxy.tiers.sqliteembedders import SqliteEmbedders
from tests.tiers.builders import Events, FakeClock, Fold, entry, unit
from tests.tiers.conftest import REDIS, SEALED, codec_for, is_sqlite, redis_at

Opened = tuple[SharedTier, Embedders]


@pytest.fixture(params=["sqlite", *REDIS, *SEALED])
async def opened(
    request: pytest.FixtureRequest, tmp_path: Path, clock: FakeClock, events: Events
) -> AsyncIterator[Opened]:
    """A shared tier, and its embedders."""
    tier: SharedTier
    embedders: Embedders
    codec = codec_for(request.param)
    if is_sqlite(request.param):
        tier = sqlite = SqliteTier(tmp_path / "x.db", clock=clock, on_event=events, codec=codec)
        embedders = SqliteEmbedders(sqlite, clock=clock)
    else:
        link = RedisLink(redis_at(request, request.param), timeout_s=20)
        sealing = RedisSealing(link, "p", codec)
        tier = redis = RedisTier(link, prefix="p", clock=clock, on_event=events, sealing=sealing)
        embedders = RedisEmbedders(redis, link, prefix="p", clock=clock)
    await tier.start()
    yield tier, embedders
    await tier.close()


async def test_what_is_announced_is_remembered(opened: Opened, clock: FakeClock) -> None:
    """By all: the embedder that comes into use last is chosen, and keeps what it has finished."""
    _, embedders = opened

    assert await embedders.announce("a") == Standing(is_chosen=True, has_all=False, is_alone=True)
    assert (await embedders.announce("a", has_all=True)).has_all
    clock.now += 1
    assert await embedders.announce("b") == Standing(is_chosen=True, has_all=False, is_alone=False)
    assert not (await embedders.announce("a")).is_chosen


async def test_an_import_is_told(opened: Opened) -> None:
    """Entries of any embedder may have come: what was finished is so no more, for nobody."""
    _, embedders = opened
    await embedders.doubt()
    await embedders.announce("a", has_all=True)
    await embedders.doubt()

    assert await embedders.announce("a") == Standing(is_chosen=True, has_all=False, is_alone=True)


async def test_many_may_speak_at_once(opened: Opened) -> None:
    """Nobody's word is lost."""
    _, embedders = opened
    await asyncio.gather(*(embedders.announce(name) for name in "abcde"))

    assert [(await embedders.announce(name)).is_alone for name in "abcde"] == [False] * 5
    assert sum([(await embedders.announce(name)).is_chosen for name in "abcde"]) == 1


async def test_an_entry_gets_another_vector(opened: Opened, clock: FakeClock) -> None:
    """All else of it stays, and whoever reads the log learns of it."""
    tier, embedders = opened
    made = entry("q", clock, tags=("a",), namespace="ns", seed=1)
    await tier.put(made)
    fold = Fold(tier)
    await fold.catch_up()
    found = await tier.get(made.scope, made.id)
    assert found is not None
    renewed = replace(found, vector=unit(2), embedder="another", confirmed=True)
    clock.now += 5

    assert await embedders.replace(renewed)
    await fold.catch_up()
    back = await tier.get(made.scope, made.id)
    assert back is not None
    assert back.vector is not None
    assert (back, back.vector.tobytes()) == (renewed, unit(2).tobytes())
    assert (fold.held[made.id].embedder, fold.held[made.id].created_at) == (
        "another",
        made.created_at,
    )
    assert fold.removed == []


async def test_an_entry_without_a_vector_gets_one(opened: Opened, clock: FakeClock) -> None:
    """It was in no index; from then on every reader of the log has it."""
    tier, embedders = opened
    made = entry("q", clock, seed=None)
    await tier.put(made)
    fold = Fold(tier)
    await fold.catch_up()
    assert made.id not in fold.held

    assert await embedders.replace(replace(made, vector=unit(2), embedder="late"))
    await fold.catch_up()
    anew = Fold(tier)
    await anew.catch_up()
    for told in (fold, anew):
        assert (told.held[made.id].embedder, told.held[made.id].created_at) == (
            "late",
            made.created_at,
        )


async def test_what_is_gone_does_not_come_back(opened: Opened, clock: FakeClock) -> None:
    """Removed, or purged with its namespace, between the reading and the writing."""
    tier, embedders = opened
    one, two = entry("one", clock), entry("two", clock)
    await tier.put(one)
    await tier.put(two)
    await tier.purge(Selector(ALL_TENANTS, ids=(one.id,)))
    clock.now = two.kept_until + 1
    await tier.expire(clock())

    assert not await embedders.replace(replace(one, vector=unit(3), embedder="another"))
    assert not await embedders.replace(replace(two, vector=unit(3), embedder="another"))
    assert await tier.get(one.scope, one.id) is None
    assert await tier.purge(Selector(ALL_TENANTS, everything=True)) == []


async def test_a_newer_answer_stays(opened: Opened, clock: FakeClock) -> None:
    """It has another time: the old one's vector is not written over it."""
    tier, embedders = opened
    old = entry("q", clock)
    await tier.put(old)
    clock.now += 1
    new = entry("q", clock, answer=Answer(b'{"answer": "new"}'))
    await tier.put(new)

    assert not await embedders.replace(replace(old, vector=unit(3), embedder="another"))
    found = await tier.get(old.scope, old.id)
    assert found is not None
    assert (found.answer.body, found.embedder) == (b'{"answer": "new"}', new.embedder)
