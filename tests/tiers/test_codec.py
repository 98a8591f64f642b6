from dataclasses import replace

import numpy as np
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.core.model import Answer, Entry, Usage
from proxy.errors import TierError
from proxy.tiers.codec import (
    _PREFIX,
    _TIMES,
    DEFLATE_FROM,
    MAGIC,
    VERSION,
    CodecError,
    _digest,
    decode,
    encode,
    question_of,
)
from tests.tiers.builders import FakeClock, entry

texts = st.text(max_size=40)
times = st.floats(allow_nan=False)
floats = st.floats(width=32, allow_nan=False)
answers = st.builds(
    Answer,
    body=st.binary(max_size=3 * DEFLATE_FROM),
    frames=st.lists(st.binary(max_size=300), max_size=20).map(tuple),
    usage=st.none()
    | st.builds(
        Usage, st.integers(0, 2**40), st.integers(0, 9), st.booleans(), st.integers(0, 9), texts
    ),
    finish=st.lists(texts, max_size=3).map(tuple),
)
entries = st.builds(
    Entry,
    id=texts,
    scope=texts,
    tenant=texts,
    namespace=texts,
    model=texts,
    question=texts,
    principal=texts,
    confirmed=st.booleans(),
    answer=answers,
    created_at=times,
    expires_at=times,
    kept_until=times,
    tags=st.lists(texts, max_size=3).map(tuple),
    vector=st.none() | st.lists(floats, max_size=9).map(lambda row: np.array(row, np.float32)),
    embedder=texts,
)


@given(entries)
def test_what_is_encoded_decodes_to_the_same_entry(made: Entry) -> None:
    """Every field comes back, the vector bit for bit, whether the payload is deflated or not."""
    back = decode(encode(made))

    assert back == made
    assert (back.vector is None) == (made.vector is None)
    if made.vector is not None and back.vector is not None:
        assert back.vector.dtype == np.float32
        assert back.vector.tobytes() == made.vector.tobytes()


@given(entries)
def test_its_question_can_be_read_alone(made: Entry) -> None:
    """Without the rest, which may be long."""
    assert question_of(encode(made)) == made.question


@given(st.binary(max_size=200))
def test_what_is_no_entry_has_no_question(data: bytes) -> None:
    """Nor is it an error to look for one."""
    assert question_of(data) == ""


def test_an_entry_of_before_is_read() -> None:
    """One that does not say how its tokens were billed has them all at the standard rate."""
    usage = Usage(9, 4, cached=3, service_tier="flex")
    encoded = encode(entry("q", FakeClock(), answer=Answer(b"{}", usage=usage)))
    size, start = _PREFIX.unpack_from(encoded)[3], _PREFIX.size + _TIMES.size
    head = orjson.loads(encoded[start : start + size])
    del head["billed"]
    older = orjson.dumps(head)
    rest = encoded[_PREFIX.size : start] + older + encoded[start + size :]
    prefix = _PREFIX.pack(MAGIC, VERSION, _digest(len(older), rest), len(older))

    assert decode(prefix + rest).answer.usage == Usage(9, 4)


@given(made=entries, data=st.data())
def test_a_flipped_bit_is_never_an_entry(made: Entry, data: st.DataObject) -> None:
    """Any one bit flipped, anywhere, is a CodecError."""
    encoded = bytearray(encode(made))
    at = data.draw(st.integers(0, len(encoded) * 8 - 1))
    encoded[at // 8] ^= 1 << at % 8

    with pytest.raises(CodecError):
        decode(bytes(encoded))


@given(made=entries, data=st.data())
def test_a_piece_is_never_an_entry(made: Entry, data: st.DataObject) -> None:
    """Cut short at any byte, or with bytes behind it, it is a CodecError."""
    encoded = encode(made)
    cut = data.draw(st.integers(0, len(encoded) - 1))

    with pytest.raises(CodecError):
        decode(encoded[:cut])
    with pytest.raises(CodecError):
        decode(encoded + encoded[: cut + 1])


@given(st.binary(max_size=200))
def test_foreign_bytes_are_never_an_entry(data: bytes) -> None:
    """Whatever else lies under a key is a CodecError, which is a TierError."""
    with pytest.raises(TierError):
        decode(data)


def test_another_version_is_refused() -> None:
    """Bytes of a later codec are not guessed at."""
    encoded = bytearray(encode(entry("q", FakeClock())))
    encoded[3] += 1

    with pytest.raises(CodecError, match="not of codec version 1"):
        decode(bytes(encoded))


def test_a_stream_is_stored_small() -> None:
    """Frames that repeat their envelope take a tenth of their size."""
    frames = tuple(b'{"object":"chat.completion.chunk","n":%d}' % n * 6 for n in range(100))
    made = entry("q", FakeClock())
    made = replace(made, answer=replace(made.answer, frames=frames))
    encoded = encode(made)

    assert len(encoded) < made.answer.size / 10
    assert decode(encoded) == made


def test_a_private_entry_has_no_bytes() -> None:
    """It cannot leave the process, because it cannot be encoded."""
    with pytest.raises(ValueError, match="private"):
        encode(entry("q", FakeClock(), private=True))


def test_text_that_is_not_unicode_is_a_codec_error() -> None:
    """A lone surrogate cannot be stored, and says so as a tier does."""
    made = replace(entry("q", FakeClock()), question="\ud800")

    with pytest.raises(CodecError, match="cannot be encoded"):
        encode(made)
