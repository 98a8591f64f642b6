"""Streams: taken down, passed on, played back.

What is common to every API is here; what a finished choice or a usage chunk looks like is the
dialect's. An answer kept from a stream is played back in the origin's own chunks; one kept from a
JSON body is cut by the dialect.
"""

from collections.abc import Iterator, Sequence

from proxy.core.dialects.base import Dialect, Json, Stamp
from proxy.core.dialects.payloads import glance, parse
from proxy.core.model import Answer
from proxy.core.sse import Event, EventTooLargeError, Parser, encode, payloads

END_MARKER = b"[DONE]"
"""Where every client of OpenAI's stops reading, whatever the API."""

BURST_BYTES = 64 << 10
"""How much of an unpaced replay goes out at once: a write for every chunk costs more than all else
that a hit does. It is about what a socket's buffer takes."""

SMALL_BYTES = 4 << 10
FIRST_BYTES = 512
MORE_BYTES = 16 << 10


def parts(piece: bytes) -> Sequence[bytes]:
    """A piece of a stream in parts that are read one by one: a short one, and long ones.

    Where an origin sends much at once, its beginning leaves before the rest is read, and nobody
    waits for longer than the half millisecond that it takes to read a part. Of a small piece there
    is little to wait for, and another write would cost as much.
    """
    if len(piece) <= SMALL_BYTES:
        return (piece,)
    starts = range(FIRST_BYTES, len(piece), MORE_BYTES)
    return (piece[:FIRST_BYTES], *(piece[start : start + MORE_BYTES] for start in starts))


class Marks:
    """Where a stream's bytes are not for everybody, as far as it has come; offsets into it.

    The origin was asked to tell its usage, so a caller who did not ask must not see that chunk.
    Once every choice has finished nothing but usage and the end marker can follow, and whatever
    comes from there on is held until it is known to be none.

    An end marker that comes too early does not pass: clients stop reading there, and would take
    half an answer for a whole one.

    Attributes:
        hidden: Stretches for those alone who asked for usage: (start, end).
        held_from: From here on it is not known yet what is to be hidden; None when all is known.
        cut_at: From here on nothing passes; None when all does.
    """

    __slots__ = ("cut_at", "held_from", "hidden")

    def __init__(self) -> None:
        self.hidden: list[tuple[int, int]] = []
        self.held_from: int | None = None
        self.cut_at: int | None = None

    @property
    def are_none(self) -> bool:
        """Whether all that has come is for everybody."""
        return self.held_from is None and self.cut_at is None and not self.hidden


