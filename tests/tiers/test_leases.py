"""The contracts of `Leases` and `LogWatch`; every implementation is a parameter of `join`."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from proxy.core.changes import ALL_TENANTS, Selector
from proxy.core.model import Answer, Entry, Lease
from proxy.errors import TierError
from proxy.ports import Leases, LogWatch, SharedTier
from proxy.tiers.redis import RedisTier
from proxy.tiers.redisleases import RedisLeases
from proxy.tiers.redislink import RedisLink
from proxy.tiers.redisnews import RedisLogWatch, RedisNews
from proxy.tiers.sqlite import SqliteTier
from proxy.tiers.sqlitewaiting import SqliteLeases, SqliteLogWatch
from tests.support.ports import Heard
from tests.tiers.builders import Events, FakeClock, Fold, entry
from tests.tiers.conftest import REDIS, redis_at

SOON_S = 0.15
"""A lease's life in a test that waits for its end."""
RENEWED_S = 0.5
"""The same, where a stall must not end it."""
LONG_S = 60.0
"""Far more than a test takes."""
QUICK_S = 1.0
"""Far more than a wake-up takes, and far less than what it saves."""


@dataclass(frozen=True)
class Replica:
    """What one process has of the store that all share."""

    tier: SharedTier
    leases: Leases
    watch: LogWatch


Join = Callable[[], Awaitable[Replica]]


@pytest.fixture(params=["sqlite", *REDIS])
async def join(
    request: pytest.FixtureRequest, tmp_path: Path, clock: FakeClock, events: Events
) -> AsyncIterator[Join]:
    """Opens the store for one more process."""
    joined: list[Replica] = []
    url = "" if request.param == "sqlite" else redis_at(request, request.param)

    async def sqlite() -> Replica:
        tier = SqliteTier(tmp_path / "x.db", clock=clock, on_event=events)
        leases = SqliteLeases(tier, clock=time.time)
        joined.append(Replica(tier, leases, SqliteLogWatch(tier)))
        await tier.start()
        return joined[-1]

    async def redis() -> Replica:
        link = RedisLink(url, timeout_s=20)
        tier = RedisTier(link, prefix="p", clock=clock, on_event=events)
        news = RedisNews(link, prefix="p", observer=Heard())
        joined.append(Replica(tier, RedisLeases(tier, link, news, prefix="p"), RedisLogWatch(news)))
        await tier.start()
        return joined[-1]

    yield redis if url else sqlite
    for one in joined:
        await one.tier.close()


async def held(leases: Leases, key: str, seconds: float = LONG_S) -> Lease:
    """A lease that must be had."""
    lease = await leases.take(key, seconds)
    assert lease is not None
    return lease


def key_of(made: Entry) -> str:
    """A lease's key: the entry, and whose call it is."""
    return f"{made.id}:somebody"


async def lapsed(leases: Leases, key: str) -> None:
    """Wait until a lease that nobody gives back is over."""
    assert not await leases.wait(key, LONG_S)


async def timed(waiting: Awaitable[bool]) -> tuple[bool, float]:
    """What it says, and how long it took, seconds."""
    began = time.monotonic()
    answer = await waiting
    return answer, time.monotonic() - began


# Who has it.


async def test_one_of_many_has_it(join: Join) -> None:
    """A hundred takers at once in two processes: one gets it, and nobody else until it is free."""
    one, two = await join(), await join()
    takers = [(one, two)[n % 2].leases.take("key", LONG_S) for n in range(100)]
    taken = [lease for lease in await asyncio.gather(*takers) if lease is not None]

    assert len(taken) == 1
    assert await two.leases.take("key", LONG_S) is None

    await one.leases.release(taken[0])

    assert await two.leases.take("key", LONG_S) is not None


async def test_keys_never_meet(join: Join) -> None:
    """Each key has a lease of its own, also of one entry."""
    one = await join()
    first, second = await held(one.leases, "a:x"), await held(one.leases, "a:y")
    await one.leases.release(first)

    assert await one.leases.take("a:y", LONG_S) is None
    assert await one.leases.renew(second, LONG_S)
    assert await one.leases.take("a:x", LONG_S) is not None


async def test_a_lapsed_lease_has_one_successor(join: Join) -> None:
    """Who dies holds up nobody for longer; of many who wait for it, one has it next."""
    one, two = await join(), await join()
    await held(one.leases, "key", SOON_S)

    async def follow(replica: Replica) -> Lease | None:
        await lapsed(replica.leases, "key")
        return await replica.leases.take("key", LONG_S)

    followers = await asyncio.gather(*(follow((one, two)[n % 2]) for n in range(20)))

    assert len([lease for lease in followers if lease is not None]) == 1


