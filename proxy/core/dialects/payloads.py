"""Read the payloads of streams, halves of characters included.

An origin that cuts a character outside the basic plane writes its two escapes, of a high and a low
surrogate, into two chunks. Neither is Unicode, and orjson refuses it; joined, they are.
"""

import json
from typing import Any

import orjson

from proxy.core.canonical import dumps, loads


def glance(payload: bytes) -> Any:  # noqa: ANN401 - JSON is anything
    """Parse for what does not depend on large numbers. Raises ValueError."""
    try:
        return orjson.loads(payload)
    except ValueError:
        return _with_halves(payload)


def parse(payload: bytes) -> Any:  # noqa: ANN401 - JSON is anything
    """Parse without loss. Raises ValueError."""
    try:
        return loads(payload)
    except ValueError:
        return _with_halves(payload)


def _with_halves(payload: bytes) -> Any:  # noqa: ANN401 - JSON is anything
    try:
        return json.loads(payload, parse_constant=_refuse)
    except RecursionError as error:
        raise ValueError("nested too deeply") from error


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is not JSON")


def has_halves(payload: bytes) -> bool:
    """Whether it may hold half a character."""
    return rb"\ud" in payload or rb"\uD" in payload


def healed(value: Any) -> Any:  # noqa: ANN401 - JSON is anything
    """The value with adjoining halves made one. Raises ValueError when one is left alone."""
    return loads(dumps(value))
