"""What holds for Redis alone; the rest is the contract in test_shared.py."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from redis.asyncio import Redis
from redis.crc import key_slot

from proxy.core.changes import Selector
from proxy.errors import TierError
from proxy.resilience import Tasks
from proxy.tiers.redis import RedisTier
from proxy.tiers.redislink import RedisLink
from tests.support.ports import Heard
from tests.support.program import Serving, chat
from tests.support.servers import RedisServer, free_port
from tests.support.waiting import until_async
from tests.tiers.builders import Events, FakeClock, Fold, entry, redis_tier


@pytest.fixture
async def raw(redis_server: RedisServer) -> AsyncIterator[Redis]:
    """The server as nobody's tier sees it, flushed."""
    async with Redis.from_url(redis_server.url) as client:
        await client.flushall()
        yield client


@pytest.fixture
async def tier(
    redis_server: RedisServer,
    raw: Redis,  # noqa: ARG001 - it flushes
    clock: FakeClock,
    events: Events,
) -> AsyncIterator[RedisTier]:
    built = redis_tier(redis_server.url, clock, events)
    await built.start()
    yield built
    await built.close()


def _lone(server: RedisServer, clock: FakeClock, events: Events) -> RedisTier:
    return redis_tier(server.url, clock, events, timeout_s=0.3)


async def test_the_server_is_of_the_version_these_tests_speak_for(raw: Redis) -> None:
    """Redis 8; another one proves something else."""
    info = await raw.info("server")

    assert info["redis_version"].startswith("8.")


async def test_redis_drops_an_entry_by_itself(
    tier: RedisTier, raw: Redis, clock: FakeClock
) -> None:
    """At `kept_until`, by the server's clock; `expire` then tidies the indexes and logs it."""
    made = entry("q", clock, ttl=0.2)
    await tier.put(made)
    reader = Fold(tier)
    await reader.catch_up()
    expiry = await raw.pexpiretime(f"p:{{0}}:e:{made.id}")

    assert expiry == int(made.kept_until * 1000)

    async with asyncio.timeout(20):
        while await raw.exists(f"p:{{0}}:e:{made.id}"):  # noqa: ASYNC110 - the server's own clock
            await asyncio.sleep(0.02)
    clock.now += 1

    assert await tier.expire(clock()) == 1

    await reader.catch_up()

    assert reader.removed == [made.id]
    assert sorted(await raw.keys()) == [b"p:{0}:log"]


async def test_a_purge_leaves_no_key_behind(tier: RedisTier, raw: Redis, clock: FakeClock) -> None:
    """Entry and indexes go; the log stays to tell of it."""
    for number in range(5):
        await tier.put(entry(f"q{number}", clock))
    await tier.purge(Selector("acme", everything=True))

    assert await raw.keys() == [b"p:{0}:log"]


async def test_all_keys_share_one_slot(tier: RedisTier, raw: Redis, clock: FakeClock) -> None:
    """A script may touch them together on a cluster too."""
    await tier.put(entry("q", clock))
    keys = await raw.keys()
    slots = {key_slot(bytes(key)) for key in keys if isinstance(key, bytes)}

    assert len(keys) == 5
    assert len(slots) == 1


async def test_two_prefixes_do_not_meet(
    redis_server: RedisServer, tier: RedisTier, clock: FakeClock, events: Events
) -> None:
    """Two deployments share a server without reading or purging each other."""
    other = redis_tier(redis_server.url, clock, events, "q")
    await other.start()
    made = entry("q", clock)
    await tier.put(made)

    assert await other.get(made.scope, made.id) is None
    assert await other.purge(Selector("acme", everything=True)) == []
    assert await tier.get(made.scope, made.id) == made

    await other.close()


async def test_an_unreadable_entry_is_a_miss(
    tier: RedisTier, raw: Redis, clock: FakeClock, events: Events
) -> None:
    """Damaged or another's: reported, kept out of the log, and mended by the next put."""
    made, other = entry("q", clock), entry("other", clock)
    await tier.put(made)
    await tier.put(other)
    for damage in (b"RPE", b"x" * 200, await raw.get(f"p:{{0}}:e:{other.id}")):
        await raw.set(f"p:{{0}}:e:{made.id}", damage or b"")

        assert await tier.get(made.scope, made.id) is None

    reader = Fold(tier)
    await reader.catch_up()

    assert reader.ids == {other.id}
    assert set(events.names) == {"entry_unreadable"}

    await tier.put(made)

    assert await tier.get(made.scope, made.id) == made


async def test_an_entry_that_the_server_evicted_is_a_miss(
    tier: RedisTier, raw: Redis, clock: FakeClock
) -> None:
    """Under memory pressure entries may go before their time; nothing fails."""
    made = entry("q", clock)
    await tier.put(made)
    await raw.delete(f"p:{{0}}:e:{made.id}")
    reader = Fold(tier)
    await reader.catch_up()

    assert await tier.get(made.scope, made.id) is None
    assert reader.ids == set()
    assert await tier.purge(Selector("acme", everything=True)) == [made.id]


