"""What a shared tier keeps, to who reads or writes the store and has no key."""

import asyncio
import base64
import sqlite3
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pytest
from redis.asyncio import Redis

from proxy.core.changes import ALL_TENANTS, Changes, Forgotten, Likeness, Selector
from proxy.core.model import Answer, Entry
from proxy.tiers.entrycodec import EntryCodec
from proxy.tiers.keyring import Key, Keyring
from proxy.tiers.redis import RedisTier
from proxy.tiers.redislink import Groups, RedisLink
from proxy.tiers.redissealing import RedisSealing
from proxy.tiers.sealed import SealError
from proxy.tiers.sqlite import SqliteTier
from tests.support.servers import RedisServer
from tests.tiers.builders import EMBEDDER, Events, FakeClock, Fold, entry, scope, unit

OLD, NEW = Key("old", b"o" * 32), Key("new", b"n" * 32)
CLEAR: Sequence[Key] = ()

PROMPT, ANSWER = "why is my knee so very swollen", "Because of the fall on the stairs."

Tier = SqliteTier | RedisTier


class Store(Protocol):
    """A store, and what somebody with access to it can do."""

    def tier(self, keys: Sequence[Key] = (OLD,)) -> Tier:
        """A tier over it, not started, with these keys."""
        ...

    async def raw(self, one: Entry) -> bytes | None:
        """An entry's bytes."""
        ...

    async def plant(self, one: Entry, data: bytes) -> None:
        """Put bytes in the place of an entry that is there."""
        ...

    async def everything(self) -> bytes:
        """All that is in the store."""
        ...


def codec(keys: Sequence[Key]) -> EntryCodec:
    return EntryCodec(Keyring(keys) if keys else None)


@dataclass
class InFile:
    path: Path
    clock: FakeClock
    events: Events

    def tier(self, keys: Sequence[Key] = (OLD,)) -> Tier:
        return SqliteTier(self.path, clock=self.clock, on_event=self.events, codec=codec(keys))

    async def raw(self, one: Entry) -> bytes | None:
        with sqlite3.connect(self.path) as database:
            row = database.execute("SELECT data FROM entries WHERE id = ?", (one.id,)).fetchone()
        database.close()
        return None if row is None else bytes(row[0])

    async def plant(self, one: Entry, data: bytes) -> None:
        with sqlite3.connect(self.path) as database:
            database.execute("UPDATE entries SET data = ? WHERE id = ?", (data, one.id))
        database.close()

    async def everything(self) -> bytes:
        files = [one for one in self.path.parent.iterdir() if one.name.startswith(self.path.name)]
        return b"".join(one.read_bytes() for one in files)


READ: dict[bytes, Callable[[bytes], tuple[Any, ...]]] = {
    b"string": lambda key: ("GET", key),
    b"hash": lambda key: ("HGETALL", key),
    b"zset": lambda key: ("ZRANGE", key, 0, -1),
    b"stream": lambda key: ("XRANGE", key, "-", "+"),
}
"""What reads a whole key; a dump may be compressed."""


@dataclass
class InRedis:
    server: RedisServer
    client: "Redis"
    clock: FakeClock
    events: Events

    def tier(self, keys: Sequence[Key] = (OLD,)) -> Tier:
        link = RedisLink(self.server.url, timeout_s=20)
        sealing = RedisSealing(link, "p", codec(keys))
        return RedisTier(link, prefix="p", clock=self.clock, on_event=self.events, sealing=sealing)

    async def raw(self, one: Entry) -> bytes | None:
        data: Any = await self.client.get(Groups("p", 1).of(one.id).entry(one.id))
        return None if data is None else bytes(data)

    async def plant(self, one: Entry, data: bytes) -> None:
        await self.client.set(Groups("p", 1).of(one.id).entry(one.id), data)

    async def everything(self) -> bytes:
        found = b""
        async for key in self.client.scan_iter():
            kind: Any = await self.client.type(key)
            dumped: Any = await self.client.dump(key)
            read: Any = self.client.execute_command
            found += key + dumped + _flat(await read(*READ[kind](key)))
        return found


def _flat(value: object) -> bytes:
    match value:
        case bytes():
            return value
        case dict():
            return b"".join(_flat(one) for pair in value.items() for one in pair)
        case list() | tuple():
            return b"".join(map(_flat, value))
        case _:
            return str(value).encode()


@pytest.fixture(params=["sqlite", "redis"])
async def store(
    request: pytest.FixtureRequest, tmp_path: Path, clock: FakeClock, events: Events
) -> AsyncIterator[Store]:
    if request.param == "sqlite":
        yield InFile(tmp_path / "cache.db", clock, events)
        return
    server: RedisServer = request.getfixturevalue("redis_server")
    server.ask("FLUSHALL")
    client = Redis.from_url(server.url)
    yield InRedis(server, client, clock, events)
    await client.aclose()


