"""An origin for others' test suites: it refuses what is no request, and leaves out no field.

The scripted origin of the other tests takes its callers at their word.
"""

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from tests.support.origin import Act, Headers, Received, ScriptedOrigin

Json = dict[str, Any]

REQUIRED: Final[Mapping[str, tuple[str, ...]]] = {
    "/v1/chat/completions": ("model", "messages"),
    "/v1/responses": ("model", "input"),
    "/v1/completions": ("model", "prompt"),
    "/v1/embeddings": ("model", "input"),
    "/v1/messages": ("model", "messages", "max_tokens"),
}
"""What a request must have, by path."""

CALLS: Final = ("required", {"type": "any"})
"""Values of `tool_choice` that ask for a call."""

FIELDS: Final[Mapping[str, Json]] = {
    "response": {
        "presence_penalty": 0,
        "frequency_penalty": 0,
        "top_logprobs": 0,
        "reasoning": None,
        "max_tool_calls": None,
    },
    "message": {"stop_details": None, "container": None},
    "usage": {
        "inference_geo": None,
        "server_tool_use": None,
        "output_tokens_details": {"thinking_tokens": 0},
    },
    "text": {"citations": None},
    "tool_use": {"caller": {"type": "direct"}},
    "said": {"annotations": []},
}
"""What the APIs' own documents require beside what the scripted origin says, by object."""


class CarefulOrigin(ScriptedOrigin):
    """The server."""

    def _composed(self, received: Received, act: Act) -> tuple[int, Headers, list[bytes]]:
        path = received.path.partition("?")[0]
        if received.method != "POST" or path not in REQUIRED:
            return _refusal(path, 404, f"Unknown request URL: {received.method} {path}.")
        try:
            body = received.json
            missing = [name for name in REQUIRED[path] if not _is_given(body, name)]
            if missing:
                return _refusal(path, 400, f"Missing required parameter: {missing[0]!r}.")
            if body.get("tool_choice") in CALLS:
                act = replace(act, calls=True)
            status, headers, pieces = super()._composed(received, act)
            return status, headers, [_filled_piece(piece) for piece in pieces]
        except (
            AttributeError,
            IndexError,
            KeyError,
            MemoryError,
            RecursionError,
            TypeError,
            ValueError,
        ):
            return _refusal(path, 400, "The request cannot be read.")


def _is_given(body: Json, name: str) -> bool:
    value = body.get(name)
    if name == "max_tokens":
        return isinstance(value, int) and value > 0
    return isinstance(value, str) or (isinstance(value, list) and bool(value))


def _refusal(path: str, status: int, message: str) -> tuple[int, Headers, list[bytes]]:
    kind = "not_found_error" if status == 404 else "invalid_request_error"
    error: Json = {"message": message, "type": kind, "param": None, "code": None}
    told: Json = {"error": error}
    if path == "/v1/messages":
        told = {"type": "error", "error": {"type": kind, "message": message}, "request_id": None}
    return status, (("content-type", "application/json"),), [json.dumps(told).encode()]


def _filled_piece(piece: bytes) -> bytes:
    """A body, or an event of a stream, with the fields that lack."""
    head, mark, payload = piece.rpartition(b"data: ")
    if payload.startswith(b"[DONE]"):
        return piece
    filled = json.dumps(_filled(json.loads(payload))).encode()
    return head + mark + filled + (b"\n\n" if mark else b"")


def _filled(value: Any) -> Any:
    if isinstance(value, list):
        return [_filled(one) for one in value]
    if not isinstance(value, dict):
        return value
    inner = {name: _filled(one) for name, one in value.items()}
    return {**FIELDS.get(_kind(inner), {}), **inner, **_amended(inner)}


def _kind(value: Json) -> str:
    """Which of the objects that have more fields this is; "" for none."""
    if value.get("object") == "response":
        return "response"
    if value.get("type") == "message" and "stop_reason" in value:
        return "message"
    if "cache_creation" in value:
        return "usage"
    if value.get("type") in {"text", "tool_use"} and "cache_control" not in value:
        return str(value["type"])
    return "said" if value.get("role") == "assistant" and "refusal" in value else ""


def _amended(value: Json) -> Json:
    """Fields that are there, and not as the document has them."""
    if value.get("object") != "response":
        return {}
    tools = [{"strict": None, "description": None, **tool} for tool in value.get("tools") or ()]
    return {"text": value.get("text") or {"format": {"type": "text"}}, "tools": tools}