class Recorder:
    """Takes a stream down, and marks what of it is not for everybody.

    Each event is read once: for the answer, for the stream's end, and for the marks.

    Args:
        dialect: Knows when it is complete, and a usage chunk.
        max_bytes: When the payloads grow past it, or the stream past twice as much, what came is
            let go; completeness is still watched.
        marks: Where it marks.
    """

    def __init__(self, dialect: Dialect, max_bytes: int, marks: Marks) -> None:
        self._dialect = dialect
        self._max_bytes = max_bytes
        self._marks = marks
        self._parser = Parser()
        self._progress = dialect.watch()
        self._pieces: list[bytes] = []
        self._offset = 0  # in the stream, of what comes next
        self._count = 0  # of payloads before the end
        self._size = 0  # of all of them
        self._has_gap = False
        self._has_ended = False
        self._has_failed = False
        self._may_tell_usage = False  # what comes next: every choice has finished
        self._is_open = False  # all that comes is for everybody
        self._hidden_to = -1  # where a hidden event ended, if by a carriage return
        self.is_too_large = False

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
        found = [one for one in payloads(b"".join(self._pieces)) if one and not one.isspace()]
        return tuple(found[: self._count])

    def answer(self) -> Json:
        """What the payloads amount to; to be asked for once. Raises UnreadableFrameError."""
        return self._progress.answer()

    def feed(self, piece: bytes) -> None:
        """Some more of the stream."""
        is_kept = not (self._has_ended or self.is_too_large)
        if is_kept:
            self._pieces.append(piece)
        if self._offset == self._hidden_to and piece.startswith(b"\n"):
            self._marks.hidden.append((self._offset, self._offset + 1))
        self._offset += len(piece)
        try:
            self._read(self._parser.feed(piece))
        except EventTooLargeError:
            self._miss()
        if is_kept and (self._size > self._max_bytes or self._offset > 2 * self._max_bytes):
            self._let_go()

    def _read(self, events: Sequence[Event]) -> None:
        for index, event in enumerate(events):
            is_marker = event.data.strip() == END_MARKER
            if not self._has_ended and event.data and not event.data.isspace():
                self._take(event, is_marker=is_marker)
            if is_marker or self._may_tell_usage:
                later = sum(len(one.raw) for one in events[index + 1 :])
                self._mark(event, self._read_to() - later, is_marker=is_marker)
            if self._progress.is_finished and not self._is_open:
                self._may_tell_usage = True
        if self._may_tell_usage:
            self._marks.held_from = self._read_to()

    def _take(self, event: Event, *, is_marker: bool) -> None:
        self._progress.feed(event.data)
        is_complete = self._progress.is_complete
        # Where an error is a proper end, the caller has been told; elsewhere he may not notice.
        self._has_failed = self._has_failed or (event.name == "error" and not is_complete)
        is_end = is_marker and self._dialect.end_marker == END_MARKER
        self._has_ended = is_end or is_complete
        if not is_end:
            self._count += 1
            self._size += len(event.data)

    def _mark(self, event: Event, end: int, *, is_marker: bool) -> None:
        start = end - len(event.raw)
        if is_marker:
            is_early = not (self._has_gap or self._progress.is_complete)
            if is_early and self._marks.cut_at is None:
                self._marks.cut_at = start
        elif self._dialect.is_usage_frame(event.data):
            # What ends the line of an event that has passed, passes too.
            self._marks.hidden.append((start + event.raw.startswith(b"\n"), end))
            self._hidden_to = end if event.raw.endswith(b"\r") else -1

    def _read_to(self) -> int:
        """Where the last event ended."""
        return self._offset - self._parser.pending_size

    def _miss(self) -> None:
        """An event is too large to be read: no usage chunk is, so that what was held passes."""
        self._has_gap = True
        self._is_open = self._may_tell_usage
        self._may_tell_usage = False
        self._marks.held_from = None
        self._let_go()

    def _let_go(self) -> None:
        self.is_too_large = True
        self._pieces.clear()
        self._count = 0
        self._progress.let_go()


class LiveFilter:
    """Passes a live stream on to one caller: bytes verbatim and at once, but where there are marks.

    Args:
        marks: What is not for everybody; known of a piece before it is fed.
        hide_usage: Nor for him, who did not ask for usage.
    """

    def __init__(self, marks: Marks, *, hide_usage: bool) -> None:
        self._marks = marks
        self._hides_usage = hide_usage
        self._offset = 0  # in the stream, of what is held, or else comes next
        self._held = b""

    def feed(self, piece: bytes) -> bytes:
        """What of it, and of what was held, passes now."""
        if self._marks.are_none and not self._held:
            self._offset += len(piece)
            return piece
        return self._passing(self._held + piece, self._marks.held_from)

    def finish(self) -> bytes:
        """What was held back when the stream ended inside an event."""
        return self._passing(self._held, None)

    def _passing(self, held: bytes, held_from: int | None) -> bytes:
        start, end = self._offset, self._offset + len(held)
        cut_at = self._marks.cut_at
        if self._hides_usage and held_from is not None:
            end = min(end, held_from)
        if cut_at is not None:
            end = min(end, cut_at)
        end = max(start, end)
        self._offset = end
        is_cut = cut_at is not None and end >= cut_at
        self._held = b"" if is_cut else held[end - start :]
        if not self._hides_usage:
            return held[: end - start]
        return b"".join(held[a - start : b - start] for a, b in self._shown(start, end))

    def _shown(self, start: int, end: int) -> Iterator[tuple[int, int]]:
        """The stretches of this one that are not hidden."""
        for hidden_from, hidden_to in self._marks.hidden:
            if hidden_from < end and hidden_to > start:
                yield start, max(start, hidden_from)
                start = min(end, hidden_to)
        yield start, end


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
