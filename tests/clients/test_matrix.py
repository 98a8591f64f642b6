"""The matrix of clients says what happened: a cell passes only where the cache answered alike."""

import json
import re
import sys
from pathlib import Path

import pytest

from tests.clients.driving import DriverError, driver
from tests.clients.matrix import Try, bench, difference, plain, problem
from tests.clients.roster import CLIENTS, DRIVERS, Client
from tests.support.origin import Act

HERE = Path(__file__).parent
OPENAI = Client("openai", "openai_sync.py", "")


@pytest.mark.parametrize(
    ("enabled", "found"),
    [(True, ""), (False, "the first answer was not stored from the origin")],
)
def test_cell(tmp_path: Path, enabled: bool, found: str) -> None:
    """A client that the cache answers passes; the same client without a cache does not."""
    over = {"cache": {"enabled": enabled}, "embedder": {"kind": "none"}}
    command = OPENAI.command(tmp_path)
    with bench(tmp_path, **over) as running, driver(command, tmp_path / "home") as started:
        cell = running.use(OPENAI, started, "chat/plain")

    assert cell.problem.partition(":")[0] == found


def test_failing_client(tmp_path: Path) -> None:
    """A client that raises fails its cell with its own words."""
    with (
        bench(tmp_path, embedder={"kind": "none"}) as running,
        driver(OPENAI.command(tmp_path), tmp_path / "home") as started,
    ):
        running.origin.always = Act(status=418)
        cell = running.use(OPENAI, started, "chat/plain")

    assert "APIStatusError" in cell.problem


def test_driver_that_ends(tmp_path: Path) -> None:
    """A driver that ends in the middle fails its cell with its last words."""
    program = """import sys
print('{"version": "1", "can": ["chat/plain"], "cannot": {}}', flush=True)
sys.stdin.readline()
sys.exit("out of order")
"""
    with driver([sys.executable, "-c", program], tmp_path / "home") as started:
        with pytest.raises(DriverError, match="out of order"):
            started.use("chat/plain", "http://127.0.0.1:1", "sk", "Why?")
        with pytest.raises(DriverError, match="out of order"):
            started.use("chat/plain", "http://127.0.0.1:1", "sk", "Why?")


LINE = {"api": "chat.completions", "stream": False}
MISSED = [{**LINE, "result": "MISS", "stored": True}]
HIT = [{**LINE, "result": "HIT", "stored": False}]
FIRST = Try({"text": "jazz"}, 1, MISSED)


@pytest.mark.parametrize(
    ("second", "found"),
    [
        (Try({"text": "jazz"}, 0, HIT), ""),
        (Try({"text": "jazz"}, 1, MISSED), "the second answer came from the origin"),
        (Try({"text": "jazz"}, 1, HIT), "the second answer came from the origin"),
        (Try({"text": "blues"}, 0, HIT), "the result.text differs"),
        (Try({"text": "jazz"}, 0, [{**HIT[0], "api": "responses"}]), "the client asked"),
        (Try({"text": "jazz"}, 0, [{**HIT[0], "stream": True}]), "the client was streamed to"),
    ],
)
def test_problem(second: Try, found: str) -> None:
    """A cell passes only by a hit that says the same, of the API and delivery it is named for."""
    said = problem("chat", "plain", FIRST, second)

    assert said.startswith(found)
    assert bool(said) == bool(found)


def test_nothing() -> None:
    """A client that gives its user nothing twice does not pass."""
    said = problem("chat", "plain", Try([], 1, MISSED), Try([], 0, HIT))

    assert said.startswith("the client gave its user nothing")


def test_difference() -> None:
    """Two results that differ are told apart, at the place where they do."""
    first = {"choices": [{"text": "a"}, {"text": "b"}]}
    second = {"choices": [{"text": "a"}, {"text": "c"}]}

    assert difference(first, first) == ""
    assert difference(first, second) == "the result.choices[1].text differs: 'b', then 'c'"
    assert difference({"a": 1}, {"a": 1, "b": None}) != ""
    assert difference([1], [1, 2]) != ""


def test_plain() -> None:
    """Only an answer's own id and times are left out: a tool call's id must be the origin's."""
    answer = {"object": "chat.completion", "id": "x", "created": 1, "calls": [{"id": "call_1"}]}

    assert plain([answer]) == [{"object": "chat.completion", "calls": [{"id": "call_1"}]}]


def test_pinned() -> None:
    """The clients' versions are exact, so that a failure is this program's or a pin's change."""
    lines = [
        line
        for file in (HERE / "requirements").glob("*.txt")
        for line in file.read_text().splitlines()
        if not line.startswith("#")
    ]
    packages = json.loads((HERE / "package.json").read_text())["dependencies"]

    assert lines
    assert [
        line for line in lines if not re.fullmatch(r"[A-Za-z0-9_.-]+==[A-Za-z0-9_.+-]+", line)
    ] == []
    assert [v for v in packages.values() if not re.fullmatch(r"\d+\.\d+\.\d+", v)] == []


def test_roster() -> None:
    """Every client has its driver, and every driver its client."""
    files = {path.name for path in DRIVERS.iterdir() if path.is_file()}
    shared = {"driver.py", "driver.mjs", "ai_uses.mjs"}

    assert {client.driver for client in CLIENTS} == files - shared
