"""What a simulation counts, with the shipped embedder and verifier."""

import json
from pathlib import Path

import pytest

from proxy.config import Config
from proxy.measuring.evaluation import EvaluationError, Kind, Sample, read_set
from proxy.measuring.simulation import Plan, Report, simulate

LOOSE = Plan(bounds=(0.5,), seeds=2, explore_share=0.0)
"""Half may be wrong: a handful of comparisons proves it."""


def stream(folder: Path, *rows: tuple[str, str]) -> Sample:
    path = folder / "stream_small.jsonl"
    lines = [json.dumps({"i": n, "text": text, "key": key}) for n, (text, key) in enumerate(rows)]
    path.write_text("\n".join(lines))
    return read_set(path, Kind.STREAM)


def spellings(count: int, key: str = "cache") -> list[tuple[str, str]]:
    """One question, in so many spellings that the judge takes for the same."""
    return [("What is a cache" + "?" * (number + 1), key) for number in range(count)]


def by_policy(reports: list[Report]) -> dict[str, Report]:
    return {report["policy"]: report for report in reports}


@pytest.fixture(scope="module")
def right(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Report]:
    """Thirty spellings with one key, twice each."""
    sample = stream(tmp_path_factory.mktemp("right"), *spellings(30), *spellings(30))
    return by_policy(simulate(sample, Config(), LOOSE))


@pytest.fixture(scope="module")
def wrong(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Report]:
    """Spellings that each have a key of their own, so that every hit is wrong."""
    rows = [(text, str(number)) for number, (text, _) in enumerate(spellings(30))]
    return by_policy(simulate(stream(tmp_path_factory.mktemp("wrong"), *rows), Config(), LOOSE))


def test_static_serves_every_neighbour(right: dict[str, Report]) -> None:
    """The first is asked and then repeated; all others are hits on it, and never stored."""
    static = right["static"]

    assert static["max_error"] is None
    assert static["requests"] == 120
    assert static["neighbour_hits"] == 116
    assert static["hit_rate"] == pytest.approx(118 / 120)
    assert (static["wrong"], static["explored_share"]) == (0, 0.0)


def test_verified_explores_first_and_serves_then(right: dict[str, Report]) -> None:
    """What it explored is an exact repeat when it comes again."""
    verified = right["verified"]

    assert verified["max_error"] == 0.5
    assert 0 < verified["explored_share"] < 0.25
    assert verified["neighbour_hits"] > 0
    assert verified["hit_rate"] == pytest.approx(1 - 2 / 120 - verified["explored_share"])


def test_what_is_wrong_is_never_served_for_long(wrong: dict[str, Report]) -> None:
    """Static is wrong every time, verified serves nothing it has not proven."""
    assert wrong["static"]["wrong_per_hit"] == 1.0
    assert wrong["verified"]["neighbour_hits"] == 0
    assert wrong["verified"]["wrong_per_hit"] is None


def test_it_can_be_repeated(tmp_path: Path) -> None:
    """The same seeds give the same counts."""
    sample = stream(tmp_path, *spellings(20))

    assert simulate(sample, Config(), LOOSE) == simulate(sample, Config(), LOOSE)


def test_what_was_learned_is_kept_between_rounds(tmp_path: Path) -> None:
    """The cache is emptied, the labels are not."""
    sample = stream(tmp_path, *spellings(12))
    plan = Plan(bounds=(0.5,), seeds=1, rounds=1, explore_share=0.0)
    once = by_policy(simulate(sample, Config(), plan))["verified"]
    plan = Plan(bounds=(0.5,), seeds=1, rounds=4, explore_share=0.0)
    often = by_policy(simulate(sample, Config(), plan))["verified"]

    assert often["requests"] == 4 * once["requests"]
    assert often["neighbour_hit_rate"] > once["neighbour_hit_rate"]


def test_noise_makes_comparisons_wrong(tmp_path: Path) -> None:
    """Where half of them come out wrong, nothing is proven."""
    plan = Plan(bounds=(0.2,), seeds=1, explore_share=0.0, noise=0.5)
    reports = by_policy(simulate(stream(tmp_path, *spellings(40)), Config(), plan))

    assert reports["verified"]["neighbour_hits"] == 0


def test_each_policy_is_told_at_each_bound() -> None:
    """And static once, which knows none."""
    variants = list(Plan(bounds=(0.01, 0.05)).variants())

    assert len(variants) == 7
    assert [policy.value for policy, _ in variants[:4]] == [
        "static",
        "published",
        "own",
        "verified",
    ]


def test_without_an_embedder_there_is_nothing_to_simulate(tmp_path: Path) -> None:
    """It is said, not measured as no hits."""
    config = Config.model_validate({"embedder": {"kind": "none"}})
    with pytest.raises(EvaluationError, match="no embedder"):
        simulate(stream(tmp_path, *spellings(2)), config, LOOSE)
