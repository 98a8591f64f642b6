import json
import tracemalloc
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.core.dialects.base import Stamp
from proxy.core.dialects.chat import Chat
from proxy.core.dialects.chat_unfold import unfold
from proxy.core.dialects.responses import Responses
from proxy.core.model import Answer
from proxy.core.sse import MAX_EVENT_BYTES, Parser, encode
from proxy.core.stream import (
    FIRST_BYTES,
    MORE_BYTES,
    SMALL_BYTES,
    LiveFilter,
    Marks,
    Recorder,
    Restamp,
    parts,
    replay,
)
from tests.core.dialects.folding import chat as fold

ANSWER: dict[str, Any] = {
    "id": "chatcmpl-1",
    "object": "chat.completion",
    "created": 1,
    "model": "m",
    "choices": [
        {
            "index": 0,
            "message": {"role": "assistant", "content": "One two three."},
            "finish_reason": "stop",
        }
    ],
    "usage": {"prompt_tokens": 1, "completion_tokens": 3, "total_tokens": 4},
}
FRAMES = tuple(unfold(ANSWER, include_usage=True))
EVENTS = [encode(frame) for frame in (*FRAMES, b"[DONE]")]
STREAM = b"".join(EVENTS)
HIDDEN = b"".join(event for event in EVENTS if b'"choices":[]' not in event)
FINISHED = STREAM.index(b'"stop"')
places = st.lists(st.integers(0, len(STREAM)), max_size=12)


def cut(stream: bytes, at: list[int]) -> list[bytes]:
    edges = [0, *sorted(at), len(stream)]
    return [stream[a:b] for a, b in pairwise(edges)]


def recorded(pieces: list[bytes], max_bytes: int = 1 << 20) -> Recorder:
    recorder = Recorder(Chat(), max_bytes, Marks())
    for piece in pieces:
        recorder.feed(piece)
    return recorder


@given(places)
def test_a_recording_is_the_stream(at: list[int]) -> None:
    """However it was cut, the frames are the origin's and fold to its answer."""
    recorder = recorded(cut(STREAM, at))

    assert recorder.is_complete
    assert recorder.frames == FRAMES
    assert fold(recorder.frames) == ANSWER


@pytest.mark.parametrize("end", range(len(EVENTS)))
def test_a_stream_cut_short_is_not_complete(end: int) -> None:
    """At whatever event it ends early, it is broken."""
    assert not recorded([b"".join(EVENTS[:end])]).is_complete


def test_a_stream_cut_inside_its_last_event_is_not_complete() -> None:
    """The end marker counts once its blank line has come."""
    assert not recorded([STREAM[:-1]]).is_complete


def test_what_is_too_large_is_let_go_but_watched() -> None:
    """No frames are kept, and the end is still known."""
    recorder = recorded([STREAM], max_bytes=100)

    assert (recorder.is_too_large, recorder.frames) == (True, ())
    assert recorder.is_complete
    assert not recorded([STREAM[:-20]], max_bytes=100).is_complete


def test_what_follows_the_end_is_ignored() -> None:
    """A comment or a stray event after the marker changes nothing."""
    assert recorded([STREAM, b": bye\n\ndata: {}\n\n"]).frames == FRAMES


def test_blank_events_are_no_frames() -> None:
    """Some origins keep a connection alive with empty data."""
    recorder = recorded([b"data: \n\n", STREAM])

    assert recorder.is_complete
    assert recorder.frames == FRAMES


def test_an_event_named_error_ends_the_hope() -> None:
    """Whatever follows it, the answer is not whole."""
    assert not recorded([b"event: error\ndata: {}\n\n", STREAM]).is_complete


def test_of_a_stream_with_an_unreadable_event_the_marker_is_asked() -> None:
    """An event over the parser's bound may hold the finish; a missing marker still tells."""
    huge = b"data: " + bytes(MAX_EVENT_BYTES)

    assert recorded([huge, b"\n\n", EVENTS[-1]]).is_complete
    assert recorded([huge, b"\n\n", EVENTS[-1]]).is_too_large
    assert not recorded([huge, b"\n\n"]).is_complete


