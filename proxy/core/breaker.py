"""When to stop asking a part that does not answer (Nygard, *Release It!*, ch. 5).

Nobody's request is spent on finding out whether the part is back: while the breaker is open a
probe in the background asks, and good probes close it. One is enough, but for a part that is well
when probed and late when used: with every such relapse it must prove itself twice as often.
"""

from dataclasses import dataclass, replace
from typing import Final

STEADY: Final = 100
"""Good answers after which an earlier lateness is forgotten."""

MOST_PROOFS: Final = 16
"""Good probes in a row that are asked for at most. Of a part that is late for a tenth of a second
whenever it is used, at a probe a second, that leaves one request in a hundred late."""


@dataclass(frozen=True, slots=True)
class Breaker:
    """What is known of one part's health.

    Attributes:
        limit: Faults in a row that open it.
        faults: Faults in a row so far.
        reason: Why it is open; None when closed.
        good: Good answers since it closed, counted up to `STEADY`.
        needs: Good probes in a row that close it, once it is open.
        proofs: Good probes in a row so far.
    """

    limit: int = 1
    faults: int = 0
    reason: str | None = None
    good: int = STEADY
    needs: int = 1
    proofs: int = 0

    @property
    def is_open(self) -> bool:
        """Whether requests go past this part."""
        return self.reason is not None

    def failed(self, reason: str, *, is_late: bool = False) -> "Breaker":
        """After one more fault; `is_late` says that the answer did not come in time."""
        faults = self.faults + 1
        if self.is_open or faults < self.limit:
            return replace(self, faults=faults)
        return self.opened(reason, is_late=is_late)

    def opened(self, reason: str, *, is_late: bool = False) -> "Breaker":
        """Open, whatever the limit."""
        relapses = is_late and self.good < STEADY
        needs = min(2 * self.needs, MOST_PROOFS) if relapses else 1
        return replace(self, reason=reason, needs=needs, proofs=0)

    def succeeded(self) -> "Breaker":
        """After a good answer to a request; one that was under way closes no open breaker."""
        if self.is_open or (self.faults == 0 and self.good == STEADY):
            return self
        return replace(self, faults=0, good=min(self.good + 1, STEADY))

    def proven(self) -> "Breaker":
        """After a good probe; closes it where these were enough."""
        proofs = self.proofs + 1
        if proofs < self.needs:
            return replace(self, proofs=proofs)
        return replace(self, faults=0, reason=None, good=0, proofs=0)

    def disproven(self, reason: str) -> "Breaker":
        """After a probe that failed, for this reason."""
        return replace(self, reason=reason, proofs=0)


def pause_s(longest_s: float, draw: float) -> float:
    """Seconds until the next probe: from half of the longest pause to all of it.

    Args:
        longest_s: What is configured.
        draw: 0 to 1, at random, or replicas that lost a part together would probe it together.
    """
    return longest_s * (0.5 + draw / 2)
