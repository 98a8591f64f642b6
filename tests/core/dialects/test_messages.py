import typing
from typing import Any

import pytest
from anthropic.types import beta
from anthropic.types.message_create_params import (
    MessageCreateParamsBase,
    MessageCreateParamsStreaming,
)
from hypothesis import given
from hypothesis import strategies as st

from proxy.core.conversation.turns import Turn
from proxy.core.dialects.base import Reading
from proxy.core.dialects.messages import Messages
from proxy.core.dialects.messages_parameters import TABLE
from proxy.core.dialects.parameters import Part
from tests.core.builders import Json, json_values, texts

HEADERS = {"betas", "user_profile_id", "workspace_id"}
"""Arguments of the SDK's that it sends as headers."""

KEYED = sorted(name for name, row in TABLE.items() if row.part is not Part.NOT_IN_KEY)
NOT_KEYED = sorted(name for name, row in TABLE.items() if row.part is Part.NOT_IN_KEY)
READ = {"messages", "model", "system", "tools", "max_tokens"}
SHAPING = [name for name in KEYED if name not in READ]
IMAGE = {"type": "image", "source": {"type": "url", "url": "https://example.com/a.png"}}
CACHED = {"cache_control": {"type": "ephemeral"}}
CALL = {"type": "tool_use", "id": "t", "name": "f", "input": {}}
TOOL = {"name": "f", "input_schema": {"properties": {"cache_control": {"type": "string"}}}}


def read(body: Json, **more: Any) -> Reading:
    fields: Json = {"tenant": "t", "namespace": "", "extra": {}, **more}
    return Messages().read(body, **fields)


def key(body: Json, **more: Any) -> str:
    found = read(body, **more)
    return found.scope.key(found.question)


def user(content: Any = "Q", **more: Any) -> Json:
    return {"role": "user", "content": content, **more}


def assistant(content: Any) -> Json:
    return {"role": "assistant", "content": content}


def text(told: str, **more: Any) -> Json:
    return {"type": "text", "text": told, **more}


def result(content: Any = "7", **more: Any) -> Json:
    return {"type": "tool_result", "tool_use_id": "t", "content": content, **more}


def asked(*messages: Json, **more: Any) -> Json:
    return {"model": "m", "max_tokens": 99, "messages": list(messages or (user(),)), **more}


def test_the_table_knows_the_sdks_parameters() -> None:
    """A new SDK's parameter, of its beta API too, fails here until somebody decides what it is."""
    known = set(typing.get_type_hints(MessageCreateParamsBase))
    known |= set(typing.get_type_hints(MessageCreateParamsStreaming))
    known |= set(typing.get_type_hints(beta.message_create_params.MessageCreateParamsBase))

    assert set(TABLE) == (known - HEADERS) | {"output_format"}


@given(st.sampled_from(SHAPING), json_values)
def test_every_keyed_parameter_changes_the_scope(name: str, value: Any) -> None:
    """With a value that is not its default, a parameter of the key is another scope."""
    expected = TABLE[name].is_default(value)

    assert (read(asked(**{name: value})).scope.id == read(asked()).scope.id) is expected


@given(st.sampled_from([n for n in NOT_KEYED if n != "stream"]), json_values)
def test_what_is_not_in_the_key_changes_nothing(name: str, value: Any) -> None:
    """Who asks, how it is delivered, and where the origin caches, is no part of what is asked."""
    assert read(asked(**{name: value})).scope == read(asked()).scope


@given(texts.filter(lambda name: name not in TABLE), json_values.filter(lambda v: v is not None))
def test_an_unknown_parameter_is_part_of_the_key(name: str, value: Any) -> None:
    """What a provider invents tomorrow may change the answer."""
    assert read(asked(**{name: value})).scope != read(asked()).scope


DIFFERENT: list[Json] = [
    asked(),
    asked(model="n"),
    asked(max_tokens=5),
    asked(system="Be brief."),
    asked(system=[text("Be"), text("brief.")]),
    asked(system="Be long."),
    asked(temperature=1),
    asked(tools=[TOOL]),
    asked(tools=[{**TOOL, "input_schema": {}}]),
    asked({"role": "system", "content": "Be brief."}, user()),
    asked(user("H"), {"role": "system", "content": "Be brief."}, user()),
    asked(user("H"), assistant("A"), user()),
    asked(user("H"), assistant([{"type": "thinking", "thinking": "a", "signature": "s"}]), user()),
    asked(user("H"), assistant("B"), user()),
    asked(user(), assistant("Pre")),
    asked(user([IMAGE, text("Q")])),
    asked(user([text("Q"), IMAGE])),
    asked(user([text("Q"), text("Q")])),
    asked(user(), assistant([CALL]), user([result()])),
    asked(user(), assistant([CALL]), user([result("8")])),
    asked(user(), assistant([CALL]), user([result("8", is_error=True)])),
]


