"""How far the share behind some counts may be from the share counted.

`wrong` of `hits` were wrong; what share of all hits to come is wrong? A one-sided bound at 95 % is
broken by at most one sample in twenty. Clopper and Pearson's (Biometrika 26, 1934) keeps that
promise for every share and every number of hits; Wilson's (JASA 22, 1927) keeps it on average and
is a little tighter.
"""

from collections.abc import Callable
from enum import StrEnum
from math import ceil, exp, lgamma, log, log1p, sqrt
from statistics import NormalDist

BISECTIONS = 60
"""Halvings of the interval from 0 to 1: more than a double can tell apart."""

NEGLIGIBLE = 1e-17
"""A term this small beside the sum does not change it."""


class Bound(StrEnum):
    """Which bound."""

    CLOPPER_PEARSON = "clopper-pearson"
    WILSON = "wilson"


def upper(wrong: int, hits: int, confidence: float, bound: Bound = Bound.CLOPPER_PEARSON) -> float:
    """The largest share that fits the counts; 1 when nothing was counted.

    Args:
        wrong: 0 to `hits`.
        hits: 0 or more.
        confidence: One-sided, above 0 and below 1.
        bound: Whose.
    """
    if wrong >= hits:
        return 1.0
    if bound is Bound.WILSON:
        return _wilson(wrong, hits, confidence)
    return _falls_to(lambda share: _at_most(wrong, hits, share), 1 - confidence)


def lower(wrong: int, hits: int, confidence: float, bound: Bound = Bound.CLOPPER_PEARSON) -> float:
    """The smallest share that fits the counts: what is not wrong is right."""
    return 1 - upper(hits - wrong, hits, confidence, bound) if hits else 0.0


def is_certain(
    wrong: int, hits: int, target: float, confidence: float, bound: Bound = Bound.CLOPPER_PEARSON
) -> bool:
    """Whether `upper` is at most the target; quicker than asking for it."""
    if wrong >= hits or wrong / hits > target:
        return False
    if bound is Bound.WILSON:
        return _wilson(wrong, hits, confidence) <= target
    return _at_most(wrong, hits, target) <= 1 - confidence


def least_hits(target: float, confidence: float, bound: Bound = Bound.CLOPPER_PEARSON) -> int:
    """So many hits without one that is wrong are needed at the least: 299 for 1 % at 95 %."""
    if bound is Bound.WILSON:
        return max(ceil(_z(confidence) ** 2 * (1 - target) / target), 1)
    return ceil(log(1 - confidence) / log1p(-target))


def _wilson(wrong: int, hits: int, confidence: float) -> float:
    z, share = _z(confidence), wrong / hits
    spread = z * sqrt(share * (1 - share) / hits + (z / (2 * hits)) ** 2)
    return (share + z * z / (2 * hits) + spread) / (1 + z * z / hits)


def _z(confidence: float) -> float:
    return NormalDist().inv_cdf(confidence)


def _falls_to(probability: Callable[[float], float], level: float) -> float:
    """Where a probability that falls as the share grows is down to the level."""
    low, high = 0.0, 1.0
    for _ in range(BISECTIONS):
        middle = (low + high) / 2
        if probability(middle) > level:
            low = middle
        else:
            high = middle
    return high


def _at_most(wrong: int, hits: int, share: float) -> float:
    """P(at most so many are wrong) when each hit is wrong with this probability, 0 < share < 1."""
    if wrong < hits * share:
        return _tail(wrong, hits, share)
    # The other tail is the short one: of what is right there are fewer than `hits - wrong`.
    return 1 - _tail(hits - wrong - 1, hits, 1 - share)


def _tail(count: int, of: int, share: float) -> float:
    """P(at most `count`), by its terms from the largest down; `count` is at most the mean."""
    term = exp(
        lgamma(of + 1)
        - lgamma(count + 1)
        - lgamma(of - count + 1)
        + count * log(share)
        + (of - count) * log1p(-share)
    )
    total = 0.0
    odds = (1 - share) / share
    for left in range(count, -1, -1):
        total += term
        term *= left * odds / (of - left + 1)
        if term < total * NEGLIGIBLE:
            break
    return total
