"""Entries, and chats that may become entries, as lines of JSON (JSON Lines, one value a line).

    {"format":1,"object":"cache.export"}
    {"body":"{...}","created_at":1700000000.0, ... "object":"entry", ...}
    {"entries":1,"object":"cache.export.end"}

Names are sorted and nothing depends on when or where it is written, so that an entry is always the
same bytes. Bytes that are UTF-8 stand as a string, others as `{"base64": "..."}`; a vector is the
base64 of its float32 numbers, little endian. A time that never comes is null.

A past chat is written by whoever has a log of them: `{"object": "chat", "request": {...},
"response": {...}}`, with the fields of `Chat`.
"""

import base64
import binascii
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from math import inf
from typing import Annotated, Any, Final, Literal

import numpy as np
import orjson
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from proxy.core.canonical import loads
from proxy.core.model import DIGEST_CHARS, Answer, Entry, Usage, Vector

FORMAT: Final = 1
"""Of the lines; a program that does not know it must not guess."""

_FLOAT32: Final = np.dtype("<f4")
_UNIT: Final = 0.01
"""How far from 1 a vector's length may be: an int8 model's is not exactly 1."""


class LineError(ValueError):
    """A line is not what it should be; the text says in which field, and never quotes it."""


@dataclass(frozen=True, slots=True)
class Begin:
    """The first line of an export."""


@dataclass(frozen=True, slots=True)
class End:
    """The last line of an export: how many entries came before it."""

    entries: int


def begin() -> bytes:
    """The first line."""
    return _line({"object": "cache.export", "format": FORMAT})


def end(entries: int) -> bytes:
    """The last line: without it an export was cut short."""
    return _line({"object": "cache.export.end", "entries": entries})


def written(entry: Entry) -> bytes:
    """The entry's line. Raises ValueError for a private one: it must not leave the process."""
    if entry.private:
        raise ValueError("a private entry must not leave the session tier")
    answer, usage = entry.answer, entry.answer.usage
    vector = None if entry.vector is None else np.asarray(entry.vector, _FLOAT32).tobytes()
    return _line(
        {
            "object": "entry",
            "id": entry.id,
            "scope": entry.scope,
            "tenant": entry.tenant,
            "namespace": entry.namespace,
            "model": entry.model,
            "question": entry.question,
            "tags": entry.tags,
            "created_at": entry.created_at,
            "expires_at": _time(entry.expires_at),
            "kept_until": _time(entry.kept_until),
            "body": _text(answer.body),
            "frames": [_text(frame) for frame in answer.frames],
            "usage": usage
            and {
                "prompt": usage.prompt,
                "completion": usage.completion,
                "estimated": usage.estimated,
                "cached": usage.cached,
                "service_tier": usage.service_tier,
            },
            "finish": answer.finish,
            "vector": None if vector is None else base64.b64encode(vector).decode(),
            "embedder": entry.embedder,
            "principal": entry.principal,
            "confirmed": entry.confirmed,
        }
    )


def _line(value: dict[str, Any]) -> bytes:
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS | orjson.OPT_APPEND_NEWLINE)


def _time(at: float) -> float | None:
    return None if at == inf else at


def _text(raw: bytes) -> str | dict[str, str]:
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return {"base64": base64.b64encode(raw).decode()}


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


_Digest = Annotated[str, Field(pattern=rf"^[0-9a-f]{{{DIGEST_CHARS}}}$")]
_Tenant = Annotated[str, Field(pattern=r"^[A-Za-z0-9_.:@-]{1,256}$")]
_Time = Annotated[float, Field(ge=0)]
_Count = Annotated[int, Field(ge=0)]


class _Bytes(_Strict):
    base64: str


class _Usage(_Strict):
    prompt: _Count
    completion: _Count
    estimated: bool
    cached: _Count
    service_tier: str


class _Entry(_Strict):
    object: Literal["entry"]
    id: _Digest
    scope: _Digest
    tenant: _Tenant
    namespace: str
    model: str
    question: str
    tags: list[str]
    created_at: _Time
    expires_at: _Time | None
    kept_until: _Time | None
    body: str | _Bytes
    frames: list[str | _Bytes]
    usage: _Usage | None
    finish: list[str]
    vector: str | None
    embedder: str
    principal: str = ""
    confirmed: bool = False


class Chat(_Strict):
    """What was asked, and what was answered.

    Attributes:
        request, response: The bodies, as JSON.
        path: Where it was asked.
        tenant: Who shall find it: the digest of a credential.
        namespace: In which namespace.
        headers: Those of the request that are for the cache, or part of the key.
        created_at: When it was answered; now, if nobody says.
    """

    object: Literal["chat"]
    request: dict[str, Any]
    response: dict[str, Any]
    path: str = "/v1/chat/completions"
    tenant: _Tenant | None = None
    namespace: str = ""
    headers: dict[str, str] = Field(default_factory=dict)
    created_at: _Time | None = None


