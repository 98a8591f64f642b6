import typing
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from openai.types.responses.response_create_params import (
    ResponseCreateParamsBase,
    ResponseCreateParamsStreaming,
)

from proxy.core.conversation.turns import Turn
from proxy.core.dialects.base import Reading
from proxy.core.dialects.parameters import Part
from proxy.core.dialects.responses import Responses
from proxy.core.dialects.responses_parameters import TABLE
from tests.core.builders import Json, json_values, texts

KEYED = sorted(name for name, row in TABLE.items() if row.part is not Part.NOT_IN_KEY)
NOT_KEYED = sorted(name for name, row in TABLE.items() if row.part is Part.NOT_IN_KEY)
SHAPING = [name for name in KEYED if name not in {"input", "model"}]
IMAGE = {"type": "input_image", "image_url": "https://example.com/a.png"}
CALL = {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"}
OUTPUT = {"type": "function_call_output", "call_id": "c", "output": "7"}
FUNCTION = {"type": "function", "name": "f", "parameters": {}}


def read(body: Json, **more: Any) -> Reading:
    fields: Json = {"tenant": "t", "namespace": "", "extra": {}, **more}
    return Responses().read(body, **fields)


def key(body: Json, **more: Any) -> str:
    found = read(body, **more)
    return found.scope.key(found.question)


def asked(told: Any = "What is a cache?", **more: Any) -> Json:
    return {"model": "m", "input": told, "store": False, **more}


def says(role: str, content: Any, **more: Any) -> Json:
    return {"role": role, "content": content, **more}


def text(told: str, kind: str = "input_text", **more: Any) -> Json:
    return {"type": kind, "text": told, **more}


def test_the_table_knows_the_sdks_parameters() -> None:
    """A new SDK's parameter fails here until somebody decides what it is to the cache."""
    known = set(typing.get_type_hints(ResponseCreateParamsBase))
    known |= set(typing.get_type_hints(ResponseCreateParamsStreaming))

    assert set(TABLE) == known


@given(st.sampled_from(SHAPING), json_values)
def test_every_keyed_parameter_changes_the_scope(name: str, value: Any) -> None:
    """With a value that is not its default, a parameter of the key is another scope."""
    expected = TABLE[name].is_default(value)

    assert (read(asked(**{name: value})).scope.id == read(asked()).scope.id) is expected


@given(
    st.sampled_from(SHAPING),
    st.lists(st.text("ab", min_size=1) | st.integers(2, 9), min_size=2, max_size=2, unique=True),
)
def test_two_values_are_two_scopes(name: str, values: list[Any]) -> None:
    """No two values of a keyed parameter share a scope."""
    one, other = (read(asked(**{name: value})).scope.id for value in values)

    assert one != other


@given(st.sampled_from([n for n in NOT_KEYED if n != "stream"]), json_values)
def test_what_is_not_in_the_key_changes_nothing(name: str, value: Any) -> None:
    """Who asks, and how it is delivered, is no part of what is asked."""
    assert read(asked(**{name: value})).scope == read(asked()).scope


@given(texts.filter(lambda name: name not in TABLE), json_values.filter(lambda v: v is not None))
def test_an_unknown_parameter_is_part_of_the_key(name: str, value: Any) -> None:
    """What a provider invents tomorrow may change the answer."""
    assert read(asked(**{name: value})).scope != read(asked()).scope


DIFFERENT: list[Json] = [
    asked("Q"),
    asked("Q", model="n"),
    asked("Q", instructions="Be brief."),
    asked("Q", prompt={"id": "p", "version": "1"}),
    asked([says("system", "Be brief."), says("user", "Q")]),
    asked([says("developer", "Be brief."), says("user", "Q")]),
    asked([says("user", "H"), says("developer", "Be brief."), says("user", "Q")]),
    asked([says("user", "H"), says("user", "Q")]),
    asked([says("user", "H"), says("assistant", "A"), says("user", "Q")]),
    asked([says("user", "H"), says("assistant", "A", phase="commentary"), says("user", "Q")]),
    asked([says("user", "Q"), says("assistant", "A")]),
    asked([says("user", [IMAGE, text("Q")])]),
    asked([says("user", [text("Q"), IMAGE])]),
    asked([says("user", [text("Q"), {**IMAGE, "detail": "low"}])]),
    asked([says("user", [text("Q"), text("Q")])]),
    asked([says("user", "Q"), CALL, OUTPUT]),
    asked([says("user", "Q"), CALL, {**OUTPUT, "output": "8"}]),
    asked([says("user", "Q"), {**CALL, "call_id": "d"}, {**OUTPUT, "call_id": "d"}]),
    asked([{"type": "reasoning", "id": "r", "summary": []}, says("user", "Q")]),
    asked([{"type": "reasoning", "id": "s", "summary": []}, says("user", "Q")]),
    asked([]),
]


def test_shapes_of_conversations_are_different_keys() -> None:
    """Instructions, turns, calls, parts and their positions: none is lost in the key."""
    assert len({key(body) for body in DIFFERENT}) == len(DIFFERENT)


ANSWERED = says(
    "assistant",
    [text("A", "output_text", annotations=[], logprobs=[])],
    type="message",
    id="msg_1",
    status="completed",
)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (asked(tools=[], include=[], stream=False), asked()),
        (asked(tool_choice="auto", parallel_tool_calls=True, truncation="disabled"), asked()),
        (asked(text={"format": {"type": "text"}}, temperature=None), asked()),
        (asked(temperature=1), asked(temperature=1.0)),
        (asked("Q"), asked([says("user", "Q")])),
        (asked("Q"), asked([says("user", [text("Q")], type="message")])),
        (asked("Q"), asked([says("user", [text("Q", prompt_cache_breakpoint={})])])),
        (asked("Caf\u00e9"), asked("Cafe\u0301")),
        (asked([ANSWERED, says("user", "Q")]), asked([says("assistant", "A"), says("user", "Q")])),
        (
            asked([{**CALL, "id": "fc_1", "status": "completed"}, {**OUTPUT, "id": "o"}]),
            asked([CALL, OUTPUT]),
        ),
    ],
)
def test_the_same_request_in_other_words(one: Json, other: Json) -> None:
    """Documented defaults, part forms, and ids of what was said make no difference."""
    assert key(one) == key(other)


