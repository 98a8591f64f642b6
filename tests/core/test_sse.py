import re
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.core.sse import Event, EventTooLargeError, Parser, encode

STREAM = (
    b"\xef\xbb\xbf: welcome\r\n\r\n"
    b'event: delta\r\nid: 7\r\ndata: {"a": "\xc3\xa9"}\r\n\r\n'
    b"retry: 10\n\n"
    b"data: one\ndata: two\ndata\n\n"
    b"data:tight\r\rdata: [DONE]\n\n"
    b"data: never ended"
)
EVENTS = [
    ('{"a": "é"}'.encode(), "delta"),
    (b"one\ntwo\n", ""),
    (b"tight", ""),
    (b"[DONE]", ""),
]


def parsed(pieces: list[bytes]) -> list[Event]:
    parser = Parser()
    return [event for piece in pieces for event in parser.feed(piece)]


def cut(stream: bytes, places: list[int]) -> list[bytes]:
    edges = [0, *sorted(places), len(stream)]
    return [stream[a:b] for a, b in pairwise(edges)]


def test_the_standards_forms() -> None:
    """Comments, ids, retries, names, many lines, each line ending, a byte order mark."""
    assert [(event.data, event.name) for event in parsed([STREAM])] == EVENTS


@given(st.lists(st.integers(0, len(STREAM)), max_size=12))
def test_any_split_gives_the_same_events(places: list[int]) -> None:
    """The bytes may be cut anywhere, inside a character or a line ending included."""
    assert [(e.data, e.name) for e in parsed(cut(STREAM, places))] == EVENTS


def test_every_byte_on_its_own() -> None:
    """The finest split of all."""
    pieces = [bytes([byte]) for byte in STREAM]

    assert [(event.data, event.name) for event in parsed(pieces)] == EVENTS


@given(st.lists(st.integers(0, len(STREAM)), max_size=12))
def test_nothing_is_lost(places: list[int]) -> None:
    """What the events took and what is pending are together all bytes that came."""
    parser = Parser()
    taken = b"".join(e.raw for piece in cut(STREAM, places) for e in parser.feed(piece))

    assert taken + parser.pending == STREAM


@given(st.binary(max_size=80).map(lambda data: re.sub(rb"[\r\n]", b"", data)), st.text("ab"))
def test_what_is_encoded_is_read_back(data: bytes, name: str) -> None:
    """One event in, the same event out."""
    found = parsed([encode(data, name)])

    assert [(event.data, event.name) for event in found] == [(data, name)]


def test_several_lines_are_encoded() -> None:
    """A newline in the data becomes a second data line."""
    assert parsed([encode(b"a\nb")])[0].data == b"a\nb"


def test_an_event_is_bounded() -> None:
    """A sender that never ends a line is stopped."""
    parser = Parser(max_event_bytes=100)

    parser.feed(b"data: " + b"x" * 90)

    with pytest.raises(EventTooLargeError):
        parser.feed(b"y" * 10)


@given(st.lists(st.binary(max_size=30), max_size=10))
def test_garbage_is_read_without_fault(pieces: list[bytes]) -> None:
    """Any bytes at all are events, or none."""
    parsed(pieces)


def by_the_letter(stream: bytes) -> list[tuple[bytes, str]]:
    """WHATWG HTML 9.2.6, line by line over the whole stream."""
    found: list[tuple[bytes, str]] = []
    data: list[bytes] = []
    name = ""
    lines = re.split(rb"\r\n|\n|\r", stream.removeprefix(b"\xef\xbb\xbf"))
    for line in lines[:-1]:
        field, _, value = line.partition(b":")
        if not line:
            if data:
                found.append((b"\n".join(data), name))
            data, name = [], ""
        elif field == b"data":
            data.append(value.removeprefix(b" "))
        elif field == b"event":
            name = value.removeprefix(b" ").decode()
    return found


lines = st.sampled_from(
    [
        b"",
        b"",
        b"data: a",
        b"data:",
        b"data",
        b"data:  b",
        b"event: e",
        b": c",
        b":",
        b"id: 1",
        b"x",
    ]
)
endings = st.sampled_from([b"\n", b"\n", b"\r\n", b"\r"])
streams = st.builds(
    lambda mark, pairs, rest: mark + b"".join(line + end for line, end in pairs) + rest,
    st.sampled_from([b"", b"\xef\xbb\xbf"]),
    st.lists(st.tuples(lines, endings), max_size=25),
    lines,
)


@given(st.data(), streams)
def test_events_are_the_standards(data: st.DataObject, stream: bytes) -> None:
    """Whatever the lines, endings and cuts: the events of the standard's own algorithm."""
    places = data.draw(st.lists(st.integers(0, len(stream)), max_size=8))
    parser = Parser()
    events = [event for piece in cut(stream, places) for event in parser.feed(piece)]

    assert [(event.data, event.name) for event in events] == by_the_letter(stream)
    assert b"".join(event.raw for event in events) + parser.pending == stream


def test_an_event_does_not_wait_for_the_rest_of_a_line_ending() -> None:
    """Its blank line has come with the carriage return; the line feed after it is no new line."""
    parser = Parser()

    assert [event.data for event in parser.feed(b"data: a\r\n\r")] == [b"a"]
    assert parser.feed(b"\n") == []
    assert [event.data for event in parser.feed(b"data: b\r\r")] == [b"b"]


def test_events_after_one_too_large_are_found() -> None:
    """Only that one is lost, and its tail is not taken for a field."""
    parser = Parser(max_event_bytes=20)
    with pytest.raises(EventTooLargeError):
        parser.feed(b"data: 0123456789012345")

    assert parser.feed(b"data: not a field\n") == []
    assert [event.data for event in parser.feed(b"\ndata: b\n\n")] == [b"b"]


def test_a_bound_on_silence() -> None:
    """Comments without end are an event too large as well; whole events of any number are not."""
    parser = Parser(max_event_bytes=50)
    for _ in range(6):
        parser.feed(b": wait\n\n")
    with pytest.raises(EventTooLargeError):
        parser.feed(b": wait\n\n")

    assert len(Parser(max_event_bytes=50).feed(b"data: a\n\n" * 100)) == 100