class Opened:
    """Tiers over one store, closed at the end."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._tiers: list[Tier] = []

    async def __call__(self, *keys: Key) -> Tier:
        tier = self._store.tier(keys)
        await tier.start()
        self._tiers.append(tier)
        return tier

    async def close(self) -> None:
        for tier in self._tiers:
            await tier.close()


@pytest.fixture
async def opened(store: Store) -> AsyncIterator[Opened]:
    made = Opened(store)
    yield made
    await made.close()


def private(clock: FakeClock, question: str = PROMPT, tenant: str = "acme") -> Entry:
    """An entry that nobody else shall read."""
    answer = Answer(f'{{"text": "{ANSWER}"}}'.encode(), (ANSWER.encode(),))
    return entry(question, clock, where=scope(tenant), answer=answer, tags=("knees",))


@pytest.mark.parametrize("keys", [(OLD,), CLEAR], ids=["sealed", "in clear"])
async def test_the_store_says_nothing(
    store: Store, opened: Opened, clock: FakeClock, keys: Sequence[Key]
) -> None:
    """Neither what was asked, nor what was answered, nor a vector, an operator's search included.

    All of that is there without keys: this test would find it.
    """
    tier, made = await opened(*keys), private(clock)
    searched = unit(7)
    await tier.put(made)
    like = Likeness(searched, 0.9, EMBEDDER)
    await tier.purge(Selector(ALL_TENANTS, like=like))
    found = await store.everything()
    assert made.vector is not None
    said = {
        "prompt": PROMPT.encode(),
        "answer": ANSWER.encode(),
        "vector": made.vector.tobytes(),
        "search": base64.b64encode(np.asarray(searched, "<f4").tobytes())[:40],
    }

    assert {name for name, one in said.items() if one in found} == (set() if keys else set(said))
    assert b"knees" in found
    assert await tier.get(made.scope, made.id) == made
    reader = Fold(tier)
    await reader.catch_up()
    assert reader.held[made.id].question == PROMPT


@pytest.mark.parametrize("tenant", ["acme", "other"])
async def test_bytes_mean_nothing_in_another_s_place(
    store: Store, opened: Opened, clock: FakeClock, events: Events, tenant: str
) -> None:
    """Whoever can write to the store cannot have one question answered with another's answer."""
    tier = await opened(OLD)
    mine, other = private(clock), private(clock, "how are you", tenant)
    await tier.put(mine)
    await tier.put(other)
    data = await store.raw(other)
    assert data is not None
    await store.plant(mine, data)

    assert await tier.get(mine.scope, mine.id) is None
    assert await tier.get(other.scope, other.id) == other
    assert events.names == ["entry_unreadable"]


async def test_an_older_answer_of_its_own_is_all_that_can_be_planted(
    store: Store, opened: Opened, clock: FakeClock
) -> None:
    """A seal does not say which of two answers is the newer: its own lifetime still does."""
    tier, made = await opened(OLD), private(clock)
    await tier.put(made)
    data = await store.raw(made)
    assert data is not None
    clock.now += 1
    await tier.put(private(clock))
    await store.plant(made, data)

    assert await tier.get(made.scope, made.id) == made

    clock.now = made.kept_until

    assert await tier.get(made.scope, made.id) is None


async def test_keys_are_exchanged_while_all_serve(opened: Opened, clock: FakeClock) -> None:
    """First all know the new key, then all seal with it, then nobody needs the old one."""
    first, second, third = [private(clock, question) for question in ("one", "two", "three")]
    only_old, both, turned = await opened(OLD), await opened(OLD, NEW), await opened(NEW, OLD)
    await only_old.put(first)
    await both.put(second)
    await turned.put(third)

    for tier in (both, turned):
        for made in (first, second, third):
            assert await tier.get(made.scope, made.id) == made
    assert await only_old.get(second.scope, second.id) == second
    assert await (await opened(NEW)).get(third.scope, third.id) == third


async def test_an_unknown_key_is_a_miss(opened: Opened, clock: FakeClock, events: Events) -> None:
    """And an event that names it; the next answer takes the place."""
    tier, made = await opened(OLD), private(clock)
    await tier.put(made)
    other = await opened(NEW)

    assert await other.get(made.scope, made.id) is None
    [(name, fields)] = events.heard
    assert (name, "'old'" in str(fields["reason"])) == ("entry_unreadable", True)

    await other.put(made)

    assert await other.get(made.scope, made.id) == made


async def test_without_keys_nothing_sealed_is_read(
    opened: Opened, clock: FakeClock, events: Events
) -> None:
    """Whoever takes the keys out has an empty cache, not a broken one."""
    tier, made = await opened(OLD), private(clock)
    await tier.put(made)
    other = await opened()

    assert await other.get(made.scope, made.id) is None
    assert events.names == ["entry_unreadable"]