async def test_a_flushed_server_starts_readers_anew(
    tier: RedisTier, raw: Redis, clock: FakeClock
) -> None:
    """Its index forgets what is gone, even when new entries came before it looked."""
    await tier.put(entry("gone", clock))
    reader = Fold(tier)
    await reader.catch_up()
    await raw.flushall()
    await reader.catch_up()

    assert reader.ids == set()

    made = entry("new", clock)
    await tier.put(made)
    await reader.catch_up()

    assert reader.ids == {made.id}


async def test_a_dead_server_is_a_tier_error_at_once(
    own_server: RedisServer, clock: FakeClock, events: Events
) -> None:
    """Refused connections fail every call; when the server is back, so is the tier."""
    tier = _lone(own_server, clock, events)
    await tier.start()
    made = entry("q", clock)
    await tier.put(made)
    own_server.kill()
    with pytest.raises(TierError, match="redis: "):
        await tier.get(made.scope, made.id)
    with pytest.raises(TierError, match="redis: "):
        await tier.put(made)
    with pytest.raises(TierError, match="redis: "):
        await tier.start()

    own_server.start()
    await tier.start()
    await tier.put(made)

    assert await tier.get(made.scope, made.id) == made

    await tier.close()


async def test_a_restart_between_two_calls_goes_unnoticed(
    own_server: RedisServer, clock: FakeClock, events: Events
) -> None:
    """A pooled connection that the old server closed is replaced within the call."""
    tier = _lone(own_server, clock, events)
    await tier.start()
    own_server.kill()
    own_server.start()

    assert await tier.get("s", "k") is None

    await tier.close()


async def test_a_hanging_server_is_a_tier_error_in_time(
    own_server: RedisServer, clock: FakeClock, events: Events
) -> None:
    """No answer within `timeout_s` fails the call; a server that wakes up is used again."""
    tier = _lone(own_server, clock, events)
    await tier.start()
    own_server.pause()
    try:
        with pytest.raises(TierError, match="redis: "):
            await tier.get("s", "k")
    finally:
        own_server.resume()

    assert await tier.get("s", "k") is None

    await tier.close()


