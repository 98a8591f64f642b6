"""A memory before an embedder: a text that comes again costs nothing."""

from collections.abc import Mapping

from proxy.core.model import Vector
from proxy.memo import Memo, key_of
from proxy.ports import Embedder


class MemoEmbedder:
    """`ports.Embedder` around another, with the most recently used vectors at hand.

    That a text has no vector is remembered too.

    Args:
        embedder: Makes the vectors.
        entries: How many texts are remembered; 0 remembers none, and still joins equal ones.
    """

    def __init__(self, embedder: Embedder, entries: int) -> None:
        self._embedder = embedder
        self._memo: Memo[Vector | None] = Memo(entries)

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
        self._memo.clear()

    def stats(self) -> Mapping[str, float]:
        """Gauges: entries; and hits, misses and joined so far."""
        return self._memo.stats()

    async def embed(self, text: str) -> Vector | None:
        """The embedder's answer, new or remembered. Raises TierError when it does."""
        return await self._memo.get(key_of(text), lambda: self._embedder.embed(text))
