"""Fit a cache's thresholds to labelled pairs, so that wrong answers among its hits stay few.

Two fits. Without a verifier the similarity decides: `fit_threshold`. With one the similarity only
says which neighbours are worth asking it about, and its probability decides: `fit_zone`.

A setting is accepted when a one-sided confidence bound on the share of wrong hits, not the share
itself, meets the target; of those accepted the lowest is taken, since it serves most. The settings
tried are few and fixed in advance, but they are many: the best of them looks a little better than
it is. So `held_out` fits on one half of the pairs and counts on the other.

The share of wrong hits depends on the mix of rows. Pairs chosen to deceive make any setting look
bad, pairs chosen at random any good: the mix must be the traffic's, or harder.
"""

from bisect import bisect_left
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from itertools import pairwise
from math import ceil
from typing import Final

from proxy.core.binomial import Bound, is_certain, least_hits, upper
from proxy.core.scoring import share

Report = dict[str, object]
"""Ready for JSON."""

SIMILARITIES: Final = tuple(step / 200 for step in range(100, 201))
"""Thresholds and floors tried: .5 to 1 by .005.

Not lower: the pairs of a set were chosen, and say nothing about the far neighbours of traffic.
"""

PROBABILITIES: Final = (
    *(step / 100 for step in range(5, 98)),
    *(step / 1000 for step in range(980, 1000)),
)
"""Probabilities tried: .05 to .999, finer where a well trained verifier is."""

KEPT_BY_FLOOR: Final = 0.99
"""Of the right answers that the lowest floor allows, the share that the chosen one must keep."""


@dataclass(frozen=True, slots=True)
class Scored:
    """A labelled pair, and what the cache measured on it.

    Attributes:
        question: The cached question, by which halves are parted.
        set: The set it is from.
        category: Its category there; "" for none.
        good: One answer serves both questions.
        similarity: None where the cache had nothing to compare: a question that may not be cached,
            or that the embedder cannot read.
        is_vetoed: A guard keeps it from being served, whatever its similarity.
        probability: The verifier's; None where it was not asked.
    """

    question: str
    set: str
    category: str
    good: bool
    similarity: float | None
    is_vetoed: bool
    probability: float | None = None

    def is_near(self, similarity: float) -> bool:
        """Whether it would be served at this threshold, or put to a verifier at this floor."""
        return self.similarity is not None and not self.is_vetoed and self.similarity >= similarity


@dataclass(frozen=True, slots=True)
class Aim:
    """What is to be met.

    Attributes:
        target: Highest share of wrong answers among hits, above 0 and below 1.
        confidence: Of the one-sided bound, above 0 and below 1.
        bound: Whose.
    """

    target: float
    confidence: float = 0.95
    bound: Bound = Bound.CLOPPER_PEARSON

    def is_met(self, wrong: int, hits: int) -> bool:
        """Whether these counts show it."""
        return is_certain(wrong, hits, self.target, self.confidence, self.bound)

    @property
    def least_hits(self) -> int:
        """Fewer hits than this cannot show it, even without one that is wrong."""
        return least_hits(self.target, self.confidence, self.bound)


@dataclass(frozen=True, slots=True)
class Count:
    """What a setting serves of some pairs.

    Attributes:
        good: Pairs that one answer serves.
        hits: Pairs served.
        wrong: Of these, those that the answer does not fit.
    """

    good: int
    hits: int
    wrong: int

    def plus(self, other: "Count") -> "Count":
        """Both together."""
        return Count(self.good + other.good, self.hits + other.hits, self.wrong + other.wrong)

    def report(self, aim: Aim) -> Report:
        """The counts and their shares.

        Returns:
            `hits`, `wrong`, `served_share` of the good pairs, `precision` and `wrong_share` of the
            hits, None where there is nothing to divide by; and `bound` of the wrong share.
        """
        right = self.hits - self.wrong
        return {
            "hits": self.hits,
            "wrong": self.wrong,
            "served_share": share(right, self.good),
            "precision": share(right, self.hits),
            "wrong_share": share(self.wrong, self.hits),
            "bound": upper(self.wrong, self.hits, aim.confidence, aim.bound),
        }

    def summary(self, aim: Aim) -> str:
        """The same in a line."""
        served = share(self.hits - self.wrong, self.good)
        bound = upper(self.wrong, self.hits, aim.confidence, aim.bound)
        return (
            f"{self.wrong} wrong of {self.hits} hits, bound {bound:.2%}; "
            f"{served or 0:.1%} of {self.good} good pairs served"
        )


@dataclass(frozen=True, slots=True)
class Setting:
    """What is fitted.

    Attributes:
        similarity: The threshold; or, with a probability, the floor.
        probability: The least probability served; None where nothing verifies.
    """

    similarity: float
    probability: float | None = None

    @property
    def least(self) -> float:
        """The least that `decider` may be."""
        return self.similarity if self.probability is None else self.probability

    def decider(self, row: Scored) -> float | None:
        """What decides on this pair: its similarity or its probability; None where it is out."""
        if self.probability is None:
            return None if row.is_vetoed else row.similarity
        return row.probability if row.is_near(self.similarity) else None

    def serves(self, row: Scored) -> bool:
        """Whether the cache would answer this pair."""
        by = self.decider(row)
        return by is not None and by >= self.least

    def count(self, rows: Iterable[Scored]) -> Count:
        """What it serves of some pairs."""
        return _counts(list(rows), [self])[0]


