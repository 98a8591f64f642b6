"""Policies over a stream whose right answers are known, and what is counted of them.

The policies that a simulation compares, each deciding for one neighbour that the judge would serve:

- `static`: serve it;
- `published`: vCache's rule as it was published: the entry's own labels, explored so often that
  wrong answers are bounded per request;
- `own`: bounded per hit, by the entry's own labels, whose rule must prove itself;
- `verified`: the same, with the category's pooled labels too: what serving does.
"""

from dataclasses import dataclass
from enum import StrEnum
from math import ceil
from typing import Final

from proxy.core.binomial import lower, upper
from proxy.core.learning import exploration
from proxy.core.trusting import Advice, Category, Lesson, Rule

CONFIDENCE: Final = 0.95
"""Of each end of an interval, one-sided."""

NOTHING: Final = Advice(frozenset(), frozenset())


class Policy(StrEnum):
    """Who decides."""

    STATIC = "static"
    PUBLISHED = "published"
    OWN = "own"
    VERIFIED = "verified"


class Decider:
    """One policy at work; it learns from what it explores.

    Args:
        policy: Which.
        max_error: The share of hits that may be wrong; `published` takes it per request.
        explore_share: Of trusted neighbours, how many are explored all the same.
    """

    def __init__(self, policy: Policy, max_error: float, explore_share: float) -> None:
        rules = Rule if policy is Policy.VERIFIED else (Rule.OWN,)
        self._category = Category(max_error, rules)
        self._policy = policy
        self._max_error = max_error
        self._explore_share = explore_share

    def decide(self, entry: str, score: float, draw: float) -> tuple[bool, Advice]:
        """Whether this neighbour is served, and what the rules said of it."""
        match self._policy:
            case Policy.STATIC:
                return True, NOTHING
            case Policy.PUBLISHED:
                assured = self._category.assured(Rule.OWN, entry, score)
                return draw >= exploration(assured, self._max_error), NOTHING
            case Policy.OWN | Policy.VERIFIED:
                advice = self._category.advise(entry, score)
                return advice.serves(draw, self._explore_share), advice

    def learn(self, entry: str, score: float, advice: Advice, *, right: bool) -> None:
        """It was explored, and the cached answer was right, or not."""
        self._category.learn(Lesson(entry, score, right, proposed=advice.proposed))


@dataclass(slots=True)
class Tally:
    """What became of a stream's requests.

    Attributes:
        requests: All.
        exact: Answered by the same question's entry.
        served: Answered by a neighbour's entry.
        wrong: Of those, with another key's answer.
        explored: A neighbour was at hand, and the origin was asked.
    """

    requests: int = 0
    exact: int = 0
    served: int = 0
    wrong: int = 0
    explored: int = 0

    def __add__(self, other: "Tally") -> "Tally":
        return Tally(
            self.requests + other.requests,
            self.exact + other.exact,
            self.served + other.served,
            self.wrong + other.wrong,
            self.explored + other.explored,
        )

    def report(self, repeats: int = 1) -> dict[str, float | int | None]:
        """Shares, 0 to 1, with an interval of 95 % at each end; None of nothing.

        `wrong_per_hit` counts hits on neighbours only: an exact repeat cannot be wrong.

        Args:
            repeats: How often the same stream was replayed. Replays meet the same neighbours, so
                the interval rests on as many hits as one of them had.
        """
        hits, requests = self.served, self.requests
        seen = ceil(self.wrong / repeats), ceil(hits / repeats)
        return {
            "requests": requests,
            "hit_rate": _share(self.exact + hits, requests),
            "neighbour_hit_rate": _share(hits, requests),
            "explored_share": _share(self.explored, requests),
            "wrong_per_request": _share(self.wrong, requests),
            "wrong": self.wrong,
            "neighbour_hits": hits,
            "wrong_per_hit": _share(self.wrong, hits),
            "wrong_per_hit_low": lower(*seen, CONFIDENCE) if hits else None,
            "wrong_per_hit_high": upper(*seen, CONFIDENCE) if hits else None,
        }


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole else None
