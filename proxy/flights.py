"""One upstream call per key, however many callers wait.

The call belongs to the flight, not to the caller who came first: whoever leaves cancels nothing
that others wait for. Every listener reads the same bytes from the first one on, at its own speed.

Why a flight stays for a moment after it has landed: a request looks in the tiers, finds nothing,
and joins. If the flight lands and stores its answer between those two steps, the request would
start a second call for an answer that is already there. A lookup never takes longer than the
cache's deadline, so a flight that lingers that long is seen by all who missed its answer. Who comes
after it has landed missed nothing: an answer that was not kept, or is too old by now, is no answer
to him.
"""

import asyncio
import sys
from collections.abc import AsyncIterator, Callable, Collection, Coroutine, Iterator
from contextlib import contextmanager
from math import inf
from time import perf_counter
from typing import Any, Protocol

from proxy.core.changes import Selector, Traits
from proxy.core.model import Answer
from proxy.core.quotas import Slots
from proxy.core.recording import Head, Landing
from proxy.core.stream import Marks, parts
from proxy.errors import BrokenStreamError, RepriseError
from proxy.ports import Origin, OriginReply, OriginRequest
from proxy.resilience import Tasks

WINDOW_BYTES = 1 << 20
"""How far the origin may run ahead of a listener once an answer is too large to be kept."""


class Seat:
    """One listener's place: how many chunks it has read."""

    __slots__ = ("read",)

    def __init__(self) -> None:
        self.read = 0


class Taking(Protocol):
    """Takes one call's bytes down: see `proxy.core.recording`."""

    @property
    def is_complete(self) -> bool:
        """Whether a stream has told all of its answer: only its closing is still to come."""
        ...

    @property
    def marks(self) -> Marks:
        """What of a stream is not for every caller."""
        ...

    @property
    def is_long(self) -> bool:
        """Whether `land` takes too long for the loop to wait."""
        ...

    def begin(self, head: Head) -> None:
        """The headers are there."""
        ...

    def feed(self, piece: bytes) -> None:
        """Some more of the body."""
        ...

    def land(self) -> Landing:
        """The body ended. Raises BrokenStreamError when that was not its proper end."""
        ...


