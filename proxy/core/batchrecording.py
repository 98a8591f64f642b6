"""What becomes of one embeddings call's bytes: an answer for each input, or the reason why not."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from proxy.core.batch import Item
from proxy.core.dialects.embeddings_answer import taken_apart
from proxy.core.model import Answer
from proxy.core.recording import Head, Landing
from proxy.core.stream import Marks

LONG_BYTES: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class BatchLanding(Landing):
    """How a call for several inputs ended.

    Attributes:
        answers: By the input's key; empty when it was not understood.
    """

    answers: Mapping[str, Answer] = field(default_factory=dict)


class BatchRecording:
    """Takes one call's bytes down.

    Args:
        items: The inputs that the origin was asked for, in order.
        max_bytes: A larger body is not read.
    """

    is_complete = False
    marks = Marks()
    """None: whatever is said is for all who ask."""

    def __init__(self, items: Sequence[Item], max_bytes: int) -> None:
        self._items = items
        self._max_bytes = max_bytes
        self._head: Head | None = None
        self._body = bytearray()

    @property
    def is_long(self) -> bool:
        """Whether so many numbers have come that to read them takes more than some 15 ms."""
        return len(self._body) > LONG_BYTES

    def begin(self, head: Head) -> None:
        """The headers are there."""
        self._head = head

    def feed(self, piece: bytes) -> None:
        """Some more of the body."""
        if len(self._body) <= self._max_bytes:
            self._body += piece

    def land(self) -> BatchLanding:
        """The body ended."""
        if self._head is None or not self._head.is_success:
            return BatchLanding(None, f"status {self._head.status if self._head else 0}")
        if len(self._body) > self._max_bytes:
            return BatchLanding(None, "too large")
        answers = taken_apart(bytes(self._body), [item.weight for item in self._items])
        if answers is None:
            return BatchLanding(None, "not an answer")
        by_key = {item.key: answer for item, answer in zip(self._items, answers, strict=True)}
        refusal = "another model's" if self._head.substitutes else None
        return BatchLanding(None, refusal, answers=by_key)
