"""What origins send: events, streams and answers of every dialect, however they are cut."""

from proxy.core import sse
from proxy.core.canonical import loads
from proxy.core.dialects.base import Dialect, Stamp
from proxy.core.dialects.embeddings_answer import taken_apart
from proxy.core.recording import Head, Landing, Recording
from proxy.core.stencil import cut
from proxy.core.stream import LiveFilter, Restamp, replay
from proxy.errors import BrokenStreamError
from tests.fuzz.bodies import DIALECTS
from tests.fuzz.target import Target, cuts

STREAM = Head(200, (("content-type", "text/event-stream"),))
PLAIN = Head(200, (("content-type", "application/json"),))
MOST = 1 << 20
LONGEST = 700
SHORT = 64
"""Up to here a stream is cut into single bytes, too."""
STAMP = Stamp("x-0123", 1)
ASKED = {"messages": [{"role": "user", "content": "a"}], "input": "a", "prompt": "a"}
SSE = (
    b"data: ",
    b"event: ",
    b"\n\n",
    b"\r\n\r\n",
    b"\r",
    b": ",
    b"data: [DONE]\n\n",
    b"\xef\xbb\xbf",
)
CHUNK = (
    b'{"choices":[{"index":0,"delta":{"content":"a"},"finish_reason":null}]}',
    rb"\ud83d",
    b'"error"',
)


def _sse(data: bytes) -> None:
    whole = _events([data])
    assert b"".join(event.raw for event in whole[0]) + whole[1] == data
    if len(data) <= 48:
        for at in range(len(data)):
            _alike(_events([data[:at], data[at:]]), whole)
    for size in (1, 3) if len(data) < SHORT else (len(data) // 3,):
        _alike(_events(list(cuts(data, size))), whole)
    assert sse.payloads(data) == [event.data for event in whole[0]]


def _events(pieces: list[bytes]) -> tuple[list[sse.Event], bytes]:
    parser = sse.Parser()
    return [event for piece in pieces for event in parser.feed(piece)], parser.pending


def _alike(one: tuple[list[sse.Event], bytes], other: tuple[list[sse.Event], bytes]) -> None:
    assert [event[:2] for event in one[0]] == [event[:2] for event in other[0]]
    raws = [b"".join(event.raw for event in events) + rest for events, rest in (one, other)]
    assert raws[0] == raws[1]


def _stream(dialect: Dialect) -> Target:
    def run(data: bytes) -> None:
        whole = _taken(dialect, [data])
        for size in (1, 7) if len(data) < SHORT else (len(data) // 3,):
            again = _taken(dialect, list(cuts(data, size)))
            assert again[0] == whole[0]
            if whole[0] is not None:  # of one that breaks off, more may have passed
                assert again == whole
        if whole[0] is not None:
            _played(dialect, whole[0])

    return Target(f"{dialect.api}.stream", run, (), (*SSE, *CHUNK), LONGEST)


def _taken(dialect: Dialect, pieces: list[bytes]) -> tuple[Landing | None, bytes, bytes]:
    """What is kept, and what callers saw who asked for the usage, and who did not."""
    recording = Recording(dialect, MOST)
    recording.begin(STREAM)
    filters = [LiveFilter(recording.marks, hide_usage=hides) for hides in (False, True)]
    stamping = Restamp(dialect, STAMP)
    shown = [b"", b""]
    for piece in pieces:
        recording.feed(piece)
        shown = [seen + one.feed(piece) for seen, one in zip(shown, filters, strict=True)]
        stamping.feed(piece)
    shown = [seen + one.finish() for seen, one in zip(shown, filters, strict=True)]
    stamping.finish()
    try:
        landing = recording.land()
    except BrokenStreamError:
        landing = None
    return landing, shown[0], shown[1]


def _played(dialect: Dialect, landing: Landing) -> None:
    """An answer that may be kept can be given again, as a stream that says the same."""
    answer = landing.answer
    if answer is None or landing.refusal is not None:
        return
    dialect.said(loads(answer.body))
    dialect.refresh(answer.body, STAMP)
    for include_usage in (False, True):
        pieces = [p for _, p in replay(dialect, answer, STAMP, include_usage=include_usage)]
        again = _taken(dialect, pieces)[0]
        assert again is not None
        assert again.answer is not None
        assert again.refusal is None
        old, new = (loads(one.body) for one in (answer, again.answer))
        assert dialect.said(new) == dialect.said(old)
        assert again.answer.finish == answer.finish


def _answer(dialect: Dialect) -> Target:
    def run(data: bytes) -> None:
        recording = Recording(dialect, MOST)
        recording.begin(PLAIN)
        recording.feed(data)
        landing = recording.land()
        _played(dialect, landing)
        if landing.answer is not None:
            dialect.texts_of(ASKED, loads(landing.answer.body))

    return Target(f"{dialect.api}.answer", run, (), CHUNK)


def _embeddings(data: bytes) -> None:
    answers = taken_apart(data, [1, 2])
    assert answers is None or len(answers) == 2


def _stencil(data: bytes) -> None:
    """The data's zero bytes are where the id goes."""

    def render(stamp: Stamp) -> bytes:
        return data.replace(b"\0", stamp.id.encode())

    found = cut(Stamp, render, 1)
    token = "0123456789abcdef" * 2
    assert found is None or found.filled(token.encode()) == render(Stamp(token, 1))


TARGETS = (
    Target("sse", _sse, (), SSE, LONGEST),
    *(_stream(one) for one in DIALECTS),
    *(_answer(one) for one in DIALECTS),
    Target("embeddings.answer", _embeddings, (), (b'"data"', b'"index"', b'"embedding"', b"1.5")),
    Target("stencil", _stencil, (), (b"\0",)),
)
