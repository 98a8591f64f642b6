"""The examples, run as a reader runs them, with what they print."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tests.examples.__main__ import RUN
from tests.support.origin import ScriptedOrigin
from tests.support.program import merged, process, settings

EXAMPLES = Path(__file__).parents[2] / "examples"
sys.path.insert(0, str(EXAMPLES))

import demo  # type: ignore[import-not-found]  # noqa: E402 - a script, and no package


def run(
    name: str, *arguments: str, given: str = "", cwd: Path | None = None, **environ: str
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(EXAMPLES / name), *arguments],
        input=given,
        cwd=cwd,
        env={**os.environ, "OPENAI_API_KEY": "sk-test", **environ},
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


def test_streaming(proxy_url: str) -> None:
    """A stream, and the same once more from the cache for other words, with its usage."""
    questions = "What is a semantic cache?\nWhat's a semantic cache?\n"
    ended = run("streaming.py", proxy_url, given=questions)

    assert (ended.returncode, ended.stderr) == (0, "")
    first, second = re.findall(r"\[(.*)\]\n(.*\n\(\d+ tokens\))", ended.stdout)
    assert (first[0], second[0]) == ("MISS", "HIT vector")
    assert first[1] == second[1]


def test_ollama(tmp_path: Path, origin: ScriptedOrigin) -> None:
    """The configuration serves in front of a server with OpenAI's API where Ollama would listen."""
    config = yaml.safe_load((EXAMPLES / "ollama.yaml").read_text())
    assert config["upstream"]["base_url"] == "http://127.0.0.1:11434/v1"
    config["upstream"]["base_url"] = origin.url
    with process(merged(settings(origin.url, tmp_path), config), tmp_path) as running:
        ended = run("quickstart.py", running.url)

    assert (ended.returncode, ended.stderr) == (0, "")
    assert origin.requests[0].path == "/v1/chat/completions"


def test_sidecar(tmp_path: Path, origin: ScriptedOrigin) -> None:
    """A program finds a proxy of its own by the variable, and ends as it would without."""
    program = "import openai, sys; sys.exit(openai.OpenAI().models.list() is None)"
    ended = run(
        "sidecar.py", sys.executable, "-c", program, cwd=tmp_path, OPENAI_BASE_URL=origin.url
    )

    assert ended.returncode == 0, ended.stderr
    assert [one.path for one in origin.requests] == ["/v1/models"]
    assert '"event":"listening"' in ended.stderr
    assert run("sidecar.py", sys.executable, "-c", "exit(7)", cwd=tmp_path).returncode == 7


def test_thresholds() -> None:
    """The study shows what similarity alone does, and what the guards and the verifier add."""
    ended = run("thresholds.py")
    rows = re.findall(r"^(.+?) +served +(\d+)% +wrong +(\d+)%$", ended.stdout, re.MULTILINE)
    shares = {name: (int(served), int(wrong)) for name, served, wrong in rows}

    assert (ended.returncode, ended.stderr) == (0, "")
    assert len(shares) == 14
    assert shares["similarity >= 0.9"][1] > shares["the same, and no veto (0.9)"][1]
    assert shares["no veto, probability >= 0.65"] >= (90, 0)


def test_every_example_is_run() -> None:
    """Here, or with the packages that it needs, by `make test-examples`."""
    here = Path(__file__).read_text() + (EXAMPLES / "demo.py").read_text()
    files = {file.name for file in EXAMPLES.iterdir() if file.is_file()}
    data = {"pairs.jsonl"}

    assert {name for name in files - data if f'"{name}"' not in here} == set(RUN)
