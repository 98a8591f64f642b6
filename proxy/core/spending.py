"""What a cache itself spends at servers that bill: who of its parts, for what."""

from enum import StrEnum
from typing import Protocol

from proxy.core.model import Usage


class Part(StrEnum):
    """Who spends."""

    EMBEDDER = "embedder"
    """Vectors of questions, from a server."""

    JUDGE = "judge"
    """A language model that reads two questions, or two answers, or writes a question."""

    AUDIT = "audit"
    """Answers that the origin was asked for only to compare them with cached ones."""

    REFRESH = "refresh"
    """Answers that the origin was asked for only to renew cached ones."""


class Ledger(Protocol):
    """Hears what is spent; never raises."""

    def spent(self, part: Part, model: str, usage: Usage) -> None:
        """A server has answered a call of ours, and will bill these tokens."""
        ...
