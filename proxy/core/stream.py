"""Streams: taken down, passed on, played back.

What is common to every API is here; what a finished choice or a usage chunk looks like is the
dialect's. An answer kept from a stream is played back in the origin's own chunks; one kept from a
JSON body is cut by the dialect.
"""

from collections.abc import Iterator, Sequence

from proxy.core.dialects.base import Dialect, Json, Stamp
from proxy.core.dialects.payloads import glance, parse
from proxy.core.model import Answer
from proxy.core.sse import Event, EventTooLargeError, Parser, encode

END_MARKER = b"[DONE]"
"""Where every client of OpenAI's stops reading, whatever the API."""

BURST_BYTES = 64 << 10
"""How much of an unpaced replay goes out at once: a write for every chunk costs more than all else
that a hit does. It is about what a socket's buffer takes."""


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
        self._has_gap = False
        self._has_ended = False
        self._has_failed = False

    @property
    def is_too_large(self) -> bool:
        """Whether frames were let go."""
        return self._size > self._max_bytes

    @property
    def is_complete(self) -> bool:
        """Whether the stream came to its proper end.

        Of one with an event too large to be read only the end marker is asked: that event may have
        been the one in which a choice finished.
        """
        has_ended = self._has_ended if self._has_gap else self._progress.is_complete
        return has_ended and not self._has_failed

    @property
    def frames(self) -> tuple[bytes, ...]:
        """The payloads so far, without the end marker; empty when they grew too large."""
        return tuple(self._frames)

    def feed(self, piece: bytes) -> None:
        """Some more of the stream."""
        try:
            events = self._parser.feed(piece)
        except EventTooLargeError:
            self._has_gap = True
            self._keep(b"", size=self._max_bytes + 1)
            return
        for event in events:
            if not self._has_ended and not event.data.isspace() and event.data:
                self._take(event)

    def _take(self, event: Event) -> None:
        self._progress.feed(event.data)
        is_complete = self._progress.is_complete
        # Where an error is a proper end, the caller has been told; elsewhere he may not notice.
        is_error = event.name == "error" and not is_complete
        self._has_failed = self._has_failed or is_error
        is_end = event.data.strip() == self._dialect.end_marker
        self._has_ended = is_end or is_complete
        if not is_end:
            self._keep(event.data, size=len(event.data))

    def _keep(self, frame: bytes, size: int) -> None:
        self._size += size
        self._frames.append(frame)
        if self.is_too_large:
            self._frames.clear()


class LiveFilter:
    """Passes a live stream on to one caller.

    The origin was asked to tell its usage, so a caller who did not ask must not see that chunk.
    Bytes pass verbatim and at once until every choice has finished. Only then, when nothing but
    usage and the end marker can follow, is the stream held event by event.

    An end marker that comes too early does not pass: clients stop reading there, and would take
    half an answer for a whole one.

    Args:
        dialect: Knows a usage chunk, and what is whole.
        hide_usage: Keep it from the caller.
    """

    def __init__(self, dialect: Dialect, *, hide_usage: bool) -> None:
        self._dialect = dialect
        self._hides_usage = hide_usage
        self._is_open = False
        self._is_holding = False
        self._is_cut = False
        self._has_gap = False
        self._is_after_hidden_return = False
        self._parser = Parser()
        self._progress = dialect.watch()

    def feed(self, piece: bytes) -> bytes:
        """What of it passes now."""
        if self._is_open or self._is_cut:
            return b"" if self._is_cut else piece
        held = self._parser.pending if self._is_holding else b""
        try:
            events = self._parser.feed(piece)
        except EventTooLargeError:
            # No usage chunk is so large. Before the finish its bytes have passed like all others.
            self._has_gap = True
            self._is_open = self._is_holding
            return held + piece
        return self._passing(events) if self._is_holding else self._until_finished(piece, events)

    def _until_finished(self, piece: bytes, events: list[Event]) -> bytes:
        for index, event in enumerate(events):
            self._progress.feed(event.data)
            if self._ends_early(event):
                return piece[: max(0, len(piece) - self._held(events[index:]))]
            if self._hides_usage and self._progress.is_finished:
                self._is_holding = True
                later = events[index + 1 :]
                return piece[: len(piece) - self._held(later)] + self._passing(later)
        return piece

    def _held(self, events: list[Event]) -> int:
        """Bytes of these events and of what follows them, without an end yet."""
        return sum(len(event.raw) for event in events) + len(self._parser.pending)

    def _ends_early(self, event: Event) -> bool:
        """Whether it is an end marker in a stream that is not whole; then nothing passes any more.

        What was too large to be read may have been the finish.
        """
        is_end = event.data.strip() == END_MARKER
        self._is_cut = is_end and not (self._has_gap or self._progress.is_complete)
        return self._is_cut

    def _passing(self, events: list[Event]) -> bytes:
        passing = []
        for event in events:
            self._progress.feed(event.data)
            if self._ends_early(event):
                break
            raw = event.raw.removeprefix(b"\n") if self._is_after_hidden_return else event.raw
            is_hidden = self._dialect.is_usage_frame(event.data)
            self._is_after_hidden_return = is_hidden and raw.endswith(b"\r")
            if not is_hidden:
                passing.append(raw)
            elif raw.startswith(b"\n"):  # it ends the line of an event that has passed
                passing.append(b"\n")
        return b"".join(passing)

    def finish(self) -> bytes:
        """What was held back when the stream ended inside an event."""
        if self._is_open or self._is_cut or not self._is_holding:
            return b""
        pending = self._parser.pending
        return pending.removeprefix(b"\n") if self._is_after_hidden_return else pending


