"""The one way to Redis that all parts of this process share: started, closed and timed once.

Keys come in groups. A group's keys have a hash tag in common, `{0}`, so that one script may touch
them on a cluster too; an entry's group follows from its id. A single server has one group; a
cluster has `GROUPS`, whatever the number of its masters, so that no key changes its name when the
cluster grows.
"""

import asyncio
import secrets
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import sha1
from time import perf_counter
from typing import Any, Final
from zlib import crc32

from redis.asyncio import Redis
from redis.exceptions import NoScriptError, RedisError, TryAgainError

from proxy.config.redisurl import scheme_of
from proxy.errors import TierError
from proxy.tiers.redisclient import Access, Client, client

GROUPS: Final = 16
"""Of a cluster. More would spread finer, and cost every look at the change log a command each."""

Timed = Callable[[str, float], None]
"""Hears a command's name and how long its answer took, seconds."""


@dataclass(frozen=True, slots=True)
class Script:
    """A Lua script that the server runs as one step. `name` is for metrics."""

    name: str
    source: str
    digest: str = field(init=False)

    def __post_init__(self) -> None:
        digest = sha1(self.source.encode(), usedforsecurity=False).hexdigest()
        object.__setattr__(self, "digest", digest)


@dataclass(frozen=True, slots=True)
class Group:
    """The names of a group's keys.

    Attributes:
        prefix: Begins each, and names their slot.
        about: Hash: id -> what a selector asks about it.
        kept: Sorted set: id by `kept_until`.
        vectors: Sorted set, all scores 0: ids that have a vector, to be paged by id.
        log: Stream: the change log.
        purges: Hash: the number of each namespace's last purge.
    """

    prefix: str
    about: str = field(init=False)
    kept: str = field(init=False)
    vectors: str = field(init=False)
    log: str = field(init=False)
    purges: str = field(init=False)

    def __post_init__(self) -> None:
        for name in ("about", "kept", "vectors", "log", "purges"):
            object.__setattr__(self, name, self.prefix + name)

    def entry(self, entry_id: str) -> str:
        """The key of an entry's bytes."""
        return f"{self.prefix}e:{entry_id}"

    def lease(self, key: str) -> str:
        """The key of a lease: who may ask the origin for an entry."""
        return f"{self.prefix}l:{key}"


class Groups:
    """A deployment's groups of keys, and the channels on which its processes tell each other.

    Args:
        prefix: Begins every key.
        count: How many there are.
    """

    def __init__(self, prefix: str, count: int) -> None:
        self.log_channel = f"{prefix}:log"
        """Where it is said that the change log has grown: `<writer> <id>`."""
        self.lease_channel = f"{prefix}:lease"
        """Where it is said that a lease was given back (`free <key>`) or cut (`sooner <key>`)."""
        self._groups = tuple(Group(f"{prefix}:{{{number}}}:") for number in range(count))

    def __iter__(self) -> Iterator[Group]:
        return iter(self._groups)

    def __len__(self) -> int:
        return len(self._groups)

    def of(self, entry_id: str) -> Group:
        """The group of an entry."""
        return self._groups[crc32(entry_id.encode()) % len(self._groups)]


