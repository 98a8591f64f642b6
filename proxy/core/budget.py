"""Calls allowed in a minute: a token bucket."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

MINUTE_S: Final = 60.0


@dataclass(frozen=True, slots=True)
class Budget:
    """What may still be spent. It fills evenly, up to one minute's worth.

    Attributes:
        per_minute: Calls that come in a minute.
        left: Calls that may be made at the time `at`; parts of a call count up.
        at: Seconds on a clock that never goes back.
    """

    per_minute: float
    left: float
    at: float

    @classmethod
    def full(cls, per_minute: float, now: float) -> Budget:
        """A budget of which nothing is spent."""
        return cls(per_minute, per_minute, now)

    def spend(self, now: float) -> Budget | None:
        """After one more call; None when there is none to spend."""
        filled = self.left + (now - self.at) / MINUTE_S * self.per_minute
        left = min(self.per_minute, filled) - 1
        return None if left < 0 else replace(self, left=left, at=max(now, self.at))
