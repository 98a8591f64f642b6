"""What stands for as long as the process lives, whatever else is chosen anew.

It holds state or connections: the tiers, the index, the models, the calls under way, what was
learned and counted. A part of the composition root, apart for its size. Building has no side
effects: `proxy.runtime` starts what is built, and closes it.
"""

import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from importlib.metadata import version
from typing import TextIO

from proxy.announcing import Announcer
from proxy.backlog import Backlog, Drain
from proxy.config import Config, digest
from proxy.core.model import Entry
from proxy.core.quotas import Quotas, Slots
from proxy.flights import Flights
from proxy.forgetting import Forgetting
from proxy.parts import experience as experiences
from proxy.parts import presence, rules, semantic, sharing, tracing
from proxy.parts.experience import Experience
from proxy.parts.semantic import Meaning
from proxy.parts.sharing import WRITE_S, Sharing
from proxy.ports import Archive, Catalogue, Observer, SessionTier, SharedTier, Tracing, VectorTier
from proxy.refreshing import Refreshes
from proxy.renewing import Renewer
from proxy.repeats import Repeats
from proxy.resilience import Pace, Probe, Stage, Tasks
from proxy.storing import Writing
from proxy.telemetry import Telemetry
from proxy.telemetry.gauges import Readings
from proxy.telemetry.logs import Logs, open_logs
from proxy.telemetry.metrics import Metrics
from proxy.telemetry.spending import Spending
from proxy.telemetry.tokens import TokenCounter
from proxy.telemetry.watching import Watch
from proxy.tiers.session import MemoryTier
from proxy.unembedded import Unembedded
from proxy.upkeep import Every, Upkeep
from proxy.worker import Worker

