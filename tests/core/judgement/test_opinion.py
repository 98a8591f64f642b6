"""What a second judge's word changes."""

import pytest

from proxy.core.judgement.opinion import EVERYTHING, GreyZone, Opinion, settled

ZONE = GreyZone(0.2, 0.9)


@pytest.mark.parametrize(
    ("probability", "asked"),
    [(None, True), (0.0, False), (0.19, False), (0.2, True), (0.5, True), (0.9, True), (1, False)],
)
def test_who_is_doubtful(probability: float | None, asked: bool) -> None:
    """What the verifier is sure of is not asked about; where there is none, all is."""
    assert ZONE.holds(probability) is asked


@pytest.mark.parametrize("probability", [None, 0.0, 0.5, 1.0])
def test_every_pair(probability: float | None) -> None:
    """A judge of everything is asked whatever the verifier said."""
    assert EVERYTHING.holds(probability)


@pytest.mark.parametrize(
    ("least", "expected"),
    [(0.5, ZONE), (0.95, GreyZone(0.2, 0.95)), (0.1, GreyZone(0.1, 0.9))],
)
def test_a_zone_holds_what_decides(least: float, expected: GreyZone) -> None:
    """No probability is both outside the zone and on the wrong side of what is served."""
    assert ZONE.around(least) == expected


@pytest.mark.parametrize(
    ("opinion", "expected"),
    [
        (Opinion.SAME, 1.0),
        (Opinion.DIFFERENT, 0.0),
        (Opinion.UNREADABLE, 0.0),
        (Opinion.UNANSWERED, None),
        (Opinion.NOT_ASKED, 0.7),
    ],
)
def test_settled(opinion: Opinion, expected: float | None) -> None:
    """Only a plain yes raises a probability; a judge that was not asked changes none."""
    assert expected == settled(0.7, opinion)


@pytest.mark.parametrize("opinion", set(Opinion) - {Opinion.SAME})
def test_nobody_vouches(opinion: Opinion) -> None:
    """Without a verifier nothing but a yes is served."""
    assert not settled(None, opinion)
