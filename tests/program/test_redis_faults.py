"""A Redis that fails in every way we know: no request fails, and nothing that was answered is lost.

Each test asks the first proxy through the official client while Redis is in trouble, and the second
one once it is well.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from proxy.resilience import Deadline
from tests.support.embeddings import DIMENSION, embeddings_server
from tests.support.origin import ScriptedOrigin
from tests.support.program import Json, Served, async_sdk, chat, merged, served, settings
from tests.support.servers import RedisServer, free_port
from tests.support.waiting import until, until_async
from tests.support.wire import wire_before
from tests.tiers.test_redis_sentinel import Watched

BEFORE = "What did we ask before?"
MEANWHILE = [f"What is thing number {number}?" for number in range(4)]
AFTER = "What do we ask after?"
MISS, IN_SESSION, IN_SHARED, IN_VECTOR = (
    ("MISS", None),
    ("HIT", "session"),
    ("HIT", "shared"),
    ("HIT", "vector"),
)
Answered = tuple[str | None, str | None]


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RedisServer]:
    """A server of the test's own, to be stopped and killed."""
    own = RedisServer(tmp_path / "redis")
    own.start()
    yield own
    own.kill()


@dataclass(slots=True)
class Pair:
    """Two proxies on one Redis: one is asked while it fails, the other when it is back."""

    one: Served
    other: Served
    origin: ScriptedOrigin

    async def ask(self, *texts: str, at: Served | None = None) -> list[Answered]:
        """(what the cache says, which tier) for every question, in order; each got its answer."""
        answered = []
        async with async_sdk((at or self.one).url) as sdk:
            for text in texts:
                got = await sdk.chat.completions.with_raw_response.create(**chat(text))
                said = got.parse().choices[0].message.content or ""
                assert said.lower().endswith(f"to: {text}".lower())
                answered.append((got.headers.get("x-cache"), got.headers.get("x-cache-tier")))
        return answered

    async def begin(self) -> None:
        """One question is known to both, by its words and by its meaning."""
        assert await self.ask(BEFORE) == [MISS]
        await self.is_found(BEFORE)

    async def is_found(self, text: str) -> None:
        """The other proxy comes to know it by its meaning: the test's embedder ignores case."""

        async def holds() -> bool:
            got = await self.other.post(chat(text.upper()), cache_control="only-if-cached")
            return (got.cache, got.tier) == IN_VECTOR

        await until_async(holds, f"{text!r} at the other proxy")

    async def meanwhile(self, reason: str) -> None:
        """Every question gets its answer from the origin, and after the first none asks Redis."""
        assert await self.ask(MEANWHILE[0]) == [MISS]
        await until(lambda: self.one.runtime.shared_stage.trouble is not None, "the breaker")
        await self.one.runtime.store.idle(Deadline(10))
        told = self.told
        assert await self.ask(*MEANWHILE[1:]) == [MISS] * len(MEANWHILE[1:])
        assert await self.ask(*MEANWHILE) == [IN_SESSION] * len(MEANWHILE)

        assert self.told == told
        await until_async(lambda: self.says(reason), f"{reason!r} in /readyz")

    @property
    def told(self) -> list[str]:
        """Each time that Redis has failed a request of the first proxy, or was given up by it."""
        names = ("stage_failed", "breaker_opened", "breaker_closed")
        lines = [line for line in self.one.lines if line["event"] in names]
        return [line["event"] for line in lines if line["stage"] == "shared"]

    async def says(self, reason: str) -> bool:
        """Whether the proxy says that it is ready, though degraded, for this reason."""
        got = await self.one.get("/readyz")
        told = got.json["parts"]["shared"]
        return got.status == 200 and got.json["status"] == "degraded" and reason in told

    async def after(self) -> None:
        """All of it is back: what was answered meanwhile serves at the other proxy."""
        stages = [proxy.runtime.shared_stage for proxy in (self.one, self.other)]
        await until(lambda: not any(stage.status for stage in stages), "Redis' return")
        await until(lambda: len(self.one.runtime.backlog) == 0, "the draining")
        assert await self.ask(*MEANWHILE, at=self.other) == [IN_SHARED] * len(MEANWHILE)

        assert await self.ask(AFTER) == [MISS]
        for text in (*MEANWHILE, AFTER):
            await self.is_found(text)


