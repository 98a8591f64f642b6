"""What each guard costs and gains, on labelled pairs: `python bench/guards.py DATA [--json OUT]`.

DATA holds files `pairs_*.jsonl[.gz]` of rows `{a, b, label}`: 1 when one answer serves both, 0 for
a trap. Three settings are measured, each with the numbers that ship: `floor`, all pairs that are
put to the verifier; `alone`, the stricter similarity that decides where nothing verifies;
`verified`, what the verifier would let through. In each, `vetoes` counts the traps and the good
pairs that a guard stops, and `only` those that no other guard does, which is what leaving it out
would change. Rows marked `ambiguous` count as traps. Costs are microseconds a pair.
"""

import argparse
import gzip
import json
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Any, Final

from rich.console import Console
from rich.table import Table

from proxy.core.judgement.guards import ALL
from proxy.core.judgement.reading import Reading, read
from proxy.core.judgement.thresholds import calibration
from proxy.core.judgement.weighing import weighed
from proxy.core.model import Vector
from proxy.embedding import onnx as embedding
from proxy.modelfolder import Card
from proxy.verifying import onnx as verifying

SETTINGS: Final = ("floor", "alone", "verified")
REPEATS: Final = 3
"""Times that a guard is asked about all pairs; the quickest round counts."""

Counts = Counter[tuple[str, str, str, int]]
"""By setting, guard, set and label."""


@dataclass(frozen=True, slots=True)
class Pair:
    """Two questions, their label, and the settings in which only a guard can stop them."""

    name: str
    label: int
    new: Reading
    old: Reading
    settings: tuple[str, ...]


class Models:
    """The embedder and the verifier that are shipped, and the numbers that belong to them."""

    def __init__(self) -> None:
        card = Card.read(embedding.MINILM)
        self._embedder = embedding.Model(embedding.MINILM, card)
        self._calibration = calibration(card.id)
        self._vectors: dict[str, Vector | None] = {}
        judge = Card.read(verifying.SHIPPED)
        self._verifier = verifying.Model(verifying.SHIPPED, judge)
        self._least = verifying.min_probability_of(judge)
        self.ids = (card.id, judge.id)

    def settings(self, new: str, old: str) -> tuple[str, ...]:
        """The settings that let this pair through to the guards."""
        one, other = self._vector(new), self._vector(old)
        similarity = -1.0 if one is None or other is None else float(one @ other)
        if similarity < self._calibration.floor:
            return ()
        probability = self._verifier.probability(new, old)
        likely = weighed(probability, similarity, self._calibration.lean) >= self._least
        passed = (True, similarity >= self._calibration.threshold, likely)
        return tuple(name for name, is_let in zip(SETTINGS, passed, strict=True) if is_let)

    def _vector(self, text: str) -> Vector | None:
        if text not in self._vectors:
            self._vectors[text] = self._embedder.vector(text)
        return self._vectors[text]


