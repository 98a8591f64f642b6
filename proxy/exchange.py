"""One request under way: what is known of its outcome, and where its time went."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from time import perf_counter
from typing import Any

from proxy.core.model import Outcome


@dataclass(slots=True)
class Exchange:
    """Collects one request's outcome.

    Attributes:
        outcome: What is known so far.
        timings: Seconds by stage.
        starts: When each was first entered, seconds after the request came.
        began: When the request came, on the clock of `perf_counter`.
    """

    outcome: Outcome
    timings: dict[str, float] = field(default_factory=dict)
    starts: dict[str, float] = field(default_factory=dict)
    began: float = field(default_factory=perf_counter)

    @contextmanager
    def timing(self, stage: str) -> Iterator[None]:
        """Time a stage; one that is entered twice adds up."""
        began = perf_counter()
        self.starts.setdefault(stage, began - self.began)
        try:
            yield
        finally:
            self.timings[stage] = self.timings.get(stage, 0.0) + perf_counter() - began

    def learn(self, **known: Any) -> None:  # noqa: ANN401 - `replace` checks names, not types
        """Set fields of the outcome."""
        self.outcome = replace(self.outcome, **known)

    def finished(self) -> Outcome:
        """The outcome, with its timings."""
        self.timings["total"] = perf_counter() - self.began
        return replace(self.outcome, timings=dict(self.timings), starts=dict(self.starts))
