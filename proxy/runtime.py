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

from proxy import experience as experiences
from proxy.asking import Asker
from proxy.backlog import Backlog, Drain
from proxy.config import Config
from proxy.core.admission import Action, Admission
from proxy.core.directives import Limits
from proxy.core.freshness import Lifetimes, TtlRule
from proxy.core.model import Selector
from proxy.experience import Experience
from proxy.flights import Flights
from proxy.gateway import Gateway
from proxy.ports import Observer, SessionTier, SharedTier
from proxy.resilience import Deadline, Stage, Tasks
from proxy.searching import Search, Semantic
from proxy.semantic import Built, build
from proxy.storing import Store
from proxy.telemetry import Telemetry
from proxy.telemetry.logs import Logs, open_logs
from proxy.telemetry.metrics import Metrics
from proxy.telemetry.prices import Price, Prices
from proxy.telemetry.tokens import TokenCounter
from proxy.tiers.session import MemoryTier, size_of
from proxy.tiers.sqlite import SqliteTier
from proxy.upkeep import Upkeep
from proxy.upstream.client import HttpOrigin

WRITE_S = 30.0
"""How long storing one answer may take: nobody waits for it."""


@dataclass(frozen=True, slots=True)
class Runtime:
    """A running cache."""

    config: Config
    gateway: Gateway
    search: Search
    store: Store
    flights: Flights
    upkeep: Upkeep
    backlog: Backlog
    drain: Drain
    session: SessionTier
    shared: SharedTier
    shared_stage: Stage
    origin: HttpOrigin
    observer: Observer
    metrics: Metrics
    admission: Admission
    limits: Limits
    experience: Experience
    semantic: Semantic | None = None
    stages: tuple[Stage, ...] = field(default=())

    def trouble(self) -> dict[str, str | None]:
        """Each part, and why it is degraded; None when it is well."""
        return {stage.name: stage.trouble for stage in self.stages}

    async def invalidate(self, selector: Selector, *, dry_run: bool = False) -> Sequence[str]:
        """Forget entries in every tier; returns their ids. Raises TierError when it cannot.

        What is under way is overtaken first, or it would be written after the purge. Then the
        shared tier: once it has logged the removal, every fold of its log forgets too.
        """
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
async def open_runtime(config: Config, log: TextIO | None = None) -> AsyncIterator[Runtime]:
    """Start a cache, and close it at the end of the block: what was promised is written first.

    Args:
        config: What the operator chose.
        log: Where log lines go; None for standard error.

    Raises:
        ConfigError: The configuration names something that does not exist.
    """
    builder = _Builder(config, log or sys.stderr)
    runtime = builder.build()
    async with AsyncExitStack() as stack:
        stack.push_async_callback(runtime.shared.close)
        for close in builder.closers:
            stack.push_async_callback(close)
        stack.push_async_callback(builder.tasks.close)
        await runtime.origin.start()
        await runtime.upkeep.start()
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


