"""How likely an answer is right, learned from labels: a curve of correctness over score.

A label says that at some score a cached answer was right, or wrong. Along the scores the share that
is right rises; the curve is P(right | score) = sigma(slope (place - middle)), fitted to the labels,
and `assurance` is what it still promises when the middle may be off by what so few labels leave
open. The rule is that of vCache (arXiv 2502.03771); `proxy.core.trusting` says what it lacks.

Scores are a verifier's probabilities or cosines. Both crowd below 1, where the difference between
0.98 and 0.999 is the difference between often wrong and hardly ever. So a score's place is its
logit, laid out from 0 to 1.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import exp, log, sqrt
from statistics import NormalDist
from typing import Final

import numpy as np
import numpy.typing as npt

LEAST_LABELS: Final = 6
"""Fewer say nothing about a neighbourhood."""

REACH: Final = 9.21
"""Logit of 0.9999: the scores told apart are 0.0001 to 0.9999."""

STEEPEST: Final = 100.0
"""Slope where labels leave it open: right on one side of the middle, wrong on the other."""

FLATTEST: Final = 1e-6
"""Slope of a curve that does not rise: the score says nothing."""

RIDGE: Final = 1e-4
"""Holds the slope back where labels alone would let it grow without end."""

STEPS: Final = 50
"""Newton's; a handful is enough."""

SETTLED: Final = 1e-8
"""A step this small is the last."""

DIVIDED: Final = ((6, 0.035), (10, 0.019), (20, 0.013), (31, 0.005))
"""Variance of the middle by the number of labels, where right and wrong ones do not overlap.

The curve's own variance is 0 then, however few they are; these are the published simulated ones.
"""

RISKS: Final = tuple(10 ** (-4 + step / 10) for step in range(37))
"""Chances that the middle lies further up than assumed: 0.0001 to 0.4, the best one is taken."""

_QUANTILES: Final = tuple(NormalDist().inv_cdf(1 - risk) for risk in RISKS)


@dataclass(frozen=True, slots=True)
class Label:
    """At this score the cached answer was right, or not."""

    score: float
    right: bool


@dataclass(frozen=True, slots=True)
class Curve:
    """P(right | score) rises with this slope through a half at the middle.

    Attributes:
        slope: Per place, above 0.
        middle: A place, 0 to 1.
        variance: Of the middle.
    """

    slope: float
    middle: float
    variance: float


def place(score: float) -> float:
    """Where a score stands between 0 and 1; beyond what is told apart, at an end."""
    if score <= 0 or score >= 1:
        return float(score >= 1)
    return min(1.0, max(0.0, 0.5 + log(score / (1 - score)) / (2 * REACH)))


def fit(labels: Sequence[Label]) -> Curve:
    """The curve through these labels, and through two that hold everywhere.

    A neighbour at place 0 is wrong, one at place 1 is right: without the two, labels of one kind
    would leave the curve open.
    """
    places = np.array([0.0, 1.0, *(place(label.score) for label in labels)])
    right = np.array([False, True, *(label.right for label in labels)])
    highest_wrong, lowest_right = places[~right].max(), places[right].min()
    if highest_wrong < lowest_right:
        return Curve(STEEPEST, float(highest_wrong + lowest_right) / 2, _divided(len(labels)))
    return _fitted(places, right)


def _divided(count: int) -> float:
    counts = [float(known) for known, _ in DIVIDED]
    last, least = DIVIDED[-1]
    if count > last:
        return least * last / count
    return float(np.interp(count, counts, [variance for _, variance in DIVIDED]))


def _fitted(places: npt.NDArray[np.float64], right: npt.NDArray[np.bool_]) -> Curve:
    """Newton's steps to the likeliest curve."""
    rows = np.stack([np.ones_like(places), places], axis=1)
    held = np.diag([RIDGE, RIDGE])
    found = np.zeros(2)
    curvature = held
    for _ in range(STEPS):
        expected = 1 / (1 + np.exp(-np.clip(rows @ found, -50, 50)))
        weights = expected * (1 - expected)
        curvature = (rows * weights[:, None]).T @ rows + held
        step = np.linalg.solve(curvature, rows.T @ (right - expected) - held @ found)
        found = found + step
        if float(np.abs(step).max()) < SETTLED:
            break
    base, slope = float(found[0]), max(FLATTEST, float(found[1]))
    towards = np.array([-1 / slope, base / slope**2])
    variance = float(towards @ np.linalg.solve(curvature, towards))
    return Curve(slope, min(1.0, max(0.0, -base / slope)), variance)


def assurance(curve: Curve, score: float) -> float:
    """P(right) at this score that the curve vouches for, its own uncertainty taken off; 0 to 1."""
    here, spread = place(score), sqrt(curve.variance)
    return max(
        (1 - risk) * _right(curve.slope, here - min(1.0, curve.middle + quantile * spread))
        for risk, quantile in zip(RISKS, _QUANTILES, strict=True)
    )


def _right(slope: float, distance: float) -> float:
    return 1 / (1 + exp(min(50.0, -slope * distance)))


def exploration(assured: float, max_error: float) -> float:
    """Share of requests to ask upstream, so that at most `max_error` of all are answered wrongly.

    Of the rest `1 - assured` may be wrong. This bounds wrong answers per request; where few
    requests hit, many of the hits may be wrong.
    """
    if assured >= 1 - max_error:
        return 0.0
    return 1 - max_error / (1 - assured)
