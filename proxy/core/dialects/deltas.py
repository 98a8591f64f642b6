"""Merge what a stream tells piece by piece into what a whole answer says.

Rules of the file, which are those of the official SDK's accumulator but for the third:

- Text is joined, lists of indexed parts merge by index, other lists are extended, objects merge
  field by field; numbers and flags are replaced. So a field that nobody knows survives.
- `null` never overwrites a value, nor does an empty text one that is told and not streamed: Azure's
  filters send chunks in which the model is "".
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
        elif name not in whole or not (value is None or (value == "" and isinstance(known, str))):
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
            if isinstance(other, dict) and _is_like(other, item):
                merge(other, item)
                return
    whole.append(item)


def _is_like(one: Json, other: Json) -> bool:
    """Whether two parts are of one: OpenRouter numbers a thought and its signature alike."""
    types = {part["type"] for part in (one, other) if part.get("type")}
    return one.get("index") == other["index"] and len(types) <= 1


_GROWING: Final = {"text": "text", "thinking": "thinking"}
"""Types of a content's parts that are streamed in pieces, and the field that grows."""


def go_on(parts: list[Any], more: list[Any]) -> None:
    """Content in parts goes on: what is of the last part's type is more of that part.

    Mistral's models that think stream so. Parts that came together are apart.
    """
    if not parts or not more or not _is_more(parts[-1], more[0]):
        parts.extend(more)
        return
    last, first = parts[-1], dict(more[0])
    field = _GROWING[last["type"]]
    if isinstance(last.get(field), list) and isinstance(first.get(field), list):
        go_on(last[field], first.pop(field))
    merge(last, first)
    parts.extend(more[1:])


def _is_more(last: Any, item: Any) -> bool:  # noqa: ANN401 - JSON is anything
    is_pair = isinstance(last, dict) and isinstance(item, dict)
    return is_pair and last.get("type") == item.get("type") and last.get("type") in _GROWING
