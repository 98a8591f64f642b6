"""Ports of who hears what happened."""

from collections.abc import Mapping, Sequence
from typing import Protocol

from proxy.core.model import Outcome
from proxy.core.repetition import Repetition


class Observer(Protocol):
    """Hears what happened; never raises."""

    def notice(self, outcome: Outcome) -> None:
        """One request is over."""
        ...

    def repeated(self, first: Outcome, repetitions: Sequence[Repetition]) -> None:
        """The same request is over, so many times more, and was answered alike by the same tier."""
        ...

    def event(self, name: str, **fields: str | float | bool | None) -> None:
        """Something worth a log line and a count: a failed stage, an opened breaker."""
        ...


class Tracing(Observer, Protocol):
    """Hears when a request comes, too, and so what trace it belongs to."""

    def begin(
        self, request_id: str, *, method: str, route: str, path: str, headers: Mapping[str, str]
    ) -> Mapping[str, str]:
        """A request has come; returns the headers that take its trace on to the origin.

        Args:
            request_id: As its outcome will have it.
            method: GET, POST.
            route: Its path with what varies left out; "" where there is none.
            path: Without the query string.
            headers: The caller's, by lower-case name.
        """
        ...

    def drop(self, request_id: str) -> None:
        """It is over; one whose outcome nobody told, such as a health check, leaves nothing."""
        ...