@given(st.integers(0, 5 * MORE_BYTES))
def test_a_large_piece_is_read_in_parts(size: int) -> None:
    """All of it, in order: the first part is short, and none takes long. A small one is one."""
    piece = bytes(number % 251 for number in range(size))
    found = parts(piece)

    assert b"".join(found) == piece
    assert len(found) == 1 if size <= SMALL_BYTES else len(found[0]) == FIRST_BYTES
    assert all(0 < len(part) <= MORE_BYTES for part in found[1:])


def test_comments_are_bounded_too() -> None:
    """An origin that says nothing else for ever fills no memory: the answer is passed on alone."""
    alive = b": alive\n\n"
    recorder = recorded([alive] * 300 + [STREAM], max_bytes=1000)

    assert (recorder.is_too_large, recorder.frames) == (True, ())
    assert recorder.is_complete
    assert recorded([alive] * 30 + [STREAM], max_bytes=2000).frames == FRAMES


def passed(pieces: list[bytes], *, hide_usage: bool) -> list[bytes]:
    """What reaches a caller who has been there from the beginning."""
    marks = Marks()
    recorder, live = Recorder(Chat(), 1 << 25, marks), LiveFilter(marks, hide_usage=hide_usage)
    found = []
    for piece in pieces:
        recorder.feed(piece)
        found.append(live.feed(piece))
    return [*found, live.finish()]


@given(places)
def test_a_caller_who_did_not_ask_sees_no_usage(at: list[int]) -> None:
    """Every byte but the usage chunk's reaches him."""
    assert b"".join(passed(cut(STREAM, at), hide_usage=True)) == HIDDEN


@pytest.mark.parametrize("hide_usage", [True, False])
@given(at=places, ending=st.sampled_from([b"\n", b"\r\n", b"\r"]))
def test_who_joins_late_gets_the_same(at: list[int], ending: bytes, *, hide_usage: bool) -> None:
    """Whether the end of the stream is known by then or not, and however it was cut."""
    stream = STREAM.replace(b"\n", ending)
    pieces = cut(stream, at)
    marks = Marks()
    recorder = Recorder(Chat(), 1 << 20, marks)
    for piece in pieces:
        recorder.feed(piece)
    late = LiveFilter(marks, hide_usage=hide_usage)
    found = b"".join([*map(late.feed, pieces), late.finish()])

    assert found == (HIDDEN.replace(b"\n", ending) if hide_usage else stream)


@pytest.mark.parametrize("hide_usage", [True, False])
def test_blank_events_keep_no_end_from_anybody(*, hide_usage: bool) -> None:
    """Empty data keeps a connection alive, and says nothing of the answer."""
    alive = b"data: \n\n"
    stream = HIDDEN if hide_usage else STREAM

    assert b"".join(passed([alive, STREAM], hide_usage=hide_usage)) == alive + stream


@given(st.lists(st.integers(0, len(STREAM) * 2), max_size=12))
def test_other_line_endings_are_filtered_too(at: list[int]) -> None:
    """Cut inside a CRLF or not."""
    stream, hidden = (text.replace(b"\n", b"\r\n") for text in (STREAM, HIDDEN))
    pieces = cut(stream, [place for place in at if place <= len(stream)])

    assert b"".join(passed(pieces, hide_usage=True)) == hidden


@given(places)
def test_several_choices_one_after_the_other(at: list[int]) -> None:
    """A choice that begins when another has finished passes whole."""
    choice = ANSWER["choices"][0]
    answer = {**ANSWER, "choices": [choice, {**choice, "index": 1}]}
    events = [encode(frame) for frame in (*unfold(answer, include_usage=True), b"[DONE]")]
    shown = b"".join(event for event in events if b'"choices":[]' not in event)

    assert b"".join(passed(cut(b"".join(events), at), hide_usage=True)) == shown


@pytest.mark.parametrize("hide_usage", [True, False])
@given(at=places)
def test_an_early_end_marker_does_not_pass(at: list[int], *, hide_usage: bool) -> None:
    """Clients stop reading there: what has not finished must not look as if it had."""
    pieces = cut(STREAM, at)
    half = b"".join(EVENTS[:2])
    found = b"".join(
        passed(
            [*cut(half, [a for a in at if a < len(half)]), EVENTS[-1], *pieces],
            hide_usage=hide_usage,
        )
    )

    assert found == half


