"""Redis under Sentinel; that all else holds there too is in test_shared.py."""

import contextlib
import time
from collections.abc import Iterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from proxy.errors import TierError
from proxy.tiers.redis import RedisTier
from proxy.tiers.redisclient import Access, Tls
from tests.support.origin import ScriptedOrigin
from tests.support.program import Serving, chat
from tests.support.servers import RedisServer, SentinelServer, free_port
from tests.support.tls import Authority, tls_before
from tests.support.waiting import until, until_async
from tests.tiers.builders import Events, FakeClock, entry, redis_tier

FAILOVER_S = 15.0
"""The sentinels need most of it: 0.3 s to miss the master, the rest to agree and to promote."""


class Watched:
    """A master, a replica, and three sentinels of which two must agree."""

    def __init__(self, directory: Path) -> None:
        self.master = RedisServer(directory / "master")
        self.replica = RedisServer(directory / "replica")
        self.sentinels = [
            SentinelServer(
                directory / f"sentinel{number}", self.master.port, quorum=2, down_after_ms=300
            )
            for number in range(3)
        ]

    @property
    def url(self) -> str:
        hosts = ",".join(f"127.0.0.1:{sentinel.port}" for sentinel in self.sentinels)
        return f"redis+sentinel://{hosts}/main"

    def start(self) -> None:
        quick = ("--repl-diskless-sync-delay", "0")
        self.master.start(*quick)
        self.replica.start("--replicaof", "127.0.0.1", str(self.master.port), *quick)
        for sentinel in self.sentinels:
            sentinel.start()

    def is_ready(self) -> bool:
        """Whether everybody knows everybody, so that a failover can succeed."""
        known = [sentinel.ask("INFO sentinel") for sentinel in self.sentinels]
        in_step = b"master_link_status:up" in self.replica.ask("INFO replication")
        return in_step and all(
            b"status=ok" in one and b"slaves=1,sentinels=3" in one for one in known
        )

    def kill(self) -> None:
        for server in (*self.sentinels, self.replica, self.master):
            server.kill()


@pytest.fixture
def watched(tmp_path: Path) -> Iterator[Watched]:
    servers = Watched(tmp_path / "watched")
    servers.start()
    yield servers
    servers.kill()


def _tier(
    url: str,
    clock: FakeClock,
    events: Events,
    access: Access = Access(),  # noqa: B008 - it is frozen
) -> RedisTier:
    return redis_tier(url, clock, events, timeout_s=1, access=access)


@pytest.mark.parametrize("fault", ["killed", "hangs", "planned"])
async def test_a_failover(watched: Watched, clock: FakeClock, events: Events, fault: str) -> None:
    """A master that dies, hangs or steps down: errors in time, then its successor serves."""
    await until(watched.is_ready, "a watched master")
    tier = _tier(watched.url, clock, events)
    await tier.start()
    made, later = entry("q", clock), entry("later", clock)
    await tier.put(made)
    await until(lambda: b"keys=5" in watched.replica.ask("INFO keyspace"), "replication")

    began = time.monotonic()
    if fault == "killed":
        watched.master.kill()
    elif fault == "hangs":
        watched.master.pause()
    else:
        assert watched.sentinels[0].ask("SENTINEL FAILOVER main") == b"+OK\r\n"

    async def serves() -> bool:
        asked = time.monotonic()
        with contextlib.suppress(TierError):
            await tier.put(later)
        assert time.monotonic() - asked < 3
        return watched.replica.ask(f"EXISTS p:{{0}}:e:{later.id}") == b":1\r\n" and (
            b"role:master" in watched.replica.ask("INFO replication")
        )

    await until_async(serves, "a new master")

    assert time.monotonic() - began < FAILOVER_S
    assert await tier.get(made.scope, made.id) == made

    await tier.put(entry("last", clock))

    assert await tier.get(later.scope, later.id) == later

    await tier.close()


async def test_sentinels_that_are_down_or_hang(
    redis_server: RedisServer,
    sentinel_server: SentinelServer,
    tmp_path: Path,
    clock: FakeClock,
    events: Events,
) -> None:
    """One that answers is enough, wherever it stands in the list."""
    hanging = SentinelServer(tmp_path / "hanging", redis_server.port)
    hanging.start()
    hanging.pause()
    hosts = f"127.0.0.1:{free_port()},127.0.0.1:{hanging.port},127.0.0.1:{sentinel_server.port}"
    tier = _tier(f"redis+sentinel://{hosts}/main", clock, events)
    try:
        began = time.monotonic()
        await tier.start()
        assert time.monotonic() - began < 1
        await tier.close()
    finally:
        hanging.kill()


