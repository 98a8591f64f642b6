"""`${NAME}` and `${NAME:-default}` in the file's strings; `$${` stands for a plain `${`.

The default also holds for a variable that is set but empty, as in a shell. A value that is nothing
but one variable and comes out empty counts as a line left out, so that `api_key: ${KEY:-}` is null.
Keys are left alone. What came from where is kept: problems name the variable, never its value.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

Place = tuple[str | int, ...]
"""Where a value stands: keys, and positions in lists."""

_PART = re.compile(
    r"(?P<escaped>\$\$\{)|\$\{(?P<name>[A-Za-z_][A-Za-z0-9_]*)(?::-(?P<default>[^}]*))?\}"
    r"|(?P<broken>\$\{)"
)
_LEFT_OUT = object()


def dotted(path: Place) -> str:
    """`cache.ttl.rules[0].ttl_s`."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text


@dataclass(slots=True)
class Interpolation:
    """One reading of a file.

    Attributes:
        environ: The variables.
        sources: Which variable the value at a path came from.
        problems: One line each.
    """

    environ: Mapping[str, str]
    sources: dict[Place, str] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)

    def fill(self, value: Any, path: Place = ()) -> Any:  # noqa: ANN401 - YAML is of any type
        """The value with every variable in it replaced."""
        match value:
            case str():
                filled = self._text(value, path)
                return None if filled is _LEFT_OUT else filled
            case dict():
                filled = {key: self._item(item, (*path, key)) for key, item in value.items()}
                return {key: item for key, item in filled.items() if item is not _LEFT_OUT}
            case list():
                return [self.fill(item, (*path, index)) for index, item in enumerate(value)]
            case _:
                return value

    def _item(self, value: Any, path: Place) -> Any:  # noqa: ANN401 - YAML is of any type
        return self._text(value, path) if isinstance(value, str) else self.fill(value, path)

    def _text(self, text: str, path: Place) -> object:
        filled = _PART.sub(lambda part: self._part(part, path), text)
        whole = _PART.fullmatch(text)
        return _LEFT_OUT if whole is not None and not filled else filled

    def _part(self, part: re.Match[str], path: Place) -> str:
        if part["escaped"]:
            return "${"
        if part["broken"]:
            self.problems.append(
                f"{dotted(path)}: a ${{ that is not ${{NAME}}; write $${{ for text"
            )
            return ""
        self.sources[path] = part["name"]
        value = self.environ.get(part["name"], "")
        if value or part["default"] is not None:
            return value or part["default"]
        if part["name"] not in self.environ:
            self.problems.append(f"{dotted(path)}: the variable {part['name']} is not set")
        return ""
