"""A whole response as OpenAI would have streamed it.

Created and in progress, without output; then item after item, part after part: added, its text in
words, done; then the last event with the whole answer. What is not text comes whole with its item.
"""

from collections.abc import Iterator
from typing import Final

from proxy.core.canonical import dumps
from proxy.core.dialects.base import Json
from proxy.core.dialects.pieces import by_tokens, words
from proxy.core.dialects.responses_answer import CALLS, parts_of
from proxy.core.dialects.responses_stream import ENDS

Event = tuple[str, Json]
"""(its type, its fields)."""

_UNTOLD: Final = ("completed_at", "error", "incomplete_details", "usage")
"""What is null until the answer has ended."""

_CALL_EVENTS: Final = {
    "function_call": "response.function_call_arguments",
    "custom_tool_call": "response.custom_tool_call_input",
}
_TEXT_EVENTS: Final = {
    "output_text": ("text", "response.output_text"),
    "refusal": ("refusal", "response.refusal"),
    "reasoning_text": ("text", "response.reasoning_text"),
}
"""A part's type: its field of text, and the beginning of its events' types."""


def unfold(answer: Json, *, include_usage: bool) -> list[bytes]:  # noqa: ARG001 - always told
    """The answer's events, numbered."""
    return [
        dumps({"type": name, "sequence_number": number, **fields})
        for number, (name, fields) in enumerate(_events(answer))
    ]


def _events(answer: Json) -> Iterator[Event]:
    untold: Json = {name: None for name in _UNTOLD if name in answer}
    begun = {**answer, "status": "in_progress", "output": [], **untold}
    yield "response.created", {"response": begun}
    yield "response.in_progress", {"response": begun}
    output = answer.get("output")
    for index, item in enumerate(output if isinstance(output, list) else ()):
        if isinstance(item, dict):
            yield from _item_events(item, index)
    yield ENDS.get(str(answer.get("status")), ENDS["completed"]), {"response": answer}


def _item_events(item: Json, index: int) -> Iterator[Event]:
    at = {"item_id": item.get("id") or "", "output_index": index}
    kind = str(item.get("type"))
    yield "response.output_item.added", {"output_index": index, "item": _begun(item)}
    if kind in CALLS:
        yield from _call_events(item, kind, at)
    elif kind in ("message", "reasoning"):
        for number, part in enumerate(parts_of(item, "summary")):
            yield from _summary_events(part, {**at, "summary_index": number})
        for number, part in enumerate(parts_of(item)):
            yield from _part_events(part, {**at, "content_index": number})
    yield "response.output_item.done", {"output_index": index, "item": item}


def _begun(item: Json) -> Json:
    """An item before anything of it was told."""
    begun = dict(item)
    if item.get("type") in ("message", "reasoning"):
        begun.update({n: [] for n in ("content", "summary") if isinstance(item.get(n), list)})
    passed = CALLS.get(str(item.get("type")))
    if passed is not None and isinstance(item.get(passed), str):
        begun[passed] = ""
    if "status" in item:
        begun["status"] = "in_progress"
    return begun


def _call_events(item: Json, kind: str, at: Json) -> Iterator[Event]:
    field, name = CALLS[kind], _CALL_EVENTS[kind]
    passed = item.get(field)
    if isinstance(passed, str):
        yield from ((f"{name}.delta", {**at, "delta": text}) for text in words(passed))
        yield f"{name}.done", {**at, field: passed}


def _summary_events(part: Json, at: Json) -> Iterator[Event]:
    text = part.get("text")
    if not isinstance(text, str):
        text = ""
    yield "response.reasoning_summary_part.added", {**at, "part": {**part, "text": ""}}
    for piece in words(text):
        yield "response.reasoning_summary_text.delta", {**at, "delta": piece}
    yield "response.reasoning_summary_text.done", {**at, "text": text}
    yield "response.reasoning_summary_part.done", {**at, "part": part}


def _part_events(part: Json, at: Json) -> Iterator[Event]:
    field, name = _TEXT_EVENTS.get(str(part.get("type")), ("", ""))
    text = part.get(field)
    if not isinstance(text, str):
        yield "response.content_part.added", {**at, "part": part}
        yield "response.content_part.done", {**at, "part": part}
        return
    lists: Json = {n: [] for n in ("annotations", "logprobs") if isinstance(part.get(n), list)}
    yield "response.content_part.added", {**at, "part": {**part, field: "", **lists}}
    if field == "text" and name == "response.output_text":
        yield from _text_events(part, text, name, at)
    else:
        yield from ((f"{name}.delta", {**at, "delta": piece}) for piece in words(text))
        yield f"{name}.done", {**at, field: text}
    yield "response.content_part.done", {**at, "part": part}


def _text_events(part: Json, text: str, name: str, at: Json) -> Iterator[Event]:
    """A text's pieces with their log-probabilities, then its annotations."""
    told = part.get("logprobs")
    logprobs = told if isinstance(told, list) else []
    pieces = by_tokens(text, logprobs) if logprobs else None
    for piece, tokens in pieces or [(word, []) for word in words(text)]:
        yield f"{name}.delta", {**at, "delta": piece, "logprobs": tokens}
    annotations = part.get("annotations")
    for number, annotation in enumerate(annotations if isinstance(annotations, list) else ()):
        noted = {"annotation_index": number, "annotation": annotation}
        yield f"{name}.annotation.added", {**at, **noted}
    yield f"{name}.done", {**at, "text": text, "logprobs": logprobs}
