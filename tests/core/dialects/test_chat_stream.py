from itertools import pairwise
from random import Random
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.core.canonical import dumps
from proxy.core.dialects.base import Stamp, UnreadableFrameError
from proxy.core.dialects.chat import Chat
from proxy.core.dialects.stamping import refresh
from proxy.core.stream import Marks, Recorder
from tests.core.builders import Json
from tests.core.dialects.chat_answers import frames, progress, said
from tests.core.dialects.chat_streams import streamed, told
from tests.core.dialects.folding import chat as fold


@settings(deadline=None)
@given(streamed())
def test_however_an_origin_cuts_it_the_answer_is_the_same(found: tuple[Json, list[Json]]) -> None:
    """Texts cut anywhere, choices and parallel calls interleaved, what is unknown kept."""
    answer, chunks = found

    assert fold(map(dumps, chunks)) == answer


def wire(chunks: list[Json], ending: bytes) -> bytes:
    """The chunks as bytes, with comments, and whichever line ending."""
    lines = [b": alive", b""]
    for chunk in chunks:
        lines += [b"event: message", b"data: " + dumps(chunk), b""]
    return ending.join([*lines, b"data: [DONE]", b"", b""])


@settings(deadline=None)
@given(streamed(), st.sampled_from([b"\n", b"\r\n", b"\r"]), st.lists(st.integers(0, 5000)))
def test_however_the_bytes_are_cut_the_answer_is_the_same(
    found: tuple[Json, list[Json]], ending: bytes, places: list[int]
) -> None:
    """Inside a character, a line ending or a field."""
    answer, chunks = found
    whole = wire(chunks, ending)
    recorder = Recorder(Chat(), 1 << 20, Marks())
    for start, end in pairwise([0, *sorted(place % len(whole) for place in places), len(whole)]):
        recorder.feed(whole[start:end])

    assert recorder.is_complete
    assert fold(recorder.frames) == answer


@pytest.mark.parametrize("ending", [b"\n", b"\r\n", b"\r"])
def test_every_place_to_cut_once(ending: bytes) -> None:
    """Two pieces of one stream, cut at each of its bytes in turn."""
    answer = said(role="assistant", content="Grüße, 🎉")
    whole = wire(told(answer, Random(1)), ending)
    for place in range(len(whole)):
        recorder = Recorder(Chat(), 1 << 20, Marks())
        recorder.feed(whole[:place])
        recorder.feed(whole[place:])

        assert recorder.is_complete
        assert fold(recorder.frames) == answer


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
        [{"content": [{"type": "text"}]}, {"content": {"type": "text"}}],
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


def text(said: str) -> Json:
    return {"type": "text", "text": said}


def thought(said: str) -> Json:
    return {"type": "thinking", "thinking": [text(said)]}


def test_content_in_parts_goes_on_part_by_part() -> None:
    """As Mistral's models think and speak, in parts or in plain text."""
    found = message(
        {"role": "assistant", "content": ""},
        {"content": [thought("Fr")]},
        {"content": [thought("ance.")]},
        {"content": [text("Pa")]},
        {"content": "ris"},
        {"content": ""},
    )

    assert found["content"] == [thought("France."), text("Paris")]


def test_parts_that_came_together_are_apart() -> None:
    """An origin that sends a whole list at once means what it says."""
    assert message({"content": [text("a"), text("b")]})["content"] == [text("a"), text("b")]


def test_a_calls_own_index_is_kept() -> None:
    """Last in a call of one part it is the call's own, as with Mistral; else it is the stream's."""
    function = {"name": "f", "arguments": "{}"}
    own = {"id": "a", "function": function, "index": 0}
    stream = {"index": 0, "id": "a", "function": function}

    assert message({"tool_calls": [own]})["tool_calls"] == [own]
    head = {"id": "a", "function": {**function, "arguments": ""}, "index": 0}
    piece = {"function": {"arguments": "{}"}, "index": 0}
    plain = [{"id": "a", "function": function}]

    assert message({"tool_calls": [stream]})["tool_calls"] == plain
    assert message({"tool_calls": [head]}, {"tool_calls": [piece]})["tool_calls"] == plain


def test_custom_tools_are_told_apart_too() -> None:
    """Calls without an index begin with a name, of a function or of a custom tool."""
    calls = [{"id": n, "type": "custom", "custom": {"name": "n", "input": n}} for n in "ab"]

    assert message(*({"tool_calls": [call]} for call in calls))["tool_calls"] == calls


def test_what_was_said_so_far_is_read_past() -> None:
    """Perplexity tells it beside each delta."""
    chunks = [
        {"choices": [{"index": 0, "delta": {"content": said}, "message": {"content": so_far}}]}
        for said, so_far in (("a", "a"), ("b", "ab"))
    ]

    assert fold(map(orjson.dumps, chunks))["choices"] == [
        {"index": 0, "message": {"content": "ab"}}
    ]


def test_an_empty_model_is_none() -> None:
    """Azure's filters write chunks of their own, with a model and an id of ""."""
    assert fold([b'{"model":"m","choices":[]}', b'{"model":"","choices":[]}'])["model"] == "m"


def test_token_ids_are_put_end_to_end() -> None:
    """vLLM tells the tokens it wrote, chunk by chunk."""
    parts = ([1, 2], [3], None)
    choices: list[Json] = [{"index": 0, "delta": {}, "token_ids": ids} for ids in parts]
    chunks = [orjson.dumps({"choices": [choice]}) for choice in choices]

    assert fold(chunks)["choices"][0]["token_ids"] == [1, 2, 3]


@pytest.mark.parametrize(
    "choice", [b'{"index":"0","delta":{}}', b'{"index":true}', b'{"message":{}}', b"7"]
)
def test_what_is_no_choice_of_a_stream_is_refused(choice: bytes) -> None:
    """An index is a number, and a whole message is no delta."""
    with pytest.raises(UnreadableFrameError):
        fold([b'{"choices":[' + choice + b"]}"])
