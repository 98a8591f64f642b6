"""Set keys in a configuration file and leave all else as it is written: comments, order, blanks.

The file is not written anew from what was read: the text of a value is replaced where it stands. A
key that is missing is added first in its section, before the comments of others, and a section that
is missing at the file's end.
"""

import difflib
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import yaml

from proxy.config.loading import load
from proxy.config.showing import effective
from proxy.errors import ConfigError

STEP: Final = "  "
"""What a section is indented by, where none shows it."""


def with_values(text: str, values: Mapping[str, float]) -> str:
    """The file's text with these values.

    Args:
        text: YAML, as `proxy.config.reading` takes it.
        values: By dotted key, such as `cache.vector.floor`.

    Raises:
        ConfigError: A value is not written out: it comes from the environment or from an anchor,
            or a section is not one; or the file is written in a way that is not understood here.
    """
    for key, value in values.items():
        try:
            text = _with_value(text, key, _written(value))
            yaml.compose(text, yaml.SafeLoader)
        except yaml.YAMLError:
            raise ConfigError([f"{key}: cannot be set in a file that is written so"]) from None
    return text


def text_of(path: Path) -> str:
    """The file's text, whatever its lines end with. Raises OSError, or ConfigError."""
    try:
        return path.read_bytes().decode()
    except UnicodeDecodeError:
        raise ConfigError([f"{path}: is not UTF-8"]) from None


def edited(path: Path, values: Mapping[str, float], environ: Mapping[str, str]) -> str:
    """The same of a file, read again to see that they hold, and that all else is as before.

    Raises:
        ConfigError: They cannot be set there, or something else would change with them.
        OSError: The file cannot be read.
    """
    text = with_values(text_of(path), values)
    with tempfile.TemporaryDirectory(prefix="reprise-edited-") as folder:
        new = Path(folder) / path.name
        new.write_bytes(text.encode())
        before, after = (_flat(effective(load(file, environ))) for file in (path, new))
    changed = {key for key in after if before.get(key) != after[key]}
    wrong = changed ^ {key for key, value in values.items() if before.get(key) != value}
    if wrong:
        raise ConfigError([f"{path}: cannot be edited: {', '.join(sorted(wrong))} would be wrong"])
    return text


def _flat(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in values.items():
        if isinstance(value, dict):
            found |= _flat(value, f"{prefix}{key}.")
        else:
            found[prefix + key] = value
    return found


def difference(before: str, after: str, name: str) -> str:
    """What changes, as `diff -u` tells it; "" where nothing does."""
    lines = difflib.unified_diff(
        before.splitlines(keepends=True), after.splitlines(keepends=True), name, name
    )
    return "".join(line if line.endswith("\n") else f"{line}\n" for line in lines)


def replace_file(path: Path, text: str, suffix: str) -> Path:
    """Write the file at once or not at all, and keep what it was under its name and the suffix.

    Where the path is a link, what it leads to is replaced. Returns the copy. Raises OSError.
    """
    path = path.resolve(strict=True)
    copy = path.with_name(f"{path.name}{suffix}")
    mode = path.stat().st_mode & 0o777
    new = path.with_name(f".{path.name}.new")
    for file, content in ((copy, path.read_bytes()), (new, text.encode())):
        file.touch(mode=0o600)  # it may hold keys: at no moment may others read it
        file.write_bytes(content)
        file.chmod(mode)
    new.replace(path)
    return copy


def _written(value: float) -> str:
    return f"{value:.6f}".rstrip("0").rstrip(".")


def _with_value(text: str, key: str, value: str) -> str:
    root = yaml.compose(text, yaml.SafeLoader)
    if root is None:
        return text + _nested(key.split("."), value, "")
    name: yaml.Node | None = None
    node, rest = root, key.split(".")
    while rest:
        if not isinstance(node, yaml.MappingNode):
            if _is_null(node):
                return _filled(text, node, rest, value)
            raise ConfigError([f"{key}: cannot be set, since what holds it is no section"])
        found = next((pair for pair in node.value if pair[0].value == rest[0]), None)
        if found is None:
            return _added(text, node, name, rest, value)
        if found[1].start_mark.index < node.start_mark.index:
            raise ConfigError([f"{key}: cannot be set, since it stands elsewhere, at an anchor"])
        (name, node), rest = found, rest[1:]
    start, end = node.start_mark.index, node.end_mark.index
    if not isinstance(node, yaml.ScalarNode) or "$" in text[start:end]:
        raise ConfigError([f"{key}: cannot be set, since its value is not written out"])
    return _spliced(text, start, end, value)


def _is_null(node: yaml.Node) -> bool:
    return isinstance(node, yaml.ScalarNode) and node.tag == "tag:yaml.org,2002:null"


def _spliced(text: str, start: int, end: int, value: str) -> str:
    before = text[:start]
    is_glued = start == end and before.endswith(":")  # `key:` with nothing after it
    return f"{before}{' ' if is_glued else ''}{value}{text[end:]}"


def _filled(text: str, node: yaml.Node, rest: list[str], value: str) -> str:
    """A section that stands there empty gets its first key, in braces."""
    inner = value
    for name in reversed(rest):
        inner = f"{{ {name}: {inner} }}"
    return _spliced(text, node.start_mark.index, node.end_mark.index, inner)


def _added(
    text: str, section: yaml.MappingNode, name: yaml.Node | None, rest: list[str], value: str
) -> str:
    """The section with one more key; `name` is its own, None for the whole file."""
    if not section.value:
        return _filled(text, section, rest, value)
    first = section.value[0][0].start_mark
    if section.flow_style:
        inner = value
        for inside in reversed(rest[1:]):
            inner = f"{{ {inside}: {inner} }}"
        return f"{text[: first.index]}{rest[0]}: {inner}, {text[first.index :]}"
    added = _nested(rest, value, " " * first.column)
    if name is None:
        return text + ("" if text.endswith("\n") else "\n") + added
    line = text.index("\n", name.end_mark.index) + 1
    return text[:line] + added + text[line:]


def _nested(path: list[str], value: str, indent: str) -> str:
    lines = [f"{indent}{STEP * depth}{name}:" for depth, name in enumerate(path)]
    return "\n".join(lines) + f" {value}\n"
