import json
from itertools import pairwise
from typing import Any

import pytest
from anthropic._models import construct_type
from anthropic.lib.streaming._beta_messages import accumulate_event as accumulate_beta
from anthropic.lib.streaming._messages import accumulate_event
from anthropic.types import Message, RawMessageStreamEvent
from anthropic.types.beta import BetaRawMessageStreamEvent
from httpx2 import Headers
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.core.dialects.base import Stamp
from proxy.core.dialects.messages import Messages
from proxy.core.dialects.messages_unfold import unfold
from proxy.core.model import Answer
from proxy.core.stream import Marks, Recorder, replay
from tests.core.builders import Json
from tests.core.dialects.folding import messages as fold
from tests.core.dialects.messages_answers import answers, said


def told(answer: Json) -> list[Json]:
    return [json.loads(frame) for frame in unfold(answer, include_usage=True)]


@given(answers())
def test_folding_what_was_unfolded_gives_the_answer_back(answer: Json) -> None:
    """Every block, citation, signature, count and unknown field survives."""
    assert fold(unfold(answer, include_usage=True)) == answer


@settings(deadline=None)  # the SDK builds its models when they are first used
@given(answers())
def test_the_sdk_reaches_the_same_object(answer: Json) -> None:
    """The official accumulator makes of our events what it makes of the origin's answer."""
    snapshot: Any = None
    buffers: dict[int, bytes] = {}
    for event in told(answer):
        made: Any = construct_type(value=event, type_=RawMessageStreamEvent)
        snapshot = accumulate_event(event=made, current_snapshot=snapshot, json_bufs=buffers)
    whole: Any = construct_type(value=answer, type_=Message)
    streamed, plain = (plainly(value.to_dict(exclude_unset=False)) for value in (snapshot, whole))

    assert streamed == plain


def plainly(value: Any) -> Any:
    """Without what only the stream helper adds, and without nulls that it does not tell."""
    if isinstance(value, dict):
        kept = {name: plainly(v) for name, v in value.items() if v is not None}
        return {name: v for name, v in kept.items() if name != "parsed_output" and v != []}
    return [plainly(item) for item in value] if isinstance(value, list) else value


@settings(deadline=None)  # the SDK builds its models when they are first used
@given(answers())
def test_every_event_is_the_sdks(answer: Json) -> None:
    """Each has the fields that the SDK's own types require."""
    for event in told(answer):
        made: Any = construct_type(value=event, type_=RawMessageStreamEvent)
        required = {name for name, f in type(made).model_fields.items() if f.is_required()}
        assert made.type == event["type"]
        assert required <= event.keys()


@given(answers(), st.lists(st.integers(0, 10_000), max_size=8))
def test_a_replay_is_read_back_however_it_is_cut(answer: Json, at: list[int]) -> None:
    """Cut anywhere, inside a character or a name: the same answer, with the replay's own id."""
    body = json.dumps(answer).encode()
    stamp = Stamp("msg_2", 9)
    whole = b"".join(
        piece for _, piece in replay(Messages(), Answer(body), stamp, include_usage=True)
    )
    recorder = Recorder(Messages(), 1 << 24, Marks())
    for start, end in pairwise([0, *sorted(min(place, len(whole)) for place in at), len(whole)]):
        recorder.feed(whole[start:end])

    assert recorder.is_complete
    assert fold(recorder.frames) == {**answer, "id": "msg_2"}


def test_a_stream_has_anthropics_form() -> None:
    """Names, order of events, and no end marker."""
    call = {"type": "tool_use", "id": "toolu_1", "name": "f", "input": {"a": 1}}
    thought = {"type": "thinking", "thinking": "Hm.", "signature": "s"}
    answer = said(thought, "Hi there", call, stop_reason="tool_use")
    found = [(e["type"], e.get("delta", {}).get("type")) for e in told(answer)]

    assert found == [
        ("message_start", None),
        ("content_block_start", None),
        ("content_block_delta", "thinking_delta"),
        ("content_block_delta", "signature_delta"),
        ("content_block_stop", None),
        ("content_block_start", None),
        ("content_block_delta", "text_delta"),
        ("content_block_delta", "text_delta"),
        ("content_block_stop", None),
        ("content_block_start", None),
        ("content_block_delta", "input_json_delta"),
        ("content_block_stop", None),
        ("message_delta", None),
        ("message_stop", None),
    ]
    assert told(answer)[-2] == {
        "type": "message_delta",
        "delta": {"stop_reason": "tool_use", "stop_sequence": None},
        "usage": {"input_tokens": 3, "output_tokens": 4},
    }
    stream = b"".join(
        piece
        for _, piece in replay(
            Messages(), Answer(json.dumps(answer).encode()), Stamp("m", 1), include_usage=True
        )
    )
    assert stream.startswith(b'event: message_start\ndata: {"type":"message_start"')
    assert stream.endswith(b'event: message_stop\ndata: {"type":"message_stop"}\n\n')


def test_a_message_begins_untold() -> None:
    """The first event has no content, no reason to stop, and the count of one token."""
    first = told(said("Hi"))[0]["message"]

    assert (first["content"], first["stop_reason"]) == ([], None)
    assert first["usage"] == {"input_tokens": 3, "output_tokens": 1}


@pytest.mark.parametrize(
    "block",
    [
        {},
        {"type": "text"},
        {"type": "text", "text": None},
        {"type": "tool_use", "input": "odd"},
        {"type": "thinking"},
        {"type": "server_tool_use", "id": "s", "name": "web_search", "input": {}},
    ],
)
def test_odd_blocks_come_whole(block: Json) -> None:
    """With their start; nothing is lost."""
    assert fold(unfold(said(block), include_usage=True)) == said(block)


@pytest.mark.parametrize("answer", [{}, {"content": 7}, {"content": [7]}, said("a", usage=None)])
def test_a_malformed_answer_still_streams(answer: Json) -> None:
    """It streams as what can be read of it; it was never kept."""
    assert unfold(answer, include_usage=True)


def test_edits_of_the_context_are_told_beside_the_end() -> None:
    """As Anthropic's beta API does, and its accumulator reads them there."""
    edits = {"applied_edits": [{"type": "clear_tool_uses_20250919", "cleared_tool_uses": 1}]}
    answer = {**said("Hi"), "context_management": edits}
    frames = unfold(answer, include_usage=True)
    snapshot: Any = None
    for event in told(answer):
        made: Any = construct_type(value=event, type_=BetaRawMessageStreamEvent)
        snapshot = accumulate_beta(
            event=made, current_snapshot=snapshot, json_bufs={}, request_headers=Headers()
        )

    assert fold(frames) == answer
    assert snapshot.context_management.to_dict() == edits
