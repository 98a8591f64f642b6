"""The composition root: have the parts built as configured, start them, close them.

Building has no side effects; `open_live` starts what was built and closes it in reverse. A part
that cannot start degrades the cache and is tried again: only a configuration that makes no sense
stops the program. Another configuration is followed without a stop: see `Live`.

A new part that holds state or connections is a field of `proxy.parts.standing.Standing`; one that
only applies the configuration, of `proxy.parts.replaceable.Replaceable`. A `Runtime` has both.
"""

import asyncio
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import TextIO

from proxy.config import Config
from proxy.core.changes import Selector
from proxy.errors import ConfigError, UnfitServerError
from proxy.forgetting import Purged
from proxy.parts import replaceable, rules, standing
from proxy.parts.replaceable import Replaceable
from proxy.parts.standing import Standing
from proxy.reembedding import Reembedder
from proxy.resilience import Deadline
from proxy.scheduling import Scheduler
from proxy.unembedded import Unembedded
from proxy.upstream.origins import Origins
from proxy.worker import Worker


@dataclass(frozen=True, kw_only=True, eq=False)
class Runtime(Standing, Replaceable):
    """A running cache: what stands, and what one configuration makes of it.

    Attributes:
        config: That configuration.
    """

    config: Config

    @classmethod
    def of(cls, config: Config, stands: Standing, before: "Runtime | None" = None) -> "Runtime":
        """What the configuration makes of what stands.

        Args:
            config: What the operator chose.
            stands: What it is applied to.
            before: Whose origins, with their connections, are kept if they are the same.

        Raises:
            ConfigError: Something that is configured does not exist.
        """
        origins = (
            before.origins if before is not None and _asks_alike(before.config, config) else None
        )
        made = replaceable.build(config, stands, origins)
        return cls(config=config, **vars(stands), **vars(made))

    def trouble(self) -> dict[str, str | None]:
        """Each part, and why it is degraded; None when it is well."""
        return {stage.name: stage.status for stage in self.stages}

    async def invalidate(self, selector: Selector, *, dry_run: bool = False) -> Purged:
        """Forget entries in every tier; see `Forgetting.forget`."""
        return await self.forgetting.forget(selector, dry_run=dry_run)


class Live:
    """The runtime that holds now, and those before it until the last of their requests is over.

    Args:
        stands: What all of them have in common.
        first: The one to begin with.
    """

    def __init__(self, stands: Standing, first: Runtime) -> None:
        self.current = first
        self._stands = stands
        self._open = [first.origins]
        self._requests: Counter[Origins] = Counter()
        self._following = asyncio.Lock()

    @contextmanager
    def using(self) -> Iterator[Runtime]:
        """The runtime for one request, which keeps it to its end."""
        runtime = self.current
        origins = runtime.origins
        self._requests[origins] += 1
        try:
            yield runtime
        finally:
            self._requests[origins] -= 1
            self._let_go(origins)

    async def follow(self, config: Config) -> None:
        """Answer the requests that come from now on as this configuration says.

        What needs a restart must be as it was. Requests under way go on as they began.

        Raises:
            ConfigError: Something that is configured does not exist; nothing has changed then.
        """
        async with self._following:
            before = self.current
            runtime = Runtime.of(config, self._stands, before)
            if runtime.origins is not before.origins:
                self._open.append(runtime.origins)
                await runtime.origins.start()
            standing.adapt(self._stands, config)
            self.current = runtime
            self._let_go(before.origins)

    def _let_go(self, origins: Origins) -> None:
        if not self._requests[origins]:
            del self._requests[origins]
            if origins is not self.current.origins:
                self._stands.tasks.run("close origins", self._close(origins))

    async def _close(self, origins: Origins) -> None:
        await self._stands.flights.drain(None)  # its requests may have begun some of them
        await origins.close()
        self._open.remove(origins)

    async def start(self) -> None:
        """Open the first one's pools; no connection is made yet."""
        await self.current.origins.start()

    async def close(self) -> None:
        """Close every connection to an origin."""
        for origins in self._open:
            await origins.close()


@asynccontextmanager
async def open_live(
    config: Config, log: TextIO | None = None, worker: Worker | None = None
) -> AsyncIterator[Live]:
    """Start a cache, and close it at the end of the block: what was promised is written first.

    Args:
        config: What the operator chose.
        log: Where log lines go; None for standard error.
        worker: Which of several processes this is; None when it is alone.

    Raises:
        ConfigError: The configuration names something that does not exist, or a server that cannot
            do what it says.
    """
    stands = standing.build(config, log or sys.stderr, worker)
    live = Live(stands, Runtime.of(config, stands))
    async with AsyncExitStack() as stack:
        for close in (*stands.closers, live.close, stands.tasks.close):
            stack.push_async_callback(close)
        await live.start()
        await _start(stands)
        poll_s = config.cache.shared.poll_s
        stands.tasks.keep("drain", lambda: stands.drain.keep_draining(poll_s))
        if worker is None or worker.is_first:
            stands.tasks.keep("purges", _scheduler(live, stands).keep_time)
        if stands.unembedded is not None:
            _keep_embedded(stands, stands.unembedded)
        try:
            yield live
        finally:
            deadline = Deadline(live.current.config.server.drain_s)
            await stands.announcer.withdraw()
            await stands.flights.drain(deadline.remaining)
            await stands.drain.close(deadline)
            await stands.upkeep.stop()


@asynccontextmanager
async def open_runtime(
    config: Config, log: TextIO | None = None, worker: Worker | None = None
) -> AsyncIterator[Runtime]:
    """The same, for who follows no other configuration."""
    async with open_live(config, log, worker) as live:
        yield live.current


def _scheduler(live: Live, stands: Standing) -> Scheduler:
    """Makes the purges of the configuration that holds when their time comes."""

    async def forget(selector: Selector) -> int | None:
        return (await live.current.invalidate(selector)).count

    return Scheduler(
        lambda: rules.purges(live.current.config),
        forget,
        stands.sharing.leases,
        clock=time.time,
        observer=stands.observer,
    )


def _keep_embedded(stands: Standing, unembedded: Unembedded) -> None:
    """Have stored answers given the vectors that they lack."""
    renewer, told = unembedded.renewer, [unembedded.stats]
    stands.tasks.keep("embed", unembedded.keep_up)
    if stands.worker is None or stands.worker.is_first:
        reembedder = Reembedder(
            stands.shared,
            stands.sharing.embedders,
            stands.sharing.leases,
            renewer,
            observer=stands.observer,
        )
        told.append(reembedder.stats)
        stands.tasks.keep("reembed", reembedder.keep_up)

    def stats() -> Mapping[str, float]:
        left = [one["left"] for one in (stats() for stats in told) if "left" in one]
        return {"done": renewer.done} | ({"left": sum(left)} if left else {})

    stands.metrics.register_reembedding(stats)


def _asks_alike(one: Config, other: Config) -> bool:
    return (one.upstream, one.upstreams) == (other.upstream, other.upstreams)


async def _start(stands: Standing) -> None:
    try:
        await stands.upkeep.start()
    except UnfitServerError as error:
        raise ConfigError([f"cache.vector.backend: {error}"]) from error
    await stands.experience.start()
    for stage in stands.stages:
        await stage.start()
    stands.counter.start()
    stands.tasks.keep("announce", stands.announcer.keep_announcing)
    for name, work in stands.upkeep.works().items():
        stands.tasks.keep(name, work)
