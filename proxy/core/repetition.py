"""One more request that was answered as one before."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

from proxy.core.model import Outcome, Tier


class Repetition(NamedTuple):
    """What it has of its own.

    Attributes:
        request_id: `x-request-id`.
        later_s: How long after the first one, seconds.
        session_s, total_s: What the session tier and all of it took, seconds.
    """

    request_id: str
    later_s: float
    session_s: float
    total_s: float

    def age(self, first: Outcome) -> float:
        """How old the answer was, seconds."""
        return (first.age or 0.0) + self.later_s

    def ttl(self, first: Outcome) -> float:
        """How long it would still be fresh, seconds."""
        return (first.ttl or 0.0) - self.later_s

    def timings(self) -> dict[str, float]:
        """Seconds by stage."""
        return {Tier.SESSION.value: self.session_s, "total": self.total_s}

    def of(self, first: Outcome) -> Outcome:
        """Its outcome, given that of the first one."""
        return replace(
            first,
            request_id=self.request_id,
            age=self.age(first),
            ttl=self.ttl(first),
            timings=self.timings(),
        )