class _Builder:
    """Makes the parts, in the order they need each other."""

    def __init__(self, config: Config, log: TextIO) -> None:
        self.config = config
        self.closers: list[Callable[[], Awaitable[None]]] = []
        self.metrics = Metrics(version("reprise"), apis=("chat.completions", "passthrough"))
        telemetry = config.telemetry
        logs = Logs(open_logs(telemetry.log_format, telemetry.log_level, log))
        self.observer: Observer = Telemetry([logs, self.metrics])
        self.tasks = Tasks(self.observer)
        self.counter = TokenCounter() if telemetry.count_tokens else TokenCounter(None)
        self.stages: list[Stage] = []

    def build(self) -> Runtime:
        config, cache = self.config, self.config.cache
        session, shared = self._session(), self._shared()
        shared_stage = self._stage("shared", _probe_shared(shared))
        built = self._semantic()
        semantic = built.semantic if built else None
        experience = self._experience(semantic)
        backlog = self._backlog()
        upkeep = self._upkeep(session, shared, semantic, backlog)
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
        )
        flights = Flights(
            self.tasks,
            linger_s=cache.deadline_ms / 1000,
            finish_deserted=cache.finish_on_disconnect,
        )
        self._show(session)
        return Runtime(
            config=config,
            gateway=self._gateway(search, store, flights, experience),
            search=search,
            store=store,
            flights=flights,
            upkeep=upkeep,
            backlog=backlog,
            drain=drain,
            session=session,
            shared=shared,
            shared_stage=shared_stage,
            origin=self._origin(),
            observer=self.observer,
            metrics=self.metrics,
            admission=_admission(config),
            limits=Limits(
                built.least if built else None, allow_looser=cache.vector.allow_looser_threshold
            ),
            semantic=semantic,
            experience=experience,
            stages=tuple(self.stages),
        )

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
            lifetimes=_lifetimes(self.config),
            write_s=WRITE_S,
            clock=time.time,
            publish=upkeep.catch_up,
            count=self.counter.usage,
            backlog=backlog,
        )

    def _backlog(self) -> Backlog:
        chosen = self.config.cache.shared
        backlog = Backlog(
            max_entries=chosen.max_backlog,
            max_bytes=chosen.max_backlog_bytes,
            size_of=size_of,
            observer=self.observer,
        )
        self.metrics.register_backlog(backlog.stats)
        return backlog

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
        shared: SharedTier,
        semantic: Semantic | None,
        backlog: Backlog,
    ) -> Upkeep:
        cache = self.config.cache
        return Upkeep(
            session,
            shared,
            semantic.index if semantic else None,
            clock=time.time,
            observer=self.observer,
            poll_s=cache.shared.poll_s,
            expire_s=cache.shared.expire_every_s,
            save_s=cache.vector.snapshot_every_s,
            backlog=backlog,
        )

    def _gateway(
        self, search: Search, store: Store, flights: Flights, experience: Experience
    ) -> Gateway:
        cache = self.config.cache
        asker = Asker(
            flights,
            store,
            experience.learning,
            observer=self.observer,
            max_entry_bytes=cache.max_entry_bytes,
            request_usage=self.config.upstream.request_usage,
        )
        table = {
            name: Price(price.input, price.output)
            for name, price in self.config.telemetry.prices.items()
        }
        is_paced = cache.replay.pace == "tokens"
        return Gateway(
            search,
            store,
            asker=asker,
            learning=experience.learning,
            hits=experience.hits,
            clock=time.time,
            observer=self.observer,
            price=Prices(table).saved_usd,
            tokens_per_s=cache.replay.tokens_per_s if is_paced else None,
        )

    def _stage(self, name: str, probe: Callable[[], Awaitable[None]]) -> Stage:
        breaker = self.config.cache.breaker
        stage = Stage(
            name,
            probe,
            tasks=self.tasks,
            observer=self.observer,
            faults=breaker.faults,
            retry_s=breaker.retry_s,
            probe_s=breaker.probe_s,
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

    def _shared(self) -> SharedTier:
        chosen = self.config.cache.shared
        if (path := chosen.sqlite_path) is not None:
            return SqliteTier(
                path,
                clock=time.time,
                on_event=self.observer.event,
                log_records=chosen.max_log_records,
            )
        from proxy.tiers.redis import RedisTier  # noqa: PLC0415 - only where Redis is configured
        from proxy.tiers.redisclient import Access, Tls  # noqa: PLC0415 - the same

        password = chosen.sentinel_password
        return RedisTier(
            chosen.url.get_secret_value(),
            prefix=chosen.key_prefix,
            clock=time.time,
            on_event=self.observer.event,
            log_records=chosen.max_log_records,
            timeout_s=chosen.timeout_ms / 1000,
            max_connections=chosen.max_connections,
            access=Access(
                Tls(**chosen.tls.model_dump()),
                chosen.sentinel_user,
                password.get_secret_value() if password else None,
                chosen.client_name,
            ),
        )

    def _semantic(self) -> Built | None:
        built = build(self.config, self._stage, self.tasks, self.observer)
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

    def _origin(self) -> HttpOrigin:
        upstream = self.config.upstream
        origin = HttpOrigin(
            upstream.base_url,
            api_key=upstream.api_key.get_secret_value() if upstream.api_key else None,
            connect_timeout_s=upstream.connect_timeout_s,
            first_byte_timeout_s=upstream.first_byte_timeout_s,
            idle_timeout_s=upstream.idle_timeout_s,
            max_connections=upstream.max_connections,
        )
        self.closers.append(origin.close)
        return origin


def _probe_shared(shared: SharedTier) -> Callable[[], Awaitable[None]]:
    async def probe() -> None:
        await shared.start()
        await shared.get("", "probe")

    return probe


def _lifetimes(config: Config) -> Lifetimes:
    ttl = config.cache.ttl
    rules = tuple(
        TtlRule(rule.ttl_s, rule.model, rule.namespace, rule.tag, rule.path) for rule in ttl.rules
    )
    return Lifetimes(ttl.default_s, ttl.max_s, ttl.stale_s, rules)


def _admission(config: Config) -> Admission:
    chosen = config.cache.admission
    return Admission(
        max_temperature=chosen.max_temperature,
        temperature=Action[chosen.temperature_action.upper()],
        time_words=chosen.time_words,
        time=Action[chosen.time_action.upper()],
        pii=Action[chosen.pii_action.upper()],
        tools=Action[chosen.tools_action.upper()],
    )
