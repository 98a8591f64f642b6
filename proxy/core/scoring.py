"""What an evaluation counts: right and wrong answers, by category.

Two kinds of sets. In a set of pairs every row knows whether the cached answer would serve it
(label 1) or not (label 0). In a stream every row knows which key it belongs to, and whether it is
the first of its key, which must miss.

A share whose denominator is zero is None: no hit is neither right nor wrong. Percentiles are by
the nearest rank, so that they are values that occurred.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from math import ceil
from typing import TypeVar

Report = dict[str, object]
"""Ready for JSON."""


@dataclass(frozen=True, slots=True)
class PairRow:
    """One pair.

    Attributes:
        category: Its category in the set; "" for a set without.
        good: One answer serves both questions (label 1).
        served: The cache answered the second question with the first one's answer.
        latency_s: Seconds the decision took.
    """

    category: str
    good: bool
    served: bool
    latency_s: float


@dataclass(frozen=True, slots=True)
class StreamRow:
    """One request of a stream.

    Attributes:
        category: Where the row comes from.
        first: The first of its key: any answer from the cache is wrong.
        served: The cache answered.
        right: The answer served belongs to the row's own key; False where nothing was served.
        latency_s: Seconds the answer took.
    """

    category: str
    first: bool
    served: bool
    right: bool
    latency_s: float


Row = TypeVar("Row", PairRow, StreamRow)


def score_pairs(rows: Sequence[PairRow]) -> Report:
    """Scores a set of pairs.

    Returns:
        `rows`; `served_share`, served of label 1; `wrong_share`, served of label 0; `precision`,
        label 1 of served; `hit_rate`, served of all; `wrong_hit_share`, label 0 of served;
        `first_served`, None, since pairs have no first; `latency_ms` with `p50` and `p99`; and
        `by_category` with the same of each category, without categories of its own. Shares are 0 to
        1, or None where there is nothing to divide by.
    """
    return _with_categories(rows, lambda row: row.category, _pairs)


def score_stream(rows: Sequence[StreamRow]) -> Report:
    """Scores a stream.

    Returns:
        The same fields as `score_pairs`. `served_share` is the share of repeats (rows that are not
        first) served with the right answer, `wrong_share` the share of all rows served a wrong one,
        and `first_served` how many first rows were served: a count, since one is already too many.
    """
    return _with_categories(rows, lambda row: row.category, _stream)


def _with_categories(
    rows: Sequence[Row], category: Callable[[Row], str], score: Callable[[Sequence[Row]], Report]
) -> Report:
    groups: dict[str, list[Row]] = {}
    for row in rows:
        groups.setdefault(category(row), []).append(row)
    by_category = {name: score(groups[name]) for name in sorted(groups) if name}
    return {**score(rows), "by_category": by_category}


def _pairs(rows: Sequence[PairRow]) -> Report:
    good = sum(row.good for row in rows)
    right = sum(row.good and row.served for row in rows)
    hits = sum(row.served for row in rows)
    return {
        "rows": len(rows),
        "served_share": share(right, good),
        "wrong_share": share(hits - right, len(rows) - good),
        "precision": share(right, hits),
        "hit_rate": share(hits, len(rows)),
        "wrong_hit_share": share(hits - right, hits),
        "first_served": None,
        "latency_ms": latency_ms(row.latency_s for row in rows),
    }


def _stream(rows: Sequence[StreamRow]) -> Report:
    hits = sum(row.served for row in rows)
    right = sum(row.served and row.right and not row.first for row in rows)
    repeats = sum(not row.first for row in rows)
    return {
        "rows": len(rows),
        "served_share": share(right, repeats),
        "wrong_share": share(hits - right, len(rows)),
        "precision": share(right, hits),
        "hit_rate": share(hits, len(rows)),
        "wrong_hit_share": share(hits - right, hits),
        "first_served": sum(row.first and row.served for row in rows),
        "latency_ms": latency_ms(row.latency_s for row in rows),
    }


def share(part: int, whole: int) -> float | None:
    """A part of a whole, or None of nothing."""
    return part / whole if whole else None


def latency_ms(seconds: Iterable[float]) -> dict[str, float | None]:
    """The median and the 99th percentile by nearest rank, in milliseconds."""
    ordered = sorted(seconds)
    return {"p50": _rank(ordered, 50), "p99": _rank(ordered, 99)}


def _rank(ordered: Sequence[float], percent: int) -> float | None:
    if not ordered:
        return None
    return ordered[max(ceil(len(ordered) * percent / 100), 1) - 1] * 1000
