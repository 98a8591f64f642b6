"""How a Redis server is reached: one client for a server, or for the master that Sentinel names.

Rules of the module: certificates are verified unless the URL itself says otherwise; nothing here
waits longer than `timeout_s` for one answer; a lost connection is made anew a few times, after
pauses that grow and differ from one proxy to the next, and never after a time-out, which would
multiply what a dead server costs.
"""

import asyncio
import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from redis.asyncio import BlockingConnectionPool, ConnectionPool, Redis
from redis.asyncio.connection import Connection, SSLConnection, parse_url
from redis.asyncio.retry import Retry
from redis.asyncio.sentinel import Sentinel, SentinelConnectionPool, SentinelManagedConnection
from redis.backoff import ExponentialWithJitterBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError

from proxy.config.redisurl import TLS_SCHEMES, SentinelUrl, scheme_of, sentinel_url
from proxy.errors import TierError

RETRIES: Final = 2
FIRST_PAUSE_S: Final = 0.02
LONGEST_PAUSE_S: Final = 0.1
IDLE_S: Final = 30
"""Seconds unused after which a connection is proven to be alive before it is trusted."""


@dataclass(frozen=True, slots=True)
class Tls:
    """Whom to trust and who to be; as `cache.shared.tls` says it."""

    ca: Path | None = None
    certificate: Path | None = None
    key: Path | None = None
    check_hostname: bool = True


@dataclass(frozen=True, slots=True)
class Access:
    """What a server, or a sentinel, asks for beyond the URL."""

    tls: Tls = Tls()
    sentinel_user: str | None = None
    sentinel_password: str | None = None
    client_name: str = "reprise"


class Client:
    """A Redis client, and what must be closed with it."""

    def __init__(self, redis: Redis, sentinels: "_Sentinels | None" = None) -> None:
        self.redis = redis
        self._sentinels = sentinels

    async def close(self) -> None:
        """Close all connections. Raises RedisError or OSError when one does not."""
        try:
            await self.redis.aclose()
        finally:
            if self._sentinels is not None:
                await self._sentinels.aclose()


async def client(url: str, access: Access, *, timeout_s: float, max_connections: int) -> Client:
    """A client that has not connected yet.

    Raises:
        ValueError: The URL is none.
        TierError: A file of `access.tls` cannot be used.
    """
    options: dict[str, Any] = {
        "socket_timeout": timeout_s,
        "socket_connect_timeout": timeout_s,
        "client_name": access.client_name,
        "health_check_interval": IDLE_S,
        "retry": Retry(
            ExponentialWithJitterBackoff(cap=LONGEST_PAUSE_S, base=FIRST_PAUSE_S),
            RETRIES,
            supported_errors=(RedisConnectionError,),
        ),
        "driver_info": None,  # naming itself, the library would look its version up on disk
        "protocol": 2,  # our commands answer alike in both, and every proxy speaks it
    }
    pool: dict[str, Any] = {"max_connections": max_connections, "timeout": timeout_s}
    scheme = scheme_of(url)
    context = None
    if scheme in TLS_SCHEMES and "ssl_" not in url.partition("?")[2]:
        context = await asyncio.to_thread(_context, access.tls)
    if scheme.endswith("+sentinel"):
        return _under_sentinel(sentinel_url(url), access, options, pool, context)
    options |= pool | dict(parse_url(url))  # what the URL says wins
    if context is not None:
        options |= {"connection_class": _TlsConnection, "context": context}
    return Client(Redis.from_pool(BlockingConnectionPool(**options)))


def _under_sentinel(
    url: SentinelUrl,
    access: Access,
    options: dict[str, Any],
    pool: dict[str, Any],
    context: ssl.SSLContext | None,
) -> Client:
    # All sentinels but the last may hang, and the answer is still there in time.
    patience_s = options["socket_timeout"] / (len(url.hosts) + 1)
    asking = options | {
        "socket_timeout": patience_s,
        "socket_connect_timeout": patience_s,
        "username": access.sentinel_user,
        "password": access.sentinel_password,
    }
    options |= {"username": url.user, "password": url.password, "db": url.database}
    direct: type[Connection] = Connection
    managed: type[Connection] = SentinelManagedConnection
    if context is not None:
        asking, options = asking | {"context": context}, options | {"context": context}
        direct, managed = _TlsConnection, _SentinelTlsConnection
    sentinels = _Sentinels(
        [
            Redis.from_pool(ConnectionPool(direct, host=host, port=port, **asking))
            for host, port in url.hosts
        ]
    )
    masters = _MasterPool(  # type: ignore[no-untyped-call]
        url.service, sentinels, connection_class=managed, **pool, **options
    )
    return Client(Redis.from_pool(masters), sentinels)


class _NoMasterError(RedisError):
    """No connection error: asking the same sentinels again at once would change nothing."""


class _Sentinels(Sentinel):
    """Finds the master; its reasons name the sentinels, not the library's objects."""

    def __init__(self, clients: Sequence[Redis]) -> None:
        super().__init__([])  # type: ignore[no-untyped-call]
        self.sentinels = list(clients)

    async def discover_master(self, service_name: str) -> tuple[str, int]:
        """Host and port of the first master that a sentinel holds for well."""
        reasons = []
        for number, sentinel in enumerate(self.sentinels):
            at = sentinel.connection_pool.connection_kwargs
            try:
                known: Any = await sentinel.sentinel_masters()
            except (RedisError, OSError) as error:
                reasons.append(f"{at['host']}:{at['port']}: {error}")
                continue
            state = known.get(service_name)
            if state is not None and self.check_master_state(state, service_name):
                self.sentinels.insert(0, self.sentinels.pop(number))
                return state["ip"], state["port"]
            fault = "does not know it" if state is None else "holds it for down"
            reasons.append(f"{at['host']}:{at['port']} {fault}")
        raise _NoMasterError(f"no master {service_name!r}: {'; '.join(reasons)}")


class _MasterPool(SentinelConnectionPool, BlockingConnectionPool):
    """Connections to whoever is master; further calls wait for one."""


class _TlsConnection(SSLConnection):
    """One whose certificates were read from disk before, once for all connections."""

    def __init__(self, *, context: ssl.SSLContext, **options: Any) -> None:  # noqa: ANN401 - theirs
        super().__init__(**options)
        self.ssl_context.context = context


class _SentinelTlsConnection(SentinelManagedConnection, _TlsConnection):
    """The same, to whoever is master."""


def _context(tls: Tls) -> ssl.SSLContext:
    """Blocking: reads files."""
    reading = tls.ca
    try:
        context = ssl.create_default_context(cafile=tls.ca)
        reading = tls.certificate
        if tls.certificate is not None:
            context.load_cert_chain(tls.certificate, tls.key, password=_no_passphrase)
    except (OSError, ValueError) as error:
        raise TierError(f"redis: cannot use {reading}: {error}") from error
    context.check_hostname = tls.check_hostname
    return context


def _no_passphrase() -> str:
    raise ValueError("its key wants a passphrase")  # and nobody is there to be asked
