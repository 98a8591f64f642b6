from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from openai import omit
from openai.lib._parsing import parse_chat_completion
from openai.lib.streaming.chat import ChatCompletionStreamState
from openai.types.chat import ChatCompletion, ChatCompletionChunk

from proxy.core.canonical import loads
from proxy.core.dialects.chat_unfold import unfold
from tests.core.builders import Json
from tests.core.dialects.chat_answers import answers, odd_answers, said
from tests.core.dialects.folding import chat as fold


@settings(deadline=None)
@given(odd_answers())
def test_folding_what_was_unfolded_gives_the_answer_back(answer: Json) -> None:
    """Every choice, call, refusal, thought, log-probability and unknown field survives."""
    assert fold(unfold(answer, include_usage=True)) == answer


@settings(deadline=None)
@given(answers())
def test_the_sdk_reaches_the_same_object(answer: Json) -> None:
    """The official accumulator makes of our chunks what it makes of the origin's answer."""
    for choice in answer["choices"]:
        choice["finish_reason"] = "stop"  # the accumulator raises on `length`
    state = ChatCompletionStreamState()
    for frame in unfold(answer, include_usage=True):
        state.handle_chunk(ChatCompletionChunk.model_validate_json(frame))
    streamed: Any = state.get_final_completion().to_dict(exclude_unset=False)
    whole: Any = parse_chat_completion(
        response_format=omit,
        input_tools=omit,
        chat_completion=ChatCompletion.model_validate(answer),
    ).to_dict(exclude_unset=False)

    for choice in [*streamed["choices"], *whole["choices"]]:
        for call in choice["message"]["tool_calls"] or ():
            call.pop("index", None)  # the accumulator leaves it there
    assert streamed == whole


@settings(deadline=None)
@given(answers())
def test_usage_comes_last_and_only_when_asked(answer: Json) -> None:
    """Asked: null in every chunk but one of its own. Not asked: the field is in none."""
    silent = [loads(frame) for frame in unfold(answer, include_usage=False)]
    telling = [loads(frame) for frame in unfold(answer, include_usage=True)]

    assert not any("usage" in chunk for chunk in silent)
    if answer.get("usage"):
        assert telling[-1]["choices"] == []
        assert [chunk["usage"] for chunk in telling] == [
            *[None] * (len(telling) - 1),
            answer["usage"],
        ]


def test_a_stream_has_openais_form() -> None:
    """Role, words, finish, usage; the fields that OpenAI sends, in its order."""
    answer: Json = {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1,
        "model": "m",
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": "Hi there", "refusal": None},
                "logprobs": None,
                "finish_reason": "stop",
            }
        ],
        "usage": {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3},
    }
    head = b'{"id":"chatcmpl-1","created":1,"model":"m","object":"chat.completion.chunk","usage":'

    def part(delta: bytes, finish: bytes = b"null") -> bytes:
        choice = b'{"index":0,"delta":%s,"logprobs":null,"finish_reason":%s}' % (delta, finish)
        return head + b'null,"choices":[%s]}' % choice

    assert unfold(answer, include_usage=True) == [
        part(b'{"role":"assistant","content":"","refusal":null}'),
        part(b'{"content":"Hi"}'),
        part(b'{"content":" there"}'),
        part(b"{}", b'"stop"'),
        head + b'{"prompt_tokens":1,"completion_tokens":2,"total_tokens":3},"choices":[]}',
    ]


def deltas(answer: Json) -> list[Json]:
    chunks = [orjson.loads(frame) for frame in unfold(answer, include_usage=False)]
    return [choice["delta"] for chunk in chunks for choice in chunk["choices"]]


def test_a_thought_comes_before_what_is_said() -> None:
    """As the origins that think stream it."""
    found = deltas(said(role="assistant", content="Yes.", reasoning="Hm."))

    assert found[1:-1] == [{"reasoning": "Hm."}, {"content": "Yes."}]


def test_a_tool_call_begins_with_its_head() -> None:
    """Index, id, type and name first, then the arguments in pieces."""
    function = {"name": "f", "arguments": '{"a": 1}'}
    call = {"id": "x", "type": "function", "function": function}
    found = deltas(said(role="assistant", content=None, tool_calls=[call]))

    assert found[0] == {"role": "assistant", "content": None}
    assert found[1] == {
        "tool_calls": [{**call, "index": 0, "function": {**function, "arguments": ""}}]
    }
    assert found[2:-1] == [
        {"tool_calls": [{"index": 0, "function": {"arguments": text}}]} for text in ['{"a":', " 1}"]
    ]


@pytest.mark.parametrize("field", ["content", "refusal"])
def test_log_probabilities_come_with_their_tokens(field: str) -> None:
    """One piece a token; the tokens that share a character come together."""
    spelled = ["Oh", " ", "🎉", "!"]
    parts = [b"Oh", b" ", "🎉".encode()[:2], "🎉".encode()[2:], b"!"]
    entries = [{"token": repr(part), "bytes": list(part), "logprob": -1.0} for part in parts]
    answer = said(**{"role": "assistant", "content": None, field: "".join(spelled)})
    choice = answer["choices"][0]
    choice["logprobs"] = {"content": None, "refusal": None, field: entries}
    chunks = [orjson.loads(frame)["choices"][0] for frame in unfold(answer, include_usage=False)]

    assert [chunk["delta"][field] for chunk in chunks[1:-1]] == spelled
    assert [len(chunk["logprobs"][field]) for chunk in chunks[1:-1]] == [1, 1, 2, 1]
    assert fold(unfold(answer, include_usage=False)) == answer


@pytest.mark.parametrize(
    "answer",
    [
        {"object": "chat.completion", "choices": []},
        {"object": "chat.completion", "choices": [], "usage": {"total_tokens": 1}},
        said(),
        said(content=[{"type": "text", "text": "a"}]),
        said(content="a", tool_calls=[]),
        said(content="a", tool_calls=[{}]),
        said(content="a", tool_calls=None, audio=None),
        said(tool_calls=[{"id": "a", "type": "custom", "custom": {"name": "n", "input": "i"}}]),
        said(tool_calls=[{"id": "a", "function": {"name": "n", "arguments": {"a": 1}}}]),
        said(tool_calls=[{"id": "a", "index": 0, "function": {"name": "n", "arguments": "{}"}}]),
        said(content="a", annotations=[{"type": "url_citation", "index": 0}, {"index": 0}]),
        {**said(content="a"), "citations": ["u"], "x": {"y": None}, "choices_": 1},
    ],
)
def test_odd_answers_survive(answer: Json) -> None:
    """No choices, parts for content, custom tools, arguments that are no text."""
    assert fold(unfold(answer, include_usage=True)) == answer


@pytest.mark.parametrize("choices", [[7], [{}], [{"message": "no"}], [{"message": None}], None])
def test_a_malformed_answer_still_streams(choices: object) -> None:
    """It streams as what can be read of it; it was never kept."""
    assert unfold({"choices": choices}, include_usage=True)
