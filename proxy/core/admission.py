"""What may enter the cache.

A request's rules narrow what the caller asked for, never widen it; where several apply the
strictest holds. An answer is kept only when it is whole, successful, and says something.
"""

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from enum import IntEnum
from typing import Final

from proxy.core.model import Directives
from proxy.core.privacy import personal_data

KEPT_FINISHES: Final = frozenset(
    {"stop", "tool_calls", "function_call", "completed", "end_turn", "stop_sequence", "tool_use"}
)
"""The model had said what it had to say, in the words of any API; `length`, `incomplete`,
`max_tokens` and `content_filter` cut it short."""


_MOST_SHOWN: Final = 24
"""Characters of a value in a reason: a number may have thousands."""


class Action(IntEnum):
    """What becomes of an answer, from free to strict."""

    STORE = 0
    EXACT = 1
    PRIVATE = 2
    NEVER = 3


@dataclass(frozen=True, slots=True)
class AnswerFacts:
    """What decides whether an answer may be kept.

    Attributes:
        finish: Every choice's finish reason.
        empty: Some choice says nothing and calls nothing.
        refusal: Some choice is a refusal.
        tool_calls: Some choice calls a tool.
        foreign: What else is in it, such as what a tool of the origin's found; "" for nothing.
    """

    finish: tuple[str, ...]
    empty: bool
    refusal: bool
    tool_calls: bool
    foreign: str = ""


def why_not(facts: AnswerFacts) -> str | None:
    """Why an answer may not be kept; None when it may."""
    for finish in facts.finish:
        if finish not in KEPT_FINISHES:
            return f"finish {finish}"
    if facts.refusal:
        return "refusal"
    if facts.empty:
        return "empty answer"
    if facts.foreign:
        return f"has a {facts.foreign}"[:_MOST_SHOWN]
    return None


@dataclass(frozen=True, slots=True)
class Phrase:
    """Words in a row, in lower case.

    Attributes:
        words: As configured.
        first, last: Of them; looked for first, since a plain search of a long text costs a tenth
            of what a pattern does.
        shape: Finds them, whatever white space is between.
    """

    words: str
    first: str
    last: str
    shape: re.Pattern[str]


@dataclass(frozen=True, slots=True)
class Admission:
    """The operator's rules for requests.

    Attributes:
        max_temperature: Above it `temperature` applies; None for no limit.
        temperature: What becomes of answers drawn hotter than that.
        time_words: By which a question asks about the present.
        time: What becomes of answers to such questions.
        pii: What becomes of answers to questions with personal data.
        tools: What becomes of answers to requests that offer tools, and of tool calls.
        stored: What becomes of answers that the origin is asked to keep, to be continued.
    """

    max_temperature: float | None = None
    temperature: Action = Action.NEVER
    time_words: tuple[str, ...] = ()
    time: Action = Action.NEVER
    pii: Action = Action.PRIVATE
    tools: Action = Action.EXACT
    stored: Action = Action.NEVER
    _time: tuple[Phrase, ...] = field(init=False, default=(), repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_time", tuple(map(_phrase, self.time_words)))

    def narrow(
        self,
        asked: Directives,
        *,
        question: str,
        temperature: object,
        has_tools: bool,
        is_stored: bool = False,
    ) -> tuple[Directives, str]:
        """What is left of a request's directives, and why; "" when all is."""
        action, reason = Action.STORE, ""
        rules = self._rules(question, temperature, has_tools=has_tools, is_stored=is_stored)
        for rule, why in rules:
            if rule > action:
                action, reason = rule, why
        return _narrowed(asked, action), reason

    def _rules(
        self, question: str, temperature: object, *, has_tools: bool, is_stored: bool
    ) -> Iterable[tuple[Action, str]]:
        if (
            self.max_temperature is not None
            and isinstance(temperature, int | float)
            and temperature > self.max_temperature
        ):
            yield self.temperature, f"temperature {temperature}"[:_MOST_SHOWN]
        if has_tools:
            yield self.tools, "tools"
        if is_stored:
            yield self.stored, "store"
        if self.time is not Action.STORE and (word := _first_of(self._time, question)):
            yield self.time, f"asks about {word}"
        if self.pii is not Action.STORE and (kind := personal_data(question)) is not None:
            yield self.pii, f"personal data: {kind}"


def _phrase(words: str) -> Phrase:
    parts = words.lower().split()
    first, *rest = map(re.escape, parts)
    # Behind the word, so that the search can skip to it.
    before = rf"(?<!\w{first})" if _is_spaced(parts[0][0]) else ""
    after = r"(?!\w)" if _is_spaced(parts[-1][-1]) else ""
    shape = r"\s+".join([f"{first}{before}", *rest]) + after
    return Phrase(" ".join(parts), parts[0], parts[-1], re.compile(shape))


def _is_spaced(char: str) -> bool:
    """Whether words of its script stand apart: letters without case, as in Chinese, do not.

    Nor do the marks on such letters, as in Thai. Marks on letters with case are composed with them.
    """
    return unicodedata.category(char) not in {"Lo", "Mn", "Mc"}


def _first_of(phrases: tuple[Phrase, ...], text: str) -> str | None:
    lowered = text.lower() if phrases else ""
    for phrase in phrases:
        if phrase.last in lowered and phrase.first in lowered and phrase.shape.search(lowered):
            return phrase.words
    return None


def _narrowed(asked: Directives, action: Action) -> Directives:
    match action:
        case Action.STORE:
            return asked
        case Action.EXACT:
            return replace(asked, semantic=False)
        case Action.PRIVATE:
            return replace(asked, semantic=False, private=True)
        case Action.NEVER:
            return replace(asked, semantic=False, read=False, write=False)
