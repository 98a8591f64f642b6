"""What holds for vector sets alone; the rest is the contract in test_vector.py."""

import asyncio
import random
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from redis.crc import key_slot

from proxy.core.changes import Added, Changes, Removed
from proxy.errors import TierError, UnfitServerError
from proxy.tiers.redisclient import Access
from proxy.tiers.vectorsets import Shape
from tests.support.servers import ClusterServers, RedisServer, ValkeyServer
from tests.support.waiting import until_async
from tests.tiers.builders import EMBEDDER, Events, FakeClock, unit
from tests.tiers.fedvectorsets import FedVectorSets, vector_sets
from tests.tiers.test_redis_access import RULES

VECTOR_RULES = "+vadd +vsim +vrem +vcard +vgetattr +vsetattr"
"""What docs/vectorsets.md says a user needs besides: no category has these commands."""

Make = Callable[..., FedVectorSets]


def added(number: int, where: str = "s", until: float = 1e12) -> Added:
    return Added(f"id{number}", where, f"question {number}", unit(number), EMBEDDER, until)


def stretch(
    *items: Added | Removed, position: str = "1", reset: bool = False, more: bool = False
) -> Changes:
    return Changes(items, position, reset=reset, more=more)


def calls(server: RedisServer, command: str) -> int:
    """How often the server has run a command."""
    for line in server.ask("INFO commandstats").decode().splitlines():
        if line.lower().startswith(f"cmdstat_{command}:"):
            return int(line.partition("calls=")[2].partition(",")[0])
    return 0


@pytest.fixture
async def make(
    redis_server: RedisServer, clock: FakeClock, events: Events
) -> AsyncIterator[Callable[..., FedVectorSets]]:
    """Builds replicas that are closed at the end."""
    made: list[FedVectorSets] = []

    def build(shape: Shape = Shape("noquant")) -> FedVectorSets:  # noqa: B008 - it is frozen
        made.append(vector_sets(redis_server.url, clock, events, shape))
        return made[-1]

    redis_server.ask("CONFIG RESETSTAT")
    yield build
    for tier in made:
        await tier.close()


@pytest.fixture
async def one(make: Make) -> FedVectorSets:
    tier = make()
    await tier.start()
    return tier


@pytest.fixture
async def two(make: Make) -> FedVectorSets:
    """Its replica."""
    tier = make()
    await tier.start()
    return tier


async def ids(tier: FedVectorSets, where: str = "s", seed: int = 1, k: int = 500) -> set[str]:
    return {found.entry_id for found in await tier.search(where, unit(seed), k)}


async def test_replicas_insert_once(
    one: FedVectorSets, two: FedVectorSets, redis_server: RedisServer
) -> None:
    """All fold the same log; what the first has added, the others only look at."""
    log = stretch(*map(added, range(150)))
    for tier in (one, two, one):
        await tier.apply(log)

    assert calls(redis_server, "vadd") == 150
    assert len(await ids(two)) == 150


async def test_a_refresh_is_no_new_vector(
    one: FedVectorSets, redis_server: RedisServer, clock: FakeClock
) -> None:
    """An entry stored again with its old question lives longer; its place in the graph stays."""
    await one.apply(stretch(added(1, until=clock() + 5)))
    await one.apply(stretch(added(1, until=clock() + 50)))
    clock.now += 10

    assert await ids(one) == {"id1"}
    assert calls(redis_server, "vadd") == 1


async def test_what_one_removes_no_other_finds(one: FedVectorSets, two: FedVectorSets) -> None:
    """An index is one, whoever writes it, and whatever scope the entry is in."""
    await one.apply(stretch(added(1), added(2), added(3, "t")))
    await two.apply(stretch(Removed("id1"), Removed("id3"), position="2"))

    assert await ids(one) == {"id2"}
    assert await ids(one, "t") == set()


async def test_who_was_held_up_mends_what_it_undid(one: FedVectorSets, two: FedVectorSets) -> None:
    """A replica that adds what was removed since reads that too, and then it is gone for good."""
    first, then = stretch(added(1)), stretch(Removed("id1"), position="2")
    await one.apply(first)
    await one.apply(then)
    await two.apply(first)
    assert await ids(one) == {"id1"}
    await two.apply(then)

    assert await ids(one) == set()
    assert one.stats()["entries"] == 0


