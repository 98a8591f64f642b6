"""Responses as a stream: typed events, the last of which holds the whole answer.

The last event is the origin's own word on the answer; the pieces before it are replayed, and read
only where that event leaves the output out, as some origins do.
"""

import re
from typing import Any, Final

from proxy.core.canonical import dumps
from proxy.core.dialects.base import Json, Stamp, UnreadableFrameError
from proxy.core.dialects.events import ERROR, EventsEnd
from proxy.core.dialects.folding import UNMERGED
from proxy.core.dialects.payloads import has_halves, healed, parse
from proxy.core.dialects.stamping import unpadded

ENDS: Final = {
    "completed": "response.completed",
    "incomplete": "response.incomplete",
    "failed": "response.failed",
}
"""A finished answer's status, and its last event."""

LAST: Final = frozenset(ENDS.values())
_ITEM_DONE: Final = "response.output_item.done"


class ResponseProgress(EventsEnd):
    """Reads one stream: whether it ended, and what it amounts to."""

    def __init__(self) -> None:
        super().__init__(LAST)
        self._whole = b""
        self._done: list[bytes] = []
        self._problem = ""

    def feed(self, data: bytes) -> None:
        """One more payload; what is no event counts as an error."""
        super().feed(data)
        if self._problem:
            return
        if self.name == ERROR:
            self._refuse("the stream carries an error")
        elif self.name == _ITEM_DONE:
            self._done.append(data)
        elif self.name in LAST:
            self._whole = data

    def let_go(self) -> None:
        """Watch on, but keep nothing: the answer will not be asked for."""
        self._refuse("too large")

    def answer(self) -> Json:
        """The response that the last event tells. Raises UnreadableFrameError."""
        if self._problem:
            raise UnreadableFrameError(self._problem)
        try:
            answer: Json = _healed(self._whole)["response"]
            if not answer["output"]:
                events = sorted(map(_healed, self._done), key=lambda event: event["output_index"])
                answer["output"] = [event["item"] for event in events]
        except UNMERGED as error:
            raise UnreadableFrameError(f"not a stream of a response: {error}") from error
        return answer

    def _refuse(self, problem: str) -> None:
        self._problem = problem
        self._whole, self._done = b"", []


def _healed(frame: bytes) -> Any:  # noqa: ANN401 - JSON is anything
    value = parse(frame)
    return healed(value) if has_halves(frame) else value


_WITH_ID: Final = re.compile(rb'"response"\s*:\s*\{|"output"\s*:\s*\[')
"""A body, or an event that holds one; most events hold a piece of text, and pass as they are."""


def refresh(payload: bytes, stamp: Stamp) -> bytes:
    """A body or event with the replay's id and times, and what it repeats of its own request."""
    if not stamp.is_padded:
        payload = unpadded(payload)
    if not _WITH_ID.search(payload):
        return payload
    value = parse(payload)
    answer = value.get("response", value)
    if not isinstance(answer, dict) or "output" not in answer:
        return payload
    told = {"id": stamp.id, "created_at": stamp.created, **stamp.echoed}
    if answer.get("completed_at") is not None:
        told["completed_at"] = stamp.created
    answer.update((name, told[name]) for name in told.keys() & answer.keys())
    return dumps(value)