def config_of(origin: ScriptedOrigin, url: str, directory: Path, embeddings: int) -> Json:
    embedder = {
        "kind": "openai",
        "openai": {
            "base_url": f"http://127.0.0.1:{embeddings}/v1",
            "model": "small",
            "dimensions": DIMENSION,
        },
    }
    cache = {
        "deadline_ms": 2000,
        "shared": {"url": url, "timeout_ms": 1500},
        "vector": {"threshold": 0.99, "snapshot": f"{directory}.snapshot"},
        "judgement": {"verifier": "none", "labels": f"{directory}.labels"},
    }
    return settings(origin.url, directory, embedder=embedder, cache=cache)


@asynccontextmanager
async def pair_on(
    origin: ScriptedOrigin, url: str, directory: Path, other: str = "", **cache: object
) -> AsyncIterator[Pair]:
    """Both proxies, the second one by a way of its own where that is given."""
    port = free_port()
    second = config_of(origin, other or url, directory / "other", port)
    first = config_of(origin, url, directory / "one", port)
    first = merged(first, {"cache": {"shared": {"poll_s": 1}, **cache}})
    async with (
        embeddings_server(port),
        served(second, may_block=True) as beside,
        served(first) as at,
    ):
        yield Pair(at, beside, origin)


async def test_stopped(origin: ScriptedOrigin, server: RedisServer, tmp_path: Path) -> None:
    """A Redis that hangs: whoever asks first waits for a part of the deadline, and nobody else."""
    async with pair_on(origin, server.url, tmp_path) as pair:
        await pair.begin()
        server.pause()
        await pair.meanwhile("late")
        server.resume()
        await pair.after()


async def test_killed(origin: ScriptedOrigin, server: RedisServer, tmp_path: Path) -> None:
    """A Redis that is not there."""
    async with pair_on(origin, server.url, tmp_path) as pair:
        await pair.begin()
        server.kill()
        await pair.meanwhile("Connect call failed")
        await asyncio.to_thread(server.start)
        await pair.after()


async def test_restarted_empty(origin: ScriptedOrigin, server: RedisServer, tmp_path: Path) -> None:
    """What it has lost is served nowhere any more, by its words or its meaning, from no memory."""
    async with pair_on(origin, server.url, tmp_path) as pair:
        await pair.begin()
        server.kill()
        await pair.meanwhile("Connect call failed")
        await asyncio.to_thread(server.start)
        await pair.after()

        for proxy in (pair.one, pair.other):
            for text in (BEFORE, BEFORE.upper()):
                got = await proxy.post(chat(text), cache_control="only-if-cached")
                assert got.code == "not_cached"
        assert await pair.ask(BEFORE, at=pair.one) == [MISS]
        assert await pair.ask(BEFORE, at=pair.other) == [IN_SHARED]


async def test_restarted_with_its_data(origin: ScriptedOrigin, tmp_path: Path) -> None:
    """What it has kept on disk is served as before, without a call to the origin."""
    server = RedisServer(tmp_path / "redis")
    kept = ("--appendonly", "yes", "--appendfsync", "always")
    server.start(*kept)
    try:
        async with pair_on(origin, server.url, tmp_path) as pair:
            await pair.begin()
            server.kill()
            await pair.meanwhile("Connect call failed")
            await asyncio.to_thread(server.start, *kept)
            await pair.after()

            assert await pair.ask(BEFORE.upper(), at=pair.one) == [IN_VECTOR]
            assert await pair.ask(BEFORE, at=pair.other) == [IN_SHARED]
    finally:
        server.kill()


async def test_failing_over(origin: ScriptedOrigin, tmp_path: Path) -> None:
    """A master that hangs until the sentinels name another: what it was not told, that one is."""
    watched = Watched(tmp_path / "watched")
    await asyncio.to_thread(watched.start)
    try:
        await until(watched.is_ready, "a watched master")
        async with pair_on(origin, watched.url, tmp_path) as pair:
            await pair.begin()
            watched.master.pause()
            await pair.meanwhile("")
            await pair.after()

            assert b"role:master" in watched.replica.ask("INFO replication")
    finally:
        watched.kill()


