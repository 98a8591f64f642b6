"""A verifier, and a second judge for what it is not sure of, as one verifier."""

from collections.abc import Sequence

from proxy.core.judgement.opinion import GreyZone, settled
from proxy.ports import Verifier
from proxy.verifying.second import SecondJudge


class Cascade:
    """`ports.Verifier`: the first verifier's probability, or the second judge's word.

    Args:
        first: Asked about every pair; None leaves every pair to the second.
        second: Asked about pairs in the zone.
        zone: Of the first one's probability.
    """

    def __init__(self, first: Verifier | None, second: SecondJudge, zone: GreyZone) -> None:
        self._first = first
        self._second = second
        self._zone = zone

    @property
    def id(self) -> str:
        """Both names. Raises TierError when the first has none yet."""
        return f"{self._first.id}+{self._second.id}" if self._first else self._second.id

    async def start(self) -> None:
        """Start the first; the second has a stage of its own. Raises TierError."""
        if self._first is not None:
            await self._first.start()

    async def close(self) -> None:
        """Close the first."""
        if self._first is not None:
            await self._first.close()

    async def verify(self, question: str, candidates: Sequence[str]) -> Sequence[float]:
        """P(one answer serves both) for each candidate in order, up to one that nobody decided.

        The second judge can keep a caller waiting: where the first candidate that serves is enough,
        ask one at a time. Raises TierError when the first verifier does.
        """
        found: list[float] = []
        for candidate in candidates:
            probability = await self._verify(question, candidate)
            if probability is None:
                break
            found.append(probability)
        return found

    async def _verify(self, question: str, candidate: str) -> float | None:
        probability: float | None = None
        if self._first is not None:
            (probability,) = await self._first.verify(question, [candidate])
        if not self._zone.holds(probability):
            return probability
        return settled(probability, await self._second.ask(question, candidate))