async def test_a_renewed_lease_does_not_lapse(join: Join) -> None:
    """As long as it is renewed, and not for longer: one that has lapsed cannot be."""
    one, two = await join(), await join()
    lease = await held(one.leases, "key", RENEWED_S)
    began = time.monotonic()
    while time.monotonic() < began + 1.5 * RENEWED_S:
        assert await one.leases.renew(lease, RENEWED_S)
        assert await two.leases.take("key", LONG_S) is None
        await asyncio.sleep(SOON_S / 10)

    await lapsed(two.leases, "key")
    assert not await one.leases.renew(lease, LONG_S)


async def test_tokens_grow(join: Join) -> None:
    """Released or lapsed: the next holder's is larger."""
    one, two = await join(), await join()
    tokens = []
    for number in range(6):
        leases = (one, two)[number % 2].leases
        lease = await held(leases, "key", SOON_S / 10 if number % 3 == 0 else LONG_S)
        tokens.append(lease.token)
        if number % 3 == 0:
            await lapsed(leases, "key")
        else:
            await leases.release(lease)

    assert tokens == sorted(set(tokens))


async def test_a_late_release_frees_nobody_elses(join: Join) -> None:
    """A holder whose lease has passed on cannot renew it, nor give his successor's away."""
    one, two = await join(), await join()
    late = await held(one.leases, "key", SOON_S / 10)
    await lapsed(two.leases, "key")
    await held(two.leases, "key")
    await one.leases.release(late)

    assert not await one.leases.renew(late, LONG_S)
    assert await one.leases.take("key", LONG_S) is None


# The fence.


async def test_a_holder_stores(join: Join, clock: FakeClock) -> None:
    """Under his lease, before and after it has lapsed, as long as nobody else has had it."""
    one, made = await join(), entry("q", clock)
    key = key_of(made)
    lease = await held(one.leases, key, SOON_S / 10)

    assert await one.tier.put(made, lease)
    await lapsed(one.leases, key)

    again = replace(made, answer=Answer(b"again"))

    assert await one.tier.put(again, lease)
    assert await one.tier.get(made.scope, made.id) == again


@pytest.mark.parametrize("is_released", [False, True], ids=["holds", "has released"])
async def test_a_late_holder_stores_nothing(
    join: Join, clock: FakeClock, is_released: bool
) -> None:
    """Once somebody else has had the lease, whether he holds it or has stored and released."""
    one, two, made = await join(), await join(), entry("q", clock)
    key = key_of(made)
    late = await held(one.leases, key, SOON_S / 10)
    await lapsed(two.leases, key)
    lease = await held(two.leases, key)
    newer = replace(made, answer=Answer(b"newer"))
    assert await two.tier.put(newer, lease)
    if is_released:
        await two.leases.release(lease)
    reader = Fold(one.tier)
    await reader.catch_up()

    assert not await one.tier.put(made, late)
    assert await one.tier.get(made.scope, made.id) == newer
    assert (await reader.step()).items == ()


async def test_a_late_holder_is_fenced_by_whoever_came_after(join: Join, clock: FakeClock) -> None:
    """Successors that took and released it one after another are still in his way."""
    one, two, made = await join(), await join(), entry("q", clock)
    key = key_of(made)
    late = await held(one.leases, key, SOON_S / 10)
    await lapsed(two.leases, key)
    for _ in range(3):
        await two.leases.release(await held(two.leases, key))

    assert not await one.tier.put(made, late)


async def test_without_a_lease_everybody_stores(join: Join, clock: FakeClock) -> None:
    """What nobody else was asked to wait for is stored, whoever holds the lease."""
    one, two, made = await join(), await join(), entry("q", clock)
    key = key_of(made)
    await held(one.leases, key)

    assert await two.tier.put(made)
    assert await one.tier.get(made.scope, made.id) == made


# Waiting.


async def test_nobody_waits_for_what_is_free(join: Join) -> None:
    """A key without a lease, or whose lease was released."""
    one = await join()

    await one.leases.release(await held(one.leases, "released"))
    for key in ("never", "released"):
        answer, took_s = await timed(one.leases.wait(key, LONG_S))

        assert not answer
        assert took_s < QUICK_S


async def test_a_release_wakes_all_who_wait(join: Join) -> None:
    """At once, in every process; those who wait for another key sleep on."""
    one, two = await join(), await join()
    lease = await held(one.leases, "key")
    await held(one.leases, "other")
    async with asyncio.TaskGroup() as group:
        waiting = [
            group.create_task(replica.leases.wait("key", LONG_S)) for replica in (one, two, two)
        ]
        other = group.create_task(two.leases.wait("other", 2 * SOON_S))
        await asyncio.sleep(SOON_S)
        assert not any(task.done() for task in waiting)
        answer, took_s = await timed(_released(one.leases, lease, waiting))

    assert answer
    assert took_s < QUICK_S
    assert not other.result()


async def _released(leases: Leases, lease: Lease, waiting: list["asyncio.Task[bool]"]) -> bool:
    await leases.release(lease)
    return all(await asyncio.gather(*waiting))


