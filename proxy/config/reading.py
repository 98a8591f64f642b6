"""YAML, strictly: plain types only, and a key that stands twice is an error, not a silent loss."""

from pathlib import Path
from typing import Any

import yaml

from proxy.errors import ConfigError


class _Loader(yaml.SafeLoader):
    """Refuses duplicate keys, which YAML 1.2 (3.2.1.3) forbids and PyYAML lets pass."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[str] = set()
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode):
                raise yaml.constructor.ConstructorError(
                    None, None, "a key must be a word", key.start_mark
                )
            if key.value in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key {key.value} stands here twice", key.start_mark
                )
            seen.add(key.value)
        return super().construct_mapping(node, deep=deep)

    def construct_object(self, node: yaml.Node, deep: bool = False) -> object:
        """A word that looks like a date, or is said to be a number, and is none."""
        try:
            return super().construct_object(node, deep=deep)
        except (ValueError, LookupError):
            problem = f"is not {node.tag.replace('tag:yaml.org,2002:', '!!')}"
            raise yaml.constructor.ConstructorError(None, None, problem, node.start_mark) from None


def read_file(path: Path) -> dict[str, Any]:
    """The file's mapping; an empty file is an empty one.

    Raises:
        ConfigError: It cannot be read, is not YAML, or is no mapping; with line and column.
    """
    try:
        data = yaml.load(path.read_bytes(), _Loader)  # noqa: S506 - a SafeLoader
    except OSError as error:
        raise ConfigError([f"{path}: {error.strerror or error}"]) from None
    except yaml.YAMLError as error:
        raise ConfigError([f"{path}{_place(error)}"]) from None
    if data is None:
        return {}
    if not isinstance(data, dict):
        raise ConfigError([f"{path}: must be a mapping of sections"])
    return {str(key): value for key, value in data.items()}


def _place(error: yaml.YAMLError) -> str:
    if isinstance(error, yaml.MarkedYAMLError) and error.problem_mark is not None:
        mark = error.problem_mark
        return f":{mark.line + 1}:{mark.column + 1}: {error.problem}"
    return f": {str(error).splitlines()[0]}"
