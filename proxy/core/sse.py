"""Server-sent events, incrementally (WHATWG HTML, 9.2.6).

Rule of the file: the bytes may be split anywhere, inside a character or a line ending included,
and the events are the same. An event exists when its blank line has come; what is left without one
at the end of a stream is not an event. Fields that only matter to a client which reconnects (`id`,
`retry`) are read past.
"""

import re
from typing import NamedTuple

MAX_EVENT_BYTES = 16 << 20
"""Larger than any model's answer; h11, nginx and the SDKs bound their buffers likewise."""

_BOM = b"\xef\xbb\xbf"

_BLANK_LINE = re.compile(rb"(?>\r\n|\n|\r)(?>\r\n|\n|\r)")
"""Two line endings in a row. Atomic: else `\\r\\n` would count as two."""


class EventTooLargeError(ValueError):
    """One event is larger than the parser's bound."""


class Event(NamedTuple):
    """One event; a tuple, as one is made of every chunk of every stream.

    Attributes:
        data: The `data:` lines, joined by a newline.
        name: The `event:` field; "" where there is none.
        raw: The event's bytes as they came, with the comments and empty blocks before it. When a
            piece ended between the two halves of a CRLF, the second half is the next event's.
    """

    data: bytes
    name: str = ""
    raw: bytes = b""


class Parser:
    """Turns pieces of a stream into events.

    Args:
        max_event_bytes: Bound on what is held of an event that is not whole. When more has come,
            `feed` raises EventTooLargeError and lets go of it; it can be fed on, and the events
            after that one are found.
    """

    def __init__(self, max_event_bytes: int = MAX_EVENT_BYTES) -> None:
        self._max_event_bytes = max_event_bytes
        self._silent = bytearray()  # blocks without data, before the event to come
        self._rest = bytearray()  # an unfinished block
        self._has_returns = False
        self._is_after_return = False
        self._is_at_start = True

    @property
    def pending(self) -> bytes:
        """Bytes that belong to no event yet."""
        return bytes(self._silent + self._rest)

    @property
    def pending_size(self) -> int:
        """How many they are."""
        return len(self._silent) + len(self._rest)

    def feed(self, piece: bytes) -> list[Event]:
        """The events that this piece completes.

        Raises:
            EventTooLargeError: It completes none, and the bound is passed.
        """
        if self._is_one_line(piece):
            return [Event(piece[6:-2], "", piece)]
        if self._is_after_return and piece:
            self._is_after_return = False
            if piece.startswith(b"\n"):  # the blank line was a CRLF, and its event is out already
                self._silent += b"\n"
                piece = piece[1:]
        events = self._events(self._cut(piece))
        if not events and len(self._rest) + len(self._silent) > self._max_event_bytes:
            self._let_go()
            raise EventTooLargeError(f"an event of over {self._max_event_bytes} bytes")
        return events

    def _is_one_line(self, piece: bytes) -> bool:
        """Whether it is one event of one line, and nothing waits to be put before it.

        So nearly all chunks of a model arrive.
        """
        return (
            self._is_plain(piece)
            and piece.endswith(b"\n")
            and not (self._is_at_start or self._rest or self._silent)
            and b"\r" not in piece
        )

    def _cut(self, piece: bytes) -> list[bytes]:
        """Whole blocks: stretches up to a blank line, and with it."""
        # What is in the rest has been searched: only its last byte can begin a blank line. A line
        # that comes in many pieces is thus neither searched nor copied twice.
        searched = max(0, len(self._rest) - 1)
        self._rest += piece
        self._has_returns = self._has_returns or b"\r" in piece
        ends = self._any_ends(searched) if self._has_returns else self._plain_ends(searched)
        if not ends:
            return []
        whole = bytes(self._rest)
        del self._rest[: ends[-1]]
        self._is_after_return = not self._rest and whole.endswith(b"\r")
        return [whole[start:end] for start, end in zip((0, *ends), ends, strict=False)]

    def _plain_ends(self, start: int) -> list[int]:
        ends = []
        while (found := self._rest.find(b"\n\n", start)) >= 0:
            start = found + 2
            ends.append(start)
        return ends

    def _any_ends(self, start: int) -> list[int]:
        return [blank.end() for blank in _BLANK_LINE.finditer(self._rest, start)]

    def _events(self, blocks: list[bytes]) -> list[Event]:
        events = []
        for block in blocks:
            is_first = self._is_at_start or self._silent
            if not is_first and self._is_plain(block):
                events.append(Event(block[6:-2], "", block))
            elif (event := self._dispatched(block)) is not None:
                events.append(event)
        return events

    def _is_plain(self, block: bytes) -> bool:
        """Whether it is one line of data, as nearly every event of an API is."""
        is_line = block.startswith(b"data: ") and block.find(b"\n") == len(block) - 2
        return is_line and not self._has_returns

    def _dispatched(self, block: bytes) -> Event | None:
        event = self._read(block)
        self._is_at_start = False
        if event is None:
            self._silent += block
            return None
        if self._silent:
            event = Event(event.data, event.name, bytes(self._silent) + block)
            self._silent.clear()
        return event

    def _read(self, block: bytes) -> Event | None:
        """A block's event; None when it has no data (9.2.6: then it is not dispatched)."""
        if self._is_plain(block):
            return Event(block[6:-2], "", block)
        text = block.removeprefix(_BOM) if self._is_at_start else block
        data: list[bytes] = []
        name = b""
        for line in text.splitlines():  # of bytes: at CR, LF and CRLF, and nothing else
            field, _, value = line.partition(b":")
            if field == b"data":
                data.append(value.removeprefix(b" "))
            elif field == b"event":
                name = value.removeprefix(b" ")
        if not data:
            return None
        return Event(b"\n".join(data), name.decode(errors="replace"), block)

    def _let_go(self) -> None:
        """Forget the event under way. The colon makes a comment of the line that goes on."""
        ending = bytes(self._rest[-1:]) if self._rest.endswith((b"\r", b"\n")) else b""
        self._silent, self._rest = bytearray(), bytearray(b":" + ending)


def payloads(stream: bytes) -> list[bytes]:
    """The data of a stream's whole events; of those that a parser reads, not too large."""
    plain = stream[6:-2].split(b"\n\ndata: ")
    has_one_line_each = stream.count(b"\n") == 2 * len(plain) and b"\r" not in stream
    if has_one_line_each and stream.startswith(b"data: ") and stream.endswith(b"\n\n"):
        return plain
    return [event.data for event in Parser().feed(stream)]


def encode(data: bytes, name: str = "") -> bytes:
    """One event's bytes. The data must hold no carriage return; JSON does not."""
    field = f"event: {name}\n".encode() if name else b""
    return field + b"data: " + data.replace(b"\n", b"\ndata: ") + b"\n\n"
