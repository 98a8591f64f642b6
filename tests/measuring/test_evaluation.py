"""What the cache decides on labelled rows, with the real embedder, guards and tiers."""

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from proxy.config import Config
from proxy.measuring.evaluation import (
    EvaluationError,
    Kind,
    Ruling,
    evaluate,
    read_set,
    score,
    sets_in,
)

SAME = {"id": "same", "a": "How do I reset my password?", "b": "How can I reset my password?"}
OTHER = {"id": "other", "a": "How do I enable dark mode?", "b": "How do I disable dark mode?"}


def write(path: Path, *rows: Any) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def chat(*texts: str) -> list[dict[str, str]]:
    roles = ("user", "assistant")
    return [{"role": roles[turn % 2], "content": text} for turn, text in enumerate(texts)]


def rule(path: Path, kind: Kind, config: Config | None = None) -> list[Ruling]:
    return evaluate(read_set(path, kind), config or Config())


def test_pairs(tmp_path: Path) -> None:
    """A rewording is served with the first question's answer; its opposite is not, and why."""
    file = write(tmp_path / "pairs_x.jsonl", {**SAME, "label": 1}, {**OTHER, "label": 0})
    same, other = rule(file, Kind.PAIRS)

    assert (same.served, same.right, same.reason) == (True, True, "vector")
    assert (other.served, other.right) == (False, False)
    assert other.reason.startswith("opposite")
    assert (same.similarity or 0) > 0.9
    assert other.latency_s > 0
    assert (same.probability or 0) > 0.5
    assert other.probability is None


def test_rows_do_not_meet(tmp_path: Path) -> None:
    """Every pair has a cache of its own: what an earlier row stored answers no later one."""
    far = {"id": "far", "a": "What is a monad?", "b": SAME["a"], "label": 0}
    _, found = rule(write(tmp_path / "pairs_x.jsonl", {**SAME, "label": 1}, far), Kind.PAIRS)

    assert not found.served


def test_admission_counts(tmp_path: Path) -> None:
    """A question that may not be cached is no hit, and the reason says so."""
    row = {"a": "What is on today?", "b": "What is on today?", "label": 1}
    [found] = rule(write(tmp_path / "pairs_x.jsonl", row), Kind.PAIRS)

    assert (found.served, found.reason) == (False, "asks about today")


def test_configuration_counts(tmp_path: Path) -> None:
    """The configured decision is the one measured: with no guard or verifier the trap is served."""
    file = write(tmp_path / "pairs_x.jsonl", {**OTHER, "label": 0})
    cache = {"vector": {"guards": [], "threshold": 0.8}, "judgement": {"verifier": "none"}}
    config = Config.model_validate({"cache": cache})
    [found] = rule(file, Kind.PAIRS, config)

    assert found.served
    assert not found.right


def test_conversations(tmp_path: Path) -> None:
    """An equal last turn is served under equal earlier turns, and under no others."""
    asked = chat("What is a lake?", "Water.", "What are its types?")
    other = chat("What is a rock?", "Stone.", "What are its types?")
    file = write(
        tmp_path / "conv_x.jsonl",
        {"a": asked, "b": asked, "label": 1},
        {"a": asked, "b": other, "label": 0},
    )
    served, refused = rule(file, Kind.CONVERSATIONS)

    assert (served.served, served.reason) == (True, "session")
    assert not refused.served


def test_stream(tmp_path: Path) -> None:
    """One cache grows; what it serves is right when it is the row's own key's answer."""
    file = write(
        tmp_path / "stream_x.jsonl",
        {"i": 0, "text": SAME["a"], "key": "password", "src": "one", "first": True},
        {"i": 1, "text": SAME["b"], "key": "password", "src": "one", "first": False},
        {"i": 2, "text": SAME["a"], "key": "other", "src": "two", "first": True},
    )
    sample = read_set(file, Kind.STREAM)
    rulings = evaluate(sample, Config())
    report = score(sample, rulings)

    assert [ruling.served for ruling in rulings] == [False, True, True]
    assert [ruling.right for ruling in rulings] == [False, True, False]
    assert (report["served_share"], report["first_served"], report["rows"]) == (1.0, 1, 3)
    assert report["wrong_share"] == pytest.approx(1 / 3)
    assert report["wrong_hit_share"] == 0.5
    assert {"one", "two"} == set(report["by_category"])  # type: ignore[call-overload]


def test_nothing_is_left_or_read(tmp_path: Path, recwarn: pytest.WarningsRecorder) -> None:
    """The user's own data is neither read nor written."""
    data = tmp_path / "data"
    places = {"shared": {"url": f"sqlite:///{data}/r.db"}, "vector": {"snapshot": data / "i"}}
    file = write(tmp_path / "pairs_x.jsonl", {**SAME, "label": 1})
    rule(file, Kind.PAIRS, Config.model_validate({"cache": places}))

    assert not data.exists()
    assert not recwarn.list


def test_a_part_that_fails(tmp_path: Path) -> None:
    """Without its embedder the cache would miss everything: that is an error and no result."""
    config = Config.model_validate(
        {"embedder": {"kind": "openai", "openai": {"base_url": "http://127.0.0.1:9/v1"}}}
    )
    file = write(tmp_path / "pairs_x.jsonl", {**SAME, "label": 1})
    with pytest.raises(EvaluationError, match="embedder does not work"):
        rule(file, Kind.PAIRS, config)


