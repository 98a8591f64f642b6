"""The numbers of one embedding: taken from an origin's JSON, kept compact, told as a caller asks.

Rule of the file: what was told as JSON numbers is told again as equal JSON numbers. Origins compute
float32, but write it in three ways: as the shortest decimals that name that float32, as the exact
double, or rounded to some digits. So 4 bytes a number are kept with the way they were written, or
8 bytes where no float32 stands behind them.
"""

import base64
import binascii
from dataclasses import dataclass, field
from typing import Any, Final, Literal

import numpy as np
import numpy.typing as npt
import orjson

Style = Literal["short", "double", "wide"]
"""`short`: float32, told as its shortest decimals; `double`: float32, told as the double it equals;
`wide`: doubles that no float32 stands behind."""

_DTYPES: Final[dict[Style, npt.DTypeLike]] = {"short": "<f4", "double": "<f4", "wide": "<f8"}


class NotNumbersError(ValueError):
    """This is no embedding."""


@dataclass(frozen=True, slots=True)
class Numbers:
    """One embedding.

    Attributes:
        style: How it is told as JSON.
        packed: Its numbers, little endian: float32, or float64 where the style is `wide`.
    """

    style: Style
    packed: bytes = field(repr=False)

    def __len__(self) -> int:
        return len(self.packed) // np.dtype(_DTYPES[self.style]).itemsize

    @property
    def plain(self) -> npt.NDArray[np.floating[Any]]:
        """An array that `orjson` writes as the JSON numbers the origin told."""
        numbers = np.frombuffer(self.packed, _DTYPES[self.style])
        return numbers.astype(np.float64) if self.style == "double" else numbers

    @property
    def base64(self) -> str:
        """Little-endian float32 in base64, as OpenAI encodes it."""
        if self.style != "wide":
            return base64.b64encode(self.packed).decode()
        with np.errstate(over="ignore"):
            narrow = np.frombuffer(self.packed, "<f8").astype("<f4")
        return base64.b64encode(narrow.tobytes()).decode()


def numbers_of(value: object) -> Numbers:
    """The embedding that an origin told, in either encoding. Raises NotNumbersError."""
    if isinstance(value, str):
        return _decoded(value)
    if not isinstance(value, list) or not value or not set(map(type, value)) <= {int, float}:
        raise NotNumbersError("neither numbers nor base64")
    try:
        told = np.array(value, np.float64)
    except OverflowError as error:
        raise NotNumbersError("a number beyond any float") from error
    with np.errstate(over="ignore"):
        narrow = told.astype("<f4")
    if np.array_equal(narrow.astype(np.float64), told):
        return Numbers("double", narrow.tobytes())
    if np.isfinite(narrow).all() and np.array_equal(_shortest(narrow), told):
        return Numbers("short", narrow.tobytes())
    return Numbers("wide", told.astype("<f8").tobytes())


def _shortest(narrow: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    """What a reader makes of float32 written as its shortest decimals."""
    written = orjson.dumps(narrow, option=orjson.OPT_SERIALIZE_NUMPY)
    return np.array(orjson.loads(written), np.float64)


def _decoded(value: str) -> Numbers:
    try:
        packed = base64.b64decode(value, validate=True)
        numbers = np.frombuffer(packed, "<f4")
    except (binascii.Error, ValueError) as error:
        raise NotNumbersError("not base64 of float32") from error
    if not len(numbers) or not np.isfinite(numbers).all():
        raise NotNumbersError("numbers that JSON has no words for")
    return Numbers("short", packed)
