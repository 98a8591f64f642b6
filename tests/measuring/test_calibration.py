"""Labelled pairs, measured by the real cache and fitted."""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from proxy.config import Config, load
from proxy.core.calibrating import Aim, Scored
from proxy.measuring.calibration import Measured, as_yaml, calibrate, check, measure, report
from proxy.measuring.evaluation import EvaluationError, Kind, Sample, read_set

ROOT = Path(__file__).parents[2]
EASY = Aim(target=0.3, confidence=0.6)
"""Shown by three hits without a wrong one."""

GOOD = [
    ("How do I reset my password?", "How can I reset my password?"),
    ("What is the capital of France?", "Which city is the capital of France?"),
    ("How do I bake bread?", "How can I bake bread at home?"),
    ("How do I sort a list in Python?", "What is the way to sort a list in Python?"),
    ("How do I cancel my order?", "How can I cancel my order?"),
    ("What does a compiler do?", "What is it that a compiler does?"),
]
BAD = [
    ("How do I enable dark mode?", "How do I disable dark mode?"),
    ("What is the capital of France?", "What is the capital of Spain?"),
    ("How do I bake bread?", "Why is the sky blue?"),
]


def sample(path: Path, *extra: dict[str, Any]) -> Sample:
    labelled = [(*pair, 1) for pair in GOOD] + [(*pair, 0) for pair in BAD]
    rows = [{"a": a, "b": b, "label": label, "category": "plain"} for a, b, label in labelled]
    path.write_text("".join(json.dumps(row) + "\n" for row in [*rows, *extra]))
    return read_set(path, Kind.PAIRS)


def config(**cache: Any) -> Config:
    return Config.model_validate({"cache": cache})


def scored(*similarities: float, good: bool = True, probability: float | None) -> list[Scored]:
    return [
        Scored("", "pairs_x", "", good, similarity, is_vetoed=False, probability=probability)
        for similarity in similarities
    ]


def measured(rows: Sequence[Scored], verifier: str | None = "verifier-1") -> Measured:
    return Measured("embedder-1", verifier, tuple(rows), same=0)


def test_measure(tmp_path: Path) -> None:
    """Every pair gets its similarity, a guard's veto, and the verifier's word where none vetoed."""
    pairs = sample(tmp_path / "pairs_x.jsonl")
    steps: list[int] = []
    found = measure([pairs], Config(), lambda: steps.append(1))
    good, bad = found.rows[: len(GOOD)], found.rows[len(GOOD) :]

    assert found.embedder.startswith("minilm-l6-v2-int8-")
    assert (found.verifier or "").startswith("minilm-verifier-int8-")
    assert all(row.similarity and not row.is_vetoed and row.probability for row in good)
    assert [(row.is_vetoed, row.probability) for row in bad[:2]] == [(True, None)] * 2
    assert not bad[2].is_vetoed
    assert bad[2].probability is not None
    assert bad[2].similarity is not None
    assert bad[2].similarity < min(row.similarity or 0 for row in good)
    assert {(row.set, row.category) for row in found.rows} == {("pairs_x", "plain")}
    assert len(steps) == len(found.rows)


def test_the_configured_thresholds_do_not_blind_it(tmp_path: Path) -> None:
    """What is configured now must not hide the pairs below it, or it could only get stricter."""
    strict = config(vector={"threshold": 1, "floor": 1}, judgement={"min_probability": 1})
    pairs = sample(tmp_path / "pairs_x.jsonl")

    assert measure([pairs], strict) == measure([pairs], Config())


def test_no_judge_elsewhere_is_asked(tmp_path: Path) -> None:
    """It is the local verifier that is calibrated: nobody else reads the pairs, or is paid for."""
    remote = {"model": "judge", "base_url": "http://127.0.0.1:9/v1", "ask": "every"}
    pairs = sample(tmp_path / "pairs_x.jsonl")

    assert measure([pairs], config(judgement={"llm": remote})) == measure([pairs], Config())


def test_without_a_verifier(tmp_path: Path) -> None:
    """Where none is configured none is asked, and only the threshold is fitted."""
    plain = config(judgement={"verifier": "none"})
    pairs = sample(tmp_path / "pairs_x.jsonl")
    found = calibrate([pairs], measure([pairs], plain), EASY)

    assert {row.probability for row in found.measured.rows} == {None}
    assert (found.measured.verifier, found.verified, found.is_found) == (None, None, True)
    assert "judgement" not in as_yaml(found)


