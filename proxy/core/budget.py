"""Calls allowed in a minute: a token bucket."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

MINUTE_S: Final = 60.0


@dataclass(frozen=True, slots=True)
class Budget:
    """What may still be spent. It fills evenly, up to `most`.

    Attributes:
        per_minute: Calls that come in a minute.
        left: Calls that may be made at the time `at`; parts of a call count up.
        at: Seconds on a clock that never goes back.
        most: Calls that it can hold; None for one minute's worth.
    """

    per_minute: float
    left: float
    at: float
    most: float | None = None

    @classmethod
    def full(cls, per_minute: float, now: float, most: float | None = None) -> Budget:
        """A budget of which nothing is spent."""
        return cls(per_minute, per_minute if most is None else most, now, most)

    def filled(self, now: float) -> Budget:
        """As it is by now."""
        most = self.per_minute if self.most is None else self.most
        left = min(most, self.left + (now - self.at) / MINUTE_S * self.per_minute)
        return replace(self, left=left, at=max(now, self.at))

    def spend(self, now: float) -> Budget | None:
        """After one more call; None when there is none to spend."""
        found = self.filled(now)
        return None if found.left < 1 else replace(found, left=found.left - 1)

    def until(self, left: float) -> float:
        """Seconds from `at` until so many calls are there."""
        return max(0.0, left - self.left) * MINUTE_S / self.per_minute
