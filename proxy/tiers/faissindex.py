"""The vector index itself: entries by scope. Synchronous, for one thread that changes it.

What may be called by whom is in `proxy.tiers.faiss`, which owns the threads and the lock.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import numpy as np
import numpy.typing as npt

from proxy.core.changes import Added, Change, Forgotten
from proxy.core.model import Candidate, Neighbour, Vector
from proxy.tiers.faissrows import Rows, encode, signs_of
from proxy.tiers.faissscope import ScopeSlots, Slots
from proxy.tiers.snapshot import Block, Codes

UNIT_TOLERANCE: Final = 0.01
"""How far a vector's squared length may be from 1; half-precision rounding stays within."""
CHUNK_BYTES: Final = 1 << 26
"""65,536 vectors of 384 numbers. The system gives memory as they are touched."""
SCOPE_BYTES: Final = 350
"""Bytes of a scope besides its slots and sign bits: its id, objects, and its dict's share."""

Code = tuple[Codes, Codes]
"""One vector as float16, and its sign bits."""


@dataclass(slots=True)
class Counts:
    """What happened so far.

    Attributes:
        evicted: Entries that made room for others.
        ignored: Strange vectors.
    """

    evicted: int = 0
    ignored: int = 0


class Index:
    """All scopes' entries.

    Args:
        embedder: Id of the embedder whose vectors are held; others' are passed over.
        dimension: Their length.
        max_entries: Most entries held; the one added longest ago goes first.
        exact_up_to: Entries of a scope that are all compared; above, a first pass chooses.
        chunk_bytes: Most bytes of a chunk of vectors, which is what is given back at once.
        counts: Counted on.
    """

    def __init__(
        self,
        embedder: str,
        dimension: int,
        *,
        max_entries: int,
        exact_up_to: int,
        chunk_bytes: int = CHUNK_BYTES,
        counts: Counts,
    ) -> None:
        self._embedder = embedder
        self._dimension = dimension
        self._max_entries = max_entries
        self._exact_up_to = exact_up_to
        self._counts = counts
        self._rows = Rows(dimension, chunk_bytes)
        self._scopes: dict[str, ScopeSlots] = {}
        self._scope_bytes = 0

    def __len__(self) -> int:
        return len(self._rows)

    @property
    def scopes(self) -> int:
        """How many scopes have entries."""
        return len(self._scopes)

    @property
    def bytes(self) -> int:
        """About what it all takes."""
        return self._rows.bytes + self._scope_bytes + len(self._scopes) * SCOPE_BYTES

    @property
    def slots(self) -> int:
        """Slots in use or free: `block` has entries below that."""
        return self._rows.used

    def scope(self, scope_id: str) -> ScopeSlots | None:
        """The scope's slots; None where it has no entry."""
        return self._scopes.get(scope_id)

    def rank(self, slots: Slots, vector: Vector, k: int, now: float) -> Sequence[Candidate]:
        """The k of these entries that are nearest, best first, by their cosines."""
        return self._rows.rank(slots, vector, k, now)

    def near(
        self, first: int, end: int, vector: Vector, at_least: float, now: float
    ) -> Sequence[Neighbour]:
        """The entries in a range of slots, of any scope, that are at least this similar."""
        rows = self._rows
        return [
            Neighbour(rows.id(slot), rows.scopes[slot].id, min(1.0, cosine), rows.question(slot))
            for slot, cosine in rows.near(first, end, vector, at_least, now)
        ]

    # Changing.

    def codes(self, items: Sequence[Change]) -> list[Code | None]:
        """Each item's vector as it is kept; None for what adds nothing, and for strange vectors.

        Strange is: of another embedder or dimension, or not of unit length, so that its dot would
        be no cosine; or without its question, which nobody could then judge.
        """
        ours, vectors_of = [], []
        for at, item in enumerate(items):
            if isinstance(item, Added) and self._may_be_ours(item):
                ours.append(at)
                vectors_of.append(item.vector)
        found: list[Code | None] = [None] * len(items)
        if ours:
            vectors = np.stack(vectors_of)
            lengths = np.einsum("nd,nd->n", vectors, vectors)
            is_unit = np.abs(lengths - 1.0) <= UNIT_TOLERANCE
            halves = encode(vectors[is_unit])
            units = [at for at, holds in zip(ours, is_unit.tolist(), strict=True) if holds]
            for at, code, sign in zip(units, halves, signs_of(halves), strict=True):
                found[at] = code, sign
        return found

    def _may_be_ours(self, item: Added) -> bool:
        is_fit = item.embedder == self._embedder and item.vector.shape == (self._dimension,)
        return is_fit and bool(item.question)

    def make_room(self, entries: int) -> None:
        """Let this many changes follow. Searches may go on meanwhile."""
        self._rows.make_room(entries)

    def change(self, item: Change, code: Code | None, now: float) -> None:
        """Apply one change; room must have been made. Applying it twice is applying it once."""
        if isinstance(item, Forgotten):
            return
        if (slot := self._rows.slot_of(item.id)) is not None:
            self._remove(slot)
        if not isinstance(item, Added):
            return
        if code is None:
            self._counts.ignored += 1
        elif item.kept_until > now:
            self._shrink_to(self._max_entries - 1)
            self._add(item, code)

    def _shrink_to(self, entries: int) -> None:
        while len(self._rows) > entries:
            self._remove(self._rows.oldest())
            self._counts.evicted += 1

    def _add(self, item: Added, code: Code) -> None:
        half, sign = code
        rows = self._rows
        slot = rows.add(item, half)
        scope = self._scopes.get(item.scope)
        if scope is None:
            scope = self._scopes[item.scope] = ScopeSlots(item.scope)
        before = scope.bytes
        rows.scopes[slot] = scope
        rows.places[slot] = scope.add(slot, sign)
        if scope.signs is None and scope.count > self._exact_up_to:
            scope.sign(self._signs(scope.slots))
        self._scope_bytes += scope.bytes - before

    def _signs(self, slots: Slots) -> Codes:
        """The sign bits of all these, a few at a time: their vectors are copied for it."""
        parts = np.array_split(slots, 1 + len(slots) // 8192)
        return np.concatenate([signs_of(self._rows.codes(part)) for part in parts])

    def _remove(self, slot: int) -> None:
        rows = self._rows
        scope: ScopeSlots = rows.scopes[slot]
        place = int(rows.places[slot])
        before = scope.bytes
        rows.places[scope.remove(place)] = place
        if not scope.count:
            del self._scopes[scope.id]
        elif scope.signs is not None and 2 * scope.count < self._exact_up_to:
            scope.sign(None)
        self._scope_bytes += (scope.bytes if scope.count else 0) - before
        rows.free(slot)

    def compact(self, most: int) -> bool:
        """Move up to so many entries into free slots, to give memory back; False when it need not.

        Searches cost what their scope holds, however many were removed: this is for memory alone.
        """
        rows = self._rows
        if not rows.is_sparse:
            return False
        for _ in range(most):
            if len(rows) == rows.used:
                break
            if (slot := rows.move_last()) is not None:
                rows.scopes[slot].move(int(rows.places[slot]), slot)
        rows.give_back()
        return True

    # Snapshots.

    def block(self, first: int, slots: int) -> Block:
        """A copy of the entries in this range of slots."""
        return self._rows.block(first, slots)

    def fill(self, blocks: Iterable[Block], now: float) -> None:
        """Take a snapshot's entries into an empty index: those not past their time, the newest."""
        numbers: dict[str, int] = {}
        scope_of = [np.empty(0, np.int64)]
        for block in (one.after(now) for one in blocks):
            self._rows.extend(block)
            names = (numbers.setdefault(name, len(numbers)) for name in block.scopes)
            scope_of.append(np.fromiter(names, np.int64, len(block.ids)))
        self._fill_scopes(list(numbers), np.concatenate(scope_of))
        self._shrink_to(self._max_entries)

    def _fill_scopes(self, names: Sequence[str], scope_of: npt.NDArray[np.int64]) -> None:
        """Put each slot into its scope, given by number."""
        rows = self._rows
        slots = rows.held()
        slots = slots[np.argsort(scope_of[slots], kind="stable")]
        of = scope_of[slots]
        starts = np.flatnonzero(np.diff(of, prepend=-1)).tolist()
        for start, end in pairwise([*starts, len(slots)]):
            mine = slots[start:end].copy()
            scope = self._scopes[names[of[start]]] = ScopeSlots(names[of[start]], mine)
            rows.scopes[mine] = scope
            rows.places[mine] = np.arange(len(mine))
            if len(mine) > self._exact_up_to:
                scope.sign(self._signs(mine))
            self._scope_bytes += scope.bytes
