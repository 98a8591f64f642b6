"""Anthropic's Messages: read a request.

Rules of the file, beside those of chat completions:

- Where the origin is to cache (`cache_control`) is not keyed: it changes the bill, not the answer.
- A tool's result comes in a user's message: no other result's answer may serve.
- Tools that the origin runs itself are past the cache, and so is what is told by file id.
"""

import re
from collections.abc import Iterator
from typing import Any, Final

from proxy.core.dialects import events, messages_stream, messages_unfold
from proxy.core.dialects.base import Json, Stamp
from proxy.core.dialects.contents import Contents, Question, talk
from proxy.core.dialects.messages_parameters import TABLE
from proxy.core.dialects.reader import Found, Reader, UnknownShapeError

_OWN_TOOLS: Final = re.compile(
    r"custom|(?:bash|text_editor|memory|computer|computer_toolset|browser_toolset)_\d+"
)
"""Types of the tools that the caller runs."""

_MOST_SHOWN: Final = 40
"""Characters of a type's name in a reason."""

_CONTENTS: Final = Contents(texts=frozenset({"text"}), unkeyed=frozenset({"cache_control"}))


class Messages(Reader, events.ToldUsage):
    """`POST /v1/messages`."""

    api = "messages"
    path = "/v1/messages"
    table = TABLE
    end_marker = b""
    watch = messages_stream.MessageProgress
    name_of = staticmethod(events.name_of)
    unfold = staticmethod(messages_unfold.unfold)
    refresh = staticmethod(messages_stream.refresh)
    is_answer = staticmethod(messages_stream.is_answer)
    facts = staticmethod(messages_stream.facts)
    said = staticmethod(messages_stream.said)
    usage_of = staticmethod(messages_stream.usage_of)

    def stamp(self, token: str, created: int, body: Json) -> Stamp:  # noqa: ARG002 - no echo
        """An id like Anthropic's."""
        return Stamp(f"msg_{token}", created)

    def texts_of(self, body: Json, answer: Json) -> tuple[str, str]:
        """The text of the instructions and all messages, and of the answer."""
        said = [_plain(body.get("system"))]
        said.extend(_plain(message.get("content")) for message in body["messages"])
        return "\n".join(filter(None, said)), messages_stream.text_of(answer)

    def find(self, body: Json) -> Found:
        """Its messages, instructions and tools."""
        if not isinstance(body.get("stream"), bool | None):
            raise UnknownShapeError("stream")
        system, turns, question = _split(body.get("messages"))
        told = _CONTENTS.keyed({"content": body.get("system")})
        tools = _tools(body.get("tools"))
        return Found(
            question=question.text,
            context=[turns, question.rest],
            stream=body.get("stream") is True,
            include_usage=True,
            system=[told, system] if told or system else None,
            tools=tools,
            exact_only=_why_exact(body, question),
            bypass=_why_bypass(body, tools),
            talk=talk(turns, question),
        )


def _plain(content: object) -> str:
    """All text of a content, results of tools included."""
    if isinstance(content, str):
        return content
    found = []
    for block in _blocks(content):
        found += [str(block.get("text") or ""), _plain(block.get("content"))]
    return "\n".join(filter(None, found))


def _blocks(content: object) -> Iterator[Json]:
    yield from (b for b in (content if isinstance(content, list) else ()) if isinstance(b, dict))


def _tools(told: object) -> list[Json]:
    """The tools offered, as they are keyed."""
    if told is None:
        return []
    if not isinstance(told, list) or not all(isinstance(tool, dict) for tool in told):
        raise UnknownShapeError("tools")
    return [_CONTENTS.keyed_part(tool) for tool in told]


def _split(messages: object) -> tuple[list[Any], list[Any], Question]:
    """(instructions with their positions, earlier turns, the question)."""
    if not isinstance(messages, list) or not messages:
        raise UnknownShapeError("messages")
    system: list[Any] = []
    turns: list[Json] = []
    for position, message in enumerate(messages):
        if not isinstance(message, dict) or not isinstance(message.get("role"), str):
            raise UnknownShapeError(f"messages[{position}]")
        if message["role"] == "system":
            system.append([len(turns), _CONTENTS.keyed(message)])
        else:
            turns.append(_with_bare_results(message))
    if not turns or messages[-1].get("role") != "user":
        return system, [_CONTENTS.keyed(turn) for turn in turns], Question()
    earlier = [_CONTENTS.keyed(turn) for turn in turns[:-1]]
    return system, earlier, _CONTENTS.question(turns[-1])


def _with_bare_results(message: Json) -> Json:
    """A message whose tools' results say nothing of where the origin is to cache."""
    content = message.get("content")
    if not isinstance(content, list):
        return message
    return {**message, "content": [_with_bare_content(block) for block in content]}


def _with_bare_content(block: Any) -> Any:  # noqa: ANN401 - JSON is anything
    inner = block.get("content") if isinstance(block, dict) else None
    if not isinstance(inner, list):
        return block
    return {**block, "content": [_CONTENTS.keyed_part(part) for part in inner]}


def _why_exact(body: Json, question: Question) -> str | None:
    if not question.text.strip():
        return "no question"
    last = _blocks(body["messages"][-1].get("content"))
    if any(block.get("type") == "tool_result" for block in last):
        return "tool result"
    return None


def _why_bypass(body: Json, tools: list[Json]) -> str | None:
    for tool in tools:
        kind = tool.get("type") or "custom"
        if not isinstance(kind, str) or not _OWN_TOOLS.fullmatch(kind):
            return f"tool {kind}"[:_MOST_SHOWN]
    contents = [message.get("content") for message in body["messages"]]
    return "file id" if any(map(_refers_to_file, contents)) else None


def _refers_to_file(content: object) -> bool:
    """Whether some block, or a result of a tool, is a file that the origin keeps."""
    for block in _blocks(content):
        source = block.get("source")
        holders = (block, source if isinstance(source, dict) else {})
        if any(holder.get("file_id") is not None for holder in holders):
            return True
        if _refers_to_file(block.get("content")):
            return True
    return False
