"""What holds for Redis Cluster alone; the rest is the contract in test_shared.py."""

import asyncio
import contextlib
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from redis.crc import key_slot

from proxy.core.changes import ALL_TENANTS, Selector
from proxy.core.model import Answer, Entry
from proxy.errors import TierError
from proxy.tiers.redis import RedisTier
from proxy.tiers.redisclient import Access, Tls
from proxy.tiers.redisleases import RedisLeases
from proxy.tiers.redislink import GROUPS, Groups, RedisLink
from proxy.tiers.redisnews import RedisLogWatch, RedisNews
from tests.support.ports import Heard
from tests.support.program import Served, Serving, chat
from tests.support.servers import ClusterServer, ClusterServers, RedisServer, free_port
from tests.support.tls import Authority, tls_before
from tests.support.waiting import until_async
from tests.tiers.builders import Events, FakeClock, Fold, entry, redis_tier, scope

RECOVERY_S = 10.0
"""After the loss of a master with a replica, all is as before."""


@pytest.fixture(scope="module")
def growing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClusterServers]:
    """A cluster whose slots tests move about: three masters, and a fourth without slots."""
    servers = ClusterServers(tmp_path_factory.mktemp("growing"))
    try:
        servers.start()
        servers.join()
        yield servers
    finally:
        servers.kill()


@pytest.fixture
def replicated(tmp_path: Path) -> Iterator[ClusterServers]:
    """A cluster that a test may break: three masters, each with a replica."""
    servers = ClusterServers(tmp_path / "replicated", has_replicas=True, node_timeout_ms=1000)
    try:
        servers.start()
        yield servers
    finally:
        servers.kill()


@pytest.fixture
async def tier(
    growing: ClusterServers, clock: FakeClock, events: Events
) -> AsyncIterator[RedisTier]:
    """On the cluster whose slots move, emptied."""
    growing.empty()
    built = redis_tier(growing.url, clock, events)
    await built.start()
    yield built
    await built.close()


def in_all_groups(clock: FakeClock, each: int = 1) -> list[Entry]:
    """Entries of every group, so many of each."""
    groups = Groups("p", GROUPS)
    wanted: dict[str, list[Entry]] = {}
    for number in range(10_000):
        made = entry(f"q{number}", clock, seed=number)
        found = wanted.setdefault(groups.of(made.id).prefix, [])
        found += [made] if len(found) < each else []
    assert len(wanted) == GROUPS
    return [made for found in wanted.values() for made in found]


async def all_found(tier: RedisTier, made: list[Entry]) -> bool:
    """Whether each is found whole; a call that fails finds nothing."""
    with contextlib.suppress(TierError):
        return [await tier.get(one.scope, one.id) for one in made] == made
    return False


# Where things are.


async def test_entries_are_spread_over_the_masters(
    cluster_servers: ClusterServers, clock: FakeClock, events: Events
) -> None:
    """Every master has some; what belongs together is in one slot."""
    cluster_servers.empty()
    tier = redis_tier(cluster_servers.url, clock, events)
    await tier.start()
    for one in in_all_groups(clock):
        await tier.put(one)
    keys = [node.tell("KEYS p:*").splitlines()[2::2] for node in cluster_servers.masters]
    await tier.close()

    assert [len(found) >= 4 * 5 for found in keys] == [True] * 3
    assert sum(map(len, keys)) == GROUPS * 5
    assert len({key_slot(key.encode()) for found in keys for key in found}) == GROUPS


async def test_one_node_is_enough_to_find_the_others(
    cluster_servers: ClusterServers, clock: FakeClock, events: Events
) -> None:
    """Of the nodes in the URL, some may be gone."""
    url = f"redis+cluster://127.0.0.1:{free_port()},127.0.0.1:{cluster_servers.masters[1].port}"
    tier = redis_tier(url, clock, events)
    await tier.start()
    made = in_all_groups(clock)
    for one in made:
        await tier.put(one)

    assert await all_found(tier, made)

    await tier.close()


async def test_no_node_is_there(clock: FakeClock, events: Events) -> None:
    """Is a TierError, and the next start tries again."""
    tier = redis_tier(f"redis+cluster://127.0.0.1:{free_port()}", clock, events)
    for _ in range(2):
        with pytest.raises(TierError, match="redis: Error 111 connecting"):
            await tier.start()
    with pytest.raises(TierError, match="redis: "):
        await tier.get("s", "k")
    await tier.close()


