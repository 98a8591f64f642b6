"""What operators watch: the `Observer` that remembers the last requests and what was decided.

It costs each request about two microseconds, and nothing is computed until somebody reads. All of
it is this process's own, in bounded memory, and ends with it.
"""

from collections.abc import Sequence

from proxy.core.model import Outcome
from proxy.core.repetition import Repetition
from proxy.ports import Clock
from proxy.telemetry.decisions import Decisions
from proxy.telemetry.following import Following
from proxy.telemetry.history import History
from proxy.telemetry.logs import cut
from proxy.telemetry.recent import Recent, shortened


class Watch:
    """Remembers what happens while somebody may look.

    Args:
        clock: The time now.
        is_on: Whether there is anybody who may; see `switch`.
    """

    def __init__(self, *, clock: Clock, is_on: bool = True) -> None:
        self._clock = clock
        self._is_on = is_on
        self.recent = Recent()
        self.decisions = Decisions(clock())
        self.history = History()
        self.following = Following()

    def switch(self, *, on: bool) -> None:
        """Remember from now on, or forget all and remember nothing."""
        if on and not self._is_on:
            self.decisions.clear(self._clock())
        if not on:
            self.recent.clear()
            self.decisions.clear(self._clock())
            self.history.clear()
            self.following.clear()
        self._is_on = on

    def notice(self, outcome: Outcome) -> None:
        """One request is over."""
        if not self._is_on:
            return
        at, outcome = self._clock(), shortened(outcome)
        self.recent.add(at, outcome)
        self.history.count(at, outcome)
        self.decisions.add(at, outcome)
        self.following.request(at, outcome)

    def repeated(self, first: Outcome, repetitions: Sequence[Repetition]) -> None:
        """The same request is over, so many times more: nothing was decided anew."""
        if not self._is_on:
            return
        at, first = self._clock(), shortened(first)
        self.history.count(at, first, repetitions)
        for one in repetitions:
            self.recent.add(at, first, one)
            self.following.request(at, first, one)

    def event(self, name: str, **fields: str | float | bool | None) -> None:
        """Something worth a log line and a count."""
        if self._is_on:
            short = {key: cut(value) for key, value in fields.items()}
            self.following.event(self._clock(), name, short)
