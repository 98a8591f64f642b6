"""What the scripted origin says to a chat completion request.

The text is a function of everything that must be part of the key, so a wrong hit is visible as a
wrong text. Ids and times differ from call to call, as a real origin's do.
"""

import hashlib
import json
from collections.abc import Iterator
from typing import Any

Json = dict[str, Any]

NOT_IN_TEXT = frozenset({"stream", "stream_options", "user", "metadata", "safety_identifier"})
"""What may differ between two requests that have the same answer."""


def text_for(body: Json, key: str = "") -> str:
    """The answer's text: it names the question, and a digest of all that it depends on."""
    said = {name: value for name, value in body.items() if name not in NOT_IN_TEXT}
    marked = json.dumps([said, key], sort_keys=True).encode()
    return f"Answer {hashlib.sha256(marked).hexdigest()[:12]} to: {last_text(body)}"


def last_text(body: Json) -> str:
    """The text of the last message."""
    content = body["messages"][-1].get("content")
    if isinstance(content, list):
        return " ".join(str(part.get("text", "")) for part in content)
    return str(content)


def choice_for(index: int, text: str) -> Json:
    """A plain choice; the second one and later say which they are."""
    said = text if index == 0 else f"{text} ({index})"
    return {
        "index": index,
        "message": {"role": "assistant", "content": said, "refusal": None},
        "logprobs": None,
        "finish_reason": "stop",
    }


def calling_choice(body: Json, index: int) -> Json:
    """A choice that calls the first tool offered, twice, with arguments that name the question."""
    name = body["tools"][0]["function"]["name"]
    calls = [
        {
            "id": f"call_{number}",
            "type": "function",
            "function": {
                "name": name,
                "arguments": json.dumps({"question": last_text(body), "number": number}),
            },
        }
        for number in range(2)
    ]
    return {
        "index": index,
        "message": {"role": "assistant", "content": None, "refusal": None, "tool_calls": calls},
        "logprobs": None,
        "finish_reason": "tool_calls",
    }


def completion(body: Json, choices: list[Json], number: int) -> Json:
    """The whole answer."""
    prompt = sum(len(str(message.get("content")).split()) for message in body["messages"])
    said = sum(len(str(choice["message"]).split()) for choice in choices)
    return {
        "id": f"chatcmpl-origin-{number}",
        "object": "chat.completion",
        "created": 1_700_000_000 + number,
        "model": body["model"],
        "choices": choices,
        "usage": {
            "prompt_tokens": prompt,
            "completion_tokens": said,
            "total_tokens": prompt + said,
            "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
            "completion_tokens_details": {"reasoning_tokens": 0},
        },
        "system_fingerprint": "fp_origin",
        "service_tier": "default",
    }


def chunks(answer: Json, *, include_usage: bool) -> Iterator[Json]:
    """The answer as OpenAI streams it, choices interleaved as they come."""
    head = {name: answer[name] for name in answer if name not in {"choices", "usage", "object"}}
    head = {**head, "object": "chat.completion.chunk"}
    if include_usage:
        head["usage"] = None
    streams = [list(_deltas(choice)) for choice in answer["choices"]]
    for step in range(max(map(len, streams))):
        for choice, stream in zip(answer["choices"], streams, strict=True):
            if step < len(stream):
                delta, finish = stream[step]
                part = {
                    "index": choice["index"],
                    "delta": delta,
                    "logprobs": None,
                    "finish_reason": finish,
                }
                yield {**head, "choices": [part]}
    if include_usage:
        yield {**head, "choices": [], "usage": answer["usage"]}


def _deltas(choice: Json) -> Iterator[tuple[Json, str | None]]:
    message = choice["message"]
    if message.get("tool_calls"):
        yield {"role": "assistant", "content": None}, None
        yield from _call_deltas(message["tool_calls"])
    elif message.get("refusal"):
        yield {"role": "assistant", "content": None, "refusal": ""}, None
        for word in _words(message["refusal"]):
            yield {"refusal": word}, None
    else:
        yield {"role": "assistant", "content": "", "refusal": None}, None
        for word in _words(message["content"] or ""):
            yield {"content": word}, None
    yield {}, choice["finish_reason"]


def _call_deltas(calls: list[Json]) -> Iterator[tuple[Json, None]]:
    for index, call in enumerate(calls):
        function = call["function"]
        opening = {"index": index, **call, "function": {**function, "arguments": ""}}
        yield {"tool_calls": [opening]}, None
        for start in range(0, len(function["arguments"]), 7):
            piece = {"arguments": function["arguments"][start : start + 7]}
            yield {"tool_calls": [{"index": index, "function": piece}]}, None


def _words(text: str) -> Iterator[str]:
    for number, word in enumerate(text.split(" ")):
        yield word if number == 0 else f" {word}"