@pytest.mark.parametrize("hide_usage", [True, False])
def test_after_an_early_end_marker_nothing_is_held(*, hide_usage: bool) -> None:
    """Also where its beginning has passed by then: what follows takes no memory for a caller."""
    marks, marker = Marks(), EVENTS[-1]
    recorder, live = Recorder(Chat(), 1000, marks), LiveFilter(marks, hide_usage=hide_usage)
    tracemalloc.start()
    for piece in (EVENTS[0], marker[:8], marker[8:], *[encode(b"x" * 9000)] * 100):
        recorder.feed(piece)
        live.feed(piece)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert live.finish() == b""
    assert most < 200_000


def test_an_event_too_large_to_hold_passes() -> None:
    """Before the finish like any other; after it, it cannot be a usage chunk."""
    huge = b"data: " + bytes(MAX_EVENT_BYTES)
    finish, usage, end = EVENTS[-3:]
    pieces = [huge, b"\n\n", finish, usage, end]

    assert passed(pieces, hide_usage=True) == [huge, b"\n\n", finish, b"", end, b""]
    assert b"".join(passed([finish, huge, end], hide_usage=True)) == finish + huge + end


@given(places)
def test_a_caller_who_asked_sees_all(at: list[int]) -> None:
    """Nothing is touched, and nothing is held."""
    pieces = cut(STREAM, at)

    assert passed(pieces, hide_usage=False)[:-1] == pieces


@given(st.integers(0, FINISHED))
def test_bytes_are_not_held_before_the_finish(end: int) -> None:
    """What came has left, event boundary or not."""
    assert b"".join(passed([STREAM[:end]], hide_usage=True)[:-1]) == STREAM[:end]


def test_a_broken_stream_passes_as_it_broke() -> None:
    """What was held when it broke off is passed, not swallowed."""
    broken = STREAM[:-5]

    assert b"".join(passed([broken], hide_usage=True)) == HIDDEN[:-5]


def played(
    answer: Answer, *, include_usage: bool = False, **more: Any
) -> list[tuple[float, bytes]]:
    return list(replay(Chat(), answer, Stamp("chatcmpl-2", 9), include_usage=include_usage, **more))


def payloads(pieces: list[tuple[float, bytes]]) -> list[bytes]:
    return [event.data for _, piece in pieces for event in Parser().feed(piece)]


BODY = json.dumps(ANSWER).encode()


@pytest.mark.parametrize("frames", [FRAMES, ()])
def test_a_replay_is_the_answer_with_a_new_id(frames: tuple[bytes, ...]) -> None:
    """Whichever form filled the entry."""
    found = payloads(played(Answer(BODY, frames), include_usage=True))

    assert found[-1] == b"[DONE]"
    assert fold(found[:-1]) == {**ANSWER, "id": "chatcmpl-2", "created": 9}


@pytest.mark.parametrize("frames", [FRAMES, ()])
def test_a_replay_hides_usage_from_who_did_not_ask(frames: tuple[bytes, ...]) -> None:
    """As the origin would."""
    found = payloads(played(Answer(BODY, frames)))

    assert not any(b'"choices":[]' in frame for frame in found)


def test_a_replay_tells_usage_that_the_frames_lack() -> None:
    """An entry knows its usage although its stream did not say it."""
    frames = tuple(unfold(ANSWER, include_usage=False))
    found = payloads(played(Answer(BODY, frames), include_usage=True))

    assert fold(found[:-1])["usage"] == ANSWER["usage"]


def test_chunk_boundaries_are_the_origins() -> None:
    """A replay has the chunks that were recorded."""
    frames = (
        FRAMES[0],
        b'{"choices":[{"index":0,"delta":{"content":"One two three."}}]}',
        FRAMES[-2],
    )
    found = payloads(played(Answer(BODY, frames)))

    assert len(found) == len(frames) + 1


def test_a_pace_is_a_plan() -> None:
    """The first chunk comes at once, the others at the rate asked for."""
    instant = played(Answer(BODY, FRAMES))
    paced = played(Answer(BODY, FRAMES), tokens_per_s=50)

    assert {delay for delay, _ in instant} == {0}
    assert [delay for delay, _ in paced] == [0.0, *[0.02] * (len(paced) - 2), 0.0]


