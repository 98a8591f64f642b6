"""What the way to Redis says of itself: how long commands take, and how its connections fare."""

from collections.abc import Iterator, Sequence

from prometheus_client import CollectorRegistry, Histogram
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from proxy.telemetry.gauges import Readings, read

_COUNTERS = {
    "faults": ("connection_faults", "Connections to Redis that were refused or lost."),
    "redirected": ("redirections", "Commands that a cluster sent on to another node."),
    "mapped": ("map_reads", "Times the map of a cluster's slots was read."),
}


class RedisSeries(Collector):
    """Pulls the connections' state at every scrape, and is told of commands.

    Args:
        registry: Where the series are shown.
        readings: `connected`, `busy`, `listening`, `faults`; on a cluster `redirected`, `mapped`.
        buckets: Of the times, seconds.
    """

    def __init__(
        self, registry: CollectorRegistry, readings: Readings, buckets: Sequence[float]
    ) -> None:
        self._readings = readings
        self._took = Histogram(
            "reprise_redis_command_seconds",
            "From a command to its answer, with the wait for a connection.",
            ["command"],
            registry=registry,
            buckets=buckets,
        )
        registry.register(self)

    def timed(self, command: str, seconds: float) -> None:
        """One command is over. Names of commands are the program's own."""
        self._took.labels(command).observe(seconds)

    def describe(self) -> list[Metric]:
        """Nothing: Redis may not be reached yet."""
        return []

    def collect(self) -> Iterator[Metric]:
        """Connections by state, whether messages are heard, and what went wrong so far."""
        values = read(self._readings)
        connections = GaugeMetricFamily(
            "reprise_redis_connections", "Connections to Redis, by state.", labels=["state"]
        )
        if "connected" in values:
            connections.add_metric(["busy"], values["busy"])
            connections.add_metric(["idle"], values["connected"] - values["busy"])
        yield connections
        yield GaugeMetricFamily(
            "reprise_redis_listening",
            "1 while messages of other replicas are heard.",
            values.get("listening"),
        )
        for stat, (name, text) in _COUNTERS.items():
            if stat in values:
                yield CounterMetricFamily(f"reprise_redis_{name}", text, values[stat])
