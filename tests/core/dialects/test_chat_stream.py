import json
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.core.dialects.base import Stamp, UnreadableFrameError
from proxy.core.dialects.chat_stream import (
    ChatProgress,
    facts,
    fold,
    is_usage_frame,
    refresh,
    text_of,
    usage_of,
)
from proxy.core.model import Usage
from tests.core.builders import Json, json_values


def frames(*deltas: Json, **more: Any) -> list[bytes]:
    head = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m", **more}
    parts = [{"index": 0, "delta": delta, "finish_reason": None} for delta in deltas]
    end = {"index": 0, "delta": {}, "finish_reason": "stop"}
    return [orjson.dumps({**head, "choices": [part]}) for part in [*parts, end]]


def test_parallel_tool_calls_are_merged_by_index() -> None:
    """Deltas of two calls may be interleaved."""
    found = fold(
        frames(
            {"role": "assistant", "content": None},
            {
                "tool_calls": [
                    {
                        "index": 0,
                        "id": "a",
                        "type": "function",
                        "function": {"name": "f", "arguments": ""},
                    }
                ]
            },
            {
                "tool_calls": [
                    {
                        "index": 1,
                        "id": "b",
                        "type": "function",
                        "function": {"name": "g", "arguments": "{"},
                    }
                ]
            },
            {"tool_calls": [{"index": 0, "function": {"arguments": '{"x"'}}]},
            {"tool_calls": [{"index": 1, "function": {"arguments": "}"}}]},
            {"tool_calls": [{"index": 0, "function": {"arguments": ":1}"}}]},
        )
    )

    assert found["choices"][0]["message"] == {
        "role": "assistant",
        "content": None,
        "tool_calls": [
            {"id": "a", "type": "function", "function": {"name": "f", "arguments": '{"x":1}'}},
            {"id": "b", "type": "function", "function": {"name": "g", "arguments": "{}"}},
        ],
    }


def test_a_role_in_every_chunk_is_one_role() -> None:
    """Some origins repeat it."""
    found = fold(
        frames({"role": "assistant", "content": "a"}, {"role": "assistant", "content": "b"})
    )

    assert found["choices"][0]["message"] == {"role": "assistant", "content": "ab"}


def test_stream_only_fields_are_gone() -> None:
    """Obfuscation is padding of the stream; the chunk's type becomes the answer's."""
    found = fold(frames({"content": "a"}, obfuscation="xyz", service_tier="default"))

    assert "obfuscation" not in found
    assert (found["object"], found["service_tier"]) == ("chat.completion", "default")


@pytest.mark.parametrize("frame", [b"{", b"[]", b'{"error": {"message": "no"}}', b"7"])
def test_what_is_no_chunk_is_refused(frame: bytes) -> None:
    """A stream that carries an error, or something else, has no answer."""
    with pytest.raises(UnreadableFrameError):
        fold([frame])


def progress(*payloads: bytes) -> ChatProgress:
    found = ChatProgress()
    for payload in payloads:
        found.feed(payload)
    return found


def test_an_end_needs_a_finish_and_a_marker() -> None:
    """Either alone is a stream that broke off."""
    whole = frames({"content": "a"})

    assert progress(*whole, b"[DONE]").is_complete
    assert not progress(*whole).is_complete
    assert not progress(*whole[:-1], b"[DONE]").is_complete
    assert not progress(b"[DONE]").is_complete
    assert not progress(b'{"error": {}}', *whole, b"[DONE]").is_complete
    assert not progress(b"garbage", *whole, b"[DONE]").is_complete


def test_every_choice_must_finish() -> None:
    """One of two that finished is half an answer."""
    one = b'{"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}'
    two = b'{"choices":[{"index":1,"delta":{"content":"a"},"finish_reason":null}]}'

    assert not progress(two, one, b"[DONE]").is_complete
    assert not progress(two, one).is_finished


def test_a_usage_chunk_is_known() -> None:
    """It has no choices, and usage."""
    assert is_usage_frame(b'{"choices":[],"usage":{"total_tokens":1}}')
    assert not is_usage_frame(b'{"choices":[],"usage":null}')
    assert not is_usage_frame(b'{"choices":[{"index":0}],"usage":{"total_tokens":1}}')
    assert not is_usage_frame(b'{"choices":[],"prompt_filter_results":[]}')
    assert not is_usage_frame(b"[DONE]")


