"""The figures of an evaluation."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.core.scoring import PairRow, StreamRow, latency_ms, score_pairs, score_stream

PAIRS = [
    PairRow("a", good=True, served=True, latency_s=0.001),
    PairRow("a", good=True, served=False, latency_s=0.002),
    PairRow("a", good=False, served=True, latency_s=0.003),
    PairRow("b", good=False, served=False, latency_s=0.004),
]


def test_pairs_are_counted_by_label() -> None:
    """Served of the good ones, wrong of the others, precision of the hits."""
    report = score_pairs(PAIRS)
    del report["by_category"]
    assert report == {
        "rows": 4,
        "served_share": 0.5,
        "wrong_share": 0.5,
        "precision": 0.5,
        "hit_rate": 0.5,
        "wrong_hit_share": 0.5,
        "first_served": None,
        "latency_ms": {"p50": 2.0, "p99": 4.0},
    }


def test_each_category_is_scored_alone() -> None:
    """A category's figures are those of its rows; what has nothing to divide by is None."""
    by_category = score_pairs(PAIRS)["by_category"]
    assert isinstance(by_category, dict)
    assert list(by_category) == ["a", "b"]
    assert by_category["a"]["rows"] == 3
    assert by_category["b"]["served_share"] is None
    assert by_category["b"]["precision"] is None
    assert by_category["b"]["wrong_share"] == 0.0


def test_rows_without_a_category_make_none() -> None:
    """A set that has no categories has an empty table."""
    assert score_pairs([PairRow("", good=True, served=True, latency_s=0.0)])["by_category"] == {}


def test_a_stream_counts_first_rows_apart() -> None:
    """A served first row is wrong even where the key seems right; repeats make the served share."""
    rows = [
        StreamRow("s", first=True, served=False, right=False, latency_s=0.1),
        StreamRow("s", first=False, served=True, right=True, latency_s=0.1),
        StreamRow("s", first=False, served=True, right=False, latency_s=0.1),
        StreamRow("s", first=True, served=True, right=True, latency_s=0.1),
    ]
    report = score_stream(rows)
    assert (report["served_share"], report["wrong_share"]) == (0.5, 0.5)
    assert (report["hit_rate"], report["first_served"]) == (0.75, 1)
    assert report["wrong_hit_share"] == pytest.approx(2 / 3)
    assert report["precision"] == pytest.approx(1 / 3)


def test_nothing_scores_nothing() -> None:
    """An empty set is no division by zero, and still JSON."""
    for report in (score_pairs([]), score_stream([])):
        assert report["rows"] == 0
        assert report["hit_rate"] is None
        assert json.loads(json.dumps(report))["latency_ms"] == {"p50": None, "p99": None}


@given(
    st.lists(st.builds(PairRow, st.sampled_from("ab"), st.booleans(), st.booleans(), st.just(0.0)))
)
def test_shares_are_shares(rows: list[PairRow]) -> None:
    """Every share lies between 0 and 1, and right and wrong hits make all hits."""
    report = score_pairs(rows)
    for name in ("served_share", "wrong_share", "precision", "hit_rate", "wrong_hit_share"):
        value = report[name]
        assert value is None or (isinstance(value, float) and 0 <= value <= 1)
    right, wrong = report["precision"], report["wrong_hit_share"]
    if isinstance(right, float) and isinstance(wrong, float):
        assert right + wrong == pytest.approx(1)


@given(st.lists(st.floats(0, 10), min_size=1))
def test_percentiles_are_values_that_occurred(seconds: list[float]) -> None:
    """By nearest rank: no value is invented between two."""
    found = latency_ms(seconds)
    assert {found["p50"], found["p99"]} <= {s * 1000 for s in seconds}
