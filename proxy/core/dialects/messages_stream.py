"""Anthropic's messages as a stream: `MessageProgress` makes the answer of it.

The message begins without content; blocks are added piece by piece, and the last counts come with
the reason why it stopped. A stream that does not merge is refused: passed on, but not kept.
"""

import re
from collections.abc import Iterator
from io import StringIO
from typing import Final

from proxy.core.admission import AnswerFacts
from proxy.core.canonical import dumps, loads
from proxy.core.dialects.base import Json, Stamp, UnreadableFrameError, is_count
from proxy.core.dialects.contents import is_one_of
from proxy.core.dialects.counting import counted
from proxy.core.dialects.deltas import settle
from proxy.core.dialects.events import EventsEnd
from proxy.core.dialects.folding import Folding
from proxy.core.dialects.payloads import parse
from proxy.core.model import Usage

_PLAIN_BLOCKS: Final = frozenset({"text", "thinking", "redacted_thinking", "tool_use"})
"""Blocks that come from the model alone; all others tell what a tool of the origin's found."""

_PASSED: Final = "partial_json"
"""Where a block's input is gathered until it is whole."""

_OF_THE_END: Final = frozenset({"type", "delta", "usage"})
"""What every `message_delta` has."""


class _Fold:
    """Puts events together."""

    def __init__(self) -> None:
        self.message: Json = {}
        self._passed: dict[int, str] = {}
        self._growing: Json = {}
        self._grown = StringIO()

    def add(self, event: Json) -> str:
        """One more event. Returns the name of a text: see `Fold`."""
        self._settle_text()
        self._take(event)
        delta = event.get("delta") or {}
        if event["type"] != "content_block_delta" or delta["type"] != "text_delta":
            return ""
        self._growing = self.message["content"][event["index"]]
        return "text"

    def grow(self, text: str) -> None:
        """Another event like the last one, with this text."""
        self._grown.write(text)

    def _settle_text(self) -> None:
        if self._grown.tell():
            self._growing["text"] += self._grown.getvalue()
            self._grown = StringIO()

    def _take(self, event: Json) -> None:
        match event["type"]:
            case "message_start":
                self.message = event["message"]
                self.message["content"] = []
            case "content_block_start":
                self._begin(event["index"], event["content_block"])
            case "content_block_delta":
                self._add(event["index"], event["delta"])
            case "content_block_stop":
                self._stop(event["index"])
            case "message_delta":
                self._end(event)
            case "message_stop" | "ping":
                pass
            case other:
                raise UnreadableFrameError(f"the stream carries {other}")

    def answer(self) -> Json:
        """The message that they amount to."""
        self._settle_text()
        if not is_answer(self.message):
            raise UnreadableFrameError("no message in the stream")
        return self.message

    def _begin(self, index: int, block: Json) -> None:
        if index != len(self.message["content"]):
            raise ValueError("blocks out of order")
        self.message["content"].append(block)

    def _add(self, index: int, delta: Json) -> None:
        block: Json = self.message["content"][index]
        match delta["type"]:
            case "text_delta":
                block["text"] += delta["text"]
            case "thinking_delta":
                block["thinking"] += delta["thinking"]
            case "signature_delta":
                block["signature"] = delta["signature"]
            case "citations_delta":
                block["citations"] = [*(block.get("citations") or ()), delta["citation"]]
            case "input_json_delta":
                self._passed[index] = self._passed.get(index, "") + delta[_PASSED]
            case other:
                raise UnreadableFrameError(f"the stream carries {other}")

    def _stop(self, index: int) -> None:
        if passed := self._passed.pop(index, ""):
            self.message["content"][index]["input"] = loads(_utf8(passed))

    def _end(self, event: Json) -> None:
        """What is told at the end: in the event's delta, and of some of the beta API beside it."""
        settle(self.message, event["delta"].items())
        settle(self.message, ((n, v) for n, v in event.items() if n not in _OF_THE_END))
        usage = event.get("usage") or {}
        if usage:
            known = self.message.get("usage")
            self.message["usage"] = dict(known) if isinstance(known, dict) else {}
            settle(self.message["usage"], usage.items())


