from collections.abc import Mapping

from prometheus_client import CollectorRegistry

from proxy.core.auditing import Audited
from proxy.telemetry.audits import AuditGauges, Audits
from proxy.telemetry.metrics import Names


def read(readings: Audits, limit: int = 64) -> CollectorRegistry:
    registry = CollectorRegistry(auto_describe=False)
    registry.register(AuditGauges(readings, Names(limit=limit).bounded))
    return registry


def test_a_rate_is_told_with_its_interval() -> None:
    """By namespace: what was counted, and between which ends the truth lies."""
    registry = read(lambda: {"docs": Audited(wrong=1, compared=100)})
    rate = "reprise_audit_wrong_hit_rate"
    low, estimate, high = (
        registry.get_sample_value(rate, {"namespace": "docs", "bound": bound}) or 0.0
        for bound in ("low", "estimate", "high")
    )

    assert 0 < low < estimate == 0.01 < high < 0.05
    assert registry.get_sample_value("reprise_audit_compared", {"namespace": "docs"}) == 100
    assert registry.get_sample_value("reprise_audit_wrong", {"namespace": "docs"}) == 1


def test_what_is_suspended_is_told() -> None:
    """And has no rate until something is compared again."""
    registry = read(lambda: {"docs": Audited(suspended=2)})
    labels = {"namespace": "docs", "bound": "estimate"}

    assert registry.get_sample_value("reprise_audit_suspended", {"namespace": "docs"}) == 2
    assert registry.get_sample_value("reprise_audit_wrong_hit_rate", labels) is None


def test_namespaces_stay_few() -> None:
    """Callers name them: beyond a bound they are counted together."""
    registry = read(lambda: {str(n): Audited(compared=10) for n in range(5)}, limit=2)

    assert registry.get_sample_value("reprise_audit_compared", {"namespace": "0"}) == 10
    assert registry.get_sample_value("reprise_audit_compared", {"namespace": "other"}) == 30


def test_what_cannot_be_read_is_left_out() -> None:
    """The scrape goes on."""

    def broken() -> Mapping[str, Audited]:
        raise RuntimeError("changed while it was read")

    assert read(broken).get_sample_value("reprise_audit_compared", {"namespace": ""}) is None
