"""The contract of a Presence: which processes there are over one shared tier."""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from proxy.core.presence import Replica
from proxy.errors import TierError
from proxy.ports import Presence, SharedTier
from proxy.tiers.redis import RedisTier
from proxy.tiers.redislink import RedisLink
from proxy.tiers.redispresence import RedisPresence
from proxy.tiers.sqlite import SqliteTier
from proxy.tiers.sqlitepresence import SqlitePresence
from tests.support.servers import RedisServer
from tests.support.waiting import until_async
from tests.tiers.builders import Events, FakeClock, Fold, entry
from tests.tiers.conftest import REDIS, redis_at

REPLICA = Replica(
    id="a1",
    host="büro",
    pid=7,
    worker=2,
    version="1.0",
    url="http://büro:8080/v1",
    started_at=1000.0,
    seen_at=0.0,
    position_lag=3,
    entries={"session": 4, "vector": 5},
    parts={"shared": "ok", "embed": "late\nand broken"},
    config_digest="abc",
)


@dataclass(frozen=True)
class Place:
    """A tier, and who is there; `another` process opens the same."""

    tier: SharedTier
    presence: Presence
    another: "Callable[[], Place]"


def place(kind: str, where: str, clock: FakeClock) -> Place:
    def another() -> Place:
        return place(kind, where, clock)

    if kind == "sqlite":
        lite = SqliteTier(Path(where), clock=clock, on_event=Events())
        return Place(lite, SqlitePresence(lite, clock=clock), another)
    link = RedisLink(where, timeout_s=20)
    tier = RedisTier(link, prefix="cache", clock=clock, on_event=Events())
    return Place(tier, RedisPresence(link, prefix="cache", clock=clock), another)


@pytest.fixture(params=["sqlite", *REDIS])
async def here(
    request: pytest.FixtureRequest, tmp_path: Path, clock: FakeClock
) -> AsyncIterator[Place]:
    kind = request.param
    where = str(tmp_path / "cache.db") if kind == "sqlite" else redis_at(request, kind)
    found = place(kind, where, clock)
    await found.tier.start()
    yield found
    await found.tier.close()


async def test_nobody_is_there_at_first(here: Place) -> None:
    """An empty tier lists nobody, and a farewell of nobody is a no-op."""
    await here.presence.withdraw("nobody")

    assert list(await here.presence.present()) == []


async def test_who_announces_himself_is_seen_by_others(here: Place, clock: FakeClock) -> None:
    """All that was said, and when it was said; a second word takes the place of the first."""
    other = here.another()
    await other.tier.start()
    await here.presence.announce(replace(REPLICA, pid=6), 60)
    await here.presence.announce(REPLICA, 60)
    await other.presence.announce(replace(REPLICA, id="b2", worker=None, url=None), 60)
    [one, two] = await other.presence.present()
    await other.tier.close()

    assert replace(one, seen_at=0.0) == REPLICA
    assert one.seen_at == pytest.approx(clock(), abs=5)
    assert (two.id, two.worker, two.url) == ("b2", None, None)


async def test_who_withdraws_is_gone_at_once(here: Place) -> None:
    """He alone."""
    await here.presence.announce(REPLICA, 60)
    await here.presence.announce(replace(REPLICA, id="b2"), 60)
    await here.presence.withdraw("a1")

    assert [one.id for one in await here.presence.present()] == ["b2"]


async def test_who_falls_silent_is_gone(here: Place, clock: FakeClock) -> None:
    """Whoever was killed could not say so: his word lapses, those of others do not."""
    await here.presence.announce(replace(REPLICA, id="b2"), 60)
    await here.presence.announce(REPLICA, 0.05)

    async def is_alone() -> bool:
        clock.now += 0.05  # a file has this clock; Redis its own
        return [one.id for one in await here.presence.present()] == ["b2"]

    await until_async(is_alone, "the end of a word")


async def test_records_after_a_position_are_counted(here: Place, clock: FakeClock) -> None:
    """0 at the log's end; then each change; nothing is known of what is no position."""
    fold = Fold(here.tier)
    await here.tier.put(entry("zero", clock))
    await fold.catch_up()
    at_the_end = await here.presence.behind(fold.position)
    for number in range(5):
        await here.tier.put(entry(f"question {number}", clock))

    assert at_the_end == 0
    assert await here.presence.behind(fold.position) == 5
    await fold.catch_up()
    assert await here.presence.behind(fold.position) == 0
    assert await here.presence.behind(None) is None


async def test_what_another_version_wrote_otherwise_is_left_out(tmp_path: Path) -> None:
    """A record that lacks a field is nobody's; one that has more is read."""
    clock = FakeClock()
    lite = SqliteTier(tmp_path / "cache.db", clock=clock, on_event=Events())
    presence = SqlitePresence(lite, clock=clock)
    await lite.start()
    await presence.announce(REPLICA, 60)
    await presence.announce(replace(REPLICA, id="b2"), 60)
    await lite.ask(
        lambda file: file.replicas._db.execute(
            """UPDATE replicas SET record = CASE id
               WHEN 'a1' THEN json_remove(CAST(record AS TEXT), '$.host')
               ELSE json_set(CAST(record AS TEXT), '$.new', 1) END"""
        )
    )
    found = await presence.present()
    await lite.close()

    assert [one.id for one in found] == ["b2"]


async def test_a_redis_that_is_away(own_server: RedisServer, clock: FakeClock) -> None:
    """A TierError, as of every adapter; and nobody is remembered who said nothing since."""
    found = place("redis", own_server.url, clock)
    await found.tier.start()
    await found.presence.announce(REPLICA, 60)
    own_server.kill()
    with pytest.raises(TierError):
        await found.presence.announce(REPLICA, 60)
    with pytest.raises(TierError):
        await found.presence.present()
    await asyncio.to_thread(own_server.start)
    assert list(await found.presence.present()) == []
    await found.tier.close()
