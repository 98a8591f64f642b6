"""The threat model promises nothing that no test holds."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "threat-model.md").read_text()
NAMED = sorted(set(re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", PAGE)))
THREATS = [
    line
    for table in re.findall(r"\| threat \|.*\n\|[-|]+\n((?:\|.*\n)+)", PAGE)
    for line in table.splitlines()
]


@pytest.mark.parametrize(("path", "name"), NAMED)
def test_what_is_named_is_there(path: str, name: str) -> None:
    """A test that was renamed or removed is missed here."""
    tree = ast.parse((ROOT / path).read_text())
    known = {
        node.name
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }

    assert name in known


@pytest.mark.parametrize("line", THREATS)
def test_every_threat_has_a_test(line: str) -> None:
    """A defence that nothing holds is a hope."""
    assert re.search(r"`tests/[\w/]+\.py::test_\w+`", line)


def test_there_are_threats() -> None:
    """The two tests above look at something."""
    assert min(len(THREATS), len(NAMED)) > 20
