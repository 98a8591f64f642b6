"""The fastest tier: a dict in this process.

Rules: every public method takes the one lock and never blocks while it holds it; `get` and `put`
are O(1) beyond what they evict; `_drop` alone removes, so that slots, index and byte count agree.
"""

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import inf
from sys import getsizeof
from threading import Lock
from typing import Final, Literal

from proxy.core.changes import Selector
from proxy.core.model import Caller, Entry
from proxy.ports import Clock

ENTRY_OVERHEAD: Final = 1400
"""Bytes of an entry besides its payload, question and vector: objects, ids, slot, index."""

FRAME_OVERHEAD: Final = getsizeof(b"") + 8
"""Bytes of a frame besides its payload: the object's header and the tuple's pointer to it."""

REMEMBERED: Final = 10_000
"""Removals remembered by id: a megabyte, and more than are made while an entry is being read."""

Cause = Literal["capacity_entries", "capacity_bytes", "expired", "dropped"]

_Key = tuple[str, str, str]


@dataclass(frozen=True, slots=True)
class _Slot:
    entry: Entry
    size: int
    until: float


class Removals:
    """What was removed lately, so that an entry that was being read meanwhile does not come back.

    Bounded: of what was pushed out, and of purges that name no ids, only the time is known, and
    everything read before it counts as removed. That costs a look in the next tier.
    """

    def __init__(self) -> None:
        self._at: OrderedDict[str, tuple[float, float | None]] = OrderedDict()
        self._any_at = -inf

    def note(self, ids: Sequence[str], now: float, but: float | None = None) -> None:
        """These are removed, all answers of them but the one of that time."""
        for entry_id in ids:
            self._at[entry_id] = (now, but)
            self._at.move_to_end(entry_id)
        while len(self._at) > REMEMBERED:
            _, (at, _) = self._at.popitem(last=False)
            self.note_any(at)

    def note_any(self, now: float) -> None:
        """Nobody knows which."""
        self._any_at = max(self._any_at, now)

    def may_have_met(self, entry: Entry, since: float) -> bool:
        """Whether this answer may have been removed at that time or later."""
        at, but = self._at.get(entry.id, (-inf, None))
        return self._any_at >= since or (at >= since and but != entry.created_at)


