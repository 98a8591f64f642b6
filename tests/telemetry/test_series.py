"""Metrics of several workers as one exposition."""

import threading
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.openmetrics.parser import (
    text_string_to_metric_families as open_metrics_families,
)
from prometheus_client.parser import text_string_to_metric_families

from proxy.core.model import Outcome, Result, Tier
from proxy.telemetry.metrics import Metrics
from proxy.telemetry.series import Family, Tally, dumps, exposition, loads, merged, recorded

Values = dict[tuple[str, tuple[tuple[str, str], ...]], float]


def counting(*results: Result) -> Metrics:
    """The metrics of a process that has answered so."""
    metrics = Metrics("1", apis=("chat.completions",))
    for result in results:
        tier = Tier.SESSION if result is Result.HIT else None
        metrics.notice(
            Outcome("r", result, "chat.completions", tier=tier, timings={"total": 0.002})
        )
    return metrics


def told(metrics: Metrics, directory: Path, name: str) -> list[Family]:
    """Its series, the way another worker gets them."""
    return loads(dumps(Tally(metrics.registry, directory / f"{name}.json").take()))


def read(body: bytes) -> Values:
    """Every series of an exposition."""
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(body.decode())
        for sample in family.samples
    }


def requests(values: Values) -> dict[str, float]:
    """Requests by result."""
    return {
        dict(labels)["result"]: value
        for (name, labels), value in values.items()
        if name == "reprise_requests_total"
    }


def test_counts_are_summed(tmp_path: Path) -> None:
    """Counters and histograms of all workers are one series, bucket by bucket."""
    one = told(counting(Result.HIT, Result.MISS), tmp_path, "1")
    two = told(counting(Result.HIT), tmp_path, "2")
    values = read(exposition(merged([("1", one), ("2", two)]), "")[0])

    assert requests(values) == {"HIT": 2, "MISS": 1}
    name, source = "reprise_request_duration_seconds", ("source", "session")
    assert values[f"{name}_count", (source,)] == 2
    assert values[f"{name}_sum", (source,)] == pytest.approx(0.004)
    assert values[f"{name}_bucket", (("le", "0.0025"), source)] == 2
    assert values[f"{name}_bucket", (("le", "0.001"), source)] == 0


def test_the_oldest_birth_counts(tmp_path: Path) -> None:
    """A sum counts since the first of its parts did."""
    parts = [("1", told(counting(Result.HIT), tmp_path, "1"))]
    parts.append(("2", told(counting(Result.HIT), tmp_path, "2")))
    births = [
        value
        for _, families in parts
        for family in families
        for name, _, value in family.samples
        if name == "reprise_requests_created"
    ]
    values = read(exposition(merged(parts), "")[0])
    found = [value for (name, _), value in values.items() if name == "reprise_requests_created"]

    assert found == [min(births)]


def test_gauges_are_summed_where_that_means_something(tmp_path: Path) -> None:
    """Session tiers hold different entries; indexes hold the same, and are told apart."""
    parts = []
    for number in ("1", "2"):
        metrics = counting()
        metrics.register_gauges("session", lambda: {"entries": 3})
        metrics.register_gauges("vector", lambda: {"entries": 5})
        metrics.register_backlog(lambda: {"entries": 2, "bytes": 10})
        metrics.register_breakers(lambda: {"shared": 1.0})
        parts.append((number, told(metrics, tmp_path, number)))
    values = read(exposition(merged(parts), "")[0])

    def of(name: str) -> dict[tuple[tuple[str, str], ...], float]:
        return {labels: value for (known, labels), value in values.items() if known == name}

    assert of("reprise_tier_entries") == {
        (("tier", "session"),): 6,
        (("tier", "vector"), ("worker", "1")): 5,
        (("tier", "vector"), ("worker", "2")): 5,
    }
    assert of("reprise_backlog_entries") == {(): 4}
    assert of("reprise_breaker_open") == {
        (("stage", "shared"), ("worker", "1")): 1,
        (("stage", "shared"), ("worker", "2")): 1,
    }
    assert of("reprise_build_info") == {(("version", "1"),): 1}
    assert set(of("process_start_time_seconds")) == {(("worker", "1"),), (("worker", "2"),)}


def test_the_same_as_of_one_process(tmp_path: Path) -> None:
    """What one worker tells is what a process alone would expose."""
    metrics = counting(Result.HIT, Result.MISS)
    alone = read(metrics.render()[0])
    together = read(exposition(merged([("", told(metrics, tmp_path, "1"))]), "")[0])

    def steady(values: Values) -> Values:
        return {key: v for key, v in values.items() if not key[0].startswith("process_")}

    assert steady(together) == steady(alone)


def test_open_metrics_for_who_asks(tmp_path: Path) -> None:
    """The sum is as well formed as what one process exposes."""
    parts = [(name, told(counting(Result.HIT), tmp_path, name)) for name in ("1", "2")]
    body, content_type = exposition(merged(parts), "application/openmetrics-text; version=1.0.0")
    families = {family.name for family in open_metrics_families(body.decode())}  # type: ignore[no-untyped-call]

    assert content_type.startswith("application/openmetrics-text")
    assert {"reprise_requests", "reprise_request_duration_seconds"} <= families


def test_who_takes_a_number_counts_on(tmp_path: Path) -> None:
    """After a worker's death sums go on from what it has told last, whoever dies how often."""
    file = tmp_path / "1.json"
    for lives in range(1, 4):
        Tally(counting(Result.HIT, Result.MISS).registry, file).take()
        values = read(exposition(merged([("1", recorded(file))]), "")[0])

        assert requests(values) == {"HIT": lives, "MISS": lives}


def test_the_dead_have_counts_and_no_gauges(tmp_path: Path) -> None:
    """Of a worker that does not answer, what it counted still holds; its state does not."""
    metrics = counting(Result.HIT)
    metrics.register_gauges("session", lambda: {"entries": 3})
    Tally(metrics.registry, tmp_path / "1.json").take()
    kinds = {family.kind for family in recorded(tmp_path / "1.json")}

    assert kinds == {"counter", "histogram"}


def test_nobody_has_told_anything(tmp_path: Path) -> None:
    """A worker that has not come up yet has no series."""
    assert recorded(tmp_path / "1.json") == []


def test_no_take_is_half_written(tmp_path: Path) -> None:
    """Whoever reads while another is asked finds a whole file, and counts never fall."""
    metrics, file = counting(Result.HIT), tmp_path / "1.json"
    tally = Tally(metrics.registry, file)
    tally.take()
    stop = threading.Event()

    def keep_taking() -> None:
        while not stop.is_set():
            metrics.notice(Outcome("r", Result.HIT, "chat.completions"))
            tally.take()

    taking = threading.Thread(target=keep_taking)
    taking.start()
    try:
        seen = [
            requests(read(exposition(recorded(file), "")[0])).get("HIT", 0.0) for _ in range(30)
        ]
    finally:
        stop.set()
        taking.join()

    assert seen == sorted(seen)
    assert seen[0] >= 1


def test_a_value_that_is_no_number_is_left_out() -> None:
    """A gauge may have none; JSON has no word for it."""
    families = [Family("a", "", "gauge", [("a", {}, float("nan")), ("a", {"b": "c"}, 1.0)])]

    assert loads(dumps(families))[0].samples == [("a", {"b": "c"}, 1.0)]


def test_an_empty_registry(tmp_path: Path) -> None:
    """Nothing counted is nothing told, and not an error."""
    assert Tally(CollectorRegistry(), tmp_path / "1.json").take() == []