@pytest.mark.parametrize("seed", range(4))
async def test_replicas_at_once_end_where_the_log_does(make: Make, seed: int) -> None:
    """Each in stretches of its own, at its own pace: whoever is last has the log's last word."""
    rng = random.Random(seed)
    log: list[Added | Removed] = []
    for _ in range(160):
        number, where = rng.randrange(25), rng.choice("st")
        is_added = rng.random() < 0.6
        log.append(added(number, where) if is_added else Removed(f"id{number}"))
    held: dict[str, str] = {}
    for item in log:
        held.pop(item.id, None)
        if isinstance(item, Added):
            held[item.id] = item.scope
    replicas = [make() for _ in range(3)]
    for tier in replicas:
        await tier.start()

    async def follow(tier: FedVectorSets, pace: random.Random) -> None:
        at = 0
        while at < len(log):
            size = pace.randint(1, 20)
            await tier.apply(stretch(*log[at : at + size], position=f"{at + size:09}"))
            at += size
            await asyncio.sleep(pace.choice((0, 0, 0.003)))

    await asyncio.gather(*(follow(tier, random.Random(n)) for n, tier in enumerate(replicas)))

    for where in "st":
        expected = {at for at, scope in held.items() if scope == where}
        assert await ids(replicas[0], where) == expected
    late = make()
    await late.start()
    assert late.stats()["entries"] == len(held)


async def test_the_index_is_where_it_was_left(one: FedVectorSets, make: Make) -> None:
    """A proxy that starts reads on from the index's own position, and reads nothing anew."""
    await one.apply(stretch(added(1), position="7"))
    late = make()
    await late.start()

    assert late.position == "7"
    assert late.stats()["entries"] == 1
    assert await ids(late) == {"id1"}


async def test_a_new_beginning_ends_with_what_there_is(one: FedVectorSets, make: Make) -> None:
    """Although whoever began it died: nothing is cleared under the others meanwhile."""
    await one.apply(stretch(*map(added, range(9)), position="4"))
    await one.apply(stretch(added(1), added(2), position="5", reset=True, more=True))
    assert len(await ids(one)) == 9
    heir = make()
    await heir.start()
    heir.held = {"id1", "id2"}
    await heir.apply(stretch(added(3), position="6"))

    assert await ids(heir) == {"id1", "id2", "id3"}


async def test_an_emptied_server_is_noticed(
    one: FedVectorSets, redis_server: RedisServer, events: Events
) -> None:
    """The index says that it stands at the beginning, so that all is folded again."""
    await one.apply(stretch(added(1), position="3"))
    redis_server.ask("FLUSHALL")
    with pytest.raises(TierError, match="gone"):
        await one.apply(stretch(added(2), position="4"))

    assert one.position is None
    assert events.names == ["index_lost"]
    await one.apply(stretch(added(1), added(2), position="4", reset=True))
    assert await ids(one) == {"id1", "id2"}


async def test_what_is_past_its_time_leaves(one: FedVectorSets, clock: FakeClock) -> None:
    """Once a search has met it, and unless it was refreshed meanwhile."""
    soon = clock() + 5
    await one.apply(stretch(added(1, until=soon), added(2, until=soon), added(3)))
    clock.now += 6
    assert await ids(one) == {"id3"}
    await one.apply(stretch(added(2), position="2"))
    await one.apply(stretch(added(4), position="3"))

    assert await ids(one) == {"id2", "id3", "id4"}
    clock.now -= 6
    assert await ids(one) == {"id2", "id3", "id4"}


async def test_many_past_their_time_hide_nobody(one: FedVectorSets, clock: FakeClock) -> None:
    """A search looks further until it has what it was asked for."""
    near = [replace(added(n, until=clock() + 5), vector=unit(1)) for n in range(90)]
    await one.apply(stretch(*near, added(100)))
    clock.now += 6

    assert [found.entry_id for found in await one.search("s", unit(1), 1)] == ["id100"]


