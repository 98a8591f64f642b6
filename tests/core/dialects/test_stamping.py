import json

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.core.dialects.base import Stamp
from proxy.core.dialects.chat import Chat
from proxy.core.dialects.completions import Completions
from proxy.core.dialects.responses import Responses
from proxy.core.dialects.stamping import refresh
from tests.core.builders import Json, json_values


def test_refreshing_changes_id_and_time_alone() -> None:
    """Every other byte stays: large integers, float forms, white space, the order of fields."""
    body = b'{"id":"old", "object":"o","created": 1,"big":123456789012345678901,"f":1.0,"a":1e-7}'

    assert refresh(body, Stamp("new", 9)) == body.replace(b"old", b"new").replace(b" 1,", b" 9,")
    assert refresh(b'{"a":1}', Stamp("new", 9)) == b'{"a":1}'


@pytest.mark.parametrize(
    "payload",
    [
        b'{"id":"old","created":1,"service_tier":"flex","model":"m"}',
        b'{ "id": "old", "object": "o", "created": 1, "model": "m", "service_tier": "flex" }',
        b'{"id":"old","service_tier":"flex","created":1,"model":"m"}',
        b'{"model":"m","created":1,"service_tier":null,"id":"old"}',
        b'{"id":"old","created":1,"choices":[{"x":{}}],"service_tier":"flex","model":"m"}',
    ],
)
def test_the_tier_of_the_first_call_is_not_replayed(payload: bytes) -> None:
    """It says how that call was served and billed. Wherever the fields stand."""
    found = orjson.loads(refresh(payload, Stamp("new", 9)))

    assert "service_tier" not in found
    assert (found["id"], found["created"], found["model"]) == ("new", 9, "m")


def test_a_tier_of_something_else_is_replayed() -> None:
    """Only the answer's own field is dropped, not one inside its usage."""
    nested = b'{"id":"old","created":1,"usage":{"service_tier":"a","n":1},"model":"m"}'
    both = b'{"id":"a","created":1,"x":[{"service_tier":"a","n":1}],"service_tier":"b","y":{}}'

    assert b'"usage":{"service_tier":"a","n":1}' in refresh(nested, Stamp("new", 9))
    assert orjson.loads(refresh(both, Stamp("new", 9))) == {
        "id": "new",
        "created": 9,
        "x": [{"service_tier": "a", "n": 1}],
        "y": {},
    }


@pytest.mark.parametrize("place", ["first", "last"])
def test_padding_goes_where_the_caller_declines_it(place: str) -> None:
    """`include_obfuscation: false` is honoured, whoever asked first."""
    padding, rest = {"obfuscation": "aZ3"}, {"id": "old", "created": 1, "choices": []}
    payload = json.dumps(padding | rest if place == "first" else rest | padding).encode()
    plain = {"id": "new", "created": 9, "choices": []}

    assert json.loads(refresh(payload, Stamp("new", 9))) == plain | padding
    assert json.loads(refresh(payload, Stamp("new", 9, is_padded=False))) == plain


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, True),
        ({"stream_options": None}, True),
        ({"stream_options": {"include_usage": True}}, True),
        ({"stream_options": {"include_obfuscation": True}}, True),
        ({"stream_options": {"include_obfuscation": False}}, False),
    ],
)
def test_events_are_padded_unless_declined(options: Json, *, expected: bool) -> None:
    """As OpenAI documents it, in each of its APIs."""
    for dialect in (Chat(), Completions(), Responses()):
        assert dialect.stamp("ab", 9, options).is_padded is expected


json_objects = st.dictionaries(
    st.sampled_from(["id", "object", "created", "model", "service_tier", "x", "service_tier2"]),
    json_values | st.sampled_from(["created", '"id":"a"', "chat.completion"]),
)


separators = st.sampled_from([(",", ":"), (", ", ": "), (" ,\n", " : ")])


@given(json_objects, separators)
def test_refreshing_by_bytes_is_refreshing_by_parsing(
    value: Json, separators: tuple[str, str]
) -> None:
    """The short way never finds what is not the payload's own id, time or tier."""
    payload = json.dumps(value, separators=separators).encode()
    expected = {name: field for name, field in value.items() if name != "service_tier"}
    if "id" in value:
        expected["id"] = "new"
    if "created" in value:
        expected["created"] = 9

    assert json.loads(refresh(payload, Stamp("new", 9))) == expected
