"""The composition root: build the object graph from the configuration, start it, close it.

The only module that knows both the configuration and the adapters. Building has no side effects;
`open_runtime` starts what was built and closes it in reverse. A part that cannot start degrades the
cache and is tried again: only a configuration that makes no sense stops the program.
"""

import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from importlib.metadata import version
from typing import TextIO

from proxy.asking import Asker
from proxy.backlog import Backlog, Drain
from proxy.batchcalls import BatchCalls
from proxy.batching import Batcher
from proxy.coalescing import Turns
from proxy.config import Config
from proxy.core.admission import Admission
from proxy.core.changes import Selector
from proxy.core.directives import Limits
from proxy.errors import ConfigError, UnfitServerError
from proxy.flights import Flights
from proxy.gateway import Gateway
from proxy.parts import experience as experiences
from proxy.parts import rules, tracing
from proxy.parts import sharing as sharings
from proxy.parts.experience import Experience
from proxy.parts.semantic import Built, build
from proxy.parts.sharing import WRITE_S, Sharing
from proxy.ports import Catalogue, Observer, SessionTier, SharedTier, Tracing
from proxy.resilience import Deadline, Pace, Probe, Stage, Tasks
from proxy.searching import Search, Semantic
from proxy.storing import Store
from proxy.telemetry import Telemetry
from proxy.telemetry.gauges import Readings
from proxy.telemetry.logs import Logs, open_logs
from proxy.telemetry.metrics import Metrics
from proxy.telemetry.tokens import TokenCounter
from proxy.tiers.session import MemoryTier
from proxy.upkeep import Every, Upkeep
from proxy.upstream.origins import Origins
from proxy.worker import Worker


@dataclass(frozen=True, slots=True)
class Runtime:
    """A running cache."""

    config: Config
    gateway: Gateway
    batcher: Batcher
    search: Search
    store: Store
    flights: Flights
    upkeep: Upkeep
    backlog: Backlog
    drain: Drain
    session: SessionTier
    shared: SharedTier
    shared_stage: Stage
    catalogue: Catalogue
    origins: Origins
    observer: Observer
    metrics: Metrics
    admission: Admission
    limits: Limits
    experience: Experience
    semantic: Semantic | None = None
    stages: tuple[Stage, ...] = field(default=())
    worker: Worker | None = None
    redis: Readings | None = None
    traces: Tracing | None = None

    def trouble(self) -> dict[str, str | None]:
        """Each part, and why it is degraded; None when it is well."""
        return {stage.name: stage.status for stage in self.stages}

    async def invalidate(self, selector: Selector, *, dry_run: bool = False) -> Sequence[str]:
        """Forget entries in every tier; returns their ids. Raises TierError when it cannot.

        Answers that are there are written first, to be found and told of; what is under way is
        overtaken, or it would be written after the purge. Then the shared tier: once it has logged
        the removal, every fold of its log forgets too.
        """
        await self.store.idle(Deadline(WRITE_S))
        if dry_run:
            found = await self.shared.purge(selector, dry_run=True)
            return tuple(dict.fromkeys((*found, *self.backlog.matching(selector))))
        self.flights.void(selector.ids)
        with self.backlog.held():
            await self.store.idle(Deadline(WRITE_S))
            await self.backlog.settled()
            waiting = self.backlog.matching(selector)
            self.backlog.drop(waiting)
            found = await self.shared.purge(selector)
        ids = tuple(dict.fromkeys((*found, *waiting)))
        self.session.purge(selector)
        self.session.drop(ids)
        await self.upkeep.catch_up()
        return ids


