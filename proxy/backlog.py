"""Answers that the shared tier could not take: kept here, in bounds, and written once it can.

Rule of the file: an id waits once, with its newest answer. It leaves by being written, or for one
of the causes below. Nothing is answered from here: the session tier has what its callers stored.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Final, Literal, get_args

from proxy.core.model import Entry, Selector
from proxy.errors import TierError, described
from proxy.ports import Clock, Observer, SharedTier
from proxy.resilience import Deadline, Stage

Cause = Literal["full", "expired", "replaced", "removed", "failed", "closed"]
"""Why an answer left unwritten: no room, its time was over, a newer one came, an invalidation meant
it, the tier refused it again and again, or the program ended."""

TRIES: Final = 3
"""Refusals by a tier that is well, after which one answer no longer holds up the others."""

PAUSE_S: Final = 0.002
"""Between two writes, so that a tier that has just come back is not flooded."""


@dataclass(frozen=True, slots=True)
class _Waiting:
    entry: Entry
    size: int
    tries: int = 0


class Backlog:
    """The queue, oldest first.

    Args:
        max_entries: Most answers that wait; 0 keeps none.
        max_bytes: Most bytes that wait.
        size_of: Bytes an entry takes.
        observer: Hears `backlog_full`, once until the queue is empty again.
    """

    def __init__(
        self,
        *,
        max_entries: int,
        max_bytes: int,
        size_of: Callable[[Entry], int],
        observer: Observer,
    ) -> None:
        self._max_entries = max_entries
        self._max_bytes = max_bytes
        self._size_of = size_of
        self._observer = observer
        self._waiting: OrderedDict[str, _Waiting] = OrderedDict()
        self._bytes = 0
        self._drained = 0
        self._dropped: dict[Cause, int] = dict.fromkeys(get_args(Cause), 0)
        self._overflows = False
        self._holds = 0
        self._taken: str | None = None
        self._free = asyncio.Event()
        self._free.set()

    def __len__(self) -> int:
        return len(self._waiting)

    def add(self, entry: Entry) -> None:
        """Let it wait, in place of an older answer of its id; the oldest make room."""
        known = self._waiting.get(entry.id)
        if known is not None and known.entry.created_at > entry.created_at:
            self._dropped["replaced"] += 1
            return
        self._drop(entry.id, "replaced")
        one = _Waiting(entry, self._size_of(entry))
        if one.size > self._max_bytes or not self._max_entries:
            self._dropped["full"] += 1
            return
        self._waiting[entry.id] = one
        self._bytes += one.size
        while len(self._waiting) > self._max_entries or self._bytes > self._max_bytes:
            self._drop(next(iter(self._waiting)), "full")
            self._tell_full()

    def _tell_full(self) -> None:
        if not self._overflows:
            self._overflows = True
            self._observer.event("backlog_full", entries=len(self), bytes=self._bytes)

    @contextmanager
    def taken(self, now: float) -> Iterator[Entry | None]:
        """The oldest that still lives, for as long as it is being written.

        None when nothing waits, or while the queue is held.
        """
        entry = None if self._holds else self._oldest(now)
        if entry is not None:
            self._taken = entry.id
            self._free.clear()
        try:
            yield entry
        finally:
            if entry is not None:
                self._taken = None
                self._free.set()

    def _oldest(self, now: float) -> Entry | None:
        while self._waiting:
            entry = next(iter(self._waiting.values())).entry
            if entry.kept_until > now:
                return entry
            self._drop(entry.id, "expired")
        return None

    def written(self, entry: Entry) -> None:
        """It is in the shared tier."""
        if self._holds_still(entry):
            self._remove(entry.id)
            self._drained += 1

    def superseded(self, entry: Entry) -> None:
        """The shared tier has this answer, or a newer one."""
        if self._holds_still(entry):
            self._drop(entry.id, "replaced")

    def refused(self, entry: Entry) -> None:
        """The shared tier is well and would not take it: after a few times it is given up."""
        if not self._holds_still(entry):
            return
        one = self._waiting[entry.id]
        self._waiting[entry.id] = _Waiting(one.entry, one.size, one.tries + 1)
        if one.tries + 1 >= TRIES:
            self._drop(entry.id, "failed")

    def _holds_still(self, entry: Entry) -> bool:
        one = self._waiting.get(entry.id)
        return one is not None and one.entry is entry

    async def give_way(self, entry: Entry) -> None:
        """This answer is about to be written: none of its id that is older may come after it."""
        known = self._waiting.get(entry.id)
        if known is not None and known.entry.created_at <= entry.created_at:
            self._drop(entry.id, "replaced")
        while self._taken == entry.id:
            await self._free.wait()

    @contextmanager
    def held(self) -> Iterator[None]:
        """Nothing more is taken inside this block; what was taken before may be on its way yet."""
        self._holds += 1
        try:
            yield
        finally:
            self._holds -= 1

    async def settled(self) -> None:
        """Wait until what was taken is written, or is not."""
        await self._free.wait()

    def matching(self, selector: Selector) -> list[str]:
        """Ids of the waiting entries that the selector means."""
        return [key for key, one in self._waiting.items() if selector.matches(one.entry)]

    def drop(self, ids: Sequence[str]) -> None:
        """These were removed or replaced elsewhere; ids that do not wait are a no-op."""
        for key in ids:
            self._drop(key, "removed")

    def close(self) -> int:
        """Give up what still waits. Returns how many."""
        left = len(self._waiting)
        for key in tuple(self._waiting):
            self._drop(key, "closed")
        return left

    def stats(self) -> Mapping[str, float]:
        """Gauges `entries` and `bytes`; counts `drained` and `dropped_<cause>`."""
        dropped = {f"dropped_{cause}": count for cause, count in self._dropped.items()}
        return {"entries": len(self), "bytes": self._bytes, "drained": self._drained, **dropped}

    def _drop(self, key: str, cause: Cause) -> None:
        self._dropped[cause] += self._remove(key)

    def _remove(self, key: str) -> bool:
        one = self._waiting.pop(key, None)
        if one is None:
            return False
        self._bytes -= one.size
        self._overflows = self._overflows and bool(self._waiting)
        return True


class Drain:
    """Writes what waits, in order and at a bounded pace, while the shared tier is well.

    Args:
        backlog: What waits.
        shared: The shared tier and its stage.
        catch_up: Reads the change log to its end, so that what was removed meanwhile is known.
        clock: The time now.
        observer: Hears `backlog_drained`, `backlog_refused` and `backlog_lost`.
        write_s: How long writing one answer may take, seconds.
    """

    def __init__(
        self,
        backlog: Backlog,
        shared: tuple[SharedTier, Stage],
        *,
        catch_up: Callable[[], Awaitable[None]],
        clock: Clock,
        observer: Observer,
        write_s: float,
    ) -> None:
        self._backlog = backlog
        self._shared, self._stage = shared
        self._catch_up = catch_up
        self._clock = clock
        self._observer = observer
        self._write_s = write_s
        self._pause_s = PAUSE_S
        self._draining = asyncio.Lock()

    async def keep_draining(self, every_s: float) -> None:
        """Drain for ever, whenever something waits."""
        while True:
            await self.drain()
            await asyncio.sleep(every_s)

    async def drain(self) -> None:
        """Write what waits, until nothing does, or the tier fails again. Raises nothing."""
        async with self._draining:
            if not self._may_write or not await self._is_in_step():
                return
            count = 0
            while self._may_write and await self._write_one():
                count += 1
                await asyncio.sleep(self._pause_s)
            if count and not self._backlog:
                self._observer.event("backlog_drained", entries=count)

    @property
    def _may_write(self) -> bool:
        return len(self._backlog) > 0 and self._stage.trouble is None

    async def _is_in_step(self) -> bool:
        try:
            async with asyncio.timeout(self._write_s):
                await self._catch_up()
        except (TierError, TimeoutError):
            return False
        return True

    async def _write_one(self) -> bool:
        """Whether the next may follow."""
        with self._backlog.taken(self._clock()) as entry:
            if entry is None:
                return False
            deadline = Deadline(self._write_s)
            is_known = await self._stage.ask(lambda: self._knows(entry), deadline)
            if is_known is None:  # it is away again
                return False
            if is_known:
                self._backlog.superseded(entry)
                return True
            return await self._put(entry, deadline)

    async def _put(self, entry: Entry, deadline: Deadline) -> bool:
        """Past the breaker: a tier that answers reads must not be closed for one refused write."""
        try:
            async with asyncio.timeout(deadline.remaining):
                await self._shared.put(entry)
        except Exception as error:  # noqa: BLE001 - a bug in the tier must not end the draining
            self._backlog.refused(entry)
            self._observer.event("backlog_refused", reason=described(error))
            return False
        self._backlog.written(entry)
        return True

    async def _knows(self, entry: Entry) -> bool:
        """Whether the tier has this answer, or one that is newer."""
        found = await self._shared.get(entry.scope, entry.id)
        if found is None or found.created_at < entry.created_at:
            return False
        return found.created_at > entry.created_at or found.embedder == entry.embedder

    async def close(self, deadline: Deadline) -> None:
        """Write what can be written in this time; the rest is lost, and an event says how many."""
        self._pause_s = 0.0
        with suppress(TimeoutError):
            async with asyncio.timeout(deadline.remaining):
                await self.drain()
        if lost := self._backlog.close():
            self._observer.event("backlog_lost", entries=lost)
