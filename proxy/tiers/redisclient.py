"""How Redis is reached: one server, the master that Sentinel names, or the masters of a cluster.

Rules of the module: certificates are verified unless the URL itself says otherwise; nothing here
waits longer than `timeout_s` for one answer; a lost connection is made anew a few times, after
pauses that grow and differ from one proxy to the next, and never after a time-out, which would
multiply what a dead server costs.
"""

import asyncio
import ssl
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol, TypeVar

from redis.asyncio import BlockingConnectionPool, ConnectionPool, Redis
from redis.asyncio.connection import Connection, SSLConnection, parse_url
from redis.asyncio.retry import Retry
from redis.asyncio.sentinel import Sentinel, SentinelConnectionPool, SentinelManagedConnection
from redis.backoff import ExponentialWithJitterBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError

from proxy.config.redisurl import (
    TLS_SCHEMES,
    ClusterUrl,
    SentinelUrl,
    cluster_url,
    scheme_of,
    sentinel_url,
)
from proxy.errors import TierError
from proxy.tiers.rediscluster import Cluster, pipelined
from proxy.tiers.redisreads import Reads

T = TypeVar("T")

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


class Client(Protocol):
    """Asks whichever server has a key. Raises RedisError or OSError."""

    async def ask(self, key: str, *command: Any) -> Any:  # noqa: ANN401 - as Redis answers
        """The answer to a command whose keys all are where `key` is."""
        ...

    async def read(self, key: str, *command: Any) -> Any:  # noqa: ANN401 - as Redis answers
        """The same for a command that changes nothing: many at once are one round trip."""
        ...

    async def ask_each(self, asked: Sequence[tuple[Any, ...]]) -> list[Any]:
        """The answers to several commands, each after its key, in as few round trips as can be."""
        ...

    async def prove(self) -> None:
        """Return when every master answers."""
        ...

    def listener(self) -> Redis:
        """A client of one connection, beside the pool, for messages: the caller closes it."""
        ...

    def pools(self) -> Iterable[ConnectionPool]:
        """The pools of all that are asked."""
        ...

    def stats(self) -> Mapping[str, float]:
        """`faults`: connections refused or lost; on a cluster also `redirected` and `mapped`."""
        ...

    async def close(self) -> None:
        """Close all connections."""
        ...


class _Single:
    """One server, or whoever is master by Sentinel's word."""

    def __init__(
        self,
        connect: Callable[[int | None], Redis],
        faults: "Faults",
        sentinels: "_Sentinels | None" = None,
    ) -> None:
        self._redis = connect(None)
        self._reads = Reads(self._redis)
        self._connect = connect
        self._faults = faults
        self._sentinels = sentinels

    async def ask(self, _key: str, *command: Any) -> Any:  # noqa: ANN401 - as Redis answers
        return await self._redis.execute_command(*command)  # type: ignore[no-untyped-call]

    async def read(self, _key: str, *command: Any) -> Any:  # noqa: ANN401 - as Redis answers
        return await self._reads.ask(*command)

    async def ask_each(self, asked: Sequence[tuple[Any, ...]]) -> list[Any]:
        answers = await pipelined(self._redis, [command for _, *command in asked])
        for answer in answers:
            if isinstance(answer, Exception):
                raise answer
        return answers

    async def prove(self) -> None:
        await self._redis.execute_command("PING")  # type: ignore[no-untyped-call]

    def listener(self) -> Redis:
        return self._connect(1)

    def pools(self) -> Iterable[ConnectionPool]:
        return (self._redis.connection_pool,)

    def stats(self) -> Mapping[str, float]:
        return {"faults": self._faults.count}

    async def close(self) -> None:
        try:
            await self._reads.close()
            await self._redis.aclose()
        finally:
            if self._sentinels is not None:
                await self._sentinels.aclose()


class Faults:
    """Counts connections that were refused or lost."""

    def __init__(self) -> None:
        self.count = 0

    def retry(self) -> Retry:
        """A policy that tells this counter. It is copied for each connection; a function is not."""

        def tell() -> None:
            self.count += 1

        return _ToldRetry(tell)


