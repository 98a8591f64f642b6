"""What the program says about itself: one `Outcome` a request, many sinks.

Rule of the package: prompts, answers, credentials and vectors appear nowhere in it; whatever names
a series or a field is bounded; and no sink's fault reaches a request.
"""

import logging
from collections.abc import Iterable, Sequence

from proxy.core.model import Outcome
from proxy.core.repetition import Repetition
from proxy.ports import Observer

_log = logging.getLogger(__name__)


class Telemetry:
    """The `Observer` of the program: tells every sink.

    Args:
        sinks: Who hears, in order.
    """

    def __init__(self, sinks: Iterable[Observer]) -> None:
        self._sinks = tuple(sinks)
        self._reported: set[int] = set()

    def notice(self, outcome: Outcome) -> None:
        """One request is over."""
        for place, sink in enumerate(self._sinks):
            try:
                sink.notice(outcome)
            except Exception:  # noqa: BLE001 - whatever a sink raises, the request is answered
                self._report(place)

    def repeated(self, first: Outcome, repetitions: Sequence[Repetition]) -> None:
        """The same request is over, so many times more."""
        for place, sink in enumerate(self._sinks):
            try:
                sink.repeated(first, repetitions)
            except Exception:  # noqa: BLE001 - whatever a sink raises, the requests are answered
                self._report(place)

    def event(self, name: str, **fields: str | float | bool | None) -> None:
        """Something worth a log line and a count."""
        for place, sink in enumerate(self._sinks):
            try:
                sink.event(name, **fields)
            except Exception:  # noqa: BLE001 - whatever a sink raises, the program goes on
                self._report(place)

    def _report(self, place: int) -> None:
        """Say it once a sink: one that fails on every request would fill the log with it."""
        if place not in self._reported:
            self._reported.add(place)
            _log.exception("sink %s failed", type(self._sinks[place]).__name__)