def _counts(rows: Sequence[Scored], settings: Sequence[Setting]) -> list[Count]:
    """What settings that differ only in `least` serve; quicker than one after the other."""
    decided = [(row.good, settings[0].decider(row)) for row in rows]
    right = sorted(by for good, by in decided if good and by is not None)
    wrong = sorted(by for good, by in decided if not good and by is not None)
    good = sum(good for good, _ in decided)
    found = []
    for setting in settings:
        missed = len(wrong) - bisect_left(wrong, setting.least)
        hits = len(right) - bisect_left(right, setting.least) + missed
        found.append(Count(good, hits, missed))
    return found


@dataclass(frozen=True, slots=True)
class Failure:
    """No setting meets the aim; the reason is for people."""

    reason: str


Fit = Setting | Failure
Fitter = Callable[[Sequence[Scored], Aim], Fit]


def fit_threshold(rows: Sequence[Scored], aim: Aim) -> Fit:
    """The lowest similarity that meets the aim where nothing verifies."""
    return _lowest(rows, aim, [Setting(step) for step in SIMILARITIES])


def fit_zone(rows: Sequence[Scored], aim: Aim) -> Fit:
    """The grey zone: above which similarity to ask the verifier, and which probability to believe.

    First the lowest probability that meets the aim with the lowest floor; then the highest floor
    that still keeps `KEPT_BY_FLOOR` of the right answers; then the lowest probability for that.
    """
    widest = _lowest(rows, aim, _zones(SIMILARITIES[0]))
    if isinstance(widest, Failure):
        return widest
    right = [
        row.similarity
        for row in rows
        if row.good and row.similarity is not None and widest.serves(row)
    ]
    kept = sorted(right, reverse=True)[: ceil(len(right) * KEPT_BY_FLOOR)]
    floor = max(step for step in SIMILARITIES if step <= kept[-1])
    narrow = _lowest(rows, aim, _zones(floor))
    # Fewer hits may be too few to show anything.
    return widest if isinstance(narrow, Failure) else narrow


def _zones(floor: float) -> list[Setting]:
    return [Setting(floor, step) for step in PROBABILITIES]


def _lowest(rows: Sequence[Scored], aim: Aim, settings: Sequence[Setting]) -> Fit:
    """The first of some settings, from loose to strict, that meets the aim."""
    counts = _counts(rows, settings)
    for setting, found in zip(settings, counts, strict=True):
        if aim.is_met(found.wrong, found.hits):
            return setting
    return Failure(_why(settings, counts, aim))


def _why(settings: Sequence[Setting], counts: Sequence[Count], aim: Aim) -> str:
    most = max(found.hits for found in counts)
    if most < aim.least_hits:
        return (
            f"too few rows: {aim.least_hits} hits without a wrong one are the least that can show "
            f"{aim.target:.2%} at {aim.confidence:.0%}, and at most {most} are served"
        )
    bounds = [upper(found.wrong, found.hits, aim.confidence, aim.bound) for found in counts]
    best = min(range(len(bounds)), key=bounds.__getitem__)
    chosen, found = settings[best], counts[best]
    return (
        f"not met: the lowest bound is {bounds[best]:.2%}, at {chosen.least:g}, "
        f"with {found.wrong} wrong of {found.hits} hits"
    )


@dataclass(frozen=True, slots=True)
class HeldOut:
    """What fits on one half of the pairs do on the other, both ways.

    Attributes:
        fits: Of the two halves.
        count: Served by each half's fit of the other half, together; a half whose fit failed
            serves nothing.
    """

    fits: tuple[Fit, Fit]
    count: Count


def held_out(rows: Sequence[Scored], aim: Aim, fit: Fitter) -> HeldOut:
    """Fit on one half and count on the other, then the other way round.

    The half is decided by a digest of the cached question: the same in every run, and pairs that
    share that question are never parted.
    """
    halves: tuple[list[Scored], list[Scored]] = ([], [])
    for row in rows:
        halves[sha256(row.question.encode("utf-8", "replace")).digest()[0] % 2].append(row)
    fits = (fit(halves[0], aim), fit(halves[1], aim))
    counts = [
        Count(sum(row.good for row in other), 0, 0)
        if isinstance(found, Failure)
        else found.count(other)
        for found, other in zip(fits, reversed(halves), strict=True)
    ]
    return HeldOut(fits, counts[0].plus(counts[1]))


def grouped(rows: Iterable[Scored], key: Callable[[Scored], str]) -> dict[str, list[Scored]]:
    """The rows by a key, in order of the keys; those whose key is "" are left out."""
    groups: dict[str, list[Scored]] = {}
    for row in rows:
        groups.setdefault(key(row), []).append(row)
    return {name: groups[name] for name in sorted(groups) if name}


def table(rows: Sequence[Scored], settings: Sequence[Setting]) -> list[tuple[Setting, Count]]:
    """What each setting serves, without those that serve just what the one before served."""
    counted = [(setting, setting.count(rows)) for setting in settings]
    changed = [after for before, after in pairwise(counted) if after[1] != before[1]]
    return counted[:1] + changed