def test_an_instant_replay_goes_out_in_few_pieces() -> None:
    """A write for each chunk would cost more than all else that a hit does."""
    pieces = played(Answer(BODY, FRAMES))

    assert len(pieces) == 1
    assert len(payloads(pieces)) == len(FRAMES)
    assert len(played(Answer(BODY, FRAMES * 500))) > 1


def test_usage_told_with_the_finish_is_not_told_twice() -> None:
    """Some origins send no chunk of its own; a caller who adds up must not count it double."""
    frames = tuple(unfold(ANSWER, include_usage=False))
    last = json.loads(frames[-1])
    told = (*frames[:-1], json.dumps({**last, "usage": ANSWER["usage"]}).encode())
    found = payloads(played(Answer(BODY, told), include_usage=True))

    assert len(found) == len(told) + 1
    assert fold(found[:-1])["usage"] == ANSWER["usage"]


RESPONSE: dict[str, Any] = {
    "id": "resp_1",
    "object": "response",
    "created_at": 1,
    "status": "completed",
    "metadata": {"who": "zoe"},
    "output": [
        {
            "id": "msg_1",
            "type": "message",
            "role": "assistant",
            "status": "completed",
            "content": [{"type": "output_text", "text": "One é 🎉.", "annotations": []}],
        }
    ],
}
OWN = Stamp("resp_2", 9, {"metadata": {"who": "bob"}})


def response_events(stamp: Stamp) -> list[bytes]:
    """The stream of the response, as a replay has it."""
    body = json.dumps(RESPONSE).encode()
    pieces = replay(Responses(), Answer(body), stamp, include_usage=True, tokens_per_s=1e6)
    return [piece for _, piece in pieces]


@given(st.lists(st.integers(0, 3000), max_size=12))
def test_another_callers_stream_becomes_ones_own(at: list[int]) -> None:
    """However it is cut: id, time and what is repeated of the request; all else byte for byte."""
    first = b"".join(response_events(Stamp("resp_1", 1, {"metadata": {"who": "zoe"}})))
    own = Restamp(Responses(), OWN)
    pieces = cut(first, [place for place in at if place <= len(first)])
    found = b"".join([*map(own.feed, pieces), own.finish()])

    assert found == b"".join(response_events(OWN))


def test_another_callers_stream_breaks_as_it_broke() -> None:
    """What is no whole event passes as it came, and so does an event too large to be held."""
    own, large = Restamp(Responses(), OWN), Restamp(Responses(), OWN)
    huge = b"data: " + bytes(MAX_EVENT_BYTES)

    assert own.feed(b"data: {") + own.finish() == b"data: {"
    assert large.feed(b"data") + large.feed(huge) + large.feed(b"x") == b"data" + huge + b"x"
    assert large.finish() == b""


def test_events_are_named_and_have_no_marker() -> None:
    """Where an API's last event says so itself."""
    events = response_events(OWN)

    assert all(event.startswith(b"event: response.") for event in events)
    assert b"response.completed" in events[-1]


def test_an_error_that_is_an_end_is_no_break() -> None:
    """Where an API says that a stream may end with an error, it has ended."""
    recorder = Recorder(Responses(), 1 << 20, Marks())
    for event in [*response_events(OWN)[:3], encode(b'{"type":"error"}', "error")]:
        recorder.feed(event)

    assert recorder.is_complete


def test_what_is_no_event_of_the_api_passes_to_other_callers() -> None:
    """Whoever cannot make sense of it, it is not the one who only passes it on."""
    own = Restamp(Responses(), OWN)
    odd = b'data: {"response": {oops}}\n\ndata: [{"response": {}}]\n\n'

    assert own.feed(odd) == odd


@pytest.mark.parametrize("kind", ["vendor-event", "vendor/event:1"])
def test_an_event_of_another_name_breaks_nothing(kind: str) -> None:
    """Whatever an origin calls events of its own: the stream is whole, and replayed by name."""
    recorder = Recorder(Responses(), 1 << 20, Marks())
    odd = encode(json.dumps({"type": kind}).encode(), kind)
    for event in [odd, *response_events(OWN)]:
        recorder.feed(event)

    assert recorder.is_complete
    assert Responses().name_of(recorder.frames[0]) == kind
