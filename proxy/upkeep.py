"""What the program does when nobody asks: follow the change log, expire, save the index.

The vector index and every session tier are folds of the shared tier's change log. An entry stored
here reaches the index the same way as one stored by another replica, so there is one path to get
right, and an index that is lost is only read anew.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from proxy.backlog import Backlog
from proxy.core.changes import ALL_TENANTS, Added, Changes, Forgotten, Removed, Selector
from proxy.errors import TierError, UnfitServerError, described
from proxy.ports import UNTOLD, Clock, LogWatch, Observer, SessionTier, SharedTier, VectorTier

PAGE = 500
"""Log records read at once: a page is folded in well under a millisecond."""

INDEX_PAGE = 100
"""Records read at once for an index that is behind: nobody else reads the log meanwhile."""

MOST_GONE = 1000
"""Entries noted as gone between two readings of the log."""

GATHER_S = 0.005
"""Between two readings of a log that grows all the time: many changes are one reading."""

EVERYTHING = Selector(ALL_TENANTS, everything=True)

Void = Callable[[Selector], None]
"""Hears what is forgotten: no answer asked for before may become it."""


def _void_nothing(_selector: Selector) -> None:
    pass


@dataclass(frozen=True, slots=True)
class Every:
    """How often something is done unasked, seconds.

    Attributes:
        poll_s: Look for other processes' changes.
        expire_s: Drop what is past its time.
        save_s: Save the index; None leaves it to another process.
    """

    poll_s: float = 1.0
    expire_s: float = 60.0
    save_s: float | None = 60.0


class Upkeep:
    """Keeps the derived tiers in step with the shared one.

    Args:
        session: Forgets what the log says is removed.
        shared: Owns the log.
        vector: Folds the log; None when there is no semantic cache.
        watch: Says at once that other processes have changed something; None for nobody.
        every: How often the rest is done.
        backlog: Forgets what the log says is invalidated, before it is written; None for none.
        void: Hears what is forgotten, by this process or another.
    """

    def __init__(
        self,
        session: SessionTier,
        shared: SharedTier,
        vector: VectorTier | None,
        *,
        clock: Clock,
        observer: Observer,
        watch: LogWatch | None = None,
        every: Every = Every(),
        backlog: Backlog | None = None,
        void: Void = _void_nothing,
    ) -> None:
        self._session = session
        self._shared = shared
        self._vector = vector
        self._clock = clock
        self._observer = observer
        self._watch = watch
        self._every = every
        self._backlog = backlog
        self._void = void
        self._position: str | None = None
        self._saved: str | None = None
        self._has_read = False
        self._is_behind = False
        self._gone: dict[str, str] = {}
        self._failing: dict[str, str] = {}
        self._catching_up = asyncio.Lock()
        self._must_expire = asyncio.Event()
        self._asked = 0
        self._answered = 0

    async def start(self) -> None:
        """Load the index's snapshot; the log's tail is read by `follow`.

        An index that cannot be reached is an event, and is brought up by its stage.

        Raises:
            UnfitServerError: The index's server can never hold it.
        """
        if self._vector is None:
            return
        try:
            await self._vector.start()
        except UnfitServerError:
            raise
        except TierError as error:
            self._fall_behind(error)
        self._position = self._saved = self._vector.position

    @property
    def positions(self) -> tuple[str | None, ...]:
        """Where in the change log this process stands: its session tiers, and its index."""
        index = self._vector
        return (self._position,) if index is None else (self._position, index.position)

    @property
    def is_in_step(self) -> bool:
        """Whether the index has followed the change log as far as the session tiers."""
        return len(set(self.positions)) == 1

    def expire_soon(self) -> None:
        """There is something to sweep up: do not wait for the next round."""
        self._must_expire.set()

    def gone(self, scope: str, entry_id: str) -> None:
        """The index found an entry that the shared tier does not have: forget it there."""
        if len(self._gone) < MOST_GONE:
            self._gone[entry_id] = scope

    async def catch_up(self, until: str = UNTOLD) -> None:
        """Fold the log up to its end. Raises TierError when it cannot be read.

        Who asks while it is being read needs another reading, which serves all who ask meanwhile.
        Who needs it up to a position that has been read already needs none.
        """
        if until == self._position and self.is_in_step:
            return
        self._asked += 1
        number = self._asked
        async with self._catching_up:
            if self._answered >= number:
                return
            reading = self._asked
            await self._clean()
            while True:
                changes = await self._shared.changes(self._position, PAGE)
                await self._fold(changes)
                if not changes.more:
                    break
            self._answered = reading

    async def _fold(self, changes: Changes) -> None:
        if changes.reset and self._has_read:  # what was removed meanwhile is not told one by one
            self._void(EVERYTHING)
            self._session.purge(EVERYTHING)
        self._has_read = True
        if removed := [one.id for one in changes.items if isinstance(one, Removed)]:
            self._session.drop(removed)
        for change in changes.items:
            if isinstance(change, Forgotten):
                self.forget(change.selector)
            elif isinstance(change, Added) and change.created_at:
                self._session.renew(change.id, change.created_at)
        index, before = self._vector, self._position
        self._position = changes.position
        if index is None or index.position != before:
            return
        try:
            await index.apply(changes)
        except Exception as error:  # noqa: BLE001 - who stores or invalidates need not suffer
            self._fall_behind(error)

    def forget(self, selector: Selector) -> int:
        """Forget what this process alone has. Returns how many answers it held in session tiers.

        Private answers, and those that wait to be shared, are in no other; nor are calls under way.
        """
        self._void(selector)
        if self._backlog is not None:
            self._backlog.drop(self._backlog.matching(selector))
        return self._session.purge(selector)

    def _fall_behind(self, error: Exception) -> None:
        """The index goes on alone, whatever is wrong with it: see `_bring_index_on`."""
        if not self._is_behind:
            reason = str(error) if isinstance(error, TierError) else described(error)
            self._observer.event("index_behind", reason=reason)
        self._is_behind = True

    async def _bring_index_on(self) -> None:
        """Fold what the index has missed. Raises TierError when it still cannot be."""
        while (index := self._vector) is not None:
            async with self._catching_up:
                if index.position == self._position:
                    break
                changes = await self._shared.changes(index.position, INDEX_PAGE)
                await index.apply(changes)
                if not changes.more:
                    break
        if self._is_behind:
            self._is_behind = False
            self._observer.event("index_in_step")

    async def _clean(self) -> None:
        """Take out of the index what is gone, unless it has come back."""
        gone, self._gone = self._gone, {}
        index = self._vector
        if index is None or index.position is None:
            return
        removed = [
            Removed(entry_id)
            for entry_id, scope in gone.items()
            if await self._shared.get(scope, entry_id) is None
        ]
        try:
            if removed:  # `more`: they are no stretch of the log, and end none
                await index.apply(Changes(tuple(removed), index.position, more=True))
        except Exception as error:  # noqa: BLE001 - as in `_fold`
            self._fall_behind(error)

    def works(self) -> dict[str, Callable[[], Coroutine[Any, Any, None]]]:
        """What is to be done for ever, by name: a fault is an event, and the next round tries."""
        works = {
            "follow": self._follow,
            "expire": self._keep_expiring,
        }
        if (save_s := self._every.save_s) is not None:
            works["save"] = lambda: self._repeat("save", save_s, self.save)
        return works

    async def _keep_expiring(self) -> None:
        while True:
            self._must_expire.clear()
            await self._tried("expire", self._expire)
            with suppress(TimeoutError):
                async with asyncio.timeout(self._every.expire_s):
                    await self._must_expire.wait()

    async def _expire(self) -> None:
        await self._shared.expire(self._clock())

    async def save(self) -> None:
        """Save the index, if it has changed since the last time and is this process's to save."""
        if self._vector is None or self._every.save_s is None:
            return
        if self._vector.position != self._saved:
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

    async def _follow(self) -> None:
        while True:
            await self._tried("follow", self._read_on)
            await asyncio.sleep(min(GATHER_S, self._every.poll_s))
            await self._changed()

    async def _read_on(self) -> None:
        await self.catch_up()
        await self._bring_index_on()

    async def _changed(self) -> None:
        """Wait until somebody else has added to the log, or may have."""
        if self._watch is None:
            await asyncio.sleep(self._every.poll_s)
        else:
            await self._watch.wait(self._every.poll_s)

    async def _repeat(self, name: str, seconds: float, work: Callable[[], Awaitable[None]]) -> None:
        while True:
            await self._tried(name, work)
            await asyncio.sleep(seconds)

    async def _tried(self, name: str, work: Callable[[], Awaitable[None]]) -> None:
        try:
            await work()
        except TierError as error:
            if self._failing.get(name) != str(error):  # told once, not at every round
                self._observer.event("upkeep_failed", work=name, reason=str(error))
            self._failing[name] = str(error)
        else:
            self._failing.pop(name, None)
