"""A file that is sealed as it is written, and can be read from anywhere in it.

Layout, integers big endian::

    magic "RPSF"  version  key id length  key id  salt (32)  chunk...

A file has a key of its own, derived with its salt. A chunk is `CHUNK` bytes of AES-GCM, and the
last one what is left; a nonce is the chunk's number and whether it is the last (STREAM: Hoang,
Reyhanitabar, Rogaway and Vizar, CRYPTO 2015). So no chunk can be changed, moved, added or left out.
"""

import io
import os
from pathlib import Path
from typing import Any, BinaryIO, Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from proxy.tiers.keyring import Keyring
from proxy.tiers.sealed import SALT_BYTES, SealError

VERSION: Final = 1
MAGIC: Final = b"RPSF"
CHUNK: Final = 1 << 18
TAG_BYTES: Final = 16

_PREFIX: Final = MAGIC + bytes([VERSION])
_NUMBER_BYTES: Final = 11


class SealedWriter:
    """Seals what is written, into another file.

    Args:
        file: Where to.
        ring: Whose first key seals.
    """

    def __init__(self, file: BinaryIO, ring: Keyring) -> None:
        self._file = file
        self._cipher, self._head = _begun(ring)
        self._number = 0
        self._rest = bytearray()
        file.write(self._head)

    def write(self, piece: bytes | memoryview) -> None:
        """Some more. Raises OSError."""
        self._rest += piece
        while len(self._rest) > CHUNK:  # the last one may be full
            self._put(bytes(self._rest[:CHUNK]), is_last=False)
            del self._rest[:CHUNK]

    def end(self) -> None:
        """Write the last chunk; without it the file is one that was cut short. Raises OSError."""
        self._put(bytes(self._rest), is_last=True)

    def _put(self, chunk: bytes, *, is_last: bool) -> None:
        nonce = _nonce(self._number, is_last=is_last)
        self._file.write(self._cipher.encrypt(nonce, chunk, self._head))
        self._number += 1


def sealed_reader(path: Path, ring: Keyring) -> BinaryIO:
    """What was sealed, to be read from anywhere in it.

    Raises:
        SealError: Here or later: it is in clear, of a key that is not there, changed or cut short.
        OSError: It cannot be read.
    """
    file = path.open("rb")
    try:
        cipher, head = _read_begun(file, ring)
        return io.BufferedReader(_Chunks(file, cipher, head), CHUNK)
    except BaseException:
        file.close()
        raise


class _Chunks(io.RawIOBase):
    """The chunks of a file, one of them opened."""

    def __init__(self, file: BinaryIO, cipher: AESGCM, head: bytes) -> None:
        super().__init__()
        self._file, self._cipher, self._head = file, cipher, head
        stored = file.seek(0, os.SEEK_END) - len(head)
        self._count = max(1, -(-stored // (CHUNK + TAG_BYTES)))
        self._size = stored - self._count * TAG_BYTES
        self._at = 0
        self._held = -1, b""

    def readable(self) -> bool:
        """It is."""
        return True

    def seekable(self) -> bool:
        """It is."""
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Go on from there."""
        begin = {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self._size}[whence]
        self._at = begin + offset
        return self._at

    def tell(self) -> int:
        """Where it goes on."""
        return self._at

    def readinto(self, into: Any) -> int:  # noqa: ANN401 - whatever has room
        """The next bytes, at most up to the end of their chunk."""
        if self._at >= self._size:
            self._opened(self._count - 1)  # which says that it is the end
            return 0
        number, begin = divmod(self._at, CHUNK)
        piece = self._opened(number)[begin : begin + len(into)]
        into[: len(piece)] = piece
        self._at += len(piece)
        return len(piece)

    def _opened(self, number: int) -> bytes:
        if self._held[0] != number:
            self._file.seek(len(self._head) + number * (CHUNK + TAG_BYTES))
            nonce = _nonce(number, is_last=number == self._count - 1)
            try:
                data = self._file.read(CHUNK + TAG_BYTES)
                self._held = number, self._cipher.decrypt(nonce, data, self._head)
            except (InvalidTag, ValueError):
                raise SealError("its seal is broken") from None
        return self._held[1]

    def close(self) -> None:
        """Close the file."""
        self._file.close()
        super().close()


def _begun(ring: Keyring) -> tuple[AESGCM, bytes]:
    key_id, salt = ring.first.encode(), os.urandom(SALT_BYTES)
    head = _PREFIX + bytes([len(key_id)]) + key_id + salt
    return ring.cipher(ring.first, b"file", salt), head


def _read_begun(file: BinaryIO, ring: Keyring) -> tuple[AESGCM, bytes]:
    if file.read(len(_PREFIX)) != _PREFIX:
        raise SealError("in clear, or sealed by another version")
    length = file.read(1)
    key_id, salt = file.read(length[0] if length else 0), file.read(SALT_BYTES)
    head = _PREFIX + length + key_id + salt
    return ring.cipher(key_id.decode(errors="replace"), b"file", salt), head


def _nonce(number: int, *, is_last: bool) -> bytes:
    return number.to_bytes(_NUMBER_BYTES, "big") + bytes([is_last])
