"""What a chat completion says: what admission asks of it, its texts."""

from collections.abc import Iterator
from typing import Final

from proxy.core.admission import AnswerFacts
from proxy.core.dialects.base import Json
from proxy.core.dialects.chat_unfold import TEXTS

_THOUGHTS: Final = "thinking"
"""A part that is no answer: its type, and its field."""

_PASSED: Final = {"function": "arguments", "custom": "input"}
"""Kinds of tool calls, and the field with what is passed to the tool."""


def _messages(answer: Json) -> list[tuple[Json, Json]]:
    """(choice, its message)."""
    found = [choice for choice in answer.get("choices") or () if isinstance(choice, dict)]
    messages = [choice.get("message") for choice in found]
    return [(c, m if isinstance(m, dict) else {}) for c, m in zip(found, messages, strict=True)]


def facts(answer: Json) -> AnswerFacts:
    """What decides whether an answer may be kept. White space and thoughts alone say nothing."""
    found = _messages(answer)
    calls = [bool(m.get("tool_calls") or m.get("function_call")) for _, m in found]
    spoken = [_says(m.get("content")) for _, m in found]
    has_audio = any(m.get("audio") for _, m in found)
    return AnswerFacts(
        finish=tuple(str(choice.get("finish_reason")) for choice, _ in found),
        empty=not found or not all(map(max, calls, spoken)),
        refusal=any(m.get("refusal") for _, m in found),
        tool_calls=any(calls),
        foreign="reference to audio" if has_audio else "",  # the origin lets its files expire
    )


def _says(content: object) -> bool:
    if not isinstance(content, list):
        return bool(content.strip() if isinstance(content, str) else content)
    parts = [part if isinstance(part, dict) else {} for part in content]
    spoken = [part for part in parts if part.get("type") != _THOUGHTS]
    return any(_says(part["text"]) if "text" in part else bool(part) for part in spoken)


def text_in(content: object) -> str:
    """All text of a content, thoughts included; images and files have none."""
    if isinstance(content, list):
        return "\n".join(filter(None, map(text_in, content)))
    if isinstance(content, dict):
        return text_in(content.get("text") or content.get(_THOUGHTS))
    return content if isinstance(content, str) else ""


def text_of(answer: Json) -> str:
    """All text of an answer: what was thought, said, and passed to tools."""
    texts: list[str] = []
    for _, message in _messages(answer):
        texts.extend(text_in(message.get(name)) for name in TEXTS)
        texts.extend(_passed(message))
    return "\n".join(filter(None, texts))


def _passed(message: Json) -> Iterator[str]:
    """What is passed to each tool."""
    calls = message.get("tool_calls")
    told = [{"function": message.get("function_call")}, *(calls if isinstance(calls, list) else ())]
    for call in told:
        for kind, field in _PASSED.items():
            function = call.get(kind) if isinstance(call, dict) else None
            yield str(function.get(field) or "") if isinstance(function, dict) else ""


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
