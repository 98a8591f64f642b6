import json
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from openai import omit
from openai._models import construct_type
from openai.lib._parsing._responses import parse_response
from openai.lib.streaming.responses._responses import ResponseStreamState
from openai.types.responses import Response, ResponseStreamEvent

from proxy.core.dialects.base import Stamp
from proxy.core.dialects.events import name_of
from proxy.core.dialects.responses import Responses
from proxy.core.dialects.responses_unfold import unfold
from proxy.core.model import Answer
from proxy.core.stream import Marks, Recorder, replay
from tests.core.builders import Json
from tests.core.dialects.folding import responses as fold
from tests.core.dialects.responses_answers import answers, message, said

DELTAS = {
    "response.output_text.delta": "text",
    "response.refusal.delta": "refusal",
    "response.reasoning_text.delta": "text",
    "response.function_call_arguments.delta": "arguments",
    "response.custom_tool_call_input.delta": "input",
    "response.reasoning_summary_text.delta": "text",
}


def told(answer: Json) -> list[Json]:
    return [json.loads(frame) for frame in unfold(answer, include_usage=True)]


def rebuilt(events: list[Json]) -> list[Json]:
    """The output, by a reader who believes the pieces alone and no `done` event's contents."""
    output: list[Json] = []
    for event in events:
        kind = event["type"]
        if kind == "response.output_item.added":
            assert event["output_index"] == len(output)
            output.append(event["item"])
        elif kind == "response.content_part.added":
            output[event["output_index"]]["content"].append(event["part"])
        elif kind == "response.reasoning_summary_part.added":
            output[event["output_index"]]["summary"].append(event["part"])
        elif kind == "response.output_text.annotation.added":
            part = output[event["output_index"]]["content"][event["content_index"]]
            part["annotations"].append(event["annotation"])
        elif kind in DELTAS:
            place = output[event["output_index"]]
            if "content_index" in event:
                place = place["content"][event["content_index"]]
            elif "summary_index" in event:
                place = place["summary"][event["summary_index"]]
            place[DELTAS[kind]] += event["delta"]
            if "logprobs" in event:
                place["logprobs"] += event["logprobs"]
    return [{**item, "status": "completed"} if "status" in item else item for item in output]


@given(answers())
def test_folding_what_was_unfolded_gives_the_answer_back(answer: Json) -> None:
    """Every item, part, annotation and unknown field survives."""
    assert fold(unfold(answer, include_usage=True)) == answer


@given(answers())
def test_the_pieces_alone_amount_to_the_answer(answer: Json) -> None:
    """A reader who adds up the deltas has what the last event says, log-probabilities too."""
    assert rebuilt(told(answer)) == answer["output"]


@settings(deadline=None)  # the SDK builds its models when they are first used
@given(answers())
def test_the_sdk_reaches_the_same_object(answer: Json) -> None:
    """The official accumulator makes of our events what it makes of the origin's answer."""
    answer["status"] = "completed"  # the accumulator has no other final response
    state: Any = ResponseStreamState(input_tools=omit, text_format=omit)
    for event in told(answer):
        state.handle_event(construct_type(value=event, type_=ResponseStreamEvent))
    whole = parse_response(
        text_format=omit, input_tools=omit, response=Response.construct(**answer)
    )

    assert state._completed_response.to_dict() == whole.to_dict()


@settings(deadline=None)  # the SDK builds its models when they are first used
@given(answers())
def test_every_event_is_the_sdks(answer: Json) -> None:
    """Each has the fields that the SDK's own types require, and is numbered."""
    events = told(answer)

    assert [event["sequence_number"] for event in events] == list(range(len(events)))
    for event in events:
        made: Any = construct_type(value=event, type_=ResponseStreamEvent)
        required = {name for name, f in type(made).model_fields.items() if f.is_required()}
        assert type(made).model_fields["type"].annotation.__args__ == (event["type"],)
        assert required <= event.keys()


