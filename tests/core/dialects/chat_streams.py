"""Chat completions as an origin might stream them: cut anywhere, choices and calls interleaved.

Written apart from the program's own way to stream, so that one can be held against the other.
"""

from collections.abc import Iterator
from random import Random
from typing import Any, Final

from hypothesis import strategies as st

from tests.core.builders import Json
from tests.core.dialects.chat_answers import answers

_TEXTS: Final = ("reasoning_content", "reasoning", "content", "refusal")


@st.composite
def streamed(draw: Any) -> tuple[Json, list[Json]]:
    """An answer, and chunks that amount to it."""
    answer = draw(answers())
    return answer, told(answer, Random(draw(st.integers(0, 2**32))))


def told(answer: Json, chance: Random) -> list[Json]:
    """The chunks of a stream, usage included."""
    apart = {"choices", "usage", "object"}
    head = {name: value for name, value in answer.items() if name not in apart}
    head["object"] = "chat.completion.chunk"
    if "usage" in answer:
        head["usage"] = None
    streams = [list(_choice(choice, chance)) for choice in answer["choices"]]
    openings = [stream.pop(0) for stream in streams]  # in order: an SDK counts on it
    chunks = [{**head, "choices": [part]} for part in [*openings, *_mixed(streams, chance)]]
    if answer.get("usage") is not None:
        chunks.append({**head, "choices": [], "usage": answer["usage"]})
    return chunks


def _mixed(streams: list[list[Json]], chance: Random) -> Iterator[Json]:
    """All of several streams, each in its own order."""
    waiting = [list(stream) for stream in streams if stream]
    while waiting:
        stream = chance.choice(waiting)
        yield stream.pop(0)
        waiting = [stream for stream in waiting if stream]


def _choice(choice: Json, chance: Random) -> Iterator[Json]:
    begin: Json = {"index": choice["index"], "finish_reason": None}
    if "logprobs" in choice:
        begin["logprobs"] = None
    extra = {n: value for n, value in choice.items() if n != "message" and n not in begin}
    message = choice["message"]
    opening = {name: _begun(name, value) for name, value in message.items() if name != "tool_calls"}
    yield {**begin, **extra, "delta": opening}
    logprobs = choice.get("logprobs")
    if logprobs is not None:
        yield {**begin, "delta": {}, "logprobs": {**logprobs, "content": []}}
        for entry in logprobs["content"]:
            yield {**begin, "delta": {}, "logprobs": {"content": [entry], "refusal": None}}
    for name in _TEXTS:
        yield from ({**begin, "delta": {name: piece}} for piece in _cut(message.get(name), chance))
    for detail in message.get("reasoning_details") or ():
        for piece in _cut(detail["text"], chance) or [""]:
            part = {**detail, "text": piece}
            yield {**begin, "delta": {"reasoning_details": [part]}}
    for piece in _cut((message.get("function_call") or {}).get("arguments"), chance):
        yield {**begin, "delta": {"function_call": {"arguments": piece}}}
    calls = [list(_call(call, n, chance)) for n, call in enumerate(message.get("tool_calls") or ())]
    heads = [call.pop(0) for call in calls]
    for part in [*heads, *_mixed(calls, chance)]:
        yield {**begin, "delta": {"tool_calls": [part]}}
    yield {**begin, "delta": {}, "finish_reason": choice["finish_reason"]}


def _begun(name: str, value: Any) -> Any:
    """What the first delta says of a field: nothing yet of what is streamed, all of the rest."""
    if name in _TEXTS and isinstance(value, str):
        return ""
    if name == "function_call":
        return {**value, "arguments": ""}
    return [] if name == "reasoning_details" else value


def _call(call: Json, number: int, chance: Random) -> Iterator[Json]:
    """A head, then the arguments; whole, with the index last, where that is the call's own."""
    if "index" in call:
        yield {**{name: value for name, value in call.items() if name != "index"}, "index": number}
        return
    head = {**call, "function": {**call["function"], "arguments": ""}}
    yield {"index": number, **head}
    for piece in _cut(call["function"]["arguments"], chance):
        yield {"index": number, "function": {"arguments": piece}}


def _cut(text: str | None, chance: Random) -> list[str]:
    pieces = []
    while text:
        size = chance.randint(1, 5)
        pieces.append(text[:size])
        text = text[size:]
    return pieces
