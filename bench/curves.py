"""Precision and recall of similarity alone, and of the judge that ships.

    reprise eval all DIR --dump decisions.jsonl
    python bench/curves.py decisions.jsonl docs/images/precision-recall.svg

Of all rows that are pairs: recall is the share of label 1 that would be served at a threshold,
precision the share of what would be served that is label 1. Both curves are of the same rows.
"""

import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure

Row = dict[str, Any]

NEVER = -1.0
MARKS = {"similarity": (0.8, 0.88, 0.95), "judge": (0.3, 0.65, 0.98)}
NAMES = {
    "similarity": "similarity alone (cosine)",
    "judge": "guards and verifier (probability)",
}


@dataclass(frozen=True)
class Point:
    """What a threshold serves."""

    threshold: float
    precision: float
    recall: float


def similarity(row: Row) -> float:
    return float(row["similarity"]) if row["similarity"] is not None else NEVER


def judged(row: Row) -> float:
    """A veto is never served, the same text always; else the probability that one answer serves."""
    if row["probability"] is not None:
        return float(row["probability"])
    return 1.0 if row["served"] else NEVER


def at(rows: list[Row], score: Callable[[Row], float], threshold: float) -> Point:
    served = [row["label"] for row in rows if score(row) >= threshold]
    good = sum(row["label"] for row in rows)
    precision = sum(served) / len(served) if served else 1.0
    return Point(threshold, precision, sum(served) / good)


def curve(rows: list[Row], score: Callable[[Row], float]) -> list[Point]:
    """At every score that a row has, at most 200 of them."""
    scores = sorted({score(row) for row in rows} - {NEVER})
    step = max(1, len(scores) // 200)
    return [at(rows, score, threshold) for threshold in scores[::step]]


def draw(rows: list[Row], file: Path) -> None:
    """Both curves, with some thresholds marked."""
    with mpl.rc_context({"svg.hashsalt": "reprise", "font.size": 9}):
        figure = Figure(figsize=(6.4, 4.0), layout="constrained")
        axes = figure.subplots()
        for name, score in (("similarity", similarity), ("judge", judged)):
            points = curve(rows, score)
            (line,) = axes.plot(
                [one.recall for one in points],
                [one.precision for one in points],
                label=NAMES[name],
            )
            for threshold in MARKS[name]:
                one = at(rows, score, threshold)
                axes.plot(one.recall, one.precision, "o", color=line.get_color(), markersize=4)
                axes.annotate(
                    f"{threshold:g}",
                    (one.recall, one.precision),
                    xytext=(4, 4),
                    textcoords="offset points",
                )
        axes.set_xlabel("recall: served, of the pairs that one answer serves")
        axes.set_ylabel("precision: right, of what is served")
        axes.set_xlim(0, 1.02)
        axes.set_ylim(0.3, 1.02)
        axes.grid(alpha=0.3)
        axes.legend(loc="center left")
        figure.savefig(file, metadata={"Date": None})


def main(decisions: Path, file: Path) -> None:
    lines = decisions.read_text().splitlines()
    rows = [row for row in map(json.loads, lines) if row["set"].startswith("pairs_")]
    sets = {row["set"] for row in rows}
    print(f"{len(rows)} pairs of {len(sets)} sets, {sum(row['label'] for row in rows)} of label 1")
    for name, score in (("similarity", similarity), ("judge", judged)):
        for threshold in MARKS[name]:
            one = at(rows, score, threshold)
            print(f"{name} {threshold:4}: precision {one.precision:.3f}, recall {one.recall:.3f}")
    draw(rows, file)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
