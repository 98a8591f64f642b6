"""What the vector index knows of each entry, in columns: a slot is a place in every one of them.

Columns, and not an object an entry: a million objects are a gigabyte, and the interpreter's garbage
collector walks over each of them while requests wait.

A vector is kept as float16: half the memory, and a cosine that is off by about 0.00003 at 384
dimensions. Vectors lie in chunks that never move, so that a growing index copies none of them; the
small columns do move, into copies that the writer thread makes while searches go on.
"""

import sys
from typing import Any, Final, TypeVar

import faiss
import numpy as np
import numpy.typing as npt

from proxy.core.changes import Added
from proxy.core.model import Candidate, Vector
from proxy.tiers.snapshot import Block, Codes

S = TypeVar("S", bound=np.generic)
Slots = npt.NDArray[np.int32]

FIRST_ROWS: Final = 1024
"""Rows of a new index's columns; they double from there."""
RANKED: Final = 1024
"""Vectors copied and compared at once: what a core's own cache holds. Copied whole, a scope of
4,000 takes 12 times as long."""
OLDEST: Final = 1024
"""Of a full index, the entries that are looked up at once as the next to go."""
ENTRY_BYTES: Final = 250
"""Bytes of an entry besides its vector and question: columns, id, and its share of the dict."""

_FREE: Final = np.iinfo(np.int64).max
"""The age of a slot that holds nothing: that of the youngest."""


def encode(vectors: npt.NDArray[np.float32]) -> Codes:
    """Vectors of shape (n, dimension) as float16, shape (n, 2 * dimension) in bytes."""
    return vectors.astype("<f2").view(np.uint8)


def signs_of(codes: Codes) -> Codes:
    """A bit for each number of float16 vectors, set where it is above 0; shape (n, dimension / 8).

    The share of bits in which two vectors differ grows with the angle between them (Charikar,
    "Similarity estimation techniques from rounding algorithms", 2002).
    """
    return np.packbits(codes.view("<i2") > 0, axis=1)  # a half is above 0 where its int16 is