@asynccontextmanager
async def open_runtime(
    config: Config, log: TextIO | None = None, worker: Worker | None = None
) -> AsyncIterator[Runtime]:
    """Start a cache, and close it at the end of the block: what was promised is written first.

    Args:
        config: What the operator chose.
        log: Where log lines go; None for standard error.
        worker: Which of several processes this is; None when it is alone.

    Raises:
        ConfigError: The configuration names something that does not exist, or a server that cannot
            do what it says.
    """
    builder = _Builder(config, log or sys.stderr, worker)
    runtime = builder.build()
    async with AsyncExitStack() as stack:
        stack.push_async_callback(runtime.shared.close)
        for close in builder.closers:
            stack.push_async_callback(close)
        stack.push_async_callback(builder.tasks.close)
        await runtime.origins.start()
        try:
            await runtime.upkeep.start()
        except UnfitServerError as error:
            raise ConfigError([f"cache.vector.backend: {error}"]) from error
        await runtime.experience.start()
        for stage in runtime.stages:
            await stage.start()
        builder.counter.start()
        for name, work in runtime.upkeep.works().items():
            builder.tasks.run(name, work)
        builder.tasks.run("drain", runtime.drain.keep_draining(config.cache.shared.poll_s))
        try:
            yield runtime
        finally:
            deadline = Deadline(config.server.drain_s)
            await runtime.flights.drain(deadline.remaining)
            await runtime.drain.close(deadline)
            await runtime.upkeep.stop()


APIS = (
    "chat.completions",
    "responses",
    "completions",
    "embeddings",
    "messages",
    "passthrough",
)
"""What a request may be counted as."""


