"""What every dialect can do.

A dialect knows one API's shapes and nothing of caches, tiers or HTTP. It reads a request into a
`Reading`, tells a stream's end from its breaking off, and turns a stream into an answer and back:
a watch over what `unfold` makes of an answer has the same answer.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeGuard

from proxy.core.admission import AnswerFacts
from proxy.core.conversation.turns import Turn
from proxy.core.model import Scope, Usage

Json = dict[str, Any]


_MOST_TOKENS = 2**40
"""Over what any answer costs: a number beyond it is no count."""


def is_count(value: object) -> TypeGuard[int]:
    """Whether an origin has counted tokens: some servers write -1, or a text."""
    return type(value) is int and 0 <= value < _MOST_TOKENS


class UnreadableFrameError(ValueError):
    """A stream's payload is not what this API sends."""


@dataclass(frozen=True, slots=True)
class Reading:
    """A request, read.

    Attributes:
        scope: What must match exactly.
        question: The last user text, NFC; "" where there is none.
        stream: The caller wants server-sent events.
        include_usage: The caller wants the usage chunk of a stream.
        exact_only: Why no other question's answer may serve; None when one may.
        bypass: Why the cache must not touch this request; None when it may.
        is_stored: The origin is asked to keep the answer, where a caller may go on from it.
        talk: The conversation without its instructions, the question last; empty where some turn
            is more than plain text.
    """

    scope: Scope
    question: str
    stream: bool = False
    include_usage: bool = False
    exact_only: str | None = None
    bypass: str | None = None
    is_stored: bool = False
    talk: tuple[Turn, ...] = field(default=(), repr=False)


@dataclass(frozen=True, slots=True)
class Stamp:
    """What one replay has of its own.

    Attributes:
        id: The answer's id.
        created: Its time, seconds since the epoch.
        echoed: What the answer repeats of its caller's request, and is no part of the key.
        is_padded: Its events keep the padding that hides how long each piece of text is.
    """

    id: str
    created: int
    echoed: Json = field(default_factory=dict)
    is_padded: bool = True


class Progress(Protocol):
    """Reads one stream, payload by payload, each of them once."""

    @property
    def is_finished(self) -> bool:
        """Whether every choice seen has finished: only usage and the end marker can follow."""
        ...

    @property
    def is_complete(self) -> bool:
        """Whether the proper end was seen, and no error before it."""
        ...

    def feed(self, data: bytes) -> None:
        """One more payload, the end marker among them."""
        ...

    def let_go(self) -> None:
        """Watch on, but keep nothing: the answer will not be asked for."""
        ...

    def answer(self) -> Json:
        """The JSON answer that the payloads amount to; to be asked for once, at the end.

        Raises UnreadableFrameError.
        """
        ...


class Dialect(Protocol):
    """One API."""

    @property
    def api(self) -> str:
        """Its name in keys and labels."""
        ...

    @property
    def path(self) -> str:
        """Where callers find it, below the proxy's root."""
        ...

    @property
    def end_marker(self) -> bytes:
        """The payload that ends a stream; empty where the last event says so itself."""
        ...

    def read(self, body: Json, *, tenant: str, namespace: str, extra: Mapping[str, str]) -> Reading:
        """Read a request. `extra` is what else must match: query string, beta headers."""
        ...

    def with_usage(self, body: Json) -> bytes | None:
        """The request, asking for usage as well; None when it does, or cannot."""
        ...

    def name_of(self, frame: bytes) -> str:
        """The `event:` field that a payload is sent with; "" for none."""
        ...

    def watch(self) -> Progress:
        """A new watch over a stream."""
        ...

    def unfold(self, answer: Json, *, include_usage: bool) -> Iterable[bytes]:
        """The JSON answer as a stream's payloads, without the end marker."""
        ...

    def usage_frame(self, answer: Json) -> bytes | None:
        """The payload that tells an answer's usage; None when the answer has none."""
        ...

    def is_usage_frame(self, frame: bytes) -> bool:
        """Whether a payload tells the usage and nothing else."""
        ...

    def is_answer(self, answer: Json) -> bool:
        """Whether a JSON object has the shape of this API's answers."""
        ...

    def facts(self, answer: Json) -> AnswerFacts:
        """What decides whether an answer may be kept."""
        ...

    def usage_of(self, answer: Json) -> Usage | None:
        """The tokens the origin counted."""
        ...

    def texts_of(self, body: Json, answer: Json) -> tuple[str, str]:
        """A request's text and its answer's, to count tokens where the origin did not."""
        ...

    def said(self, answer: Json) -> tuple[str, ...] | None:
        """What each choice says to the caller, to be compared; None where one calls a tool."""
        ...

    def stamp(self, token: str, created: int, body: Json) -> Stamp:
        """What a replay of an answer to this request has of its own; the token is random hex."""
        ...

    def refresh(self, payload: bytes, stamp: Stamp) -> bytes:
        """A body or frame with what the stamp says, where it has such fields."""
        ...
