from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from openai.lib.streaming.chat import ChatCompletionStreamState
from openai.types.chat import ChatCompletion, ChatCompletionChunk

from proxy.core.dialects.base import Stamp, UnreadableFrameError
from proxy.core.dialects.chat_stream import (
    ChatProgress,
    facts,
    fold,
    is_usage_frame,
    refresh,
    text_of,
    unfold,
    usage_of,
)
from proxy.core.model import Usage
from tests.core.builders import Json, json_values, texts

unknown = st.dictionaries(st.sampled_from(["x_one", "x_two"]), json_values, max_size=2)
calls = st.builds(
    lambda number, name, arguments: {
        "id": f"call_{number}",
        "type": "function",
        "function": {"name": name, "arguments": arguments},
    },
    st.integers(0, 99),
    st.text("abc", min_size=1, max_size=5),
    texts,
)
tokens = st.lists(st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=4))


@st.composite
def choices(draw: Any, index: int) -> Json:
    words = draw(tokens)
    content = draw(st.sampled_from([None, "".join(words)]))
    message: Json = {"role": "assistant", "content": content, "refusal": draw(st.none() | texts)}
    if draw(st.booleans()):
        message["tool_calls"] = draw(st.lists(calls, min_size=1, max_size=3))
    if draw(st.booleans()):
        message["reasoning_content"] = draw(texts)
    logprobs = None
    if draw(st.booleans()):
        logprobs = {
            "content": [
                {"token": w, "logprob": -0.5, "bytes": None, "top_logprobs": []} for w in words
            ],
            "refusal": None,
        }
    finish = draw(st.sampled_from(["stop", "length", "tool_calls"]))
    return {"index": index, "message": message, "logprobs": logprobs, "finish_reason": finish}


@st.composite
def answers(draw: Any) -> Json:
    answer: Json = {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1_700_000_000,
        "model": "m-1",
        "system_fingerprint": draw(st.none() | texts),
        "choices": [draw(choices(index)) for index in range(draw(st.integers(1, 3)))],
    }
    if draw(st.booleans()):
        answer["usage"] = {"prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 7}
    for name, value in draw(unknown).items():
        answer[name] = value
    for choice in answer["choices"]:
        for name, value in draw(unknown).items():
            choice[name] = value
            choice["message"][name] = value
    return answer


@given(answers())
def test_folding_what_was_unfolded_gives_the_answer_back(answer: Json) -> None:
    """Every choice, tool call, refusal, log-probability and unknown field survives."""
    assert fold(unfold(answer, include_usage=True)) == answer


@given(answers())
def test_the_sdk_reaches_the_same_object(answer: Json) -> None:
    """The official accumulator makes of our chunks what it makes of the origin's answer."""
    for choice in answer["choices"]:
        choice["finish_reason"] = "stop"  # the accumulator raises on `length`
    state = ChatCompletionStreamState()
    for frame in unfold(answer, include_usage=True):
        state.handle_chunk(ChatCompletionChunk.model_validate_json(frame))  # type: ignore[unused-awaitable]
    streamed = state.get_final_completion()
    whole = ChatCompletion.model_validate(answer)

    assert [c.message.content for c in streamed.choices] == [
        c.message.content for c in whole.choices
    ]
    assert [c.message.refusal for c in streamed.choices] == [
        c.message.refusal for c in whole.choices
    ]
    assert [c.logprobs for c in streamed.choices] == [c.logprobs for c in whole.choices]
    assert streamed.usage == whole.usage


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
