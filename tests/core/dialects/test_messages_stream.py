import json
from typing import Any

import pytest

from proxy.core.admission import why_not
from proxy.core.dialects.base import Stamp, UnreadableFrameError
from proxy.core.dialects.messages import Messages
from proxy.core.dialects.messages_stream import facts, refresh, text_of, usage_of
from proxy.core.dialects.messages_stream import said as what_it_says
from proxy.core.dialects.messages_unfold import unfold
from proxy.core.model import Usage
from tests.core.builders import Json
from tests.core.dialects.folding import messages as fold
from tests.core.dialects.messages_answers import said

HI = said("Hi there")
FRAMES = unfold(HI, include_usage=True)


def test_the_last_event_is_the_end() -> None:
    """No marker is needed, and nothing before it is one; an error event is told to the caller."""
    for frames, is_whole in (
        (FRAMES, True),
        (FRAMES[:-1], False),
        ([*FRAMES[:2], b'{"type":"error","error":{}}'], True),
        ([b"garbage", *FRAMES], False),
    ):
        progress = Messages().watch()
        for frame in frames:
            progress.feed(frame)
        assert progress.is_complete is is_whole


def test_pings_are_no_part_of_the_answer() -> None:
    """They come whenever the origin likes."""
    assert fold([b'{"type":"ping"}', FRAMES[0], b'{"type": "ping"}', *FRAMES[1:]]) == HI


def test_halves_of_a_character_are_joined() -> None:
    """An origin may cut between the escapes of an emoji, in a text or in a tool's input."""
    begin = [FRAMES[0], b'{"type":"content_block_start","index":0,"content_block":%s}']
    end = [b'{"type":"content_block_stop","index":0}']
    delta = b'{"type":"content_block_delta","index":0,"delta":%s}'
    halves = (rb"\ud83c", rb"\udf89")
    texts = [delta % (b'{"type":"text_delta","text":"%s"}' % half) for half in halves]
    passed = [(rb"{\"a\":\"" + halves[0]), halves[1] + rb"\"}"]
    inputs = [delta % (b'{"type":"input_json_delta","partial_json":"%s"}' % p) for p in passed]
    text = [begin[0], begin[1] % b'{"type":"text","text":""}', *texts, *end]
    call = [begin[0], begin[1] % b'{"type":"tool_use","input":{}}', *inputs, *end]

    assert fold(text)["content"] == [{"type": "text", "text": "🎉"}]
    assert fold(call)["content"] == [{"type": "tool_use", "input": {"a": "🎉"}}]
    with pytest.raises(UnreadableFrameError):
        fold(text[:3])


def changed(at: int, **fields: Any) -> list[bytes]:
    frames = list(FRAMES)
    frames[at] = json.dumps({**json.loads(frames[at]), **fields}).encode()
    return frames


@pytest.mark.parametrize(
    "frames",
    [
        [],
        FRAMES[1:],
        [b"7"],
        [b'{"type":"message_start","message":7}'],
        [*FRAMES[:3], b'{"type":"error","error":{"type":"overloaded_error"}}'],
        [*FRAMES, b'{"type":"a_new_event"}'],
        changed(1, index=1),
        changed(2, index=1),
        changed(2, delta={"type": "a_new_delta"}),
        changed(2, delta={"type": "text_delta"}),
        changed(2, delta={"type": "thinking_delta", "thinking": "a"}),
        changed(2, delta={"type": "input_json_delta", "partial_json": "{"}),
    ],
)
def test_what_cannot_be_merged_is_refused(frames: list[bytes]) -> None:
    """An answer that we would have to guess is not kept."""
    with pytest.raises(UnreadableFrameError):
        fold(frames)


def test_refreshing_changes_the_id_alone() -> None:
    """Of a body and of the first event; all others pass byte for byte."""
    nested = {"type": "tool_use", "id": "t", "name": "f", "input": {"type": "message", "id": "x"}}
    whole = said("Hi", nested)
    frames = unfold(whole, include_usage=True)
    fresh = [refresh(frame, Stamp("new", 9)) for frame in frames]

    assert json.loads(refresh(json.dumps(whole).encode(), Stamp("new", 9))) == {
        **whole,
        "id": "new",
    }
    assert json.loads(fresh[0])["message"]["id"] == "new"
    assert fresh[1:] == frames[1:]


CALL = {"type": "tool_use", "id": "t", "name": "f", "input": {"a": 1}}
THOUGHT = {"type": "thinking", "thinking": "Hm.", "signature": "s"}
HIDDEN = {"type": "redacted_thinking", "data": "x"}
SEARCH = {"type": "server_tool_use", "id": "s", "name": "web_search", "input": {}}


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (HI, None),
        (said(THOUGHT, HIDDEN, "Hi"), None),
        (said("Hi", stop_reason="stop_sequence", stop_sequence="."), None),
        (said(CALL, stop_reason="tool_use"), None),
        (said("Hi", stop_reason="max_tokens"), "finish max_tokens"),
        (said("Hi", stop_reason="pause_turn"), "finish pause_turn"),
        (said("Hi", stop_reason="refusal"), "finish refusal"),
        (said(" "), "empty answer"),
        (said(THOUGHT), "empty answer"),
        (said(), "empty answer"),
        (said(SEARCH, "Hi"), "has a server_tool_use"),
    ],
)
def test_what_is_kept(answer: Json, reason: str | None) -> None:
    """Only what was finished, says something, and came from the model alone."""
    assert why_not(facts(answer)) == reason


def test_a_call_is_an_act() -> None:
    """It fits its own request only."""
    assert facts(said("I look it up", CALL)).tool_calls
    assert not facts(HI).tool_calls


def test_usage_is_all_that_was_read() -> None:
    """Anew and from the origin's cache; of the first event too, or not at all."""
    usage = {"input_tokens": 3, "cache_read_input_tokens": 5, "output_tokens": 4}
    billed = Usage(8, 4, cached=5)

    assert usage_of(said(usage=usage)) == billed
    assert usage_of({"type": "message_start", "message": said(usage=usage)}) == billed
    batch = usage_of(said(usage={**usage, "service_tier": "batch"}))
    assert batch == Usage(8, 4, cached=5, service_tier="batch")
    assert usage_of(said(usage=None)) is None
    assert usage_of({"usage": {"output_tokens": 4}}) is None


def test_all_text_is_counted() -> None:
    """What was thought, said and passed to tools; what was asked, and what tools gave back."""
    body = {
        "system": [{"type": "text", "text": "Be."}],
        "messages": [
            {"role": "user", "content": "One"},
            {
                "role": "user",
                "content": [
                    {"type": "tool_result", "content": [{"type": "text", "text": "out"}]},
                    {"type": "text", "text": "two"},
                ],
            },
        ],
    }

    assert text_of(said(THOUGHT, "Hi", CALL)) == 'Hm.\nHi\n{"a":1}'
    assert Messages().texts_of(body, HI)[0] == "Be.\nOne\nout\ntwo"


def test_what_an_answer_says_to_its_caller() -> None:
    """Its texts and none of its thoughts; a call cannot be compared."""
    assert what_it_says(said(THOUGHT, "Par", "is")) == ("Paris",)
    assert what_it_says(said("Hm", CALL)) is None
