"""What a user's turn leans on: itself, the subject of the talk, or what the assistant said.

Rules of the file:

- Each rule is a positive sign. A turn that shows none is `OTHER`, and its conversation is compared
  exactly: a miss costs less than another conversation's answer.
- The reading is of English. Another language shows no sign, with the same end.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Final, Literal

from proxy.core.conversation import words as w

MOST_CHARS: Final = 400
"""A longer turn is no follow-up question but a piece of work."""

MOST_PHRASE_WORDS: Final = 8
"""Of a turn without a verb, and of one that carries on: `winter temperatures`, `and in winter?`."""

MOST_REPLY_WORDS: Final = 6
"""With more words, even light ones make a sentence of their own."""

MOST_REPLY_CHARS: Final = 80
"""Of a turn that is looked at for being no more than a reply."""

MOST_SENTENCES: Final = 2
"""That say something. A turn of more is a statement of a case."""


@dataclass(frozen=True, slots=True)
class Turn:
    """What one side said, as plain text."""

    speaker: Literal["user", "assistant"]
    text: str


class Leaning(Enum):
    """What a turn's meaning hangs on."""

    EVERYTHING = "means nothing alone"
    """`yes`, `the second one`, `go on`."""

    ANSWER = "refers to what was answered"
    """`can you expand on that`, `which is cheaper`, `why?`."""

    SUBJECT = "asks on about the subject"
    """`who painted it`, `what are the main challenges`, `and in winter?`."""

    ITSELF = "brings a subject of its own"
    """`what is the water cycle`: why it is asked here, the earlier turns may say."""

    OTHER = "is not known to be a question"
    """A statement, a command, a case."""


def leaning(text: str) -> Leaning:
    """What a turn leans on. Of two sentences, the one that leans on more decides."""
    if len(text) > MOST_CHARS:
        return Leaning.OTHER
    sentences = _sentences(text)
    telling = [words for words in sentences if not _is_filler(words)]
    if len(telling) > MOST_SENTENCES:
        return Leaning.OTHER
    found = {_sentence(words) for words in telling}
    if Leaning.EVERYTHING in found or not found:
        # `Yes. What is it?` answers first, and is no question alone.
        return Leaning.OTHER if found - {Leaning.EVERYTHING} else Leaning.EVERYTHING
    return next(one for one in _STRONGEST_FIRST if one in found)


def says_nothing_alone(text: str) -> bool:
    """Whether a text has no meaning outside its conversation: `yes`, `the second one`."""
    return len(text) <= MOST_REPLY_CHARS and leaning(text) is Leaning.EVERYTHING


def asks_in_its_way(text: str) -> bool:
    """Whether a turn that shows no sign of English asks all the same: `et en hiver ?`.

    It ends in a question mark, wants nothing done, and is no reply with a question after it.
    """
    if len(text) > MOST_CHARS or not text.rstrip().endswith(_QUESTION_MARKS):
        return False
    return not any(_replies_or_acts(words) for words in _sentences(text))


def introduces(text: str) -> bool:
    """Whether a turn names the subject that a pronoun after it stands for.

    `What is the water cycle?` does. After `Who wrote it?` or `What is the fastest car?` a pronoun
    may stand for what only the answer names.
    """
    found = False
    for sentence in _sentences(text):
        words, _ = _bare(sentence)
        if not w.PICKS.isdisjoint(words):
            return False
        is_cause = words[:1] == ["what"] and not w.CAUSE.isdisjoint(words[1:2])
        is_person = words[:1] in (["who"], ["who's"])
        explains = bool(words) and not is_person and _explains(words)
        found = found or ((is_cause or explains) and _names_subject(words))
    return found


def is_phrase(text: str) -> bool:
    """Whether a turn is a phrase without a verb: a follow-up, or a reply to what was asked."""
    return any(_is_phrase(_bare(sentence)[0]) for sentence in _sentences(text))


_QUESTION_MARKS: Final = (
    "?",
    "\N{FULLWIDTH QUESTION MARK}",
    "\N{ARABIC QUESTION MARK}",
    "\N{GREEK QUESTION MARK}",
)
_STRONGEST_FIRST: Final = (Leaning.OTHER, Leaning.ITSELF, Leaning.ANSWER, Leaning.SUBJECT)
_SENTENCE_END: Final = re.compile(r"[.!?;]+(?=\s|$)|\n")
_WORD: Final = re.compile(r"[^\W_]+(?:['-][^\W_]+)*")


def _sentences(text: str) -> list[list[str]]:
    """The words of each sentence, in lower case."""
    plain = text.lower().replace("\N{RIGHT SINGLE QUOTATION MARK}", "'")
    return [words for part in _SENTENCE_END.split(plain) if (words := _WORD.findall(part))]


def _is_filler(words: Sequence[str]) -> bool:
    """`Interesting`, `thanks for everything`."""
    if w.FILLERS.issuperset(words):
        return True
    is_short = len(words) <= MOST_PHRASE_WORDS and w.INTERROGATIVES.isdisjoint(words)
    return is_short and words[0] in w.THANKS


