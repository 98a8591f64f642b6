"""Counts and times."""

import re
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.core.auditing import Audited
from proxy.core.model import Outcome, Result, Tier, Usage
from proxy.core.spending import Part
from proxy.telemetry.metrics import MAX_NAMES, OTHER, Metrics, Names, source_of, upstream_failure

DOCS = Path(__file__).parents[2] / "docs" / "metrics.md"
API = "chat.completions"

HIT = Outcome(
    "r1",
    Result.HIT,
    API,
    tier=Tier.SHARED,
    usage=Usage(10, 20),
    saved=Usage(10, 20),
    saved_usd=0.5,
    timings={"session": 0.0002, "shared": 0.002, "total": 0.003},
)
MISS = Outcome(
    "r2",
    Result.MISS,
    API,
    usage=Usage(1, 2),
    upstream_status=200,
    timings={"session": 0.0002, "shared": 0.002, "upstream": 1.5, "total": 1.6},
)


@pytest.fixture
def metrics() -> Metrics:
    return Metrics("0.1.0", [API])


def value(metrics: Metrics, name: str, **labels: str) -> float | None:
    return metrics.registry.get_sample_value(f"reprise_{name}", labels)


def test_requests(metrics: Metrics) -> None:
    """Every request is counted once, by how it was answered."""
    for outcome in (HIT, HIT, MISS, replace(MISS, status=404), replace(MISS, api="made/up")):
        metrics.notice(outcome)

    def count(api: str, result: str, tier: str, status: str) -> float | None:
        return value(metrics, "requests_total", api=api, result=result, tier=tier, status=status)

    assert count(API, "HIT", "shared", "2xx") == 2
    assert count(API, "MISS", "none", "2xx") == 1
    assert count(API, "MISS", "none", "4xx") == 1
    assert count(OTHER, "MISS", "none", "2xx") == 1


def test_lookups(metrics: Metrics) -> None:
    """A hit in the second tier is a miss of the first; a tier not asked counts nothing."""
    metrics.notice(HIT)

    assert value(metrics, "lookups_total", tier="session", result="miss") == 1
    assert value(metrics, "lookups_total", tier="shared", result="hit") == 1
    assert value(metrics, "lookups_total", tier="vector", result="miss") is None


def test_a_neighbour_is_no_hit_of_the_tier_it_was_fetched_from(metrics: Metrics) -> None:
    """A vector hit fetches its entry from the shared tier, which had nothing for the key."""
    metrics.notice(replace(HIT, tier=Tier.VECTOR, timings=HIT.timings | {"vector": 0.001}))

    assert value(metrics, "lookups_total", tier="shared", result="miss") == 1
    assert value(metrics, "lookups_total", tier="vector", result="hit") == 1


def test_times(metrics: Metrics) -> None:
    """The whole by who answered, and each stage by its name."""
    metrics.notice(HIT)
    metrics.notice(replace(MISS, timings={"upstream": 1.5, "total": 1.6, "made-up": 1.0}))

    assert value(metrics, "request_duration_seconds_count", source="shared") == 1
    assert value(metrics, "request_duration_seconds_sum", source="shared") == 0.003
    assert value(metrics, "request_duration_seconds_sum", source="upstream") == 1.6
    assert value(metrics, "stage_duration_seconds_sum", stage="upstream") == 1.5
    assert value(metrics, "stage_duration_seconds_count", stage=OTHER) == 1
    assert value(metrics, "stage_duration_seconds_count", stage="total") is None


def test_the_verifiers_probabilities(metrics: Metrics) -> None:
    """How sure the verifier is, served or not; a lookup that did not ask it counts nothing."""
    for outcome in (HIT, replace(HIT, probability=0.97), replace(MISS, probability=0.31)):
        metrics.notice(outcome)

    assert value(metrics, "verifier_probability_count") == 2
    assert value(metrics, "verifier_probability_bucket", le="0.4") == 1
    assert value(metrics, "verifier_probability_bucket", le="0.95") == 1
    assert value(metrics, "verifier_probability_bucket", le="0.98") == 2


def test_tokens_and_dollars(metrics: Metrics) -> None:
    """What the cache saved is told apart from what the origin was paid for."""
    metrics.notice(HIT)
    metrics.notice(MISS)
    metrics.notice(replace(MISS, result=Result.COALESCED, saved=MISS.usage, saved_usd=0.25))
    metrics.notice(replace(HIT, usage=None, saved=None, saved_usd=None))
    metrics.notice(replace(MISS, usage=Usage(7, 0), saved=Usage(4, 0), saved_usd=0.125))

    assert value(metrics, "tokens_total", kind="prompt", source="cache") == 10 + 1 + 4
    assert value(metrics, "tokens_total", kind="prompt", source="origin") == 1 + 3
    assert value(metrics, "tokens_total", kind="completion", source="origin") == 2
    assert value(metrics, "saved_usd_total") == 0.875


def test_nonsense_from_the_origin_breaks_nothing(metrics: Metrics) -> None:
    """Negative token counts and odd statuses are the origin's, and no counter goes back."""
    metrics.notice(replace(MISS, usage=Usage(-5, -1), status=999))

    assert value(metrics, "tokens_total", kind="prompt", source="origin") == 0


@pytest.mark.parametrize(
    ("outcome", "expected"),
    [
        (HIT, "shared"),
        (replace(HIT, result=Result.STALE, upstream_status=503), "shared"),
        (MISS, "upstream"),
        (replace(MISS, result=Result.BYPASS), "upstream"),
        (replace(MISS, result=Result.COALESCED), "coalesced"),
        (replace(MISS, upstream_status=None, status=504), "none"),
    ],
)
def test_source(outcome: Outcome, expected: str) -> None:
    """Who gave the answer."""
    assert expected == source_of(outcome)


