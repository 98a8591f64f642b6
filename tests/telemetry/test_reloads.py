"""What `/metrics` says of reloads."""

import time

from proxy.telemetry.metrics import Metrics


def value(metrics: Metrics, name: str, **labels: str) -> float:
    found = metrics.registry.get_sample_value(f"reprise_config_{name}", labels)
    assert found is not None
    return found


def test_the_start_counts_as_well_read() -> None:
    """Before the first reload nothing is wrong, and nothing was reloaded."""
    before = time.time()
    metrics = Metrics("1", apis=())
    read_at = value(metrics, "reload_timestamp_seconds")

    assert value(metrics, "reload_success") == 1
    assert before <= read_at <= time.time()
    assert value(metrics, "reloads_total", result="ok") == 0
    assert value(metrics, "reloads_total", result="failed") == 0


def test_a_failure_is_seen_until_the_next_success() -> None:
    """It keeps the time of what holds, and other events change nothing."""
    metrics = Metrics("1", apis=())
    read_at = value(metrics, "reload_timestamp_seconds")
    metrics.event("config_reload_failed", by="file", reason="server.prot: is not a key")
    metrics.event("breaker_opened", stage="shared")
    is_well, held_since = (
        value(metrics, name) for name in ("reload_success", "reload_timestamp_seconds")
    )
    metrics.event("config_reloaded", by="file")

    assert is_well == 0
    assert held_since == read_at
    assert value(metrics, "reload_success") == 1
    assert value(metrics, "reload_timestamp_seconds") > read_at
    assert value(metrics, "reloads_total", result="failed") == 1
    assert value(metrics, "reloads_total", result="ok") == 1
