"""A replay's bytes with gaps where its id goes, so that the next replay is filled in, not made.

What a replay has of its own is its id and its time (`Stamp`); all else is the same each time. A
stencil is cut from one replay, and proven on a second before it is used.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from proxy.core.dialects.base import Stamp

Make = Callable[[str, int], Stamp]
"""(random hex, time) -> what a replay has of its own."""

Render = Callable[[Stamp], bytes]
"""A replay, whole."""

TOKENS: Final = ("3f9a6c1e5b7d4082a1c3e5f708192b4d", "c05e7a9d1f3b48628d0f2b4c6e8a9173")
"""Two that no answer holds but by being told to: each is 128 bits of chance."""


@dataclass(frozen=True, slots=True)
class Stencil:
    """A replay at one time.

    Attributes:
        parts: Its bytes, between one token and the next.
        size: Of a whole one, bytes.
    """

    parts: tuple[bytes, ...] = field(repr=False)
    size: int

    def filled(self, token: bytes) -> bytes:
        """The replay whose id has this token: hex, as long as those of `TOKENS`."""
        return token.join(self.parts)


def cut(make: Make, render: Render, created: int) -> Stencil | None:
    """The stencil of replays at this time; None where they differ in more than the token."""
    first, second = (token.encode() for token in TOKENS)
    whole, other = (render(make(token, created)) for token in TOKENS)
    stencil = Stencil(tuple(whole.split(first)), len(whole))
    return stencil if stencil.filled(second) == other else None
