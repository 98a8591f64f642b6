"""Purges at set times."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from proxy.core.changes import ALL_TENANTS, Selector
from proxy.core.purging import ScheduledPurge
from proxy.errors import TierError
from proxy.scheduling import RETRY_S, Scheduler, next_time
from proxy.tiers.sqlite import SqliteTier
from proxy.tiers.sqlitewaiting import SqliteLeases
from tests.support.ports import Heard
from tests.support.program import Serving, chat
from tests.support.waiting import until
from tests.tiers.builders import FakeClock

MIDNIGHT = 1_800_057_600.0  # 2027-01-16 00:00 UTC
NIGHTLY = ScheduledPurge(cron="0 3 * * *", tags=("nightly",), older_than_s=60)


class Forgetting:
    """What is asked to be forgotten; it can be told to fail."""

    def __init__(self) -> None:
        self.asked: list[Selector] = []
        self.fails = False

    async def __call__(self, selector: Selector) -> int:
        if self.fails:
            raise TierError("away")
        self.asked.append(selector)
        return 7


class World:
    """Replicas over one shared tier, each with a scheduler, on one clock."""

    def __init__(self, tier: SqliteTier, clock: FakeClock) -> None:
        self.clock = clock
        self.heard = Heard()
        self.forgetting = Forgetting()
        self.purges = [NIGHTLY]
        self._leases = SqliteLeases(tier, clock=clock)

    def scheduler(self) -> Scheduler:
        return Scheduler(
            lambda: self.purges,
            self.forgetting,
            self._leases,
            clock=self.clock,
            observer=self.heard,
            look_s=0.001,
        )


@pytest.fixture
async def world(tmp_path: Path, clock: FakeClock) -> AsyncIterator[World]:
    clock.now = MIDNIGHT
    tier = SqliteTier(tmp_path / "x.db", clock=clock, on_event=Heard().event)
    await tier.start()
    yield World(tier, clock)
    await tier.close()


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.mark.parametrize(
    ("cron", "seconds"),
    [("0 3 * * *", 10_800), ("*/5 * * * *", 300), ("0 0 * * SUN", 86_400), ("0 0 17 1 *", 86_400)],
)
def test_times_are_utc(cron: str, seconds: float) -> None:
    """As a crontab on a machine in UTC has them; a time itself is not after itself."""
    assert next_time(cron, MIDNIGHT) == MIDNIGHT + seconds


async def test_it_is_made_when_its_time_comes(world: World) -> None:
    """Not before, once, with what is meant at that time; and again at the next time."""
    scheduler = world.scheduler()
    for hours in (0, 2.9, 3.1, 3.2, 26.9, 27.1):
        world.clock.now = MIDNIGHT + 3600 * hours
        await scheduler._look()

    assert [one.tags for one in world.forgetting.asked] == [("nightly",), ("nightly",)]
    assert world.forgetting.asked[0] == Selector(
        ALL_TENANTS, tags=("nightly",), older_than=MIDNIGHT + 3600 * 3.1 - 60
    )
    assert world.heard.events[0] == (
        "scheduled_purge",
        {"cron": "0 3 * * *", "tags": "nightly", "older_than_s": 60, "count": 7},
    )


async def test_replicas_make_it_once(world: World) -> None:
    """All keep the time; one makes it, and the others do not make it after him either."""
    schedulers = [world.scheduler() for _ in range(3)]
    for hours in (0, 3.001, 3.05, 3.2, 3.5, 4):
        world.clock.now = MIDNIGHT + 3600 * hours
        for scheduler in schedulers:
            await scheduler._look()

    assert len(world.forgetting.asked) == 1


async def test_one_that_fails_is_tried_again(world: World) -> None:
    """By whoever comes first, after a pause; each failure is told."""
    one, two = world.scheduler(), world.scheduler()
    for scheduler in (one, two):
        await scheduler._look()
    world.clock.now = MIDNIGHT + 3 * 3600 + 1
    world.forgetting.fails = True
    await one._look()
    await one._look()
    world.forgetting.fails = False
    world.clock.now += RETRY_S
    await one._look()
    await two._look()

    assert world.heard.names == ["scheduled_purge_failed", "scheduled_purge"]


async def test_many_missed_times_are_made_up_for_once(world: World) -> None:
    """A machine that slept for days wakes up to one purge, not to a dozen."""
    scheduler = world.scheduler()
    await scheduler._look()
    world.clock.now = MIDNIGHT + 10 * 86_400
    for _ in range(3):
        await scheduler._look()

    assert len(world.forgetting.asked) == 1


async def test_a_list_that_changes_is_followed(world: World) -> None:
    """What is no longer configured is not made, what is new waits for its own time."""
    scheduler = world.scheduler()
    await scheduler._look()
    world.purges = [ScheduledPurge(cron="0 4 * * *", everything=True)]
    for hours in (3.1, 4.1):
        world.clock.now = MIDNIGHT + 3600 * hours
        await scheduler._look()

    assert world.forgetting.asked == [Selector(ALL_TENANTS, everything=True)]


async def test_time_passes_by_itself(world: World) -> None:
    """The clock is looked at for as long as the program runs."""
    keeping = asyncio.get_running_loop().create_task(world.scheduler().keep_time())
    await asyncio.sleep(0.01)
    world.clock.now = MIDNIGHT + 3 * 3600 + 1
    await until(lambda: bool(world.forgetting.asked))
    keeping.cancel()


async def test_a_proxy_purges_as_configured(serving: Serving) -> None:
    """In every tier, and says how many; what is not meant stays."""
    purge = {"cron": "* * * * * *", "tags": ["brief"]}
    async with serving(cache={"purges": [purge]}) as proxy:
        await proxy.post(chat("stays"))
        await proxy.post(chat("goes"), x_cache_tags="brief")
        await until(lambda: any(line.get("count") for line in proxy.events("scheduled_purge")))
        gone, stays = await proxy.post(chat("goes")), await proxy.post(chat("stays"))

    assert (gone.cache, stays.cache) == ("MISS", "HIT")
