"""What the metrics come to."""

import time

from prometheus_client import CollectorRegistry

from proxy.core.auditing import Audited
from proxy.core.model import Outcome, Result, Tier, Usage
from proxy.core.spending import Part
from proxy.telemetry.metrics import Metrics
from proxy.telemetry.prices import Price, Prices
from proxy.telemetry.series import Family, families, merged
from proxy.telemetry.spending import Spending
from proxy.telemetry.summary import summary

Counts = dict[str, float]


def counted(
    *outcomes: Outcome, session: Counts | None = None, vector: Counts | None = None
) -> list[Family]:
    metrics = Metrics("1", apis=["chat.completions"])
    for outcome in outcomes:
        metrics.notice(outcome)
    metrics.register_gauges("session", lambda: session or {"entries": 3})
    metrics.register_gauges("vector", lambda: vector or {"entries": 5})
    metrics.register_breakers(lambda: {"shared": 1.0, "embedder": 0.0})
    metrics.register_backlog(lambda: {"entries": 2, "bytes": 10, "drained": 4, "dropped_full": 1})
    return metrics.families()


def outcome(result: Result, tier: Tier | None = None, saved: Usage | None = None) -> Outcome:
    usage = saved or Usage(10, 20)
    return Outcome(
        "r", result, "chat.completions", tier=tier, usage=usage, saved=saved, saved_usd=0.25
    )


SOME = (
    outcome(Result.MISS),
    outcome(Result.HIT, Tier.SESSION, Usage(1, 2)),
    outcome(Result.STALE, Tier.SHARED, Usage(3, 4)),
    outcome(Result.BYPASS),
    outcome(Result.COALESCED, saved=Usage(5, 6)),
)


def audited(**counts: tuple[int, int]) -> list[Family]:
    metrics = Metrics("1", apis=["chat.completions"])
    metrics.register_audits(
        lambda: {name: Audited(wrong, compared) for name, (wrong, compared) in counts.items()}
    )
    return metrics.families()


def test_wrong_hits_come_with_how_sure_that_is() -> None:
    """The share counted, and both ends of its interval; without an audit there is none."""
    few, many = summary(audited(a=(1, 10), b=(10, 1000))).wrong_hits

    assert (few.namespace, few.audited, few.wrong, few.rate) == ("a", 10, 1, 0.1)
    assert 0 < few.low < 0.1 < few.high < 0.5
    assert many.rate == 0.01
    assert many.high - many.low < 0.015
    assert summary(counted(*SOME)).wrong_hits == ()


def test_workers_count_no_audit_twice() -> None:
    """They begin with the same labels: the one that has compared most speaks for all."""
    told = summary(merged([("1", audited(a=(3, 30))), ("2", audited(a=(2, 40), b=(0, 5)))]))

    assert [(one.namespace, one.audited, one.wrong) for one in told.wrong_hits] == [
        ("a", 40, 2),
        ("b", 5, 0),
    ]


def test_a_process_that_is_alone() -> None:
    """Every number is the one that `/metrics` has."""
    began = time.time()
    told = summary(counted(*SOME))

    assert told.requests.total == 5
    assert told.requests.by_result == {"HIT": 1, "MISS": 1, "STALE": 1, "COALESCED": 1, "BYPASS": 1}
    assert told.requests.by_tier == {"session": 1, "shared": 1}
    assert told.requests.hit_ratio == 0.5
    assert (told.tokens.saved, told.tokens.prompt_saved, told.tokens.completion_saved) == (
        21,
        9,
        12,
    )
    assert told.tokens.from_origin == 60
    assert told.saved_usd == 1.25
    assert told.entries == {"session": 3, "vector": 5}
    assert (told.backlog.entries, told.backlog.bytes, told.backlog.drained) == (2, 10, 4)
    assert told.backlog.dropped == {"full": 1}
    assert told.degraded == {"shared": [""]}
    assert told.workers is None
    assert told.since is not None
    assert abs(told.since - began) < 5


def test_what_is_saved_is_told_net() -> None:
    """What the cache itself spends is taken off, part by part; it may cost more than it saves."""
    metrics = Metrics("1", apis=["chat.completions"])
    spending = Spending(Prices({"m": Price(1, 2, 0.5)}), metrics)
    spending.spent(Part.EMBEDDER, "m", Usage(250_000, 0))
    spending.spent(Part.AUDIT, "m", Usage(1_000_000, 500_000, cached=1_000_000))
    spending.spent(Part.AUDIT, "unknown", Usage(1_000_000, 0))
    metrics.notice(outcome(Result.HIT, Tier.SESSION, Usage(1, 2)))
    told = summary(metrics.families())

    assert told.cost.saved_usd == told.saved_usd == 0.25
    assert told.cost.spent_usd == {"embedder": 0.25, "judge": 0, "audit": 1.5, "refresh": 0}
    assert told.cost.net_usd == -1.5


def test_workers_together() -> None:
    """Counts and session tiers add up; the index, of which each has a copy, counts once."""
    parts = [("1", counted(*SOME)), ("2", counted(*SOME, vector={"entries": 4}))]
    told = summary(merged(parts))

    assert told.requests.total == 10
    assert told.tokens.saved == 42
    assert told.entries == {"session": 6, "vector": 5}
    assert told.backlog.entries == 4
    assert told.degraded == {"shared": ["1", "2"]}


def test_nothing_counted_yet() -> None:
    """An empty registry is no error."""
    told = summary(families(CollectorRegistry()))

    assert (told.since, told.requests.total, told.requests.hit_ratio) == (None, 0, None)
