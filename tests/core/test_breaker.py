import pytest

from proxy.core.breaker import MOST_PROOFS, STEADY, Breaker, pause_s


def used(breaker: Breaker, times: int) -> Breaker:
    """After so many good answers."""
    for _ in range(times):
        breaker = breaker.succeeded()
    return breaker


def proofs_of(breaker: Breaker) -> int:
    """Good probes in a row that close it."""
    count = 0
    while breaker.is_open:
        breaker = breaker.proven()
        count += 1
    return count


def test_it_opens_at_its_limit() -> None:
    """One fault fewer than the limit changes nothing."""
    breaker = Breaker(limit=2)

    assert not breaker.failed("late").is_open
    assert breaker.failed("late").failed("gone").reason == "gone"


def test_a_success_forgets_faults() -> None:
    """Only faults in a row count."""
    breaker = Breaker(limit=2).failed("late").succeeded().failed("late")

    assert not breaker.is_open


def test_a_good_probe_closes_it() -> None:
    """And nothing else does: an answer that was under way when it opened says nothing."""
    breaker = Breaker().failed("gone")

    assert breaker.succeeded().is_open
    assert not breaker.proven().is_open


def test_its_reason_is_the_newest() -> None:
    """What the last probe found, not what has become of a request that began before."""
    breaker = Breaker().failed("gone").disproven("no password")

    assert breaker.reason == "no password"
    assert breaker.failed("gone").reason == "no password"


def test_late_again_and_again() -> None:
    """A part that only its probe finds well must prove itself twice as often each time."""
    breaker, asked = Breaker(), []
    for _ in range(7):
        breaker = breaker.failed("late", is_late=True)
        asked.append(proofs_of(breaker))
        while breaker.is_open:
            breaker = breaker.proven()

    assert asked == [1, 2, 4, 8, 16, MOST_PROOFS, MOST_PROOFS]


def test_proofs_are_in_a_row() -> None:
    """One bad probe, and it begins anew."""
    breaker = Breaker().failed("late", is_late=True).proven().failed("late", is_late=True)

    assert breaker.proven().disproven("slow").proven().is_open
    assert not breaker.proven().disproven("slow").proven().proven().is_open


@pytest.mark.parametrize(("answers", "proofs"), [(STEADY - 1, 2), (STEADY, 1)])
def test_lateness_is_forgotten(answers: int, proofs: int) -> None:
    """After enough good answers, the next time is the first again."""
    breaker = used(Breaker().failed("late", is_late=True).proven(), answers)

    assert proofs_of(breaker.failed("late", is_late=True)) == proofs


def test_a_part_that_fails_at_once_need_not_prove_itself() -> None:
    """It costs nobody time, so one good probe is enough however often it went."""
    breaker = Breaker()
    for _ in range(5):
        breaker = breaker.failed("refused").proven()

    assert proofs_of(breaker.failed("refused")) == 1


def test_pauses_differ() -> None:
    """From half of what is configured to all of it."""
    assert [pause_s(2.0, draw) for draw in (0.0, 0.5, 1.0)] == [1.0, 1.5, 2.0]
