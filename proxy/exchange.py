"""One request under way: what is known of its outcome, and where its time went."""

from time import perf_counter
from typing import Any

from proxy.core.model import Outcome
from proxy.core.replacing import replaced


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
            self._outcome = replaced(self._outcome, **self._learned)
            self._learned = {}
        return self._outcome

    def timing(self, stage: str) -> "Timing":
        """Time a stage: the block that this begins. One that is entered twice adds up."""
        return Timing(self, stage)

    def learn(self, **known: Any) -> None:  # noqa: ANN401 - `replaced` checks names, not types
        """Set fields of the outcome."""
        self._learned.update(known)

    def finished(self) -> Outcome:
        """The outcome, with its timings."""
        self.timings["total"] = perf_counter() - self.began
        self.learn(timings=dict(self.timings), starts=dict(self.starts))
        return self.outcome


class Timing:
    """A stage of an exchange, from the block's beginning to its end, whatever ends it."""

    __slots__ = ("_began", "_exchange", "_stage")

    def __init__(self, exchange: Exchange, stage: str) -> None:
        self._exchange = exchange
        self._stage = stage
        self._began = 0.0

    def __enter__(self) -> None:
        self._began = perf_counter()
        self._exchange.starts.setdefault(self._stage, self._began - self._exchange.began)

    def __exit__(self, *_: object) -> None:
        timings = self._exchange.timings
        timings[self._stage] = timings.get(self._stage, 0.0) + perf_counter() - self._began
