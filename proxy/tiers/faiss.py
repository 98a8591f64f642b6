"""The vector tier in this process: FAISS, searched inside one scope at a time.

One flat index holds every vector in a slot, and a scope is its list of slots. A search compares
those alone (`IDSelectorArray`), so it costs what the scope holds and not what the index does.
Taking a vector out of a flat index would rewrite it (210 ms at 1e6): a slot is given back instead.

Threads: the writer thread alone changes anything, and saves, so a snapshot is never torn. The lock
keeps searches off what is half changed; it is held for `SLICE` changes at a time. The loop never
waits for it: a search that finds it taken, or whose scope is large, goes to the reader thread.
"""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from sys import getsizeof
from threading import Lock
from typing import Final, TypeVar

import faiss
import numpy as np
import numpy.typing as npt

from proxy.core.model import Added, Candidate, Changes, Removed, Vector
from proxy.errors import TierError
from proxy.ports import Clock
from proxy.tiers import OnEvent, snapshot

T = TypeVar("T")

INLINE_FLOATS: Final = 1_000_000
"""Floats of a scope (slots x dimension) compared on the loop: about 0.2 ms."""
SLICE: Final = 64
"""Changes folded while holding the lock once: well under a millisecond."""
PAUSE_S: Final = 0.0001
"""Slept between slices: folding holds the interpreter's lock, which the loop waits for too.

Folding 500 changes made the loop 1.8 ms late at the median without it, and 0.3 ms with it."""
FIRST_SLOTS: Final = 1024
"""Slots of a new index; it doubles from there."""
UNIT_TOLERANCE: Final = 0.01
"""How far a vector's squared length may be from 1; half-precision rounding stays within."""
ROW_OVERHEAD: Final = 600
"""Bytes of an entry besides its vector and question: row, ids, slot, place."""

# Two OpenMP threads on busy cores make a flat search slower, and its tail far worse.
faiss.omp_set_num_threads(1)


@dataclass(frozen=True, slots=True)
class _Row:
    id: str
    scope: str
    question: str


class _ScopeSlots:
    """The slots of one scope, in one array; taking one out moves the last into its place."""

    __slots__ = ("_slots", "count")

    def __init__(self) -> None:
        self._slots = np.empty(4, np.int64)
        self.count = 0

    @property
    def held(self) -> npt.NDArray[np.int64]:
        return self._slots[: self.count]

    def add(self, slot: int) -> int:
        """Returns the slot's place."""
        if self.count == len(self._slots):
            self._slots = np.concatenate([self._slots, np.empty_like(self._slots)])
        self._slots[self.count] = slot
        self.count += 1
        return self.count - 1

    def remove(self, place: int) -> int:
        """Returns the slot that is at this place now."""
        self.count -= 1
        self._slots[place] = self._slots[self.count]
        return int(self._slots[place])


