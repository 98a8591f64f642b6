"""One request under way: what is known of its outcome, and where its time went."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import fields
from operator import attrgetter
from time import perf_counter
from typing import Any, Final

from proxy.core.model import Outcome

_PLACES: Final = {field.name: place for place, field in enumerate(fields(Outcome))}
_values = attrgetter(*_PLACES)


class Exchange:
    """Collects one request's outcome.

    Args:
        outcome: What is known from the beginning.
        began: When the request came, on the clock of `perf_counter`; None for now.

    Attributes:
        request_id: The outcome's.
        timings: Seconds by stage.
        starts: When each was first entered, seconds after the request came.
        began: When the request came.
    """

    __slots__ = ("_learned", "_outcome", "began", "request_id", "starts", "timings")

    def __init__(self, outcome: Outcome, began: float | None = None) -> None:
        self._outcome = outcome
        self.request_id = outcome.request_id
        self._learned: dict[str, Any] = {}
        self.timings: dict[str, float] = {}
        self.starts: dict[str, float] = {}
        self.began = perf_counter() if began is None else began

    @property
    def outcome(self) -> Outcome:
        """What is known so far."""
        if self._learned:  # put together once somebody asks: that costs more than all the learning
            values = list(_values(self._outcome))
            for name, value in self._learned.items():
                values[_PLACES[name]] = value
            self._outcome = Outcome(*values)  # `dataclasses.replace` takes three times as long
            self._learned = {}
        return self._outcome

    @contextmanager
    def timing(self, stage: str) -> Iterator[None]:
        """Time a stage; one that is entered twice adds up."""
        began = perf_counter()
        self.starts.setdefault(stage, began - self.began)
        try:
            yield
        finally:
            self.timings[stage] = self.timings.get(stage, 0.0) + perf_counter() - began

    def learn(self, **known: Any) -> None:  # noqa: ANN401 - `outcome` checks names, not types
        """Set fields of the outcome."""
        self._learned.update(known)

    def finished(self) -> Outcome:
        """The outcome, with its timings."""
        self.timings["total"] = perf_counter() - self.began
        self.learn(timings=dict(self.timings), starts=dict(self.starts))
        return self.outcome
