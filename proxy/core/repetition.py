"""One more request that was answered as one before."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

from proxy.core.model import Outcome, Result, Tier


class Repetition(NamedTuple):
    """What it has of its own.

    Attributes:
        request_id: `x-request-id`.
        later_s: How long after the first one, seconds.
        session_s, total_s: What the session tier and all of it took, seconds.
        shared_s: What the shared tier took that answered it; None where the session tier did.
    """

    request_id: str
    later_s: float
    session_s: float
    total_s: float
    shared_s: float | None = None

    @property
    def tier(self) -> Tier:
        """Which tier answered."""
        return Tier.SESSION if self.shared_s is None else Tier.SHARED

    def age(self, first: Outcome) -> float:
        """How old the answer was, seconds."""
        return (first.age or 0.0) + self.later_s

    def ttl(self, first: Outcome) -> float:
        """How long it would still be fresh, seconds."""
        return (first.ttl or 0.0) - self.later_s

    def timings(self) -> dict[str, float]:
        """Seconds by stage."""
        shared = {} if self.shared_s is None else {Tier.SHARED.value: self.shared_s}
        return {Tier.SESSION.value: self.session_s, **shared, "total": self.total_s}

    def of(self, first: Outcome) -> Outcome:
        """Its outcome, given that of the first one."""
        return replace(
            first,
            request_id=self.request_id,
            tier=self.tier,
            age=self.age(first),
            ttl=self.ttl(first),
            timings=self.timings(),
        )

    def left(self, first: Outcome) -> Outcome:
        """Its outcome where the caller left before there was an answer."""
        return Outcome(
            self.request_id,
            Result.MISS,
            first.api,
            first.model,
            first.tenant,
            first.namespace,
            question=first.question,
            reason="the caller left",
            timings=self.timings(),
        )
