import pytest

from proxy.core.auditing import Audit, Audited, Rate


def count(audit: Audit, right: int, wrong: int) -> list[bool]:
    """Which comparisons changed its state; the wrong ones come first."""
    return [audit.add(right=number >= wrong) for number in range(right + wrong)]


def test_a_rate_has_an_interval() -> None:
    """Clopper and Pearson's: 1 of 100 lies between 0.05 % and 4.7 %."""
    rate = Rate(1, 100)

    assert rate.estimate == 0.01
    assert rate.low == pytest.approx(0.000513, abs=1e-5)
    assert rate.high == pytest.approx(0.04656, abs=1e-4)


def test_nothing_compared_has_no_rate() -> None:
    """It may be anything."""
    rate = Rate(0, 0)

    assert (rate.estimate, rate.low, rate.high) == (None, 0.0, 1.0)


def test_a_bad_namespace_is_suspended() -> None:
    """Once the rate is above the bound as far as can be told; the reason says how bad it is."""
    audit = Audit(0.05)
    assert count(audit, right=0, wrong=2) == [False, True]

    assert audit.suspended == "audit: wrong-hit rate 100.0 % > 5 %"


def test_one_wrong_hit_is_no_rate() -> None:
    """However small the bound."""
    audit = Audit(0.001)
    count(audit, right=0, wrong=1)

    assert audit.suspended is None


def test_a_good_namespace_is_left_alone() -> None:
    """A rate below the bound suspends nothing."""
    audit = Audit(0.05)
    for _ in range(40):
        count(audit, right=49, wrong=1)

    assert audit.suspended is None
    assert audit.rate == Rate(40, 2000)


def test_it_recovers_when_fresh_comparisons_are_good() -> None:
    """After sixty at 5 %: what was wrong before it was suspended no longer counts."""
    audit = Audit(0.05)
    count(audit, right=0, wrong=2)
    assert audit.rate == Rate(0, 0)
    changes = count(audit, right=60, wrong=0)

    assert changes == [False] * 59 + [True]
    assert audit.suspended is None


def test_it_stays_suspended_while_fresh_comparisons_are_bad() -> None:
    """And recovers by the newest sixty once these are good enough."""
    audit = Audit(0.05)
    count(audit, right=0, wrong=2)
    assert not any(count(audit, right=56, wrong=4))
    assert audit.suspended is not None

    changes = count(audit, right=10, wrong=0)
    assert changes.index(True) == 0


def test_it_can_recover_from_the_smallest_bound() -> None:
    """Three thousand fresh comparisons are enough at 0.1 %."""
    audit = Audit(0.001)
    count(audit, right=0, wrong=2)
    changes = count(audit, right=3000, wrong=0)

    assert changes == [False] * 2999 + [True]


def test_names_are_summed_across_tenants() -> None:
    """An operator sees one rate for a namespace's name."""
    assert Audited(wrong=2, compared=50).rate == Rate(2, 50)