class MemoryTier:
    """A `SessionTier`: least recently used first out, bounded in entries and in bytes.

    Args:
        clock: The time now.
        max_entries: Most entries held, over all sessions; 0 holds none.
        max_bytes: Most bytes held, as `size_of` counts them.
        ttl_s: Most seconds an entry is served after it was put here, if its own lifetime is longer.
    """

    def __init__(self, *, clock: Clock, max_entries: int, max_bytes: int, ttl_s: float) -> None:
        self._clock = clock
        self._max_entries = max_entries
        self._max_bytes = max_bytes
        self._ttl_s = ttl_s
        self._lock = Lock()
        self._slots: OrderedDict[_Key, _Slot] = OrderedDict()
        self._holders: dict[str, set[_Key]] = {}
        self._removals = Removals()
        self._bytes = 0
        self._hits = 0
        self._misses = 0
        self._evicted: dict[Cause, int] = {
            "capacity_entries": 0,
            "capacity_bytes": 0,
            "expired": 0,
            "dropped": 0,
        }

    def adapt(self, *, max_entries: int, max_bytes: int, ttl_s: float) -> None:
        """Take other bounds: what is over them goes, and what is put from now on lives as long."""
        with self._lock:
            self._max_entries = max_entries
            self._max_bytes = max_bytes
            self._ttl_s = ttl_s
            self._shrink()

    def get(self, caller: Caller, key: str) -> Entry | None:
        """The caller's session's entry, unless its `kept_until` or this tier's TTL is over."""
        slot_key = (caller.tenant, caller.session, key)
        now = self._clock()
        with self._lock:
            slot = self._slots.get(slot_key)
            if slot is not None and slot.until > now:
                self._slots.move_to_end(slot_key)
                self._hits += 1
                return slot.entry
            if slot is not None:
                self._evict(slot_key, "expired")
            self._misses += 1
            return None

    def put(self, caller: Caller, entry: Entry, read_at: float | None = None) -> None:
        """Keep it in the caller's session, evicting the least recently used.

        An entry over the byte bound, or already past its lifetime, is not kept. The answer that it
        replaces is forgotten all the same: the session must not go on serving what was refreshed.
        Nor is one kept that was read elsewhere at `read_at` and may have been removed since.
        """
        slot_key = (caller.tenant, caller.session, entry.id)
        now = self._clock()
        slot = _Slot(entry, size_of(entry), min(entry.kept_until, now + self._ttl_s))
        with self._lock:
            if read_at is not None and self._removals.may_have_met(entry, read_at):
                return
            self._drop(slot_key)
            if slot.size > self._max_bytes or slot.until <= now or self._max_entries < 1:
                return
            self._slots[slot_key] = slot
            self._holders.setdefault(entry.id, set()).add(slot_key)
            self._bytes += slot.size
            self._shrink()

    def drop(self, ids: Sequence[str]) -> int:
        """Forget these entries in every session; ids not held are a no-op. Returns how many."""
        with self._lock:
            self._removals.note(ids, self._clock())
            keys = [key for entry_id in ids for key in self._holders.get(entry_id, ())]
            return sum(self._evict(key, "dropped") for key in keys)

    def renew(self, entry_id: str, created_at: float) -> int:
        """Forget all answers of this entry but the one of that time. Returns how many."""
        with self._lock:
            self._removals.note([entry_id], self._clock(), but=created_at)
            keys = [
                key
                for key in self._holders.get(entry_id, ())
                if self._slots[key].entry.created_at != created_at
            ]
            return sum(self._evict(key, "dropped") for key in keys)

    def purge(self, selector: Selector) -> int:
        """Forget what the selector means: one that names no ids looks at all. Returns how many."""
        with self._lock:
            if selector.ids:
                self._removals.note(selector.ids, self._clock())
                looked_at = {key for one in selector.ids for key in self._holders.get(one, ())}
            else:
                self._removals.note_any(self._clock())
                looked_at = set(self._slots)
            keys = [key for key in looked_at if selector.matches(self._slots[key].entry)]
            return sum(self._evict(key, "dropped") for key in keys)

    def stats(self) -> Mapping[str, float]:
        """Gauges `entries` and `bytes`; counts `hits`, `misses` and `evicted_<cause>`."""
        with self._lock:
            return {
                "entries": len(self._slots),
                "bytes": self._bytes,
                "hits": self._hits,
                "misses": self._misses,
                **{f"evicted_{cause}": count for cause, count in self._evicted.items()},
            }

    def _shrink(self) -> None:
        while len(self._slots) > self._max_entries:
            self._evict(next(iter(self._slots)), "capacity_entries")
        while self._bytes > self._max_bytes:
            self._evict(next(iter(self._slots)), "capacity_bytes")

    def _evict(self, key: _Key, cause: Cause) -> bool:
        is_gone = self._drop(key)
        self._evicted[cause] += is_gone
        return is_gone

    def _drop(self, key: _Key) -> bool:
        slot = self._slots.pop(key, None)
        if slot is None:
            return False
        self._bytes -= slot.size
        holders = self._holders[slot.entry.id]
        holders.discard(key)
        if not holders:
            del self._holders[slot.entry.id]
        return True


def size_of(entry: Entry) -> int:
    """Bytes the entry takes here, near enough to bound the process's memory by."""
    frames = len(entry.answer.frames) * FRAME_OVERHEAD
    vector = 0 if entry.vector is None else entry.vector.nbytes
    return entry.answer.size + frames + getsizeof(entry.question) + vector + ENTRY_OVERHEAD
