"""Threads of a part's own, to which the event loop hands what would block it.

`ThreadPoolExecutor` by way of `run_in_executor` does the same with two futures, several locks and
a condition for each call, which the woken thread wants while the loop still holds them. A request
pays that for every part it asks. Measured with both asleep for a millisecond: answered in 59 us, of
which 27 before the loop could go on; here in 35 and 8 (`python -m bench.threads`).
"""

import asyncio
import weakref
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from threading import Thread
from typing import Any, Generic, TypeVar

T = TypeVar("T")


class ClosedError(RuntimeError):
    """The threads take no more work."""


class Threads:
    """Some threads over one queue. Used from one event loop.

    Args:
        name: Of the threads.
        count: How many; each begins at once.
        before: Run by each before its first work.
    """

    def __init__(
        self, name: str, count: int = 1, before: Callable[[], object] | None = None
    ) -> None:
        self._queue: SimpleQueue[_Work[Any] | None] = SimpleQueue()
        self._threads = [
            Thread(target=_serve, args=(self._queue, before), name=f"{name}_{number}", daemon=True)
            for number in range(count)
        ]
        for thread in self._threads:
            thread.start()
        # Also run at exit, where a thread that is still at work would be stopped anywhere.
        self._ends = weakref.finalize(self, _end, self._queue, self._threads)
        self._is_closed = False

    def run(self, work: Callable[..., T], *args: object) -> "asyncio.Future[T]":
        """Have a thread do it, after what was asked before; cancelled in time, it is not done.

        Raises:
            ClosedError: After `close`.
        """
        if self._is_closed:
            raise ClosedError("closed")
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()
        self._queue.put(_Work(work, args, future, loop))
        return future

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
    future: "asyncio.Future[T]"
    loop: asyncio.AbstractEventLoop

    def do(self) -> None:
        """In a thread."""
        if self.future.cancelled():
            return
        try:
            answer = self.work(*self.args)
        except BaseException as error:  # noqa: BLE001 - it is the asker's
            self._tell(self.future.set_exception, error)
        else:
            self._tell(self.future.set_result, answer)

    def _tell(self, settle: Callable[[Any], None], outcome: object) -> None:
        with suppress(RuntimeError):  # the loop is closed: nobody waits
            self.loop.call_soon_threadsafe(_settle, self.future, settle, outcome)


def _settle(future: "asyncio.Future[Any]", settle: Callable[[Any], None], outcome: object) -> None:
    if not future.cancelled():
        settle(outcome)


def _serve(queue: "SimpleQueue[_Work[Any] | None]", before: Callable[[], object] | None) -> None:
    if before is not None:
        before()
    while (work := queue.get()) is not None:
        work.do()
        del work  # it would be held until the next one comes


def _end(queue: "SimpleQueue[_Work[Any] | None]", threads: Sequence[Thread]) -> None:
    for _ in threads:
        queue.put(None)
    for thread in threads:
        thread.join()
