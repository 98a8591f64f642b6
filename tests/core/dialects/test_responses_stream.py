import json
from typing import Any

import pytest
from hypothesis import given

from proxy.core.admission import why_not
from proxy.core.dialects.base import Stamp, UnreadableFrameError
from proxy.core.dialects.events import name_of
from proxy.core.dialects.responses import Responses
from proxy.core.dialects.responses_answer import facts, said, text_of, usage_of
from proxy.core.dialects.responses_stream import ResponseProgress, refresh
from proxy.core.dialects.responses_unfold import unfold
from proxy.core.model import Usage
from tests.core.builders import Json, json_values
from tests.core.dialects.folding import responses as fold
from tests.core.dialects.responses_answers import message
from tests.core.dialects.responses_answers import said as answer

HI = answer(message("Hi"))
FRAMES = unfold(HI, include_usage=True)


def progress(*payloads: bytes) -> ResponseProgress:
    found = ResponseProgress()
    for payload in payloads:
        found.feed(payload)
    return found


@pytest.mark.parametrize("status", ["completed", "incomplete", "failed"])
def test_a_last_event_is_the_end(status: str) -> None:
    """No marker is needed, and nothing before it is one."""
    whole = unfold({**HI, "status": status}, include_usage=True)

    assert progress(*whole).is_complete
    assert not progress(*whole[:-1]).is_complete
    assert not progress().is_complete


@pytest.mark.parametrize("payload", [b"garbage", b'{"error": {}}', b"[DONE]", b"7", b'{"type": 7}'])
def test_what_is_no_event_is_an_error(payload: bytes) -> None:
    """A stream that holds something else is not whole."""
    assert not progress(payload, *FRAMES).is_complete


def test_an_error_event_ends_a_stream_without_an_answer() -> None:
    """The caller has been told; there is nothing to keep."""
    error = b'{"type":"error","message":"no"}'

    assert progress(*FRAMES[:3], error).is_complete
    with pytest.raises(UnreadableFrameError):
        fold([*FRAMES[:3], error])


@pytest.mark.parametrize(
    ("frame", "name"),
    [
        (b'{"type":"response.created","a":{"type":"b"}}', "response.created"),
        (b'{ "type" : "error" }', "error"),
        (b'{"a":{"type":"b"},"type":"response.created"}', "response.created"),
        (b'{"type":"a\\nb"}', ""),
        (b"[]", ""),
        (b"", ""),
    ],
)
def test_an_events_name_is_its_type(frame: bytes, name: str) -> None:
    """Wherever it stands; what could not stand in a line is no name."""
    assert name_of(frame) == name


@pytest.mark.parametrize("output", [None, []])
def test_an_output_left_out_of_the_last_event_is_gathered(output: Any) -> None:
    """Some origins tell it item by item only, in whatever order."""
    items = [message("one"), {**message("two"), "id": "msg_2"}]
    frames = unfold(answer(*items), include_usage=True)
    bare = json.dumps({"type": "response.completed", "response": {**HI, "output": output}})
    done = [frame for frame in frames if name_of(frame).endswith("item.done")]

    assert fold([*done[::-1], bare.encode()])["output"] == items


@pytest.mark.parametrize(
    "frames",
    [
        [],
        FRAMES[:-1],
        [b'{"type":"response.completed"}'],
        [b'{"type":"response.completed","response":7}'],
        [b'{"type":"response.completed","response":{}}'],
        [b'{"type":"response.completed","response":{"output":["\\ud83c"]}}'],
    ],
)
def test_what_tells_no_answer_is_refused(frames: list[bytes]) -> None:
    """It is passed on, and not kept."""
    with pytest.raises(UnreadableFrameError):
        fold(frames)


def test_a_large_number_stays_itself() -> None:
    """Beyond 64 bits too."""
    big = 123456789012345678901
    whole = {**HI, "x": big}

    assert fold(unfold(whole, include_usage=True))["x"] == big
    assert json.loads(refresh(json.dumps(whole).encode(), Stamp("new", 9)))["x"] == big


STAMP = Stamp("new", 9, {"user": "me", "metadata": {}})