class Flight:
    """One upstream call under way, or just landed.

    Args:
        keys: What it answers, one key or many; none when no other caller may join.
        recording: Takes the bytes down, and says at the end what they were.
        keep_bytes: How much is kept for callers who join late.
        entries: What its answer may become.

    `is_void` is set when an invalidation overtakes the call: its answer may be older than that,
    and must not be stored. `generation` is `Entry.generation` of what it becomes. `is_relayed` says
    that another replica has asked: see `answer`.
    """

    def __init__(
        self,
        keys: Collection[str],
        recording: Taking,
        keep_bytes: int,
        entries: Collection[Traits] = (),
    ) -> None:
        self.keys = tuple(keys)
        self._entries = tuple(entries)
        self.is_void = False
        self.generation: int | None = None
        self.is_relayed = False
        self._recording = recording
        self._keep_bytes = keep_bytes
        self._head: Head | None = None
        self._is_stream = False
        self._landing: Landing | None = None
        self._error: RepriseError | None = None
        self._is_over = False
        self._when_over: Callable[[], None] | None = None
        self._over_at: float = inf
        self._chunks: list[bytes] = []
        self._forgotten = 0
        self._size = 0
        self._seats: set[Seat] = set()
        self._waiting: list[asyncio.Future[None]] = []
        self._full: asyncio.Future[None] | None = None  # the call waits for its listeners

    @property
    def is_joinable(self) -> bool:
        """Whether a caller who joins now still gets a whole answer from its first byte."""
        return self._forgotten == 0 and self._error is None

    def was_under_way(self, since: float) -> bool:
        """Whether its answer was still to come at that time of `perf_counter`."""
        return self._over_at > since

    def may_become(self, selector: Selector) -> bool:
        """Whether its answer, or a part of it, may be one that a selector means."""
        return any(selector.overtakes(one) for one in self._entries)

    @property
    def is_over(self) -> bool:
        """Whether the last byte is there, or will never be."""
        return self._is_over

    @property
    def marks(self) -> Marks:
        """What of its chunks is not for every listener; known before they are heard."""
        return self._recording.marks

    @property
    def is_deserted(self) -> bool:
        """Whether more of its answer is to come, and nobody listens any more.

        A caller who has seen a stream's end often hangs up before the connection is closed.
        """
        return not (self._seats or self._is_over or self._recording.is_complete)

    @contextmanager
    def join(self) -> Iterator[Seat]:
        """Listen, from the first byte."""
        seat = Seat()
        self._seats.add(seat)
        try:
            yield seat
        finally:
            self._seats.discard(seat)
            self._make_room()

    async def head(self) -> Head:
        """Status and headers. Raises the error when the origin could not be asked."""
        while self._head is None and not self._is_over:
            await self._change()
        if self._head is None:
            raise self._error or BrokenStreamError("the call was given up")
        return self._head

    async def chunks(self, seat: Seat) -> AsyncIterator[bytes]:
        """The body as it comes. Raises BrokenStreamError when it breaks off."""
        while True:
            unread = self._chunks[seat.read - self._forgotten :]
            for chunk in unread:
                seat.read += 1
                yield chunk
            if unread:
                self._make_room()
            elif self._is_over:
                break
            else:
                await self._change()
        if self._error is not None:
            raise self._error

    def body(self, seat: Seat) -> bytes:
        """All that a listener has not read of an answer that has landed."""
        unread = self._chunks[seat.read - self._forgotten :]
        seat.read += len(unread)
        return b"".join(unread)

    async def landed(self) -> Landing | None:
        """How it ended, once it has; None at once when it grows too large to be kept.

        Raises the error when it breaks off.
        """
        while not self._is_over and self._size <= self._keep_bytes:
            await self._change()
        if self._error is not None:
            raise self._error
        return self._landing

    def told(self, seat: Seat) -> Landing | None:
        """How it will end, once this listener has read all of a stream's answer; None before."""
        has_read_all = seat.read - self._forgotten >= len(self._chunks)
        return self._recording.land() if has_read_all and self._recording.is_complete else None

    async def fly(self, origin: Origin, call: OriginRequest) -> Landing | None:
        """Make the call and read it to its end; every fault reaches the listeners."""
        try:
            reply = await origin.send(call)
            try:
                self._begin(reply)
                async for chunk in reply.chunks():
                    await self._take(chunk)
            finally:
                await reply.close()
            is_long, land = self._recording.is_long, self._recording.land
            self._landing = await asyncio.to_thread(land) if is_long else land()
        except RepriseError as error:
            self._error = error
        finally:
            self.end()
        return self._landing

    def answer(self, answer: Answer) -> None:
        """Land at once, with the answer that another replica got."""
        self.is_relayed = True
        self._head = Head(200, (("content-type", "application/json"),))
        self._chunks.append(answer.body)
        self._landing = Landing(answer, None)
        self.end()

    def when_over(self, work: Callable[[], None]) -> None:
        """Have this done as soon as the last byte is there, or will never be."""
        self._when_over = work

    def end(self) -> None:
        """No more will come; a call that ends without a landing or an error was given up."""
        if self._landing is None and self._error is None:
            self._error = BrokenStreamError("the call was given up")
        self._is_over = True
        work, self._when_over = self._when_over, None
        if work is not None:
            work()
        self._over_at = min(self._over_at, perf_counter())
        self._announce()

    def _begin(self, reply: OriginReply) -> None:
        self._head = Head(reply.status, reply.headers)
        self._is_stream = self._head.is_success and self._head.is_stream
        self._recording.begin(self._head)
        self._announce()

    async def _take(self, chunk: bytes) -> None:
        first, *rest = parts(chunk) if self._is_stream else (chunk,)
        await self._push(first)
        for part in rest:
            await asyncio.sleep(0)  # listeners write in the loop's next turn,
            await asyncio.sleep(0)  # and what they wrote leaves at its end
            await self._push(part)

    async def _push(self, chunk: bytes) -> None:
        self._recording.feed(chunk)
        self._chunks.append(chunk)
        self._size += len(chunk)
        self._announce()
        while self._size > self._keep_bytes + WINDOW_BYTES:
            self._forget_what_all_have_read()
            if self._size > self._keep_bytes + WINDOW_BYTES:
                self._full = asyncio.get_running_loop().create_future()
                await self._full

    def _forget_what_all_have_read(self) -> None:
        """Where nobody listens, that is everything: it can neither be heard nor kept."""
        everything = self._forgotten + len(self._chunks)
        count = min((seat.read for seat in self._seats), default=everything) - self._forgotten
        self._size -= sum(map(len, self._chunks[:count]))
        del self._chunks[:count]
        self._forgotten += count

    async def _change(self) -> None:
        """Wait until something is announced."""
        waiting = asyncio.get_running_loop().create_future()
        self._waiting.append(waiting)
        await waiting

    def _make_room(self) -> None:
        """A listener has read what there was, or left: the call may go on, if it waits for it."""
        if self._full is not None and not self._full.done():
            self._full.set_result(None)

    def _announce(self) -> None:
        """Wake all who wait."""
        waiting, self._waiting = self._waiting, []
        for one in waiting:
            if not one.done():  # whoever left meanwhile has cancelled it
                one.set_result(None)


