import json
from typing import Any

import pytest

from proxy.core.dialects.base import Stamp
from proxy.core.dialects.chat import Chat
from proxy.core.recording import Head, Landing, Recording
from proxy.errors import BrokenStreamError
from tests.core.test_stream import ANSWER, BODY, EVENTS, FRAMES

JSON = Head(200, (("content-type", "application/json"),))
EVENT_STREAM = Head(200, (("content-type", "text/event-stream; charset=utf-8"),))


def landed(head: Head, *pieces: bytes, max_bytes: int = 1 << 20) -> Landing:
    recording = Recording(Chat(), max_bytes)
    recording.begin(head)
    for piece in pieces:
        recording.feed(piece)
    return recording.land()


def test_a_json_answer_is_kept_as_it_came() -> None:
    """Its bytes are the origin's own."""
    found = landed(JSON, BODY[:10], BODY[10:])

    assert found.refusal is None
    assert found.answer is not None
    assert (found.answer.body, found.answer.frames) == (BODY, ())
    assert found.answer.usage is not None


def test_a_stream_is_kept_in_both_forms() -> None:
    """Folded for who wants JSON, and in its own chunks."""
    found = landed(EVENT_STREAM, *EVENTS)

    assert found.answer is not None
    assert (json.loads(found.answer.body), found.answer.frames) == (ANSWER, FRAMES)


def test_what_became_of_a_stream_can_be_asked_again() -> None:
    """By a caller who hung up at its end marker, and by the call itself after the last byte."""
    recording = Recording(Chat(), 1 << 20)
    recording.begin(EVENT_STREAM)
    for event in EVENTS:
        recording.feed(event)

    assert recording.is_complete
    assert recording.land() == recording.land() == landed(EVENT_STREAM, *EVENTS)


def test_a_chunk_that_cannot_be_read_without_loss_breaks_no_stream() -> None:
    """It passes to the caller whole: a large number at the bottom of a well."""
    deep = b'{"x":' + b"[" * 990 + b"1" * 25 + b"]" * 990 + b","
    odd = EVENTS[0].replace(b"{", deep, 1)
    found = landed(EVENT_STREAM, odd, *EVENTS[1:])

    if found.answer is None:
        assert found.refusal == "not a chat.completion chunk: nested too deeply"
    else:
        assert b"1" * 25 in found.answer.body


def test_a_stream_that_broke_off_is_an_error() -> None:
    """Nobody may take it for a whole answer."""
    with pytest.raises(BrokenStreamError):
        landed(EVENT_STREAM, *EVENTS[:-1])


def changed(**message: Any) -> bytes:
    return json.dumps(
        {**ANSWER, "choices": [{"index": 0, "finish_reason": "stop", "message": message}]}
    ).encode()


@pytest.mark.parametrize(
    ("head", "body", "refusal"),
    [
        (Head(500, JSON.headers), BODY, "status 500"),
        (Head(429, EVENT_STREAM.headers), b"data: {}\n\n", "status 429"),
        (JSON, b"<html>", "not JSON"),
        (JSON, b"[]", "not an answer"),
        (JSON, b'{"choices": 7}', "not an answer"),
        (JSON, changed(content=""), "empty answer"),
        (JSON, BODY.replace(b'"stop"', b'"length"'), "finish length"),
        (JSON, changed(content="x" * 2000), "too large"),
    ],
)
def test_what_is_not_kept(head: Head, body: bytes, refusal: str) -> None:
    """It goes to the caller as it is, and nowhere else."""
    assert landed(head, body, max_bytes=1500).refusal == refusal


def test_a_tool_call_is_exact() -> None:
    """An act fits its own request only."""
    call = {"id": "a", "type": "function", "function": {"name": "f", "arguments": "{}"}}

    assert landed(JSON, changed(content=None, tool_calls=[call])).is_exact


@pytest.mark.parametrize("levels", [300, 600, 850, 900, 1000])
def test_an_answer_without_a_bottom_is_passed_on(levels: int) -> None:
    """It is too deep to be judged, or to be written by a replay: not kept, and never an error."""
    said = '[{"text":' * (levels // 2) + '"x"' + "}]" * (levels // 2)
    body = BODY.replace(b'"One two three."', said.encode())
    chunk = EVENTS[1].replace(b'"One"', said.encode())
    assert len(body) > levels < len(chunk)

    for found in (landed(JSON, body), landed(EVENT_STREAM, EVENTS[0], chunk, *EVENTS[2:])):
        if found.answer is not None and found.refusal is None:
            assert len(Chat().refresh(found.answer.body, Stamp("x", 1))) > levels
        if levels not in {850, 900}:  # for which Pythons differ
            assert (found.refusal is None) is (levels < 850)


def test_what_is_kept_can_be_written() -> None:
    """A replay has less room in Python's stack than the recording had."""
    bodies = [BODY[:-1] + b',"x":' + b"[" * n + b"]" * n + b"}" for n in (200, 600, 950)]

    found = [landed(JSON, body) for body in bodies]
    assert [one.refusal for one in found[:2]] == [None, None]
    assert found[2].refusal in {None, "nested too deeply"}  # by how deep Python itself can read
    for one in found:
        if one.refusal is None and one.answer is not None:
            assert len(Chat().refresh(one.answer.body, Stamp("x", 1))) > 200
