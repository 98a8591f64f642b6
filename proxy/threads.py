"""Threads of a part's own, to which the event loop hands what would block it.

`ThreadPoolExecutor` by way of `run_in_executor` does the same with two futures, several locks and
a condition for each call, which the woken thread wants while the loop still holds them. A request
pays that for every part it asks. Measured with both asleep for a millisecond: answered in 59 us, of
which 27 before the loop could go on; here in 35 and 8 (`python -m bench.threads`).
"""

import asyncio
import time
import weakref
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from math import inf
from queue import Empty, SimpleQueue
from threading import Thread
from typing import Any, Final, Generic, TypeVar

from proxy.errors import BusyError

T = TypeVar("T")

LATELY: Final = 16
"""Works that say what work takes; with fewer, one that was held up would say too much."""


class ClosedError(RuntimeError):
    """The threads take no more work."""


@dataclass(slots=True)
class Patience:
    """The longest that work may be expected to wait for a thread, seconds; may change any time."""

    seconds: float = inf


class _Pace:
    """What work takes lately, seconds for each unit of its size; 0 while that is not known.

    The first work says nothing of it: it finds everything cold, as does a model's first run.
    """

    __slots__ = ("_is_warm", "_lately", "seconds")

    def __init__(self) -> None:
        self._is_warm = False
        self._lately: deque[tuple[float, int]] = deque(maxlen=LATELY)
        self.seconds = 0.0

    def took(self, seconds: float, size: int) -> None:
        if not self._is_warm:
            self._is_warm = True
            return
        self._lately.append((seconds, size))
        together, sizes = map(sum, zip(*self._lately, strict=True))
        self.seconds = together / sizes


class Threads:
    """Some threads over one queue. Used from one event loop.

    Where more is asked than they can do, everything that is done comes late in the end: what was
    asked first is done first, just before nobody waits for it any more. So with a patience what
    would have to wait for longer is refused at once, and the rest is in time.

    Args:
        name: Of the threads.
        count: How many; each begins at once.
        before: Run by each before its first work.
        patience: How long work may have to wait.
    """

    def __init__(
        self,
        name: str,
        count: int = 1,
        before: Callable[[], object] | None = None,
        patience: Patience | None = None,
    ) -> None:
        self._queue: SimpleQueue[_Work[Any] | None] = SimpleQueue()
        self._patience = patience or Patience()
        self._pace = _Pace()
        self._asked = 0
        serve = (self._queue, self._pace, before)
        self._threads = [
            Thread(target=_serve, args=serve, name=f"{name}_{number}", daemon=True)
            for number in range(count)
        ]
        for thread in self._threads:
            thread.start()
        # Also run at exit, where a thread that is still at work would be stopped anywhere.
        self._ends = weakref.finalize(self, _end, self._queue, self._threads)
        self._is_closed = False

    def run(self, work: Callable[..., T], *args: object, size: int = 1) -> "asyncio.Future[T]":
        """Have a thread do it, after what was asked before; cancelled in time, it is not done.

        Args:
            work: What to do.
            args: For it.
            size: How large it is beside other work of these threads, at least 1.

        Raises:
            ClosedError: After `close`.
            BusyError: It would have to wait for longer than the patience allows.
        """
        if self._is_closed:
            raise ClosedError("closed")
        if self._asked * self._pace.seconds / len(self._threads) > self._patience.seconds:
            raise BusyError("busy")
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()
        self._queue.put(_Work(work, args, size, future, loop))
        self._asked += size
        future.add_done_callback(partial(self._ended, size))
        return future

    def _ended(self, size: int, _future: "asyncio.Future[Any]") -> None:
        self._asked -= size

    async def close(self, *, drop: bool = False) -> None:
        """Take no more work, and wait until what there is has been done. A second time: a no-op.

        Args:
            drop: Cancel what no thread has begun.
        """
        was_closed, self._is_closed = self._is_closed, True
        if drop and not was_closed:
            with suppress(Empty):
                while (left := self._queue.get_nowait()) is not None:
                    left.future.cancel()
        await asyncio.to_thread(self._ends)


@dataclass(frozen=True, slots=True)
class _Work(Generic[T]):
    work: Callable[..., T]
    args: tuple[object, ...]
    size: int
    future: "asyncio.Future[T]"
    loop: asyncio.AbstractEventLoop

    def do(self, pace: _Pace) -> None:
        """In a thread."""
        if self.future.cancelled():
            return
        began = time.perf_counter()
        try:
            answer = self.work(*self.args)
        except BaseException as error:  # noqa: BLE001 - it is the asker's
            self._tell(self.future.set_exception, error)
        else:
            pace.took(time.perf_counter() - began, self.size)
            self._tell(self.future.set_result, answer)

    def _tell(self, settle: Callable[[Any], None], outcome: object) -> None:
        with suppress(RuntimeError):  # the loop is closed: nobody waits
            self.loop.call_soon_threadsafe(_settle, self.future, settle, outcome)


def _settle(future: "asyncio.Future[Any]", settle: Callable[[Any], None], outcome: object) -> None:
    if not future.cancelled():
        settle(outcome)


def _serve(
    queue: "SimpleQueue[_Work[Any] | None]", pace: _Pace, before: Callable[[], object] | None
) -> None:
    if before is not None:
        before()
    while (work := queue.get()) is not None:
        work.do(pace)
        del work  # it would be held until the next one comes


def _end(queue: "SimpleQueue[_Work[Any] | None]", threads: Sequence[Thread]) -> None:
    for _ in threads:
        queue.put(None)
    for thread in threads:
        thread.join()