async def test_a_forgotten_tenant_cannot_be_read_back(
    store: Store, opened: Opened, clock: FakeClock
) -> None:
    """Not from bytes that were kept elsewhere, by nobody; others are not touched."""
    tier, made, other = await opened(OLD), private(clock), private(clock, tenant="other")
    await tier.put(made)
    await tier.put(other)
    kept = await store.raw(made)
    assert kept is not None
    await tier.purge(Selector("acme", everything=True))
    await tier.put(made)
    anew = await store.raw(made)
    await store.plant(made, kept)
    late = await opened(OLD)

    assert [await one.get(made.scope, made.id) for one in (tier, late)] == [None, None]
    assert await late.get(other.scope, other.id) == other

    assert anew is not None
    await store.plant(made, anew)

    assert [await one.get(made.scope, made.id) for one in (tier, late)] == [made, made]


async def test_all_can_be_forgotten_so(store: Store, opened: Opened, clock: FakeClock) -> None:
    """A purge of everything takes every tenant's salt."""
    tier, made = await opened(OLD), private(clock)
    await tier.put(made)
    kept = await store.raw(made)
    assert kept is not None
    await tier.purge(Selector(ALL_TENANTS, everything=True))
    await tier.put(made)
    await store.plant(made, kept)

    assert await tier.get(made.scope, made.id) is None


async def test_a_replica_that_has_not_heard_yet_loses_answers_only(
    opened: Opened, clock: FakeClock
) -> None:
    """What it stores until then nobody reads; once it has read the log it is in step again."""
    tier, late = await opened(OLD), await opened(OLD)
    before, after = private(clock, "before"), private(clock, "after")
    await late.put(private(clock))
    reader = Fold(late)
    await reader.catch_up()
    await tier.purge(Selector("acme", everything=True))
    await tier.put(before)
    assert await late.get(before.scope, before.id) == before
    await reader.catch_up()
    await late.put(after)

    assert await tier.get(after.scope, after.id) == after


async def test_what_was_in_clear_is_removed(
    store: Store, opened: Opened, clock: FakeClock, events: Events
) -> None:
    """It may have been planted, and may be read: it answers nobody, and does not stay."""
    plain, made = await opened(), private(clock)
    many = [private(clock, f"{PROMPT} {number}") for number in range(600)]
    for one in many:
        await plain.put(one)
    tier = await opened(OLD)
    reader = Fold(tier, 1000)
    await tier.put(made)
    assert await tier.get(many[0].scope, many[0].id) is None
    assert events.names == ["entry_unreadable"]
    await reader.catch_up()
    removed = await tier.expire(clock())
    await reader.catch_up()

    assert removed == len(many)
    assert set(reader.removed) == {one.id for one in many}
    assert await tier.get(made.scope, made.id) == made
    await tier.close()
    assert PROMPT.encode() not in await store.everything()


async def test_a_forgotten_salt_is_gone_from_the_disk(
    tmp_path: Path, clock: FakeClock, events: Events
) -> None:
    """An SQLite file writes over what it deletes, and its WAL is emptied."""
    place = InFile(tmp_path / "cache.db", clock, events)
    tier, made = place.tier(), private(clock)
    await tier.start()
    await tier.put(made)
    with sqlite3.connect(place.path) as database:
        [(salt,)] = database.execute("SELECT salt FROM salts").fetchall()
    database.close()
    assert salt in await place.everything()
    await tier.purge(Selector("acme", everything=True))

    assert salt not in await place.everything()

    await tier.close()


async def test_a_redis_that_comes_back_empty_is_shared_again(
    redis_server: RedisServer, clock: FakeClock, events: Events
) -> None:
    """Its salts are gone too: once the log has said so, what one stores the other reads."""
    client = Redis.from_url(redis_server.url)
    place = InRedis(redis_server, client, clock, events)
    tier, other = place.tier(), place.tier()
    await tier.start()
    await other.start()
    before, after = private(clock, "before"), private(clock, "after")
    reader = Fold(tier)
    await reader.catch_up()
    await tier.put(before)
    await reader.catch_up()
    await client.flushall()
    await tier.put(before)
    await reader.catch_up()
    await tier.put(after)

    assert reader.resets == 2
    assert await other.get(after.scope, after.id) == after
    assert await other.get(before.scope, before.id) is None
    assert events.names == ["entry_unreadable"]

    for one in (tier, other):
        await one.close()
    await client.aclose()


async def test_a_salt_that_is_forgotten_while_it_is_asked_for(
    redis_server: RedisServer, clock: FakeClock
) -> None:
    """Who has it from before seals nothing more with it: the next answer gets another."""
    link = RedisLink(redis_server.url, timeout_s=20)
    await link.start()
    sealing, made = RedisSealing(link, "p", codec((OLD,))), private(clock)
    asking = asyncio.get_running_loop().create_task(sealing.encoded(made))
    await asyncio.sleep(0)
    forgotten = Forgotten(Selector("acme", everything=True))
    sealing.heard(Changes((forgotten,), "1"))
    first = await asking
    await RedisSealing(link, "p", codec((OLD,))).forget(forgotten.selector)
    second = await sealing.encoded(made)
    other = RedisSealing(link, "p", codec((OLD,)))

    assert await other.decoded(made.id, second) == made
    with pytest.raises(SealError):
        await other.decoded(made.id, first)

    await link.close()