async def test_a_large_scope_is_split(make: Make, events: Events) -> None:
    """It is searched, removed from and refreshed as a whole, also by who saw it before."""
    one, two = make(Shape("noquant", split_at=50)), make(Shape("noquant", split_at=50))
    await one.start()
    await two.start()
    for start in range(0, 400, 20):
        await one.apply(stretch(*map(added, range(start, start + 20)), position=f"{start}"))
    splits = [fields["parts"] for name, fields in events.heard if name == "scope_split"]
    await two.apply(stretch(Removed("id3"), added(500), position="x"))
    everything = await ids(two, k=1000)
    again = stretch(*(added(n) for n in range(400) if n != 3), position="y")
    await one.apply(again)

    assert splits == [2, 4, 8, 16]
    assert everything == {f"id{n}" for n in (*range(400), 500) if n != 3}
    assert await ids(one, k=1000) == everything
    assert one.stats()["split_scopes"] == 1
    for number in (7, 250, 399):
        (best,) = await one.search("s", unit(number), 1)
        assert best.entry_id == f"id{number}"
    await one.apply(stretch(*(Removed(at) for at in everything), position="z"))
    assert await ids(one, k=1000) == set()


async def test_bytes_are_near_enough(make: Make) -> None:
    """With a byte a number, as shipped, a cosine is off by less than a hundredth."""
    tier = make(Shape())
    await tier.start()
    await tier.apply(stretch(*map(added, range(100))))
    for number in range(100):
        found = await tier.search("s", unit(number), 3)

        assert found[0].entry_id == f"id{number}"
        for one in found:
            cosine = float(unit(number) @ unit(int(one.entry_id[2:])))
            assert one.similarity == pytest.approx(cosine, abs=0.01)


async def test_nothing_is_left_of_a_cleared_index(make: Make, redis_server: RedisServer) -> None:
    """Not a key, however many scopes and parts it had; and it can be filled again."""
    tier = make(Shape("noquant", split_at=20))
    await tier.start()
    for start in range(0, 200, 50):
        items = [added(n, "large" if n % 2 else f"small{n}") for n in range(start, start + 50)]
        await tier.apply(stretch(*items))
    assert redis_server.ask("DBSIZE") != b":0\r\n"
    await tier.clear()

    assert redis_server.ask("DBSIZE") == b":0\r\n"
    assert tier.position is None
    await tier.apply(stretch(added(1), reset=True))
    assert await ids(tier) == {"id1"}


async def test_a_server_without_vector_sets_is_refused(
    valkey_server: ValkeyServer, clock: FakeClock, events: Events
) -> None:
    """With the version that is needed, and what was found."""
    tier = vector_sets(valkey_server.url, clock, events)
    with pytest.raises(UnfitServerError, match=r"needs Redis 8\.2 or newer.*valkey 9"):
        await tier.start()
    await tier.close()


async def test_the_documented_login_is_enough(
    own_server: RedisServer, clock: FakeClock, events: Events
) -> None:
    """The rules of docs/redis.md, and the commands that docs/vectorsets.md names."""
    rules = [*RULES.split(), *VECTOR_RULES.split()]
    own_server.kill()
    own_server.start("--user", "default", "off", "--user", "alice", "on", ">pw", *rules)
    url = own_server.url.replace("//", "//alice:pw@")
    tier = vector_sets(url, clock, events, Shape(split_at=5), Access())
    await tier.start()
    await tier.apply(stretch(*map(added, range(20)), position="1", reset=True))
    await tier.apply(stretch(Removed("id1"), position="2"))

    assert len(await ids(tier)) == 19
    await tier.clear()
    await tier.close()


async def test_a_server_that_is_away_comes_back(
    own_server: RedisServer, clock: FakeClock, events: Events
) -> None:
    """Meanwhile each call is a TierError; then the same tier goes on, without a start."""
    tier = vector_sets(own_server.url, clock, events)
    await tier.start()
    own_server.kill()
    with pytest.raises(TierError):
        await tier.search("s", unit(1), 1)
    with pytest.raises(TierError):
        await tier.apply(stretch(added(1)))
    own_server.start()
    await tier.apply(stretch(added(1), reset=True))

    assert await ids(tier) == {"id1"}
    await tier.close()


SCOPES = [f"scope{number}" for number in range(40)]


@pytest.fixture
def guarded_cluster(tmp_path: Path) -> Iterator[ClusterServers]:
    """Three masters, each with a replica that takes over."""
    servers = ClusterServers(tmp_path / "cluster", has_replicas=True, node_timeout_ms=1000)
    servers.start()
    yield servers
    servers.kill()


async def spread(url: str, clock: FakeClock, events: Events) -> FedVectorSets:
    """An index of many scopes, five questions each."""
    tier = vector_sets(url, clock, events)
    await tier.start()
    items = [added(n, SCOPES[n % len(SCOPES)]) for n in range(200)]
    await tier.apply(stretch(*items, reset=True))
    return tier


