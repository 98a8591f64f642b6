"""What is read back from stores, files and other processes."""

import struct
import tempfile
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import numpy as np

from proxy.core import entrylines, presence, reembedding
from proxy.core.entrylines import LineError, Lines, Numbered
from proxy.core.model import Entry
from proxy.tiers import codec, selectors, snapshot
from proxy.tiers.entrycodec import EntryCodec
from proxy.tiers.keyring import Key, Keyring
from proxy.tiers.vectorsetlayout import Attributes
from tests.fuzz.target import Target, cuts

PREFIX = struct.Struct(f"<3sB{codec.DIGEST_BYTES}sI")
RING = Keyring([Key("k1", bytes(32))])
SEALED = EntryCodec(RING)
FILE = Path(tempfile.gettempdir()) / f"reprise-fuzz-{np.random.default_rng().integers(2**62)}"
HEAD = (
    b'"id"',
    b'"question"',
    b'"frames"',
    b'"payload"',
    b'"deflated"',
    b'"dimension"',
    b"RPE\x01",
)


def _alike(one: Entry, other: Entry) -> None:
    """Equal, vector and all; a time that is no number is one too."""
    same = np.array_equal(
        np.asarray(one.vector if one.vector is not None else []),
        np.asarray(other.vector if other.vector is not None else []),
        equal_nan=True,
    )
    assert same
    assert repr(replace(one, vector=None)) == repr(replace(other, vector=None))


def _entry(data: bytes) -> None:
    codec.question_of(data)
    _alike(codec.decode(codec.encode(found := codec.decode(data))), found)


def _vouched(data: bytes) -> None:
    """Bytes of somebody who can make checksums, too."""
    size = int.from_bytes(data[:2], "little")
    digest = sha256(PREFIX.pack(codec.MAGIC, codec.VERSION, b"", size) + data[2:]).digest()
    _entry(PREFIX.pack(codec.MAGIC, codec.VERSION, digest[: codec.DIGEST_BYTES], size) + data[2:])


def _sealed(data: bytes) -> None:
    SEALED.owner_of(data)
    SEALED.question_of("id", data, bytes(32))
    SEALED.decode("id", data, bytes(32))
    raise AssertionError("nobody has the key")


def _selector(data: bytes) -> None:
    found = selectors.read(data)
    again = selectors.read(selectors.written(found))
    assert repr(again) == repr(found)


def _line(data: bytes) -> None:
    found = entrylines.read(data)
    if isinstance(found, Entry):
        again = entrylines.read(entrylines.written(found))
        assert isinstance(again, Entry)
        _alike(again, found)
        _alike(codec.decode(codec.encode(found)), found)


def _lines(data: bytes) -> None:
    whole = _numbered([data])
    assert _numbered(list(cuts(data, 1))) == whole
    assert _numbered(list(cuts(data, 5))) == whole


def _numbered(pieces: list[bytes]) -> list[Numbered]:
    lines = Lines(16)
    return [one for piece in pieces for one in lines.feed(piece)] + list(lines.close())


def _records(data: bytes) -> None:
    """Notes in the shared tier, which another version may have written."""
    replica = presence.loads(data)
    assert replica is None or presence.loads(presence.dumps(replica)) == replica
    known = reembedding.announced(reembedding.loads(data), "e", 100.0, has_all=True)
    assert reembedding.loads(reembedding.dumps(known)) == known
    attributes = Attributes.read(data)
    assert attributes is None or Attributes.read(attributes.written()) is not None


def _snapshot(data: bytes) -> None:
    _read_snapshot(data)


def _vouched_snapshot(data: bytes) -> None:
    """A file of somebody who can make digests, too."""
    whole = b"RPIX\x02" + data + b"END."
    _read_snapshot(whole + sha256(whole).digest())


def _read_snapshot(data: bytes) -> None:
    FILE.write_bytes(data)
    try:
        snapshot.read(FILE, embedder="e", dimension=2)
    finally:
        FILE.unlink()


def _sealed_snapshot(data: bytes) -> None:
    FILE.write_bytes(data)
    try:
        snapshot.read(FILE, embedder="e", dimension=2, ring=RING)
    finally:
        FILE.unlink()


TARGETS = (
    Target("entry", _entry, (codec.CodecError,), HEAD),
    Target("entry.vouched", _vouched, (codec.CodecError,), HEAD),
    Target("entry.sealed", _sealed, (codec.CodecError,), (b"RPS\x01", b"\x02", b"k1", b"\0")),
    Target(
        "selector",
        _selector,
        (),
        (b'{"tenant":"t"', b',"ids":["a"]', b',"like":{"vector":"AACAPw==","at_least":1', b"}"),
    ),
    Target(
        "line", _line, (LineError,), (b'"object":"entry"', b'"object":"chat"', b"base64", *HEAD)
    ),
    Target("lines", _lines, (), (b"\n", b"\r\n", b"0123456789abcdef", b" ")),
    Target("records", _records, (), (b'[["e",1,1,true]]', b'"q"', b'"u"', b'"v"', b'"pid"')),
    Target("snapshot", _snapshot, (snapshot.SnapshotError,), (b"RPIX\x02", b"END.", b'"embedder"')),
    Target(
        "snapshot.vouched",
        _vouched_snapshot,
        (snapshot.SnapshotError,),
        (b"\x02\0\0\0{}", b'"embedder"', b'"dimension"', b'"position"'),
    ),
    Target("snapshot.sealed", _sealed_snapshot, (codec.CodecError,), (b"RPSF\x01", b"\x02k1")),
)