@given(answers(), st.lists(st.integers(0, 10_000), max_size=8))
def test_a_replay_is_read_back_however_it_is_cut(answer: Json, at: list[int]) -> None:
    """Cut anywhere, inside a character or a name: the same answer, with the replay's own id."""
    body = json.dumps(answer).encode()
    stamp = Stamp("resp_2", 9)
    whole = b"".join(
        piece for _, piece in replay(Responses(), Answer(body), stamp, include_usage=True)
    )
    recorder = Recorder(Responses(), 1 << 24, Marks())
    for start, end in pairwise([0, *sorted(min(place, len(whole)) for place in at), len(whole)]):
        recorder.feed(whole[start:end])
    ended = {"completed_at": 9} if answer["completed_at"] else {}

    assert recorder.is_complete
    assert fold(recorder.frames) == {**answer, "id": "resp_2", "created_at": 9, **ended}


def test_a_stream_has_openais_form() -> None:
    """Names, order of events, and no end marker."""
    whole = said(
        {"id": "rs_1", "type": "reasoning", "summary": [{"type": "summary_text", "text": "Hm."}]},
        message("Hi there"),
        usage={"input_tokens": 1},
    )
    pieces = [
        p
        for _, p in replay(
            Responses(), Answer(json.dumps(whole).encode()), Stamp("r", 1), include_usage=True
        )
    ]
    names = [line for line in b"".join(pieces).split(b"\n") if line.startswith(b"event: ")]

    assert [name.removeprefix(b"event: response.").decode() for name in names] == [
        "created",
        "in_progress",
        "output_item.added",
        "reasoning_summary_part.added",
        "reasoning_summary_text.delta",
        "reasoning_summary_text.done",
        "reasoning_summary_part.done",
        "output_item.done",
        "output_item.added",
        "content_part.added",
        "output_text.delta",
        "output_text.delta",
        "output_text.done",
        "content_part.done",
        "output_item.done",
        "completed",
    ]
    assert b"[DONE]" not in b"".join(pieces)


def test_an_answer_begins_untold() -> None:
    """The first events have no output, no usage and no end yet."""
    first = told(said(message("Hi"), usage={"input_tokens": 1}, completed_at=3))[0]["response"]

    assert (first["status"], first["output"]) == ("in_progress", [])
    assert (first["usage"], first["completed_at"]) == (None, None)


def test_log_probabilities_come_with_their_tokens() -> None:
    """One piece a token; where they spell another text, they come at its end."""
    entries = [{"token": t, "bytes": list(t.encode()), "logprob": -1.0} for t in ("Oh", " my")]
    found = [e for e in told(said(message("Oh my", logprobs=entries))) if "delta" in e]
    odd = told(said(message("Oh no", logprobs=entries)))

    assert [(e["delta"], e["logprobs"]) for e in found] == [
        ("Oh", entries[:1]),
        (" my", entries[1:]),
    ]
    assert [e["logprobs"] for e in odd if e["type"].endswith("text.done")] == [entries]


@pytest.mark.parametrize("status", ["incomplete", "failed"])
def test_an_answer_that_was_cut_short_ends_as_one(status: str) -> None:
    """Its last event says which."""
    assert name_of(unfold(said(status=status), include_usage=True)[-1]) == f"response.{status}"


@pytest.mark.parametrize(
    "item",
    [
        7,
        {},
        {"type": "message"},
        {"type": "message", "content": "text"},
        {"type": "message", "content": [7, {}, {"type": "output_text"}]},
        {"type": "message", "content": [{"type": "output_text", "text": "a", "logprobs": 7}]},
        {"type": "reasoning", "summary": [{"text": None}]},
        {"type": "function_call", "arguments": {"a": 1}},
        {"type": "web_search_call", "id": "ws_1", "status": "completed"},
    ],
)
def test_a_malformed_answer_still_streams(item: Any) -> None:
    """It streams as what can be read of it; its last event tells all."""
    answer = said(item)

    assert fold(unfold(answer, include_usage=True)) == answer
