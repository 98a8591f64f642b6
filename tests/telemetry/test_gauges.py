"""Values asked for at a scrape."""

from collections.abc import Mapping

from proxy.telemetry.metrics import Metrics


def value(metrics: Metrics, name: str, **labels: str) -> float | None:
    return metrics.registry.get_sample_value(name, labels)


def test_pulled_at_every_scrape() -> None:
    """A tier's stats are those of the moment; what has no series of its own is left out."""
    metrics = Metrics("1", [])
    stats = {"entries": 1.0, "bytes": 20.0, "hits": 7.0, "evicted_ttl": 3.0}
    metrics.register_gauges("session", lambda: stats)
    stats["entries"] = 2.0

    assert value(metrics, "reprise_tier_entries", tier="session") == 2
    assert value(metrics, "reprise_tier_bytes", tier="session") == 20
    assert value(metrics, "reprise_tier_evictions_total", tier="session", cause="ttl") == 3
    assert b"7.0" not in metrics.render()[0].split(b"process_")[0]


def test_a_tier_that_cannot_be_asked() -> None:
    """Its series are missing from this scrape, and the others are there."""

    def broken() -> Mapping[str, float]:
        raise OSError("closed")

    metrics = Metrics("1", [])
    metrics.register_gauges("session", broken)
    metrics.register_gauges("vector", lambda: {"entries": 5.0, "scopes": 2.0, "following": 1.0})
    metrics.register_breakers(broken)

    assert value(metrics, "reprise_tier_entries", tier="session") is None
    assert value(metrics, "reprise_tier_entries", tier="vector") == 5
    assert value(metrics, "reprise_tier_scopes", tier="vector") == 2
    assert value(metrics, "reprise_tier_following", tier="vector") == 1


def test_registering_asks_nobody() -> None:
    """A tier may be registered before it can be asked."""
    asked: list[str] = []
    metrics = Metrics("1", [])
    metrics.register_gauges("vector", lambda: asked.append("vector") or {})  # type: ignore[func-returns-value]

    assert asked == []


def test_breakers() -> None:
    """A degraded part is 1."""
    metrics = Metrics("1", [])
    metrics.register_breakers(lambda: {"shared": 1.0, "embed": 0.0})

    assert value(metrics, "reprise_breaker_open", stage="shared") == 1
    assert value(metrics, "reprise_breaker_open", stage="embed") == 0


def test_registering_again_replaces() -> None:
    """A swapped tier has one series, not two."""
    metrics = Metrics("1", [])
    metrics.register_gauges("session", lambda: {"entries": 1.0})
    metrics.register_gauges("session", lambda: {"entries": 9.0})

    assert metrics.render()[0].count(b"reprise_tier_entries{") == 1
    assert value(metrics, "reprise_tier_entries", tier="session") == 9


def test_what_waits() -> None:
    """How much waits for the shared tier, what it took late, and what it was never given."""
    metrics = Metrics("1", [])
    stats = {"entries": 2.0, "bytes": 30.0, "drained": 4.0, "dropped_full": 5.0}
    metrics.register_backlog(lambda: stats)

    assert value(metrics, "reprise_backlog_entries") == 2
    assert value(metrics, "reprise_backlog_bytes") == 30
    assert value(metrics, "reprise_backlog_drained_total") == 4
    assert value(metrics, "reprise_backlog_dropped_total", cause="full") == 5
