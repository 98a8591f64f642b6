"""Chat completions: read a request.

What the proxy does not understand it does not judge: a request of an unknown shape is passed to
the origin, which knows best whether it is one. Only what every origin must refuse is refused here,
by the caller of this module: a body that is no JSON object.

System and developer messages are keyed with their positions among the turns, so the same
instruction moved is another scope. Of the last user message only the text is the question; its
other fields and the shape of its parts are scope.
"""

import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from proxy.core.canonical import UncanonicalError, dumps, fingerprint
from proxy.core.conversation.turns import Turn
from proxy.core.dialects import chat_stream
from proxy.core.dialects.base import Json, Reading, Stamp
from proxy.core.dialects.chat_parameters import TABLE, Part
from proxy.core.model import Scope

_INSTRUCTIONS: Final = frozenset({"system", "developer"})
_PARTS: Final = (Part.TOOLS, Part.SAMPLING, Part.FORMAT)
_NOT_IN_KEY: Final = "prompt_cache_breakpoint"
_PLAIN_PART: Final = ("type", "text")
_NOTHING_SAID: Final[tuple[object, ...]] = (None, [])
"""Fields that an SDK's message carries along: `annotations`, `tool_calls`."""
_AUDIO: Final = frozenset({"input_audio", "audio"})


class _UnknownShapeError(ValueError):
    """The request is not of a shape this dialect knows."""


@dataclass(frozen=True, slots=True)
class _Question:
    """The last user message: its text, and all else about it. `None` text: it cannot be fuzzy."""

    text: str
    rest: Any


class Chat:
    """`POST /v1/chat/completions`."""

    api = "chat.completions"
    path = "/v1/chat/completions"
    end_marker = chat_stream.END
    watch = staticmethod(chat_stream.ChatProgress)
    fold = staticmethod(chat_stream.fold)
    unfold = staticmethod(chat_stream.unfold)
    usage_frame = staticmethod(chat_stream.usage_frame)
    is_usage_frame = staticmethod(chat_stream.is_usage_frame)
    facts = staticmethod(chat_stream.facts)
    said = staticmethod(chat_stream.said)
    usage_of = staticmethod(chat_stream.usage_of)
    refresh = staticmethod(chat_stream.refresh)

    def stamp(self, token: str, created: int) -> Stamp:
        """An id like OpenAI's."""
        return Stamp(f"chatcmpl-{token}", created)

    def texts_of(self, body: Json, answer: Json) -> tuple[str, str]:
        """The text of all messages, and of all choices."""
        contents = (message.get("content") for message in body["messages"])
        prompt = "\n".join(c if isinstance(c, str) else str(c or "") for c in contents)
        return prompt, chat_stream.text_of(answer)

    def with_usage(self, body: Json) -> bytes | None:
        """The request with `stream_options.include_usage`; None when it has it or is no stream."""
        options = body.get("stream_options") or {}
        if body.get("stream") is not True or "include_usage" in options:
            return None
        return dumps({**body, "stream_options": {**options, "include_usage": True}})

    def read(self, body: Json, *, tenant: str, namespace: str, extra: Mapping[str, str]) -> Reading:
        """Read a request; one of an unknown shape is a bypass with the reason `unreadable`."""
        model = body.get("model")
        name = model if isinstance(model, str) else ""
        try:
            return self._read(body, name, tenant, namespace, extra)
        except (_UnknownShapeError, UncanonicalError, UnicodeEncodeError):
            # Half a surrogate pair, in whatever text, cannot be keyed.
            name = name.encode(errors="replace").decode()
            scope = Scope(tenant=tenant, namespace=namespace, api=self.api, model=name)
            stream = body.get("stream") is True
            return Reading(scope, question="", stream=stream, bypass="unreadable")

    def _read(
        self, body: Json, model: str, tenant: str, namespace: str, extra: Mapping[str, str]
    ) -> Reading:
        if not model:
            raise _UnknownShapeError("model")
        system, turns, question = _split(body.get("messages"))
        stream, include_usage = _delivery(body)
        parts: dict[Part, Json] = {part: {} for part in _PARTS}
        unknown: Json = {}
        for name, value in body.items():
            row = TABLE.get(name)
            if row is None:
                if value is not None:
                    unknown[name] = value
            elif row.part in parts and not row.is_default(value):
                parts[row.part][name] = value
        scope = Scope(
            tenant=tenant,
            namespace=namespace,
            api=self.api,
            model=model,
            system=fingerprint(system),
            context=fingerprint([turns, question.rest]),
            tools=fingerprint(parts[Part.TOOLS]),
            sampling=fingerprint(parts[Part.SAMPLING]),
            format=fingerprint(parts[Part.FORMAT]),
            extra=fingerprint([unknown, dict(extra)]) if unknown or extra else "",
        )
        question.text.encode()
        return Reading(
            scope,
            question=unicodedata.normalize("NFC", question.text),
            stream=stream,
            include_usage=include_usage,
            exact_only=_why_exact(body, question),
            bypass=_why_bypass(body),
            talk=_talk(turns, question),
        )


