"""What the metrics come to, for people: requests, tokens and money saved, entries, what waits.

All of it is read from the series that `/metrics` serves, so that the two cannot disagree.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from proxy.core.auditing import Rate
from proxy.core.model import Result
from proxy.core.spending import Part
from proxy.telemetry.series import CREATED, WORKER, Family, Labels

Samples = Sequence[tuple[Labels, float]]
Counts = dict[str, int]

USD_DIGITS = 6
"""After the point: a token of the cheapest model costs less, and a thousand of them do not."""


@dataclass(frozen=True, slots=True)
class Requests:
    """Requests answered.

    Attributes:
        total: All of them.
        by_result: By the value of `x-cache`; every value is there.
        by_tier: Those answered by a tier.
        by_api: By endpoint.
        hit_ratio: Answered from the cache, of those that were looked up; None when there were none.
    """

    total: int
    by_result: Counts
    by_tier: Counts
    by_api: Counts
    hit_ratio: float | None


@dataclass(frozen=True, slots=True)
class Tokens:
    """Tokens of answers: from the cache, and from the origin."""

    saved: int
    prompt_saved: int
    completion_saved: int
    from_origin: int


@dataclass(frozen=True, slots=True)
class Cost:
    """Dollars saved, and what saving them cost.

    Attributes:
        saved_usd: What the tokens from the cache would have cost.
        spent_usd: By part, what the cache's own calls cost.
        net_usd: The one without the other; below 0 where the cache costs more than it saves.
    """

    saved_usd: float
    spent_usd: dict[str, float]
    net_usd: float


@dataclass(frozen=True, slots=True)
class Backlog:
    """Answers that wait for the shared tier, and what became of those that waited."""

    entries: int
    bytes: int
    drained: int
    dropped: Counts


@dataclass(frozen=True, slots=True)
class Reembedding:
    """Entries that lack a vector of the embedder in use, and that were given one."""

    left: int
    done: int


@dataclass(frozen=True, slots=True)
class WrongHits:
    """How many hits of a namespace were wrong, of those that were compared with a fresh answer.

    Attributes:
        namespace: Its name, for all tenants; "" is that of requests that name none.
        audited: Hits compared.
        wrong: Of those, the ones that said something else.
        rate: Their share; None where nothing was compared.
        low, high: Between which the true share is, at 95 % each (Clopper-Pearson).
    """

    namespace: str
    audited: int
    wrong: int
    rate: float | None
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Summary:
    """What has happened since the start.

    Attributes:
        since: When counting began, seconds since the epoch; None when nobody says.
        saved_usd: What the saved tokens would have cost.
        cost: The same, net of what the cache itself spends.
        wrong_hits: By namespace, where hits are audited.
        entries: By tier, those of which a process knows the number.
        reembedding: How far entries are from having vectors of the embedder; None where they have.
        degraded: Parts of the cache that requests go past, each with the workers where it is so;
            "" is a process that is alone.
        workers: How many answered; None when there is one process.
    """

    since: float | None
    requests: Requests
    tokens: Tokens
    saved_usd: float
    cost: Cost
    wrong_hits: tuple[WrongHits, ...]
    entries: Counts
    backlog: Backlog
    reembedding: Reembedding | None
    degraded: dict[str, list[str]]
    workers: int | None


def summary(families: Iterable[Family]) -> Summary:
    """The series, read.

    Args:
        families: Of one process, or of all workers together.
    """
    series = _Series(families)
    return Summary(
        since=min(series.created(), default=None),
        requests=_requests(series.of("reprise_requests_total")),
        tokens=_tokens(series.of("reprise_tokens_total")),
        saved_usd=round(series.total("reprise_saved_usd_total"), USD_DIGITS),
        cost=_cost(series),
        wrong_hits=_wrong_hits(series),
        entries=_by("tier", _largest(series.of("reprise_tier_entries"))),
        backlog=Backlog(
            entries=int(series.total("reprise_backlog_entries")),
            bytes=int(series.total("reprise_backlog_bytes")),
            drained=int(series.total("reprise_backlog_drained_total")),
            dropped=_by("cause", series.of("reprise_backlog_dropped_total")),
        ),
        reembedding=_reembedding(series),
        degraded=_degraded(series.of("reprise_breaker_open")),
        workers=next((int(value) for _, value in series.of("reprise_workers")), None),
    )


class _Series:
    """Samples by the name of their series."""

    def __init__(self, families: Iterable[Family]) -> None:
        self._samples: dict[str, list[tuple[Labels, float]]] = {}
        for family in families:
            for name, labels, value in family.samples:
                self._samples.setdefault(name, []).append((labels, value))

    def of(self, name: str) -> Samples:
        return self._samples.get(name, [])

    def total(self, name: str) -> float:
        return sum(value for _, value in self.of(name))

    def created(self) -> Iterator[float]:
        for name, samples in self._samples.items():
            if name.startswith("reprise_") and name.endswith(CREATED):
                yield from (value for _, value in samples)


def _reembedding(series: _Series) -> Reembedding | None:
    left = series.of("reprise_reembedding_left")
    if not left:
        return None
    done = series.total("reprise_reembedding_done_total")
    return Reembedding(int(sum(value for _, value in left)), int(done))


def _by(label: str, samples: Samples) -> Counts:
    counts: Counts = {}
    for labels, value in samples:
        counts[labels[label]] = counts.get(labels[label], 0) + int(value)
    return counts


def _requests(samples: Samples) -> Requests:
    by_result = {result.value: 0 for result in Result} | _by("result", samples)
    by_tier = {name: count for name, count in _by("tier", samples).items() if name != "none"}
    looked_up = sum(by_result.values()) - by_result[Result.BYPASS]
    hits = by_result[Result.HIT] + by_result[Result.STALE]
    return Requests(
        total=sum(by_result.values()),
        by_result=by_result,
        by_tier=by_tier,
        by_api=_by("api", samples),
        hit_ratio=round(hits / looked_up, 6) if looked_up else None,
    )


def _tokens(samples: Samples) -> Tokens:
    counted = {(labels["kind"], labels["source"]): int(value) for labels, value in samples}
    prompt, completion = (counted.get((kind, "cache"), 0) for kind in ("prompt", "completion"))
    origin = sum(value for (_, source), value in counted.items() if source == "origin")
    return Tokens(prompt + completion, prompt, completion, origin)


def _cost(series: _Series) -> Cost:
    saved = series.total("reprise_saved_usd_total")
    spent = {part.value: 0.0 for part in Part}
    for labels, value in series.of("reprise_spent_usd_total"):
        spent[labels["part"]] += value
    return Cost(
        saved_usd=round(saved, USD_DIGITS),
        spent_usd={part: round(usd, USD_DIGITS) for part, usd in spent.items()},
        net_usd=round(saved - sum(spent.values()), USD_DIGITS),
    )


def _wrong_hits(series: _Series) -> tuple[WrongHits, ...]:
    """Of several workers the one's that has compared most.

    They begin with the same labels, so that a sum would count these more than once.
    """
    wrong = {_where(labels): int(value) for labels, value in series.of("reprise_audit_wrong")}
    most: dict[str, tuple[int, int]] = {}
    for labels, value in series.of("reprise_audit_compared"):
        counted = int(value), wrong.get(_where(labels), 0)
        most[labels["namespace"]] = max(most.get(labels["namespace"], (0, 0)), counted)
    return tuple(_rated(name, *most[name]) for name in sorted(most))


def _where(labels: Labels) -> tuple[str, str]:
    return labels["namespace"], labels.get(WORKER, "")


def _rated(namespace: str, audited: int, wrong: int) -> WrongHits:
    rate = Rate(wrong, audited)
    estimate = rate.estimate
    return WrongHits(
        namespace,
        audited,
        wrong,
        None if estimate is None else round(estimate, 6),
        round(rate.low, 6),
        round(rate.high, 6),
    )


def _largest(samples: Samples) -> Samples:
    """One a tier: workers' indexes are copies of one another."""
    largest: dict[str, tuple[Labels, float]] = {}
    for labels, value in samples:
        known = largest.get(labels["tier"])
        if known is None or value > known[1]:
            largest[labels["tier"]] = (labels, value)
    return list(largest.values())


def _degraded(samples: Samples) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for labels, value in samples:
        if value:
            found.setdefault(labels["stage"], []).append(labels.get("worker", ""))
    return found
