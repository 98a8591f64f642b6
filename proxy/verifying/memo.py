"""A memory before a verifier: a popular rewording meets the same cached question every time."""

from collections.abc import Mapping, Sequence

from proxy.memo import Memo, key_of
from proxy.ports import Verifier


class MemoVerifier:
    """`ports.Verifier` around another, with the most recently used probabilities at hand.

    Args:
        verifier: Reads the pairs.
        entries: How many pairs are remembered; 0 remembers none, and still joins equal ones.
    """

    def __init__(self, verifier: Verifier, entries: int) -> None:
        self._verifier = verifier
        self._memo: Memo[float] = Memo(entries)

    @property
    def id(self) -> str:
        """The verifier's: what is remembered are its probabilities."""
        return self._verifier.id

    async def start(self) -> None:
        """Start the verifier, past the memory: a remembered pair proves nothing."""
        await self._verifier.start()

    async def close(self) -> None:
        """Close the verifier, and forget."""
        await self._verifier.close()
        self._memo.clear()

    def stats(self) -> Mapping[str, float]:
        """Gauges: entries; and hits, misses and joined so far."""
        return self._memo.stats()

    async def verify(self, question: str, candidates: Sequence[str]) -> Sequence[float]:
        """The verifier's answers, new or remembered. Raises TierError when it does."""
        return [await self._one(question, candidate) for candidate in candidates]

    async def _one(self, question: str, candidate: str) -> float:
        async def ask() -> float:
            (probability,) = await self._verifier.verify(question, [candidate])
            return probability

        return await self._memo.get(key_of(question, candidate), ask)
