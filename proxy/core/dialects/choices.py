"""What chat and text completions have in common: answers of choices."""

import re
from typing import Final

from proxy.core.canonical import dumps
from proxy.core.dialects.base import Json
from proxy.core.dialects.counting import cached_in, counted
from proxy.core.dialects.payloads import glance
from proxy.core.dialects.reader import UnknownShapeError
from proxy.core.model import Usage

END: Final = b"[DONE]"

CHUNK_ONLY: Final = frozenset({"choices", "object", "obfuscation"})
"""What a chunk has its own of. Padding against reading a stream by its packet sizes is no part of
the answer."""


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


def is_error(chunk: Json) -> bool:
    """Whether a chunk, or an answer, tells of an error."""
    return chunk.get("error") is not None or chunk.get("object") == "error"


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
    return isinstance(answer.get("choices"), list) and not is_error(answer)


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
