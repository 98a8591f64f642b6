"""Streams of typed events, as the Responses and Messages APIs send them.

Every event's `type` is its `event:` field too, so that a stream is kept as its payloads alone. The
last event says that it is the last; so does an `error` event: the caller has been told.
"""

import re
from collections.abc import Set as AbstractSet
from typing import Final

from proxy.core.dialects.payloads import glance

ERROR: Final = "error"

_HEAD: Final = re.compile(rb'\{\s*"type"\s*:\s*"([\w.]+)"')
"""A payload that begins with its type, as nearly all do."""

_NAME: Final = re.compile(r"[!-~]+")
"""What can stand in an `event:` field, whatever an origin calls its events."""


def name_of(frame: bytes) -> str:
    """A payload's type; "" where it has none."""
    head = _HEAD.match(frame)
    if head is not None:
        return head[1].decode(errors="replace")
    try:
        event = glance(frame)
    except ValueError:
        return ""
    name = event.get("type") if isinstance(event, dict) else None
    return name if isinstance(name, str) and _NAME.fullmatch(name) else ""


class EventsEnd:
    """Watches one stream for its end.

    Args:
        last: Types of the events that end it.

    `name` is the type of the payload that came last.
    """

    def __init__(self, last: AbstractSet[str]) -> None:
        self._ends = last | {ERROR}
        self._has_ended = False
        self._has_failed = False
        self.name = ""

    @property
    def is_finished(self) -> bool:
        """Whether it has ended: nothing but its last event says so."""
        return self.is_complete

    @property
    def is_complete(self) -> bool:
        """Whether the last event was seen, and before it nothing but events."""
        return self._has_ended and not self._has_failed

    def feed(self, data: bytes) -> None:
        """One more payload; what is no event counts as an error, as `{"error": ...}`."""
        self.name = name_of(data)
        self._has_failed = self._has_failed or not self.name
        self._has_ended = self._has_ended or self.name in self._ends


class ToldUsage:
    """The usage of an API that tells it in every answer: there is nothing to add, or to hide."""

    def with_usage(self, body: object) -> None:  # noqa: ARG002 - see above
        """It need not be asked for."""
        return

    def usage_frame(self, answer: object) -> None:  # noqa: ARG002 - see above
        """No event is the usage's own."""
        return

    def is_usage_frame(self, frame: bytes) -> bool:  # noqa: ARG002 - see above
        """No event is the usage's own."""
        return False
