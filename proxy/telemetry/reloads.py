"""What came of reloads of the configuration, as metrics."""

from collections.abc import Mapping
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge

RESULTS: Final[Mapping[str, str]] = {"config_reloaded": "ok", "config_reload_failed": "failed"}
"""Events, and the result that each is counted as."""


class Reloads:
    """Counts reloads by the events that tell of them. The start of the program counts as well read.

    Args:
        registry: Where the series are.
    """

    def __init__(self, registry: CollectorRegistry) -> None:
        self._success = Gauge(
            "reprise_config_reload_success",
            "1 when the last reload was followed, or there was none; else 0.",
            registry=registry,
        )
        self._at = Gauge(
            "reprise_config_reload_timestamp_seconds",
            "When the configuration that holds was read, seconds since the epoch.",
            registry=registry,
        )
        self._count = Counter(
            "reprise_config_reloads",
            "Reloads, by what came of them.",
            ["result"],
            registry=registry,
        )
        for result in RESULTS.values():  # so that what never came reads 0
            self._count.labels(result)
        self._success.set(1)
        self._at.set_to_current_time()

    def heard(self, event: str) -> None:
        """An event of that name; others than those of reloads change nothing."""
        if (result := RESULTS.get(event)) is None:
            return
        self._count.labels(result).inc()
        self._success.set(result == "ok")
        if result == "ok":
            self._at.set_to_current_time()
