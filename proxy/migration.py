"""Moves the index of questions to another backend, by building it there from the shared tier.

It reads the change log as one more replica would, while proxies serve. The index keeps its position
as it grows, so that a move which was stopped goes on where it was; and proxies that are told to use
the new backend read on from there.
"""

import asyncio
import sys
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Final, TypeVar

from proxy.config import Config
from proxy.config.vector import Backend
from proxy.core.changes import ALL_TENANTS, Added, Removed, Selector
from proxy.errors import ConfigError, RepriseError, TierError, UnfitServerError
from proxy.parts import indexing, sharing
from proxy.parts.semantic import embedder_of
from proxy.ports import Embedder, Observer, SharedTier, VectorTier
from proxy.telemetry import Telemetry
from proxy.telemetry.logs import Logs, open_logs

T = TypeVar("T")

PAGE: Final = 200
SAVE_S: Final = 20.0
"""Between two snapshots, seconds: what a move that is stopped may lose."""

PATIENCE_MS: Final = 10_000.0
"""Least time-out of Redis here: an operator waits longer than a request does."""


class MigrationError(RepriseError):
    """A tier that cannot be used: whose fault it is stands in the message."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a move is.

    Attributes:
        done: Entries of the log that are in the new index, or were looked at.
        total: Entries there are, with and without a vector.
    """

    done: int
    total: int


@dataclass(frozen=True, slots=True)
class Moved:
    """What a move did.

    Attributes:
        backend: Where the index is now.
        embedder, dimension: Whose vectors it holds.
        entries: Questions in it.
        added, removed: Changes of the log that were folded.
        resumed: It went on from where an earlier one, or a proxy, had been.
        seconds: How long it took.
    """

    backend: str
    embedder: str
    dimension: int
    entries: int
    added: int
    removed: int
    resumed: bool
    seconds: float


def migrate(
    config: Config,
    backend: Backend,
    *,
    anew: bool = False,
    tell: Callable[[Progress], None] = lambda _: None,
) -> Moved:
    """Build the index on a backend.

    Args:
        config: What the proxies are started with, whichever backend they use now.
        backend: Where to.
        anew: Look at every entry, although the index there says that it is further.
        tell: Hears of every page.

    Raises:
        MigrationError: There is no index to move, or a tier does not work.
        ConfigError: The backend needs what is not configured, or another server.
    """
    config = chosen(config, backend)
    work = _with(config, lambda parts: _migrate(parts, backend, anew, tell))
    return asyncio.run(_told(work))


def clear(config: Config) -> int:
    """Delete the index that is configured, which must be in Redis; returns how many it held.

    Raises:
        MigrationError, ConfigError: As with `migrate`.
    """
    return asyncio.run(_told(_with(chosen(config, "redis"), _clear)))


def reach(config: Config) -> None:
    """Connect to the servers that hold entries and index; what is in files is left alone.

    Raises:
        MigrationError, ConfigError: As with `migrate`.
    """
    asyncio.run(_told(_reach(config)))


async def _reach(config: Config) -> None:
    observer = _observer(config)
    embedder = embedder_of(config) if config.cache.vector.enabled else None
    async with AsyncExitStack() as stack:
        shared = sharing.tier_of(config, observer)
        stack.push_async_callback(shared.close)
        if config.cache.shared.sqlite_path is None:
            await shared.start()
        if embedder is not None and config.cache.vector.backend == "redis":
            index = indexing.build(config, embedder, shared, observer)
            stack.push_async_callback(index.close)
            await index.start()


def chosen(config: Config, backend: Backend) -> Config:
    """The configuration with another backend. Raises ConfigError where that cannot be."""
    vector = config.cache.vector.model_copy(update={"backend": backend})
    if backend == "redis" and not vector.redis.url and config.cache.shared.sqlite_path:
        raise ConfigError(["cache.vector.redis.url: is needed: cache.shared.url is no Redis"])
    if backend == "redis" and (why := config.cache.excludes_clear):
        raise ConfigError([f"cache.vector.backend: redis {why}: it holds questions in clear"])
    patience_ms = max(PATIENCE_MS, config.cache.shared.timeout_ms)
    shared = config.cache.shared.model_copy(update={"timeout_ms": patience_ms})
    cache = config.cache.model_copy(update={"vector": vector, "shared": shared})
    return config.model_copy(update={"cache": cache})


@dataclass(frozen=True, slots=True)
class _Parts:
    """What a move needs, started."""

    shared: SharedTier
    embedder: Embedder
    index: VectorTier


async def _with(config: Config, work: Callable[[_Parts], Awaitable[T]]) -> T:
    """Do something with the index and its source of truth."""
    observer = _observer(config)
    path = config.cache.shared.sqlite_path
    if path is not None and not path.exists():
        raise MigrationError(f"{path}: there is no cache yet")
    embedder = embedder_of(config) if config.cache.vector.enabled else None
    if embedder is None:
        raise MigrationError("there is no index: cache.vector.enabled or embedder.kind says none")
    async with AsyncExitStack() as stack:
        shared = sharing.tier_of(config, observer)
        stack.push_async_callback(shared.close)
        await shared.start()
        index = indexing.build(config, embedder, shared, observer)
        stack.push_async_callback(index.close)
        await index.start()
        return await work(_Parts(shared, embedder, index))


def _observer(config: Config) -> Observer:
    return Telemetry([Logs(open_logs(config.telemetry.log_format, "warning", sys.stderr))])


async def _told(work: Awaitable[T]) -> T:
    """A tier's fault as the operator's problem."""
    try:
        return await work
    except UnfitServerError as error:
        raise ConfigError([f"cache.vector.backend: {error}"]) from error
    except TierError as error:
        raise MigrationError(str(error)) from error


async def _migrate(
    parts: _Parts, backend: Backend, anew: bool, tell: Callable[[Progress], None]
) -> Moved:
    began = saved = time.monotonic()
    index = parts.index
    position = None if anew else index.position
    is_resumed = position is not None
    done = int(index.stats()["entries"]) if is_resumed else 0
    total = len(await parts.shared.purge(Selector(ALL_TENANTS, everything=True), dry_run=True))
    added = removed = 0
    more = True
    try:
        while more:
            tell(Progress(min(done + added, total), total))
            changes = await parts.shared.changes(position, PAGE)
            await index.apply(changes)
            position, more = changes.position, changes.more
            came = sum(isinstance(item, Added) for item in changes.items)
            went = sum(isinstance(item, Removed) for item in changes.items)
            added, removed = added + came, removed + went
            if more and time.monotonic() - saved > SAVE_S:
                await index.save()
                saved = time.monotonic()
    finally:
        await index.save()
    tell(Progress(total, total))
    return Moved(
        backend=backend,
        embedder=parts.embedder.id,
        dimension=parts.embedder.dimension,
        entries=int(index.stats()["entries"]),
        added=added,
        removed=removed,
        resumed=is_resumed,
        seconds=time.monotonic() - began,
    )


async def _clear(parts: _Parts) -> int:
    """Delete an index in Redis, whoever uses it."""
    from proxy.tiers.vectorsets import VectorSetTier  # noqa: PLC0415 - only where Redis is used

    held = int(parts.index.stats()["entries"])
    if isinstance(parts.index, VectorSetTier):
        await parts.index.clear()
    return held
