"""Whether older answers are wrong more often, and from which age on: what a lifetime should be.

A change point: the age that parts the comparisons best into two groups, each with a share of wrong
ones of its own, is the likeliest (Hinkley and Hinkley, Biometrika 57, 1970). Many ages are tried,
so that one is believed only where the older group is worse than the target and than the younger
group by bounds that all of them together break with the stated chance.

Only what is found by reworded questions is compared, and only as old as answers are served today:
that a longer lifetime would do is a guess, and told as one.
"""

from collections.abc import Sequence
from itertools import pairwise
from math import log
from typing import Final

from proxy.core.binomial import lower, upper
from proxy.core.calibrating import Aim
from proxy.core.tuning import Change, Compared, Proposal, evidence

AGES: Final = (
    300,
    900,
    1800,
    3600,
    3 * 3600,
    6 * 3600,
    12 * 3600,
    86_400,
    2 * 86_400,
    3 * 86_400,
    7 * 86_400,
    14 * 86_400,
    30 * 86_400,
)
"""Ages tried, seconds: what people write as a lifetime."""

OLD: Final = 0.5
"""Of the lifetime: whoever lives longer is old."""


def tune_lifetime(key: str, pairs: Sequence[Compared], current: float, aim: Aim) -> Proposal:
    """A shorter lifetime, where answers are shown to go wrong before its end.

    Args:
        key: The key of the configuration.
        pairs: What is served, thinned, of entries that live as long as `current`.
        current: The lifetime in force, seconds.
        aim: The target, and the confidence with which it must be shown to be broken.
    """
    now = evidence(pairs, aim.confidence)
    cut = _change_point(pairs, [age for age in AGES if age < current], aim)
    if cut is None:
        return Proposal(key, current, None, _why_not(pairs, current, aim), now)
    young = [pair for pair in pairs if pair.age <= cut]
    old = evidence((pair for pair in pairs if pair.age > cut), aim.confidence)
    count, of = len(young), len(pairs)
    low, high = lower(count, of, aim.confidence), upper(count, of, aim.confidence)
    reason = (
        f"older answers are wrong more often: {old.wrong} of {old.compared} "
        f"({old.low:.1%} to {old.high:.1%})"
    )
    then = evidence(young, aim.confidence)
    return Proposal(key, current, float(cut), reason, now, then, Change(count / of, low, high))


def _change_point(pairs: Sequence[Compared], cuts: Sequence[int], aim: Aim) -> int | None:
    """The likeliest of the ages that are shown to part worse answers from better ones."""
    confidence = 1 - (1 - aim.confidence) / (2 * max(1, len(cuts)))
    shown: dict[int, float] = {}
    for cut in cuts:
        young, old = _parted(pairs, cut)
        bar = max(aim.target, upper(*young, confidence))
        if old[1] and lower(*old, confidence) > bar:
            shown[cut] = _likelihood(*young) + _likelihood(*old)
    return max(shown, key=shown.__getitem__, default=None)


def _parted(pairs: Sequence[Compared], cut: float) -> tuple[tuple[int, int], tuple[int, int]]:
    """(wrong, compared) of those up to this age, and of the older ones."""
    young = [pair.right for pair in pairs if pair.age <= cut]
    old = [pair.right for pair in pairs if pair.age > cut]
    return (len(young) - sum(young), len(young)), (len(old) - sum(old), len(old))


def _likelihood(wrong: int, compared: int) -> float:
    """Of the counts, by their own share; its logarithm."""
    parts = (wrong, compared - wrong)
    return sum(part * log(part / compared) for part in parts if part)


def _why_not(pairs: Sequence[Compared], current: float, aim: Aim) -> str:
    (_, young), (wrong, old) = _parted(pairs, OLD * current)
    if not young + old:
        return "nothing that is served is compared yet"
    if not aim.is_met(wrong, old):
        return "older answers are not shown to be wrong more often"
    return (
        f"of answers older than half of it at most {upper(wrong, old, aim.confidence):.1%} are "
        "wrong: a longer one may do, but nothing older was compared"
    )


def by_age(pairs: Sequence[Compared], confidence: float) -> list[tuple[float, float, int, int]]:
    """(from, to, wrong, compared) for each stretch of ages in which something was compared."""
    edges = (0.0, *map(float, AGES), float("inf"))
    found = []
    for start, end in pairwise(edges):
        seen = evidence((pair for pair in pairs if start <= pair.age < end), confidence)
        if seen.compared:
            found.append((start, end, seen.wrong, seen.compared))
    return found
