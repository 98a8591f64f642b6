"""`reprise simulate`, as somebody at a terminal uses it."""

import json
from pathlib import Path

from tests.cli.test_check import run


def stream(folder: Path) -> Path:
    path = folder / "stream_small.jsonl"
    rows = [{"i": n, "text": f"What is a cache{'?' * (n + 1)}", "key": "k"} for n in range(12)]
    path.write_text("\n".join(json.dumps(row) for row in rows))
    return path


def test_a_table(tmp_path: Path) -> None:
    """One line a policy and bound, static first."""
    ended = run("simulate", str(stream(tmp_path)), "--max-error", "0.5", "--seeds", "1")

    assert ended.returncode == 0
    assert "stream_small, 12 rows" in ended.stdout
    for word in ("static", "published", "own", "verified", "50.0%", "wrong/hit"):
        assert word in ended.stdout


def test_json(tmp_path: Path) -> None:
    """For programs: shares, counts and the ends of the interval."""
    options = ("--max-error", "0.5", "--seeds", "1", "--rounds", "2", "--json")
    ended = run("simulate", str(stream(tmp_path)), *options)
    report = json.loads(ended.stdout)
    (only,) = report["streams"]

    assert ended.returncode == 0
    assert (report["seeds"], report["rounds"], only["rows"]) == (1, 2, 12)
    assert {"policy", "max_error", "hit_rate", "wrong_per_hit_high"} <= only["policies"][0].keys()


def test_a_file_that_is_no_stream(tmp_path: Path) -> None:
    """Exit code 2, and the line at fault."""
    path = tmp_path / "stream_x.jsonl"
    path.write_text('{"text": "no key"}\n')
    ended = run("simulate", str(path))

    assert ended.returncode == 2
    assert f"{path}:1: no key" in ended.stderr


def test_a_bound_out_of_reach(tmp_path: Path) -> None:
    """Exit code 2: no stream is long enough for one in a million."""
    ended = run("simulate", str(stream(tmp_path)), "--max-error", "0.000001")

    assert ended.returncode == 2
    assert "--max-error" in ended.stderr
