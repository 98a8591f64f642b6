"""From what was measured to what is borne out. Pure: numbers in, verdicts out."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt
from typing import Final

BATCHES: Final = 10
STUDENT: Final = 2.306
"""Of Student's t, 97.5 % at `BATCHES - 2` degrees of freedom."""


@dataclass(frozen=True, slots=True)
class Slope:
    """A straight line's slope, and the interval that has the true one with 95 %: a unit an hour."""

    an_hour: float
    low: float
    high: float

    @property
    def grows(self) -> bool:
        """Whether it is above zero beyond doubt."""
        return self.low > 0


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a bar is met: what was measured against it, in words for the report."""

    name: str
    measured: str
    bar: str
    is_met: bool


def slope(seconds: Sequence[float], values: Sequence[float]) -> Slope:
    """How fast values grow over time: a line through the medians of ten batches.

    Neighbouring readings of a process's memory are alike, so that a line through them all would be
    far too sure of itself; batches in a row are nearly independent (Law, *Simulation Modeling and
    Analysis*, 9.5.3). Medians leave out what is taken for a moment only.

    Raises:
        ValueError: Fewer than two readings a batch.
    """
    size = len(values) // BATCHES
    if size < 2:
        raise ValueError(f"{len(values)} readings are too few")
    starts = range(len(values) - BATCHES * size, len(values), size)
    at = [statistics.fmean(seconds[start : start + size]) / 3600 for start in starts]
    level = [statistics.median(values[start : start + size]) for start in starts]
    line = statistics.linear_regression(at, level)
    left = [y - line.intercept - line.slope * x for x, y in zip(at, level, strict=True)]
    spread = sum((x - statistics.fmean(at)) ** 2 for x in at)
    margin = STUDENT * sqrt(sum(one * one for one in left) / (BATCHES - 2) / spread)
    return Slope(line.slope, line.slope - margin, line.slope + margin)


def quantile(values: Sequence[float], percent: int) -> float:
    """The value that so many per cent are below; 0 where there are too few to tell."""
    if len(values) < 2:
        return 0.0
    return statistics.quantiles(values, n=100)[percent - 1]


def flat(name: str, unit: str, seconds: Sequence[float], values: Sequence[float]) -> Verdict:
    """What is held does not grow: the slope is not above zero beyond doubt."""
    found = slope(seconds, values)
    told = f"{found.an_hour:+.2f} {unit}/h, between {found.low:+.2f} and {found.high:+.2f}"
    return Verdict(name, told, "not above 0 with 95 %", not found.grows)


def below(name: str, unit: str, value: float, bar: float) -> Verdict:
    """A number is below its bar."""
    return Verdict(name, f"{value:.1f} {unit}", f"< {bar:g} {unit}", value < bar)


def within(name: str, values: Sequence[float], most: float) -> Verdict:
    """A bound was never exceeded, in no reading."""
    highest = max(values, default=0.0)
    return Verdict(name, f"{highest:,.0f} at most", f"<= {most:,.0f}", highest <= most)


def none(name: str, faults: Sequence[str], of: int) -> Verdict:
    """Nothing went wrong, and something was tried."""
    first = f", as {faults[0][:200]}" if faults else ""
    return Verdict(name, f"{len(faults)} of {of:,}{first}", "0", not faults and of > 0)
