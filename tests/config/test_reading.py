"""YAML, strictly."""

from pathlib import Path

import pytest

from proxy.config.reading import read_file
from proxy.errors import ConfigError


def problem(path: Path, content: bytes) -> str:
    path.write_bytes(content)
    with pytest.raises(ConfigError) as caught:
        read_file(path)
    [line] = caught.value.problems
    return line.replace(str(path), "FILE")


@pytest.mark.parametrize("content", [b"", b"# nothing\n", b"---\n", b"\xef\xbb\xbf# a mark\n"])
def test_empty(tmp_path: Path, content: bytes) -> None:
    """An empty file says nothing."""
    path = tmp_path / "c.yaml"
    path.write_bytes(content)

    assert read_file(path) == {}


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"a: [1\nb: 2\n", "FILE:2:2: "),
        (b"a: 1\n b: 2\n", "FILE:2:3: "),
        (b"a: {b: 1, c: 2, b: 3}\n", "FILE:1:17: the key b stands here twice"),
        (b"a: 1\na: 2\n", "FILE:2:1: the key a stands here twice"),
        (b"? [x]\n: 1\n", "FILE:1:3: a key must be a word"),
        (b"a: !!python/object:os.system x\n", "FILE:1:4: "),
        (b"a: 1\nb: 2026-13-45\n", "FILE:2:4: is not !!timestamp"),
        (b"a: !!int ten\n", "FILE:1:4: is not !!int"),
        (b"a: !!bool maybe\n", "FILE:1:4: is not !!bool"),
        (b"- a\n", "FILE: must be a mapping of sections"),
        (b"word\n", "FILE: must be a mapping of sections"),
        (b"a: \xff\xff\n", "FILE: "),
        (b"a: \x00\n", "FILE: "),
    ],
)
def test_problems(tmp_path: Path, content: bytes, expected: str) -> None:
    """What is no plain mapping is one problem, with its line and column where there is one."""
    assert problem(tmp_path / "c.yaml", content).startswith(expected)


def test_no_file(tmp_path: Path) -> None:
    """A file that is not there is a problem that names it."""
    with pytest.raises(ConfigError) as caught:
        read_file(tmp_path / "nope.yaml")

    assert [f"{tmp_path}/nope.yaml: No such file or directory"] == caught.value.problems


def test_a_directory(tmp_path: Path) -> None:
    """So is one that cannot be read."""
    with pytest.raises(ConfigError, match="Is a directory"):
        read_file(tmp_path)