APIS = (
    "chat.completions",
    "responses",
    "completions",
    "embeddings",
    "messages",
    "passthrough",
)
"""What a request may be counted as."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Standing:
    """What stands.

    Attributes:
        log, logs: Where log lines go, and who writes them.
        tasks: Owns what runs in the background.
        counter: Counts tokens.
        spending: Counts what the cache itself spends.
        meaning: What answers reworded questions; None where only exact repeats are answered.
        sharing: What replicas share.
        watch: What operators look at; switched on where they have a token.
        unembedded: Sees to answers without a vector; None where none has one.
        writing: The answers that are just being stored.
        forgetting: Forgets what is meant, everywhere.
        stages: Of every part that can fail.
        quotas: What callers have left.
        asking: Places for calls to origins.
        in_flight: Places for requests of callers.
        closers: Each part's `close`, in the order of the building.
        announcer: Says that this process is there, and knows who else is.
        redis: What is known of the way to Redis; None without one.
    """

    worker: Worker | None
    log: TextIO
    logs: Logs
    observer: Observer
    metrics: Metrics
    spending: Spending
    watch: Watch
    traces: Tracing | None
    tasks: Tasks
    counter: TokenCounter
    session: MemoryTier
    sharing: Sharing
    meaning: Meaning | None
    experience: Experience
    repeats: Repeats
    flights: Flights
    quotas: Quotas
    asking: Slots
    in_flight: Slots
    refreshes: Refreshes
    upkeep: Upkeep
    drain: Drain
    unembedded: Unembedded | None
    writing: Writing
    forgetting: Forgetting
    announcer: Announcer
    stages: tuple[Stage, ...]
    closers: tuple[Callable[[], Awaitable[None]], ...]
    redis: Readings | None

    @property
    def shared(self) -> SharedTier:
        """Every entry."""
        return self.sharing.tier

    @property
    def shared_stage(self) -> Stage:
        """Its stage."""
        return self.sharing.stage

    @property
    def catalogue(self) -> Catalogue:
        """The list of every entry."""
        return self.sharing.catalogue

    @property
    def archive(self) -> Archive:
        """The entries themselves, for backups."""
        return self.sharing.archive

    @property
    def backlog(self) -> Backlog:
        """Answers that the shared tier could not take."""
        return self.sharing.backlog

    def owe(self, entry: Entry) -> None:
        """An answer is about to be stored without the vector that it should have."""
        if self.unembedded is not None:
            self.unembedded.add(entry)


def build(config: Config, log: TextIO, worker: Worker | None) -> Standing:
    """All of it, as configured.

    Raises:
        ConfigError: Something that is configured does not exist.
    """
    return _Builder(config, log, worker).build()


def adapt(stands: Standing, config: Config) -> None:
    """Have what stands follow another configuration, in all that needs no restart."""
    cache, breaker = config.cache, config.cache.breaker
    telemetry, session = config.telemetry, cache.session
    stands.logs.adapt(open_logs(telemetry.log_format, telemetry.log_level, stands.log))
    stands.watch.switch(on=config.admin.token is not None)
    stands.spending.prices = rules.prices(config)
    stands.announcer.configured(digest(config))
    stands.session.adapt(
        max_entries=session.max_entries,
        max_bytes=session.max_bytes if session.enabled else 0,
        ttl_s=session.ttl_s,
    )
    stands.flights.adapt(
        linger_s=cache.deadline_ms / 1000, finish_deserted=cache.finish_on_disconnect
    )
    stands.asking.most = config.limits.asking
    stands.in_flight.most = config.limits.in_flight
    stands.experience.learning.adapt(experiences.terms(config))
    if stands.meaning is not None:
        stands.meaning.patience.seconds = semantic.patience_s(config)
    if stands.unembedded is not None:
        stands.unembedded.renewer.per_s = cache.vector.reembed_per_s
    if stands.meaning is not None and stands.meaning.second is not None:
        stands.meaning.second.calls.wait_s = semantic.wait_s(config)
    for stage in stands.stages:
        stage.adapt(
            faults=breaker.faults,
            retry_s=breaker.retry_s,
            probe_s=breaker.probe_s,
            within_s=cache.deadline_ms / 1000 * sharing.LOOKUP_SHARE,
        )


class _Builder:
    """Makes the parts, in the order they need each other."""

    def __init__(self, config: Config, log: TextIO, worker: Worker | None) -> None:
        self.config = config
        self.worker = worker
        self.closers: list[Callable[[], Awaitable[None]]] = []
        self.metrics = Metrics(version("reprise"), apis=APIS)
        self.spending = Spending(rules.prices(config), self.metrics)
        self.log = log
        telemetry = config.telemetry
        lines = open_logs(telemetry.log_format, telemetry.log_level, log)
        self.logs = Logs(lines, **({} if worker is None else {"worker": worker.number}))
        self.traces = tracing.build(config, worker)
        traced = [] if self.traces is None else [self.traces]
        self.closers += [one.close for one in traced]
        self.watch = Watch(clock=time.time, is_on=config.admin.token is not None)
        self.observer: Observer = Telemetry([self.logs, self.metrics, self.watch, *traced])
        self.tasks = Tasks(self.observer)
        self.asking = Slots(config.limits.asking, "requests to the origin")
        self.in_flight = Slots(config.limits.in_flight, "requests")
        self.stages: list[Stage] = []

    def build(self) -> Standing:
        session = self._session()
        shared = self._sharing()
        meaning = self._meaning(shared.tier)
        experience = self._experience(meaning)
        flights = self._flights(shared)
        upkeep = self._upkeep(session, shared, meaning, flights)
        announcer = self._announcer(shared, (session, meaning.index if meaning else None), upkeep)
        self._show(session)
        writing = Writing(WRITE_S)
        return Standing(
            worker=self.worker,
            log=self.log,
            logs=self.logs,
            observer=self.observer,
            metrics=self.metrics,
            spending=self.spending,
            watch=self.watch,
            traces=self.traces,
            tasks=self.tasks,
            counter=TokenCounter() if self.config.telemetry.count_tokens else TokenCounter(None),
            session=session,
            sharing=shared,
            meaning=meaning,
            experience=experience,
            repeats=Repeats(session, (shared.tier, shared.stage), experience.hits, self.observer),
            flights=flights,
            quotas=Quotas(),
            asking=self.asking,
            in_flight=self.in_flight,
            refreshes=Refreshes(self.tasks, self.observer),
            upkeep=upkeep,
            drain=self._drain(shared, upkeep),
            unembedded=self._unembedded(shared, meaning, upkeep) if meaning else None,
            writing=writing,
            forgetting=Forgetting(
                shared.tier,
                shared.namespaces,
                backlog=shared.backlog,
                writing=writing,
                upkeep=upkeep,
                index=(meaning.embedder, meaning.index) if meaning else None,
            ),
            announcer=announcer,
            stages=tuple(self.stages),
            closers=(shared.tier.close, *self.closers),
            redis=shared.link.stats if shared.link is not None else None,
        )

    def _sharing(self) -> Sharing:
        built = sharing.build(self.config, self._stage, self.observer)
        self.metrics.register_backlog(built.backlog.stats)
        if built.link is not None:
            built.link.tell(self.metrics.register_redis(built.link.stats).timed)
        return built

    def _show(self, session: SessionTier) -> None:
        """What is read at every scrape."""
        self.metrics.register_gauges("session", session.stats)
        self.metrics.register_in_flight(
            lambda: {"requests": self.in_flight.taken, "calls": self.asking.taken}
        )
        self.metrics.register_breakers(
            lambda: {stage.name: float(stage.trouble is not None) for stage in self.stages}
        )

    def _drain(self, shared: Sharing, upkeep: Upkeep) -> Drain:
        return Drain(
            shared.backlog,
            (shared.tier, shared.stage),
            catch_up=upkeep.catch_up,
            clock=time.time,
            observer=self.observer,
            write_s=WRITE_S,
        )

    def _unembedded(self, shared: Sharing, meaning: Meaning, upkeep: Upkeep) -> Unembedded:
        renewer = Renewer(
            shared.tier,
            shared.embedders,
            (meaning.embedder, meaning.embed_stage),
            per_s=self.config.cache.vector.reembed_per_s,
            publish=upkeep.catch_up,
        )
        return Unembedded(renewer, is_held=shared.backlog.has, observer=self.observer)

    def _upkeep(
        self, session: SessionTier, shared: Sharing, meaning: Meaning | None, flights: Flights
    ) -> Upkeep:
        cache = self.config.cache
        is_first = self.worker is None or self.worker.is_first
        return Upkeep(
            session,
            shared.tier,
            meaning.index if meaning else None,
            clock=time.time,
            observer=self.observer,
            watch=shared.watch,
            every=Every(
                cache.shared.poll_s,
                cache.shared.expire_every_s,
                cache.vector.snapshot_every_s if is_first else None,
            ),
            backlog=shared.backlog,
            void=flights.void,
        )

    def _announcer(
        self, shared: Sharing, tiers: tuple[SessionTier, VectorTier | None], upkeep: Upkeep
    ) -> Announcer:
        announcer = presence.build(
            self.config,
            shared.presence,
            self.stages,
            tiers,
            upkeep,
            self.observer,
            self.worker,
        )
        self.metrics.register_replicas(announcer.stats)
        return announcer

    def _flights(self, shared: Sharing) -> Flights:
        cache = self.config.cache
        return Flights(
            self.tasks,
            linger_s=cache.deadline_ms / 1000,
            finish_deserted=cache.finish_on_disconnect,
            slots=self.asking,
            newest=lambda: shared.namespaces.newest,
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

    def _session(self) -> MemoryTier:
        chosen = self.config.cache.session
        return MemoryTier(
            clock=time.time,
            max_entries=chosen.max_entries,
            max_bytes=chosen.max_bytes if chosen.enabled else 0,
            ttl_s=chosen.ttl_s,
        )

    def _meaning(self, shared: SharedTier) -> Meaning | None:
        built = semantic.build(
            self.config, shared, self._stage, self.tasks, self.observer, self.spending
        )
        if built is not None:
            self.closers += built.closers
            self.metrics.register_gauges("vector", built.index.stats)
        return built

    def _experience(self, meaning: Meaning | None) -> Experience:
        built = experiences.build(
            self.config, meaning, self._stage, self.tasks, self.observer, self.spending
        )
        self.closers += built.closers
        self.metrics.register_audits(built.learning.rates)
        return built