class _ToldRetry(Retry):
    """A lost connection is made anew a few times; a time-out ends the call."""

    def __init__(self, tell: Callable[[], None]) -> None:
        super().__init__(
            ExponentialWithJitterBackoff(cap=LONGEST_PAUSE_S, base=FIRST_PAUSE_S),
            RETRIES,
            supported_errors=(RedisConnectionError,),
        )
        self._tell = tell

    async def call_with_retry(
        self,
        do: Callable[[], Awaitable[T]],
        fail: Callable[..., Any],
        is_retryable: Callable[[Exception], bool] | None = None,
        with_failure_count: bool = False,
    ) -> T:
        async def told(*error: Any) -> None:  # noqa: ANN401 - theirs
            self._tell()
            await fail(*error)

        return await super().call_with_retry(do, told, is_retryable, with_failure_count)


async def client(url: str, access: Access, *, timeout_s: float, max_connections: int) -> Client:
    """A client that has not connected yet.

    Raises:
        ValueError: The URL is none.
        TierError: A file of `access.tls` cannot be used.
    """
    faults = Faults()
    options: dict[str, Any] = {
        "socket_timeout": timeout_s,
        "socket_connect_timeout": timeout_s,
        "client_name": access.client_name,
        "health_check_interval": IDLE_S,
        "retry": faults.retry(),
        "driver_info": None,  # naming itself, the library would look its version up on disk
        "protocol": 2,  # our commands answer alike in both, and every proxy speaks it
    }
    scheme = scheme_of(url)
    if scheme in TLS_SCHEMES and "ssl_" not in url.partition("?")[2]:
        options["context"] = await asyncio.to_thread(_context, access.tls)
    pool = _Pool(max_connections, timeout_s)
    if scheme.endswith("+sentinel"):
        return _under_sentinel(sentinel_url(url), access, options, pool, faults)
    if scheme.endswith("+cluster"):
        return _in_cluster(cluster_url(url), options, pool, faults)
    options |= dict(parse_url(url))  # what the URL says wins
    if "context" in options:
        options["connection_class"] = _TlsConnection
    max_connections = options.pop("max_connections", max_connections)
    pool = _Pool(max_connections, options.pop("timeout", timeout_s))
    return _Single(lambda most: pool.of(options, most), faults)


@dataclass(frozen=True, slots=True)
class _Pool:
    """Bounded connections: further calls wait for one, at most `timeout_s`."""

    max_connections: int
    timeout_s: float

    def of(self, options: Mapping[str, Any], max_connections: int | None = None) -> Redis:
        return Redis.from_pool(BlockingConnectionPool(**self.options(max_connections), **options))

    def options(self, max_connections: int | None = None) -> dict[str, Any]:
        bound = max_connections or self.max_connections
        return {"max_connections": bound, "timeout": self.timeout_s}


def _under_sentinel(
    url: SentinelUrl,
    access: Access,
    options: dict[str, Any],
    pool: _Pool,
    faults: Faults,
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
    is_tls = "context" in options
    direct: type[Connection] = _TlsConnection if is_tls else Connection
    managed: type[Connection] = _SentinelTlsConnection if is_tls else SentinelManagedConnection
    sentinels = _Sentinels(
        [
            Redis.from_pool(ConnectionPool(direct, host=host, port=port, **asking))
            for host, port in url.hosts
        ]
    )

    def masters(most: int | None) -> Redis:
        return Redis.from_pool(
            _MasterPool(  # type: ignore[no-untyped-call]
                url.service,
                sentinels,
                connection_class=managed,
                **pool.options(most),
                **options,
            )
        )

    return _Single(masters, faults, sentinels)


def _in_cluster(url: ClusterUrl, options: dict[str, Any], pool: _Pool, faults: Faults) -> Client:
    options |= {"username": url.user, "password": url.password}
    if "context" in options:
        options |= {"connection_class": _TlsConnection}

    def connect(host: str, port: int, max_connections: int | None = None) -> Redis:
        return pool.of(options | {"host": host, "port": port}, max_connections)

    return Cluster(url.hosts, connect, faults=lambda: faults.count)


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