def _delivery(body: Json) -> tuple[bool, bool]:
    """(streams, with usage). What is neither true nor false, an origin may take for either."""
    stream, options = body.get("stream"), body.get("stream_options")
    if not isinstance(stream, bool | None):
        raise _UnknownShapeError("stream")
    if not isinstance(options, dict | None):
        raise _UnknownShapeError("stream_options")
    return stream is True, options is not None and options.get("include_usage") is True


def _split(messages: object) -> tuple[list[Any], list[Any], _Question]:
    """(instructions with their positions, earlier turns, the question)."""
    if not isinstance(messages, list) or not messages:
        raise _UnknownShapeError("messages")
    system: list[Any] = []
    turns: list[Any] = []
    for position, message in enumerate(messages):
        if not isinstance(message, dict) or not isinstance(message.get("role"), str):
            raise _UnknownShapeError(f"messages[{position}]")
        if message["role"] in _INSTRUCTIONS:
            system.append([len(turns), _keyed(message)])
        else:
            turns.append(message)
    if not turns or messages[-1].get("role") != "user":
        return system, [_keyed(turn) for turn in turns], _Question("", None)
    return system, [_keyed(turn) for turn in turns[:-1]], _question(turns[-1])


def _question(message: Json) -> _Question:
    content = message.get("content")
    rest = {name: value for name, value in message.items() if name != "content"}
    if isinstance(content, str):
        return _Question(content, _keyed(rest))
    if not isinstance(content, list):
        return _Question("", _keyed(message))
    texts: list[str] = []
    shape: list[Any] = []
    for part in content:
        keyed = _keyed_part(part)
        if _is_text(part):
            texts.append(keyed.pop("text"))
        # What else a text part says, and its place among the others, is scope.
        shape.append(keyed)
    if shape == [{"type": "text"}]:  # the same as a plain string
        return _Question(texts[0], _keyed(rest))
    return _Question("\n".join(texts), [_keyed(rest), shape, [len(text) for text in texts[:-1]]])


def _talk(turns: list[Any], question: _Question) -> tuple[Turn, ...]:
    """The turns as plain text; empty where one calls a tool, shows an image, has a name."""
    if question.rest != {"role": "user"}:
        return ()
    talk = []
    for turn in turns:
        said = {name: value for name, value in turn.items() if value not in _NOTHING_SAID}
        if said.keys() != {"role", "content"} or not isinstance(said["content"], str):
            return ()
        if said["role"] not in ("user", "assistant"):
            return ()
        talk.append(Turn(said["role"], unicodedata.normalize("NFC", said["content"])))
    return (*talk, Turn("user", unicodedata.normalize("NFC", question.text)))


def _is_text(part: object) -> bool:
    return (
        isinstance(part, dict) and part.get("type") == "text" and isinstance(part.get("text"), str)
    )


def _keyed(message: Json) -> Json:
    """A message as it is keyed: without the hints that only tell the origin where to cache."""
    keyed = {name: v for name, v in message.items() if name != _NOT_IN_KEY and v is not None}
    content = keyed.get("content")
    if isinstance(content, list):
        parts = [_keyed_part(part) for part in content]
        is_plain = len(parts) == 1 and _is_text(parts[0]) and len(parts[0]) == len(_PLAIN_PART)
        keyed["content"] = parts[0]["text"] if is_plain else parts
    return keyed


def _keyed_part(part: Any) -> Any:  # noqa: ANN401 - JSON is anything
    if not isinstance(part, dict):
        return part
    return {name: value for name, value in part.items() if name != _NOT_IN_KEY}


def _why_exact(body: Json, question: _Question) -> str | None:
    if not question.text.strip():
        return "no question"
    for name, row in TABLE.items():
        if row.exact_only and name in body and not row.is_default(body[name]):
            return name
    return None


def _why_bypass(body: Json) -> str | None:
    for name, value in body.items():
        row = TABLE.get(name)
        if row is not None and row.bypass(value):
            return name
    if any(_has_audio(message) for message in body["messages"]):
        return "audio"
    return None


def _has_audio(message: Json) -> bool:
    content = message.get("content")
    parts = content if isinstance(content, list) else ()
    return message.get("audio") is not None or any(
        isinstance(part, dict) and part.get("type") in _AUDIO for part in parts
    )
