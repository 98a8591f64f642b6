"""The slots of one scope, and for a large scope the sign bits of its vectors.

A small scope is compared vector by vector. In a large one a first pass counts differing sign bits,
48 bytes a vector, and only the nearest by that count are compared exactly. There is nothing to
train, entries come and go in constant time, and at a million real questions it finds what HNSW and
IVF miss (docs/faiss-index.md has the figures).

Taking an entry out moves the last into its place. So a first pass that runs while entries leave may
overlook the one that moves; it never sees one of another scope.
"""

from typing import Final

import faiss
import numpy as np
import numpy.typing as npt

from proxy.core.model import Vector
from proxy.tiers.snapshot import Codes

Slots = npt.NDArray[np.int32]

SHORTLIST: Final = 128
"""Least entries that the first pass lets through, and `PER_NEIGHBOUR` for each that is asked for.
Of 1e6 real questions these 128 hold the nearest in 99.9 %."""
PER_NEIGHBOUR: Final = 32
LEAST_SHRUNK: Final = 8
"""Places from which a scope that empties gives memory back."""


class ScopeSlots:
    """Slots, each at a place that only `remove` changes.

    Attributes:
        id: `Scope.id`.
        count: How many there are.
    """

    __slots__ = ("_signs", "_slots", "count", "id")

    def __init__(self, scope_id: str, slots: Slots | None = None) -> None:
        self.id = scope_id
        self._slots = np.empty(2, np.int32) if slots is None else slots
        self.count = 0 if slots is None else len(slots)
        self._signs: Codes | None = None

    @property
    def slots(self) -> Slots:
        """All slots, by place: a view."""
        return self._slots[: self.count]

    @property
    def signs(self) -> Codes | None:
        """The sign bits by place: a view; None while the scope is searched exactly."""
        return None if self._signs is None else self._signs[: self.count]

    @property
    def bytes(self) -> int:
        """What slots and sign bits take."""
        return self._slots.nbytes + (0 if self._signs is None else self._signs.nbytes)

    def sign(self, signs: Codes | None) -> None:
        """From now on keep sign bits, of which these are those of all slots by place; or none."""
        self._signs = signs
        self._resize(len(self._slots))

    def add(self, slot: int, sign: Codes) -> int:
        """Returns the slot's place."""
        if self.count == len(self._slots):
            self._resize(2 * self.count)
        place = self.count
        self._slots[place] = slot
        if self._signs is not None:
            self._signs[place] = sign
        self.count += 1
        return place

    def remove(self, place: int) -> int:
        """Returns the slot that is at this place now."""
        self.count -= 1
        last = self.count
        slot = int(self._slots[last])
        self._slots[place] = slot
        if self._signs is not None:
            self._signs[place] = self._signs[last]
        if 4 * self.count < len(self._slots) > LEAST_SHRUNK:
            self._resize(len(self._slots) // 2)
        return slot

    def move(self, place: int, slot: int) -> None:
        """The entry at this place has another slot now."""
        self._slots[place] = slot

    def _resize(self, places: int) -> None:
        # New arrays: a search may be reading those before.
        slots = np.empty(places, np.int32)
        slots[: self.count] = self.slots
        self._slots = slots
        if (held := self.signs) is not None:
            signs = np.empty((places, held.shape[1]), np.uint8)
            signs[: self.count] = held
            self._signs = signs


def shortlist(signs: Codes, vector: Vector, most: int) -> npt.NDArray[np.int64]:
    """At most so many places: those whose sign bits differ least from the vector's.

    It runs without the interpreter's lock.
    """
    wanted = np.packbits(vector > 0)[np.newaxis]
    _, places = faiss.knn_hamming(wanted, signs, min(most, len(signs)))
    return np.asarray(places[0], np.int64)
