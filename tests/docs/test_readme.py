"""The README claims nothing that cannot be looked up."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
CLAIMS = [
    line
    for table in re.findall(r"\| \| shown by \|\n\|[-|]+\n((?:\|.*\n)+)", README)
    for line in table.splitlines()
]


def test_there_are_claims() -> None:
    """The tests below look at something."""
    assert len(CLAIMS) > 8


@pytest.mark.parametrize("line", CLAIMS)
def test_every_claim_is_shown(line: str) -> None:
    """By figures in a document, or by a test that is in the file that is linked to."""
    tests = re.findall(r"\[test\]\((tests/[\w/]+\.py)\): `(\w+)`", line)

    assert tests or "[figures](docs/" in line
    assert line.count("[test]") == len(tests)
    for path, name in tests:
        assert name in {
            node.name
            for node in ast.parse((ROOT / path).read_text()).body
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        }


def test_it_can_be_read_in_one_go() -> None:
    """What is longer belongs on a page of its own."""
    assert len(README.splitlines()) <= 260
