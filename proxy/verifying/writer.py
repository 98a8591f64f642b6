"""A language model that writes a conversation's last turn as a question that stands alone.

What it wrote is remembered by a digest of the conversation, without a tenant or scope: it depends
on nothing else. That nothing usable came of a conversation is remembered too.
"""

from collections.abc import Sequence
from typing import Protocol

from proxy.core.conversation.turns import Turn
from proxy.core.conversation.writing import why_unfaithful
from proxy.memo import key_of
from proxy.ports import Observer
from proxy.verifying.calls import Asked, Calls, Silence

NOTHING = ""
"""What came of a conversation whose last turn has no such question."""


class Pen(Protocol):
    """Who writes."""

    async def write(self, talk: Sequence[Turn]) -> str | None:
        """The question as the model gives it; None when it gives none. Raises TierError."""
        ...


class CheckedWriter:
    """`ports.Writer`: asks seldom, waits no longer than a caller does, believes what it checked.

    Args:
        pen: Who writes.
        calls: To the model, shared with whoever else asks it.
        remembered: Conversations kept in memory; the least recently used go first.
        observer: Hears `question_written` with the `result`: written, none, unfaithful, unanswered.
    """

    def __init__(self, pen: Pen, calls: Calls, remembered: int, *, observer: Observer) -> None:
        self._pen = pen
        self._asked = Asked[str]("rewrite", calls, remembered)
        self._observer = observer

    async def write(self, talk: Sequence[Turn]) -> str | None:
        """The question; None when there is none, or none in time. Never raises."""
        result, why = "unanswered", ""

        async def ask() -> str:
            nonlocal result, why
            text = await self._pen.write(talk)
            why = why_unfaithful(text, talk) or "" if text is not None else ""
            result = "none" if text is None else "unfaithful" if why else "written"
            return text if text is not None and not why else NOTHING

        async def heard(_: str | None) -> None:
            self._observer.event("question_written", result=result, reason=why)

        key = key_of(*(part for turn in talk for part in (turn.speaker, turn.text)))
        found = await self._asked.get(key, ask, heard)
        return None if isinstance(found, Silence) else found or None
