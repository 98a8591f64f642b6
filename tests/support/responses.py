"""What the scripted origin says to a Responses request: the answer, and its events as OpenAI's.

The text is a function of everything that must be part of the key, so a wrong hit is visible as a
wrong text. Ids and times differ from call to call, as a real origin's do.
"""

import hashlib
import json
from collections.abc import Iterator
from typing import Any

Json = dict[str, Any]

ECHOED = ("metadata", "prompt_cache_key", "safety_identifier", "service_tier", "store", "user")
NOT_IN_TEXT = frozenset({"stream", "stream_options", *ECHOED})
"""What may differ between two requests that have the same answer."""

SHAPING = ("instructions", "max_output_tokens", "temperature", "text", "tool_choice", "tools")
"""What an answer repeats and is part of the key."""


def last_text(body: Json) -> str:
    """The text of the last item."""
    told = body.get("input")
    if not isinstance(told, list):
        return str(told)
    content = told[-1].get("content", told[-1].get("output"))
    if isinstance(content, list):
        return " ".join(str(part.get("text", "")) for part in content)
    return str(content)


def text_for(body: Json, key: str = "") -> str:
    """The answer's text: it names the question, and a digest of all that it depends on."""
    said = {name: value for name, value in body.items() if name not in NOT_IN_TEXT}
    marked = json.dumps([said, key], sort_keys=True).encode()
    return f"Answer {hashlib.sha256(marked).hexdigest()[:12]} to: {last_text(body)}"


def message(number: int, text: str, refusal: str | None = None) -> Json:
    """A message of one part."""
    part: Json = {"type": "output_text", "text": text, "annotations": [], "logprobs": []}
    if refusal is not None:
        part = {"type": "refusal", "refusal": refusal}
    return {
        "id": f"msg_{number}",
        "type": "message",
        "status": "completed",
        "role": "assistant",
        "content": [part],
    }


def reasoning(number: int) -> Json:
    """A thought, told in two summaries."""
    parts = [{"type": "summary_text", "text": text} for text in ("First this.", "Then **that**.")]
    return {"id": f"rs_{number}", "type": "reasoning", "summary": parts, "encrypted_content": "x"}


def calls(body: Json, number: int) -> list[Json]:
    """Two calls of the first tool, with arguments that name the question."""
    tool = body["tools"][0]
    said = [json.dumps({"question": last_text(body), "number": index}) for index in range(2)]
    if tool["type"] == "custom":
        return [
            {
                "id": f"ctc_{number}_{index}",
                "type": "custom_tool_call",
                "status": "completed",
                "call_id": f"call_{number}_{index}",
                "name": tool["name"],
                "input": text,
            }
            for index, text in enumerate(said)
        ]
    return [
        {
            "id": f"fc_{number}_{index}",
            "type": "function_call",
            "status": "completed",
            "call_id": f"call_{number}_{index}",
            "name": tool["name"],
            "arguments": text,
        }
        for index, text in enumerate(said)
    ]


def response(body: Json, output: list[Json], number: int, status: str = "completed") -> Json:
    """The whole answer, in OpenAI's order of fields."""
    reason = {"reason": "max_output_tokens"} if status == "incomplete" else None
    error = {"code": "server_error", "message": "no"} if status == "failed" else None
    said = len(json.dumps(output).split())
    return {
        "id": f"resp_origin_{number}",
        "object": "response",
        "created_at": 1_700_000_000 + number,
        "status": status,
        "background": False,
        "completed_at": 1_700_000_001 + number if status == "completed" else None,
        "error": error,
        "incomplete_details": reason,
        "model": body["model"],
        "output": output,
        "parallel_tool_calls": True,
        "previous_response_id": body.get("previous_response_id"),
        "top_p": 1.0,
        "truncation": "disabled",
        "usage": {
            "input_tokens": 7,
            "input_tokens_details": {"cached_tokens": 2},
            "output_tokens": said,
            "output_tokens_details": {"reasoning_tokens": 1},
            "total_tokens": said + 7,
        },
        **{name: body.get(name) for name in SHAPING},
        "tool_choice": body.get("tool_choice", "auto"),
        "tools": body.get("tools", []),
        "temperature": body.get("temperature", 1.0),
        "metadata": body.get("metadata") or {},
        "prompt_cache_key": body.get("prompt_cache_key"),
        "safety_identifier": body.get("safety_identifier"),
        "service_tier": "default",
        "store": body.get("store", True),
        "user": body.get("user"),
    }