def test_refreshing_changes_what_is_the_replays_own() -> None:
    """Id, times, and what was repeated of the request, in a body and in every event."""
    whole = {**HI, "completed_at": 5, "user": "other", "nested": {"user": "other", "id": "old"}}
    expected = {**whole, "id": "new", "created_at": 9, "completed_at": 9, "user": "me"}
    frames = [refresh(frame, STAMP) for frame in unfold(whole, include_usage=True)]

    assert json.loads(refresh(json.dumps(whole).encode(), STAMP)) == expected
    assert fold(frames) == expected
    begun = json.loads(frames[0])["response"]
    assert (begun["id"], begun["user"], begun["completed_at"]) == ("new", "me", None)


@given(json_values)
def test_a_piece_of_text_passes_as_it_is(value: Any) -> None:
    """Events without a response are replayed byte for byte, whatever they say."""
    frame = json.dumps({"type": "response.output_text.delta", "delta": json.dumps(value)}).encode()

    assert refresh(frame, STAMP) == frame


def test_a_caller_is_told_his_own_words() -> None:
    """What the API repeats of a request is the replay's own request's; for none, the API's word."""
    mine = Responses().stamp("ab", 9, {"user": "me", "service_tier": "flex", "metadata": None})

    assert mine.id == "resp_ab"
    assert mine.echoed == {
        "metadata": {},
        "prompt_cache_key": None,
        "prompt_cache_options": None,
        "prompt_cache_retention": None,
        "safety_identifier": None,
        "service_tier": "flex",
        "store": True,
        "user": "me",
    }


CALL = {"type": "function_call", "arguments": '{"a":1}', "name": "f", "call_id": "c"}
CUSTOM = {"type": "custom_tool_call", "input": "loud", "name": "f", "call_id": "c"}
THOUGHT = {"type": "reasoning", "summary": [{"type": "summary_text", "text": "Hm."}]}
REFUSAL = {**message(""), "content": [{"type": "refusal", "refusal": "No."}]}
SEARCH = {"type": "web_search_call", "status": "completed"}


@pytest.mark.parametrize(
    ("whole", "reason"),
    [
        (HI, None),
        (answer(THOUGHT, message("Hi")), None),
        (answer(CALL), None),
        (answer(CUSTOM), None),
        (answer(message("Hi"), status="incomplete"), "finish incomplete"),
        (answer(message("Hi"), status="failed"), "finish failed"),
        (answer(message("Hi"), status="queued"), "finish queued"),
        (answer({**message("Hi"), "status": "incomplete"}), "finish incomplete"),
        (answer(REFUSAL), "refusal"),
        (answer(message(" ")), "empty answer"),
        (answer(THOUGHT), "empty answer"),
        (answer(), "empty answer"),
        (answer(SEARCH, message("Hi")), "has a web_search_call"),
    ],
)
def test_what_is_kept(whole: Json, reason: str | None) -> None:
    """Only what was completed, says something, and came from the model alone."""
    assert why_not(facts(whole)) == reason


def test_a_call_is_an_act() -> None:
    """Of a function or a custom tool."""
    assert facts(answer(CALL)).tool_calls
    assert facts(answer(THOUGHT, CUSTOM)).tool_calls
    assert not facts(HI).tool_calls


def test_usage_is_read() -> None:
    """As the origin counted it, or not at all; of the last event too."""
    told = {"usage": {"input_tokens": 3, "output_tokens": 4}}

    assert usage_of(told) == usage_of({"response": told}) == Usage(3, 4)
    assert usage_of({"usage": None}) is None
    assert usage_of({"usage": {"input_tokens": "3"}}) is None


def test_all_text_is_counted() -> None:
    """What was thought, said, refused and passed to tools; what was asked, in every item."""
    whole = answer(THOUGHT, message("Hi"), CALL, CUSTOM, REFUSAL)
    asked = [
        {"role": "user", "content": "One"},
        {"role": "user", "content": [{"type": "input_text", "text": "two"}]},
        {**CALL},
        {"type": "function_call_output", "output": "out", "call_id": "c"},
    ]

    assert text_of(whole) == 'Hm.\nHi\n{"a":1}\nloud\nNo.'
    prompt, _ = Responses().texts_of({"instructions": "Be.", "input": asked}, whole)
    assert prompt == 'Be.\nOne\ntwo\n{"a":1}\nout'
    assert Responses().texts_of({"input": "Just"}, whole)[0] == "Just"


def test_what_an_answer_says_to_its_caller() -> None:
    """Its messages and none of its thoughts; a call or a refusal cannot be compared."""
    assert said(answer(THOUGHT, message("Paris"), message("Lyon"))) == ("Paris\nLyon",)
    assert said(answer(message("Hm"), CALL)) is None
    assert said(answer(REFUSAL)) is None
