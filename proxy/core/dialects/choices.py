"""What chat and text completions have in common: answers of choices, streamed in chunks of choices.

Fields of the chunk are told, not streamed: the last value counts. What a choice's own fields mean
is the dialect's; so is which stream does not merge: it is refused, passed on but not kept.
"""

import re
from collections.abc import Callable, Iterable
from typing import Final

from proxy.core.canonical import dumps
from proxy.core.dialects.base import Json, UnreadableFrameError
from proxy.core.dialects.counting import cached_in, counted
from proxy.core.dialects.deltas import settle
from proxy.core.dialects.payloads import glance, has_halves, healed, parse
from proxy.core.dialects.reader import UnknownShapeError
from proxy.core.model import Usage

END: Final = b"[DONE]"

CHUNK_ONLY: Final = frozenset({"choices", "object", "obfuscation"})
"""What a chunk has its own of. Padding against reading a stream by its packet sizes is no part of
the answer."""

_FIRST: Final = ("id", "object", "created", "model", "choices", "usage")
"""The order in which OpenAI writes an answer's fields; all others follow."""

Choices = dict[int, Json]
"""What a stream has told so far, by the choice's index."""


def with_usage(body: Json) -> bytes | None:
    """The request with `stream_options.include_usage`; None when it has it or is no stream."""
    options = body.get("stream_options") or {}
    if body.get("stream") is not True or "include_usage" in options:
        return None
    return dumps({**body, "stream_options": {**options, "include_usage": True}})


def delivery(body: Json) -> tuple[bool, bool]:
    """(streams, with usage).

    Raises UnknownShapeError where it says neither true nor false, and origins may differ.
    """
    stream, options = body.get("stream"), body.get("stream_options")
    if not isinstance(stream, bool | None) or not isinstance(options, dict | None):
        raise UnknownShapeError("stream")
    return stream is True, options is not None and options.get("include_usage") is True


class ChoicesProgress:
    """Watches one stream: which choices were seen, which have finished, and whether it ended."""

    def __init__(self) -> None:
        self._seen: set[int] = set()
        self._finished: set[int] = set()
        self._has_failed = False
        self._has_ended = False

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
        if data.strip() == END:
            self._has_ended = True
            return
        try:
            chunk = glance(data)
            if _is_error(chunk):
                self._has_failed = True
                return
            for choice in chunk.get("choices") or ():
                self._seen.add(choice.get("index", 0))
                if choice.get("finish_reason"):
                    self._finished.add(choice.get("index", 0))
        except (ValueError, AttributeError, TypeError):
            self._has_failed = True


def _is_error(chunk: Json) -> bool:
    return chunk.get("error") is not None or chunk.get("object") == "error"


def fold(
    frames: Iterable[bytes],
    kind: str,
    add: Callable[[Choices, Json], None],
    closed: Callable[[Json], Json] = lambda choice: choice,
) -> Json:
    """The answer that the chunks amount to.

    Args:
        frames: The stream's payloads, without the end marker.
        kind: The answer's `object`.
        add: Takes one chunk's part of a choice to what is known; raises TypeError or ValueError
            for what does not merge.
        closed: A choice, once nothing more can come.

    Raises:
        UnreadableFrameError: A payload is no such chunk, or the parts do not merge.
    """
    answer: Json = {}
    choices: Choices = {}
    is_torn = False
    try:
        for frame in frames:
            chunk = parse(frame)
            is_torn = is_torn or has_halves(frame)
            if _is_error(chunk):
                raise UnreadableFrameError("the stream carries an error")
            settle(answer, ((k, v) for k, v in chunk.items() if k not in CHUNK_ONLY))
            for part in chunk.get("choices") or ():
                add(choices, part)
        answer["object"] = kind
        answer["choices"] = [closed(choices[index]) for index in sorted(choices)]
        if is_torn:
            answer = healed(answer)
    except (ValueError, AttributeError, TypeError, LookupError) as error:
        if isinstance(error, UnreadableFrameError):
            raise
        raise UnreadableFrameError(f"not a {kind} chunk: {error}") from error
    first = {name: answer[name] for name in _FIRST if name in answer}
    return first | answer


_NO_CHOICES: Final = re.compile(rb'"choices"\s*:\s*\[\s*\]')


def is_usage_frame(frame: bytes) -> bool:
    """Whether a chunk has no choices, but usage."""
    if not _NO_CHOICES.search(frame):  # nearly all chunks: spared the parsing
        return False
    try:
        chunk = glance(frame)
    except ValueError:
        return False
    return isinstance(chunk, dict) and chunk.get("choices") == [] and chunk.get("usage") is not None


def is_answer(answer: Json) -> bool:
    """Whether a JSON object is an answer of choices, and no error beside them."""
    return isinstance(answer.get("choices"), list) and not _is_error(answer)


def usage_of(answer: Json) -> Usage | None:
    """The tokens the origin counted."""
    usage = answer.get("usage")
    if not isinstance(usage, dict):
        return None
    return counted(
        usage.get("prompt_tokens"),
        usage.get("completion_tokens"),
        cached_in(usage, "prompt_tokens_details"),
        answer.get("service_tier"),
    )
