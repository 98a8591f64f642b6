"""What becomes of one upstream call's bytes: an answer that may be kept, or the reason why not.

Rule of the file: a body that cannot be read is not an error, since it goes to the caller as it is;
it is only not kept. The one error is a stream that ended before its proper end, because a caller
who is not told so takes it for a whole answer.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from proxy.core.admission import why_not
from proxy.core.canonical import dumps, loads
from proxy.core.dialects.base import Dialect, Json, UnreadableFrameError
from proxy.core.model import Answer
from proxy.core.stream import Marks, Recorder
from proxy.errors import BrokenStreamError

SUBSTITUTE: Final = "x-cache-substitute"
"""Header of an answer that a fallback gave by another model: names the upstream."""


@dataclass(frozen=True, slots=True)
class Head:
    """What came before the body."""

    status: int
    headers: Sequence[tuple[str, str]]

    @property
    def is_success(self) -> bool:
        """2xx."""
        return 200 <= self.status < 300  # noqa: PLR2004 - RFC 9110, 15.3

    @property
    def substitutes(self) -> Sequence[tuple[str, str]]:
        """The header that says so where another model has answered than the one asked for."""
        return [pair for pair in self.headers if pair[0] == SUBSTITUTE]

    @property
    def is_stream(self) -> bool:
        """Server-sent events."""
        media_type = dict(self.headers).get("content-type", "")
        return media_type.partition(";")[0].strip().lower() == "text/event-stream"


@dataclass(frozen=True, slots=True)
class Landing:
    """How a call ended.

    Attributes:
        answer: The answer, when it came whole and was understood.
        refusal: Why it may not be kept; None when it may.
        is_exact: It may serve its own question only: it calls a tool.
    """

    answer: Answer | None
    refusal: str | None
    is_exact: bool = False


class Recording:
    """Takes one call's bytes down.

    Args:
        dialect: Understands them.
        max_bytes: A larger answer is not kept.

    `marks` says what of them is not for every caller.
    """

    is_long = False

    def __init__(self, dialect: Dialect, max_bytes: int) -> None:
        self._dialect = dialect
        self._max_bytes = max_bytes
        self._head: Head | None = None
        self._recorder: Recorder | None = None
        self._body = bytearray()
        self._landing: Landing | None = None
        self.marks = Marks()

    def begin(self, head: Head) -> None:
        """The headers are there."""
        self._head = head
        if head.is_success and head.is_stream:
            self._recorder = Recorder(self._dialect, self._max_bytes, self.marks)

    def feed(self, piece: bytes) -> None:
        """Some more of the body."""
        if self._recorder is not None:
            self._recorder.feed(piece)
        elif len(self._body) <= self._max_bytes:
            self._body += piece

    @property
    def is_complete(self) -> bool:
        """Whether a stream has told all of its answer: only its closing is still to come."""
        return self._recorder is not None and self._recorder.is_complete

    def land(self) -> Landing:
        """The body ended. Raises BrokenStreamError when that was not its proper end."""
        if self._landing is None:
            self._landing = self._land()
        return self._landing

    def _land(self) -> Landing:
        if self._head is None or not self._head.is_success:
            return Landing(None, f"status {self._head.status if self._head else 0}")
        if self._recorder is not None:
            return self._land_stream(self._recorder)
        if len(self._body) > self._max_bytes:
            return Landing(None, "too large")
        return self._land_body(bytes(self._body))

    def _land_stream(self, recorder: Recorder) -> Landing:
        if not recorder.is_complete:
            raise BrokenStreamError("the origin's stream ended before its end")
        if recorder.is_too_large:
            return Landing(None, "too large")
        try:
            answer = recorder.answer()
            body = dumps(answer)
        except UnreadableFrameError as error:
            return Landing(None, str(error))
        except RecursionError:
            return Landing(None, "nested too deeply")
        return self._understood(answer, body, recorder.frames)

    def _land_body(self, body: bytes) -> Landing:
        try:
            answer = loads(body)
        except ValueError:
            return Landing(None, "not JSON")
        if not isinstance(answer, dict) or not self._dialect.is_answer(answer):
            return Landing(None, "not an answer")
        return self._understood(answer, body, ())

    def _understood(self, answer: Json, body: bytes, frames: tuple[bytes, ...]) -> Landing:
        try:
            facts, usage = self._dialect.facts(answer), self._dialect.usage_of(answer)
        except (AttributeError, KeyError, TypeError, ValueError, RecursionError):
            return Landing(None, "not an answer")  # of a shape that no origin documents
        whole = Answer(body, frames, usage, facts.finish)
        refusal = why_not(facts)
        if self._head is not None and self._head.substitutes:
            refusal = "another model's"
        if refusal is None and whole.size > self._max_bytes:
            refusal = "too large"
        if refusal is None and not _can_be_written(answer, body):
            refusal = "nested too deeply"
        return Landing(whole, refusal, is_exact=facts.tool_calls)


_ROOM: Final = 100
"""Levels by which a replay may be deeper in Python's stack than a recording."""


def _can_be_written(answer: Json, body: bytes) -> bool:
    """Whether a replay can write it: what can be read may be nested too deeply for that."""
    if body.count(b"{") + body.count(b"[") < _ROOM:  # it cannot be nested deeper than that
        return True
    nested: object = answer
    for _ in range(_ROOM):
        nested = [nested]
    try:
        dumps(nested)
    except RecursionError:
        return False
    return True