class Flights:
    """The flights under way, by key.

    Args:
        tasks: Owner of the calls.
        linger_s: How long a landed flight can still be joined.
        finish_deserted: Read a call to its end though nobody listens any more.
        slots: Places for calls: each flight has one. None for as many as may be.
        newest: The newest purge of a namespace that is known; None where none are followed.
    """

    def __init__(
        self,
        tasks: Tasks,
        *,
        linger_s: float,
        finish_deserted: bool,
        slots: Slots | None = None,
        newest: Callable[[], int | None] = lambda: None,
    ) -> None:
        self._tasks = tasks
        self._linger_s = linger_s
        self._finish_deserted = finish_deserted
        self._slots = slots or Slots(sys.maxsize, "calls")
        self._newest = newest
        self._by_key: dict[str, Flight] = {}
        self._calls: dict[Flight, asyncio.Task[None]] = {}

    def __len__(self) -> int:
        return len(self._calls)

    def adapt(self, *, linger_s: float, finish_deserted: bool) -> None:
        """Take other terms from now on."""
        self._linger_s = linger_s
        self._finish_deserted = finish_deserted

    def find(self, key: str, since: float) -> Flight | None:
        """The flight of this key that a caller can still join who came at that `perf_counter`."""
        flight = self._by_key.get(key)
        if flight is None or not flight.is_joinable or not flight.was_under_way(since):
            return None
        return flight

    def launch(self, flight: Flight, work: Coroutine[Any, Any, None]) -> None:
        """Run the call, and what is to be done with its answer.

        Whoever may be refused has asked `check` for a place before.
        """
        flight.when_over(self._slots.take())
        flight.generation = self._newest()
        task = self._tasks.start("flight", work)
        self._calls[flight] = task
        self._by_key.update(dict.fromkeys(flight.keys, flight))
        task.add_done_callback(lambda _: self._ended(flight))

    async def over(self, flight: Flight) -> None:
        """Wait until the call has ended, and what is to be done with its answer is done."""
        if (call := self._calls.get(flight)) is not None:
            await asyncio.wait([call])

    def check(self) -> None:
        """Raise OverloadedError where there is no place for another call."""
        self._slots.check()

    def _ended(self, flight: Flight) -> None:
        del self._calls[flight]
        if not flight.is_over:  # cancelled before its first step
            flight.end()
        if flight.is_joinable:
            asyncio.get_running_loop().call_later(self._linger_s, self._forget, flight)
        else:
            self._forget(flight)

    def _forget(self, flight: Flight) -> None:
        for key in flight.keys:
            if self._by_key.get(key) is flight:
                del self._by_key[key]

    @contextmanager
    def listening(self, flight: Flight) -> Iterator[Seat]:
        """Listen from the first byte; the last one who leaves early ends the call."""
        try:
            with flight.join() as seat:
                yield seat
        finally:
            if flight.is_deserted and not self._finish_deserted and flight in self._calls:
                self._forget(flight)  # at once: nobody may join a call that is being ended
                self._calls[flight].cancel()

    async def drain(self, seconds: float | None) -> None:
        """Let the calls under way, and what is to be done with their answers, come to their end.

        Args:
            seconds: That they get for it; None for as long as it takes.
        """
        if self._calls:
            await asyncio.wait(self._calls.values(), timeout=seconds)

    def void(self, selector: Selector) -> None:
        """An invalidation came by: no answer it means that was asked for may be kept or joined."""
        for flight in (*self._calls, *self._by_key.values()):
            flight.is_void = flight.is_void or flight.may_become(selector)
        self._by_key = {key: one for key, one in self._by_key.items() if not one.is_void}
