"""Compares two answers: by rule, else by a language model, else by the shipped verifier."""

from typing import Final, Protocol

from proxy.core.agreement import Agreement, Said, by_fact, by_probability, by_rule, is_readable
from proxy.core.judgement.opinion import Opinion
from proxy.ports import Verifier
from proxy.resilience import Deadline, Stage

PATIENCE_S: Final = 10.0
"""For the verifier: nobody waits for it here."""


class AnswerJudge(Protocol):
    """A language model that is asked about two answers."""

    async def ask(self, question: str, candidate: str) -> Opinion:
        """What it says of the two. Never raises."""
        ...


class Comparer:
    """Says whether two answers agree.

    Args:
        verifier: The local one and its stage; None where there is none.
        judge: Asked about all that no rule decides, in place of the verifier; None for none.
    """

    def __init__(
        self, verifier: tuple[Verifier, Stage] | None, judge: AnswerJudge | None = None
    ) -> None:
        self._verifier = verifier
        self._judge = judge

    async def compare(self, old: Said, new: Said) -> Agreement | None:
        """Whether they agree; None when who has to read them cannot be asked now."""
        ruled = by_rule(old, new)
        if ruled is not None or old is None or new is None:
            return ruled
        before, after = "\n".join(old), "\n".join(new)
        if self._judge is not None:
            return _word_of(await self._judge.ask(before, after))
        if not is_readable(before, after):
            return Agreement.UNSURE
        if by_fact(before, after) is not None:
            return Agreement.OTHER
        return await self._verified(before, after)

    async def _verified(self, before: str, after: str) -> Agreement | None:
        if self._verifier is None:
            return Agreement.UNSURE
        verifier, stage = self._verifier
        found = await stage.ask(lambda: verifier.verify(before, [after]), Deadline(PATIENCE_S))
        return by_probability(found[0]) if found else None


def _word_of(opinion: Opinion) -> Agreement | None:
    match opinion:
        case Opinion.SAME:
            return Agreement.SAME
        case Opinion.DIFFERENT:
            return Agreement.OTHER
        case Opinion.UNREADABLE:
            return Agreement.UNSURE
        case Opinion.UNANSWERED | Opinion.NOT_ASKED:
            return None