def events(answer: Json) -> list[Json]:
    """The answer's events, numbered."""
    last = {"completed": "completed", "incomplete": "incomplete", "failed": "failed"}
    begun = {**answer, "status": "in_progress", "output": [], "usage": None, "completed_at": None}
    begun = {**begun, "error": None, "incomplete_details": None}
    told: list[Json] = [
        {"type": "response.created", "response": begun},
        {"type": "response.in_progress", "response": begun},
    ]
    for index, item in enumerate(answer["output"]):
        told.extend(_item(item, index))
    told.append({"type": f"response.{last[answer['status']]}", "response": answer})
    return [
        {"type": event.pop("type"), "sequence_number": number, **event}
        for number, event in enumerate(told)
    ]


def _item(item: Json, index: int) -> Iterator[Json]:
    at = {"item_id": item["id"], "output_index": index}
    begun = {**item, "status": "in_progress"}
    emptied = {"content": [], "summary": [], "arguments": "", "input": ""}
    begun.update({name: value for name, value in emptied.items() if name in item})
    if "status" not in item:
        del begun["status"]
    yield {"type": "response.output_item.added", "output_index": index, "item": begun}
    for name, kind in (
        ("arguments", "function_call_arguments"),
        ("input", "custom_tool_call_input"),
    ):
        if name in item:
            for piece in pieces(item[name]):
                yield {"type": f"response.{kind}.delta", **at, "delta": piece, "obfuscation": "aB3"}
            yield {"type": f"response.{kind}.done", **at, name: item[name]}
    for number, part in enumerate(item.get("summary", ())):
        yield from _summary(part, {**at, "summary_index": number})
    for number, part in enumerate(item.get("content", ())):
        yield from _part(part, {**at, "content_index": number})
    yield {"type": "response.output_item.done", "output_index": index, "item": item}


def _summary(part: Json, at: Json) -> Iterator[Json]:
    yield {"type": "response.reasoning_summary_part.added", **at, "part": {**part, "text": ""}}
    for piece in pieces(part["text"]):
        yield {"type": "response.reasoning_summary_text.delta", **at, "delta": piece}
    yield {"type": "response.reasoning_summary_text.done", **at, "text": part["text"]}
    yield {"type": "response.reasoning_summary_part.done", **at, "part": part}


def _part(part: Json, at: Json) -> Iterator[Json]:
    name = "refusal" if part["type"] == "refusal" else "text"
    kind = "refusal" if name == "refusal" else "output_text"
    more: Json = {} if name == "refusal" else {"logprobs": []}
    yield {"type": "response.content_part.added", **at, "part": {**part, name: ""}}
    for piece in pieces(part[name]):
        yield {
            "type": f"response.{kind}.delta",
            **at,
            "delta": piece,
            **more,
            "obfuscation": "x" * (9 - len(piece) % 8),
        }
    yield {"type": f"response.{kind}.done", **at, name: part[name], **more}
    yield {"type": "response.content_part.done", **at, "part": part}


def pieces(text: str) -> list[str]:
    """A text cut as no tokenizer would, so that its boundaries can be told from our own."""
    return [text[start : start + 7] for start in range(0, len(text), 7)]


def framed(told: list[Json]) -> list[bytes]:
    """Events as they go over the wire."""
    return [
        b"event: %s\ndata: %s\n\n" % (event["type"].encode(), json.dumps(event).encode())
        for event in told
    ]


ERROR: Json = {
    "type": "error",
    "sequence_number": 9,
    "code": "server_error",
    "message": "overloaded",
    "param": None,
}


def output_for(body: Json, number: int, *, key: str, text: str | None, **more: Any) -> list[Json]:
    """The items of an answer: thoughts, then calls or a message, as `Act` says."""
    output = [reasoning(number)] if "reasoning" in body else []
    if more["calls"]:
        return output + calls(body, number)
    said = text_for(body, key) if text is None else text
    return [*output, message(number, said, more["refusal"])]
