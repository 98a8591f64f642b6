"""Ports of models, and of what is learned with them."""

from collections.abc import Sequence
from typing import Protocol

from proxy.core.conversation.turns import Turn
from proxy.core.labels import Kept, Mark
from proxy.core.model import Vector


class Embedder(Protocol):
    """Text to vector. Id and dimension are known before `start`: an index is built by them."""

    @property
    def id(self) -> str:
        """Names model, weights and quantisation; vectors of two ids never meet."""
        ...

    @property
    def dimension(self) -> int:
        """Length of a vector."""
        ...

    async def start(self) -> None:
        """Load it. Raises TierError when it cannot be used; may be called again later."""
        ...

    async def close(self) -> None:
        """Release everything."""
        ...

    async def embed(self, text: str) -> Vector | None:
        """The text's vector, of unit length; None when it is empty or longer than the model reads.

        The same text has the same vector, whatever else is embedded. Raises TierError when there
        is none for another reason, such as before `start`.

        A text cut short would look equal to every other text with the same beginning, and be
        answered with its answer. So it is not cut: it is not embedded.
        """
        ...


class Verifier(Protocol):
    """Reads two questions and says whether one answer serves both."""

    @property
    def id(self) -> str:
        """Names model, weights and quantisation; a calibration holds for one id."""
        ...

    async def start(self) -> None:
        """Load it. Raises TierError when it cannot be used; may be called again later."""
        ...

    async def close(self) -> None:
        """Release everything."""
        ...

    async def verify(self, question: str, candidates: Sequence[str]) -> Sequence[float]:
        """P(one answer serves both), 0 to 1, for each candidate in order; 0 for the unreadable.

        Each candidate may cost a run: where the first that serves is enough, ask best first. It
        ends before a candidate that nobody decided: neither that one nor the rest is vouched for.
        """
        ...


class Writer(Protocol):
    """Writes the last turn of a conversation as a question that stands alone."""

    async def write(self, talk: Sequence[Turn]) -> str | None:
        """The question; None when there is none, or none in time. Never raises."""
        ...


class LabelStore(Protocol):
    """Keeps comparisons and marked pairs across restarts, the newest of each."""

    async def load(self) -> tuple[Sequence[Kept], Sequence[Mark]]:
        """What is kept, the oldest first; nothing is made where there is nothing."""
        ...

    async def add(self, kept: Kept) -> None:
        """Keep one more. Durable on return, but for a power cut."""
        ...

    async def mark(self, mark: Mark) -> None:
        """Keep one more, or a known one anew. Durable on return."""
        ...

    async def close(self) -> None:
        """Release everything; a store never used is a no-op."""
        ...
