"""What the scripted origin says to an Anthropic Messages request: the answer, and its events.

The text is a function of everything that must be part of the key, so a wrong hit is visible as a
wrong text. Ids differ from call to call, as a real origin's do.
"""

import hashlib
import json
from collections.abc import Iterator
from typing import Any

from tests.support.responses import pieces

Json = dict[str, Any]

NOT_IN_TEXT = frozenset({"stream", "metadata", "service_tier", "cache_control", "speed"})
"""What may differ between two requests that have the same answer."""


def last_text(body: Json) -> str:
    """The text of the last message."""
    content = body["messages"][-1]["content"]
    if isinstance(content, str):
        return content
    return " ".join(str(block.get("text", "")) for block in content)


def text_for(body: Json, key: str) -> str:
    """The answer's text: it names the question, and a digest of all that it depends on."""
    said = {name: value for name, value in body.items() if name not in NOT_IN_TEXT}
    marked = json.dumps([said, key], sort_keys=True).encode()
    return f"Answer {hashlib.sha256(marked).hexdigest()[:12]} to: {last_text(body)}"


def content_for(body: Json, number: int, *, key: str, text: str | None, calls: bool) -> list[Json]:
    """The blocks of an answer: a thought, then a text, then calls, as `Act` says."""
    content: list[Json] = []
    if "thinking" in body:
        content.append({"type": "thinking", "thinking": "Let me see. Yes.", "signature": "sig=="})
    said = text_for(body, key) if text is None else text
    content.append({"type": "text", "text": said})
    if calls:
        content += [
            {
                "type": "tool_use",
                "id": f"toolu_{number}_{index}",
                "name": body["tools"][0]["name"],
                "input": {"question": last_text(body), "number": index} if index else {},
            }
            for index in range(2)
        ]
    return content


def message(body: Json, content: list[Json], number: int, stop: str) -> Json:
    """The whole answer, in Anthropic's order of fields."""
    return {
        "id": f"msg_origin_{number}",
        "type": "message",
        "role": "assistant",
        "model": body["model"],
        "content": content,
        "stop_reason": stop,
        "stop_sequence": None,
        "usage": {
            "input_tokens": 7,
            "cache_creation_input_tokens": 1,
            "cache_read_input_tokens": 2,
            "cache_creation": {"ephemeral_5m_input_tokens": 1, "ephemeral_1h_input_tokens": 0},
            "output_tokens": len(json.dumps(content).split()),
            "service_tier": "standard",
        },
    }


ERROR: Json = {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}


def events(answer: Json) -> Iterator[Json]:
    """The answer's events, with a ping after the first block's start."""
    usage = {**answer["usage"], "output_tokens": 2}
    begun = {**answer, "content": [], "stop_reason": None, "usage": usage}
    yield {"type": "message_start", "message": begun}
    for index, block in enumerate(answer["content"]):
        yield {"type": "content_block_start", "index": index, "content_block": _empty(block)}
        if index == 0:
            yield {"type": "ping"}
        for delta in _deltas(block):
            yield {"type": "content_block_delta", "index": index, "delta": delta}
        yield {"type": "content_block_stop", "index": index}
    ends = {name: answer[name] for name in ("stop_reason", "stop_sequence")}
    late = {"output_tokens": answer["usage"]["output_tokens"]}
    yield {"type": "message_delta", "delta": ends, "usage": late}
    yield {"type": "message_stop"}


def _empty(block: Json) -> Json:
    match block["type"]:
        case "text":
            return {**block, "text": ""}
        case "thinking":
            return {**block, "thinking": "", "signature": ""}
        case _:
            return {**block, "input": {}}


def _deltas(block: Json) -> Iterator[Json]:
    match block["type"]:
        case "text":
            yield from ({"type": "text_delta", "text": piece} for piece in pieces(block["text"]))
        case "thinking":
            for piece in pieces(block["thinking"]):
                yield {"type": "thinking_delta", "thinking": piece}
            yield {"type": "signature_delta", "signature": block["signature"]}
        case _:
            yield {"type": "input_json_delta", "partial_json": ""}
            told = json.dumps(block["input"]) if block["input"] else ""
            for piece in pieces(told):
                yield {"type": "input_json_delta", "partial_json": piece}
