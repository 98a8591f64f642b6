"""Server-sent events, incrementally (WHATWG HTML, 9.2.6).

Rule of the file: the bytes may be split anywhere, inside a character or a line ending included,
and the events are the same. An event exists when its blank line has come; what is left without one
at the end of a stream is not an event.
"""

import re
from dataclasses import dataclass

MAX_EVENT_BYTES = 16 << 20
"""Larger than any model's answer; h11, nginx and the SDKs bound their buffers likewise."""

_LINE = re.compile(rb"([^\r\n]*)(?:\r\n|\n|\r)")
_BOM = b"\xef\xbb\xbf"


class EventTooLargeError(ValueError):
    """One event is larger than the parser's bound."""


@dataclass(frozen=True, slots=True)
class Event:
    """One event.

    Attributes:
        data: The `data:` lines, joined by a newline.
        name: The `event:` field; "" where there is none.
        raw: The event's bytes as they came, with the comments and empty blocks before it.
    """

    data: bytes
    name: str = ""
    raw: bytes = b""


class Parser:
    """Turns pieces of a stream into events.

    Args:
        max_event_bytes: Bound on one event. Over it `feed` raises EventTooLargeError.
    """

    def __init__(self, max_event_bytes: int = MAX_EVENT_BYTES) -> None:
        self._max_event_bytes = max_event_bytes
        self._buffer = bytearray()
        self._scanned = 0
        self._data: list[bytes] = []
        self._name = b""
        self._at_start = True

    @property
    def pending(self) -> bytes:
        """Bytes that belong to no event yet."""
        return bytes(self._buffer)

    def feed(self, piece: bytes) -> list[Event]:
        """The events that this piece completes."""
        ended_in_cr = self._buffer.endswith(b"\r")
        self._buffer += piece
        if len(self._buffer) > self._max_event_bytes:
            raise EventTooLargeError(f"an event of over {self._max_event_bytes} bytes")
        if self._at_start and not self._skip_bom():
            return []
        if b"\n" not in piece and b"\r" not in piece and not ended_in_cr:
            return []  # no line ends here: do not scan a long line again
        return self._read_lines()

    def _skip_bom(self) -> bool:
        """Past a byte order mark; False while it is not known whether there is one."""
        begin = bytes(self._buffer[:3])
        if len(begin) < len(_BOM) and _BOM.startswith(begin):
            return False
        self._at_start = False
        self._scanned = len(_BOM) if begin == _BOM else 0
        return True

    def _read_lines(self) -> list[Event]:
        # A carriage return at the end may be half of a CRLF: wait for what follows it.
        end = len(self._buffer) - self._buffer.endswith(b"\r")
        events = []
        start = 0
        for line in _LINE.finditer(self._buffer, self._scanned, end):
            self._scanned = line.end()
            if line[1]:
                self._field(line[1])
            elif self._data:
                events.append(self._dispatch(bytes(self._buffer[start : self._scanned])))
                start = self._scanned
            else:
                self._name = b""
        del self._buffer[:start]
        self._scanned -= start
        return events

    def _field(self, line: bytes) -> None:
        name, _, value = line.partition(b":")
        if name == b"data":
            self._data.append(value.removeprefix(b" "))
        elif name == b"event":
            self._name = value.removeprefix(b" ")

    def _dispatch(self, raw: bytes) -> Event:
        event = Event(b"\n".join(self._data), self._name.decode(errors="replace"), raw)
        self._data.clear()
        self._name = b""
        return event


def encode(data: bytes, name: str = "") -> bytes:
    """One event's bytes. The data must hold no carriage return; JSON does not."""
    field = f"event: {name}\n".encode() if name else b""
    return field + b"data: " + data.replace(b"\n", b"\ndata: ") + b"\n\n"