async def test_no_sentinel_knows_a_master(
    sentinel_server: SentinelServer, clock: FakeClock, events: Events
) -> None:
    """Is a TierError that says what each of them said."""
    absent = free_port()
    hosts = f"127.0.0.1:{absent},127.0.0.1:{sentinel_server.port}"
    tier = _tier(f"redis+sentinel://{hosts}/other", clock, events)
    reason = f"no master 'other': .*:{absent}: .*failed.*:{sentinel_server.port} does not know it"
    with pytest.raises(TierError, match=reason):
        await tier.start()
    await tier.close()


async def test_passwords_of_both(
    own_server: RedisServer, tmp_path: Path, clock: FakeClock, events: Events
) -> None:
    """That of Redis is in the URL, that of the sentinels beside it; a wrong one is named."""
    own_server.kill()
    own_server.start("--requirepass", "redis-secret")
    sentinel = SentinelServer(tmp_path / "s", own_server.port, password="sentinel-secret")
    sentinel.start()
    where = f"127.0.0.1:{sentinel.port}/main/2"
    right = Access(sentinel_password="sentinel-secret")
    try:
        tier = _tier(f"redis+sentinel://:redis-secret@{where}", clock, events, right)
        await tier.start()
        await tier.put(entry("q", clock))
        await tier.close()
        for login, access, reason in (
            ("", right, "redis: Authentication required"),
            (":wrong@", right, "redis: invalid username-password pair"),
            (":redis-secret@", Access(), "no master 'main': .*Authentication required"),
        ):
            tier = _tier(f"redis+sentinel://{login}{where}", clock, events, access)
            with pytest.raises(TierError, match=reason):
                await tier.start()
            await tier.close()
    finally:
        sentinel.kill()


async def test_tls_to_both(
    redis_server: RedisServer, tmp_path: Path, clock: FakeClock, events: Events
) -> None:
    """`rediss+sentinel://` speaks TLS to sentinels and to the master they name."""
    authority = Authority(tmp_path / "authority")
    identity = authority.issue("127.0.0.1")
    redis_server.ask("FLUSHALL")
    async with AsyncExitStack() as stack:
        master = await stack.enter_async_context(tls_before(redis_server.port, identity))
        sentinel = SentinelServer(tmp_path / "s", master)
        sentinel.start()
        stack.callback(sentinel.kill)
        port = await stack.enter_async_context(tls_before(sentinel.port, identity))
        access = Access(Tls(authority.file))
        tier = _tier(f"rediss+sentinel://127.0.0.1:{port}/main", clock, events, access)
        made = entry("q", clock)
        await tier.start()
        await tier.put(made)

        assert await tier.get(made.scope, made.id) == made

        await tier.close()
        stranger = _tier(f"rediss+sentinel://127.0.0.1:{port}/main", clock, events)
        with pytest.raises(TierError, match=r"no master 'main': .*certificate verify failed"):
            await stranger.start()
        await stranger.close()


async def test_all_of_it_from_a_configuration(
    serving: Serving, origin: ScriptedOrigin, redis_server: RedisServer, tmp_path: Path
) -> None:
    """TLS, a certificate, a password, a name: what one proxy stores, another serves."""
    authority = Authority(tmp_path / "authority")
    server, caller = authority.issue("127.0.0.1"), authority.issue("proxy")
    redis_server.ask("FLUSHALL")
    async with AsyncExitStack() as stack:
        master = await stack.enter_async_context(
            tls_before(redis_server.port, server, callers=authority)
        )
        sentinel = SentinelServer(tmp_path / "s", master, password="sentinel-secret")
        sentinel.start()
        stack.callback(sentinel.kill)
        port = await stack.enter_async_context(tls_before(sentinel.port, server, callers=authority))
        shared = {
            "url": f"rediss+sentinel://127.0.0.1:{port}/main",
            "tls": {
                "ca": str(authority.file),
                "certificate": str(caller.certificate),
                "key": str(caller.key),
            },
            "sentinel_password": "sentinel-secret",
            "client_name": "replica-1",
        }
        async with serving(cache={"shared": shared}) as proxy:
            ready = (await proxy.get("/readyz")).json
            first = await proxy.post(chat("What is a cache?"))
            names = redis_server.ask("CLIENT LIST")
        async with serving(cache={"shared": shared}) as another:
            second = await another.post(chat("What is a cache?"))

    assert ready["parts"]["shared"] == "ok"
    assert (first.cache, second.cache, second.tier) == ("MISS", "HIT", "shared")
    assert b"name=replica-1" in names
    assert origin.calls == 1
