"""A vector index as one file: its entries, and where the change log went on.

Layout, integers little endian::

    magic "RPIX"  version  head  block...  "END."  sha256 of all before it

The head and each block begin with their JSON, length-prefixed; a block's JSON lists ids, questions
and scopes, and its lifetimes (float64), ages (int64) and vectors (float16) follow as columns, so
that a million entries are read in seconds. A file is written beside its place, synced and moved, so
a reader meets a whole one or none. Two processes that save to one path at once may spoil it: the
digest finds out, and an index that starts empty loses nothing. A file of version 1 is refused.
Where there is a key ring all of it is sealed, as `sealedfile` has it.
"""

import os
import struct
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Final, Protocol

import numpy as np
import numpy.typing as npt
import orjson

from proxy import ownfiles
from proxy.errors import TierError

if TYPE_CHECKING:
    from proxy.tiers.keyring import Keyring

VERSION: Final = 2
MAGIC: Final = b"RPIX"
END: Final = b"END."
BLOCK: Final = 2048
"""Entries of a block: what is copied and encoded at once."""

Codes = npt.NDArray[np.uint8]
"""Vectors as bytes, shape (vectors, bytes of one)."""

_PREFIX: Final = MAGIC + bytes([VERSION])
_DIGEST_BYTES: Final = 32
_LENGTH: Final = struct.Struct("<I")
_PIECE: Final = 1 << 20


class SnapshotError(TierError):
    """This file is not a snapshot that may be used; the message says why."""


class Sink(Protocol):
    """Takes bytes one after another."""

    def write(self, piece: bytes | memoryview, /) -> object:
        """Some more. Raises OSError."""
        ...


@dataclass(frozen=True, slots=True)
class Block:
    """Some entries, column by column.

    Attributes:
        ids, questions, scopes: As in `Added`.
        kept: `kept_until`, seconds since the epoch.
        ages: Of two entries the one added later has the larger.
        codes: Vectors as float16, shape (entries, 2 * dimension) in bytes.
    """

    ids: Sequence[str]
    questions: Sequence[str]
    scopes: Sequence[str]
    kept: npt.NDArray[np.float64]
    ages: npt.NDArray[np.int64]
    codes: Codes

    def after(self, now: float) -> "Block":
        """Without what is past its time."""
        stay = np.flatnonzero(self.kept > now)
        if len(stay) == len(self.ids):
            return self
        at = stay.tolist()
        return Block(
            [self.ids[one] for one in at],
            [self.questions[one] for one in at],
            [self.scopes[one] for one in at],
            self.kept[stay],
            self.ages[stay],
            self.codes[stay],
        )


def write(
    path: Path,
    *,
    embedder: str,
    dimension: int,
    position: str | None,
    blocks: Iterable[Block],
    ring: "Keyring | None" = None,
) -> None:
    """Put a snapshot in place of the one before, readable by this user alone. Raises OSError."""
    beside = path.with_name(f"{path.name}.tmp")
    descriptor = ownfiles.opened(beside, os.O_WRONLY | os.O_TRUNC)
    try:
        with os.fdopen(descriptor, "wb") as file:
            head = {"embedder": embedder, "dimension": dimension, "position": position}
            with _sealed(file, ring) as to:
                _write_all(to, head, blocks)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise
    _sync_directory(path.parent)


def read(
    path: Path, *, embedder: str, dimension: int, ring: "Keyring | None" = None
) -> tuple[str | None, Iterator[Block]]:
    """The position, and the entries block by block; checked whole before it returns.

    Raises:
        SnapshotError: It is truncated, damaged, or of another version, embedder or dimension.
        SealError: With a ring: it is in clear, or sealed with another key.
        OSError: It cannot be read.
    """
    with _opened(path, ring) as file:
        _check(file)
        file.seek(len(_PREFIX))
        head = _read_json(file)
        blocks_at = file.tell()
    match head:
        case {"embedder": made_by, "dimension": length, "position": position}:
            pass
        case _:
            raise SnapshotError("its head is no head")
    if (made_by, length) != (embedder, dimension):
        raise SnapshotError(f"of another embedder: {made_by}, {length}")
    return position, _blocks(path, ring, blocks_at, dimension)


@contextmanager
def _sealed(file: BinaryIO, ring: "Keyring | None") -> Iterator[Sink]:
    """Where to write what goes into the file."""
    if ring is None:
        yield file
        return
    from proxy.tiers.sealedfile import SealedWriter  # noqa: PLC0415 - only where there are keys

    writer = SealedWriter(file, ring)
    yield writer
    writer.end()


def _opened(path: Path, ring: "Keyring | None") -> BinaryIO:
    if ring is None:
        return path.open("rb")
    from proxy.tiers.sealedfile import sealed_reader  # noqa: PLC0415 - the same

    return sealed_reader(path, ring)


def _write_all(file: Sink, head: dict[str, Any], blocks: Iterable[Block]) -> None:
    digest = sha256()
    pieces = (piece for block in blocks for piece in _pieces(block))
    for piece in chain[bytes | memoryview]((_PREFIX, *_json(head)), pieces, (END,)):
        digest.update(piece)
        file.write(piece)
    file.write(digest.digest())


def _pieces(block: Block) -> Iterator[bytes | memoryview]:
    yield from _json((block.ids, block.questions, block.scopes))
    # Views: to copy megabytes would hold the interpreter's lock.
    yield block.kept.astype("<f8", copy=False).view(np.uint8).data
    yield block.ages.astype("<i8", copy=False).view(np.uint8).data
    yield np.ascontiguousarray(block.codes).reshape(-1).data


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


def _read_json(file: BinaryIO) -> Any:  # noqa: ANN401 - JSON is anything
    """Raises SnapshotError for what only somebody who makes digests, too, can have put there."""
    try:
        (size,) = _LENGTH.unpack(file.read(_LENGTH.size))
        return orjson.loads(file.read(size))
    except (ValueError, struct.error):
        raise SnapshotError("it holds no JSON") from None


def _blocks(path: Path, ring: "Keyring | None", at: int, dimension: int) -> Iterator[Block]:
    with _opened(path, ring) as file:
        end = file.seek(0, os.SEEK_END) - len(END) - _DIGEST_BYTES
        file.seek(at)
        while file.tell() < end:
            ids, questions, scopes = _read_json(file)
            entries = len(ids)
            kept = np.frombuffer(file.read(8 * entries), "<f8")
            ages = np.frombuffer(file.read(8 * entries), "<i8")
            codes = np.frombuffer(file.read(2 * dimension * entries), np.uint8)
            yield Block(ids, questions, scopes, kept, ages, codes.reshape(entries, 2 * dimension))
