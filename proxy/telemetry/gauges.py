"""Values asked for when somebody scrapes: how full a tier is, what is under way, what waits.

A callable that fails leaves its series out of this scrape; the others are still served.
"""

from collections.abc import Callable, Iterator, Mapping

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

Readings = Callable[[], Mapping[str, float]]

EVICTED = "evicted_"
"""A stat of that beginning counts evictions by the cause that follows."""

DROPPED = "dropped_"
"""A stat of that beginning counts what left the backlog unwritten, by the cause that follows."""

_TIER_GAUGES = {
    "entries": "Entries the tier holds.",
    "bytes": "Bytes the tier holds.",
    "scopes": "Scopes the tier has entries of.",
    "following": "1 while the tier is behind the change log, as when it is built anew.",
}

_IN_FLIGHT_GAUGES = {
    "requests": "Requests of callers that are under way.",
    "calls": "Calls to origins that are under way.",
}

_BACKLOG_GAUGES = {
    "entries": "Answers that wait for the shared tier.",
    "bytes": "Bytes of answers that wait for the shared tier.",
}


class Gauges(Collector):
    """Pulls registered callables. Names of tiers, causes and parts are the program's own."""

    def __init__(self) -> None:
        self._tiers: dict[str, Readings] = {}
        self._parts: Readings | None = None
        self._backlog: Readings | None = None
        self._in_flight: Readings | None = None
        self._replicas: Readings | None = None
        self._reembedding: Readings | None = None

    def add_tier(self, tier: str, readings: Readings) -> None:
        """A tier's `stats`; a second callable for a tier replaces the first."""
        self._tiers[tier] = readings

    def set_parts(self, readings: Readings) -> None:
        """Part -> 1 when requests go past it, else 0."""
        self._parts = readings

    def set_in_flight(self, readings: Readings) -> None:
        """What is under way: `requests` of callers, `calls` to origins."""
        self._in_flight = readings

    def set_backlog(self, readings: Readings) -> None:
        """The `stats` of what waits for the shared tier."""
        self._backlog = readings

    def set_replicas(self, readings: Readings) -> None:
        """Processes over the shared tier: `present`, or nothing where it cannot be told."""
        self._replicas = readings

    def set_reembedding(self, readings: Readings) -> None:
        """Entries whose vectors are made in the background: `done`, and `left` while it goes on."""
        self._reembedding = readings

    def describe(self) -> list[Metric]:
        """Nothing: a registry that asked for names would call the tiers before they are up."""
        return []

    def collect(self) -> Iterator[Metric]:
        """One family a stat; stats without a family of their own, such as hits, are left out."""
        stats = {tier: read(readings) for tier, readings in self._tiers.items()}
        for stat, text in _TIER_GAUGES.items():
            gauge = GaugeMetricFamily(f"reprise_tier_{stat}", text, labels=["tier"])
            for tier, values in stats.items():
                if stat in values:
                    gauge.add_metric([tier], values[stat])
            yield gauge
        yield self._evictions(stats)
        yield self._open_breakers()
        yield from self._waiting()
        yield from self._under_way()
        yield GaugeMetricFamily(
            "reprise_replicas",
            "Processes that share the entries, this one too.",
            read(self._replicas).get("present"),
        )
        yield from self._reembedded()

    def _reembedded(self) -> Iterator[Metric]:
        values = read(self._reembedding)
        yield GaugeMetricFamily(
            "reprise_reembedding_left",
            "Entries that this process is about to give a vector.",
            values.get("left"),
        )
        yield CounterMetricFamily(
            "reprise_reembedding_done",
            "Entries given a vector of the embedder in use.",
            values.get("done"),
        )

    def _evictions(self, stats: Mapping[str, Mapping[str, float]]) -> Metric:
        counter = CounterMetricFamily(
            "reprise_tier_evictions",
            "Entries the tier gave up, by cause.",
            labels=["tier", "cause"],
        )
        for tier, values in stats.items():
            for stat, value in values.items():
                if stat.startswith(EVICTED):
                    counter.add_metric([tier, stat.removeprefix(EVICTED)], value)
        return counter

    def _open_breakers(self) -> Metric:
        gauge = GaugeMetricFamily(
            "reprise_breaker_open", "1 while requests go past a part that failed.", labels=["stage"]
        )
        for part, is_open in read(self._parts).items():
            gauge.add_metric([part], is_open)
        return gauge

    def _under_way(self) -> Iterator[Metric]:
        values = read(self._in_flight)
        for stat, text in _IN_FLIGHT_GAUGES.items():
            yield GaugeMetricFamily(f"reprise_{stat}_in_flight", text, values.get(stat))

    def _waiting(self) -> Iterator[Metric]:
        values = read(self._backlog)
        for stat, text in _BACKLOG_GAUGES.items():
            yield GaugeMetricFamily(f"reprise_backlog_{stat}", text, values.get(stat))
        yield CounterMetricFamily(
            "reprise_backlog_drained",
            "Answers the shared tier has taken late.",
            values.get("drained"),
        )
        dropped = CounterMetricFamily(
            "reprise_backlog_dropped", "Answers it was never given, by cause.", labels=["cause"]
        )
        for stat, value in values.items():
            if stat.startswith(DROPPED):
                dropped.add_metric([stat.removeprefix(DROPPED)], value)
        yield dropped


def read(readings: Readings | None) -> Mapping[str, float]:
    """What it says now; nothing where it fails."""
    if readings is None:
        return {}
    try:
        return readings()
    except Exception:  # noqa: BLE001 - a tier that cannot be asked must not hide the other series
        return {}
