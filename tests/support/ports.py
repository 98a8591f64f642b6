"""Small scripted ends for the ports: an origin fed by the test, and ears for what is observed."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from typing import Any

import numpy as np

from proxy.core.model import Outcome, Vector
from proxy.core.repetition import Repetition
from proxy.errors import TierError
from proxy.ports import OriginReply, OriginRequest

JSON = (("content-type", "application/json"),)


class Feed:
    """An origin, and its reply: the body is what the test puts into it, `end` ends it."""

    def __init__(
        self, status: int = 200, headers: Sequence[tuple[str, str]] = JSON, error: Any = None
    ) -> None:
        self.status = status
        self.headers = headers
        self.asked: list[OriginRequest] = []
        self.taken = 0
        self.is_closed = False
        self._error = error
        self._pieces: asyncio.Queue[bytes | Exception | None] = asyncio.Queue()

    def put(self, *pieces: bytes | Exception) -> None:
        """More of the body, or how it breaks."""
        for piece in pieces:
            self._pieces.put_nowait(piece)

    def end(self) -> None:
        """No more will come."""
        self._pieces.put_nowait(None)

    async def send(self, request: OriginRequest) -> OriginReply:
        """Answer at once."""
        self.asked.append(request)
        if self._error is not None:
            raise self._error
        return self

    async def chunks(self) -> AsyncGenerator[bytes]:
        """What is put into it, as it is put."""
        while (piece := await self._pieces.get()) is not None:
            if isinstance(piece, Exception):
                raise piece
            self.taken += 1
            yield piece

    async def close(self) -> None:
        """Remembered."""
        self.is_closed = True


class Heard:
    """An observer that remembers."""

    def __init__(self) -> None:
        self.outcomes: list[Outcome] = []
        self.events: list[tuple[str, dict[str, Any]]] = []

    def notice(self, outcome: Outcome) -> None:
        """One request is over."""
        self.outcomes.append(outcome)

    def repeated(self, first: Outcome, repetitions: Sequence[Repetition]) -> None:
        """The same request is over again."""
        self.outcomes += [one.of(first) for one in repetitions]

    def event(self, name: str, **fields: str | float | bool | None) -> None:
        """Something happened."""
        self.events.append((name, fields))

    @property
    def names(self) -> list[str]:
        """Of the events."""
        return [name for name, _ in self.events]


class HashEmbedder:
    """An embedder whose vectors depend on the text alone.

    It can be told to fail, and waits at its gate.
    """

    id = "hash/8"
    dimension = 8

    def __init__(self) -> None:
        self.texts: list[str] = []
        self.fails = False
        self.gate = asyncio.Event()
        self.gate.set()

    async def start(self) -> None:
        """It is always there, unless it was told to fail."""
        if self.fails:
            raise TierError("down")

    async def close(self) -> None:
        """Nothing is held."""

    async def embed(self, text: str) -> Vector | None:
        """A unit vector; none for an empty text."""
        self.texts.append(text)
        await self.start()
        await self.gate.wait()
        if not text:
            return None
        seed = int.from_bytes(text.casefold().encode()[:8].ljust(8), "big")
        vector = np.random.default_rng(seed).standard_normal(8).astype(np.float32)
        return np.asarray(vector / np.linalg.norm(vector), np.float32)


class FixedVerifier:
    """A verifier that gives each candidate the probability the test names; 0 to any other.

    It can be told to fail, and waits at its gate.
    """

    id = "fixed"

    def __init__(self, **probabilities: float) -> None:
        self.probabilities = probabilities
        self.asked: list[tuple[str, str]] = []
        self.fails = False
        self.gate = asyncio.Event()
        self.gate.set()
        self.calls: list[str] = []

    async def start(self) -> None:
        """It is always there, unless it was told to fail."""
        self.calls.append("start")
        if self.fails:
            raise TierError("down")

    async def close(self) -> None:
        """Remembered."""
        self.calls.append("close")

    async def verify(self, question: str, candidates: Sequence[str]) -> Sequence[float]:
        """What was named."""
        self.asked += [(question, candidate) for candidate in candidates]
        await self.gate.wait()
        if self.fails:
            raise TierError("down")
        return [self.probabilities.get(candidate, 0.0) for candidate in candidates]