def test_what_no_threshold_decides_is_left_out(tmp_path: Path) -> None:
    """The same text is served in any case; what may not be cached is never compared."""
    same = {"a": "Who are you?", "b": "who are you", "label": 0}
    fleeting = {"a": "What is the latest news?", "b": "Tell me the latest news.", "label": 1}
    found = measure([sample(tmp_path / "pairs_x.jsonl", same, fleeting)], Config())

    assert found.same == 1
    assert [row.similarity for row in found.rows[len(GOOD) + len(BAD) :]] == [None]


@pytest.mark.parametrize("verifier", ["local", "none"])
def test_yaml_is_configuration(tmp_path: Path, verifier: str) -> None:
    """What is written is read by the program, says what was fitted, and on what it rests."""
    chosen = config(judgement={"verifier": verifier})
    pairs = sample(tmp_path / "pairs_x.jsonl")
    found = calibrate([pairs], measure([pairs], chosen), EASY)
    file = tmp_path / "judgement.yaml"
    file.write_text(as_yaml(found))
    cache = load(file, {}).cache
    fits = report(found)

    assert fits["unverified"]["setting"] == {"threshold": cache.vector.threshold}
    if verifier == "local":
        assert fits["verified"]["setting"] == {
            "floor": cache.vector.floor,
            "min_probability": cache.judgement.min_probability,
        }
    for said in (found.measured.embedder, "pairs_x, 9 rows", "30.00% of hits", "clopper-pearson"):
        assert said in file.read_text()


def test_yaml_of_a_fit_that_failed(tmp_path: Path) -> None:
    """A number that nothing supports is not written; the default stays, and the reason is there."""
    rows = [
        *scored(*[0.9] * 10, probability=0.9),
        *scored(*[0.9] * 10, good=False, probability=0.1),
    ]
    found = calibrate([], measured(rows), EASY)
    file = tmp_path / "judgement.yaml"
    file.write_text(as_yaml(found))
    cache = load(file, {}).cache

    assert (cache.vector.threshold, cache.vector.floor) == (None, 0.9)
    assert cache.judgement.min_probability == 0.11
    assert "# threshold: none. not met" in file.read_text()


def test_yaml_without_any_fit(tmp_path: Path) -> None:
    """Even then it is configuration: the defaults."""
    found = calibrate([], measured(scored(0.9, good=False, probability=0.9)), EASY)
    file = tmp_path / "judgement.yaml"
    file.write_text(as_yaml(found))

    assert not found.is_found
    assert load(file, {}) == Config()


def test_report_by_category() -> None:
    """A category has its own fit, or the reason why not, and what the overall fit does on it."""
    one, *others = scored(*[0.9] * 21, probability=0.9)
    rows = [replace(one, category="few"), *(replace(row, category="many") for row in others)]
    groups = report(calibrate([], measured(rows), EASY))["verified"]["by_category"]

    assert list(groups) == ["pairs_x: few", "pairs_x: many"]
    assert groups["pairs_x: many"]["setting"] == {"floor": 0.9, "min_probability": 0.05}
    assert groups["pairs_x: few"]["setting"] is None
    assert groups["pairs_x: few"]["reason"].startswith("too few rows: 3 hits")
    assert groups["pairs_x: few"]["overall"]["hits"] == 1


def test_check(tmp_path: Path) -> None:
    """What cannot be fitted is said before anything is measured."""
    pairs = sample(tmp_path / "pairs_x.jsonl")
    blind = Config.model_validate({"embedder": {"kind": "none"}})
    check([pairs], Config(), EASY)

    with pytest.raises(EvaluationError, match=r"9 rows; to show 1\.00% wrong .* at least 299"):
        check([pairs], Config(), Aim(0.01))
    with pytest.raises(EvaluationError, match="no embedder is configured"):
        check([pairs], blind, EASY)


@pytest.mark.parametrize("label", [0, 1])
def test_check_labels(tmp_path: Path, label: int) -> None:
    """Without a right or without a wrong pair there is nothing to choose between."""
    path = tmp_path / "pairs_x.jsonl"
    path.write_text(json.dumps({"a": "a", "b": "b", "label": label}))

    with pytest.raises(EvaluationError, match=f"pairs_x: no row has label {1 - label}"):
        check([read_set(path, Kind.PAIRS)], Config(), EASY)