async def test_a_server_that_hangs_up_is_not_stormed(clock: FakeClock, events: Events) -> None:
    """A call tries a few times, with pauses, and fails in time; the next does no more."""
    calls = 0

    async def hang_up(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal calls
        calls += 1
        writer.close()

    async with await asyncio.start_server(hang_up, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        url = f"redis://127.0.0.1:{port}"
        tier = redis_tier(url, clock, events)
        for _ in range(3):
            before = calls
            async with asyncio.timeout(1):
                with pytest.raises(TierError, match="redis: "):
                    await tier.start()

            assert 1 <= calls - before <= 3 * 3
        await tier.close()


async def test_starts_at_once_share_a_client(
    redis_server: RedisServer, raw: Redis, clock: FakeClock, events: Events
) -> None:
    """Whoever comes first connects, and `close` leaves no connection behind."""
    tier = _lone(redis_server, clock, events)
    before = len(await raw.client_list())
    await asyncio.gather(*(tier.start() for _ in range(5)))
    await tier.close()

    async def is_gone() -> bool:
        return len(await raw.client_list()) == before

    await until_async(is_gone, "the end of its connections")


async def test_a_server_that_was_never_there(clock: FakeClock, events: Events) -> None:
    """`start` says so, may be tried again, and `close` is well."""
    url = f"redis://127.0.0.1:{free_port()}"
    tier = redis_tier(url, clock, events)
    for _ in range(2):
        with pytest.raises(TierError, match="redis: "):
            await tier.start()
    await tier.close()


async def test_a_url_that_is_none(clock: FakeClock, events: Events) -> None:
    """Is a TierError, not a crash."""
    tier = redis_tier("http://nowhere", clock, events)

    with pytest.raises(TierError, match="redis: "):
        await tier.start()


async def test_more_calls_than_connections_wait(
    redis_server: RedisServer, raw: Redis, clock: FakeClock, events: Events
) -> None:
    """A hundred at once through two connections, and one for reads: none fails, no more open."""
    tier = redis_tier(redis_server.url, clock, events, max_connections=2, timeout_s=9)
    await tier.start()
    before = len(await raw.client_list())
    made = [entry(f"q{n}", clock) for n in range(100)]
    await asyncio.gather(*map(tier.put, made))
    found = await asyncio.gather(*(tier.get(one.scope, one.id) for one in made))

    assert found == made
    assert len(await raw.client_list()) <= before + 2

    await tier.close()


async def test_what_is_read_at_once_is_one_round_trip(
    tier: RedisTier, raw: Redis, clock: FakeClock
) -> None:
    """Fifty lookups of one moment reach the server in a few pieces; each gets its own answer."""
    made = [entry(f"q{n}", clock) for n in range(50)]
    await asyncio.gather(*map(tier.put, made))
    await tier.get(made[0].scope, made[0].id)
    before = (await raw.info("stats"))["total_reads_processed"]
    found = await asyncio.gather(*(tier.get(one.scope, one.id) for one in made))
    after = (await raw.info("stats"))["total_reads_processed"]

    assert found == made
    assert after - before <= 5


async def test_reads_whose_connection_is_lost_are_asked_again(
    tier: RedisTier, raw: Redis, clock: FakeClock
) -> None:
    """Whether it was idle or had just been asked, nobody notices."""
    made = [entry(f"q{n}", clock) for n in range(50)]
    await asyncio.gather(*map(tier.put, made))
    await tier.get(made[0].scope, made[0].id)
    await raw.client_kill_filter(_type="normal", skipme=True)

    assert await tier.get(made[0].scope, made[0].id) == made[0]

    await raw.client_pause(50)
    async with asyncio.TaskGroup() as group:
        asked = [group.create_task(tier.get(one.scope, one.id)) for one in made]
        await asyncio.sleep(0.01)
        await raw.client_kill_filter(_type="normal", skipme=True)

    assert [task.result() for task in asked] == made


async def test_a_cancelled_call_does_not_mix_up_answers(tier: RedisTier, clock: FakeClock) -> None:
    """What a caller who left had asked for is never given to the next."""
    made = [entry(f"q{n}", clock) for n in range(20)]
    await asyncio.gather(*map(tier.put, made))
    for one in made:
        async with asyncio.TaskGroup() as group:
            asked = [group.create_task(tier.get(other.scope, other.id)) for other in made]
            await asyncio.sleep(0)
            for task in asked[::2]:
                task.cancel()

        assert await tier.get(one.scope, one.id) == one


async def test_a_full_server_is_a_tier_error(tier: RedisTier, raw: Redis, clock: FakeClock) -> None:
    """Out of memory with `noeviction`: the put fails whole, reads go on."""
    made = entry("q", clock)
    await tier.put(made)
    await raw.config_set("maxmemory", 1)
    try:
        with pytest.raises(TierError, match="redis: "):
            await tier.put(entry("late", clock))
        assert await tier.get(made.scope, made.id) == made
    finally:
        await raw.config_set("maxmemory", 0)
    reader = Fold(tier)
    await reader.catch_up()

    assert reader.ids == {made.id}


async def test_what_the_link_tells(
    own_server: RedisServer, clock: FakeClock, events: Events
) -> None:
    """Commands and scripts by name with their times, connections by state, and those lost."""
    heard: list[tuple[str, float]] = []
    link = RedisLink(own_server.url, timeout_s=0.3)
    link.tell(lambda name, seconds: heard.append((name, seconds)))
    assert link.stats() == {}

    tier = RedisTier(link, prefix="p", clock=clock, on_event=events)
    await tier.start()
    made = entry("q", clock)
    await asyncio.gather(tier.put(made), tier.put(made))
    await tier.get(made.scope, made.id)

    assert [name for name, _ in heard] == ["ping", "hget", "put", "put", "get"]
    assert all(0 < seconds < 1 for _, seconds in heard)
    assert link.stats() == {"connected": 2, "busy": 0, "listening": 0, "faults": 0}

    own_server.kill()
    with pytest.raises(TierError):
        await tier.get(made.scope, made.id)

    assert link.stats()["faults"] > 0
    assert heard[-1][0] == "get"

    await tier.close()


async def test_what_operators_are_told(serving: Serving, redis_server: RedisServer) -> None:
    """`/readyz` says how the connections to Redis fare, and the metrics how long commands take."""
    async with serving(cache={"shared": {"url": redis_server.url}}) as proxy:
        await proxy.post(chat("What is a cache?"))

        async def is_heard() -> bool:
            return bool((await proxy.get("/readyz")).json["redis"]["listening"])

        await until_async(is_heard, "the subscription")
        told = (await proxy.get("/readyz")).json["redis"]
        series = (await proxy.get("/metrics")).body.decode()

    assert told["connected"] >= 1
    assert told["faults"] == 0
    assert 'reprise_redis_command_seconds_count{command="get"}' in series
    assert 'reprise_redis_connections{state="idle"}' in series
    assert "reprise_redis_listening 1.0" in series


async def test_who_leaves_at_any_moment_has_left(redis_server: RedisServer) -> None:
    """A cancellation is heeded, also one that comes while the command is being sent."""
    link = RedisLink(redis_server.url)
    await link.start()
    tasks = Tasks(Heard())
    stayed = []
    for steps in range(12):
        asking = tasks.start("asking", link.ask("k", "BLPOP", "nothing", 0.1))
        for _ in range(steps):
            await asyncio.sleep(0)
        asking.cancel()
        await asyncio.wait([asking])
        if not asking.cancelled():
            stayed.append(steps)
    await link.close()

    assert stayed == []
