"""The examples, run as a reader runs them, with what they print."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[2] / "examples"
sys.path.insert(0, str(EXAMPLES))

import demo  # type: ignore[import-not-found]  # noqa: E402 - a script, and no package


def run(name: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(EXAMPLES / name), *arguments],
        env={**os.environ, "OPENAI_API_KEY": "sk-test"},
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )


@pytest.fixture
def proxy_url(tmp_path: Path) -> Iterator[str]:
    with demo.origin() as origin, demo.proxy(tmp_path, origin) as url:
        yield url


def test_demo() -> None:
    """Every request of the demo ends as it says beforehand."""
    ended = run("demo.py")

    assert (ended.returncode, ended.stderr) == (0, "")
    assert re.search(r"\d+ requests, 0 not as expected", ended.stdout)
    for tier in ("session", "shared", "vector"):
        assert tier in ended.stdout


def test_demo_notices() -> None:
    """The demo can fail: another result or another answer than expected is a problem."""
    step = demo.Step("again", "Why?", "HIT session", like="first")
    right = demo.Seen("HIT session", "", "", "Answer 1", 1.0)
    answers = {"first": "Answer 1"}

    assert demo.problem(step, right, answers) == ""
    assert demo.problem(step, demo.Seen("MISS", "", "", "Answer 2", 1.0), answers)
    assert demo.problem(step, demo.Seen("HIT session", "", "", "Answer 2", 1.0), answers)
    assert demo.problem(
        demo.Step("new", "Why?", "MISS"), demo.Seen("MISS", "", "", "Answer 1", 1), answers
    )


def test_quickstart(proxy_url: str) -> None:
    """Three lines against a running proxy: a miss, then a hit for the reworded question."""
    ended = run("quickstart.py", proxy_url)

    assert (ended.returncode, ended.stderr) == (0, "")
    assert ended.stdout.count("Answer 1 to: What is a semantic cache?") == 2
    assert re.findall(r"x-cache: (\w+)", ended.stdout) == ["MISS", "HIT"]
    assert "x-cache-tier: vector" in ended.stdout


def test_library() -> None:
    """The cache whole, with every tier answering once; then every part alone."""
    ended = run("library.py")
    lines = ended.stdout.splitlines()

    assert (ended.returncode, ended.stderr) == (0, "")
    assert [line.split(":")[0] for line in lines[1:6]] == [
        "MISS -",
        "HIT session",
        "HIT shared",
        "HIT vector",
        "MISS -",
    ]
    assert lines[4].endswith("generated for 'How do I reset my password?'")
    for said in (
        "384 numbers",
        "Doubt(",
        "Reject(",
        "for How can I reset my password?",
        "[True, False]",
        "How do I reset my password? | None",
        "entry-1: How do I reset my password? at 0.9",
    ):
        assert said in ended.stdout
