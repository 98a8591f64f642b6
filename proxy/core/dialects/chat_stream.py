"""Chat completions as a stream: `fold` makes the answer of it, `unfold` makes it of an answer.

A delta is merged as the official SDK's accumulator merges it: text is joined, lists of indexed
parts merge by index, other lists are extended, objects merge field by field. Names and types are
not joined: some origins repeat them in every chunk. `null` never overwrites a value. Fields nobody
knows follow the same rules, so a provider's invention survives.
"""

import re
from collections.abc import Iterable, Iterator
from typing import Any

import orjson

from proxy.core.admission import AnswerFacts
from proxy.core.canonical import dumps, loads
from proxy.core.dialects.base import Json, Stamp, UnreadableFrameError
from proxy.core.model import Usage

END = b"[DONE]"

_NOT_JOINED = frozenset({"role", "id", "type", "name", "index"})
_CHUNK = "chat.completion.chunk"
_COMPLETION = "chat.completion"
_CHUNK_ONLY = frozenset({"choices", "object", "usage", "obfuscation"})
_PIECE = re.compile(r"\s*\S+|\s+")


class ChatProgress:
    """Watches one stream: which choices were seen, which have finished, and whether it ended."""

    def __init__(self) -> None:
        self._seen: set[Any] = set()
        self._finished: set[Any] = set()
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
        if data == END:
            self._has_ended = True
            return
        try:
            chunk = orjson.loads(data)
            if chunk.get("error") is not None:
                self._has_failed = True
            for choice in chunk.get("choices") or ():
                self._seen.add(choice.get("index", 0))
                if choice.get("finish_reason"):
                    self._finished.add(choice.get("index", 0))
        except (ValueError, AttributeError, TypeError):
            self._has_failed = True


def fold(frames: Iterable[bytes]) -> Json:
    """The `chat.completion` that the chunks amount to. Raises UnreadableFrameError."""
    answer: Json = {}
    usage: Any = None
    choices: dict[int, Json] = {}
    try:
        for frame in frames:
            chunk = loads(frame)
            if "error" in chunk and "choices" not in chunk:
                raise UnreadableFrameError("the stream carries an error")
            for name, value in chunk.items():
                if name not in _CHUNK_ONLY and (value is not None or name not in answer):
                    answer[name] = value
            usage = chunk.get("usage") or usage
            for choice in chunk.get("choices") or ():
                _add_choice(choices, choice)
    except (ValueError, AttributeError, TypeError, KeyError) as error:
        raise UnreadableFrameError(f"not a chat completion chunk: {error}") from error
    answer["object"] = _COMPLETION
    answer["choices"] = [_finished(choices[index]) for index in sorted(choices)]
    if usage is not None:
        answer["usage"] = usage
    return answer


def _add_choice(choices: dict[int, Json], part: Json) -> None:
    index = part.get("index", 0)
    choice = choices.setdefault(index, {"index": index, "message": {}})
    for name, value in part.items():
        if name == "delta":
            _merge(choice["message"], value or {})
        elif name == "logprobs" and value is not None:
            choice[name] = _joined(choice.get(name), value)
        elif value is not None or name not in choice:
            choice[name] = value


def _merge(whole: Json, part: Json) -> None:
    for name, value in part.items():
        if value is None:
            whole.setdefault(name, None)
        elif name in _NOT_JOINED:
            whole[name] = value
        else:
            whole[name] = _joined(whole.get(name), value)


def _joined(whole: Any, part: Any) -> Any:  # noqa: ANN401 - JSON is anything
    if isinstance(whole, str) and isinstance(part, str):
        return whole + part
    if isinstance(part, dict):
        whole = whole if isinstance(whole, dict) else {}
        _merge(whole, part)
        return whole
    if isinstance(part, list):
        whole = whole if isinstance(whole, list) else []
        for item in part:
            _join_item(whole, item)
        return whole
    return part


def _join_item(whole: list[Any], item: Any) -> None:  # noqa: ANN401 - JSON is anything
    """An indexed part merges with its like; anything else is one more item."""
    if not (isinstance(item, dict) and isinstance(item.get("index"), int)):
        whole.append(item)
        return
    for other in whole:
        if isinstance(other, dict) and other.get("index") == item["index"]:
            _merge(other, item)
            return
    whole.append(_joined(None, item))


def _finished(choice: Json) -> Json:
    """A choice as a whole answer has it: its tool calls carry no stream index."""
    calls = choice["message"].get("tool_calls")
    if isinstance(calls, list):
        calls.sort(key=lambda call: call.get("index", 0))
        for call in calls:
            call.pop("index", None)
    return choice


def unfold(answer: Json, *, include_usage: bool) -> Iterator[bytes]:
    """The answer as OpenAI streams it: a role, the text in words, tool calls, a finish."""
    head = _chunk_head(answer)
    if include_usage:
        head["usage"] = None
    for choice in answer["choices"]:
        for delta, rest in _parts(choice):
            part = {"index": choice.get("index", 0), "delta": delta, **rest}
            yield dumps({**head, "choices": [part]})
    usage = usage_frame(answer) if include_usage else None
    if usage is not None:
        yield usage


def _chunk_head(answer: Json) -> Json:
    rest = {name: value for name, value in answer.items() if name not in _CHUNK_ONLY}
    return {**rest, "object": _CHUNK}


def usage_frame(answer: Json) -> bytes | None:
    """The chunk that tells the usage, after all others."""
    if not answer.get("usage"):
        return None
    return dumps({**_chunk_head(answer), "choices": [], "usage": answer["usage"]})


