"""`reprise calibrate`, as a person runs it."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from proxy.config import load
from tests.cli.test_check import run
from tests.measuring.test_calibration import BAD, GOOD

EASY = ("--target-wrong", "0.3", "--confidence", "0.6")
"""Shown by three hits without a wrong one."""

PNG = b"\x89PNG\r\n\x1a\n"

WITHOUT_EXTRAS = (
    "import sys; sys.modules.update(matplotlib=None, uniplot=None); "
    "from proxy.cli import main; main(sys.argv[1:])"
)
"""Runs the program where importing either fails, as it does where neither is installed."""


def pairs(path: Path, **also: Any) -> str:
    labelled = [(*pair, 1) for pair in GOOD] + [(*pair, 0) for pair in BAD]
    rows = [{"a": a, "b": b, "label": label, **also} for a, b, label in labelled]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return str(path)


def test_tables_plot_and_configuration(tmp_path: Path) -> None:
    """It prints both fits with tables, a plot, and lines to paste; and writes YAML and PNG."""
    file = pairs(tmp_path / "pairs_x.jsonl", category="plain")
    out, plot = tmp_path / "judgement.yaml", tmp_path / "plot.png"
    ended = run("calibrate", "--pairs", file, *EASY, "--out", str(out), "--plot", str(plot))

    assert ended.returncode == 0
    assert "No plot" not in ended.stderr
    for said in (
        "embedder minilm-l6-v2-int8-",
        "verifier minilm-verifier-int8-",
        "pairs_x: 9 of 9 rows",
        "Without a verifier: threshold ",
        "With the verifier: floor ",
        "wrong of hits",
        "held out",
        "pairs_x: plain",
        "by min_probability",
    ):
        assert said in ended.stdout
    assert ended.stdout.endswith(out.read_text())
    assert load(out, {}).cache.vector.floor is not None
    assert plot.read_bytes().startswith(PNG)


def test_json(tmp_path: Path) -> None:
    """`--json` prints all of it for a program, the lines of configuration included."""
    file = pairs(tmp_path / "pairs_x.jsonl")
    ended = run("calibrate", "--pairs", file, *EASY, "--bound", "wilson", "--json")
    report = json.loads(ended.stdout)

    assert (ended.returncode, ended.stderr) == (0, "")
    assert report["aim"]["bound"] == "wilson"
    assert [read["set"] for read in report["sets"]] == ["pairs_x"]
    for fit, keys in {
        "unverified": {"threshold"},
        "verified": {"floor", "min_probability"},
    }.items():
        assert set(report[fit]["setting"]) == keys
        assert report[fit]["fitted"]["wrong"] == 0
        assert set(report[fit]["held_out"]) >= {"hits", "wrong_share", "served_share", "bound"}
        assert report[fit]["table"]
    assert report["config"].startswith("# Calibrated")


def test_several_files_and_a_limit(tmp_path: Path) -> None:
    """Files are fitted together and counted apart; a limit takes rows of each."""
    files = [pairs(tmp_path / f"pairs_{name}.jsonl") for name in ("x", "y")]
    options = ("--pairs", files[0], "--pairs", files[1], "--limit", "8", *EASY)
    report = json.loads(run("calibrate", *options, "--json").stdout)

    assert [(read["rows"], read["of_rows"]) for read in report["sets"]] == [(8, 9), (8, 9)]
    assert list(report["verified"]["by_set"]) == ["pairs_x", "pairs_y"]


def test_no_fit(tmp_path: Path) -> None:
    """Where nothing meets the target, tables and reasons are printed and no file is written."""
    rows = [
        {"a": "How do I bake bread?", "b": "How can I bake bread?", "label": n % 2}
        for n in range(12)
    ]
    file, out = tmp_path / "pairs_x.jsonl", tmp_path / "judgement.yaml"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    ended = run("calibrate", "--pairs", str(file), *EASY, "--out", str(out))

    assert (ended.returncode, out.exists()) == (1, False)
    assert "With the verifier: not met" in ended.stdout


def test_without_the_extra(tmp_path: Path) -> None:
    """Without the drawing libraries it says how to get them, and does all the rest."""
    file = pairs(tmp_path / "pairs_x.jsonl")
    out, plot = tmp_path / "judgement.yaml", tmp_path / "plot.png"
    options = ("--pairs", file, *EASY, "--out", str(out), "--plot", str(plot))
    ended = subprocess.run(
        [sys.executable, "-c", WITHOUT_EXTRAS, "calibrate", *options],
        env={key: value for key, value in os.environ.items() if key != "CONFIG"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert ended.returncode == 0
    assert "pip install 'reprise[calibrate]'" in ended.stderr
    assert (out.exists(), plot.exists()) == (True, False)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--pairs", "nowhere.jsonl"), "nowhere.jsonl: No such file or directory"),
        (("--pairs", "empty.jsonl"), "empty.jsonl: has no rows"),
        (("--pairs", "one.jsonl"), "one: no row has label 0; a fit needs both labels"),
        (("--pairs", "pairs_x.jsonl"), "takes at least 299 that are served"),
        (("--pairs", "pairs_x.jsonl", "--bound", "hoeffding"), "hoeffding is none of"),
        (("--pairs", "pairs_x.jsonl", *EASY, "--out", "no/where.yaml"), "there is no such folder"),
        (("--pairs", "pairs_x.jsonl", *EASY, "--plot", "no/where.png"), "there is no such folder"),
        (("--pairs", "pairs_x.jsonl", "--config", "blind.yaml"), "no embedder is configured"),
        ((), "--pairs"),
        (("--pairs", "pairs_x.jsonl", "--target-wrong", "0"), "--target-wrong"),
    ],
)
def test_misused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: tuple[str, ...], said: str
) -> None:
    """What cannot be fitted or written is said at once, before anything is measured."""
    pairs(tmp_path / "pairs_x.jsonl")
    (tmp_path / "empty.jsonl").write_text("\n")
    (tmp_path / "one.jsonl").write_text('{"a": "a", "b": "b", "label": 1}\n')
    (tmp_path / "blind.yaml").write_text("embedder: {kind: none}")
    monkeypatch.chdir(tmp_path)
    ended = run("calibrate", *options)

    assert (ended.returncode, ended.stdout) == (2, "")
    assert said in ended.stderr


def test_a_part_that_fails(tmp_path: Path) -> None:
    """An embedder that is away ends the command: nothing would be measured."""
    config = tmp_path / "c.yaml"
    config.write_text('embedder: {kind: openai, openai: {base_url: "http://127.0.0.1:9/v1"}}')
    file = pairs(tmp_path / "pairs_x.jsonl")
    ended = run("calibrate", "--pairs", file, *EASY, "--config", str(config))

    assert (ended.returncode, ended.stdout) == (1, "")
    assert "the cache's embedder does not work" in ended.stderr