@pytest.mark.parametrize(
    "body",
    [
        {},
        asked(model=7),
        asked(7),
        asked([7]),
        asked([{}]),
        asked([{"content": "no role"}]),
        asked(stream="yes"),
        asked("\ud83c"),
        asked([says("user", "a", x="\ud83c")]),
    ],
)
def test_an_unknown_shape_is_left_to_the_origin(body: Json) -> None:
    """It knows best whether that is a request."""
    assert read(body).bypass == "unreadable"


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        ({"background": True}, "background"),
        ({"background_options": {}}, "background_options"),
        ({"conversation": "c"}, "conversation"),
        ({"previous_response_id": "r"}, "previous_response_id"),
        ({"prompt": {"id": "p"}}, "prompt"),
        ({"prompt": {"id": "p", "version": "2"}}, None),
        ({"moderation": {"model": "m"}}, "moderation"),
        ({"prompt_cache_options": {"prewarm": True}}, "prompt_cache_options"),
        ({"prompt_cache_options": {"comparison_response_id": "r"}}, "prompt_cache_options"),
        ({"prompt_cache_options": {"ttl": "12h"}}, None),
        ({"background": False, "conversation": None}, None),
        ({"tools": [FUNCTION, {"type": "custom", "name": "g"}]}, None),
        ({"tools": [FUNCTION, {"type": "web_search"}]}, "tool web_search"),
        ({"tools": [7]}, "tool None"),
        ({"input": [{"type": "item_reference", "id": "i"}]}, "item reference"),
        ({"input": [{"id": "i"}]}, "item reference"),
        ({"input": [{"type": "mcp_call", "id": "i"}]}, "item mcp_call"),
        ({"input": [says("user", [IMAGE, {"type": "input_file", "file_id": "f"}])]}, "file id"),
        ({"input": [says("user", [{**IMAGE, "file_id": None}])]}, None),
        ({"input": [says("user", [{"type": "input_audio"}])]}, "audio"),
        (
            {"input": [CALL, {**OUTPUT, "output": [{"type": "input_image", "file_id": "f"}]}]},
            "file id",
        ),
    ],
)
def test_what_is_past_the_cache(more: Json, reason: str | None) -> None:
    """What the origin is to remember, remembers, or finds by itself."""
    assert read(asked(**more)).bypass == reason


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        ({}, None),
        ({"top_logprobs": 3}, "top_logprobs"),
        ({"include": ["message.output_text.logprobs"]}, "include"),
        ({"include": ["reasoning.encrypted_content"]}, None),
        ({"input": [says("user", "Q"), CALL, OUTPUT]}, "no question"),
        ({"input": [says("user", [IMAGE])]}, "no question"),
        ({"input": " "}, "no question"),
        ({"input": None}, "no question"),
    ],
)
def test_what_only_the_same_request_may_have(more: Json, reason: str | None) -> None:
    """Log-probabilities, and whatever is no question of a user's."""
    assert read(asked(**more)).exact_only == reason


@pytest.mark.parametrize(("store", "is_stored"), [(False, False), (True, True), (None, True)])
def test_an_answer_is_stored_unless_it_says_otherwise(store: Any, *, is_stored: bool) -> None:
    """The API's default is true."""
    assert read(asked(store=store)).is_stored is is_stored
    assert read({"model": "m", "input": "Q"}).is_stored


def test_only_offered_tools_make_an_act() -> None:
    """A choice among none, or the default, is no offer."""
    assert not read(asked(tool_choice="auto", tools=[])).scope.tools
    assert read(asked(tools=[FUNCTION])).scope.tools


def test_the_question_is_the_last_users_text() -> None:
    """All of its texts; the images beside it are context."""
    found = read(asked([says("user", "H"), says("user", [text("One"), IMAGE, text("two")])]))

    assert found.question == "One\ntwo"
    assert found.include_usage


def test_a_plain_conversation_is_told() -> None:
    """For follow-ups, which are read with what came before; not where it holds more than text."""
    turns = [says("user", "H"), ANSWERED, says("user", "Q")]

    assert read(asked(turns)).talk == (Turn("user", "H"), Turn("assistant", "A"), Turn("user", "Q"))
    assert read(asked([CALL, OUTPUT, says("user", "Q")])).talk == ()
    assert read(asked([says("user", [text("Q"), IMAGE])])).talk == ()


def test_tenants_and_headers_are_part_of_the_key() -> None:
    """Two keys never share, and a beta header may change the answer."""
    assert (
        len({key(asked()), key(asked(), tenant="u"), key(asked(), extra={"openai-beta": "x"})}) == 3
    )