class _Builder:
    """Makes the parts, in the order they need each other."""

    def __init__(self, config: Config, log: TextIO, worker: Worker | None) -> None:
        self.config = config
        self.worker = worker
        self.closers: list[Callable[[], Awaitable[None]]] = []
        self.metrics = Metrics(version("reprise"), apis=APIS)
        telemetry = config.telemetry
        lines = open_logs(telemetry.log_format, telemetry.log_level, log)
        logs = Logs(lines if worker is None else lines.bind(worker=worker.number))
        self.traces = tracing.build(config, worker)
        traced = [] if self.traces is None else [self.traces]
        self.closers += [one.close for one in traced]
        self.observer: Observer = Telemetry([logs, self.metrics, *traced])
        self.tasks = Tasks(self.observer)
        self.counter = TokenCounter() if telemetry.count_tokens else TokenCounter(None)
        self.stages: list[Stage] = []

    def build(self) -> Runtime:
        config, cache = self.config, self.config.cache
        session = self._session()
        sharing = self._sharing()
        shared, shared_stage, backlog = sharing.tier, sharing.stage, sharing.backlog
        built = self._semantic(shared)
        semantic = built.semantic if built else None
        experience = self._experience(semantic)
        flights = self._flights()
        upkeep = self._upkeep(session, sharing, semantic, flights)
        drain = self._drain(backlog, (shared, shared_stage), upkeep)
        store = self._store(session, (shared, shared_stage), semantic, upkeep, backlog)
        search = Search(
            session,
            (shared, shared_stage),
            semantic,
            store,
            deadline_s=cache.deadline_ms / 1000,
            clock=time.time,
            forbids=experience.marks.forbids,
            gone=upkeep.gone,
        )
        self._show(session)
        return Runtime(
            config=config,
            gateway=self._gateway(search, store, flights, experience, sharing.turns),
            batcher=self._batcher(search, store, flights),
            search=search,
            store=store,
            flights=flights,
            upkeep=upkeep,
            backlog=backlog,
            drain=drain,
            session=session,
            shared=shared,
            shared_stage=shared_stage,
            catalogue=sharing.catalogue,
            origins=self._origins(),
            observer=self.observer,
            metrics=self.metrics,
            admission=rules.admission(config),
            limits=rules.limits(config, built.least if built else None),
            semantic=semantic,
            experience=experience,
            stages=tuple(self.stages),
            redis=sharing.link.stats if sharing.link is not None else None,
            worker=self.worker,
            traces=self.traces,
        )

    def _sharing(self) -> Sharing:
        sharing = sharings.build(self.config, self._stage, self.tasks, self.observer)
        self.metrics.register_backlog(sharing.backlog.stats)
        if sharing.link is not None:
            sharing.link.tell(self.metrics.register_redis(sharing.link.stats).timed)
        return sharing

    def _show(self, session: SessionTier) -> None:
        """What is read at every scrape."""
        self.metrics.register_gauges("session", session.stats)
        self.metrics.register_breakers(
            lambda: {stage.name: float(stage.trouble is not None) for stage in self.stages}
        )

    def _store(
        self,
        session: SessionTier,
        shared: tuple[SharedTier, Stage],
        semantic: Semantic | None,
        upkeep: Upkeep,
        backlog: Backlog,
    ) -> Store:
        return Store(
            session,
            shared,
            (semantic.embedder, semantic.embed_stage) if semantic else None,
            lifetimes=rules.lifetimes(self.config),
            write_s=WRITE_S,
            clock=time.time,
            publish=upkeep.catch_up,
            count=self.counter.usage,
            backlog=backlog,
        )

    def _drain(self, backlog: Backlog, shared: tuple[SharedTier, Stage], upkeep: Upkeep) -> Drain:
        return Drain(
            backlog,
            shared,
            catch_up=upkeep.catch_up,
            clock=time.time,
            observer=self.observer,
            write_s=WRITE_S,
        )

    def _upkeep(
        self,
        session: SessionTier,
        sharing: Sharing,
        semantic: Semantic | None,
        flights: Flights,
    ) -> Upkeep:
        cache = self.config.cache
        return Upkeep(
            session,
            sharing.tier,
            semantic.index if semantic else None,
            clock=time.time,
            observer=self.observer,
            watch=sharing.watch,
            every=Every(
                cache.shared.poll_s,
                cache.shared.expire_every_s,
                cache.vector.snapshot_every_s if _is_first(self.worker) else None,
            ),
            backlog=sharing.backlog,
            void=flights.void,
        )

    def _flights(self) -> Flights:
        cache = self.config.cache
        return Flights(
            self.tasks,
            linger_s=cache.deadline_ms / 1000,
            finish_deserted=cache.finish_on_disconnect,
        )

    def _gateway(
        self,
        search: Search,
        store: Store,
        flights: Flights,
        experience: Experience,
        turns: Turns,
    ) -> Gateway:
        cache = self.config.cache
        asker = Asker(
            flights,
            turns,
            store,
            experience.learning,
            max_entry_bytes=cache.max_entry_bytes,
        )
        is_paced = cache.replay.pace == "tokens"
        return Gateway(
            search,
            store,
            asker=asker,
            learning=experience.learning,
            hits=experience.hits,
            clock=time.time,
            observer=self.observer,
            price=rules.prices(self.config).saved_usd,
            tokens_per_s=cache.replay.tokens_per_s if is_paced else None,
        )

    def _batcher(self, search: Search, store: Store, flights: Flights) -> Batcher:
        max_entry_bytes = self.config.cache.max_entry_bytes
        return Batcher(
            search,
            store,
            BatchCalls(flights, store, max_entry_bytes=max_entry_bytes),
            clock=time.time,
            observer=self.observer,
            price=rules.prices(self.config).saved_usd,
        )

    def _stage(self, name: str, probe: Probe, pace: Pace | None = None) -> Stage:
        breaker = self.config.cache.breaker
        stage = Stage(
            name,
            probe,
            tasks=self.tasks,
            observer=self.observer,
            faults=breaker.faults,
            retry_s=breaker.retry_s,
            probe_s=breaker.probe_s,
            pace=pace,
        )
        self.stages.append(stage)
        return stage

    def _session(self) -> SessionTier:
        chosen = self.config.cache.session
        return MemoryTier(
            clock=time.time,
            max_entries=chosen.max_entries,
            max_bytes=chosen.max_bytes if chosen.enabled else 0,
            ttl_s=chosen.ttl_s,
        )

    def _semantic(self, shared: SharedTier) -> Built | None:
        built = build(self.config, shared, self._stage, self.tasks, self.observer)
        if built is not None:
            self.closers += built.closers
            self.metrics.register_gauges("vector", built.semantic.index.stats)
        return built

    def _experience(self, semantic: Semantic | None) -> Experience:
        experience = experiences.build(
            self.config, semantic, self._stage, self.tasks, self.observer
        )
        self.closers += experience.closers
        self.metrics.register_audits(experience.learning.rates)
        return experience

    def _origins(self) -> Origins:
        origins = Origins(self.config, self.observer)
        self.closers.append(origins.close)
        return origins


def _is_first(worker: Worker | None) -> bool:
    return worker is None or worker.is_first
