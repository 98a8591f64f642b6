"""Prometheus metrics: counts and times of outcomes and events, in a registry of their own.

Rules of the file: every label's values are bounded by the program, never by a caller: no model and
no tenant; what is not known becomes `other`. Audits alone name namespaces, the first few.
`docs/metrics.md` lists every series, and a test compares.
"""

from collections.abc import Collection, Sequence
from typing import Generic, TypeVar

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector
from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics import MetricWrapperBase

from proxy.core.model import Outcome, Result, Tier, Usage
from proxy.core.repetition import Repetition
from proxy.core.spending import Part
from proxy.telemetry.audits import AuditGauges, Audits
from proxy.telemetry.gauges import Gauges, Readings
from proxy.telemetry.redis import RedisSeries
from proxy.telemetry.reloads import Reloads
from proxy.telemetry.series import Family, families

OTHER = "other"
FIRST_ERROR = 400
_NONE = Usage(0, 0)
_TIERS = frozenset(tier.value for tier in Tier)
STAGES = ("session", "shared", "rewrite", "embed", "vector", "verify", "upstream")
MAX_NAMES = 64
"""Names a label may have beside `other`; the program has fewer, so reaching it is a bug's mark."""

QUICK = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5)
SLOW = (1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0)
"""From a session hit (a tenth of a millisecond) to the SDK's time limit (600 s)."""

SHARES = (0.02, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.98, 1.0)
"""Of a probability: finer where a verifier is sure."""


REFUSALS = frozenset(
    {
        "invalid_api_key",
        "namespace_not_allowed",
        "model_not_allowed",
        "endpoint_not_allowed",
        "rate_limit_exceeded",
        "overloaded",
        "body_too_large",
        "body_too_slow",
        "head_too_slow",
        "headers_too_large",
        "origin_not_allowed",
        "reader_too_slow",
        "too_many_connections",
        "unreadable_request",
        "url_too_long",
    }
)
"""Why a request or a connection is refused: for what callers may do, how much, and how."""


class Names:
    """Lets the first few values of a label through; the rest are `other`."""

    def __init__(self, known: Collection[str] = (), limit: int = MAX_NAMES) -> None:
        self._seen = set(known)
        self._limit = limit

    def bounded(self, name: str) -> str:
        """The name, or `other` when there have been too many."""
        if name in self._seen:
            return name
        if len(self._seen) >= self._limit:
            return OTHER
        self._seen.add(name)
        return name


M = TypeVar("M", bound=MetricWrapperBase)


class Children(dict[tuple[str, ...], M], Generic[M]):
    """A metric's series by their labels, remembered: to look one up costs more than to count."""

    def __init__(self, metric: M) -> None:
        super().__init__()
        self._metric = metric

    def __missing__(self, labels: tuple[str, ...]) -> M:
        child = self[labels] = self._metric.labels(*labels)
        return child


