"""Pictures of a run, for the documentation."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import matplotlib as mpl
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from bench.http import entries, hits, misses, scaling
from bench.http.rounds import Row

mpl.use("svg")
mpl.rcParams["svg.hashsalt"] = "reprise"  # the same run, the same file
OURS, THEIRS, ACCENT = "#1f6f50", "#9aa5b1", "#c0792a"


def drawn(rows: Sequence[Row], folder: Path) -> list[Path]:
    """`bench-hits.svg` and others for misses, scaling and entries, of what was measured."""
    folder.mkdir(parents=True, exist_ok=True)
    made = []
    for name, scenario in (("hits", hits.name(32)), ("misses", misses.name(32))):
        own = [row for row in rows if row.scenario == scenario and not row.trouble]
        if own:
            made.append(_bars(own, scenario, folder / f"bench-{name}.svg"))
    if any(row.scenario == scaling.of_connections(1) for row in rows):
        made.append(_growth(rows, folder / "bench-scaling.svg"))
    if any(row.scenario == entries.name(entries.COUNTS[0]) for row in rows):
        made.append(_entries(rows, folder / "bench-entries.svg"))
    return made


def _bars(rows: Sequence[Row], scenario: str, file: Path) -> Path:
    measures = {"per_s": "requests a second", "cpu_us": "CPU a request, microseconds"}
    figure, axes = plt.subplots(1, 2, figsize=(10, 0.5 + 0.34 * len(rows)), sharey=True)
    names = [row.target for row in rows][::-1]
    colours = [OURS if name.startswith("Reprise") else THEIRS for name in names]
    for axis, (measure, title) in zip(axes, measures.items(), strict=True):
        values = [row.median(measure) or 0.0 for row in rows][::-1]
        drawn = axis.barh(names, values, color=colours)
        axis.bar_label(drawn, fmt="{:,.0f}", padding=3, fontsize=8)
        axis.set_xscale("log")
        axis.set_title(f"{scenario}: {title}", fontsize=9)
        axis.margins(x=0.2)
        axis.spines[["top", "right"]].set_visible(False)
    return _saved(figure, file)


@dataclass(frozen=True)
class _Line:
    """One measure of one target, over scenarios that grow."""

    axis: Axes
    of: Mapping[int, str]
    measure: str

    def of_target(self, rows: Sequence[Row], name: str, colour: str) -> None:
        known = {row.scenario: row for row in rows if row.target == name and not row.trouble}
        found = {at: known.get(scenario) for at, scenario in self.of.items()}
        points = {at: row.median(self.measure) or 0.0 for at, row in found.items() if row}
        self.axis.plot(list(points), list(points.values()), marker="o", label=name, color=colour)


def _growth(rows: Sequence[Row], file: Path) -> Path:
    figure, (left, right) = plt.subplots(1, 2, figsize=(10, 3.4))
    by_count = {count: scaling.of_connections(count) for count in scaling.CONNECTIONS}
    by_size = {size: scaling.of_size(size) for size in scaling.SIZES}
    for line, name, colour in (
        (_Line(left, by_count, "per_s"), hits.REPRISE, OURS),
        (_Line(left, by_count, "per_s"), hits.NGINX, THEIRS),
        (_Line(right, by_size, "cpu_us"), hits.REPRISE, OURS),
        (_Line(right, by_size, "cpu_us"), scaling.BARE, THEIRS),
    ):
        line.of_target(rows, name, colour)
    _labelled(left, "connections", "hits: requests a second")
    _labelled(right, "bytes of the request", "hits: CPU a request, microseconds")
    left.set_ylim(bottom=0)
    right.set_yscale("log")
    return _saved(figure, file)


def _entries(rows: Sequence[Row], file: Path) -> Path:
    figure, (left, right) = plt.subplots(1, 2, figsize=(10, 3.4))
    by_count = {count: entries.name(count) for count in entries.COUNTS}
    for tier, colour in zip(entries.TIERS, (OURS, THEIRS, ACCENT), strict=True):
        _Line(left, by_count, "p50_us").of_target(rows, tier, colour)
        _Line(right, by_count, "entry_b").of_target(rows, tier, colour)
    _labelled(left, "entries", "a lookup, microseconds")
    _labelled(right, "entries", "bytes an entry")
    left.set_yscale("log")
    right.set_ylim(bottom=0)
    return _saved(figure, file)


def _labelled(axis: Axes, label: str, title: str) -> None:
    axis.set_xscale("log")
    axis.set_xlabel(label, fontsize=8)
    axis.set_title(title, fontsize=9)
    axis.legend(fontsize=8)
    axis.spines[["top", "right"]].set_visible(False)


def _saved(figure: Figure, file: Path) -> Path:
    figure.tight_layout()
    figure.savefig(file, metadata={"Date": None})
    plt.close(figure)
    return file