def rows(path: Path, limit: int) -> list[dict[str, Any]]:
    """At most so many rows of a set, evenly spaced."""
    opened = gzip.open if path.suffix == ".gz" else open
    with opened(path, "rt", encoding="utf-8") as lines:
        found = [json.loads(line) for line in lines]
    if len(found) <= limit:
        return found
    return [found[at * len(found) // limit] for at in range(limit)]


def pairs(data: Path, limit: int, models: Models) -> Iterator[Pair]:
    """The pairs that differ at all, set by set."""
    for path in sorted(data.glob("pairs_*.jsonl*")):
        name = path.name.removeprefix("pairs_").split(".")[0].removesuffix("_dev")
        for row in rows(path, limit):
            new, old = read(row["b"]), read(row["a"])
            label = 0 if row.get("ambiguous") else int(row["label"])
            if new.plain != old.plain:
                yield Pair(name, label, new, old, models.settings(row["b"], row["a"]))
        sys.stderr.write(f"{name}\n")


def count(found: list[Pair]) -> tuple[Counts, Counts]:
    """What every guard vetoes, and what it alone does."""
    vetoed, only = Counts(), Counts()
    for pair in found:
        names = [guard.name for guard in ALL if guard.veto(pair.new, pair.old)]
        for setting in pair.settings:
            vetoed.update((setting, name, pair.name, pair.label) for name in names)
            if len(names) == 1:
                only[setting, names[0], pair.name, pair.label] += 1
    return vetoed, only


def costs(found: list[Pair]) -> Mapping[str, float]:
    """Each guard's mean time, microseconds a pair, and that of reading a question."""
    readings = [(pair.new, pair.old) for pair in found]
    times = {}
    for guard in ALL:
        rounds = []
        for _ in range(REPEATS):
            start = perf_counter()
            for new, old in readings:
                guard.veto(new, old)
            rounds.append(perf_counter() - start)
        times[guard.name] = 1e6 * min(rounds) / len(readings)
    start = perf_counter()
    for new, _ in readings:
        read(new.text)
    return times | {"(reading)": 1e6 * (perf_counter() - start) / len(readings)}


def report(found: list[Pair], ids: tuple[str, str]) -> dict[str, Any]:
    """All that was measured, as JSON."""
    let = [pair for pair in found if pair.settings]
    vetoed, only = count(let)
    names = sorted({pair.name for pair in found})
    rows_ = Counter((pair.name, pair.label) for pair in found)

    def of(counts: Counts, setting: str, guard: str) -> dict[str, Any]:
        by_set = {n: [counts[setting, guard, n, 0], counts[setting, guard, n, 1]] for n in names}
        shown = {name: both for name, both in by_set.items() if any(both)}
        return {
            "traps": sum(t for t, _ in by_set.values()),
            "good": sum(g for _, g in by_set.values()),
            "sets": shown,
        }

    guards = {
        guard.name: {
            setting: {
                "vetoes": of(vetoed, setting, guard.name),
                "only": of(only, setting, guard.name),
            }
            for setting in SETTINGS
        }
        for guard in ALL
    }
    pairs_ = Counter((setting, pair.label) for pair in let for setting in pair.settings)
    return {
        "embedder": ids[0],
        "verifier": ids[1],
        "rows": {name: [rows_[name, 0], rows_[name, 1]] for name in names},
        "pairs": {setting: [pairs_[setting, 0], pairs_[setting, 1]] for setting in SETTINGS},
        "cost_us": {name: round(us, 2) for name, us in costs(let).items()},
        "guards": guards,
    }


def table(measured: Mapping[str, Any]) -> Table:
    """The same for people: traps / good pairs."""
    shown = Table("guard", "us")
    for setting in SETTINGS:
        shown.add_column(f"{setting}: vetoes", justify="right")
        shown.add_column("only", justify="right")
    for name, settings in measured["guards"].items():
        cells = [
            f"{settings[setting][kind]['traps']} / {settings[setting][kind]['good']}"
            for setting in SETTINGS
            for kind in ("vetoes", "only")
        ]
        shown.add_row(name, str(measured["cost_us"][name]), *cells)
    return shown


def main() -> None:
    """Reads, measures and prints."""
    parser = argparse.ArgumentParser(description="What each guard costs and gains.")
    parser.add_argument("data", type=Path, help="folder of labelled pairs")
    parser.add_argument("--limit", type=int, default=4000, help="rows of a set, evenly spaced")
    parser.add_argument("--json", type=Path, help="write all numbers, set by set, to this file")
    given = parser.parse_args()
    models = Models()
    measured = report(list(pairs(given.data, given.limit, models)), models.ids)
    if given.json:
        given.json.write_text(json.dumps(measured, indent=1) + "\n", encoding="utf-8")
    Console(width=120).print(table(measured))
    for setting, (traps, good) in measured["pairs"].items():
        print(f"{setting}: {traps} traps and {good} good pairs reach the guards")
    reading = measured["cost_us"]["(reading)"]
    total = sum(us for name, us in measured["cost_us"].items() if name != "(reading)")
    print(f"all guards {total:.0f} us a pair, none vetoing; reading a question {reading:.0f} us")


if __name__ == "__main__":
    main()