class FaissTier:
    """A `VectorTier` in this process.

    Args:
        path: The snapshot's file; None keeps none.
        embedder: Id of the embedder whose vectors are held; others' are passed over.
        dimension: Their length.
        max_entries: Most vectors held; the one added longest ago goes first.
        clock: The time now.
        on_event: Hears `snapshot_refused` with the reason, and `index_full` the first time.
    """

    def __init__(
        self,
        path: Path | None,
        *,
        embedder: str,
        dimension: int,
        max_entries: int,
        clock: Clock,
        on_event: OnEvent,
    ) -> None:
        self._path = path
        self._embedder = embedder
        self._dimension = dimension
        self._max_entries = max(1, max_entries)
        self._clock = clock
        self._on_event = on_event
        self._lock = Lock()
        self._writer: ThreadPoolExecutor | None = None
        self._reader: ThreadPoolExecutor | None = None
        self._evicted = 0
        self._ignored = 0
        self._clear()

    def _clear(self) -> None:
        self._index = faiss.IndexFlatIP(self._dimension)
        self._vectors = np.empty((0, self._dimension), np.float32)
        self._kept = np.empty(0)
        self._places = np.empty(0, np.int64)
        self._rows: list[_Row | None] = []
        self._free: list[int] = []
        # An OrderedDict: finding the oldest of a dict walks over all that were deleted before it.
        self._slots: OrderedDict[str, int] = OrderedDict()
        self._scopes: dict[str, _ScopeSlots] = {}
        self._question_bytes = 0
        self._position: str | None = None

    @property
    def position(self) -> str | None:
        """Where in the change log this index stands; None when it is empty and new."""
        return self._position

    async def start(self) -> None:
        """Load the snapshot if it is whole and of this embedder, else start empty.

        A tier that has been started is a no-op.
        """
        if self._writer is None:
            self._writer = ThreadPoolExecutor(1, "faiss-writer")
            self._reader = ThreadPoolExecutor(1, "faiss-reader")
            if (reason := await self._run(self._writer, self._load)) is not None:
                self._on_event("snapshot_refused", reason=reason)

    async def close(self) -> None:
        """Release everything, without saving. A tier never started is a no-op."""
        writer, reader = self._writer, self._reader
        self._writer = self._reader = None
        if writer is not None and reader is not None:
            closing = asyncio.get_running_loop().run_in_executor(writer, self._forget)
            writer.shutdown(wait=False)
            reader.shutdown(wait=False)
            await asyncio.shield(closing)

    async def apply(self, changes: Changes) -> None:
        """Fold a stretch of the log. Applying one twice, or removing what is not there: no-op."""
        was_full = self._evicted > 0
        await self._run(self._writer, self._fold, changes)
        if self._evicted and not was_full:
            self._on_event("index_full", max_entries=self._max_entries)

    async def search(self, scope: str, vector: Vector, k: int) -> Sequence[Candidate]:
        """At most k neighbours inside the scope, best first; an unknown scope has none.

        Raises:
            TierError: The vector is of another dimension, or the tier is not started.
        """
        if vector.shape != (self._dimension,):
            raise TierError(f"faiss: a vector of shape {vector.shape}, not ({self._dimension},)")
        held = self._scopes.get(scope)
        if held is not None and held.count * self._dimension > INLINE_FLOATS:
            return await self._run(self._reader, self._search_locked, scope, vector, k)
        if self._reader is None or not self._lock.acquire(blocking=False):
            return await self._run(self._reader, self._search_locked, scope, vector, k)
        try:
            return self._search(scope, vector, k)
        finally:
            self._lock.release()

    async def save(self) -> None:
        """Write a snapshot, atomically. Raises TierError when it cannot be written."""
        await self._run(self._writer, self._save)

    def stats(self) -> Mapping[str, float]:
        """Gauges `entries`, `scopes` and `bytes`; counts `evicted` and `ignored`."""
        rows = len(self._slots) * ROW_OVERHEAD
        return {
            "entries": len(self._slots),
            "scopes": len(self._scopes),
            "bytes": self._vectors.nbytes + self._question_bytes + rows,
            "evicted": self._evicted,
            "ignored": self._ignored,
        }

    async def _run(
        self, thread: ThreadPoolExecutor | None, work: Callable[..., T], *args: object
    ) -> T:
        if thread is None:
            raise TierError("faiss: not started")
        return await asyncio.get_running_loop().run_in_executor(thread, work, *args)

    # Searching: on the loop or the reader thread, under the lock.

    def _search_locked(self, scope: str, vector: Vector, k: int) -> Sequence[Candidate]:
        with self._lock:
            return self._search(scope, vector, k)

    def _search(self, scope: str, vector: Vector, k: int) -> Sequence[Candidate]:
        held = self._scopes.get(scope)
        if held is None or k < 1:
            return ()
        slots = held.held
        slots = slots[self._kept[slots] > self._clock()]
        if not len(slots):
            return ()
        selector = faiss.IDSelectorArray(slots)
        scores, found = self._index.search(
            np.ascontiguousarray(vector, np.float32)[np.newaxis],
            min(k, len(slots)),
            params=faiss.SearchParameters(sel=selector),  # type: ignore[call-arg]  # its setters take names
        )
        return [
            Candidate(row.id, min(1.0, max(-1.0, score)), row.question)
            for slot, score in zip(found[0].tolist(), scores[0].tolist(), strict=True)
            if slot >= 0 and (row := self._rows[slot]) is not None
        ]

    # Changing: on the writer thread.

    def _fold(self, changes: Changes) -> None:
        if changes.reset:
            self._forget()
        for at in range(0, len(changes.items), SLICE):
            if at:
                time.sleep(PAUSE_S)
            with self._lock:
                for item in changes.items[at : at + SLICE]:
                    self._change(item)
        self._position = changes.position

    def _forget(self) -> None:
        with self._lock:
            self._clear()

    def _change(self, item: Added | Removed) -> None:
        self._remove(item.id)
        if isinstance(item, Removed):
            return
        if not self._is_ours(item):
            self._ignored += 1
        elif item.kept_until > self._clock():
            self._add(item)

    def _is_ours(self, item: Added) -> bool:
        """Of this embedder, and of unit length: else its dot would be no cosine."""
        return (
            item.embedder == self._embedder
            and item.vector.shape == (self._dimension,)
            and abs(float(item.vector @ item.vector) - 1.0) <= UNIT_TOLERANCE
        )

    def _add(self, item: Added) -> None:
        if len(self._slots) >= self._max_entries:
            self._remove(next(iter(self._slots)))
            self._evicted += 1
        slot = self._free.pop() if self._free else self._new_slot()
        self._vectors[slot] = item.vector
        self._kept[slot] = item.kept_until
        self._rows[slot] = _Row(item.id, item.scope, item.question)
        self._slots[item.id] = slot
        self._places[slot] = self._scopes.setdefault(item.scope, _ScopeSlots()).add(slot)
        self._question_bytes += getsizeof(item.question)

    def _remove(self, entry_id: str) -> None:
        slot = self._slots.pop(entry_id, None)
        if slot is None or (row := self._rows[slot]) is None:
            return
        place = int(self._places[slot])
        scope = self._scopes[row.scope]
        self._places[scope.remove(place)] = place
        if not scope.count:
            del self._scopes[row.scope]
        self._rows[slot] = None
        self._free.append(slot)
        self._question_bytes -= getsizeof(row.question)

    def _new_slot(self) -> int:
        if len(self._rows) == len(self._vectors):
            self._grow()
        self._rows.append(None)
        return len(self._rows) - 1

    def _grow(self) -> None:
        before = len(self._vectors)
        slots = min(max(FIRST_SLOTS, 2 * before), self._max_entries)
        self._index.add(np.zeros((slots - before, self._dimension), np.float32))
        # A view of the index's own memory, which moves when it grows and only then.
        flat = faiss.rev_swig_ptr(self._index.get_xb(), slots * self._dimension)
        self._vectors = flat.reshape(slots, self._dimension)
        self._kept = np.resize(self._kept, slots)
        self._places = np.resize(self._places, slots)

    # Snapshots: on the writer thread.

    def _save(self) -> None:
        if self._path is None:
            return
        try:
            snapshot.write(
                self._path,
                embedder=self._embedder,
                dimension=self._dimension,
                position=self._position,
                items=self._items(),
            )
        except OSError as error:
            raise TierError(f"faiss: the snapshot cannot be written: {error}") from error

    def _items(self) -> Iterator[Added]:
        for slot in self._slots.values():
            if (row := self._rows[slot]) is not None:
                vector, until = self._vectors[slot], float(self._kept[slot])
                yield Added(row.id, row.scope, row.question, vector, self._embedder, until)

    def _load(self) -> str | None:
        """Take the snapshot in; returns why it cannot be, None when there is none."""
        if self._path is None:
            return None
        try:
            position, blocks = snapshot.read(
                self._path, embedder=self._embedder, dimension=self._dimension
            )
            for block in blocks:
                with self._lock:
                    for item in block:
                        self._change(item)
                time.sleep(PAUSE_S)
        except FileNotFoundError:
            return None
        except (snapshot.SnapshotError, OSError) as error:
            self._forget()
            return str(error)
        self._position = position
        return None
