"""Chat completions as a stream: `watch` makes an answer of it, `chat_unfold` it of an answer.

Deltas merge by the rules of `deltas`. Fields of the choice are not deltas: the last value counts.

What is unfolded and put together again is the same answer, but for an `index` of a tool call that
is not its place: SDKs join the parts of calls by it. An `index` is a stream's way to say which call
is meant, and no part of a whole answer; but for a call that comes in one part with its index last:
so Mistral writes it in both forms.
"""

from typing import Final

from proxy.core.dialects.base import Json
from proxy.core.dialects.chat_unfold import STREAMED
from proxy.core.dialects.choices_stream import Choices, ChoicesFold, ChoicesProgress, Place
from proxy.core.dialects.deltas import go_on, merge, settle

_COMPLETION: Final = "chat.completion"


def watch() -> ChoicesProgress:
    """A new watch over a stream, which makes a `chat.completion` of its chunks."""
    return ChoicesProgress(ChoicesFold(_COMPLETION, _add_choice, _grows, _closed), _COMPLETION)


def _add_choice(known: Choices, part: Json) -> None:
    index = part.get("index", 0)
    if type(index) is not int or ("message" in part and "delta" not in part):
        raise TypeError("a choice that is not one of a stream")
    choice = known.setdefault(index, {"index": index, "message": {}})
    for name, value in part.items():
        if name == "index" or (value is None and name in choice):
            continue  # it tells nothing new
        if name == "delta":
            _add_delta(choice["message"], value or {})
        elif name == "message":  # beside a delta: what was said so far, as Perplexity tells it
            continue
        elif name in STREAMED and value is not None and choice.get(name) is not None:
            merge(choice, {name: value})
        else:
            settle(choice, ((name, value),))


_TEXTS: Final = frozenset({"content", "reasoning_content", "reasoning", "refusal"})


def _grows(choice: Json, part: Json) -> Place | None:
    """The text of the message that is all a part of a choice adds to."""
    delta, message = part.get("delta") or {}, choice["message"]
    told = [name for name, value in delta.items() if value is not None and name != "role"]
    if len(told) != 1 or any(part.get(name) is not None for name in STREAMED):
        return None
    name = told[0]
    is_text = isinstance(delta[name], str) and isinstance(message.get(name), str)
    return (message, name) if is_text and name in _TEXTS else None


def _add_delta(message: Json, delta: Json) -> None:
    calls = delta.get("tool_calls")
    if calls:
        delta = {name: value for name, value in delta.items() if name != "tool_calls"}
        if not message.get("tool_calls"):
            message["tool_calls"] = []
        for call in calls:
            _add_call(message["tool_calls"], call)
    if isinstance(delta.get("content"), list) or isinstance(message.get("content"), list):
        _add_parts(message, delta.get("content"))
        delta = {name: value for name, value in delta.items() if name != "content"}
    merge(message, delta)


def _add_parts(message: Json, content: object) -> None:
    """Content in parts, or text that follows such."""
    known = message.get("content")
    if known and not isinstance(known, list):
        raise TypeError("text, then parts")
    if isinstance(content, str):
        content = [{"type": "text", "text": content}] if content else []
    if not isinstance(content, list | None):
        raise TypeError("content that is neither text nor parts")
    if isinstance(known, list):
        go_on(known, content or [])
    else:
        message["content"] = content


def _add_call(calls: list[Json], part: Json) -> None:
    """A part of a tool call: of the one with its index, or a new one.

    Some origins give every call the index 0, or none: a new id with a name then begins a new call.
    An id alone does not, since others invent one for every part.
    """
    names = (part.get("function") or part.get("custom") or {}).get("name")
    if "index" in part:
        like = [call for call in calls if call["index"] == part["index"]]
    else:
        like = [] if names else calls
        part = {"index": like[-1]["index"] if like else len(calls), **part}
    is_other = bool(like and names and part.get("id") and like[-1].get("id")) and (
        part["id"] != like[-1]["id"]
    )
    if like and not is_other:
        call = like[-1]
        rest = dict(call)
        call.clear()  # in several parts: its index is the stream's, and stands first
        call.update({"index": rest["index"], **rest})
        merge(call, part)
    else:
        calls.append(part)


def _closed(choice: Json) -> Json:
    """A choice as a whole answer has it: its tool calls in order, without their stream index."""
    calls = choice["message"].get("tool_calls")
    if calls:
        calls.sort(key=lambda call: call["index"])
        for call in calls:
            if len(call) == 1 or next(reversed(call)) != "index":
                del call["index"]
    return choice
