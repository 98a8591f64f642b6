"""The vector tier in this process: FAISS, searched inside one scope at a time.

Threads: the writer thread alone changes anything. The lock keeps searches off what is half changed;
it is held for `SLICE` changes at a time. The loop never waits for it: a search that finds it taken,
or whose scope is not small, goes to a reader thread. There the first pass over a large scope runs
without the lock, so that neither waits for the other, and what it proposes is compared under it: a
search answers with what its scope holds when it ends.

A snapshot is taken while the log is followed, a block at a time, as of the position at its start.
What changes meanwhile may or may not be in it, which is well: the log is read on from that
position, and to apply a change twice is to apply it once.
"""

import asyncio
import math
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Final, TypeVar

import faiss
import numpy as np

from proxy.core.changes import Changes
from proxy.core.model import Candidate, Neighbour, Vector
from proxy.errors import TierError
from proxy.ports import Clock
from proxy.threads import Threads
from proxy.tiers import OnEvent, snapshot
from proxy.tiers.faissindex import Counts, Index
from proxy.tiers.faissscope import PER_NEIGHBOUR, SHORTLIST, shortlist

if TYPE_CHECKING:
    from proxy.tiers.keyring import Keyring

T = TypeVar("T")

INLINE_FLOATS: Final = 1_000_000
"""Floats of a scope (slots x dimension) compared on the loop: about 0.2 ms."""
WIDEN: Final = 8
"""Times as many pass the first pass, when too many of those that did are past their time."""
SLICE: Final = 64
"""Changes folded while holding the lock once: well under a millisecond."""
PAUSE_S: Final = 0.0001
"""Slept between slices: folding holds the interpreter's lock, which the loop waits for too.

Folding 500 changes made the loop 1.8 ms late at the median without it, and 0.3 ms with it."""
MOVES_PER_CHANGE: Final = 4
"""Entries moved a change to give memory back: it keeps up with whatever removes them."""
LOOKED_AT: Final = 1024
"""Vectors that a survey compares while holding the lock once: under a millisecond."""
PROGRESS_S: Final = 5.0
"""Seconds between events while a long log is followed."""


def _search_alone() -> None:
    """Two OpenMP threads on busy cores make a search slower, and its tail far worse.

    A thread of Python's has a setting of its own.
    """
    faiss.omp_set_num_threads(1)


_search_alone()