class Restamp:
    """Passes a live stream on to a caller who did not begin it, as if it were his own.

    Args:
        dialect: Knows what an event repeats of its request.
        stamp: What this caller's answer has of its own.
    """

    def __init__(self, dialect: Dialect, stamp: Stamp) -> None:
        self._dialect = dialect
        self._stamp = stamp
        self._parser = Parser()
        self._is_open = False

    def feed(self, piece: bytes) -> bytes:
        """The events that it completes."""
        if self._is_open:
            return piece
        held = self._parser.pending
        try:
            events = self._parser.feed(piece)
        except EventTooLargeError:
            self._is_open = True
            return held + piece
        return b"".join(map(self._restamped, events))

    def _restamped(self, event: Event) -> bytes:
        try:
            fresh = self._dialect.refresh(event.data, self._stamp)
        except (ValueError, AttributeError, TypeError):  # no event of this API: not ours to judge
            return event.raw
        return event.raw if fresh == event.data else encode(fresh, event.name)

    def finish(self) -> bytes:
        """What was held back when the stream ended inside an event."""
        return b"" if self._is_open else self._parser.pending


def replay(
    dialect: Dialect,
    answer: Answer,
    stamp: Stamp,
    *,
    include_usage: bool,
    tokens_per_s: float | None = None,
) -> Iterator[tuple[float, bytes]]:
    """An answer as a stream: (seconds to wait before it, bytes of whole events).

    Args:
        dialect: Of the answer's API.
        answer: What the origin said.
        stamp: The id and time that this replay carries.
        include_usage: The caller asked for the usage chunk.
        tokens_per_s: Pace, a chunk counted as a token; None for no pause at all.
    """
    events = [
        encode(dialect.refresh(frame, stamp), dialect.name_of(frame))
        for frame in _frames(dialect, answer, include_usage)
    ]
    end = [encode(dialect.end_marker)] if dialect.end_marker else []
    if not tokens_per_s:
        for burst in _bursts([*events, *end]):
            yield 0.0, burst
        return
    for index, event in enumerate(events):
        yield (1.0 / tokens_per_s if index else 0.0), event
    for event in end:
        yield 0.0, event


def _frames(dialect: Dialect, answer: Answer, include_usage: bool) -> Sequence[bytes]:
    """The answer's chunks for this caller."""
    if not answer.frames:
        return tuple(dialect.unfold(parse(answer.body), include_usage=include_usage))
    if not include_usage:
        return [frame for frame in answer.frames if not dialect.is_usage_frame(frame)]
    if any(_tells_usage(dialect, frame) for frame in reversed(answer.frames)):
        return answer.frames
    usage = dialect.usage_frame(parse(answer.body))
    return answer.frames if usage is None else (*answer.frames, usage)


def _tells_usage(dialect: Dialect, frame: bytes) -> bool:
    """Whether a chunk tells the usage: one of its own, or with the finish, as some origins do."""
    if b'"usage"' not in frame:
        return False
    chunk: Json = glance(frame)
    return dialect.usage_of(chunk) is not None


def _bursts(events: Sequence[bytes]) -> Iterator[bytes]:
    burst = bytearray()
    for event in events:
        burst += event
        if len(burst) >= BURST_BYTES:
            yield bytes(burst)
            burst.clear()
    if burst:
        yield bytes(burst)
