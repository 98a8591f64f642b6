"""An entry as bytes: what SQLite and Redis store.

Layout, integers little endian::

    magic "RPE"  version  digest (8)  head length (4)  head  payload

The digest covers all other bytes, so what decodes is what was encoded: any flipped or missing byte
is a `CodecError`, never another answer. The head is JSON and names every field but the vector, the
body and the frames, which follow it as they are: vector as float32, body, frame after frame.

The payload is deflated when it is long. Every frame of a stream repeats its envelope: 100 frames of
24 KB are stored in 3 KB, vector and head included, for about 20 us each way, part of which the
digest over fewer bytes gives back. A 900-byte JSON answer would pay 8 us to save 400 bytes: it
stays as it is.
"""

import struct
import zlib
from hashlib import sha256
from typing import Any, Final

import numpy as np
import orjson

from proxy.core.model import Answer, Entry, Usage, Vector
from proxy.errors import TierError

VERSION: Final = 1
MAGIC: Final = b"RPE"
DIGEST_BYTES: Final = 8
DEFLATE_FROM: Final = 2048
"""Payload bytes from which deflating pays; see the module's header."""

INLINE: Final = 32_768
"""Bytes of an answer up to which encoding it takes the loop less time than a thread's turn."""

_PREFIX: Final = struct.Struct(f"<3sB{DIGEST_BYTES}sI")
_TIMES: Final = struct.Struct("<3d")  # not JSON: a lifetime may be infinite
_FLOAT32: Final = np.dtype("<f4")
_UNREADABLE: Final = (ValueError, KeyError, TypeError, IndexError, struct.error, zlib.error)


class CodecError(TierError):
    """These bytes are not an entry, or this entry has no bytes."""


def encode(entry: Entry) -> bytes:
    """The entry's bytes.

    Raises:
        ValueError: The entry is private; it must not leave the process.
        CodecError: It holds text that is not Unicode.
    """
    if entry.private:
        raise ValueError("a private entry must not leave the session tier")
    vector = b"" if entry.vector is None else np.asarray(entry.vector, _FLOAT32).tobytes()
    payload = b"".join((vector, entry.answer.body, *entry.answer.frames))
    is_deflated = len(payload) >= DEFLATE_FROM
    try:
        head = orjson.dumps(_head(entry, len(payload), is_deflated=is_deflated))
    except TypeError as error:
        raise CodecError(f"entry cannot be encoded: {error}") from error
    if is_deflated:
        payload = zlib.compress(payload, 1)
    times = _TIMES.pack(entry.created_at, entry.expires_at, entry.kept_until)
    rest = b"".join((times, head, payload))
    return _PREFIX.pack(MAGIC, VERSION, _digest(len(head), rest), len(head)) + rest


def decode(data: bytes) -> Entry:
    """The entry these bytes are. Raises CodecError when they are not whole and ours."""
    if len(data) < _PREFIX.size + _TIMES.size:
        raise CodecError("entry is truncated")
    magic, version, digest, head_bytes = _PREFIX.unpack_from(data)
    if magic != MAGIC or version != VERSION:
        raise CodecError(f"entry is not of codec version {VERSION}")
    if _digest(head_bytes, memoryview(data)[_PREFIX.size :]) != digest:
        raise CodecError("entry's checksum is wrong")
    try:
        return _entry(data, _PREFIX.size + _TIMES.size, head_bytes)
    except _UNREADABLE as error:  # only bytes that someone made up on purpose get here
        raise CodecError(f"entry cannot be read: {error!r}") from error


def question_of(data: bytes) -> str:
    """The question of an entry's bytes, whose checksum and payload are not read; "" of no entry's.

    For whoever looks through many: it costs a twentieth of `decode`.
    """
    try:
        *_, head_bytes = _PREFIX.unpack_from(data)
        at = _PREFIX.size + _TIMES.size
        return str(orjson.loads(memoryview(data)[at : at + head_bytes])["question"])
    except _UNREADABLE:
        return ""


def _digest(head_bytes: int, rest: bytes | memoryview) -> bytes:
    state = sha256(_PREFIX.pack(MAGIC, VERSION, b"", head_bytes))
    state.update(rest)
    return state.digest()[:DIGEST_BYTES]


def _head(entry: Entry, payload_bytes: int, *, is_deflated: bool) -> dict[str, Any]:
    answer = entry.answer
    usage = answer.usage
    return {
        "id": entry.id,
        "scope": entry.scope,
        "tenant": entry.tenant,
        "namespace": entry.namespace,
        "model": entry.model,
        "question": entry.question,
        "tags": entry.tags,
        "embedder": entry.embedder,
        "usage": usage and (usage.prompt, usage.completion, usage.estimated),
        # Apart, so that a program which does not know it can read the rest.
        "billed": usage and (usage.cached, usage.service_tier),
        "finish": answer.finish,
        "dimension": None if entry.vector is None else len(entry.vector),
        "body": len(answer.body),
        "frames": [len(frame) for frame in answer.frames],
        "payload": payload_bytes,
        "deflated": is_deflated,
        "principal": entry.principal,
        "confirmed": entry.confirmed,
    }


def _entry(data: bytes, at: int, head_bytes: int) -> Entry:
    head = orjson.loads(memoryview(data)[at : at + head_bytes])
    created_at, expires_at, kept_until = _TIMES.unpack_from(data, at - _TIMES.size)
    payload = _payload(data[at + head_bytes :], head["payload"], is_deflated=head["deflated"])
    vector, body_at = _vector(payload, head["dimension"])
    body, *frames = _cut(payload, body_at, [head["body"], *head["frames"]])
    return Entry(
        id=head["id"],
        scope=head["scope"],
        tenant=head["tenant"],
        namespace=head["namespace"],
        model=head["model"],
        question=head["question"],
        answer=Answer(
            body=body,
            frames=tuple(frames),
            usage=_usage(head),
            finish=tuple(head["finish"]),
        ),
        created_at=created_at,
        expires_at=expires_at,
        kept_until=kept_until,
        tags=tuple(head["tags"]),
        vector=vector,
        embedder=head["embedder"],
        principal=head.get("principal", ""),  # which entries of an earlier version do not say
        confirmed=head.get("confirmed", False),
    )


def _usage(head: dict[str, Any]) -> Usage | None:
    """The tokens; entries of an earlier version do not say how they were billed."""
    if head["usage"] is None:
        return None
    return Usage(*head["usage"], *(head.get("billed") or ()))


def _payload(packed: bytes, size: int, *, is_deflated: bool) -> bytes:
    # The stated size bounds what inflating may produce.
    payload = zlib.decompressobj().decompress(packed, size + 1) if is_deflated else packed
    if len(payload) != size:
        raise ValueError(f"payload has {len(payload)} bytes, not {size}")
    return payload


def _vector(payload: bytes, dimension: int | None) -> tuple[Vector | None, int]:
    if dimension is None:
        return None, 0
    # A copy: a view would keep the whole payload alive beside the pieces cut from it.
    vector = np.frombuffer(payload, _FLOAT32, dimension).astype(np.float32, copy=True)
    return vector, dimension * _FLOAT32.itemsize


def _cut(payload: bytes, at: int, sizes: list[int]) -> list[bytes]:
    pieces = []
    for size in sizes:
        pieces.append(payload[at : at + size])
        at += size
    if at != len(payload):
        raise ValueError("pieces do not add up to the payload")
    return pieces
