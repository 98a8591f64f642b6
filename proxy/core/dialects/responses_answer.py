"""What a response says: what admission asks of it, its tokens, its texts."""

from collections.abc import Iterator
from typing import Final

from proxy.core.admission import AnswerFacts
from proxy.core.dialects.base import Json
from proxy.core.dialects.contents import is_one_of
from proxy.core.dialects.counting import cached_in, counted
from proxy.core.model import Usage

CALLS: Final = {"function_call": "arguments", "custom_tool_call": "input"}
"""Calls of the caller's own tools, and the field that holds what is passed to them."""

_PLAIN_ITEMS: Final = frozenset({"message", "reasoning", "compaction", *CALLS})
"""Items that come from the model alone; all others tell what a tool of the origin's found."""

_DONE: Final = (None, "completed")


def is_answer(answer: Json) -> bool:
    """Whether it has output items."""
    return isinstance(answer.get("output"), list)


def _items(answer: Json) -> list[Json]:
    return [item for item in answer.get("output") or () if isinstance(item, dict)]


def parts_of(item: Json, name: str = "content") -> list[Json]:
    """The parts of a message's content, or of a thought's summary."""
    told = item.get(name)
    return [part for part in told if isinstance(part, dict)] if isinstance(told, list) else []


def facts(answer: Json) -> AnswerFacts:
    """What decides whether an answer may be kept. White space alone says nothing."""
    items = _items(answer)
    states = [str(item["status"]) for item in items if item.get("status") not in _DONE]
    parts = [part for item in items if item.get("type") == "message" for part in parts_of(item)]
    calls = any(is_one_of(item.get("type"), CALLS) for item in items)
    says = any(str(part.get("text") or "").strip() for part in parts)
    foreign = [str(i.get("type")) for i in items if not is_one_of(i.get("type"), _PLAIN_ITEMS)]
    return AnswerFacts(
        finish=(str(answer.get("status")), *states),
        empty=not (says or calls),
        refusal=any(part.get("refusal") for part in parts),
        tool_calls=calls,
        foreign=foreign[0] if foreign else "",
    )


def usage_of(answer: Json) -> Usage | None:
    """The tokens the origin counted; of a last event's answer too."""
    whole = answer.get("response", answer)
    usage = whole.get("usage") if isinstance(whole, dict) else None
    if not isinstance(usage, dict):
        return None
    return counted(
        usage.get("input_tokens"),
        usage.get("output_tokens"),
        cached_in(usage, "input_tokens_details"),
        whole.get("service_tier"),
    )


def text_of(answer: Json) -> str:
    """All text of an answer: what was thought, said, and passed to tools."""
    return "\n".join(filter(None, _texts(answer)))


def _texts(answer: Json) -> Iterator[str]:
    for item in _items(answer):
        for part in (*parts_of(item, "summary"), *parts_of(item)):
            yield str(part.get("text") or part.get("refusal") or "")
        if (passed := CALLS.get(str(item.get("type")))) is not None:
            yield str(item.get(passed) or "")


def said(answer: Json) -> tuple[str, ...] | None:
    """What it says to the caller; None where it calls a tool, refuses, or shows more than text."""
    texts = []
    for item in _items(answer):
        if item.get("type") == "reasoning":
            continue
        if item.get("type") != "message":
            return None
        for part in parts_of(item):
            if part.get("type") != "output_text" or not isinstance(part.get("text"), str):
                return None
            texts.append(part["text"])
    return ("\n".join(texts),)