@pytest.mark.parametrize("deadline_ms", [100, 250])
async def test_slow(
    origin: ScriptedOrigin, server: RedisServer, tmp_path: Path, deadline_ms: int
) -> None:
    """Slow by 200 ms: gone past for as long as it is, and yet written to."""
    async with wire_before(server.port) as wire:
        url = f"redis://127.0.0.1:{wire.port}/0"
        deadlines = {"deadline_ms": deadline_ms}
        async with pair_on(origin, url, tmp_path, server.url, **deadlines) as pair:
            await pair.begin()
            wire.delay_s = 0.2
            await pair.meanwhile("slow: ")
            for text in MEANWHILE:
                await pair.is_found(text)
            assert pair.one.runtime.shared_stage.trouble is not None
            wire.delay_s = 0.0
            await pair.after()


async def test_cut_off(origin: ScriptedOrigin, server: RedisServer, tmp_path: Path) -> None:
    """A network that breaks every connection, and then swallows what is sent."""
    async with wire_before(server.port) as wire:
        url = f"redis://127.0.0.1:{wire.port}/0"
        async with pair_on(origin, url, tmp_path, server.url) as pair:
            await pair.begin()
            wire.cut()
            await pair.meanwhile("Connection")
            wire.stall()
            wire.mend()
            await until_async(lambda: pair.says("imeout"), "the time-out")
            wire.flow()
            await pair.after()


ALLOWED = "ACL SETUSER reprise on >right ~reprise:* &reprise:* +@all -@dangerous +info"


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ("ACL SETUSER reprise resetpass >changed", "invalid username-password pair"),
        ("ACL SETUSER reprise off", "user is disabled"),
        ("ACL SETUSER reprise -@all", "has no permissions"),
    ],
)
async def test_refusing_us(
    origin: ScriptedOrigin, server: RedisServer, tmp_path: Path, change: str, reason: str
) -> None:
    """A login or a right that is withdrawn: the reason is told in Redis's words, to nobody else."""
    assert server.ask(ALLOWED) == b"+OK\r\n"
    url = server.url.replace("//", "//reprise:right@")
    async with pair_on(origin, url, tmp_path, server.url) as pair:
        await pair.begin()
        assert server.ask(change) == b"+OK\r\n"
        server.ask("CLIENT KILL TYPE normal SKIPME yes")
        await pair.meanwhile(reason)
        assert server.ask(f"{ALLOWED} resetpass >right") == b"+OK\r\n"
        await pair.after()


@pytest.mark.parametrize(
    ("refuse", "allow", "reason"),
    [
        ("CONFIG SET maxmemory 1", "CONFIG SET maxmemory 0", "maxmemory"),
        (
            "ACL SETUSER reprise -@write",
            "ACL SETUSER reprise +@write",
            "no permissions",
        ),
    ],
)
async def test_refusing_writes(
    origin: ScriptedOrigin,
    server: RedisServer,
    tmp_path: Path,
    refuse: str,
    allow: str,
    reason: str,
) -> None:
    """One that is full, or takes no writes of ours, is read as before, and what it missed waits."""
    assert server.ask(ALLOWED) == b"+OK\r\n"
    url = server.url.replace("//", "//reprise:right@")
    async with pair_on(origin, url, tmp_path, server.url) as pair:
        await pair.begin()
        assert server.ask(refuse) == b"+OK\r\n"
        assert await pair.ask(*MEANWHILE) == [MISS] * len(MEANWHILE)
        await until_async(lambda: pair.says(reason), f"{reason!r} in /readyz")
        assert await pair.ask(BEFORE.upper()) == [IN_VECTOR]

        assert pair.one.runtime.shared_stage.trouble is None
        assert len(pair.one.events("writes_refused")) == 1
        assert server.ask(allow) == b"+OK\r\n"
        await pair.one.runtime.drain.drain()
        await pair.after()


async def test_evicted(origin: ScriptedOrigin, server: RedisServer, tmp_path: Path) -> None:
    """What Redis drops to make room is a miss, though the index still has its question."""
    server.ask("CONFIG SET maxmemory-policy volatile-lru")
    async with pair_on(origin, server.url, tmp_path) as pair:
        await pair.begin()
        server.ask("CONFIG SET maxmemory 1")
        await until(lambda: b"evicted_keys:0" not in server.ask("INFO stats"), "the eviction")
        server.ask("CONFIG SET maxmemory 0")

        assert await pair.ask(BEFORE.upper(), at=pair.other) == [MISS]
        assert pair.other.runtime.shared_stage.trouble is None
        assert await pair.ask(BEFORE.upper(), at=pair.one) == [IN_SHARED]