def test_refreshing_changes_id_and_time_alone() -> None:
    """Every other byte stays: large integers, float forms, white space, the order of fields."""
    body = b'{"id":"old", "object":"o","created": 1,"big":123456789012345678901,"f":1.0,"a":1e-7}'

    assert refresh(body, Stamp("new", 9)) == body.replace(b"old", b"new").replace(b" 1,", b" 9,")
    assert refresh(b'{"a":1}', Stamp("new", 9)) == b'{"a":1}'


@pytest.mark.parametrize(
    ("message", "empty", "refusal", "tool_calls"),
    [
        ({"content": "Yes."}, False, False, False),
        ({"content": ""}, True, False, False),
        ({"content": None}, True, False, False),
        ({"content": None, "tool_calls": [{"id": "a"}]}, False, False, True),
        ({"content": None, "refusal": "No."}, True, True, False),
    ],
)
def test_facts(message: Json, *, empty: bool, refusal: bool, tool_calls: bool) -> None:
    """What admission asks of an answer."""
    found = facts({"choices": [{"message": message, "finish_reason": "stop"}]})

    assert (found.empty, found.refusal, found.tool_calls) == (empty, refusal, tool_calls)
    assert found.finish == ("stop",)


def test_one_empty_choice_makes_an_answer_empty() -> None:
    """All choices must say something."""
    choice = {"message": {"content": "a"}, "finish_reason": "stop"}

    assert facts({"choices": [choice, {"message": {}, "finish_reason": "stop"}]}).empty
    assert facts({"choices": []}).empty


def test_usage_is_read() -> None:
    """As the origin counted it, or not at all."""
    assert usage_of({"usage": {"prompt_tokens": 3, "completion_tokens": 4}}) == Usage(3, 4)
    assert usage_of({"usage": None}) is None
    assert usage_of({"usage": {"prompt_tokens": "3"}}) is None


def test_all_text_is_counted() -> None:
    """What was said, and what was passed to tools."""
    message = {"content": "a", "tool_calls": [{"function": {"arguments": "{}"}}]}

    assert text_of({"choices": [{"message": message}]}) == "a\n{}"


def message(*deltas: Json) -> Json:
    found: Json = fold(frames(*deltas))["choices"][0]["message"]
    return found


def call(arguments: str, **more: Any) -> Json:
    name = more.pop("name", None)
    function = {"arguments": arguments} if name is None else {"name": name, "arguments": arguments}
    return {"tool_calls": [{**more, "function": function}]}


@pytest.mark.parametrize("index", [{}, {"index": 0}])
def test_calls_without_an_index_of_their_own_are_told_by_their_ids(index: Json) -> None:
    """Some origins send whole calls, all of index 0, or none."""
    found = message(call("{}", id="a", name="f", **index), call("[]", id="b", name="g", **index))

    assert [(c["id"], c["function"]["arguments"]) for c in found["tool_calls"]] == [
        ("a", "{}"),
        ("b", "[]"),
    ]


def test_parts_of_a_call_without_an_index_belong_to_the_last() -> None:
    """There is no other they could mean."""
    found = message(call("{", id="a", name="f"), call("}"))

    assert found["tool_calls"] == [{"id": "a", "function": {"name": "f", "arguments": "{}"}}]


