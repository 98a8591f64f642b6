"""What a request's parameters are to the cache: a row each, in one table a dialect.

A parameter that is not in the table is part of the key: what a provider invents tomorrow may
change the answer. A test compares each table with the official SDK's parameters.
"""

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from proxy.core.dialects.base import Json

MAX_MODEL: Final = 256
"""Characters of a model's name: it is kept with entries, and in memory for whoever asks of it."""


class Part(StrEnum):
    """Where a parameter goes."""

    MESSAGES = "messages"
    MODEL = "model"
    SYSTEM = "system"
    TOOLS = "tools"
    SAMPLING = "sampling"
    FORMAT = "format"
    NOT_IN_KEY = "not in key"


_NO_DEFAULT: Final = object()


@dataclass(frozen=True, slots=True)
class Parameter:
    """One row.

    Attributes:
        part: Which part of the scope it belongs to.
        why: The reason for what is special about it.
        default: The value that the API documents for its absence, where it documents one.
        exact_only: Which of its values allow no other question's answer.
        bypass: Which of its values take the request past the cache altogether.
    """

    part: Part
    why: str = ""
    default: Any = _NO_DEFAULT
    exact_only: Callable[[Any], bool] | bool = False
    bypass: Callable[[Any], bool] = lambda _value: False

    def is_default(self, value: object) -> bool:
        """Whether the value says what its absence says; `null` is absence, `false` is not `0`."""
        if isinstance(value, bool) or isinstance(self.default, bool):
            return value is None or value is self.default
        return value is None or value == self.default

    def is_exact(self, value: object) -> bool:
        """Whether with this value no other question's answer may serve."""
        if self.is_default(value):
            return False
        return self.exact_only(value) if callable(self.exact_only) else self.exact_only


Table = Mapping[str, Parameter]


def is_on(value: object) -> bool:
    """A lenient origin takes `1` or `"true"` for true."""
    return value is not None and value is not False


def is_given(value: object) -> bool:
    """Anything but `null`."""
    return value is not None


def model_of(body: Json) -> str:
    """The model that a request names; "" for none, or for what is too long to be a name."""
    told = body.get("model")
    return told if isinstance(told, str) and len(told) <= MAX_MODEL else ""


def sorted_out(body: Json, table: Table) -> tuple[dict[Part, Json], Json]:
    """(what a request says, by its part of the scope and without defaults, what no row knows)."""
    parts: dict[Part, Json] = {part: {} for part in Part}
    unknown: Json = {}
    for name, value in body.items():
        row = table.get(name)
        if row is None:
            if value is not None:
                unknown[name] = value
        elif not row.is_default(value):
            parts[row.part][name] = value
    return parts, unknown


def why_exact(body: Json, table: Table) -> str | None:
    """The first parameter with which no other question's answer may serve; None without one."""
    return _first(table, [name for name, row in _rows(body, table) if row.is_exact(body[name])])


def why_bypass(body: Json, table: Table) -> str | None:
    """The first parameter that takes the request past the cache; None without one."""
    return _first(table, [name for name, row in _rows(body, table) if row.bypass(body[name])])


def _rows(body: Json, table: Table) -> Iterator[tuple[str, Parameter]]:
    """Those that a request has: few of a long table."""
    return ((name, table[name]) for name in body if name in table)


def _first(table: Table, names: Collection[str]) -> str | None:
    """Of these names the one whose row comes first."""
    return next(name for name in table if name in names) if names else None
