"""Answers that the shared tier could not take: kept here, in bounds, and written once it can.

Rule of the file: an id waits once, with its newest answer. It leaves by being written, or for one
of the causes below. Nothing is answered from here: the session tier has what its callers stored.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from math import inf, nextafter
from time import monotonic
from typing import Final, Literal, get_args

from proxy.core.changes import Selector
from proxy.core.model import Entry
from proxy.errors import TierError
from proxy.ports import Clock, Observer, SharedTier
from proxy.resilience import Deadline, Stage

Cause = Literal["full", "expired", "replaced", "removed", "failed", "closed"]
"""Why an answer left unwritten: no room, its time was over, a newer one came, an invalidation meant
it, the tier refused it again and again, or the program ended."""

TRIES: Final = 3
"""Refusals after which one answer is given up, while the tier takes others."""

AT_ONCE: Final = 4
"""Answers written beside one another."""

AGAIN_S: Final = 0.2
"""Until the next try, where a tier that is up has not taken all."""

LONGEST_PAUSE_S: Final = 0.005
"""Between two writes. The pause is else as long as the last write took: a tier that has just come
back is left half of its time, and is caught up with the sooner, the quicker it is."""


@dataclass(frozen=True, slots=True)
class _Waiting:
    entry: Entry
    size: int
    tries: int = 0
    tried_at: int = 0  # how many had been written when it was last refused


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
        self._taken: dict[str, asyncio.Event] = {}

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
        """The oldest that still lives and nobody has taken, for as long as it is being written.

        None when none waits, or while the queue is held.
        """
        entry = None if self._holds else self._oldest(now)
        if entry is None:
            yield None
            return
        ended = self._taken[entry.id] = asyncio.Event()
        try:
            yield entry
        finally:
            del self._taken[entry.id]
            ended.set()

    def _oldest(self, now: float) -> Entry | None:
        """Not one whose id is taken: its newer answer must not be overtaken by the older one."""
        while True:
            free = (one.entry for key, one in self._waiting.items() if key not in self._taken)
            entry = next(free, None)
            if entry is None or entry.kept_until > now:
                return entry
            self._drop(entry.id, "expired")

    def written(self, entry: Entry) -> None:
        """It is in the shared tier."""
        if self.holds(entry):
            self._remove(entry.id)
            self._drained += 1

    def superseded(self, entry: Entry) -> None:
        """The shared tier has this answer, or a newer one."""
        if self.holds(entry):
            self._drop(entry.id, "replaced")

    def refused(self, entry: Entry) -> None:
        """The shared tier would not take it: the others go first.

        After a few times it is given up, if others were taken in between: a tier that takes none is
        itself to blame.
        """
        if not self.holds(entry):
            return
        one = self._waiting[entry.id]
        is_to_blame = one.tries == 0 or self._drained > one.tried_at
        tries = one.tries + is_to_blame
        self._waiting[entry.id] = replace(one, tries=tries, tried_at=self._drained)
        self._waiting.move_to_end(entry.id)
        if tries >= TRIES:
            self._drop(entry.id, "failed")

    def holds(self, entry: Entry) -> bool:
        """Whether this very answer waits."""
        one = self._waiting.get(entry.id)
        return one is not None and one.entry is entry

    def has(self, entry_id: str) -> bool:
        """Whether an answer of this id waits."""
        return entry_id in self._waiting

    async def give_way(self, entry: Entry) -> None:
        """This answer is about to be written: none of its id that is older may come after it."""
        known = self._waiting.get(entry.id)
        if known is not None and known.entry.created_at <= entry.created_at:
            self._drop(entry.id, "replaced")
        while (ended := self._taken.get(entry.id)) is not None:
            await ended.wait()

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
        for ended in tuple(self._taken.values()):
            await ended.wait()

    def matching(self, selector: Selector) -> list[str]:
        """Ids of the waiting entries that the selector means."""
        return [key for key, one in self._waiting.items() if selector.matches(one.entry)]

    def drop(self, ids: Sequence[str]) -> None:
        """These were invalidated elsewhere; ids that do not wait are a no-op."""
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
    """Writes what waits, oldest first and at a bounded pace, while the shared tier is up.

    Args:
        backlog: What waits.
        shared: The shared tier and its stage.
        catch_up: Reads the change log to its end, so that what was removed meanwhile is known.
        clock: The time now.
        observer: Hears `backlog_drained` and `backlog_lost`.
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
        self._longest_pause_s = LONGEST_PAUSE_S
        self._draining = asyncio.Lock()

    async def keep_draining(self, every_s: float) -> None:
        """Drain for ever: now and then, and as soon as the tier is back.

        Then the log is read at once, whether or not anything waits.
        """
        while True:
            await self.drain()
            pause_s = min(every_s, AGAIN_S) if self._may_write else every_s
            if await self._stage.gets_better(pause_s):
                await self._is_in_step()

    async def drain(self) -> None:
        """Write what waits, until nothing does, or the tier fails again. Raises nothing."""
        async with self._draining:
            if not self._may_write or not await self._is_in_step():
                return
            count = sum(await asyncio.gather(*(self._write_on() for _ in range(AT_ONCE))))
            if count and not self._backlog:
                self._observer.event("backlog_drained", entries=count)

    async def _write_on(self) -> int:
        """Write one after another until none is left, or one is not taken. Returns how many."""
        count, began = 0, monotonic()
        while self._may_write and await self._write_one():
            count += 1
            await asyncio.sleep(min(monotonic() - began, self._longest_pause_s))
            began = monotonic()
        return count

    @property
    def _may_write(self) -> bool:
        return len(self._backlog) > 0 and self._stage.is_up

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
            outcome = await self._stage.tell(lambda: self._write(entry), deadline)
            if outcome == "written" and await self._is_in_step():
                await self._written(entry)
            elif outcome == "written":
                return False  # it is found there by the next try
            elif outcome == "purged":
                self._backlog.drop([entry.id])
            elif outcome == "superseded":
                self._backlog.superseded(entry)
            elif self._stage.is_up:
                self._backlog.refused(entry)
            return outcome is not None

    async def _write(self, entry: Entry) -> Literal["written", "superseded", "purged"]:
        found = await self._shared.get(entry.scope, entry.id)
        if found is not None and _serves_for(found, entry):
            return "superseded"
        return "written" if await self._shared.put(entry) else "purged"

    async def _written(self, entry: Entry) -> None:
        """It is in the tier; but what the log has told of since it was taken may mean it."""
        if self._backlog.holds(entry):
            self._backlog.written(entry)
            return
        until = nextafter(entry.created_at, inf)  # a newer answer in its place stays
        it = Selector(entry.tenant, ids=(entry.id,), older_than=until)
        await self._stage.tell(lambda: self._shared.purge(it), Deadline(self._write_s))

    async def close(self, deadline: Deadline) -> None:
        """Write what can be written in this time; the rest is lost, and an event says how many."""
        self._longest_pause_s = 0.0
        with suppress(TimeoutError):
            async with asyncio.timeout(deadline.remaining):
                await self.drain()
        if lost := self._backlog.close():
            self._observer.event("backlog_lost", entries=lost)


def _serves_for(found: Entry, entry: Entry) -> bool:
    """Whether what the tier has is this answer, be it with a vector since, or one that is newer."""
    if found.created_at == entry.created_at:
        return entry.vector is None or found.embedder == entry.embedder
    return found.created_at > entry.created_at
