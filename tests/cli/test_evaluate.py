"""`reprise eval`, as a person runs it."""

import json
from pathlib import Path

from tests.cli.test_check import run

PAIRS = [
    {
        "id": "same",
        "a": "How do I reset my password?",
        "b": "How can I reset my password?",
        "label": 1,
        "category": "reworded",
    },
    {
        "id": "other",
        "a": "How do I enable dark mode?",
        "b": "How do I disable dark mode?",
        "label": 0,
        "category": "opposite",
    },
]
TURNS = [{"role": "user", "content": "What is a lake?"}]
KEYS = {
    "set",
    "kind",
    "of_rows",
    "ambiguous",
    "rows",
    "served_share",
    "wrong_share",
    "precision",
    "hit_rate",
    "wrong_hit_share",
    "first_served",
    "latency_ms",
    "by_category",
}


def write(path: Path, *rows: object) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def test_json_and_dump(tmp_path: Path) -> None:
    """`--json` prints the scores for a program, `--dump` writes one line a row, in order."""
    file, out = write(tmp_path / "pairs_x.jsonl", *PAIRS), tmp_path / "out.jsonl"
    ended = run("eval", "pairs", str(file), "--json", "--dump", str(out))
    report = json.loads(ended.stdout)
    dumped = [json.loads(line) for line in out.read_text().splitlines()]

    assert (ended.returncode, ended.stderr) == (0, "")
    assert set(report) == KEYS
    assert (report["rows"], report["served_share"], report["wrong_share"]) == (2, 1.0, 0.0)
    assert report["by_category"]["reworded"]["hit_rate"] == 1.0
    assert set(report["latency_ms"]) == {"p50", "p99"}
    assert [(row["id"], row["label"], row["served"]) for row in dumped] == [
        ("same", 1, True),
        ("other", 0, False),
    ]
    assert {"similarity", "probability", "reason", "latency_s"} < set(dumped[1])
    assert dumped[0]["probability"] > 0.5
    assert dumped[1]["reason"].startswith("opposite")


def test_table(tmp_path: Path) -> None:
    """Without it a table says the same to a person, and what its columns mean."""
    file = write(tmp_path / "pairs_x.jsonl", *PAIRS)
    ended = run("eval", "pairs", str(file))

    assert ended.returncode == 0
    for said in ("pairs_x", "100.0%", "reworded", "served: of label 1"):
        assert said in ended.stdout


def test_stream_and_conversations(tmp_path: Path) -> None:
    """The other two kinds have a command each."""
    stream = write(tmp_path / "s.jsonl", *({"i": n, "text": "Why?", "key": "k"} for n in range(3)))
    chats = write(tmp_path / "c.jsonl", {"a": TURNS, "b": TURNS, "label": 1})
    streamed = json.loads(run("eval", "stream", str(stream), "--json").stdout)
    talked = json.loads(run("eval", "conversations", str(chats), "--json").stdout)

    assert (streamed["kind"], streamed["served_share"], streamed["first_served"]) == (
        "stream",
        1,
        0,
    )
    assert (talked["kind"], talked["served_share"]) == ("conversations", 1)


def test_all(tmp_path: Path) -> None:
    """All sets of a folder are sampled; one without labels is skipped, and that is said."""
    write(tmp_path / "pairs_x.jsonl", *PAIRS, *PAIRS)
    write(tmp_path / "conv_x.jsonl", {"a": TURNS, "b": TURNS, "label": 1})
    write(tmp_path / "conv_nothing.jsonl", {"messages": TURNS})
    write(tmp_path / "stream_x.jsonl", {"i": 0, "text": "Why?", "key": "k"})
    ended = run("eval", "all", str(tmp_path), "--limit", "2")
    reports = json.loads(run("eval", "all", str(tmp_path), "--json").stdout)["sets"]

    assert ended.returncode == 0
    assert "2 of 4" in ended.stdout
    assert "conv_nothing.jsonl:1: no label" in ended.stderr
    assert [report["set"] for report in reports] == ["conv_x", "pairs_x", "stream_x"]


def test_no_sets(tmp_path: Path) -> None:
    """Where the sets are not, nothing is evaluated, and that is said and is no failure."""
    ended = run("eval", "all", str(tmp_path / "nowhere"))

    assert (ended.returncode, ended.stdout) == (0, "")
    assert "there are no sets in" in ended.stderr


def test_misused(tmp_path: Path) -> None:
    """A set that cannot be used, or a place that cannot be written, is the operator's to mend."""
    plain = write(tmp_path / "conv_x.jsonl", {"messages": TURNS})
    pairs = write(tmp_path / "pairs_x.jsonl", *PAIRS)
    unlabelled = run("eval", "conversations", str(plain))
    unwritable = run("eval", "pairs", str(pairs), "--dump", str(tmp_path / "no" / "where"))

    assert (unlabelled.returncode, unlabelled.stdout) == (2, "")
    assert unlabelled.stderr.endswith("no label; a row needs 0 or 1 to be judged by\n")
    assert (unwritable.returncode, unwritable.stdout) == (2, "")


def test_a_part_that_fails(tmp_path: Path) -> None:
    """A cache whose embedder is away ends the command: all misses would be no measurement."""
    config = tmp_path / "c.yaml"
    config.write_text('embedder: {kind: openai, openai: {base_url: "http://127.0.0.1:9/v1"}}')
    file = write(tmp_path / "pairs_x.jsonl", *PAIRS)
    ended = run("eval", "pairs", str(file), "--config", str(config))

    assert (ended.returncode, ended.stdout) == (1, "")
    assert "the cache's embedder does not work" in ended.stderr
