"""Gives stored answers vectors of the embedder in use, one at a time, while requests come first.

The vector is written to the very answer that was read, or not at all; the change log then brings it
to every index. Whoever knows which answers lack one, asks here: all of them keep to one rate.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from time import monotonic
from typing import Final

from proxy.core.model import Entry, Vector
from proxy.errors import BusyError, TierError
from proxy.ports import Embedder, Embedders, SharedTier
from proxy.resilience import Stage

EMBED_S: Final = 30.0
"""How long one vector may take."""

PUBLISH_S: Final = 1.0
"""Between two readings of the change log by this process's own index."""

YIELD_S: Final = 0.01
"""Between two looks at whether requests are being embedded."""

MOST_YIELDS: Final = 100
"""Then it goes on: a proxy that is always busy would never end."""

LEAST_PER_S: Final = 0.1
"""For the moment in which a reload switches it off."""


class EmbedError(TierError):
    """The embedder gave no vector."""


@dataclass(frozen=True, slots=True)
class Stored:
    """A stored answer: this very one, and none that replaces it."""

    id: str
    scope: str
    created_at: float

    @classmethod
    def of(cls, entry: Entry) -> "Stored":
        """The answer of this entry."""
        return cls(entry.id, entry.scope, entry.created_at)


class Renewer:
    """Does it for one process.

    Args:
        shared: Has the entries.
        embedders: Takes the new vectors.
        embedder: Makes them, and the stage by which requests use it.
        per_s: How many a second, at most; may change any time.
        publish: Brings this process's index up to the change log.
    """

    def __init__(
        self,
        shared: SharedTier,
        embedders: Embedders,
        embedder: tuple[Embedder, Stage],
        *,
        per_s: float,
        publish: Callable[[], Awaitable[None]],
    ) -> None:
        self._shared = shared
        self._embedders = embedders
        self._embedder, self.stage = embedder
        self.per_s = per_s
        self.publish = publish
        self.done = 0
        """Answers that were given a vector."""
        self._next_at = 0.0
        self._published_at = 0.0
        self._turns = asyncio.Lock()

    @property
    def embedder(self) -> str:
        """Id of the embedder in use."""
        return self._embedder.id

    async def renew(self, wanted: Stored) -> bool:
        """Give it a vector, if it is still that answer, has no vector of ours, and can have one.

        Returns whether that answer is there.

        Raises:
            EmbedError: The embedder failed, or took too long.
            BusyError: The embedder has too much to do.
            TierError: The shared tier failed.
        """
        async with self._turns:
            await self._take_turn()
            entry = await self._shared.get(wanted.scope, wanted.id)
            if entry is None or entry.created_at != wanted.created_at:
                return False
            # Where questions are not stored, another process's are not known.
            if entry.embedder == self._embedder.id or not entry.question:
                return True
            # None for a text too long for this embedder: only its own question finds that.
            vector = await self._embedded(entry.question)
            if vector is not None:
                await self._write(replace(entry, vector=vector, embedder=self._embedder.id))
            return True

    async def _take_turn(self) -> None:
        """Wait for as long as the rate says, and while requests are being embedded."""
        await asyncio.sleep(max(0.0, self._next_at - monotonic()))
        self._next_at = monotonic() + 1 / max(self.per_s, LEAST_PER_S)
        for _ in range(MOST_YIELDS):
            if not self.stage.is_busy:
                break
            await asyncio.sleep(YIELD_S)

    async def _embedded(self, question: str) -> Vector | None:
        try:
            async with asyncio.timeout(EMBED_S):
                return await self._embedder.embed(question)
        except BusyError:
            raise
        except (TierError, TimeoutError) as error:
            raise EmbedError(str(error) or "late") from error

    async def _write(self, entry: Entry) -> None:
        if await self._embedders.replace(entry):
            self.done += 1
        if monotonic() > self._published_at + PUBLISH_S:
            self._published_at = monotonic()
            await self.publish()