class Rows:
    """The columns. Changed by one thread; `rank` and `block` need that it rests meanwhile.

    One `rank` at a time: what compares is made once, as making it costs as much as comparing.

    Args:
        dimension: Length of a vector.
        chunk_bytes: Most bytes of a chunk of vectors.
    """

    def __init__(self, dimension: int, chunk_bytes: int) -> None:
        self._dimension = dimension
        self._comparing = faiss.IndexScalarQuantizer(
            dimension, faiss.ScalarQuantizer.QT_fp16, faiss.METRIC_INNER_PRODUCT
        )
        most = max(1, chunk_bytes // (2 * dimension))
        self._shift = most.bit_length() - 1
        self._mask = (1 << self._shift) - 1
        self._chunks: list[Codes] = []
        self._slot_of: dict[str, int] = {}
        self._ids: npt.NDArray[Any] = np.empty(0, object)
        self._questions: npt.NDArray[Any] = np.empty(0, object)
        self.scopes: npt.NDArray[Any] = np.empty(0, object)
        self.places: Slots = np.empty(0, np.int32)
        self._kept: npt.NDArray[np.float64] = np.empty(0)
        self._ages: npt.NDArray[np.int64] = np.empty(0, np.int64)
        self._age = 0
        self._free: list[int] = []
        self._oldest: list[tuple[int, int]] = []
        self.used = 0
        self.question_bytes = 0

    def __len__(self) -> int:
        return len(self._slot_of)

    @property
    def bytes(self) -> int:
        """About what the rows take: vectors, columns and questions."""
        return self.used * 2 * self._dimension + len(self) * ENTRY_BYTES + self.question_bytes

    def slot_of(self, entry_id: str) -> int | None:
        """The entry's slot."""
        return self._slot_of.get(entry_id)

    def question(self, slot: int) -> str:
        """The question asked for this slot's entry."""
        return str(self._questions[slot])

    def id(self, slot: int) -> str:
        """The id of this slot's entry."""
        return str(self._ids[slot])

    def codes(self, slots: Slots) -> Codes:
        """Copies of these slots' vectors."""
        if len(self._chunks) == 1:
            return self._chunks[0].take(slots, axis=0)
        found = np.empty((len(slots), 2 * self._dimension), np.uint8)
        chunk_of = slots >> self._shift
        for chunk in np.unique(chunk_of).tolist():
            are_here = chunk_of == chunk
            at = slots[are_here] & self._mask
            found[are_here] = self._chunks[chunk].take(at, axis=0)
        return found

    def rank(self, slots: Slots, vector: Vector, k: int, now: float) -> list[Candidate]:
        """The k of these that are nearest, best first; what is past its time is left out."""
        slots = slots[self._kept[slots] > now]
        if not len(slots):
            return []
        index = self._comparing
        query = np.ascontiguousarray(vector, np.float32)[np.newaxis]
        best: list[tuple[float, int]] = []
        for first in range(0, len(slots), RANKED):
            part = slots[first : first + RANKED]
            index.reset()
            index.add_sa_codes(self.codes(part))
            scores, found = index.search(query, min(k, len(part)))
            best += zip(scores[0].tolist(), part[found[0]].tolist(), strict=True)
        return [
            Candidate(self.id(slot), min(1.0, max(-1.0, score)), self.question(slot))
            for score, slot in sorted(best, reverse=True)[:k]
        ]

    def near(
        self, first: int, end: int, vector: Vector, at_least: float, now: float
    ) -> list[tuple[int, float]]:
        """Slots in a range whose cosine with the vector is at least that, and the cosine."""
        slots = self.held(first, end)
        slots = slots[self._kept[slots] > now]
        cosines = self.codes(slots).view("<f2").astype(np.float32) @ vector
        found = np.flatnonzero(cosines >= at_least)
        return list(zip(slots[found].tolist(), cosines[found].tolist(), strict=True))

    def make_room(self, rows: int) -> None:
        """Let this many `add`s follow. Searches may go on: it copies, and takes nothing away."""
        needed = self.used + rows
        while len(self._chunks) << self._shift < needed:
            self._chunks.append(np.empty((1 << self._shift, 2 * self._dimension), np.uint8))
        if needed > len(self._ages):
            self._resize(max(FIRST_ROWS, needed, 2 * len(self._ages)))

    def _resize(self, rows: int) -> None:
        self._ids = _resized(self._ids, rows)
        self._questions = _resized(self._questions, rows)
        self.scopes = _resized(self.scopes, rows)
        self.places = _resized(self.places, rows)
        self._kept = _resized(self._kept, rows)
        ages = _resized(self._ages, rows)
        ages[self.used :] = _FREE
        self._ages = ages

    def add(self, item: Added, code: Codes) -> int:
        """The slot of an entry that is not held yet. Room for it must have been made."""
        slot = self._free_slot()
        self._chunks[slot >> self._shift][slot & self._mask] = code
        self._ids[slot] = item.id
        self._questions[slot] = item.question
        self._kept[slot] = item.kept_until
        self._ages[slot] = self._age
        self._age += 1
        self._slot_of[item.id] = slot
        self.question_bytes += sys.getsizeof(item.question)
        return slot

    def _free_slot(self) -> int:
        while self._free:
            slot = self._free.pop()
            if slot < self.used:  # those after it were given up, and are new when used again
                return slot
        self.used += 1
        return self.used - 1

    def free(self, slot: int) -> None:
        """Forget this slot's entry."""
        del self._slot_of[self._ids[slot]]
        self.question_bytes -= sys.getsizeof(self._questions[slot])
        self._empty(slot)
        self._free.append(slot)

    def _empty(self, slot: int) -> None:
        self._ids[slot] = self._questions[slot] = self.scopes[slot] = None
        self._ages[slot] = _FREE

    def oldest(self) -> int:
        """The slot of the entry added longest ago; there must be one."""
        while True:
            while self._oldest:
                age, slot = self._oldest[-1]
                if slot < self.used and self._ages[slot] == age:
                    return slot
                self._oldest.pop()
            ages = self._ages[: self.used]
            most = min(OLDEST, len(self))
            slots = np.argpartition(ages, most - 1)[:most]
            self._oldest = sorted(zip(ages[slots].tolist(), slots.tolist(), strict=True))[::-1]

    # Giving memory back: the last entry moves to a free slot before it.

    @property
    def is_sparse(self) -> bool:
        """A fifth of the slots is free, and at least a chunk of them."""
        free = self.used - len(self)
        return 5 * free > self.used and free > self._mask

    def move_last(self) -> int | None:
        """Free the last slot. Returns the slot its entry moved to; None when it had none."""
        last = self.used - 1
        self.used = last
        if self._ages[last] == _FREE:
            return None
        slot = self._free_slot()
        moved = self._chunks[last >> self._shift][last & self._mask]
        self._chunks[slot >> self._shift][slot & self._mask] = moved
        for column in (self._ids, self._questions, self.scopes, self.places, self._kept):
            column[slot] = column[last]
        self._ages[slot] = self._ages[last]
        self._slot_of[self._ids[slot]] = slot
        self._empty(last)
        return slot

    def give_back(self) -> None:
        """Return the chunks of vectors that hold nothing."""
        self._oldest.clear()
        del self._chunks[(self.used >> self._shift) + 1 :]

    # Snapshots.

    def held(self, first: int = 0, end: int | None = None) -> Slots:
        """The slots that hold an entry, of all or of a range."""
        ages = self._ages[first : min(self.used, self.used if end is None else end)]
        return (first + np.flatnonzero(ages != _FREE)).astype(np.int32)

    def block(self, first: int, slots: int) -> Block:
        """A copy of the entries in this range of slots."""
        held = self.held(first, first + slots)
        return Block(
            ids=self._ids[held].tolist(),
            questions=self._questions[held].tolist(),
            scopes=[scope.id for scope in self.scopes[held].tolist()],
            kept=self._kept[held],
            ages=self._ages[held],
            codes=self.codes(held),
        )

    def extend(self, block: Block) -> None:
        """Take a block's entries in, in slots after all that are used; their scope is not known.

        One that is held already is replaced.
        """
        for entry_id in block.ids:
            if (double := self._slot_of.get(entry_id)) is not None:
                self.free(double)
        first, self.used = self.used, self.used + len(block.ids)
        self.make_room(0)
        taken = 0
        while taken < len(block.ids):
            at = first + taken
            chunk = self._chunks[at >> self._shift][at & self._mask :]
            part = block.codes[taken : taken + len(chunk)]
            chunk[: len(part)] = part
            taken += len(part)
        slots = range(first, self.used)
        self._slot_of.update(zip(block.ids, slots, strict=True))
        self._ids[first : self.used] = block.ids
        self._questions[first : self.used] = block.questions
        self._kept[first : self.used] = block.kept
        self._ages[first : self.used] = block.ages
        self.question_bytes += sum(map(sys.getsizeof, block.questions))
        self._age = max(self._age, int(block.ages.max(initial=-1)) + 1)


def _resized(column: npt.NDArray[S], rows: int) -> npt.NDArray[S]:
    longer: npt.NDArray[S] = np.empty(rows, column.dtype)
    longer[: len(column)] = column
    return longer