def test_shapes_of_conversations_are_different_keys() -> None:
    """Instructions, turns, thoughts, calls, results, parts and their positions: none is lost."""
    assert len({key(body) for body in DIFFERENT}) == len(DIFFERENT)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (asked(stop_sequences=[], tools=None, stream=False), asked()),
        (asked(user([text("Q")])), asked(user("Q"))),
        (asked(user([text("Q", **CACHED)])), asked(user("Q"))),
        (asked(user([{**IMAGE, **CACHED}, text("Q")])), asked(user([IMAGE, text("Q")]))),
        (asked(system=[text("Be brief.", **CACHED)]), asked(system="Be brief.")),
        (asked(tools=[{**TOOL, **CACHED}]), asked(tools=[TOOL])),
        (
            asked(user(), assistant([CALL]), user([result([text("7", **CACHED)], **CACHED)])),
            asked(user(), assistant([CALL]), user([result([text("7")])])),
        ),
        (
            asked(user("H"), assistant([text("A", citations=None)]), user()),
            asked(user("H"), assistant("A"), user()),
        ),
        (asked(user("Caf\u00e9")), asked(user("Cafe\u0301"))),
    ],
)
def test_the_same_request_in_other_words(one: Json, other: Json) -> None:
    """Part forms, defaults, and hints to the origin's cache wherever they stand."""
    assert key(one) == key(other)


@pytest.mark.parametrize(
    "body",
    [
        {},
        asked(model=7),
        {"model": "m", "messages": []},
        {"model": "m", "messages": "text"},
        asked({"content": "no role"}),
        asked(tools=7),
        asked(tools=[7]),
        asked(stream=1),
        asked(user("\ud83c")),
    ],
)
def test_an_unknown_shape_is_left_to_the_origin(body: Json) -> None:
    """It knows best whether that is a request."""
    assert read(body).bypass == "unreadable"


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (asked(), None),
        (asked(container="c"), "container"),
        (asked(container=None), None),
        (asked(thread={"type": "create"}), "thread"),
        (asked(mcp_servers=[{"url": "u"}]), "mcp_servers"),
        (asked(diagnostics={}), "diagnostics"),
        (asked(tools=[TOOL, {"type": "custom", **TOOL}]), None),
        (asked(tools=[{"type": "bash_20250124", "name": "bash"}]), None),
        (asked(tools=[{"type": "web_search_20250305", "name": "w"}]), "tool web_search_20250305"),
        (asked(tools=[TOOL, {"type": 7}]), "tool 7"),
        (asked(user([{"type": "container_upload", "file_id": "f"}])), "file id"),
        (asked(user([{"type": "image", "source": {"type": "file", "file_id": "f"}}])), "file id"),
        (
            asked(user([result([{"type": "image", "source": {"type": "file", "file_id": "f"}}])])),
            "file id",
        ),
    ],
)
def test_what_is_past_the_cache(body: Json, reason: str | None) -> None:
    """What the origin is to remember, remembers, or finds by itself."""
    assert read(body).bypass == reason


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (asked(), None),
        (asked(user([result(), text("And now?")])), "tool result"),
        (asked(user([result()])), "no question"),
        (asked(user(), assistant("Pre")), "no question"),
        (asked(user([IMAGE])), "no question"),
    ],
)
def test_what_only_the_same_request_may_have(body: Json, reason: str | None) -> None:
    """A tool's result is data, and a prefilled answer no question."""
    assert read(body).exact_only == reason


def test_only_offered_tools_make_an_act() -> None:
    """None are none."""
    assert not read(asked(tools=[])).scope.tools
    assert read(asked(tools=[TOOL])).scope.tools


def test_a_plain_conversation_is_told() -> None:
    """For follow-ups, which are read with what came before; not where it holds more than text."""
    found = read(asked(user("H"), assistant([text("A", citations=None)]), user([text("Q")])))

    assert found.talk == (Turn("user", "H"), Turn("assistant", "A"), Turn("user", "Q"))
    assert found.question == "Q"
    assert read(asked(user("H"), assistant([CALL]), user([result()]))).talk == ()


def test_tenants_and_headers_are_part_of_the_key() -> None:
    """Two keys never share, and a beta header may change the answer."""
    beta_header = key(asked(), extra={"anthropic-beta": "x"})

    assert len({key(asked()), key(asked(), tenant="u"), beta_header}) == 3