async def test_a_server_that_is_no_cluster(
    redis_server: RedisServer, clock: FakeClock, events: Events
) -> None:
    """Is a TierError in Redis's own words."""
    url = redis_server.url.replace("redis://", "redis+cluster://").removesuffix("/0")
    tier = redis_tier(url, clock, events)
    with pytest.raises(TierError, match="cluster support disabled"):
        await tier.start()
    await tier.close()


async def test_a_login_and_tls(tmp_path: Path, clock: FakeClock, events: Events) -> None:
    """`rediss+cluster://` speaks TLS to all nodes, with the login of the URL and few rights."""
    authority = Authority(tmp_path / "authority")
    rules = (
        "~reprise:* &reprise:* +@read +@write +@scripting +@connection +@pubsub +time -@dangerous"
        " +cluster|slots"
    )
    node = ClusterServer(tmp_path / "node", node_timeout_ms=5000)
    access = Access(Tls(authority.file))
    async with tls_before(node.port, authority.issue("127.0.0.1")) as port:
        announced = ["--cluster-announce-port", str(port), "--cluster-announce-ip", "127.0.0.1"]
        node.start(*announced, "--user", "alice", "on", ">secret", *rules.split())
        try:
            node.tell("CLUSTER ADDSLOTSRANGE 0 16383")
            made, tiers = in_all_groups(clock), []
            for login in ("alice:secret@", "alice:wrong@"):
                url = f"rediss+cluster://{login}127.0.0.1:{port}"
                tiers.append(redis_tier(url, clock, events, "reprise", access=access))

            async def is_up() -> bool:
                with contextlib.suppress(TierError):
                    await tiers[0].start()
                    return await tiers[0].get("s", "k") is None
                return False

            await until_async(is_up, "a cluster of one")
            for one in made:
                await tiers[0].put(one)

            assert await all_found(tiers[0], made)
            assert await tiers[0].purge(Selector(ALL_TENANTS, everything=True))

            with pytest.raises(TierError, match="invalid username-password"):
                await tiers[1].start()
            for tier in tiers:
                await tier.close()
        finally:
            node.kill()


# Slots that move.


async def test_a_slot_that_has_moved(
    growing: ClusterServers, tier: RedisTier, clock: FakeClock
) -> None:
    """The first call after it is answered as before, and so are those that follow."""
    made = in_all_groups(clock)
    for one in made:
        await tier.put(one)
    reader = Fold(tier, limit=100)
    await reader.catch_up()
    slot, new = key_slot(b"{1}"), growing.masters[-1]
    await asyncio.to_thread(growing.move, slot, new, 0)

    assert await all_found(tier, made)

    again = [replace(one, answer=Answer(b"again")) for one in made]
    for one in again:
        assert await tier.put(one)
    await reader.catch_up()

    assert await all_found(tier, again)
    assert reader.resets == 1
    assert len(await tier.purge(Selector(ALL_TENANTS, everything=True))) == len(made)


async def test_a_slot_that_is_half_way(
    growing: ClusterServers, tier: RedisTier, clock: FakeClock
) -> None:
    """What has moved and what has not is found; what needs both is refused whole."""
    groups = Groups("p", GROUPS)
    made = [one for one in in_all_groups(clock, 6) if groups.of(one.id).prefix == "p:{2}:"]
    for one in made:
        await tier.put(one)
    reader = Fold(tier)
    await reader.catch_up()
    slot, new = key_slot(b"{2}"), growing.masters[-1]
    source = growing.begin_move(slot, new)
    for key in (*(groups.of(one.id).entry(one.id) for one in made[:3]), "p:{2}:log"):
        growing.move_key(key, source, new)

    assert await all_found(tier, made)
    assert (await reader.step()).items == ()

    for one in made:
        with pytest.raises(TierError, match="redis: Multiple keys request during rehashing"):
            await tier.put(replace(one, answer=Answer(b"late")))

    assert await all_found(tier, made)

    await asyncio.to_thread(growing.move, slot, new, 0)
    late = replace(made[0], answer=Answer(b"late"))
    await tier.put(late)
    await reader.catch_up()

    assert await all_found(tier, [late, *made[1:]])
    assert reader.ids == {one.id for one in made}
    assert reader.resets == 1