def expected(where: str) -> set[str]:
    return {f"id{n}" for n in range(200) if SCOPES[n % len(SCOPES)] == where}


async def found_in(tier: FedVectorSets, scopes: Sequence[str]) -> list[set[str] | None]:
    """What each scope gives; None where it cannot be asked."""

    async def ask(where: str) -> set[str] | None:
        try:
            return await ids(tier, where)
        except TierError:
            return None

    return list(await asyncio.gather(*map(ask, scopes)))


async def test_scopes_are_spread_over_a_cluster(
    cluster_servers: ClusterServers, clock: FakeClock, events: Events
) -> None:
    """Every master has some of them."""
    cluster_servers.empty()
    tier = await spread(cluster_servers.url, clock, events)
    keys = [int(node.tell("DBSIZE")[1:]) for node in cluster_servers.masters]

    assert all(count >= 5 for count in keys)
    assert await found_in(tier, SCOPES) == [expected(where) for where in SCOPES]
    await tier.close()


async def test_a_lost_master_costs_misses_only(
    guarded_cluster: ClusterServers, clock: FakeClock, events: Events
) -> None:
    """Its scopes cannot be asked for a while, the others' can; ten seconds later all is as before.

    What is folded then goes to whoever has taken over.
    """
    tier = await spread(guarded_cluster.url, clock, events)
    for node in guarded_cluster.masters:
        node.tell("WAIT 1 1000")
    guarded_cluster.masters[0].kill()
    killed = time.monotonic()
    during = await found_in(tier, SCOPES)

    async def is_whole() -> bool:
        answers = await found_in(tier, SCOPES)
        for where, answer in zip(SCOPES, answers, strict=True):
            assert answer in (None, expected(where))
        return None not in answers

    await until_async(is_whole, "the replica's turn")
    assert time.monotonic() - killed < 10
    assert None in during
    assert any(during)
    await tier.apply(stretch(*(added(n, where) for n, where in enumerate(SCOPES, 1000))))
    answers = await found_in(tier, SCOPES)
    await tier.close()

    assert all(
        answer == expected(where) | {f"id{n}"}
        for n, (where, answer) in enumerate(zip(SCOPES, answers, strict=True), 1000)
    )


async def test_scopes_on_the_move_are_found(
    cluster_servers: ClusterServers, clock: FakeClock, events: Events
) -> None:
    """While their slots go from one master to another, no search fails, and none is wrong."""
    cluster_servers.empty()
    tier = await spread(cluster_servers.url, clock, events)
    first, second = cluster_servers.masters[:2]
    slots = sorted(
        slot
        for where in SCOPES
        if first.tell(f"CLUSTER COUNTKEYSINSLOT {(slot := slot_of(where))}") == ":1\r\n"
    )

    def move_all() -> None:
        for slot in slots:
            cluster_servers.move(slot, second, 0.01)

    moving = asyncio.get_running_loop().run_in_executor(None, move_all)
    asked = 0
    while not moving.done():
        assert await found_in(tier, SCOPES) == [expected(where) for where in SCOPES]
        again = [added(n, SCOPES[n % len(SCOPES)]) for n in range(asked, asked + 10)]
        await tier.apply(stretch(*again, position=f"{asked}"))
        asked = (asked + 10) % 200
    await moving

    assert len(slots) > 5
    assert await found_in(tier, SCOPES) == [expected(where) for where in SCOPES]
    await tier.close()


def slot_of(where: str) -> int:
    """The slot of a scope's only part."""
    return int(key_slot(f"{where}/0".encode()))


async def test_a_server_with_an_aof_starts_again(
    own_server: RedisServer, clock: FakeClock, events: Events
) -> None:
    """After a kill it reads back what was folded, whatever that had it do."""
    own_server.kill()
    own_server.start("--appendonly", "yes")
    tier = vector_sets(own_server.url, clock, events)
    await tier.start()
    await tier.apply(stretch(added(1), added(2), added(3)))
    await tier.apply(stretch(Removed("id2"), replace(added(3), kept_until=2e12), position="2"))
    own_server.kill()
    await asyncio.to_thread(own_server.start, "--appendonly", "yes")

    async def is_back() -> bool:
        try:
            return await ids(tier) == {"id1", "id3"}
        except TierError:
            return False

    await until_async(is_back)
    await tier.close()