async def test_a_dead_holder_wakes_all_who_wait(join: Join) -> None:
    """When his lease has lapsed, though nobody says so, and not before."""
    one, two = await join(), await join()
    await held(one.leases, "key", SOON_S)
    answer, took_s = await timed(two.leases.wait("key", LONG_S))

    assert not answer
    assert SOON_S / 2 < took_s < SOON_S + QUICK_S


async def test_a_holder_who_gives_up_wakes_all_who_wait(join: Join) -> None:
    """He cuts his lease short: who waits is not told that it was given back, but need not wait."""
    one, two = await join(), await join()
    lease = await held(one.leases, "key")
    async with asyncio.TaskGroup() as group:
        waiting = group.create_task(timed(two.leases.wait("key", LONG_S)))
        await asyncio.sleep(SOON_S)
        assert await one.leases.renew(lease, 0.001)
    answer, took_s = waiting.result()

    assert not answer
    assert took_s < SOON_S + QUICK_S


async def test_a_wait_has_an_end(join: Join) -> None:
    """Also when the lease is held on, and renewed under it."""
    one, two = await join(), await join()
    lease = await held(one.leases, "key", SOON_S)
    async with asyncio.TaskGroup() as group:
        waiting = group.create_task(timed(two.leases.wait("key", 2 * SOON_S)))
        while not waiting.done():
            await one.leases.renew(lease, SOON_S)
            await asyncio.sleep(SOON_S / 10)
    answer, took_s = waiting.result()

    assert not answer
    assert took_s < 2 * SOON_S + QUICK_S


async def test_who_stops_waiting_takes_nobody_along(join: Join) -> None:
    """Of three who wait one leaves; the others are woken."""
    one = await join()
    lease = await held(one.leases, "key")
    async with asyncio.TaskGroup() as group:
        waiting = [group.create_task(one.leases.wait("key", LONG_S)) for _ in range(3)]
        await asyncio.sleep(SOON_S / 3)
        waiting.pop().cancel()
        await asyncio.sleep(0)
        await one.leases.release(lease)

    assert all(task.result() for task in waiting)


# The change log's watch.


async def settled(join: Join, clock: FakeClock, *watches: LogWatch) -> None:
    """Until they hear, and have heard all that was said so far: what a watch says is a hint."""
    await (await join()).tier.put(entry("before", clock))
    for watch in watches:
        assert await watch.wait(LONG_S)
        while await watch.wait(SOON_S):
            pass


Act = Callable[[Replica, Any], Awaitable[Any]]
ACTS: dict[str, Act] = {
    "put": lambda one, clock: one.tier.put(entry("new", clock)),
    "purge": lambda one, _: one.tier.purge(Selector(ALL_TENANTS, everything=True)),
    "expire": lambda one, clock: one.tier.expire(clock() + 1e6),
}


@pytest.mark.parametrize("act", ACTS)
async def test_others_are_told_of_changes(join: Join, clock: FakeClock, act: str) -> None:
    """At once, whatever it was; who made the change is not."""
    one, two = await join(), await join()
    await one.tier.put(entry("q", clock))
    await settled(join, clock, one.watch, two.watch)
    async with asyncio.TaskGroup() as group:
        told = group.create_task(timed(two.watch.wait(LONG_S)))
        himself = group.create_task(one.watch.wait(SOON_S))
        await ACTS[act](one, clock)
    answer, took_s = told.result()

    assert answer
    assert took_s < QUICK_S
    assert not himself.result()


async def test_a_change_between_two_waits_is_not_missed(join: Join, clock: FakeClock) -> None:
    """The next wait returns at once, and the one after that waits."""
    one, two = await join(), await join()
    await settled(join, clock, two.watch)
    await one.tier.put(entry("q", clock))
    await asyncio.sleep(SOON_S)
    answer, took_s = await timed(two.watch.wait(LONG_S))

    assert answer
    assert took_s < QUICK_S
    assert not await two.watch.wait(SOON_S / 10)


async def test_nothing_changes_for_what_is_not_logged(join: Join, clock: FakeClock) -> None:
    """An entry that no index holds, and a look for what is past its time, wake nobody."""
    one, two = await join(), await join()
    await settled(join, clock, two.watch)
    await one.tier.put(entry("plain", clock, seed=None))
    await one.tier.expire(clock())

    assert not await two.watch.wait(SOON_S)


# Life.


async def test_leases_need_the_tier_to_be_started(join: Join) -> None:
    """Before and after it, every call is a TierError."""
    one = await join()
    lease = await held(one.leases, "key")
    await one.tier.close()
    with pytest.raises(TierError, match="not started"):
        await one.leases.take("key", 1)
    with pytest.raises(TierError, match="not started"):
        await one.leases.renew(lease, 1)
    with pytest.raises(TierError, match="not started"):
        await one.leases.release(lease)
    with pytest.raises(TierError, match="not started"):
        await one.leases.wait("key", 1)

    assert not await one.watch.wait(SOON_S / 10)

    await one.tier.start()

    assert await one.leases.take("key", LONG_S) is None