def _sentence(sentence: list[str]) -> Leaning:
    words, is_request = _bare(sentence)
    if _says_nothing(sentence) or not words or _says_nothing(words):
        return Leaning.EVERYTHING
    if not _asks(sentence, words, is_request=is_request):
        return Leaning.OTHER
    if _points_at_answer(words):
        return Leaning.ANSWER
    if w.PRONOUNS.isdisjoint(words) and _explains(words) and _names_subject(words):
        return Leaning.ITSELF
    return Leaning.SUBJECT


def _bare(sentence: list[str]) -> tuple[list[str], bool]:
    """Without its opening words and its courtesies; and whether the assistant is asked to act."""
    words, is_request = list(sentence), False
    if words[-1] in w.LAST_COURTESIES:
        del words[-1]
    while words and words[0] in w.OPENERS:
        is_request = is_request or words[0] == "please"
        del words[0]
    for opening, asks_to_act in _COURTESIES:
        if tuple(words[: len(opening)]) == opening:
            del words[: len(opening)]
            is_request = is_request or asks_to_act
            break
    while words and words[0] in _SOFTENERS:
        del words[0]
        is_request = True
    if words[:2] == ["tell", "me"] and w.INTERROGATIVES.intersection(words[2:3]):
        del words[:2]
    return words, is_request


_SOFTENERS: Final = frozenset({"please", "kindly", "just"})
_COURTESIES: Final = (
    *(((modal, "you"), True) for modal in ("can", "could", "would", "will")),
    *(
        (tuple(words.split()), False)
        for words in (
            "i would like to know",
            "i'd like to know",
            "i want to know",
            "i wonder",
            "i am wondering",
            "i'm wondering",
            "do you know",
        )
    ),
)


def _says_nothing(words: Sequence[str]) -> bool:
    """No word beyond those of replies; or a pick: `the cheaper one`."""
    if not w.INTERROGATIVES.isdisjoint(words):
        return False
    is_pick = words[0] in w.PICKING and words[-1] in {"one", "ones"} and _is_phrase(words)
    is_reply = len(words) <= MOST_REPLY_WORDS and all(
        word in w.REPLIES or word.isdigit() for word in words
    )
    return is_pick or is_reply or w.FILLERS.issuperset(words)


def _asks(sentence: Sequence[str], words: Sequence[str], *, is_request: bool) -> bool:
    """Whether it is a question, a request to be told, or what is left of one."""
    head = words[0]
    if sentence[0] in w.YES_NO:
        return False
    if head in w.TELL or head in w.SHOW or head in w.INTERROGATIVES:
        return True
    if is_request or _is_command(words):
        return False
    is_in_which = head in w.PREPOSITIONS and not w.INTERROGATIVES.isdisjoint(words[1:2])
    if is_in_which or head in w.AUXILIARIES:
        return True
    carries_on = sentence[0] in w.CONNECTIVES and len(words) <= MOST_PHRASE_WORDS
    return (carries_on and w.ABOUT_THE_SPEAKER.isdisjoint(words)) or _is_phrase(words)


def _replies_or_acts(sentence: list[str]) -> bool:
    """`Yes`, `the second one`, `book it`, `could you call her`."""
    words, is_request = _bare(sentence)
    if sentence[0] in w.YES_NO or not words or _says_nothing(words):
        return not _is_filler(sentence)
    asks_to_be_told = words[0] in w.TELL | w.SHOW | w.INTERROGATIVES
    return not asks_to_be_told and (is_request or _is_command(words))


def _is_command(words: Sequence[str]) -> bool:
    """`Start the engine`, but not `start date`."""
    return words[0] in w.COMMANDS and w.GENERIC.isdisjoint(words[1:2])


def _is_phrase(words: Sequence[str]) -> bool:
    return (
        0 < len(words) <= MOST_PHRASE_WORDS
        and not _is_command(words)
        and not w.TELL.union(w.SHOW).intersection(words[:1])
        and w.NO_PHRASE.isdisjoint(words)
    )


def _points_at_answer(words: Sequence[str]) -> bool:
    if not w.ANSWER_WORDS.isdisjoint(words) or w.SHORT_QUESTIONS.issuperset(words):
        return True
    after = [*words[1:], ""]
    if words[0] == "which" and (after[0] in w.AUXILIARIES or after[0] == "of"):
        return True
    for before, word, following in zip(["", *words], words, after, strict=False):
        if word in {"this", "that"} and not (before in w.PREPOSITIONS and following not in w.LIGHT):
            return True
        if word in w.NUMBER_WORDS and before == "the":
            return True
    return False


def _explains(words: Sequence[str]) -> bool:
    """`What is`, `who was`, `how does`, `why do`, `explain`: asks what there is to say."""
    head, following = words[0], words[1] if len(words) > 1 else ""
    if head in w.TELL or head in {"what's", "who's", "how's"}:
        return True
    if head in {"what", "who"}:
        return following in w.BE or (head == "what" and following in {"do", "does", "did"})
    return head in {"how", "why"} and following in w.AUXILIARIES


def _names_subject(words: Sequence[str]) -> bool:
    """Whether some word is neither light nor true of any subject."""
    known = w.LIGHT | w.GENERIC | w.INTERROGATIVES | w.TELL | w.PRONOUNS
    return any(word not in known and not word.isdigit() for word in words)
