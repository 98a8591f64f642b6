"""Responses: read a request.

Rules of the file, beside those of chat completions:

- What the origin is to remember, or is told by reference, is past the cache: only a request that
  says all by itself has a key.
- Instructions are keyed with the items of a system or developer role, and those with their
  positions. The last item, if a user says it, is the question.
- Ids and states of earlier messages and calls are not keyed: they name what is said, and one
  conversation, had twice, has other ones. A call's `call_id` is keyed: it joins call and output.
- Tools that the origin runs itself are past the cache: what they find tomorrow is other.
"""

from collections.abc import Iterator
from typing import Any, Final

from proxy.core.dialects import (
    events,
    responses_answer,
    responses_stream,
    responses_unfold,
)
from proxy.core.dialects.base import Json, Stamp
from proxy.core.dialects.contents import Contents, Question, is_one_of, talk
from proxy.core.dialects.reader import Found, Reader, UnknownShapeError
from proxy.core.dialects.responses_parameters import TABLE, echoed
from proxy.core.dialects.stamping import is_padded

_INSTRUCTIONS: Final = frozenset({"system", "developer"})
_OWN_TOOLS: Final = frozenset({"function", "custom"})
"""Tools that the caller runs."""

_CALLS: Final = frozenset(
    {"function_call", "function_call_output", "custom_tool_call", "custom_tool_call_output"}
)
_PLAIN_ITEMS: Final = _CALLS | {"message", "reasoning", "compaction"}
"""Items that say all by themselves."""

_MOST_SHOWN: Final = 40
"""Characters of a type's name in a reason."""

_CONTENTS: Final = Contents(
    texts=frozenset({"input_text", "output_text"}), unkeyed=frozenset({"prompt_cache_breakpoint"})
)


class Responses(Reader, events.ToldUsage):
    """`POST /v1/responses`."""

    api = "responses"
    path = "/v1/responses"
    table = TABLE
    end_marker = b""
    watch = responses_stream.ResponseProgress
    name_of = staticmethod(events.name_of)
    unfold = staticmethod(responses_unfold.unfold)
    refresh = staticmethod(responses_stream.refresh)
    is_answer = staticmethod(responses_answer.is_answer)
    facts = staticmethod(responses_answer.facts)
    said = staticmethod(responses_answer.said)
    usage_of = staticmethod(responses_answer.usage_of)

    def stamp(self, token: str, created: int, body: Json) -> Stamp:
        """An id like OpenAI's, and the caller's own metadata."""
        return Stamp(f"resp_{token}", created, echoed(body), is_padded(body))

    def texts_of(self, body: Json, answer: Json) -> tuple[str, str]:
        """The text of the instructions and all items, and of the answer."""
        said = [str(body.get("instructions") or "")]
        for item in _items(body.get("input")):
            said.extend(str(item.get(name) or "") for name in ("arguments", "input", "output"))
            content = item.get("content")
            if isinstance(content, str):
                said.append(content)
            said.extend(str(part.get("text") or "") for part in _parts(item))
        return "\n".join(filter(None, said)), responses_answer.text_of(answer)

    def find(self, body: Json) -> Found:
        """Its items."""
        if not isinstance(body.get("stream"), bool | None):
            raise UnknownShapeError("stream")
        items = _items(body.get("input"))
        system, turns, question = _split(items)
        return Found(
            question=question.text,
            context=[turns, question.rest],
            stream=body.get("stream") is True,
            include_usage=True,
            system=system,
            exact_only=None if question.text.strip() else "no question",
            bypass=_why_bypass(body, items),
            is_stored=body.get("store") is not False,
            talk=talk(turns, question),
        )


def _items(told: object) -> list[Json]:
    """The items of an input; a plain text is a user's message."""
    if told is None:
        return []
    if isinstance(told, str):
        return [{"role": "user", "content": told}]
    if not isinstance(told, list):
        raise UnknownShapeError("input")
    for position, item in enumerate(told):
        if not isinstance(item, dict) or not {"role", "type", "id"} & item.keys():
            raise UnknownShapeError(f"input[{position}]")
    return told


def _type_of(item: Json) -> str:
    """An item's type; a message need not say it, nor a reference."""
    told = item.get("type")
    if told is None:
        return "message" if "role" in item else "item_reference"
    return str(told)


def _split(items: list[Json]) -> tuple[list[Any], list[Any], Question]:
    """(instructions with their positions, earlier items, the question)."""
    system: list[Any] = []
    turns: list[Any] = []
    for item in items:
        if _type_of(item) == "message" and is_one_of(item.get("role"), _INSTRUCTIONS):
            system.append([len(turns), _keyed(item)])
        else:
            turns.append(item)
    last = items[-1] if items else {}
    if _type_of(last) != "message" or last.get("role") != "user":
        return system, [_keyed(turn) for turn in turns], Question()
    return system, [_keyed(turn) for turn in turns[:-1]], _CONTENTS.question(_bare(last))


def _keyed(item: Json) -> Json:
    return _CONTENTS.keyed(_bare(item))


def _bare(item: Json) -> Json:
    """An item without what only names it."""
    kind = _type_of(item)
    if kind in _CALLS:
        return {name: value for name, value in item.items() if name not in ("id", "status")}
    if kind != "message":
        return item
    return {name: value for name, value in item.items() if name not in ("id", "status", "type")}


def _why_bypass(body: Json, items: list[Json]) -> str | None:
    tools = body.get("tools")
    for tool in tools if isinstance(tools, list) else ():
        kind = tool.get("type") if isinstance(tool, dict) else None
        if not is_one_of(kind, _OWN_TOOLS):
            return f"tool {kind}"[:_MOST_SHOWN]
    return next(filter(None, map(_why_not_plain, items)), None)


def _why_not_plain(item: Json) -> str | None:
    """Why an item does not say all by itself; None when it does."""
    kind = _type_of(item)
    if kind == "item_reference":
        return "item reference"
    if kind not in _PLAIN_ITEMS:
        return f"item {kind}"[:_MOST_SHOWN]
    for part in _parts(item):
        if part.get("file_id") is not None:
            return "file id"
        if part.get("type") == "input_audio":
            return "audio"
    return None


def _parts(item: Json) -> Iterator[Json]:
    """The parts of what an item says, or of what a tool gave back."""
    for name in ("content", "output"):
        told = item.get(name)
        yield from (p for p in (told if isinstance(told, list) else ()) if isinstance(p, dict))
