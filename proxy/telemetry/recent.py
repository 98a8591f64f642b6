"""The last requests, newest first, and what an operator is told of one."""

from collections import deque
from dataclasses import replace
from typing import Any, Final, NamedTuple

from proxy.core.model import Outcome, Result
from proxy.core.repetition import Repetition
from proxy.telemetry.logs import MAX_FIELD_CHARS, cut, kind_of_reason

Json = dict[str, Any]

KEPT: Final = 1000
"""Requests that a process remembers."""

QUESTION_CHARS: Final = 1000
"""Of a question that is remembered: it may be a whole document."""


class Noticed(NamedTuple):
    """A request, and when it was over: seconds since the epoch.

    Attributes:
        first: Its outcome, or that of the one whose `repetition` it is.
    """

    at: float
    first: Outcome
    repetition: Repetition | None = None

    @property
    def outcome(self) -> Outcome:
        """What became of it."""
        return self.first if self.repetition is None else self.repetition.of(self.first)


Place = tuple[float, str]
"""Where a list of requests goes on: the time and the id of the last one told."""


class Recent:
    """The last requests of this process."""

    def __init__(self, kept: int = KEPT) -> None:
        self._noticed: deque[Noticed] = deque(maxlen=kept)

    def add(self, at: float, outcome: Outcome, repetition: Repetition | None = None) -> None:
        """One more; the oldest makes room."""
        self._noticed.append(Noticed(at, outcome, repetition))

    def clear(self) -> None:
        """Forget them."""
        self._noticed.clear()

    def page(
        self,
        limit: int,
        *,
        after: Place | None = None,
        namespace: str | None = None,
        result: Result | None = None,
    ) -> list[Noticed]:
        """The newest that are meant, newest first.

        Args:
            limit: The most of them.
            after: Go on after this one, which may be gone.
            namespace: Of this one only; "" is that of requests that name none.
            result: Answered this way only.
        """
        meant = [
            one
            for one in tuple(self._noticed)
            if (after is None or place_of(one) < after)
            and namespace in (None, one.first.namespace)
            and result in (None, one.first.result)
        ]
        return sorted(meant, key=place_of, reverse=True)[:limit]


def shortened(outcome: Outcome) -> Outcome:
    """The same in bounded memory: a model, too, has whatever name its caller gives it."""
    if (
        max(len(outcome.model), len(outcome.reason)) <= MAX_FIELD_CHARS
        and len(outcome.question) <= QUESTION_CHARS
    ):
        return outcome
    return replace(
        outcome,
        model=cut(outcome.model),
        reason=cut(outcome.reason),
        question=outcome.question[:QUESTION_CHARS],
    )


def place_of(one: Noticed) -> Place:
    """Where it stands in a list."""
    return one.at, (one.repetition or one.first).request_id


def request_told(at: float, outcome: Outcome, *, with_question: bool) -> Json:
    """A request, for people; times in seconds since the epoch, durations in milliseconds.

    Args:
        at: When it was over.
        outcome: What became of it.
        with_question: Say what was asked, and quote it in the reason, where that is known.
    """
    told: Json = {
        "object": "cache.request",
        "id": outcome.request_id,
        "at": at,
        "api": outcome.api,
        "model": outcome.model,
        "tenant": outcome.tenant,
        "namespace": outcome.namespace,
        "result": outcome.result.value,
        "tier": outcome.tier.value if outcome.tier is not None else None,
        "entry": outcome.entry,
        "similarity": outcome.similarity,
        "probability": outcome.probability,
        "reason": outcome.reason if with_question else kind_of_reason(outcome),
        "status": outcome.status,
        "stream": outcome.stream,
        "age": outcome.age,
        "duration_ms": _ms(outcome, "total"),
        "upstream_ms": _ms(outcome, "upstream"),
        "tokens_saved": outcome.saved.total if outcome.saved is not None else 0,
        "saved_usd": outcome.saved_usd or 0.0,
        "stored": outcome.stored,
    }
    return {**told, "question": outcome.question} if with_question else told


def _ms(outcome: Outcome, stage: str) -> float | None:
    seconds = outcome.timings.get(stage)
    return None if seconds is None else round(1000 * seconds, 3)
