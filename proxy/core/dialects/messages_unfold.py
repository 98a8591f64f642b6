"""A whole message as Anthropic would have streamed it.

The message without content, then block after block: started empty, its text in words, stopped; then
why it stopped and what it cost, and the end. What is not text comes whole with its block's start.
"""

from collections.abc import Iterator
from typing import Any, Final

from proxy.core.canonical import dumps
from proxy.core.dialects.base import Json
from proxy.core.dialects.pieces import words

_ENDS: Final = ("stop_reason", "stop_sequence", "stop_details", "container")
"""What a message has only at its end."""

_BESIDE: Final = ("context_management",)
"""The same, told beside the others."""

_LATE_COUNTS: Final = (
    "input_tokens",
    "cache_creation_input_tokens",
    "cache_read_input_tokens",
    "output_tokens",
    "output_tokens_details",
    "server_tool_use",
)
"""What is counted again at the end."""


def unfold(answer: Json, *, include_usage: bool) -> list[bytes]:  # noqa: ARG001 - always told
    """The answer's events."""
    return list(map(dumps, _events(answer)))


def _events(answer: Json) -> Iterator[Json]:
    ends = {name: answer[name] for name in _ENDS if name in answer}
    usage = answer.get("usage")
    beside = {name: answer[name] for name in _BESIDE if name in answer}
    untold: Json = dict.fromkeys([*ends, *beside])
    begun = {**answer, "content": [], **untold}
    late: Json = {}
    if isinstance(usage, dict):
        late = {name: usage[name] for name in _LATE_COUNTS if usage.get(name) is not None}
        begun["usage"] = {**usage, "output_tokens": 1} if "output_tokens" in late else usage
    yield {"type": "message_start", "message": begun}
    content = answer.get("content")
    blocks = [b for b in (content if isinstance(content, list) else ()) if isinstance(b, dict)]
    for index, block in enumerate(blocks):
        started, deltas = _cut(block)
        yield {"type": "content_block_start", "index": index, "content_block": started}
        for delta in deltas:
            yield {"type": "content_block_delta", "index": index, "delta": delta}
        yield {"type": "content_block_stop", "index": index}
    yield {"type": "message_delta", "delta": ends, **beside, "usage": late}
    yield {"type": "message_stop"}


def _cut(block: Json) -> tuple[Json, list[Json]]:
    """(the block as it starts, its pieces)."""
    kind, said = block.get("type"), block.get(str(block.get("type")))
    match kind:
        case "text" if isinstance(said, str):
            return _cut_text(block, said)
        case "thinking" if isinstance(said, str):
            return _cut_thinking(block, said)
        case "tool_use" if isinstance(block.get("input"), dict):
            passed = dumps(block["input"]).decode() if block["input"] else ""
            pieces = words(passed) or [""]
            deltas = [{"type": "input_json_delta", "partial_json": piece} for piece in pieces]
            return {**block, "input": {}}, deltas
        case _:
            return block, []


def _cut_text(block: Json, said: str) -> tuple[Json, list[Json]]:
    deltas: list[Json] = [{"type": "text_delta", "text": piece} for piece in words(said)]
    started: Json = {**block, "text": ""}
    citations: Any = block.get("citations")
    if isinstance(citations, list):
        started["citations"] = []
        deltas += [{"type": "citations_delta", "citation": citation} for citation in citations]
    return started, deltas


def _cut_thinking(block: Json, said: str) -> tuple[Json, list[Json]]:
    deltas: list[Json] = [{"type": "thinking_delta", "thinking": piece} for piece in words(said)]
    started: Json = {**block, "thinking": ""}
    if isinstance(signature := block.get("signature"), str):
        started["signature"] = ""
        deltas.append({"type": "signature_delta", "signature": signature})
    return started, deltas
