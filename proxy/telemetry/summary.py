"""What the metrics come to, for people: requests, tokens and money saved, entries, what waits.

All of it is read from the series that `/metrics` serves, so that the two cannot disagree.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from proxy.core.model import Result
from proxy.telemetry.series import CREATED, Family, Labels

Samples = Sequence[tuple[Labels, float]]
Counts = dict[str, int]


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
class Backlog:
    """Answers that wait for the shared tier, and what became of those that waited."""

    entries: int
    bytes: int
    drained: int
    dropped: Counts


@dataclass(frozen=True, slots=True)
class Summary:
    """What has happened since the start.

    Attributes:
        since: When counting began, seconds since the epoch; None when nobody says.
        saved_usd: What the saved tokens would have cost.
        entries: By tier, those of which a process knows the number.
        degraded: Parts of the cache that requests go past, each with the workers where it is so;
            "" is a process that is alone.
        workers: How many answered; None when there is one process.
    """

    since: float | None
    requests: Requests
    tokens: Tokens
    saved_usd: float
    entries: Counts
    backlog: Backlog
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
        saved_usd=round(series.total("reprise_saved_usd_total"), 6),
        entries=_by("tier", _largest(series.of("reprise_tier_entries"))),
        backlog=Backlog(
            entries=int(series.total("reprise_backlog_entries")),
            bytes=int(series.total("reprise_backlog_bytes")),
            drained=int(series.total("reprise_backlog_drained_total")),
            dropped=_by("cause", series.of("reprise_backlog_dropped_total")),
        ),
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
