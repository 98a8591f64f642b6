"""A conversation's last turn as a question that stands alone.

The standalone question is what the user has said, whole: the earlier turns and the last one, a line
each. Nothing is guessed and nothing is left out, so that two conversations meet only where all that
their users said means the same. Putting a noun in the place of a pronoun reads better, but a wrong
noun is a wrong answer, and measured it lets fewer rewordings through.

What the assistant said differs between conversations that were answered separately. It is left out
where the user's turns say by themselves what is asked; where the last turn points at an answer, the
answers must be the same, byte for byte. Where the rules cannot tell, all earlier turns must be.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from proxy.core.conversation.turns import Leaning, Turn, introduces, is_phrase, leaning

MOST_EARLIER: Final = 2
"""User turns before the last. With each further one that two conversations share, a verifier of
short questions overlooks a difference in the last more easily: on minimal pairs the shipped one,
without guards, is wrong about twice as often after one shared turn, three times after three."""


@dataclass(frozen=True, slots=True)
class Standalone:
    """The question, and what must match exactly beside it.

    Attributes:
        text: What the user said, a line a turn.
        shape: How many sentences each of these turns has. What is asked last is what is answered:
            the same words with the turns parted elsewhere ask for something else.
        answers: What the assistant said, where the question hangs on it; None where it does not.
    """

    text: str
    shape: tuple[int, ...]
    answers: tuple[str, ...] | None


@dataclass(frozen=True, slots=True)
class Kept:
    """The earlier turns must be the same; the reason is short and for people."""

    reason: str


def standalone(talk: Sequence[Turn]) -> Standalone | Kept:
    """Make the last turn of a conversation a standalone question.

    Args:
        talk: What was said, oldest first; the last turn is the user's.
    """
    said = [turn.text for turn in talk if turn.speaker == "user"]
    if len(said) == 1:
        return Kept("no earlier turn")
    if len(said) - 1 > MOST_EARLIER:
        return Kept(f"more than {MOST_EARLIER} earlier turns")
    found = [leaning(text) for text in said]
    # The first turn leans on nothing yet: it has only to ask.
    for text, what in zip(said[1:], found[1:], strict=True):
        if what not in (Leaning.SUBJECT, Leaning.ANSWER):
            return Kept(f"{what.value}: {text[:_MOST_SHOWN]}")
    if found[0] in (Leaning.OTHER, Leaning.EVERYTHING):
        return Kept(f"{found[0].value}: {said[0][:_MOST_SHOWN]}")
    if any(_is_asking(before) and is_phrase(turn.text) for before, turn in pairwise(talk)):
        return Kept("may be a reply to what the assistant asked")
    hangs_on_answers = (
        Leaning.ANSWER in found[1:] or not introduces(said[0]) or any(map(_is_asking, talk))
    )
    answers = tuple(turn.text for turn in talk if turn.speaker == "assistant")
    shape = tuple(map(_sentences, said))
    return Standalone("\n".join(said), shape, answers if hangs_on_answers else None)


_MOST_SHOWN: Final = 40
"""Characters of a turn in a reason."""


_ENDS: Final = re.compile(r"[.?!\u3002\uff01\uff1f]+(?=\s|$)|\n")


def _sentences(text: str) -> int:
    return sum(1 for part in _ENDS.split(text) if part.strip())


def _is_asking(turn: Turn) -> bool:
    return turn.speaker == "assistant" and turn.text.rstrip().endswith("?")