class Metrics:
    """The `Observer` that counts.

    Args:
        version: Of the program, for `reprise_build_info`.
        apis: The APIs that have a label of their own; the rest are `other`.
    """

    def __init__(self, version: str, apis: Collection[str]) -> None:
        self.registry = CollectorRegistry(auto_describe=False)
        self._apis = frozenset(apis)
        self._events = Names()
        self._stages = Names()
        self._opinions = Names()
        self._comparing = Names()
        self._gauges = Gauges()
        self._requests = Children(
            self._counter("requests", "Requests answered.", "api", "result", "tier", "status")
        )
        self._lookups = Children(
            self._counter(
                "lookups", "Tiers asked, and whether the answer came from there.", "tier", "result"
            )
        )
        self._duration = Children(
            self._histogram(
                "request_duration_seconds", "A request from first to last byte.", "source"
            )
        )
        self._stage_duration = Children(
            self._histogram("stage_duration_seconds", "One stage of a request.", "stage")
        )
        self._probability = self._histogram(
            "verifier_probability", "What it gave the neighbour.", buckets=SHARES
        )
        self._upstream_failures = self._counter(
            "upstream_failures", "Calls the origin did not answer well.", "kind"
        )
        self._refused = self._refusals()
        self._stage_failures = self._counter(
            "stage_failures", "Stages that failed or ran late.", "stage", "kind"
        )
        self._judge_calls = self._counter(
            "judge_calls", "Pairs put to the second judge, by what came of it.", "opinion"
        )
        self._comparisons = self._counter(
            "comparisons", "Cached answers compared with fresh ones.", "kind", "verdict"
        )
        self._event_count = self._counter("events", "Events, by name.", "event")
        self._tokens = Children(self._counter("tokens", "Tokens of answers.", "kind", "source"))
        self._saved = self._counter("saved_usd", "What tokens from the cache would have cost.")
        self._spent_tokens = self._counter(
            "spent_tokens", "Tokens that the cache's own calls cost.", "part", "kind"
        )
        self._spent = self._counter("spent_usd", "What the cache's own calls cost.", "part")
        self._reloads = Reloads(self.registry)
        self._register_facts(version)

    def _counter(self, name: str, text: str, *labels: str) -> Counter:
        return Counter(f"reprise_{name}", text, labels, registry=self.registry)

    def _refusals(self) -> Counter:
        refused = self._counter("refused", "Requests that were refused.", "reason")
        for reason in sorted(REFUSALS):  # so that what never happened reads 0
            refused.labels(reason)
        return refused

    def _histogram(
        self, name: str, text: str, *labels: str, buckets: Sequence[float] = QUICK + SLOW
    ) -> Histogram:
        return Histogram(f"reprise_{name}", text, labels, registry=self.registry, buckets=buckets)

    def _register_facts(self, version: str) -> None:
        for part in Part:  # so that what is not spent reads 0
            self._spent.labels(part.value)
        info = Gauge("reprise_build_info", "1.", ["version"], registry=self.registry)
        info.labels(version).set(1)
        self.registry.register(self._gauges)
        ProcessCollector(registry=self.registry)

    def register_gauges(self, tier: str, readings: Readings) -> None:
        """Show a tier's `stats` at every scrape.

        Args:
            tier: Its name.
            readings: `entries`, `bytes`, `scopes` and `evicted_<cause>` are shown, others not.
        """
        self._gauges.add_tier(tier, readings)

    def register_breakers(self, readings: Readings) -> None:
        """Show at every scrape which parts are degraded: part -> 1 or 0."""
        self._gauges.set_parts(readings)

    def register_in_flight(self, readings: Readings) -> None:
        """Show at every scrape what is under way: `requests` of callers, `calls` to origins."""
        self._gauges.set_in_flight(readings)

    def register_backlog(self, readings: Readings) -> None:
        """Show at every scrape what waits for the shared tier: `Backlog.stats`."""
        self._gauges.set_backlog(readings)

    def register_replicas(self, readings: Readings) -> None:
        """Show at every scrape how many processes there are over the shared tier: `present`."""
        self._gauges.set_replicas(readings)

    def register_reembedding(self, readings: Readings) -> None:
        """Show at every scrape which entries are yet to be given a vector: `left`, `done`."""
        self._gauges.set_reembedding(readings)

    def register_redis(self, readings: Readings) -> RedisSeries:
        """Show at every scrape what the way to Redis counts; returns who hears of commands."""
        return RedisSeries(self.registry, readings, QUICK + SLOW[:4])

    def register_audits(self, readings: Audits) -> None:
        """Show at every scrape what audits say, by namespace."""
        self.registry.register(AuditGauges(readings, Names().bounded))

    def notice(self, outcome: Outcome) -> None:
        """Count one request."""
        self._count(outcome, 1)
        self._time(outcome)
        if outcome.probability is not None:
            self._probability.observe(outcome.probability)
        if outcome.reason in REFUSALS and outcome.status >= FIRST_ERROR:
            self._refused.labels(outcome.reason).inc()
        failure = upstream_failure(outcome)
        if failure is not None:
            self._upstream_failures.labels(failure).inc()

    def repeated(self, first: Outcome, repetitions: Sequence[Repetition]) -> None:
        """Count several at once; each took a time of its own."""
        self._count(first, len(repetitions))
        session = self._stage_duration[Tier.SESSION.value,].observe
        shared = self._stage_duration[Tier.SHARED.value,].observe
        total = self._duration[source_of(first),].observe
        for one in repetitions:
            session(one.session_s)
            if one.shared_s is not None:
                shared(one.shared_s)
            total(one.total_s)

    def event(self, name: str, **fields: str | float | bool | None) -> None:
        """Count one event; a `stage_failed` also by its stage, a `judge_asked` by its opinion."""
        self._event_count.labels(self._events.bounded(name)).inc()
        self._reloads.heard(name)
        if name == "stage_failed":
            stage = self._stages.bounded(str(fields.get("stage")))
            kind = "late" if fields.get("reason") == "late" else "error"
            self._stage_failures.labels(stage, kind).inc()
        if name == "answers_compared":
            kind, verdict = str(fields.get("kind")), str(fields.get("verdict"))
            self._comparisons.labels(*map(self._comparing.bounded, (kind, verdict))).inc()
        if name == "connection_dropped":
            self._refused.labels(fields["reason"]).inc()
        if name == "judge_asked":
            self._judge_calls.labels(self._opinions.bounded(str(fields.get("opinion")))).inc()

    def spent(self, part: Part, usage: Usage, usd: float) -> None:
        """Count what a call of the cache's own has cost."""
        self._spent_tokens.labels(part.value, "prompt").inc(usage.prompt)
        self._spent_tokens.labels(part.value, "completion").inc(usage.completion)
        self._spent.labels(part.value).inc(usd)

    def render(self, accept: str = "") -> tuple[bytes, str]:
        """All series, and their content type. Reads small files of /proc: not for an event loop.

        Args:
            accept: The scraper's `accept` header; OpenMetrics is sent to who asks for it.
        """
        encode, content_type = choose_encoder(accept)
        return encode(self.registry), content_type

    def families(self) -> list[Family]:
        """The same series as data. Reads small files of /proc, too."""
        return list(families(self.registry))

    def _count(self, outcome: Outcome, times: int) -> None:
        """So many requests that were answered in this way."""
        api = outcome.api if outcome.api in self._apis else OTHER
        tier = outcome.tier.value if outcome.tier is not None else "none"
        self._requests[api, outcome.result.value, tier, _class(outcome.status)].inc(times)
        for one in _TIERS & outcome.timings.keys():
            self._lookups[one, "hit" if outcome.tier == one else "miss"].inc(times)
        usage, saved = outcome.usage or _NONE, outcome.saved or _NONE
        told = Usage(usage.prompt - saved.prompt, usage.completion - saved.completion)
        for source, tokens in (("cache", saved), ("origin", told)):
            for kind, count in (("prompt", tokens.prompt), ("completion", tokens.completion)):
                series = self._tokens[kind, source]  # there from the first request on
                if count > 0:
                    series.inc(times * count)
        if outcome.saved_usd:
            self._saved.inc(times * max(0.0, outcome.saved_usd))

    def _time(self, outcome: Outcome) -> None:
        for stage, seconds in outcome.timings.items():
            if stage == "total":
                self._duration[source_of(outcome),].observe(seconds)
            else:
                label = stage if stage in STAGES else OTHER
                self._stage_duration[label,].observe(seconds)


def source_of(outcome: Outcome) -> str:
    """Who gave the answer: a tier, `coalesced`, `upstream`, or `none` for an error of our own."""
    if outcome.tier is not None:
        return outcome.tier.value
    if outcome.result is Result.COALESCED:
        return "coalesced"
    return "none" if outcome.upstream_status is None else "upstream"


def upstream_failure(outcome: Outcome) -> str | None:
    """How the origin failed this request; None when it did not, or was not asked by it."""
    if "upstream" not in outcome.timings or outcome.result is Result.COALESCED:
        return None
    match outcome.upstream_status:
        case None:
            return "timeout" if outcome.status == 504 else "unreachable"  # noqa: PLR2004 - HTTP
        case 429:
            return "rate_limited"
        case status if status >= 500:  # noqa: PLR2004 - HTTP
            return "5xx"
        case _:
            return None


def _class(status: int) -> str:
    return f"{status // 100}xx" if 100 <= status < 600 else OTHER  # noqa: PLR2004 - HTTP's classes