@pytest.mark.parametrize(
    ("outcome", "expected"),
    [
        (MISS, None),
        (replace(MISS, upstream_status=404), None),
        (replace(MISS, upstream_status=429), "rate_limited"),
        (replace(MISS, upstream_status=503), "5xx"),
        (replace(MISS, upstream_status=None, status=502), "unreachable"),
        (replace(MISS, upstream_status=None, status=504), "timeout"),
        (replace(MISS, upstream_status=503, result=Result.STALE, tier=Tier.SHARED), "5xx"),
        (replace(MISS, upstream_status=503, result=Result.COALESCED), None),
        (replace(HIT, status=504), None),
    ],
)
def test_upstream_failures(metrics: Metrics, outcome: Outcome, expected: str | None) -> None:
    """The origin's failures, once a call: followers of a flight and requests of our own do not."""
    metrics.notice(outcome)

    assert expected == upstream_failure(outcome)
    if expected is not None:
        assert value(metrics, "upstream_failures_total", kind=expected) == 1


def test_events(metrics: Metrics) -> None:
    """Events are counted by name, failed stages by stage and kind too."""
    metrics.event("stage_failed", stage="embed", reason="late")
    metrics.event("stage_failed", stage="embed", reason="no model")
    metrics.event("breaker_opened", stage="embed")

    assert value(metrics, "events_total", event="stage_failed") == 2
    assert value(metrics, "events_total", event="breaker_opened") == 1
    assert value(metrics, "stage_failures_total", stage="embed", kind="late") == 1
    assert value(metrics, "stage_failures_total", stage="embed", kind="error") == 1


@given(st.lists(st.text(), max_size=300))
def test_labels_are_bounded(values: list[str]) -> None:
    """However many values come, the series stay few, and the known ones are always told apart."""
    names = Names(["known"])
    seen = {names.bounded(value) for value in values}

    assert len(seen - {OTHER}) <= MAX_NAMES
    assert names.bounded("known") == "known"


def test_callers_cannot_make_series(metrics: Metrics) -> None:
    """A thousand models, tenants, namespaces and paths make no more series than one."""
    metrics.notice(replace(MISS, api="a"))
    before = len(metrics.render()[0].splitlines())
    for number in range(1000):
        name = f"x{number}"
        metrics.notice(replace(MISS, model=name, tenant=name, namespace=name, api=name))

    assert before == len(metrics.render()[0].splitlines())


def test_two_do_not_meet() -> None:
    """Nothing is global: two in one process count apart."""
    one, two = Metrics("1", []), Metrics("2", [])
    one.event("x")

    assert value(two, "events_total", event="x") is None


@pytest.mark.parametrize(
    ("accept", "expected"),
    [("", "text/plain"), ("application/openmetrics-text", "application/openmetrics-text")],
)
def test_render(metrics: Metrics, accept: str, expected: str) -> None:
    """Prometheus' text, or OpenMetrics for who asks."""
    metrics.notice(HIT)
    text, content_type = metrics.render(accept)

    assert content_type.startswith(expected)
    assert b'reprise_build_info{version="0.1.0"} 1.0' in text


def test_judge_calls(metrics: Metrics) -> None:
    """What the second judge costs, and what comes of it."""
    for opinion in ("same", "different", "same"):
        metrics.event("judge_asked", opinion=opinion)

    assert value(metrics, "judge_calls_total", opinion="same") == 2
    assert value(metrics, "judge_calls_total", opinion="different") == 1


def test_documented(metrics: Metrics) -> None:
    """docs/metrics.md lists every series with its type and labels, and no other."""
    for outcome in (HIT, MISS, replace(MISS, upstream_status=503)):
        metrics.notice(outcome)
    metrics.event("stage_failed", stage="embed", reason="late")
    metrics.event("judge_asked", opinion="same")
    metrics.event("answers_compared", kind="audited", verdict="same")
    metrics.spent(Part.JUDGE, Usage(1, 1), 0.1)
    metrics.register_audits(lambda: {"": Audited(wrong=1, compared=2)})
    held = ("entries", "bytes", "scopes", "following")
    metrics.register_gauges("t", lambda: dict.fromkeys(held, 1.0))
    metrics.register_gauges("u", lambda: {"evicted_ttl": 1.0})
    metrics.register_breakers(lambda: {"shared": 0.0})
    waiting = {"entries": 1.0, "bytes": 2.0, "drained": 3.0, "dropped_full": 4.0}
    metrics.register_backlog(lambda: waiting)
    way = ("connected", "busy", "listening", "faults", "redirected", "mapped")
    metrics.register_redis(lambda: dict.fromkeys(way, 1.0)).timed("get", 0.1)
    metrics.register_replicas(lambda: {"present": 2.0})
    served = set()
    for family in metrics.registry.collect():
        if family.name.startswith("reprise_"):
            labels = sorted(
                {label for sample in family.samples for label in sample.labels} - {"le"}
            )
            total = "_total" if family.type == "counter" else ""
            served.add((family.name + total, family.type, tuple(labels)))
    rows = re.findall(r"^\| `(reprise_\w+)` \| (\w+) \| (.*?) \|", DOCS.read_text(), re.MULTILINE)

    assert served == {
        (name, kind, tuple(sorted(re.findall(r"`(\w+)`", labels)))) for name, kind, labels in rows
    }
