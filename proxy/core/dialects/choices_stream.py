"""What streams of chat and text completions have in common: chunks of choices.

Fields of the chunk are told, not streamed: the last value counts. What a choice's own fields mean
is the dialect's; so is which stream does not merge: it is refused, passed on but not kept.
"""

from collections.abc import Callable, Iterable, Sequence
from io import StringIO
from typing import Final

from proxy.core.dialects.base import Json
from proxy.core.dialects.choices import CHUNK_ONLY, END, is_error
from proxy.core.dialects.deltas import settle
from proxy.core.dialects.folding import Folding
from proxy.core.dialects.payloads import glance, parse

_FIRST: Final = ("id", "object", "created", "model", "choices", "usage")
"""The order in which OpenAI writes an answer's fields; all others follow."""

Choices = dict[int, Json]
"""What a stream has told so far, by the choice's index."""

Place = tuple[Json, str]
"""A text: whose, and by which name."""


class ChoicesFold:
    """Puts chunks together.

    Args:
        kind: The answer's `object`.
        add: Takes one chunk's part of a choice to what is known; raises TypeError or ValueError
            for what does not merge.
        grows: Which text of the choice, if nothing else, another part like this one would add to.
        closed: A choice, once nothing more can come.
    """

    def __init__(
        self,
        kind: str,
        add: Callable[[Choices, Json], None],
        grows: Callable[[Json, Json], Place | None],
        closed: Callable[[Json], Json] = lambda choice: choice,
    ) -> None:
        self._kind = kind
        self._add = add
        self._grows = grows
        self._closed = closed
        self._told: Json = {}
        self._choices: Choices = {}
        self._place: Place | None = None
        self._grown = StringIO()

    def add(self, chunk: Json) -> str:
        """One more chunk. Returns the name of a text: see `Fold`."""
        self._settle_text()
        settle(self._told, ((k, v) for k, v in chunk.items() if k not in CHUNK_ONLY))
        parts: Sequence[Json] = chunk.get("choices") or ()
        for part in parts:
            self._add(self._choices, part)
        if len(parts) != 1:
            return ""
        self._place = self._grows(self._choices[parts[0].get("index", 0)], parts[0])
        return self._place[1] if self._place else ""

    def grow(self, text: str) -> None:
        """Another chunk like the last one, with this text."""
        self._grown.write(text)

    def _settle_text(self) -> None:
        if self._place is not None:
            whole, name = self._place
            whole[name] += self._grown.getvalue()
            self._place = None
            self._grown = StringIO()

    def answer(self) -> Json:
        """The answer that they amount to."""
        self._settle_text()
        choices = [self._closed(self._choices[index]) for index in sorted(self._choices)]
        answer = self._told | {"object": self._kind, "choices": choices}
        return {name: answer[name] for name in _FIRST if name in answer} | answer


class ChoicesProgress:
    """Reads one stream: which choices were seen, which have finished, whether it ended.

    Args:
        fold: Puts its chunks together.
        kind: What it amounts to.
    """

    def __init__(self, fold: ChoicesFold, kind: str) -> None:
        self._seen: set[int] = set()
        self._finished: set[int] = set()
        self._has_failed = False
        self._has_ended = False
        self._folding = Folding(fold, f"a {kind} chunk")

    @property
    def is_finished(self) -> bool:
        """Whether every choice seen has finished."""
        return bool(self._seen) and self._seen == self._finished

    @property
    def is_complete(self) -> bool:
        """Whether the end marker came after every choice had finished, and no error did."""
        return self._has_ended and self.is_finished and not self._has_failed

    def feed(self, data: bytes) -> None:
        """One more payload; what is not a chunk counts as an error."""
        if self._folding.grows(data):
            return
        if data.strip() == END:
            self._has_ended = True
            return
        try:
            chunk = self._parsed(data)
            if is_error(chunk):
                self._has_failed = True
                self._folding.refuse("the stream carries an error")
                return
            self._watch(chunk.get("choices") or ())
        except (ValueError, AttributeError, TypeError) as error:
            self._has_failed = True
            self._folding.misread(error)
            return
        self._folding.add(data, chunk)

    def let_go(self) -> None:
        """Watch on, but keep nothing: the answer will not be asked for."""
        self._folding.refuse("too large")

    def answer(self) -> Json:
        """The answer that the chunks amount to. Raises UnreadableFrameError."""
        return self._folding.answer()

    def _parsed(self, data: bytes) -> Json:
        """A chunk. One that cannot be read without loss is none to keep, but may be watched."""
        chunk: Json
        try:
            chunk = parse(data)
        except ValueError as error:
            self._folding.misread(error)
            chunk = glance(data)
        return chunk

    def _watch(self, parts: Iterable[Json]) -> None:
        for part in parts:
            index = part.get("index", 0)
            self._seen.add(index)
            if part.get("finish_reason"):
                self._finished.add(index)