def _utf8(text: str) -> bytes:
    """UTF-8 of a text whose halves of characters have been joined."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16").encode()


class MessageProgress(EventsEnd):
    """Reads one stream: whether it ended, and what it amounts to."""

    def __init__(self) -> None:
        super().__init__({"message_stop"})
        self._folding = Folding(_Fold(), "a stream of a message")

    def feed(self, data: bytes) -> None:
        """One more payload; what is no event counts as an error."""
        if self._folding.grows(data):
            return
        super().feed(data)
        try:
            event = parse(data)
        except ValueError as error:
            self._folding.misread(error)
            return
        self._folding.add(data, event)

    def let_go(self) -> None:
        """Watch on, but keep nothing: the answer will not be asked for."""
        self._folding.refuse("too large")

    def answer(self) -> Json:
        """The message that the events amount to. Raises UnreadableFrameError."""
        return self._folding.answer()


_WITH_ID: Final = re.compile(rb'"type"\s*:\s*"message(?:_start)?"')
"""A body, or the event that begins a stream; all others pass as they are."""


def refresh(payload: bytes, stamp: Stamp) -> bytes:
    """A body or event with the replay's id, where it has one."""
    if not _WITH_ID.search(payload):
        return payload
    value = parse(payload)
    answer = value.get("message") if value.get("type") == "message_start" else value
    if not isinstance(answer, dict) or "id" not in answer or answer.get("type") != "message":
        return payload
    answer["id"] = stamp.id
    return dumps(value)


def is_answer(answer: Json) -> bool:
    """Whether it has content."""
    return isinstance(answer.get("content"), list)


def _blocks(answer: Json) -> list[Json]:
    return [block for block in answer.get("content") or () if isinstance(block, dict)]


def facts(answer: Json) -> AnswerFacts:
    """What decides whether an answer may be kept. White space alone says nothing."""
    blocks = _blocks(answer)
    calls = any(block.get("type") == "tool_use" for block in blocks)
    says = any(b.get("type") == "text" and str(b.get("text") or "").strip() for b in blocks)
    foreign = [str(b.get("type")) for b in blocks if not is_one_of(b.get("type"), _PLAIN_BLOCKS)]
    return AnswerFacts(
        finish=(str(answer.get("stop_reason")),),
        empty=not (says or calls),
        refusal=answer.get("stop_reason") == "refusal",
        tool_calls=calls,
        foreign=foreign[0] if foreign else "",
    )


_FROM_CACHE: Final = "cache_read_input_tokens"
_ASKED: Final = ("input_tokens", "cache_creation_input_tokens", _FROM_CACHE)
"""What was read: anew, into the origin's cache, and from it."""


def usage_of(answer: Json) -> Usage | None:
    """The tokens the origin counted; of a first event's message too."""
    whole = answer.get("message", answer)
    usage = whole.get("usage") if isinstance(whole, dict) else None
    if not isinstance(usage, dict):
        return None
    read = [usage.get(name) or 0 for name in _ASKED]
    said = usage.get("output_tokens")
    if not is_count(said) or not all(map(is_count, (usage.get("input_tokens"), *read))):
        return None
    return counted(sum(read), said, usage.get(_FROM_CACHE), usage.get("service_tier"))


def text_of(answer: Json) -> str:
    """All text of an answer: what was thought, said, and passed to tools."""
    return "\n".join(filter(None, _texts(answer)))


def _texts(answer: Json) -> Iterator[str]:
    for block in _blocks(answer):
        yield str(block.get("thinking") or block.get("text") or "")
        if block.get("input"):
            yield dumps(block["input"]).decode()


def said(answer: Json) -> tuple[str, ...] | None:
    """What it says to the caller; None where it calls a tool, or says it in other than text."""
    texts = []
    for block in _blocks(answer):
        if block.get("type") in ("thinking", "redacted_thinking"):
            continue
        if block.get("type") != "text" or not isinstance(block.get("text"), str):
            return None
        texts.append(block["text"])
    return ("".join(texts),)