async def test_resharding_under_load(
    growing: ClusterServers, tier: RedisTier, clock: FakeClock, events: Events
) -> None:
    """Half the groups move while others read and write: nothing is lost, nothing is mistaken."""
    stored = [entry(f"question {number}", clock, seed=number) for number in range(100)]
    await asyncio.gather(*map(tier.put, stored))
    moved = asyncio.Event()
    other = redis_tier(growing.url, clock, events)
    await other.start()
    reader = Fold(other, limit=50)

    async def write() -> None:
        made = entry(f"question {len(stored)}", clock, seed=len(stored))
        while True:
            with contextlib.suppress(TierError):  # as the backlog does: again
                await tier.put(made)
                stored.append(made)
                return

    async def read() -> None:
        one = stored[random.randrange(len(stored))]
        assert await other.get(one.scope, one.id) == one

    async def follow() -> None:
        with contextlib.suppress(TierError):
            await reader.step()

    async def keep_doing(work: Callable[[], Awaitable[None]]) -> None:
        while not moved.is_set():
            await work()
            await asyncio.sleep(0.002)

    async def reshard() -> None:
        for number in range(4, 12):
            slot = key_slot(f"{{{number}}}".encode())
            await asyncio.to_thread(growing.move, slot, growing.masters[-1], 0.003)
        moved.set()

    async with asyncio.TaskGroup() as group:
        for work in (write, read, read, follow):
            group.create_task(keep_doing(work))
        group.create_task(reshard())
    await reader.catch_up()
    await other.close()

    assert len(stored) > 110
    assert await all_found(tier, stored)
    assert reader.ids == {one.id for one in stored}
    assert reader.resets == 1


# Nodes that die.


async def test_masters_are_lost(
    replicated: ClusterServers, clock: FakeClock, events: Events
) -> None:
    """One dies, then one hangs: calls fail in time, and once its replica serves, all is well."""
    link = RedisLink(replicated.url, timeout_s=0.5)
    tier = RedisTier(link, prefix="p", clock=clock, on_event=events)
    await tier.start()
    made = in_all_groups(clock)
    for one in made:
        await tier.put(one)
    reader = Fold(tier, limit=100)
    await reader.catch_up()
    again = [replace(one, answer=Answer(b"again")) for one in made]

    async def serves() -> bool:
        asked = time.monotonic()
        try:
            await tier.start()  # as the probe of an open breaker does
            found = await all_found(tier, made) and all([await tier.put(one) for one in made])
        except TierError:
            found = False
        assert time.monotonic() - asked < 3
        return found

    for fault in (replicated.masters[0].kill, replicated.masters[1].pause):
        await until_async(lambda: _in_step(replicated), "the replicas")
        began = time.monotonic()
        fault()
        await until_async(serves, "the replica's turn")

        assert time.monotonic() - began < RECOVERY_S

    for one in again:
        await tier.put(one)
    await reader.catch_up()

    assert await all_found(tier, again)
    assert reader.ids == {one.id for one in made}

    await tier.close()


async def _in_step(servers: ClusterServers) -> bool:
    """Whether every master that is there has a replica with all that it has."""
    return {node.ask("WAIT 1 1000") for node in servers.masters} <= {b":1\r\n", b""}


async def test_a_lost_master_is_not_stormed(
    tmp_path: Path, clock: FakeClock, events: Events
) -> None:
    """Hundreds of calls that fail together ask the other nodes once where its slots are."""
    servers = ClusterServers(tmp_path / "own")
    servers.start()
    link = RedisLink(servers.url)
    tier = RedisTier(link, prefix="p", clock=clock, on_event=events)
    try:
        await tier.start()
        made = in_all_groups(clock)
        await asyncio.sleep(0.6)  # so that the map may be read anew
        before = link.stats()["mapped"]
        servers.masters[1].kill()
        calls = [tier.get(one.scope, one.id) for one in made * 20]
        answers = await asyncio.gather(*calls, return_exceptions=True)
        stats = link.stats()
    finally:
        await tier.close()
        servers.kill()

    assert sum(isinstance(answer, TierError) for answer in answers) >= 20 * 4
    assert {type(answer) for answer in answers} == {TierError, type(None)}
    assert stats["mapped"] - before <= 3
    assert stats["busy"] == 0


