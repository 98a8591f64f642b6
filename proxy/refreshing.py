"""Which answers are being refreshed in the background, and which shall not be tried just now.

A caller who is served a stale answer has it refreshed, by his own request (RFC 5861, 3). Nobody
waits for that, so that nothing else holds it back when the origin is in trouble: here it is once at
a time for an answer, few at once over all, and after a failure not again for a while.
"""

from collections import OrderedDict
from collections.abc import Awaitable, Callable
from time import monotonic
from typing import Final

from proxy.ports import Clock, Observer
from proxy.resilience import Tasks

MOST_AT_ONCE: Final = 32
"""Refreshes under way in this process; who comes beyond them is served, and the next one tries."""

RETRY_S: Final = 5.0
"""After a failure, before the same caller's request may try again."""

MOST_FAILED: Final = 10_000
"""Failures remembered."""


class Refreshes:
    """Starts them.

    Args:
        tasks: Owns them.
        observer: Hears `entry_refreshed` and `refresh_failed`.
        most_at_once: More are not begun.
        retry_s: Pause after a failure.
        clock: Seconds from any beginning.
    """

    def __init__(
        self,
        tasks: Tasks,
        observer: Observer,
        *,
        most_at_once: int = MOST_AT_ONCE,
        retry_s: float = RETRY_S,
        clock: Clock = monotonic,
    ) -> None:
        self._tasks = tasks
        self._observer = observer
        self._most_at_once = most_at_once
        self._retry_s = retry_s
        self._clock = clock
        self._under_way: set[str] = set()
        self._failed: OrderedDict[str, float] = OrderedDict()

    def begin(self, entry: str, caller: str, work: Callable[[], Awaitable[str | None]]) -> bool:
        """Refresh an entry, unless that is under way, has just failed, or would be too many.

        Args:
            entry: The entry's id: it is refreshed once at a time, whoever asks.
            caller: Whose request would do it: a failure may be his own, such as a key that was
                revoked, and holds back no other's.
            work: Fetches and keeps the answer; returns why there is none, None when there is.
        """
        failed_at = self._failed.get(f"{entry}:{caller}")
        is_held_back = failed_at is not None and self._clock() < failed_at + self._retry_s
        if entry in self._under_way or is_held_back or len(self._under_way) >= self._most_at_once:
            return False
        self._under_way.add(entry)
        self._tasks.run("refresh", self._refresh(entry, caller, work))
        return True

    async def _refresh(
        self, entry: str, caller: str, work: Callable[[], Awaitable[str | None]]
    ) -> None:
        try:
            reason = await work()
        finally:
            self._under_way.discard(entry)
        if reason is None:
            self._failed.pop(f"{entry}:{caller}", None)
            self._observer.event("entry_refreshed", entry=entry)
            return
        self._observer.event("refresh_failed", entry=entry, reason=reason)
        self._failed[f"{entry}:{caller}"] = self._clock()
        self._failed.move_to_end(f"{entry}:{caller}")
        if len(self._failed) > MOST_FAILED:
            self._failed.popitem(last=False)