def test_names_and_ids_told_again_are_told_once() -> None:
    """Some origins repeat them in every part, or send them empty."""
    found = message(
        call("{", index=0, id="a", type="function", name="f"),
        call("", index=0, id="", type="function", name="f"),
        call("}", index=0, id="a", type="function", name=""),
    )

    assert found["tool_calls"] == [
        {"id": "a", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    ]


def test_a_new_id_alone_is_no_new_call() -> None:
    """Some origins invent one for every part."""
    found = message(call("{", index=0, id="a", name="f"), call("}", index=0, id="b"))

    assert [c["function"]["arguments"] for c in found["tool_calls"]] == ["{}"]


def test_null_content_and_empty_content_differ() -> None:
    """Whichever the origin said."""
    assert message({"role": "assistant", "content": None}) == {"role": "assistant", "content": None}
    assert message({"content": ""}, {"content": None}) == {"content": ""}


def test_choices_may_be_interleaved() -> None:
    """They come out by index, each with its own text, end and log-probabilities."""
    parts = [(1, "a", None), (0, "b", None), (1, "c", "length"), (0, "d", "stop")]
    found = fold(
        orjson.dumps(
            {
                "choices": [
                    {
                        "index": index,
                        "delta": {"content": text},
                        "finish_reason": finish,
                        "logprobs": {"content": [{"token": text}], "refusal": None},
                    }
                ]
            }
        )
        for index, text, finish in parts
    )

    assert found["choices"] == [
        {
            "index": index,
            "message": {"content": text},
            "finish_reason": finish,
            "logprobs": {"content": [{"token": token} for token in text], "refusal": None},
        }
        for index, text, finish in [(0, "bd", "stop"), (1, "ac", "length")]
    ]


def test_fields_of_the_chunk_are_not_joined() -> None:
    """The last value counts, null is none, and an object's fields add up."""
    found = fold(
        [
            b'{"model":"m","provider":"p","citations":["a"],"x":{"id":1},"usage":null,"choices":[]}',
            b'{"model":"m","provider":"p","citations":["a","b"],"x":{"n":2},"fp":null,"choices":[]}',
            b'{"model":null,"choices":[],"usage":{"total_tokens":3}}',
        ]
    )

    assert found == {
        "object": "chat.completion",
        "model": "m",
        "choices": [],
        "usage": {"total_tokens": 3},
        "provider": "p",
        "citations": ["a", "b"],
        "x": {"id": 1, "n": 2},
        "fp": None,
    }


def test_halves_of_a_character_are_joined() -> None:
    """An origin may cut between the escapes of an emoji; one that has lost a half is refused."""
    high = rb'{"choices":[{"index":0,"delta":{"content":"\ud83c"},"finish_reason":null}]}'
    low = rb'{"choices":[{"index":0,"delta":{"content":"\udf89"},"finish_reason":"stop"}]}'

    assert fold([high, low])["choices"][0]["message"] == {"content": "🎉"}
    assert progress(high, low, b"[DONE]").is_complete
    assert refresh(b'{"created":1,"a":"\\ud83c"}', Stamp("x", 9)) == b'{"created":9,"a":"\\ud83c"}'
    with pytest.raises(UnreadableFrameError):
        fold([high])


def test_a_large_number_stays_itself() -> None:
    """Beyond 64 bits too."""
    assert fold([b'{"seed":123456789012345678901,"choices":[]}'])["seed"] == 123456789012345678901


@pytest.mark.parametrize(
    "parts",
    [
        [{"content": "a"}, {"content": [{"type": "text", "text": "b"}]}],
        [{"content": [{"type": "text"}]}, {"content": [{"type": "text"}]}],
        [{"x": "a"}, {"x": {"b": 1}}],
        [{"tool_calls": [7]}],
        [{"tool_calls": [{"function": {"arguments": "{}"}, "index": 0}, {"index": "one"}]}, 7],
        ["text"],
    ],
)
def test_what_cannot_be_merged_is_refused(parts: list[Any]) -> None:
    """An answer that we would have to guess is not kept."""
    with pytest.raises(UnreadableFrameError):
        fold(frames(*parts))


@pytest.mark.parametrize(
    "choice", [b'{"index":"0","delta":{}}', b'{"index":true}', b'{"message":{}}', b"7"]
)
def test_what_is_no_choice_of_a_stream_is_refused(choice: bytes) -> None:
    """An index is a number, and a whole message is no delta."""
    with pytest.raises(UnreadableFrameError):
        fold([b'{"choices":[' + choice + b"]}"])


@pytest.mark.parametrize(
    "payload",
    [
        b'{"id":"old","created":1,"service_tier":"flex","model":"m"}',
        b'{ "id": "old", "object": "o", "created": 1, "model": "m", "service_tier": "flex" }',
        b'{"id":"old","service_tier":"flex","created":1,"model":"m"}',
        b'{"model":"m","created":1,"service_tier":null,"id":"old"}',
    ],
)
def test_the_tier_of_the_first_call_is_not_replayed(payload: bytes) -> None:
    """It says how that call was served and billed. Wherever the fields stand."""
    found = orjson.loads(refresh(payload, Stamp("new", 9)))

    assert "service_tier" not in found
    assert (found["id"], found["created"], found["model"]) == ("new", 9, "m")


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
