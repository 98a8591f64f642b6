import re

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
    return [stream[a:b] for a, b in zip(edges, edges[1:], strict=False)]


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

    with pytest.raises(EventTooLargeError):
        for _ in range(20):
            parser.feed(b"data: 123456789")


@given(st.lists(st.binary(max_size=30), max_size=10))
def test_garbage_is_read_without_fault(pieces: list[bytes]) -> None:
    """Any bytes at all are events, or none."""
    parsed(pieces)
