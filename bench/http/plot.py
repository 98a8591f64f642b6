"""Pictures of a run, for the documentation."""

from collections.abc import Sequence
from pathlib import Path

import matplotlib as mpl
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from bench.http import hits, misses, scaling
from bench.http.rounds import Row

mpl.use("svg")
mpl.rcParams["svg.hashsalt"] = "reprise"  # the same run, the same file
OURS, THEIRS = "#1f6f50", "#9aa5b1"


def drawn(rows: Sequence[Row], folder: Path) -> list[Path]:
    """`bench-hits.svg`, `bench-misses.svg` and `bench-scaling.svg`, of what was measured."""
    folder.mkdir(parents=True, exist_ok=True)
    made = []
    for name, scenario in (("hits", hits.name(32)), ("misses", misses.name(32))):
        own = [row for row in rows if row.scenario == scenario and not row.trouble]
        if own:
            made.append(_bars(own, scenario, folder / f"bench-{name}.svg"))
    if any(row.scenario == scaling.of_connections(1) for row in rows):
        made.append(_growth(rows, folder / "bench-scaling.svg"))
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


def _growth(rows: Sequence[Row], file: Path) -> Path:
    figure, (left, right) = plt.subplots(1, 2, figsize=(10, 3.4))
    known = {(row.scenario, row.target): row for row in rows if not row.trouble}

    def line(axis: Axes, name: str, of: dict[int, str], measure: str, colour: str) -> None:
        found = {at: known.get((scenario, name)) for at, scenario in of.items()}
        points = {at: row.median(measure) or 0.0 for at, row in found.items() if row}
        axis.plot(list(points), list(points.values()), marker="o", label=name, color=colour)

    by_count = {count: scaling.of_connections(count) for count in scaling.CONNECTIONS}
    by_size = {size: scaling.of_size(size) for size in scaling.SIZES}
    line(left, hits.REPRISE, by_count, "per_s", OURS)
    line(left, hits.NGINX, by_count, "per_s", THEIRS)
    line(right, hits.REPRISE, by_size, "cpu_us", OURS)
    line(right, scaling.BARE, by_size, "cpu_us", THEIRS)
    for axis, label, title in (
        (left, "connections", "hits: requests a second"),
        (right, "bytes of the request", "hits: CPU a request, microseconds"),
    ):
        axis.set_xscale("log")
        axis.set_xlabel(label, fontsize=8)
        axis.set_title(title, fontsize=9)
        axis.legend(fontsize=8)
        axis.spines[["top", "right"]].set_visible(False)
    left.set_ylim(bottom=0)
    right.set_yscale("log")
    return _saved(figure, file)


def _saved(figure: Figure, file: Path) -> Path:
    figure.tight_layout()
    figure.savefig(file, metadata={"Date": None})
    plt.close(figure)
    return file
