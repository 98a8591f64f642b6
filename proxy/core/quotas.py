"""How many requests each caller may make: so many a minute, and so many at once."""

from __future__ import annotations

import math
from collections import Counter, OrderedDict
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from proxy.core.budget import MINUTE_S
from proxy.errors import OverloadedError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

MOST: Final = 100_000
"""Callers whose budgets are remembered: those that asked last."""


@dataclass(frozen=True, slots=True)
class Terms:
    """What one caller may do.

    Attributes:
        per_minute: Requests a minute; None for no limit.
        burst: Requests that may come at once, when none came for long.
        concurrent: Requests under way at once; None for no limit.
    """

    per_minute: float | None = None
    burst: float = 1.0
    concurrent: int | None = None


@dataclass(frozen=True, slots=True)
class Left:
    """What is left to a caller.

    Attributes:
        is_granted: The request may be made, and has been counted.
        limit: Requests that may come at once, when none came for long.
        remaining: Requests that may come now.
        reset_s: Seconds until that is `limit` again, if none comes.
        wait_s: Seconds until one more may come; 0 for now.
    """

    is_granted: bool
    limit: int
    remaining: int
    reset_s: float
    wait_s: float

    def headers(self) -> Iterator[tuple[str, str]]:
        """As OpenAI's API tells it."""
        yield "x-ratelimit-limit-requests", str(self.limit)
        yield "x-ratelimit-remaining-requests", str(self.remaining)
        yield "x-ratelimit-reset-requests", duration(self.reset_s)


class Quotas:
    """What all callers have left, by their names: a token bucket for each.

    Args:
        most: Callers that are remembered; one that is forgotten has all of its quota again.
    """

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._known: OrderedDict[str, tuple[float, float]] = OrderedDict()  # left, and when
        self._under_way: Counter[str] = Counter()

    def __len__(self) -> int:
        return len(self._known)

    def take(self, who: str, terms: Terms, now: float, *, wanted: int = 1) -> Left | None:
        """Count one more request, if it may be made; None where there is no limit.

        Args:
            who: The caller.
            terms: What holds for him now.
            now: Seconds on a clock that never goes back.
            wanted: 0 only looks.
        """
        if terms.per_minute is None:
            return None
        per_s = terms.per_minute / MINUTE_S
        left, at = self._known.pop(who, (terms.burst, now))
        left = min(terms.burst, left + (now - at) * per_s)
        is_granted = left >= wanted
        if is_granted:
            left -= wanted
        self._known[who] = (left, now)
        while len(self._known) > self._most:
            self._known.popitem(last=False)
        reset_s, wait_s = (terms.burst - left) / per_s, max(0.0, 1 - left) / per_s
        return Left(is_granted, int(terms.burst), int(left), reset_s, wait_s)

    def may_enter(self, who: str, terms: Terms) -> bool:
        """Whether one more request of his may be under way."""
        return terms.concurrent is None or self._under_way[who] < terms.concurrent

    def enter(self, who: str) -> None:
        """One of his requests has begun."""
        self._under_way[who] += 1

    def leave(self, who: str) -> None:
        """One of them has ended."""
        self._under_way[who] -= 1
        if not self._under_way[who]:
            del self._under_way[who]


def duration(seconds: float) -> str:
    """As OpenAI's API writes it: `20ms`, `1.5s`, `6m0s`, `1h0m0s`."""
    if seconds < 1:
        return f"{math.ceil(seconds * 1000)}ms"
    minutes, rest = divmod(math.ceil(seconds * 1000) / 1000, 60)
    hours, minutes = divmod(int(minutes), 60)
    shown = f"{rest:.3f}".rstrip("0").rstrip(".") + "s"
    if hours:
        return f"{hours}h{minutes}m{shown}"
    return f"{minutes}m{shown}" if minutes else shown


class Slots:
    """Places for what is under way at once.

    Args:
        most: How many there are.
        what: What they are for, as a caller is told.

    `taken` counts those in use.
    """

    def __init__(self, most: int, what: str) -> None:
        self.most = most
        self.taken = 0
        self._what = what

    def check(self) -> None:
        """Raise OverloadedError where all are in use."""
        if self.taken >= self.most:
            raise OverloadedError(
                f"Too many {self._what} are under way. Try again soon.",
                code="overloaded",
                headers={"retry-after": "1"},
            )

    @contextmanager
    def one(self) -> Iterator[None]:
        """Use one inside the block. Raises OverloadedError where all are in use."""
        self.check()
        give_back = self.take()
        try:
            yield
        finally:
            give_back()

    def take(self) -> Callable[[], None]:
        """Use one, though all may be in use; returns what gives it back."""
        self.taken += 1
        return self._give_back

    def _give_back(self) -> None:
        self.taken -= 1
