"""Streams: taken down, passed on, played back.

What is common to every API is here; what a finished choice or a usage chunk looks like is the
dialect's. An answer kept from a stream is played back in the origin's own chunks; one kept from a
JSON body is cut by the dialect.
"""

from collections.abc import Iterator

import orjson

from proxy.core.dialects.base import Dialect, Stamp
from proxy.core.model import Answer
from proxy.core.sse import EventTooLargeError, Parser, encode


class Recorder:
    """Takes a stream down.

    Args:
        dialect: Knows when it is complete.
        max_bytes: When the frames grow past it they are let go; completeness is still watched.
    """

    def __init__(self, dialect: Dialect, max_bytes: int) -> None:
        self._dialect = dialect
        self._max_bytes = max_bytes
        self._parser = Parser()
        self._progress = dialect.watch()
        self._frames: list[bytes] = []
        self._size = 0
        self._is_unreadable = False

    @property
    def is_too_large(self) -> bool:
        """Whether frames were let go."""
        return self._size > self._max_bytes

    @property
    def is_complete(self) -> bool:
        """Whether the stream came to its proper end; one too large to be read is given credit."""
        return self._is_unreadable or self._progress.is_complete

    @property
    def frames(self) -> tuple[bytes, ...]:
        """The payloads so far, without the end marker; empty when they grew too large."""
        return tuple(self._frames)

    def feed(self, piece: bytes) -> None:
        """Some more of the stream."""
        if self._is_unreadable:
            return
        try:
            events = self._parser.feed(piece)
        except EventTooLargeError:
            self._is_unreadable = True
            self._size = self._max_bytes + 1
            self._frames.clear()
            return
        for event in events:
            if not self._progress.is_complete:
                self._take(event.data)

    def _take(self, data: bytes) -> None:
        self._progress.feed(data)
        if data == self._dialect.end_marker:
            return
        self._size += len(data)
        self._frames.append(data)
        if self.is_too_large:
            self._frames.clear()


class LiveFilter:
    """Passes a live stream on to one caller.

    The origin was asked to tell its usage, so a caller who did not ask must not see that chunk.
    Bytes pass verbatim and at once until every choice has finished. Only then, when nothing but
    usage and the end marker can follow, is the stream held event by event.

    Args:
        dialect: Knows a usage chunk.
        hide_usage: Keep it from the caller.
    """

    def __init__(self, dialect: Dialect, *, hide_usage: bool) -> None:
        self._dialect = dialect
        self._is_open = not hide_usage
        self._parser = Parser()
        self._progress = dialect.watch()

    def feed(self, piece: bytes) -> bytes:
        """What of it passes now."""
        if self._is_open:
            return piece
        was_finished = self._progress.is_finished
        try:
            events = self._parser.feed(piece)
        except EventTooLargeError:
            self._is_open = True
            return self._parser.pending if was_finished else piece
        if was_finished:
            return b"".join(self._passing(event.data, event.raw) for event in events)
        return self._until_finished(piece, [(event.data, event.raw) for event in events])

    def _until_finished(self, piece: bytes, events: list[tuple[bytes, bytes]]) -> bytes:
        for index, (data, _) in enumerate(events):
            self._progress.feed(data)
            if self._progress.is_finished:
                later = events[index + 1 :]
                held = sum(len(raw) for _, raw in later) + len(self._parser.pending)
                return piece[: len(piece) - held] + b"".join(
                    self._passing(data, raw) for data, raw in later
                )
        return piece

    def _passing(self, data: bytes, raw: bytes) -> bytes:
        return b"" if self._dialect.is_usage_frame(data) else raw

    def finish(self) -> bytes:
        """What was held back when the stream ended inside an event."""
        if self._is_open or not self._progress.is_finished:
            return b""
        return self._parser.pending


def replay(
    dialect: Dialect,
    answer: Answer,
    stamp: Stamp,
    *,
    include_usage: bool,
    tokens_per_s: float | None = None,
) -> Iterator[tuple[float, bytes]]:
    """An answer as a stream: (seconds to wait before it, bytes of one event).

    Args:
        dialect: Of the answer's API.
        answer: What the origin said.
        stamp: The id and time that this replay carries.
        include_usage: The caller asked for the usage chunk.
        tokens_per_s: Pace, a chunk counted as a token; None for no pause at all.
    """
    frames = answer.frames
    if not frames:
        frames = tuple(dialect.unfold(orjson.loads(answer.body), include_usage=include_usage))
    delay_s = 1.0 / tokens_per_s if tokens_per_s else 0.0
    tells_usage = False
    for index, frame in enumerate(frames):
        if dialect.is_usage_frame(frame):
            tells_usage = True
            if not include_usage:
                continue
        yield (delay_s if index else 0.0), encode(dialect.refresh(frame, stamp))
    if include_usage and not tells_usage:
        usage = dialect.usage_frame(orjson.loads(answer.body))
        if usage is not None:
            yield 0.0, encode(dialect.refresh(usage, stamp))
    yield 0.0, encode(dialect.end_marker)
