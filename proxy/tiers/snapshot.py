"""A vector index as one file: the `Added` changes that make it, and where the log went on.

Layout, integers little endian::

    magic "RPIX"  version  head  block...  "END."  sha256 of all before it

The head and each block begin with their JSON, length-prefixed; a block's JSON lists id, scope and
question, and its lifetimes (float64) and vectors (float32) follow. A file is written beside its
place, synced and moved, so a reader meets a whole one or none. Two processes that save to one path
at once may spoil it: the digest finds out, and an index that starts empty loses nothing.
"""

import os
import struct
from collections.abc import Iterable, Iterator, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any, BinaryIO, Final

import numpy as np
import orjson

from proxy.core.model import Added
from proxy.errors import TierError

VERSION: Final = 1
MAGIC: Final = b"RPIX"
END: Final = b"END."
BLOCK: Final = 1000
"""Entries of a block: what is encoded while holding the interpreter's lock."""

_PREFIX: Final = MAGIC + bytes([VERSION])
_DIGEST_BYTES: Final = 32
_LENGTH: Final = struct.Struct("<I")
_PIECE: Final = 1 << 20


class SnapshotError(TierError):
    """This file is not a snapshot that may be used; the message says why."""


def write(
    path: Path, *, embedder: str, dimension: int, position: str | None, items: Iterable[Added]
) -> None:
    """Put a snapshot in place of the one before, readable by this user alone. Raises OSError."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    beside = path.with_name(f"{path.name}.tmp")
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            _write_all(
                file, {"embedder": embedder, "dimension": dimension, "position": position}, items
            )
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise
    _sync_directory(path.parent)


def read(path: Path, *, embedder: str, dimension: int) -> tuple[str | None, Iterator[list[Added]]]:
    """The position, and the entries block by block, oldest first; checked whole before it returns.

    Raises:
        SnapshotError: It is truncated, damaged, or of another version, embedder or dimension.
        OSError: It cannot be read.
    """
    with path.open("rb") as file:
        _check(file)
        file.seek(len(_PREFIX))
        head = _read_json(file)
        blocks_at = file.tell()
    if (head["embedder"], head["dimension"]) != (embedder, dimension):
        raise SnapshotError(f"of another embedder: {head['embedder']}, {head['dimension']}")
    return head["position"], _blocks(path, blocks_at, embedder, dimension)


def _write_all(file: BinaryIO, head: dict[str, Any], items: Iterable[Added]) -> None:
    digest = sha256()
    for piece in (_PREFIX, *_json(head), *_pieces(items), END):
        digest.update(piece)
        file.write(piece)
    file.write(digest.digest())


def _pieces(items: Iterable[Added]) -> Iterator[bytes]:
    block: list[Added] = []
    for item in items:
        block.append(item)
        if len(block) == BLOCK:
            yield from _block(block)
            block = []
    if block:
        yield from _block(block)


def _block(block: Sequence[Added]) -> Iterator[bytes]:
    yield from _json([(item.id, item.scope, item.question) for item in block])
    yield np.array([item.kept_until for item in block], "<f8").tobytes()
    yield np.stack([item.vector for item in block]).astype("<f4").tobytes()


def _json(value: object) -> tuple[bytes, bytes]:
    data = orjson.dumps(value)
    return _LENGTH.pack(len(data)), data


def _sync_directory(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _check(file: BinaryIO) -> None:
    if file.read(len(_PREFIX)) != _PREFIX:
        raise SnapshotError(f"not a snapshot of version {VERSION}")
    footer_at = file.seek(0, os.SEEK_END) - len(END) - _DIGEST_BYTES
    file.seek(max(0, footer_at))
    if footer_at < len(_PREFIX) or file.read(len(END)) != END:
        raise SnapshotError("truncated")
    expected = file.read()
    file.seek(0)
    digest = sha256()
    left = footer_at + len(END)
    while left and (piece := file.read(min(left, _PIECE))):
        digest.update(piece)
        left -= len(piece)
    if digest.digest() != expected:
        raise SnapshotError("its checksum is wrong")


def _read_json(file: BinaryIO) -> Any:  # noqa: ANN401 - JSON, whose shape the digest vouches for
    (size,) = _LENGTH.unpack(file.read(_LENGTH.size))
    return orjson.loads(file.read(size))


def _blocks(path: Path, at: int, embedder: str, dimension: int) -> Iterator[list[Added]]:
    with path.open("rb") as file:
        end = file.seek(0, os.SEEK_END) - len(END) - _DIGEST_BYTES
        file.seek(at)
        while file.tell() < end:
            rows = _read_json(file)
            kept = np.frombuffer(file.read(8 * len(rows)), "<f8")
            data = np.frombuffer(file.read(4 * dimension * len(rows)), "<f4")
            vectors = data.reshape(len(rows), dimension)
            yield [
                Added(entry_id, scope, question, vector, embedder, float(until))
                for (entry_id, scope, question), vector, until in zip(
                    rows, vectors, kept, strict=True
                )
            ]
