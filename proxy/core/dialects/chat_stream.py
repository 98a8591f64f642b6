"""Chat completions as a stream: `fold` makes the answer of it, `unfold` makes it of an answer.

Deltas merge by the rules of `deltas`. Fields of the chunk and of the choice are not deltas: the
last value counts. A stream that does not merge is refused: it is then passed on but not kept.

`fold(unfold(answer)) == answer`, but for the `index` that some origins give to a whole answer's
tool calls: in a stream it only says which call is meant, so an answer has none.
"""

import re
from collections.abc import Iterable
from typing import Final

from proxy.core.admission import AnswerFacts
from proxy.core.canonical import dumps
from proxy.core.dialects.base import Json, Stamp, UnreadableFrameError
from proxy.core.dialects.chat_unfold import CHUNK_ONLY, TEXTS, unfold, usage_frame
from proxy.core.dialects.deltas import merge, settle
from proxy.core.dialects.payloads import glance, has_halves, healed, parse
from proxy.core.model import Usage

__all__ = [
    "END",
    "ChatProgress",
    "facts",
    "fold",
    "is_usage_frame",
    "refresh",
    "said",
    "text_of",
    "unfold",
    "usage_frame",
    "usage_of",
]

END: Final = b"[DONE]"

_COMPLETION: Final = "chat.completion"
_FIRST: Final = ("id", "object", "created", "model", "choices", "usage")
"""The order in which OpenAI writes an answer's fields; all others follow."""


class ChatProgress:
    """Watches one stream: which choices were seen, which have finished, and whether it ended."""

    def __init__(self) -> None:
        self._seen: set[int] = set()
        self._finished: set[int] = set()
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
        if data.strip() == END:
            self._has_ended = True
            return
        try:
            chunk = glance(data)
            if _is_error(chunk):
                self._has_failed = True
                return
            for choice in chunk.get("choices") or ():
                self._seen.add(choice.get("index", 0))
                if choice.get("finish_reason"):
                    self._finished.add(choice.get("index", 0))
        except (ValueError, AttributeError, TypeError):
            self._has_failed = True


def _is_error(chunk: Json) -> bool:
    return chunk.get("error") is not None or chunk.get("object") == "error"


def fold(frames: Iterable[bytes]) -> Json:
    """The `chat.completion` that the chunks amount to. Raises UnreadableFrameError."""
    answer: Json = {}
    choices: dict[int, Json] = {}
    is_torn = False
    try:
        for frame in frames:
            chunk = parse(frame)
            is_torn = is_torn or has_halves(frame)
            if _is_error(chunk):
                raise UnreadableFrameError("the stream carries an error")
            settle(answer, ((k, v) for k, v in chunk.items() if k not in CHUNK_ONLY))
            for choice in chunk.get("choices") or ():
                _add_choice(choices, choice)
        answer["object"] = _COMPLETION
        answer["choices"] = [_closed(choices[index]) for index in sorted(choices)]
        if is_torn:
            answer = healed(answer)
    except (ValueError, AttributeError, TypeError, LookupError) as error:
        if isinstance(error, UnreadableFrameError):
            raise
        raise UnreadableFrameError(f"not a chat completion chunk: {error}") from error
    first = {name: answer[name] for name in _FIRST if name in answer}
    return first | answer


def _add_choice(choices: dict[int, Json], part: Json) -> None:
    index = part.get("index", 0)
    if type(index) is not int or "message" in part:
        raise TypeError("a choice that is not one of a stream")
    choice = choices.setdefault(index, {"index": index, "message": {}})
    for name, value in part.items():
        if name == "delta":
            _add_delta(choice["message"], value or {})
        elif name == "logprobs" and isinstance(value, dict) and isinstance(choice.get(name), dict):
            merge(choice[name], value)
        else:
            settle(choice, ((name, value),))


def _add_delta(message: Json, delta: Json) -> None:
    calls = delta.get("tool_calls")
    if calls:
        delta = {name: value for name, value in delta.items() if name != "tool_calls"}
        if not message.get("tool_calls"):
            message["tool_calls"] = []
        for call in calls:
            _add_call(message["tool_calls"], call)
    if isinstance(delta.get("content"), list) and message.get("content"):
        raise TypeError("content in several lists of parts")
    merge(message, delta)


