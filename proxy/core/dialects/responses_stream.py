"""Responses as a stream: typed events, the last of which holds the whole answer.

The last event is the origin's own word on the answer; the pieces before it are replayed, and read
only where that event leaves the output out, as some origins do.
"""

import re
from collections.abc import Iterable
from typing import Any, Final

from proxy.core.canonical import dumps
from proxy.core.dialects.base import Json, Stamp, UnreadableFrameError
from proxy.core.dialects.events import ERROR, name_of
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


def fold(frames: Iterable[bytes]) -> Json:
    """The response that the last event tells. Raises UnreadableFrameError."""
    answer: Any = None
    done: dict[int, bytes] = {}
    try:
        for number, frame in enumerate(frames):
            name = name_of(frame)
            if name == ERROR:
                raise UnreadableFrameError("the stream carries an error")
            if name == _ITEM_DONE:
                done[number] = frame
            elif name in LAST:
                answer = _healed(frame)["response"]
        if not answer["output"]:
            events = sorted(map(_healed, done.values()), key=lambda event: event["output_index"])
            answer["output"] = [event["item"] for event in events]
    except (ValueError, AttributeError, TypeError, LookupError) as error:
        if isinstance(error, UnreadableFrameError):
            raise
        raise UnreadableFrameError(f"not a stream of a response: {error}") from error
    whole: Json = answer
    return whole


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
