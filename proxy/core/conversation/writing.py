"""A standalone question that a language model writes: for which conversations, and when it counts.

Rules of the file:

- Whether a model may write is decided from the conversation alone, and so is what it is shown.
- What it writes is believed only where it can be checked word by word: nothing new, nothing of the
  last turn lost, and something of the earlier turns in it. A refused text costs a hit, a wrong one
  would be another conversation's answer.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import Final

from proxy.core.conversation import words as w
from proxy.core.conversation.turns import (
    MOST_CHARS,
    Leaning,
    Turn,
    asks_in_its_way,
    is_phrase,
    leaning,
)
from proxy.core.judgement.stems import stem
from proxy.core.judgement.words import closed

MOST_EARLIER: Final = 8
"""User turns before the last. A text that stands alone is as easily judged after eight as after
one, but a model loses sight of what was said, and is paid by what it reads."""

MOST_ANSWER_CHARS: Final = 500
"""Shown of what the assistant said: enough to see what a turn after it speaks of."""

FORM: Final = '"standalone"'
"""The key of a reply, as a reply quotes it. A conversation that does is not put to a model."""


def why_unwritable(talk: Sequence[Turn]) -> str | None:
    """Why no model is to write a conversation's last turn anew; None where one may.

    Every turn of the user's must ask. A statement may set the terms for all that follows, a command
    may have changed something, and a reply means what the assistant offered: the answer then hangs
    on more than a question can say.

    Args:
        talk: What was said, oldest first; the last turn is the user's.
    """
    said = [turn.text for turn in talk if turn.speaker == "user"]
    if len(said) == 1:
        return "no earlier turn"
    if len(talk) > 2 * MOST_EARLIER + 1 or len(said) > MOST_EARLIER + 1:
        return f"more than {MOST_EARLIER} earlier turns"
    if any(not _asks(text) for text in said):
        return "a turn that is not plainly a question"
    if any(not _is_showable(turn.text) for turn in talk):
        return "speaks of a model's reply"
    return _why_tied(*talk[-2:])


def _why_tied(before: Turn, last: Turn) -> str | None:
    """Why the last turn hangs on the words of the one before."""
    if leaning(last.text) is Leaning.ANSWER:
        return Leaning.ANSWER.value
    is_asked = before.speaker == "assistant" and before.text.rstrip().endswith("?")
    if is_asked and is_phrase(last.text):
        return "may be a reply to what the assistant asked"
    return None


def _asks(text: str) -> bool:
    found = leaning(text)
    if found is Leaning.OTHER:
        return asks_in_its_way(text)
    return found is not Leaning.EVERYTHING


def _is_showable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:  # half a surrogate pair
        return False
    return FORM not in text.casefold()


def shown(talk: Sequence[Turn]) -> tuple[Turn, ...]:
    """What a model is shown of a conversation: long answers by their beginning."""
    return tuple(
        Turn(turn.speaker, turn.text if turn.speaker == "user" else turn.text[:MOST_ANSWER_CHARS])
        for turn in talk
    )


def why_unfaithful(text: str, talk: Sequence[Turn]) -> str | None:
    """Why what a model wrote does not count as the last turn's question; None where it does.

    Args:
        text: What it wrote.
        talk: The conversation, as it was shown.
    """
    if not text or text != text.strip() or not text.isprintable() or len(text) > MOST_CHARS:
        return "no question on a line"
    found, said = _words(text), [_words(turn.text) for turn in talk]
    if not _STILL_LEANS.isdisjoint(found) or leaning(text) in (Leaning.EVERYTHING, Leaning.ANSWER):
        return "does not stand alone"
    stems, last = _stems(found), said[-1]
    known = set[str]().union(*map(_stems, said))
    if any(word not in _MAY_COME and stem(word) not in known for word in found):
        return "says what nobody said"
    if any(stem(word) not in stems for word in _telling(last)):
        return "leaves out what was asked"
    brought = stems - _stems(last) - _stems(_MAY_COME)
    return None if brought else "takes nothing from the earlier turns"


def _words(text: str) -> list[str]:
    """In lower case, without the marks around them; what is inside tells `C#` from `C`."""
    plain = text.casefold().replace("\N{RIGHT SINGLE QUOTATION MARK}", "'")
    bare = (word.strip(_MARKS).removesuffix("'s") for word in plain.split())
    return [word for word in bare if any(map(str.isalnum, word))]


def _stems(words: Sequence[str] | frozenset[str]) -> set[str]:
    return {stem(word) for word in words}


def _telling(words: Sequence[str]) -> list[str]:
    """The words that a question must keep; of `what about winter`, `winter`."""
    following = pairwise([*words, ""])
    kept = [word for word, after in following if not (after == "about" and word in {"what", "how"})]
    return [word for word in kept if word not in _MAY_GO]


_MARKS: Final = (
    ".,;:!?\"'()[]{}\N{INVERTED QUESTION MARK}\N{INVERTED EXCLAMATION MARK}"
    "\N{LEFT DOUBLE QUOTATION MARK}\N{RIGHT DOUBLE QUOTATION MARK}\N{HORIZONTAL ELLIPSIS}"
)
_PLAIN: Final = closed("""
    a an the about of in on for to
    am is are was were be been being do does did can could would will has have had
""")
"""English that carries no meaning here; `not`, `without`, `from` and their like do."""

_STILL_LEANS: Final = w.PRONOUNS | closed("this these those")
_MAY_COME: Final = _PLAIN | w.INTERROGATIVES
_MAY_GO: Final = (
    _PLAIN
    | w.PRONOUNS
    | w.OPENERS
    | closed("this that these those there one ones please thanks thank you me tell")
)
