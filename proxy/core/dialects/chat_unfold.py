"""A whole chat completion as OpenAI would have streamed it.

One choice after the other: the role, thoughts, content, refusal, tool calls, the finish; then the
usage. What is not text comes whole, with the first chunk of its choice or of the answer.
"""

from collections.abc import Iterator
from typing import Final

from proxy.core.dialects import chunks
from proxy.core.dialects.base import Json
from proxy.core.dialects.pieces import by_tokens, words

TEXTS: Final = ("reasoning_content", "reasoning", "content", "refusal")
"""What a message says, in the order in which it is streamed."""

STREAMED: Final = frozenset({"logprobs", "token_ids"})
"""Fields of a choice that a stream tells piece by piece; vLLM's are the tokens it wrote."""

_CHUNK: Final = "chat.completion.chunk"
_LOGPROBS: Final = ("content", "refusal")


def unfold(answer: Json, *, include_usage: bool) -> list[bytes]:
    """The answer as OpenAI streams it: role, text in words, tool calls, finish; then the usage."""
    return chunks.unfold(answer, _CHUNK, _parts, include_usage=include_usage)


def usage_frame(answer: Json) -> bytes | None:
    """The chunk that tells the usage, after all others; None when it is not known."""
    return chunks.usage_frame(answer, _CHUNK)


def _parts(choice: Json, position: int) -> Iterator[Json]:
    """One choice's parts of the chunks, in order."""
    message = choice.get("message")
    message = message if isinstance(message, dict) else {}
    told: Json = {name: None for name in ("logprobs", "finish_reason") if name in choice}
    known = {"index", "message", "delta", *told}  # some origins' answers have an empty delta, too
    extra = {name: value for name, value in choice.items() if name not in known}
    once = {name: extra.pop(name) for name in STREAMED & extra.keys()}
    begin: Json = {"index": choice.get("index", position)}
    texts = list(_texts(message, choice.get("logprobs")))
    carried = any(logprobs is not None for _, logprobs in texts)
    yield {**begin, "delta": _opening(message), **told, **extra, **once}
    if not carried and choice.get("logprobs") is not None:
        # Not in the opening chunk: the official accumulator counts that one's twice.
        yield {**begin, "delta": {}, **told, "logprobs": choice["logprobs"]}
    for delta, logprobs in texts:
        yield {**begin, "delta": delta, **told, **({"logprobs": logprobs} if logprobs else {})}
    for delta in _calls(message):
        yield {**begin, "delta": delta, **told}
    last = {"finish_reason": choice["finish_reason"]} if "finish_reason" in choice else {}
    yield {**begin, "delta": {}, **told, **last, **extra}


def _opening(message: Json) -> Json:
    """The first delta: the role, empty content, and whatever is not streamed in pieces."""
    delta: Json = {}
    for name, value in message.items():
        if name in TEXTS and isinstance(value, str):
            delta[name] = "" if name == "content" or not value else None
        elif name == "function_call" and _has_arguments(value):
            delta[name] = {**value, "arguments": ""}
        elif name != "tool_calls" or not _is_streamable(value):
            delta[name] = value
    return delta


def _texts(message: Json, logprobs: object) -> Iterator[tuple[Json, Json | None]]:
    """(delta, its log-probabilities or None): thoughts, then content, then refusal."""
    entries = logprobs if isinstance(logprobs, dict) else {}
    cuts: dict[str, list[tuple[str, list[Json]]]] = {}
    for name in _LOGPROBS:
        text, tokens = message.get(name), entries.get(name)
        if isinstance(text, str) and isinstance(tokens, list) and tokens:
            cuts[name] = by_tokens(text, tokens) or []
    cuts = {name: pieces for name, pieces in cuts.items() if pieces}
    # Everything else of the log-probabilities once, with the first piece that has some.
    rest: Json = {**entries, **{name: [] for name in cuts}}
    for name in TEXTS:
        if name in cuts:
            for text, tokens in cuts[name]:
                yield {name: text}, {**rest, name: tokens}
                rest = {other: None for other in _LOGPROBS if other in entries}
        elif isinstance(message.get(name), str):
            yield from (({name: text}, None) for text in words(message[name]))


def _has_arguments(function: object) -> bool:
    return isinstance(function, dict) and isinstance(function.get("arguments"), str)


def _is_streamable(calls: object) -> bool:
    return isinstance(calls, list) and bool(calls) and all(isinstance(c, dict) for c in calls)


def _calls(message: Json) -> Iterator[Json]:
    """The deltas of the function call of old, then of the tool calls: a head, then arguments."""
    function = message.get("function_call")
    if isinstance(function, dict) and _has_arguments(function):
        for text in words(function["arguments"]):
            yield {"function_call": {"arguments": text}}
    calls = message.get("tool_calls")
    if not isinstance(calls, list) or not _is_streamable(calls):
        return
    for index, call in enumerate(calls):
        function = call.get("function")
        rest = {name: value for name, value in call.items() if name != "index"}
        if _is_numbered(call, index):  # as Mistral streams it: whole, its index last
            yield {"tool_calls": [{**rest, "index": index}]}
            continue
        if not isinstance(function, dict) or not _has_arguments(function):
            yield {"tool_calls": [{"index": index, **rest}]}
            continue
        head = {"index": index, **rest, "function": {**function, "arguments": ""}}
        yield {"tool_calls": [head]}
        for text in words(function["arguments"]):
            yield {"tool_calls": [{"index": index, "function": {"arguments": text}}]}


def _is_numbered(call: Json, index: int) -> bool:
    """Whether a call says itself which one it is."""
    own = call.get("index")
    return type(own) is int and own == index
