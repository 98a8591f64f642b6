"""How long an origin may be silent between two pieces of its answer."""

import asyncio
from collections.abc import Callable
from types import TracebackType
from typing import Self


class Patience:
    """Watches waits, one after the other, for one that takes too long.

    A stream has thousands of them. So there is one timer, which looks whether the wait it finds has
    lasted long enough, and not one that is made for every wait and undone.

    Args:
        limit_s: The longest wait, seconds.
        end: Ends the one that takes longer.
    """

    def __init__(self, limit_s: float, end: Callable[[], None]) -> None:
        self._limit_s = limit_s
        self._end = end
        self._loop = asyncio.get_running_loop()
        self._since: float | None = None
        self._timer: asyncio.TimerHandle | None = None

    def __enter__(self) -> Self:
        self._timer = self._loop.call_later(self._limit_s, self._look)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._timer is not None:
            self._timer.cancel()

    def begin(self) -> None:
        """A wait begins; what is done between two of them is nobody's silence."""
        self._since = self._loop.time()

    def over(self) -> None:
        """It has ended."""
        self._since = None

    def _look(self) -> None:
        now = self._loop.time()
        left_s = self._limit_s - (0.0 if self._since is None else now - self._since)
        if left_s > 0:
            self._timer = self._loop.call_later(left_s, self._look)
        else:
            self._timer = None
            self._end()
