"""What happens, told to who follows as it happens; whoever was away reads on where he stopped.

A reader who is slow costs a bounded list and nobody's time: what does not fit is dropped and
counted.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from itertools import count
from typing import Final, Generic, NamedTuple, TypeVar

from proxy.core.model import Outcome
from proxy.core.repetition import Repetition

T = TypeVar("T")

KEPT: Final = 1000
"""What a process remembers for readers that come back."""

WAITING: Final = 2000
"""What may wait for one reader: all that is remembered, and as much again."""

BEGINNING: Final = 0
"""The number before the first one."""

Field = str | float | bool | None


class Happening(NamedTuple):
    """A request that is over, or an event.

    Attributes:
        number: Above that of all before it, also of those of an earlier process.
        at: When, seconds since the epoch.
        first: What became of a request, or of the one whose `repetition` it is; None of an event.
        name, fields: Of the event, as the `Observer` heard them.
    """

    number: int
    at: float
    first: Outcome | None
    name: str = ""
    fields: dict[str, Field] | None = None
    repetition: Repetition | None = None

    @property
    def outcome(self) -> Outcome | None:
        """What became of the request; None of an event."""
        if self.first is None or self.repetition is None:
            return self.first
        return self.repetition.of(self.first)


class Dropped(NamedTuple):
    """Something is missing here: how much, None where nobody knows."""

    missing: int | None


Listener = Callable[[Happening | Dropped], None]


class Following:
    """Remembers what happened, and tells it on."""

    def __init__(self, kept: int = KEPT) -> None:
        self._first = time.time_ns() // 1000
        self._numbers = count(self._first)
        self._last = self._first - 1
        self._kept: deque[Happening] = deque(maxlen=kept)
        self._listeners: list[Listener] = []

    @property
    def last(self) -> int:
        """The number of what happened last."""
        return self._last

    def request(self, at: float, outcome: Outcome, repetition: Repetition | None = None) -> None:
        """A request is over."""
        number = next(self._numbers)
        self._tell(Happening(number, at, outcome, repetition=repetition))

    def event(self, at: float, name: str, fields: dict[str, Field]) -> None:
        """Something else happened."""
        self._tell(Happening(next(self._numbers), at, None, name, fields))

    def _tell(self, one: Happening) -> None:
        self._kept.append(one)
        self._last = one.number
        for listener in self._listeners:
            listener(one)

    def clear(self) -> None:
        """Forget it. Whoever follows goes on."""
        self._kept.clear()

    @contextmanager
    def heard_by(self, listener: Listener, after: int | None = None) -> Iterator[None]:
        """Have it told what happens inside the block; it must not wait, or raise.

        Args:
            listener: Hears it.
            after: The number that it heard last: what is remembered since is told at once. None
                begins now, and `BEGINNING` with this process.
        """
        if after is not None:
            self._catch_up(listener, after)
        self._listeners.append(listener)
        try:
            yield
        finally:
            self._listeners.remove(listener)

    def _catch_up(self, listener: Listener, after: int) -> None:
        after = self._first - 1 if after == BEGINNING else after
        kept = [one for one in tuple(self._kept) if one.number > after]
        next_one = kept[0].number if kept else after + 1
        if after < self._first - 1:  # of an earlier process, of which more may have been told
            listener(Dropped(None))
        elif next_one > after + 1:
            listener(Dropped(next_one - after - 1))
        for one in kept:
            listener(one)


class Mailbox(Generic[T]):
    """What waits for one reader, in order. Made in the loop that reads.

    Args:
        dropped: Makes what stands where so many did not fit.
        most: How many may wait.
    """

    def __init__(self, dropped: Callable[[int], T], most: int = WAITING) -> None:
        self._dropped = dropped
        self._most = most
        self._waiting: deque[T] = deque()
        self._lost = 0
        self._loop = asyncio.get_running_loop()
        self._arrived = asyncio.Event()
        self._is_called = False

    def put(self, one: T) -> None:
        """Have it wait, or drop and count it. From any thread; never waits."""
        if len(self._waiting) >= self._most:
            self._lost += 1
            return
        if self._lost:
            self._waiting.append(self._dropped(self._lost))
            self._lost = 0
        self._waiting.append(one)
        if not self._is_called:
            self._is_called = True
            with suppress(RuntimeError):  # the loop has ended, and the reader with it
                self._loop.call_soon_threadsafe(self._arrived.set)

    async def take(self, seconds: float) -> list[T]:
        """All that waits, as soon as there is something; nothing after so many seconds."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._arrived.wait()
        self._arrived.clear()
        self._is_called = False
        taken = []
        while self._waiting:
            taken.append(self._waiting.popleft())
        if self._lost:
            taken.append(self._dropped(self._lost))
            self._lost = 0
        return taken
