"""JSON as one byte string per meaning, so that equal requests have equal keys.

Keys are sorted, insignificant white space is gone, text is NFC, and `1` equals `1.0`. Nothing else
is made equal: two values that an origin could tell apart have different bytes.
"""

import json
import math
import unicodedata
from typing import Any

import orjson

from proxy.core.model import digest

MAX_EXACT_FLOAT = 2**53
"""Up to here every integer is a double too (IEEE 754); beyond it `1.0` and `1` may differ."""

_ALL_DIGITS_ZERO = bytes.maketrans(b"0123456789", b"0" * 10)
_BIG_NUMBER = b"0" * 19
"""19 digits in a row, once all digits are zeros: twelve times faster to find than a pattern."""


class UncanonicalError(ValueError):
    """A value that has no canonical form: nested too deeply, or text that is not Unicode."""


def loads(payload: bytes, *, lenient: bool = False) -> Any:  # noqa: ANN401 - JSON is anything
    r"""Parse JSON without loss: orjson reads integers over 64 bits as floats.

    Of a name given twice the last value counts, as with nearly every parser (RFC 8259, 4).

    Args:
        payload: UTF-8.
        lenient: Accept half a surrogate pair, `"\ud83d"`: the grammar allows it (RFC 8259, 8.2)
            and clients that cut a text inside an emoji send it. Such a value has no canonical form.

    Raises:
        ValueError: It is not JSON, or nested too deeply to be read.
    """
    if _BIG_NUMBER not in payload.translate(_ALL_DIGITS_ZERO):
        try:
            return orjson.loads(payload)
        except ValueError:
            if not lenient:
                raise
    try:
        # Decoded here: json would also take UTF-16, and surrogates that are written as UTF-8.
        value = json.loads(payload.decode("utf-8-sig"), parse_constant=_refuse)
    except RecursionError as error:
        raise ValueError("nested too deeply") from error
    if not lenient and b"\\u" in payload:
        json.dumps(value, ensure_ascii=False).encode()  # raises on half a surrogate pair
    return value


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is not JSON")


_NAME_ENDS = (b'":', b" :", b"\t:", b"\n:", b"\r:")
"""What ends the name of an object's member; texts may hold it, too."""


def repeats_a_name(payload: bytes, value: object) -> bool:
    """Whether an object in it gives a name twice: parsers differ in which counts (RFC 8259, 4).

    Args:
        payload: JSON.
        value: What `loads` made of it.
    """
    if sum(payload.count(end) for end in _NAME_ENDS) == _names(value):
        return False
    try:
        json.loads(payload, object_pairs_hook=_distinct)
    except (_RepeatedError, RecursionError):
        return True
    return False


class _RepeatedError(Exception):
    """A name is given twice."""


def _distinct(members: list[tuple[str, Any]]) -> None:
    if len(dict(members)) < len(members):
        raise _RepeatedError


def _names(value: object) -> int:
    """How many members all its objects have."""
    count, rest = 0, [value]
    while rest:
        inner = rest.pop()
        if isinstance(inner, dict):
            count += len(inner)
            inner = list(inner.values())
        if isinstance(inner, list):
            rest.extend(one for one in inner if type(one) not in _LEAF)
    return count


def dumps(value: object) -> bytes:
    """The opposite of `loads`; the order of keys is kept."""
    try:
        return fitted(orjson.dumps(value))
    except TypeError:  # an integer over 64 bits
        return json.dumps(value, separators=(",", ":")).encode()


def fitted(written: bytes) -> bytes:
    """What orjson wrote, in a block of its own size.

    As orjson gives it, it is at the beginning of the block that it was written into: 8 KB of
    memory for a text of 600 bytes, for as long as that is kept.
    """
    return bytes(memoryview(written))


def canonical(value: object) -> bytes:
    """The value's canonical bytes. Raises UncanonicalError."""
    try:
        plain = _integral(value)
        try:
            text = orjson.dumps(plain, option=orjson.OPT_SORT_KEYS)
        except TypeError:  # an integer over 64 bits, or nesting beyond orjson's
            text = json.dumps(
                plain, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
            ).encode()
    except (RecursionError, ValueError, TypeError) as error:
        raise UncanonicalError(str(error)) from error
    if text.isascii() or unicodedata.is_normalized("NFC", text.decode()):
        return text
    try:
        composed = _composed(plain)
    except RecursionError as error:
        raise UncanonicalError("nested too deeply") from error
    return canonical(composed)


def _composed(value: Any) -> Any:  # noqa: ANN401 - JSON is anything
    """The same value with all text in NFC; names are composed before they are sorted."""
    if isinstance(value, str):
        return unicodedata.normalize("NFC", value)
    if isinstance(value, list):
        return [_composed(item) for item in value]
    if not isinstance(value, dict):
        return value
    composed = {unicodedata.normalize("NFC", name): _composed(v) for name, v in value.items()}
    if len(composed) < len(value):
        raise UncanonicalError("two names of an object differ only in their Unicode form")
    return composed


def _integral(value: Any) -> Any:  # noqa: ANN401 - JSON is anything
    """The same value, with every float that is an integer made one. Copies only what changes."""
    if isinstance(value, float):
        if not math.isfinite(value):
            raise ValueError(f"{value} is not JSON")
        is_whole = abs(value) < MAX_EXACT_FLOAT and value.is_integer()
        return int(value) if is_whole else value
    if isinstance(value, dict):
        return {name: _integral(v) if type(v) not in _LEAF else v for name, v in value.items()}
    if isinstance(value, list):
        return [_integral(v) if type(v) not in _LEAF else v for v in value]
    return value


_LEAF = frozenset({str, int, bool, type(None)})


def fingerprint(value: object) -> str:
    """Digest of the canonical form; "" for nothing at all (None, or an empty container)."""
    if value is None or value in ({}, []):
        return ""
    return digest(canonical(value))
