"""How many calls may be made."""

from hypothesis import given
from hypothesis import strategies as st

from proxy.core.budget import Budget


def test_a_minute_s_worth_at_once() -> None:
    """A fresh budget can be spent at once, and then is over."""
    budget: Budget | None = Budget.full(2, 100)
    for _ in range(2):
        assert budget is not None
        budget = budget.spend(100)

    assert budget is not None
    assert budget.spend(100) is None
    assert budget.spend(129.9) is None


def test_it_fills_evenly() -> None:
    """Two a minute is one in thirty seconds."""
    budget = Budget(2, 0, 100)

    assert budget.spend(129) is None
    assert budget.spend(130) == Budget(2, 0, 130)


def test_it_does_not_save_up() -> None:
    """After an hour there is still only a minute's worth."""
    assert Budget(2, 0, 0).spend(3600) == Budget(2, 1, 3600)


def test_a_clock_that_goes_back_gives_nothing() -> None:
    """Time is not paid for twice."""
    later = Budget(60, 60, 100).spend(90)

    assert later is not None
    assert later.at == 100
    assert later.left < 60


@given(
    st.integers(1, 100),
    st.lists(st.floats(0, 50), min_size=1, max_size=200),
)
def test_never_more_than_allowed(per_minute: int, waits: list[float]) -> None:
    """Over any time at most a minute's worth and what has come since can be spent."""
    budget, now, spent = Budget.full(per_minute, 0), 0.0, 0
    for wait in waits:
        now += wait
        after = budget.spend(now)
        if after is not None:
            budget, spent = after, spent + 1

    assert spent <= per_minute + now / 60 * per_minute + 1e-6