class _Begin(_Strict):
    object: Literal["cache.export"]
    format: int


class _End(_Strict):
    object: Literal["cache.export.end"]
    entries: _Count


_LINE: Final[TypeAdapter[_Entry | Chat | _Begin | _End]] = TypeAdapter(
    Annotated[_Entry | Chat | _Begin | _End, Field(discriminator="object")]
)

Line = Begin | End | Entry | Chat


def read(line: bytes) -> Line:
    """What a line says. Raises LineError."""
    try:
        told = _LINE.validate_json(line)
    except ValidationError as error:
        raise LineError(_problem(error)) from None
    match told:
        case _Begin(format=number):
            if number != FORMAT:
                raise LineError(f"format: is {number}, and this program knows {FORMAT} alone")
            return Begin()
        case _End(entries=entries):
            return End(entries)
        case Chat():
            return told
        case _Entry():
            return _entry(told)


def _problem(error: ValidationError) -> str:
    """The first thing that is wrong, without the value: it is what callers wrote."""
    problem = error.errors(include_url=False, include_input=False)[0]
    if problem["type"] == "json_invalid":
        return "is not JSON"
    if problem["type"] in {"union_tag_invalid", "union_tag_not_found"}:
        return f"object: is none of {', '.join(sorted(_KINDS))}"
    where = ".".join(str(part) for part in problem["loc"] if part not in _KINDS)
    return f"{where or 'the line'}: {problem['msg']}"


_KINDS: Final = {"entry", "cache.export", "cache.export.end", "chat"}
"""What pydantic puts before a field's name."""


def _entry(told: _Entry) -> Entry:
    body = _raw("body", told.body)
    try:
        answer = loads(body)  # a replay reads it
    except ValueError:
        raise LineError("body: is not JSON") from None
    if not isinstance(answer, dict):
        raise LineError("body: is not a JSON object, as answers are")
    kept_until = _when(told.kept_until)
    if _when(told.expires_at) > kept_until:
        raise LineError("kept_until: is before expires_at")
    if (told.vector is None) != (not told.embedder):
        raise LineError("embedder: goes with a vector, and a vector with an embedder")
    frames = tuple(_raw(f"frames.{at}", frame) for at, frame in enumerate(told.frames))
    usage = None
    if (counted := told.usage) is not None:
        usage = Usage(**counted.model_dump())
    return Entry(
        id=told.id,
        scope=told.scope,
        tenant=told.tenant,
        namespace=told.namespace,
        model=told.model,
        question=told.question,
        answer=Answer(body, frames, usage, tuple(told.finish)),
        created_at=told.created_at,
        expires_at=_when(told.expires_at),
        kept_until=kept_until,
        tags=tuple(told.tags),
        vector=None if told.vector is None else _vector(told.vector),
        embedder=told.embedder,
        principal=told.principal,
        confirmed=told.confirmed,
    )


def _when(at: float | None) -> float:
    return inf if at is None else at


def _raw(name: str, told: str | _Bytes) -> bytes:
    if isinstance(told, str):
        return told.encode()
    return _decoded(name, told.base64)


def _decoded(name: str, text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise LineError(f"{name}: is not base64") from None


def _vector(text: str) -> Vector:
    raw = _decoded("vector", text)
    if not raw or len(raw) % _FLOAT32.itemsize:
        raise LineError("vector: is not whole numbers of four bytes")
    # A copy: what base64 made is read only.
    vector = np.frombuffer(raw, _FLOAT32).astype(np.float32, copy=True)
    with np.errstate(all="ignore"):
        length = float(np.linalg.norm(vector))
    if not abs(length - 1) <= _UNIT:  # not a number is not near 1 either
        raise LineError("vector: is not of length 1")
    return vector


@dataclass(frozen=True, slots=True)
class Numbered:
    """A line and its number in the file, from 1; None where it is over the bound."""

    number: int
    text: bytes | None


class Lines:
    """Cuts a stream into lines, of which none is held that is over a bound.

    Args:
        most: Bytes of a line.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._rest = bytearray()
        self._number = 0
        self._is_over = False

    def feed(self, piece: bytes) -> Iterator[Numbered]:
        """The lines that are whole now; blank ones are left out."""
        *whole, rest = piece.split(b"\n")
        for part in whole:
            self._add(part)
            yield from self._ended()
        self._add(rest)

    def close(self) -> Iterable[Numbered]:
        """The last line, which need not have an end."""
        return tuple(self._ended())

    def _add(self, part: bytes) -> None:
        if len(self._rest) + len(part) > self._most:
            self._is_over = True
            self._rest.clear()
        if not self._is_over:
            self._rest += part

    def _ended(self) -> Iterator[Numbered]:
        self._number += 1
        text, is_over = bytes(self._rest), self._is_over
        self._rest.clear()
        self._is_over = False
        if is_over:
            yield Numbered(self._number, None)
        elif text.strip():
            yield Numbered(self._number, text)
