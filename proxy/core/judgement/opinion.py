"""A second judge beside the verifier: which pairs it is asked about, and what its word changes.

A judge that fails can only take hits away. Asked and silent, it leaves the pair undecided, and an
undecided pair is not served; not asked at all, it leaves the verifier's own word.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

SAME_ANSWER: Final = 1.0
OTHER_ANSWER: Final = 0.0
"""The probabilities that stand for the judge's two words."""


class Opinion(StrEnum):
    """What came of one pair."""

    SAME = "same"
    """One answer serves both."""

    DIFFERENT = "different"
    """It does not."""

    UNREADABLE = "unreadable"
    """The judge will not read the pair, or its reply is none: nobody vouches for it."""

    UNANSWERED = "unanswered"
    """It was asked, and failed or was late."""

    NOT_ASKED = "not asked"
    """The budget is spent, too many calls are under way, or the judge is down."""


@dataclass(frozen=True, slots=True)
class GreyZone:
    """The probabilities, ends included, at which a verifier's own word is not enough."""

    low: float
    high: float

    def holds(self, probability: float | None) -> bool:
        """Whether the judge is to be asked; always where nothing verified before it (None)."""
        return probability is None or self.low <= probability <= self.high

    def around(self, least: float) -> "GreyZone":
        """The zone with the least probability served in it: all above is served, none below."""
        return GreyZone(min(self.low, least), max(self.high, least))


EVERYTHING: Final = GreyZone(0.0, 1.0)
"""The zone of a judge that is asked about every pair."""


def settled(probability: float | None, opinion: Opinion) -> float | None:
    """P(one answer serves both) after an opinion; None when nobody decided.

    Args:
        probability: The verifier's; None when there is none.
        opinion: The judge's.
    """
    match opinion:
        case Opinion.SAME:
            return SAME_ANSWER
        case Opinion.DIFFERENT | Opinion.UNREADABLE:
            return OTHER_ANSWER
        case Opinion.UNANSWERED:
            return None
        case Opinion.NOT_ASKED:
            return probability
