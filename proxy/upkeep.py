"""What the program does when nobody asks: follow the change log, expire, save the index.

The vector index and every session tier are folds of the shared tier's change log. An entry stored
here reaches the index the same way as one stored by another replica, so there is one path to get
right, and an index that is lost is only read anew.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

from proxy.backlog import Backlog
from proxy.core.model import ALL_TENANTS, Changes, Removed, Selector
from proxy.errors import TierError
from proxy.ports import Clock, Observer, SessionTier, SharedTier, VectorTier

PAGE = 500
"""Log records read at once: a page is folded in well under a millisecond."""


class Upkeep:
    """Keeps the derived tiers in step with the shared one.

    Args:
        session: Forgets what the log says is removed.
        shared: Owns the log.
        vector: Folds the log; None when there is no semantic cache.
        poll_s: How often to look for other processes' changes, seconds.
        expire_s: How often to drop what is past its time, seconds.
        save_s: How often to save the index, seconds.
        backlog: Forgets what the log says is removed, before it is written; None for none.
    """

    def __init__(
        self,
        session: SessionTier,
        shared: SharedTier,
        vector: VectorTier | None,
        *,
        clock: Clock,
        observer: Observer,
        poll_s: float = 1.0,
        expire_s: float = 60.0,
        save_s: float = 60.0,
        backlog: Backlog | None = None,
    ) -> None:
        self._session = session
        self._shared = shared
        self._vector = vector
        self._clock = clock
        self._observer = observer
        self._poll_s = poll_s
        self._expire_s = expire_s
        self._save_s = save_s
        self._backlog = backlog
        self._position: str | None = None
        self._saved: str | None = None
        self._has_read = False
        self._catching_up = asyncio.Lock()

    async def start(self) -> None:
        """Load the index's snapshot; the log's tail is read by `follow`."""
        if self._vector is not None:
            await self._vector.start()
            self._position = self._saved = self._vector.position

    async def catch_up(self) -> None:
        """Fold the log up to its end. Raises TierError when it cannot be read."""
        async with self._catching_up:
            while True:
                changes = await self._shared.changes(self._position, PAGE)
                await self._fold(changes)
                if not changes.more:
                    break

    async def _fold(self, changes: Changes) -> None:
        if changes.reset and self._has_read:  # what was removed meanwhile is not told one by one
            self._session.purge(Selector(ALL_TENANTS, everything=True))
        self._has_read = self._has_read or bool(changes.items)
        removed = [change.id for change in changes.items if isinstance(change, Removed)]
        if removed:
            self._session.drop(removed)
            if self._backlog is not None:
                self._backlog.drop(removed)
        if self._vector is not None:
            await self._vector.apply(changes)
        self._position = changes.position

    def works(self) -> dict[str, Coroutine[Any, Any, None]]:
        """What is to be done for ever, by name: a fault is an event, and the next round tries."""
        return {
            "follow": self._repeat("follow", self._poll_s, self.catch_up),
            "expire": self._repeat("expire", self._expire_s, self._expire),
            "save": self._repeat("save", self._save_s, self.save),
        }

    async def _expire(self) -> None:
        await self._shared.expire(self._clock())

    async def save(self) -> None:
        """Save the index, if it has changed since the last time."""
        if self._vector is not None and self._vector.position != self._saved:
            position = self._vector.position
            await self._vector.save()
            self._saved = position

    async def stop(self) -> None:
        """Leave the index saved and in step, as well as it can be."""
        try:
            await self.catch_up()
            await self.save()
        except TierError as error:
            self._observer.event("upkeep_failed", work="stop", reason=str(error))

    async def _repeat(self, name: str, seconds: float, work: Callable[[], Awaitable[None]]) -> None:
        while True:
            try:
                await work()
            except TierError as error:
                self._observer.event("upkeep_failed", work=name, reason=str(error))
            await asyncio.sleep(seconds)
