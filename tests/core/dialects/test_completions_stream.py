import json
from itertools import pairwise
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from openai.types import Completion

from proxy.core.dialects.base import UnreadableFrameError
from proxy.core.dialects.completions import Completions
from proxy.core.dialects.completions_stream import facts, said, unfold, usage_frame
from proxy.core.sse import encode
from proxy.core.stream import Marks, Recorder
from tests.core.builders import Json
from tests.core.dialects.completions_answers import answers
from tests.core.dialects.folding import completions as fold


def choice(text: Any = " Paris.", **more: Any) -> Json:
    return {"text": text, "index": 0, "logprobs": None, "finish_reason": "stop", **more}


def answer(*choices: Json, **more: Any) -> Json:
    head = {"id": "cmpl-1", "object": "text_completion", "created": 1, "model": "m"}
    return {**head, "choices": list(choices), **more}


@given(answers())
def test_folding_what_was_unfolded_gives_the_answer_back(whole: Json) -> None:
    """Every choice, log-probability and unknown field survives."""
    assert fold(unfold(whole, include_usage=True)) == whole


@given(answers(), st.lists(st.integers(0, 10**6), max_size=12))
def test_however_the_bytes_are_cut_the_answer_is_the_same(whole: Json, at: list[int]) -> None:
    """A recording of any pieces is complete, and folds to what was said."""
    frames = [*unfold(whole, include_usage=True), b"[DONE]"]
    stream = b"".join(map(encode, frames))
    edges = [0, *sorted(place % (len(stream) + 1) for place in at), len(stream)]
    recorder = Recorder(Completions(), 1 << 20, Marks())
    for begin, end in pairwise(edges):
        recorder.feed(stream[begin:end])

    assert recorder.is_complete
    assert fold(recorder.frames) == whole


@given(answers())
def test_the_sdk_reaches_the_same_object(whole: Json) -> None:
    """The official client reads our chunks, and added up they are the origin's answer."""
    frames = unfold(whole, include_usage=True)
    chunks = [Completion.construct(**json.loads(frame)) for frame in frames]
    expected = Completion.construct(**whole)
    parts = [part for chunk in chunks for part in chunk.choices]

    assert [
        "".join(part.text for part in parts if part.index == one.index) for one in expected.choices
    ] == [one.text for one in expected.choices]
    assert chunks[-1].usage == expected.usage
    again = fold([chunk.to_json(exclude_unset=True).encode() for chunk in chunks])
    assert Completion.construct(**again) == expected


def test_a_stream_has_openais_form() -> None:
    """Words, an empty end with the finish, then the usage: the fields that OpenAI sends."""
    usage = {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3}
    head = b'{"id":"cmpl-1","created":1,"model":"m","object":"text_completion","usage":'

    def part(text: bytes, finish: bytes = b"null") -> bytes:
        fields = b'{"index":0,"text":"%s","logprobs":null,"finish_reason":%s}' % (text, finish)
        return head + b'null,"choices":[%s]}' % fields

    frames = unfold(answer(choice(" Hi there"), usage=usage), include_usage=True)

    assert [orjson.loads(frame) for frame in frames] == [
        orjson.loads(frame)
        for frame in (
            part(b" Hi"),
            part(b" there"),
            part(b"", b'"stop"'),
            head + b'{"prompt_tokens":1,"completion_tokens":2,"total_tokens":3},"choices":[]}',
        )
    ]


def test_log_probabilities_come_with_their_tokens() -> None:
    """One piece a token, each with its own."""
    tokens = [" Par", "is", "."]
    told = {
        "tokens": tokens,
        "token_logprobs": [None, -0.1, -0.2],
        "top_logprobs": None,
        "text_offset": [0, 4, 6],
    }
    whole = answer(choice(" Paris.", logprobs=told))
    parts = [orjson.loads(frame)["choices"][0] for frame in unfold(whole, include_usage=False)]

    assert [part["text"] for part in parts] == [*tokens, ""]
    assert [part["logprobs"] for part in parts] == [
        *(
            {
                "tokens": [token],
                "token_logprobs": [chance],
                "top_logprobs": None,
                "text_offset": [offset],
            }
            for token, chance, offset in zip(tokens, [None, -0.1, -0.2], [0, 4, 6], strict=True)
        ),
        None,
    ]


def test_choices_may_be_interleaved() -> None:
    """They come out by index, each with its own text and end."""
    parts = [(1, "a", None), (0, "b", None), (1, "c", "length"), (0, "d", "stop")]
    found = fold(
        orjson.dumps({"choices": [{"index": index, "text": text, "finish_reason": finish}]})
        for index, text, finish in parts
    )

    assert [(c["text"], c["finish_reason"]) for c in found["choices"]] == [
        ("bd", "stop"),
        ("ac", "length"),
    ]


def test_text_may_be_missing_at_the_end() -> None:
    """Some origins send a finish alone, or `null` for its text."""
    found = fold(
        [
            b'{"choices":[{"index":0,"text":"a","finish_reason":null}]}',
            b'{"choices":[{"index":0,"text":null,"finish_reason":null}]}',
            b'{"choices":[{"index":0,"finish_reason":"stop"}]}',
        ]
    )

    assert found["choices"] == [{"index": 0, "text": "a", "finish_reason": "stop"}]


@pytest.mark.parametrize(
    "part", [b'{"index":"0"}', b'{"index":0,"text":"a"},{"index":0,"text":7}', b"7"]
)
def test_what_cannot_be_merged_is_refused(part: bytes) -> None:
    """An answer that we would have to guess is not kept."""
    with pytest.raises(UnreadableFrameError):
        fold([b'{"choices":[' + part + b"]}"])


@pytest.mark.parametrize(
    ("choices", "empty", "finish"),
    [
        ([choice()], False, ("stop",)),
        ([choice(" \n")], True, ("stop",)),
        ([choice(None)], True, ("stop",)),
        ([choice(), choice("", index=1)], True, ("stop", "stop")),
        ([choice(finish_reason="length")], False, ("length",)),
        ([], True, ()),
    ],
)
def test_facts(choices: list[Json], *, empty: bool, finish: tuple[str, ...]) -> None:
    """What admission asks of an answer."""
    found = facts(answer(*choices))

    assert (found.empty, found.finish) == (empty, finish)


def test_what_is_said_is_the_text_of_each_choice() -> None:
    """For comparing two answers; where a text is none there is nothing to compare."""
    assert said(answer(choice("a"), choice("b", index=1))) == ("a", "b")
    assert said(answer(choice(None))) is None


def test_usage_can_be_told_alone() -> None:
    """For an entry whose stream did not say it."""
    frame = usage_frame(answer(choice(), usage={"total_tokens": 1}))

    assert frame is not None
    assert orjson.loads(frame)["choices"] == []
    assert usage_frame(answer(choice())) is None