async def test_waiting_survives_the_loss_of_a_node(
    replicated: ClusterServers, clock: FakeClock, events: Events
) -> None:
    """Whichever node the messages came from: a release and a new entry are heard of after it."""
    link = RedisLink(replicated.url, timeout_s=0.5)
    tier = RedisTier(link, prefix="p", clock=clock, on_event=events)
    heard = Heard()
    news = RedisNews(link, prefix="p", observer=heard)
    leases, watch = RedisLeases(tier, link, news, prefix="p"), RedisLogWatch(news)
    writer = redis_tier(replicated.url, clock, events)
    await tier.start()
    await writer.start()
    assert await watch.wait(20)
    [node] = [node for node in replicated.masters if "p:log" in node.tell("PUBSUB CHANNELS")]
    node.kill()
    assert await watch.wait(20)  # it listens to another node
    assert heard.names == ["redis_news_lost"]

    async def tells() -> bool:
        with contextlib.suppress(TierError):
            await writer.put(entry("q", clock))
            lease = await leases.take("key", 60)
            if lease is not None:
                await leases.release(lease)
            return lease is not None
        return False

    async with asyncio.TaskGroup() as group:
        told = group.create_task(watch.wait(20))
        await until_async(tells, "the replica's turn")

    assert told.result()

    await tier.close()
    await writer.close()


async def test_callers_notice_misses_only(replicated: ClusterServers, serving: Serving) -> None:
    """While a master dies every request is answered; within seconds all are hits again."""
    shared = {"url": replicated.url, "timeout_ms": 500}
    questions = [f"What is thing number {number}?" for number in range(24)]

    async def ask_all(proxy: Served) -> list[str | None]:
        got = [await proxy.post(chat(text)) for text in questions]
        assert {one.status for one in got} == {200}
        return [one.tier for one in got]

    async with serving(cache={"shared": shared, "session": {"enabled": False}}) as one:

        async def shares() -> bool:
            return await ask_all(one) == ["shared"] * len(questions)

        await until_async(shares, "hits")
        assert all(node.tell("WAIT 1 5000") == ":1\r\n" for node in replicated.masters)
        began = time.monotonic()
        replicated.masters[2].kill()
        assert not await shares()
        await until_async(shares, "hits as before")
        ready = (await one.get("/readyz")).json

    assert time.monotonic() - began < RECOVERY_S
    assert ready["parts"]["shared"] == "ok"


async def test_the_log_tells_of_a_namespace_once_all_masters_know(
    growing: ClusterServers, tier: RedisTier, clock: FakeClock, events: Events
) -> None:
    """Who reads it and then finds an entry of old would keep it, since nobody tells him again."""
    where = scope(namespace="docs")
    made = [entry(f"q{number}", clock, where=where) for number in range(64)]
    await asyncio.gather(*map(tier.put, made))
    reader = Fold(tier, limit=100)
    await reader.catch_up()
    first = growing.owner(key_slot(next(iter(Groups("p", GROUPS))).log.encode()))
    slow = [node for node in growing.masters if node is not first]
    for node in slow:
        node.tell("CLIENT PAUSE 60000 WRITE")
    patient = redis_tier(growing.url, clock, events, timeout_s=20)
    await patient.start()
    async with asyncio.TaskGroup() as group:
        group.create_task(patient.forget("docs", ALL_TENANTS))
        try:
            await until_async(lambda: _has_number(first), "the first master's number")
            for _ in range(20):
                await reader.step()

            assert reader.forgotten == []
        finally:
            for node in slow:
                node.tell("CLIENT UNPAUSE")
    await patient.close()
    await reader.catch_up()

    assert reader.forgotten == [Selector(ALL_TENANTS, namespace="docs")]
    assert await tier.purge(Selector(ALL_TENANTS, everything=True), dry_run=True) == []


async def _has_number(node: ClusterServer) -> bool:
    [group, *_] = Groups("p", GROUPS)
    return await asyncio.to_thread(node.tell, f"EXISTS {group.purges}") == ":1\r\n"