class FaissTier:
    """An `Index` in this process.

    Args:
        path: The snapshot's file; None keeps none.
        embedder: Id of the embedder whose vectors are held; others' are passed over.
        dimension: Their length.
        max_entries: Most vectors held; the one added longest ago goes first.
        exact_up_to: Entries of a scope that are all compared; above, a first pass chooses.
        clock: The time now.
        on_event: Hears `snapshot_refused` with the reason, `index_full` the first time, and
            `index_following` every `PROGRESS_S` of a long log, then `index_followed`.
        ring: Seals the snapshot; None leaves it in clear.
        keeps_questions: Save them; without them there is nothing to save, and what is there goes.
    """

    def __init__(
        self,
        path: Path | None,
        *,
        embedder: str,
        dimension: int,
        max_entries: int,
        exact_up_to: int = 4000,
        clock: Clock,
        on_event: OnEvent,
        ring: "Keyring | None" = None,
        keeps_questions: bool = True,
    ) -> None:
        self._path = path
        self._keeps_questions = keeps_questions
        self._ring = ring
        self._embedder = embedder
        self._dimension = dimension
        self._max_entries = max(1, max_entries)
        self._exact_up_to = exact_up_to
        self._clock = clock
        self._on_event = on_event
        self._lock = Lock()
        self._writer: ThreadPoolExecutor | None = None
        self._readers: Threads | None = None
        self._saver: ThreadPoolExecutor | None = None
        self._is_saving = False
        self._counts = Counts()
        self._progress = _Progress(on_event, clock)
        self._clear()

    def _clear(self) -> None:
        self._index = Index(
            self._embedder,
            self._dimension,
            max_entries=self._max_entries,
            exact_up_to=self._exact_up_to,
            counts=self._counts,
        )
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
            self._readers = Threads("faiss-reader", min(4, os.cpu_count() or 1), _search_alone)
            self._saver = ThreadPoolExecutor(1, "faiss-saver")
            if (reason := await self._run(self._writer, self._load)) is not None:
                self._on_event("snapshot_refused", reason=reason)

    async def close(self) -> None:
        """Release everything, without saving. A tier never started is a no-op."""
        writer, readers, saver = self._writer, self._readers, self._saver
        self._writer = self._readers = self._saver = None
        if writer is not None and readers is not None and saver is not None:
            closing = asyncio.get_running_loop().run_in_executor(writer, self._forget)
            for thread in (writer, saver):
                thread.shutdown(wait=False)
            await asyncio.shield(closing)
            await asyncio.shield(readers.close())

    async def apply(self, changes: Changes) -> None:
        """Fold a stretch of the log. Applying one twice, or removing what is not there: no-op."""
        was_full = self._counts.evicted > 0
        await self._run(self._writer, self._fold, changes)
        if self._counts.evicted and not was_full:
            self._on_event("index_full", max_entries=self._max_entries)
        self._progress.note(changes, len(self._index))

    async def search(self, scope: str, vector: Vector, k: int) -> Sequence[Candidate]:
        """At most k neighbours inside the scope, best first; an unknown scope has none.

        Raises:
            TierError: The vector is of another dimension, or the tier is not started.
        """
        self._refuse_misfit(vector)
        if self._readers is not None and (k < 1 or not math.isfinite(np.dot(vector, vector))):
            return ()
        held = self._index.scope(scope)
        is_small = held is None or (
            held.signs is None and held.count * self._dimension <= INLINE_FLOATS
        )
        if self._readers is None or not is_small or not self._lock.acquire(blocking=False):
            return await self._read(self._search, scope, vector, k)
        try:
            held = self._index.scope(scope)
            return () if held is None else self._index.rank(held.slots, vector, k, self._clock())
        finally:
            self._lock.release()

    async def near(
        self, vector: Vector, at_least: float, limit: int | None = None
    ) -> Sequence[Neighbour]:
        """The questions of all scopes at least this similar, best first; see `Survey`.

        Raises:
            TierError: The vector is of another dimension, or the tier is not started.
        """
        self._refuse_misfit(vector)
        return await self._read(self._near, vector, at_least, limit)

    def _refuse_misfit(self, vector: Vector) -> None:
        if vector.shape != (self._dimension,):
            raise TierError(f"faiss: a vector of shape {vector.shape}, not ({self._dimension},)")

    async def save(self) -> None:
        """Write a snapshot, atomically. Raises TierError when it cannot be written."""
        await self._run(self._saver, self._save, self._writer)

    def stats(self) -> Mapping[str, float]:
        """Gauges `entries`, `scopes`, `bytes`, `following`; counts `evicted` and `ignored`."""
        return {
            "entries": len(self._index),
            "scopes": self._index.scopes,
            "bytes": self._index.bytes,
            "following": float(self._progress.is_following),
            "evicted": self._counts.evicted,
            "ignored": self._counts.ignored,
        }

    async def _run(
        self, thread: ThreadPoolExecutor | None, work: Callable[..., T], *args: object
    ) -> T:
        if thread is None:
            raise TierError("faiss: not started")
        return await asyncio.get_running_loop().run_in_executor(thread, work, *args)

    async def _read(self, work: Callable[..., T], *args: object) -> T:
        if self._readers is None:
            raise TierError("faiss: not started")
        return await self._readers.run(work, *args)

    # Searching: on a reader thread.

    def _search(self, scope: str, vector: Vector, k: int) -> Sequence[Candidate]:
        most = max(SHORTLIST, PER_NEIGHBOUR * k)
        while True:
            with self._lock:
                held = self._index.scope(scope)
                if held is None:
                    return ()
                signs = held.signs
                if signs is None:
                    return self._index.rank(held.slots, vector, k, self._clock())
            places = shortlist(signs, vector, most)
            with self._lock:
                if self._index.scope(scope) is not held:
                    continue  # emptied meanwhile, and perhaps filled anew
                slots = held.slots[places[places < held.count]]
                found = self._index.rank(slots, vector, k, self._clock())
            if len(found) >= k or most >= len(signs):
                return found
            most *= WIDEN

    def _near(self, vector: Vector, at_least: float, limit: int | None) -> Sequence[Neighbour]:
        """From the last slot to the first: an entry that moves meanwhile moves to one before."""
        found: dict[str, Neighbour] = {}
        index, end = self._index, self._index.slots
        while end > 0:
            first = max(0, end - LOOKED_AT)
            with self._lock:
                if self._index is not index:  # emptied: what comes now is looked at from its end
                    index, end = self._index, self._index.slots
                    found.clear()
                    continue
                near = index.near(first, end, vector, at_least, self._clock())
            found |= {one.entry_id: one for one in near}
            end = first
            time.sleep(PAUSE_S)
        return sorted(found.values(), key=lambda one: -one.similarity)[:limit]

    # Changing: on the writer thread.

    def _fold(self, changes: Changes) -> None:
        if changes.reset:
            self._forget()
        for at in range(0, len(changes.items), SLICE):
            if at:
                time.sleep(PAUSE_S)
            items = changes.items[at : at + SLICE]
            codes = self._index.codes(items)
            self._index.make_room(len(items))
            with self._lock:
                now = self._clock()
                for item, code in zip(items, codes, strict=True):
                    self._index.change(item, code, now)
            self._compact(len(items))
        self._position = changes.position

    def _compact(self, changes: int) -> None:
        """Give memory back, unless a snapshot is taken, which an entry that moves would escape."""
        for _ in range(MOVES_PER_CHANGE):
            with self._lock:
                if self._is_saving or not self._index.compact(changes):
                    return

    def _forget(self) -> None:
        with self._lock:
            self._clear()

    # Snapshots: on the saver thread, block by block from the writer thread.

    def _save(self, writer: ThreadPoolExecutor) -> None:
        if self._path is None or not self._keeps_questions:
            return
        try:
            index, position = writer.submit(self._begin_save).result()
            snapshot.write(
                self._path,
                embedder=self._embedder,
                dimension=self._dimension,
                position=position,
                blocks=self._blocks(writer, index),
                ring=self._ring,
            )
        except OSError as error:
            raise TierError(f"faiss: the snapshot cannot be written: {error}") from error
        except RuntimeError as error:  # the writer takes no more work
            raise TierError("faiss: closed while a snapshot was written") from error
        finally:
            self._is_saving = False

    def _begin_save(self) -> tuple[Index, str | None]:
        self._is_saving = True
        return self._index, self._position

    def _blocks(self, writer: ThreadPoolExecutor, index: Index) -> Iterator[snapshot.Block]:
        for first in range(0, index.slots, snapshot.BLOCK):
            if self._index is not index:
                raise TierError("faiss: the index was emptied while a snapshot was written")
            yield writer.submit(index.block, first, snapshot.BLOCK).result()

    def _load(self) -> str | None:
        """Take the snapshot in; returns why it cannot be, None when there is none."""
        if self._path is None:
            return None
        if not self._keeps_questions:
            self._path.unlink(missing_ok=True)
            return None
        try:
            position, blocks = snapshot.read(
                self._path, embedder=self._embedder, dimension=self._dimension, ring=self._ring
            )
            self._index.fill(blocks, self._clock())
        except FileNotFoundError:
            return None
        except (TierError, OSError) as error:
            self._forget()
            if self._ring is not None:  # it may be in clear
                self._path.unlink(missing_ok=True)
            return str(error)
        self._position = position
        return None


class _Progress:
    """Tells how far a long log has been followed: an index that is built anew takes minutes."""

    def __init__(self, on_event: OnEvent, clock: Clock) -> None:
        self._on_event = on_event
        self._clock = clock
        self._changes = 0
        self._since: float | None = None
        self._told_at: float | None = None

    @property
    def is_following(self) -> bool:
        """Whether there was more to read, last time."""
        return self._since is not None

    def note(self, changes: Changes, entries: int) -> None:
        """One more stretch was folded."""
        now = self._clock()
        self._since = now if self._since is None else self._since
        self._changes += len(changes.items)
        if changes.more and now - (self._told_at or self._since) >= PROGRESS_S:
            self._on_event("index_following", changes=self._changes, entries=entries)
            self._told_at = now
        if not changes.more:
            if self._told_at is not None:
                self._on_event("index_followed", changes=self._changes, entries=entries)
            self._changes, self._since, self._told_at = 0, None, None