def _add_call(calls: list[Json], part: Json) -> None:
    """A part of a tool call: of the one with its index, or a new one.

    Some origins give every call the index 0, or none: a new id with a name then begins a new call.
    An id alone does not, since others invent one for every part.
    """
    names = (part.get("function") or {}).get("name")
    if "index" in part:
        like = [call for call in calls if call["index"] == part["index"]]
    else:
        like = [] if names else calls
        part = {**part, "index": like[-1]["index"] if like else len(calls)}
    is_other = bool(like and names and part.get("id") and like[-1].get("id")) and (
        part["id"] != like[-1]["id"]
    )
    if like and not is_other:
        merge(like[-1], part)
    else:
        calls.append(part)


def _closed(choice: Json) -> Json:
    """A choice as a whole answer has it: its tool calls in order, without their stream index."""
    calls = choice["message"].get("tool_calls")
    if calls:
        calls.sort(key=lambda call: call["index"])
        for call in calls:
            del call["index"]
    return choice


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


def _messages(answer: Json) -> list[tuple[Json, Json]]:
    """(choice, its message)."""
    choices = [choice for choice in answer.get("choices") or () if isinstance(choice, dict)]
    messages = [choice.get("message") for choice in choices]
    return [(c, m if isinstance(m, dict) else {}) for c, m in zip(choices, messages, strict=True)]


def facts(answer: Json) -> AnswerFacts:
    """What decides whether an answer may be kept. White space alone says nothing."""
    found = _messages(answer)
    calls = [bool(m.get("tool_calls") or m.get("function_call")) for _, m in found]
    contents = [m.get("content") for _, m in found]
    spoken = [bool(c.strip() if isinstance(c, str) else c) for c in contents]
    return AnswerFacts(
        finish=tuple(str(choice.get("finish_reason")) for choice, _ in found),
        empty=not found or not all(map(max, calls, spoken)),
        refusal=any(m.get("refusal") for _, m in found),
        tool_calls=any(calls),
    )


def usage_of(answer: Json) -> Usage | None:
    """The tokens the origin counted."""
    usage = answer.get("usage")
    if not isinstance(usage, dict):
        return None
    prompt, completion = usage.get("prompt_tokens"), usage.get("completion_tokens")
    if type(prompt) is not int or type(completion) is not int:
        return None
    return Usage(prompt, completion)


def text_of(answer: Json) -> str:
    """All text of an answer: what was thought, said, and passed to tools."""
    texts: list[str] = []
    for _, message in _messages(answer):
        texts.extend(str(message.get(name) or "") for name in TEXTS)
        functions = [message.get("function_call")]
        functions += [call.get("function") for call in message.get("tool_calls") or ()]
        texts.extend(str((function or {}).get("arguments") or "") for function in functions)
    return "\n".join(filter(None, texts))


def said(answer: Json) -> tuple[str, ...] | None:
    """What each choice says to the caller; None where one calls a tool or says it in parts."""
    texts = []
    for _, message in _messages(answer):
        content = message.get("content")
        if message.get("tool_calls") or message.get("function_call"):
            return None
        if not isinstance(content, str):
            return None
        texts.append(content)
    return tuple(texts)


_STAMPED: Final = re.compile(
    rb'\{\s*"id"\s*:\s*"([^"\\]*)"\s*,'
    rb'(?:\s*"(?!created"|id")\w+"\s*:\s*"[^"\\]*"\s*,)*'
    rb'\s*"created"\s*:\s*(\d+)(?=\s*[,}])'
)
"""A payload that begins with its id, then texts, then its time, as most origins write it."""

_TIER: Final = re.compile(rb'"service_tier"\s*:\s*(?:null|"[^"\\]*")\s*,\s*')


def refresh(payload: bytes, stamp: Stamp) -> bytes:
    """A body or chunk with the replay's id and time, where it has such fields.

    All other bytes stay as the origin wrote them where its id and time can be found without
    parsing. `service_tier` goes: it says how the first caller's request was served and billed.
    """
    head = _STAMPED.match(payload)
    tier = payload.find(b'"service_tier"')
    told = _TIER.match(payload, tier) if tier >= 0 else None
    if head is None or (tier >= 0 and (told is None or tier < head.end())):
        return _refreshed(payload, stamp)
    rest = payload[head.end() :]
    if told is not None:
        rest = payload[head.end() : tier] + payload[told.end() :]
    between = payload[head.end(1) : head.start(2)]
    begin = payload[: head.start(1)] + dumps(stamp.id)[1:-1]
    return begin + between + b"%d" % stamp.created + rest


def _refreshed(payload: bytes, stamp: Stamp) -> bytes:
    value = parse(payload)
    value.pop("service_tier", None)
    if "id" in value:
        value["id"] = stamp.id
    if "created" in value:
        value["created"] = stamp.created
    return dumps(value)
