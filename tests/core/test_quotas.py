"""So many requests a minute, and so many at once."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.core.quotas import Left, Quotas, Slots, Terms, duration
from proxy.errors import OverloadedError

MINUTELY = Terms(per_minute=60, burst=3)


def take(quotas: Quotas, now: float, who: str = "ada", terms: Terms = MINUTELY) -> Left:
    left = quotas.take(who, terms, now)
    assert left is not None
    return left


def test_a_burst_and_then_evenly() -> None:
    """Three at once, then one a second."""
    quotas = Quotas()
    granted = [take(quotas, 100).is_granted for _ in range(4)]
    later = [take(quotas, now).is_granted for now in (100.9, 101.0, 101.5, 102.0)]

    assert granted == [True, True, True, False]
    assert later == [False, True, False, True]


def test_what_is_left_is_told_as_openai_does() -> None:
    """Limit, what remains, and when all of it is there again."""
    quotas = Quotas()
    take(quotas, 100)
    left = take(quotas, 100.5)

    assert dict(left.headers()) == {
        "x-ratelimit-limit-requests": "3",
        "x-ratelimit-remaining-requests": "1",
        "x-ratelimit-reset-requests": "1.5s",
    }


def test_who_is_refused_is_told_when_to_come() -> None:
    """And is granted one when he comes then; being refused costs him nothing."""
    quotas = Quotas()
    for _ in range(3):
        take(quotas, 0)
    refused = [take(quotas, 0.25) for _ in range(5)][-1]

    assert not refused.is_granted
    assert refused.wait_s == pytest.approx(0.75)
    assert take(quotas, 0.25 + refused.wait_s).is_granted


def test_callers_do_not_use_each_other_s() -> None:
    """Whoever asks much leaves the others theirs."""
    quotas = Quotas()
    for _ in range(9):
        take(quotas, 0)

    assert take(quotas, 0, "bob").is_granted


def test_looking_costs_nothing() -> None:
    """What is left can be told without counting."""
    quotas = Quotas()
    seen = [quotas.take("ada", MINUTELY, 0, wanted=0) for _ in range(5)]

    assert {one.remaining for one in seen if one is not None} == {3}


def test_without_a_limit_nothing_is_remembered() -> None:
    """There is nothing to tell."""
    quotas = Quotas()

    assert quotas.take("ada", Terms(), 0) is None
    assert len(quotas) == 0


def test_another_limit_holds_at_once() -> None:
    """What was saved up under the old one is cut down."""
    quotas = Quotas()
    take(quotas, 0, terms=Terms(per_minute=600, burst=100))
    granted = [take(quotas, 0, terms=Terms(per_minute=60, burst=2)).is_granted for _ in range(3)]

    assert granted == [True, True, False]


def test_memory_is_bounded() -> None:
    """However many callers there are; those who ask are not forgotten."""
    quotas = Quotas(most=10)
    for _ in range(3):
        take(quotas, 0)
    for number in range(100):
        take(quotas, 0, f"stranger {number}")
        refused = take(quotas, 0)

        assert not refused.is_granted
        assert len(quotas) <= 10


@given(
    st.lists(st.floats(0, 5), min_size=1, max_size=200),
    st.integers(1, 20),
    st.floats(1, 600),
)
def test_no_more_than_the_rate(pauses: list[float], burst: int, per_minute: float) -> None:
    """Whenever they come: in any stretch of time no more than the burst and what has come since."""
    quotas, terms, now, granted = Quotas(), Terms(per_minute, burst), 0.0, []
    for pause in pauses:
        now += pause
        if take(quotas, now, terms=terms).is_granted:
            granted.append(now)
    for first, start in enumerate(granted):
        for last in range(first, len(granted)):
            most = burst + (granted[last] - start) * per_minute / 60
            assert last - first + 1 <= most + 1e-6


def test_so_many_at_once() -> None:
    """One leaves, another may come; who has left altogether takes no memory."""
    quotas, terms = Quotas(), Terms(concurrent=2)
    quotas.enter("ada")
    quotas.enter("ada")

    assert not quotas.may_enter("ada", terms)
    assert quotas.may_enter("bob", terms)
    quotas.leave("ada")
    assert quotas.may_enter("ada", terms)


def test_places() -> None:
    """When all are taken, who comes is told to try again."""
    slots = Slots(1, "calls")
    with slots.one(), pytest.raises(OverloadedError) as refused:
        slots.check()

    assert refused.value.headers == {"retry-after": "1"}


def test_a_place_is_free_again_after_a_failure() -> None:
    """Whatever ends what has it."""
    slots = Slots(1, "calls")
    with pytest.raises(ZeroDivisionError), slots.one():
        _ = 1 / 0

    slots.check()


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (0, "0ms"),
        (0.0201, "21ms"),
        (1.5, "1.5s"),
        (59.9999, "1m0s"),
        (360, "6m0s"),
        (3725.5, "1h2m5.5s"),
    ],
)
def test_durations_are_written_as_openai_does(seconds: float, shown: str) -> None:
    """Clients read them so."""
    assert duration(seconds) == shown
