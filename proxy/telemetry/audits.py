"""What audits say of each namespace, asked for when somebody scrapes."""

from collections.abc import Callable, Iterator, Mapping

from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from proxy.core.auditing import Audited

Audits = Callable[[], Mapping[str, Audited]]
"""Namespace -> what was counted; "" is the default namespace."""

Bounded = Callable[[str], str]
"""The name, or `other` when there have been too many."""


class AuditGauges(Collector):
    """Pulls what was counted; without an audit there is no series.

    Args:
        readings: What was counted.
        bounded: Keeps the namespaces few: their names are the callers' own.
    """

    def __init__(self, readings: Audits, bounded: Bounded) -> None:
        self._readings = readings
        self._bounded = bounded

    def describe(self) -> list[Metric]:
        """Nothing: the names of the namespaces are not known yet."""
        return []

    def collect(self) -> Iterator[Metric]:
        """The counts, the rate with both ends of its interval, and what is suspended."""
        compared = _gauge("compared", "Hits compared with a fresh answer, of those that count.")
        wrong = _gauge("wrong", "Of those, hits that said something else.")
        suspended = _gauge("suspended", "Tenants whose namespace of that name is suspended.")
        rate = GaugeMetricFamily(
            "reprise_audit_wrong_hit_rate",
            "Share of hits on reworded questions that are wrong; low and high at 95 % each.",
            labels=["namespace", "bound"],
        )
        for name, found in self._grouped().items():
            compared.add_metric([name], found.compared)
            wrong.add_metric([name], found.wrong)
            suspended.add_metric([name], found.suspended)
            estimate = found.rate.estimate
            if estimate is not None:
                rate.add_metric([name, "low"], found.rate.low)
                rate.add_metric([name, "estimate"], estimate)
                rate.add_metric([name, "high"], found.rate.high)
        yield from (compared, wrong, suspended, rate)

    def _grouped(self) -> Mapping[str, Audited]:
        grouped: dict[str, Audited] = {}
        for name, found in self._read().items():
            group = grouped.setdefault(self._bounded(name), Audited())
            group.wrong += found.wrong
            group.compared += found.compared
            group.suspended += found.suspended
        return grouped

    def _read(self) -> Mapping[str, Audited]:
        try:
            return self._readings()
        except Exception:  # noqa: BLE001 - what cannot be read must not hide the other series
            return {}


def _gauge(name: str, text: str) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"reprise_audit_{name}", text, labels=["namespace"])
