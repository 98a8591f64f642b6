"""Merge what a stream tells piece by piece into what a whole answer says.

Rules of the file, which are those of the official SDK's accumulator but for the third:

- Text is joined, lists of indexed parts merge by index, other lists are extended, objects merge
  field by field; numbers and flags are replaced. So a field that nobody knows survives.
- `null` never overwrites a value.
- Ids, types, roles and formats are whole wherever they stand, and a name that comes again is the
  same name: some origins repeat them in every chunk.
- What cannot be merged is refused, not guessed: TypeError.

A value that is merged into is changed in place: give away only what is yours.
"""

from collections.abc import Iterable
from typing import Any, Final

from proxy.core.dialects.base import Json

_WHOLE: Final = frozenset({"role", "id", "type", "format", "index"})


def settle(whole: Json, fields: Iterable[tuple[str, Any]]) -> None:
    """Fields that are told, not streamed: the last value counts, and an object's fields add up."""
    for name, value in fields:
        known = whole.get(name)
        if isinstance(value, dict) and isinstance(known, dict):
            whole[name] = known | value
        elif value is not None or name not in whole:
            whole[name] = value


def merge(whole: Json, part: Json) -> None:
    """One more delta. Raises TypeError when a field changes its type."""
    for name, value in part.items():
        known = whole.get(name)
        if value is None:
            whole.setdefault(name, None)
        elif known is None:
            whole[name] = value
        elif name in _WHOLE:
            whole[name] = value or known
        elif name != "name" or value != known:
            whole[name] = _joined(known, value)


def _joined(whole: Any, part: Any) -> Any:  # noqa: ANN401 - JSON is anything
    if isinstance(whole, str) and isinstance(part, str):
        return whole + part
    if isinstance(whole, dict) and isinstance(part, dict):
        merge(whole, part)
        return whole
    if isinstance(whole, list) and isinstance(part, list):
        for item in part:
            _join_item(whole, item)
        return whole
    if isinstance(whole, str | dict | list) or isinstance(part, str | dict | list):
        raise TypeError("a field that changes its type")
    return part


def _join_item(whole: list[Any], item: Any) -> None:  # noqa: ANN401 - JSON is anything
    """An indexed part merges with its like; anything else is one more item."""
    if isinstance(item, dict) and isinstance(item.get("index"), int):
        for other in whole:
            if isinstance(other, dict) and other.get("index") == item["index"]:
                merge(other, item)
                return
    whole.append(item)
