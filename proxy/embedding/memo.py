"""A memory before an embedder: recent texts cost nothing, and concurrent equal ones cost one.

Rules of the file: a fault is never remembered, "has no vector" is; a waiter's cancellation stays
its own. Who comes first asks the embedder for all; when it is cancelled, the next of those who
wait asks again. So no task is needed, and an embedding that nobody waits for ends.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Mapping
from hashlib import sha256
from typing import Final

from proxy.core.model import Vector
from proxy.errors import TierError
from proxy.ports import Embedder

_DESERTED: Final = object()
"""What a flight ends with when its leader was cancelled."""


class MemoEmbedder:
    """`ports.Embedder` around another, with the most recently used vectors at hand.

    Texts are remembered by digest, so that nobody's prompt stays in memory for it.

    Args:
        embedder: Makes the vectors.
        entries: How many texts are remembered; 0 remembers none, and still joins equal ones.
    """

    def __init__(self, embedder: Embedder, entries: int) -> None:
        self._embedder = embedder
        self._entries = entries
        self._known: OrderedDict[bytes, Vector | None] = OrderedDict()
        self._flights: dict[bytes, asyncio.Future[object]] = {}
        self.hits = 0
        """Answered from memory."""
        self.misses = 0
        """Asked of the embedder."""
        self.joined = 0
        """Waited for another's asking."""

    @property
    def id(self) -> str:
        """The embedder's: what is remembered are its vectors."""
        return self._embedder.id

    @property
    def dimension(self) -> int:
        """Length of a vector."""
        return self._embedder.dimension

    async def start(self) -> None:
        """Start the embedder, past the memory: remembered vectors prove nothing."""
        await self._embedder.start()

    async def close(self) -> None:
        """Close the embedder, and forget."""
        await self._embedder.close()
        self._known.clear()

    def stats(self) -> Mapping[str, float]:
        """Gauges: entries; and hits, misses and joined so far."""
        return {
            "entries": len(self._known),
            "hits": self.hits,
            "misses": self.misses,
            "joined": self.joined,
        }

    async def embed(self, text: str) -> Vector | None:
        """The embedder's answer, new or remembered. Raises TierError when it does."""
        # A lone surrogate has no UTF-8; it must not be the memory that fails on it.
        key = sha256(text.encode("utf-8", "surrogatepass")).digest()
        while key not in self._known:
            flight = self._flights.get(key)
            if flight is None:
                return await self._lead(key, text)
            self.joined += 1
            # Shielded: a follower's cancellation must not end the flight of the others.
            outcome = await asyncio.shield(flight)
            if outcome is not _DESERTED:
                return _landed(outcome)
        self.hits += 1
        self._known.move_to_end(key)
        return self._known[key]

    async def _lead(self, key: bytes, text: str) -> Vector | None:
        """Ask the embedder, for oneself and all who come meanwhile."""
        flight = self._flights[key] = asyncio.get_running_loop().create_future()
        self.misses += 1
        outcome: object = _DESERTED
        try:
            outcome = vector = await self._embedder.embed(text)
            self._remember(key, vector)
        except Exception as error:
            outcome = error
            raise
        else:
            return vector
        finally:
            # Before anybody can wake: who does finds the vector, or no flight, and leads.
            del self._flights[key]
            flight.set_result(outcome)

    def _remember(self, key: bytes, vector: Vector | None) -> None:
        self._known[key] = vector
        while len(self._known) > self._entries:
            self._known.popitem(last=False)


def _landed(outcome: object) -> Vector | None:
    if isinstance(outcome, Exception):
        raise TierError(str(outcome)) from outcome
    vector: Vector | None = outcome  # type: ignore[assignment]  # the flight holds nothing else
    return vector
