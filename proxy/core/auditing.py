"""How often hits are wrong, by comparing a share of them with fresh answers; and what follows.

A namespace whose hits are wrong too often is suspended: its neighbours are not served, but asked
upstream and compared, so that what is known of it stays fresh.

- It is suspended when the lower bound of the share of wrong hits is above `max_error`, and two hits
  at least were wrong: it is too bad, as far as can be told.
- It is counted anew from then on, and recovers when the share of wrong ones among the newest
  `3 / max_error` is at most `max_error`: so many that none wrong among them would prove it good
  (the rule of three).

So one that is good comes back soon, and one that is bad may come back by luck, to be found out
again.
"""

from collections import deque
from dataclasses import dataclass
from math import ceil
from typing import Final

from proxy.core.binomial import is_certain, lower, upper

CONFIDENCE: Final = 0.95
"""Of each end of the interval, one-sided."""

WINDOW: Final = 2000
"""Comparisons that count, the newest; more where recovering from a small bound takes more."""

LEAST_WRONG: Final = 2
"""One wrong answer is no rate."""

RULE_OF_THREE: Final = 3
"""None wrong among three times n: at 95 % at most one in n is."""


@dataclass(frozen=True, slots=True)
class Rate:
    """A share of wrong hits: what was counted, and between which ends it lies (Clopper-Pearson)."""

    wrong: int
    compared: int

    @property
    def estimate(self) -> float | None:
        """The share counted; None of nothing."""
        return self.wrong / self.compared if self.compared else None

    @property
    def low(self) -> float:
        """The smallest share that fits."""
        return lower(self.wrong, self.compared, CONFIDENCE)

    @property
    def high(self) -> float:
        """The largest share that fits."""
        return upper(self.wrong, self.compared, CONFIDENCE)


@dataclass(slots=True)
class Audited:
    """One namespace's name, across tenants: what its audits counted.

    Attributes:
        wrong, compared: Of all of them together.
        suspended: How many tenants' namespace of that name is suspended.
    """

    wrong: int = 0
    compared: int = 0
    suspended: int = 0

    @property
    def rate(self) -> Rate:
        """The share of wrong hits."""
        return Rate(self.wrong, self.compared)


class Audit:
    """One namespace under audit.

    Args:
        max_error: The share of hits that may be wrong.
    """

    def __init__(self, max_error: float) -> None:
        self._max_error = max_error
        self._enough = ceil(RULE_OF_THREE / max_error)
        self._right: deque[bool] = deque(maxlen=max(WINDOW, self._enough))
        self._broken: Rate | None = None

    @property
    def rate(self) -> Rate:
        """Of what was compared since it was last suspended, or came back."""
        return Rate(len(self._right) - sum(self._right), len(self._right))

    @property
    def suspended(self) -> str | None:
        """Why its neighbours are not served; None when they are."""
        if self._broken is None:
            return None
        share = 100 * self._broken.wrong / self._broken.compared
        return f"audit: wrong-hit rate {share:.1f} % > {100 * self._max_error:g} %"

    def add(self, *, right: bool) -> bool:
        """One more answer was compared; returns whether that suspended it, or let it recover."""
        self._right.append(right)
        if self._broken is None:
            return self._breaks()
        while len(self._right) > self._enough:
            self._right.popleft()
        rate = self.rate
        if rate.compared < self._enough or rate.wrong > self._max_error * rate.compared:
            return False
        self._broken = None
        return True

    def _breaks(self) -> bool:
        rate = self.rate
        right = rate.compared - rate.wrong
        # That is, `rate.low` is above `max_error`: what is not wrong is right.
        is_over = is_certain(right, rate.compared, 1 - self._max_error, CONFIDENCE)
        if rate.wrong < LEAST_WRONG or not is_over:
            return False
        self._broken = rate
        self._right.clear()
        return True
