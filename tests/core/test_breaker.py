from proxy.core.breaker import Breaker


def test_it_opens_at_its_limit() -> None:
    """One fault fewer than the limit changes nothing."""
    breaker = Breaker(limit=2)

    assert not breaker.failed("late").is_open
    assert breaker.failed("late").failed("gone").reason == "gone"


def test_a_success_forgets_faults() -> None:
    """Only faults in a row count."""
    breaker = Breaker(limit=2).failed("late").succeeded().failed("late")

    assert not breaker.is_open


def test_a_success_closes_it() -> None:
    """An open breaker closes on the first good answer."""
    assert not Breaker().failed("gone").succeeded().is_open