class RedisLink:
    """A server, or a cluster, of Redis 6.2 or newer.

    Args:
        url: `redis://`, `rediss://`, `unix://`, `redis+sentinel://`, `rediss+sentinel://`,
            `redis+cluster://` or `rediss+cluster://`.
        timeout_s: Longest wait for one answer, for a new connection, and for a free one.
        max_connections: Most connections to a server; further commands wait for one.
        access: Certificates, the sentinels' password, and the name connections have.
    """

    def __init__(
        self,
        url: str,
        *,
        timeout_s: float = 1.0,
        max_connections: int = 32,
        access: Access = Access(),  # noqa: B008 - it is frozen
    ) -> None:
        self._url = url
        self.timeout_s = timeout_s
        self._max_connections = max_connections
        self._access = access
        self._hearing: list[Timed] = []
        self._client: Client | None = None
        self._closers: list[Callable[[], Awaitable[None]]] = []
        self.groups = GROUPS if scheme_of(url).endswith("+cluster") else 1
        self.name = secrets.token_hex(6)
        """Names this process in what it writes, so that it knows its own from others'."""
        self.is_heard = False
        """Whether what other processes say is heard; `RedisNews` knows."""

    async def start(self) -> None:
        """Connect, or prove that every server answers. Raises TierError when one does not."""
        with mapped():
            if self._client is None:
                made = await client(
                    self._url,
                    self._access,
                    timeout_s=self.timeout_s,
                    max_connections=self._max_connections,
                )
                # Of two starts at once the first made it; a client never used holds nothing.
                self._client = self._client or made
            with self._timing("PING"):
                await self._client.prove()

    def tell(self, timed: Timed) -> None:
        """Have somebody hear of every command from now on."""
        self._hearing.append(timed)

    def before_close(self, close: Callable[[], Awaitable[None]]) -> None:
        """Have something that listens here end with it."""
        self._closers.append(close)

    async def close(self) -> None:
        """Close all connections; a link never started is a no-op."""
        for close in self._closers:
            await close()
        closing, self._client = self._client, None
        if closing is not None:
            with mapped():
                await closing.close()

    async def ask(self, key: str, *command: Any) -> Any:  # noqa: ANN401 - as Redis answers
        """The answer to a command whose keys all are in this key's group.

        Raises:
            TierError: There is none.
        """
        with mapped(), cancellable(), self._timing(command[0]):
            return await self._started.ask(key, *command)

    async def ask_each(self, name: str, asked: Sequence[tuple[Any, ...]]) -> list[Any]:
        """The answers to several commands, each after its key, in as few round trips as can be.

        Args:
            name: Of all of them, for metrics.
            asked: The key and the command of each.

        Raises:
            TierError: One has no answer. Whether the others were carried out is then unknown.
        """
        with mapped(), cancellable(), self._timing(name):
            return await self._started.ask_each(asked)

    async def run(self, script: Script, keys: Sequence[str], *args: Any) -> Any:  # noqa: ANN401 - as Redis answers
        """The answer of a script whose keys, all of one group, are these.

        Raises:
            TierError: There is none. Whether the script ran is then unknown.
        """
        rest = (len(keys), *keys, *args)
        with mapped(), cancellable(), self._timing(script.name):
            try:
                return await self._started.ask(keys[0], "EVALSHA", script.digest, *rest)
            except NoScriptError:
                return await self._started.ask(keys[0], "EVAL", script.source, *rest)

    async def read(self, script: Script, keys: Sequence[str], *args: Any) -> Any:  # noqa: ANN401 - as Redis answers
        """The same of a script that changes nothing: many at once are one round trip."""
        rest = (len(keys), *keys, *args)
        with mapped(), cancellable(), self._timing(script.name):
            try:
                return await self._started.read(keys[0], "EVALSHA", script.digest, *rest)
            except NoScriptError:
                return await self._started.read(keys[0], "EVAL", script.source, *rest)

    def listener(self) -> Redis:
        """A client of one connection, for messages; the caller closes it. TierError if closed."""
        return self._started.listener()

    def stats(self) -> Mapping[str, float]:
        """`connected`, `busy`, `listening`, `faults`; of a cluster `redirected`, `mapped` too."""
        if self._client is None:
            return {}
        counts = [pool.get_connection_count() for pool in self._client.pools()]
        idle, busy = (sum(count[at][0] for count in counts) for at in (0, 1))
        listening = float(self.is_heard)
        return {
            "connected": idle + busy,
            "busy": busy,
            "listening": listening,
            **self._client.stats(),
        }

    @property
    def _started(self) -> Client:
        if self._client is None:
            raise TierError("redis: not started")
        return self._client

    @contextmanager
    def _timing(self, name: str) -> Iterator[None]:
        began = perf_counter()
        try:
            yield
        finally:
            for timed in self._hearing:
                timed(name.lower(), perf_counter() - began)


class SplitError(TierError):
    """The keys of one command are on two masters: their slot is just moving."""


@contextmanager
def mapped() -> Iterator[None]:
    """Faults of Redis, and of what it holds, as a TierError."""
    try:
        yield
    except TryAgainError as error:
        raise SplitError(f"redis: {error}") from error
    except (RedisError, OSError, ValueError) as error:  # ValueError: a URL or a value that is none
        raise TierError(f"redis: {error}") from error


@contextmanager
def cancellable() -> Iterator[None]:
    """End with a cancellation that came meanwhile and was lost.

    redis-py sends by `asyncio.wait_for`, which before Python 3.12 returns as if nothing had been
    said when a cancellation comes in the moment in which it ends (python/cpython#86296).
    """
    task = asyncio.current_task()
    before = task.cancelling() if task is not None else 0
    try:
        yield
    finally:
        if task is not None and task.cancelling() > before:
            raise asyncio.CancelledError