def test_a_judge_that_fails(tmp_path: Path) -> None:
    """Without the one who confirms nothing would be served, and nothing measured."""
    llm = {"model": "m", "base_url": "http://127.0.0.1:9/v1"}
    config = Config.model_validate({"cache": {"judgement": {"verifier": "none", "llm": llm}}})
    file = write(tmp_path / "pairs_x.jsonl", {**SAME, "label": 1})
    with pytest.raises(EvaluationError, match="does not work"):
        rule(file, Kind.PAIRS, config)


def test_gzip_and_names(tmp_path: Path) -> None:
    """A set may be gzipped; its name is the file's without the suffixes."""
    path = tmp_path / "pairs_x_dev.jsonl.gz"
    path.write_bytes(gzip.compress((json.dumps({**SAME, "label": 1}) + "\n\n").encode()))
    sample = read_set(path, Kind.PAIRS)

    assert (sample.name, len(sample.cases), sample.of) == ("pairs_x_dev", 1, 1)


def test_limit(tmp_path: Path) -> None:
    """A limit takes evenly spaced rows of pairs, and the first ones of a stream."""
    pairs = [{"id": n, "a": "x", "b": "y", "label": n % 2} for n in range(10)]
    stream = [{"i": n, "text": "x", "key": "k"} for n in range(10)]
    spread = read_set(write(tmp_path / "p.jsonl", *pairs), Kind.PAIRS, limit=4)
    first = read_set(write(tmp_path / "s.jsonl", *stream), Kind.STREAM, limit=4)

    assert [case.id for case in spread.cases] == ["0", "2", "5", "7"]
    assert [case.id for case in first.cases] == ["0", "1", "2", "3"]
    assert (spread.of, first.of) == (10, 10)


def test_ambiguous(tmp_path: Path) -> None:
    """Ambiguous rows count as label 0, or are left out, and the report says which."""
    file = write(
        tmp_path / "p.jsonl", {**SAME, "label": 1, "ambiguous": "x"}, {**OTHER, "label": 0}
    )
    counted = read_set(file, Kind.PAIRS)
    left_out = read_set(file, Kind.PAIRS, leave_out_ambiguous=True)

    assert [case.good for case in counted.cases] == [False, False]
    assert [case.id for case in left_out.cases] == ["other"]
    assert score(counted, [])["ambiguous"] == {"rows": 1, "treatment": "counted_as_0"}
    assert score(left_out, [])["ambiguous"] == {"rows": 1, "treatment": "left_out"}


@pytest.mark.parametrize(
    ("kind", "line", "problem"),
    [
        (Kind.PAIRS, "", "has no rows"),
        (Kind.PAIRS, "{", ":1: not JSON"),
        (Kind.PAIRS, "[]", ":1: not an object"),
        (Kind.PAIRS, '{"a": "x", "b": "y"}', ":1: no label"),
        (Kind.PAIRS, '{"a": "x", "b": "y", "label": 2}', ":1: label 2"),
        (Kind.PAIRS, '{"a": "x", "label": 1}', ":1: `b` is not text"),
        (Kind.CONVERSATIONS, '{"id": "x", "messages": []}', ":1: no label"),
        (Kind.CONVERSATIONS, '{"a": "x", "b": "y", "label": 1}', "not a list of messages"),
        (Kind.STREAM, '{"text": "x"}', ":1: no key"),
        (Kind.STREAM, '{"key": "x"}', ":1: `text` is not text"),
    ],
)
def test_refused(tmp_path: Path, kind: Kind, line: str, problem: str) -> None:
    """A file that is no such set is refused, with the line at fault."""
    file = tmp_path / "x.jsonl"
    file.write_text(line)
    with pytest.raises(EvaluationError) as caught:
        read_set(file, kind)

    assert problem in str(caught.value)


@pytest.mark.parametrize("content", [b"no gzip", gzip.compress(b"{}")[:-4], gzip.compress(b"\xff")])
def test_unreadable(tmp_path: Path, content: bytes) -> None:
    """A damaged file is refused, and so is one that is not there."""
    file = tmp_path / "x.jsonl.gz"
    file.write_bytes(content)
    with pytest.raises(EvaluationError):
        read_set(file, Kind.PAIRS)
    with pytest.raises(EvaluationError, match="No such file"):
        read_set(tmp_path / "nothing.jsonl", Kind.PAIRS)


def test_sets_in(tmp_path: Path) -> None:
    """The beginning of a file's name says what it is; other files are no sets."""
    for name in ("pairs_b.jsonl.gz", "pairs_a.jsonl", "conv_c.jsonl", "stream_d.jsonl", "pairs.md"):
        (tmp_path / name).touch()

    assert [(path.name, kind) for path, kind in sets_in(tmp_path)] == [
        ("conv_c.jsonl", Kind.CONVERSATIONS),
        ("pairs_a.jsonl", Kind.PAIRS),
        ("pairs_b.jsonl.gz", Kind.PAIRS),
        ("stream_d.jsonl", Kind.STREAM),
    ]
