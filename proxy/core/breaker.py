"""When to stop asking a part that does not answer (Nygard, *Release It!*, ch. 5).

Nobody's request is spent on finding out whether the part is back: while the breaker is open a
probe in the background asks, and the first good probe closes it.
"""

from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True)
class Breaker:
    """What is known of one part's health.

    Attributes:
        limit: Faults in a row that open it.
        faults: Faults in a row so far.
        reason: Why it is open; None when closed.
    """

    limit: int = 1
    faults: int = 0
    reason: str | None = None

    @property
    def is_open(self) -> bool:
        """Whether requests go past this part."""
        return self.reason is not None

    def failed(self, reason: str) -> "Breaker":
        """After one more fault."""
        faults = self.faults + 1
        is_open = self.is_open or faults >= self.limit
        return replace(self, faults=faults, reason=reason if is_open else None)

    def succeeded(self) -> "Breaker":
        """After a good answer."""
        return replace(self, faults=0, reason=None)