def _parts(choice: Json) -> Iterator[tuple[Json, Json]]:
    """(delta, the choice's other fields), in order."""
    message = choice.get("message") or {}
    logprobs = choice.get("logprobs")
    open_choice: Json = {"finish_reason": None}
    if "logprobs" in choice:
        open_choice["logprobs"] = None
    pieces = list(_text_pieces(message.get("content"), logprobs))
    yield _opening(message), open_choice
    if logprobs and not (pieces and pieces[0][1]):
        # Not in the opening chunk: the official accumulator counts that one's twice.
        yield {}, {**open_choice, "logprobs": logprobs}
    for text, piece_logprobs in pieces:
        rest = (
            open_choice if piece_logprobs is None else {**open_choice, "logprobs": piece_logprobs}
        )
        yield {"content": text}, rest
    for name in ("refusal", "reasoning_content", "reasoning"):
        for text in _words(message.get(name)):
            yield {name: text}, open_choice
    for delta in _call_deltas(message):
        yield delta, open_choice
    rest = {k: v for k, v in choice.items() if k not in {"index", "message", "logprobs"}}
    yield {}, ({**rest, "logprobs": None} if "logprobs" in choice else rest)


_STREAMED = frozenset({"content", "refusal", "reasoning_content", "reasoning"})


def _opening(message: Json) -> Json:
    """The first delta: the role, empty texts, and whatever is not streamed in pieces."""
    delta: Json = {}
    for name, value in message.items():
        if name in _STREAMED and isinstance(value, str):
            delta[name] = ""
        elif name == "tool_calls" and _is_streamable(value):
            continue
        elif name == "function_call" and isinstance(value, dict):
            delta[name] = {**value, "arguments": ""} if _has_arguments(value) else value
        else:
            delta[name] = value
    return delta


def _is_streamable(calls: object) -> bool:
    return isinstance(calls, list) and bool(calls) and all(isinstance(c, dict) for c in calls)


def _has_arguments(function: Json) -> bool:
    return isinstance(function.get("arguments"), str)


def _call_deltas(message: Json) -> Iterator[Json]:
    calls = message.get("tool_calls")
    if isinstance(calls, list) and _is_streamable(calls):
        for index, call in enumerate(calls):
            function = call.get("function")
            if not (isinstance(function, dict) and _has_arguments(function)):
                yield {"tool_calls": [{**call, "index": index}]}
                continue
            empty = {**function, "arguments": ""}
            yield {"tool_calls": [{**call, "index": index, "function": empty}]}
            for text in _words(function["arguments"]):
                yield {"tool_calls": [{"index": index, "function": {"arguments": text}}]}
    call = message.get("function_call")
    if isinstance(call, dict) and _has_arguments(call):
        for text in _words(call["arguments"]):
            yield {"function_call": {"arguments": text}}


def _words(text: object) -> Iterator[str]:
    """About a token each: a word with the space before it."""
    if isinstance(text, str):
        for match in _PIECE.finditer(text):
            yield match[0]


def _text_pieces(text: object, logprobs: object) -> Iterator[tuple[str, Json | None]]:
    """The text cut where its log-probabilities cut it, each piece with its own; else in words."""
    tokens = logprobs.get("content") if isinstance(logprobs, dict) else None
    if isinstance(text, str) and isinstance(logprobs, dict) and isinstance(tokens, list) and tokens:
        words = [token.get("token") if isinstance(token, dict) else None for token in tokens]
        if all(isinstance(word, str) for word in words) and "".join(map(str, words)) == text:
            rest = {name: value for name, value in logprobs.items() if name != "content"}
            for index, token in enumerate(tokens):
                # The other fields once: a list among them would be extended each time.
                yield str(words[index]), {"content": [token], **(rest if index == 0 else {})}
            return
    for word in _words(text):
        yield word, None


def is_usage_frame(frame: bytes) -> bool:
    """Whether a chunk has no choices, but usage."""
    if b'"usage"' not in frame:
        return False
    try:
        chunk = orjson.loads(frame)
    except ValueError:
        return False
    return isinstance(chunk, dict) and chunk.get("choices") == [] and bool(chunk.get("usage"))


def facts(answer: Json) -> AnswerFacts:
    """What decides whether an answer may be kept."""
    choices = [choice for choice in answer.get("choices") or () if isinstance(choice, dict)]
    messages = [choice.get("message") or {} for choice in choices]
    calls = [bool(m.get("tool_calls") or m.get("function_call")) for m in messages]
    spoken = [bool(m.get("content")) for m in messages]
    return AnswerFacts(
        finish=tuple(str(choice.get("finish_reason")) for choice in choices),
        empty=not choices or not all(map(max, calls, spoken)),
        refusal=any(m.get("refusal") for m in messages),
        tool_calls=any(calls),
    )


def usage_of(answer: Json) -> Usage | None:
    """The tokens the origin counted."""
    usage = answer.get("usage")
    if not isinstance(usage, dict):
        return None
    prompt, completion = usage.get("prompt_tokens"), usage.get("completion_tokens")
    if not isinstance(prompt, int) or not isinstance(completion, int):
        return None
    return Usage(prompt, completion)


def text_of(answer: Json) -> str:
    """All text of an answer: what was said, thought, and passed to tools."""
    texts: list[str] = []
    for choice in answer.get("choices") or ():
        message = choice.get("message") or {}
        texts.extend(str(message.get(name) or "") for name in sorted(_STREAMED))
        texts.extend(
            str((call.get("function") or {}).get("arguments") or "")
            for call in message.get("tool_calls") or ()
        )
    return "\n".join(filter(None, texts))


def refresh(payload: bytes, stamp: Stamp) -> bytes:
    """A body or chunk with the replay's id and time, where it has such fields."""
    value = loads(payload)
    if "id" in value:
        value["id"] = stamp.id
    if "created" in value:
        value["created"] = stamp.created
    return dumps(value)
