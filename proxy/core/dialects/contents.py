"""What messages say: a text that may be reworded, and all else about it, which must be the same.

Of the last user message only the text is the question; its other fields, and the shape and the
places of its parts, are context. One part of nothing but text is the same as a plain string.
"""

import unicodedata
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Any, Final

from proxy.core.conversation.turns import Turn
from proxy.core.dialects.base import Json

_NOTHING_SAID: Final[tuple[object, ...]] = (None, [])
"""Fields that an SDK's message carries along: `annotations`, `tool_calls`."""

_PLAIN_PART: Final = frozenset({"type", "text"})


@dataclass(frozen=True, slots=True)
class Question:
    """The last user message: its text, and all else about it."""

    text: str = ""
    rest: Any = None

    @property
    def normal(self) -> str:
        """The text in NFC."""
        return unicodedata.normalize("NFC", self.text)


@dataclass(frozen=True, slots=True)
class Contents:
    """How an API writes the content of a message.

    Attributes:
        texts: Types of the parts that are text.
        unkeyed: Fields of messages and parts that only tell the origin where to cache.
    """

    texts: frozenset[str]
    unkeyed: frozenset[str]

    def is_text(self, part: object) -> bool:
        """Whether a part of a content is text."""
        return (
            isinstance(part, dict)
            and is_one_of(part.get("type"), self.texts)
            and isinstance(part.get("text"), str)
        )

    def keyed(self, message: Json) -> Json:
        """A message as it is keyed."""
        kept = {n: v for n, v in message.items() if n not in self.unkeyed and v is not None}
        content = kept.get("content")
        if isinstance(content, list):
            parts = [self.keyed_part(part) for part in content]
            is_plain = len(parts) == 1 and self.is_text(parts[0]) and parts[0].keys() == _PLAIN_PART
            kept["content"] = parts[0]["text"] if is_plain else parts
        return kept

    def keyed_part(self, part: Any) -> Any:  # noqa: ANN401 - JSON is anything
        """A part of a content as it is keyed: what is null or empty says nothing."""
        if not isinstance(part, dict):
            return part
        return {
            name: value
            for name, value in part.items()
            if name not in self.unkeyed and value not in _NOTHING_SAID
        }

    def question(self, message: Json) -> Question:
        """What a user's message asks."""
        content = message.get("content")
        rest = {name: value for name, value in message.items() if name != "content"}
        if isinstance(content, str):
            return Question(content, self.keyed(rest))
        if not isinstance(content, list):
            return Question("", self.keyed(message))
        texts: list[str] = []
        shape: list[Any] = []
        for part in content:
            keyed = self.keyed_part(part)
            if self.is_text(part):
                texts.append(keyed.pop("text"))
            # What else a text part says, and its place among the others, is context.
            shape.append(keyed)
        if len(texts) == len(shape) == 1 and shape[0].keys() == {"type"}:
            return Question(texts[0], self.keyed(rest))
        sizes = [len(text) for text in texts[:-1]]
        return Question("\n".join(texts), [self.keyed(rest), shape, sizes])


def is_one_of(value: object, words: Collection[str]) -> bool:
    """Whether a value, which may be of any type, is one of these words."""
    return isinstance(value, str) and value in words


def talk(turns: Iterable[Json], question: Question) -> tuple[Turn, ...]:
    """Keyed turns as plain text; empty where one calls a tool, shows an image, has a name."""
    if question.rest != {"role": "user"}:
        return ()
    found = []
    for turn in turns:
        said = {name: value for name, value in turn.items() if value not in _NOTHING_SAID}
        if said.keys() != {"role", "content"} or not isinstance(said["content"], str):
            return ()
        if said["role"] not in ("user", "assistant"):
            return ()
        found.append(Turn(said["role"], unicodedata.normalize("NFC", said["content"])))
    return (*found, Turn("user", question.normal))
