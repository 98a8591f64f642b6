"""A calibration, drawn: in the terminal by uniplot, as a PNG by matplotlib. Both are extras."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Report = dict[str, Any]
"""Of `proxy.measuring.calibration.report`."""

MISSING = (
    "No plot: it needs matplotlib and uniplot, which come with the extra: "
    "pip install 'reprise[calibrate]'"
)

MODES = {"unverified": "threshold", "verified": "min_probability"}
"""The key that decides in each of a report's fits."""

WIDTH, HEIGHT = 64, 14
"""Of the plot in the terminal, characters."""


def terminal_plot(fit: Report, key: str) -> str | None:
    """Precision (which rises) and served share (which falls) by what decides; None without uniplot.

    Args:
        fit: One of the report's fits.
        key: What decides in it, of `MODES`.
    """
    try:
        from uniplot import plot_to_string  # noqa: PLC0415 - an extra
    except ImportError:
        return None
    points = [row for row in fit["table"] if row["precision"] is not None]
    least = [row[key] for row in points]
    drawn: str = plot_to_string(
        ys=[[row["precision"] for row in points], [row["served_share"] for row in points]],
        xs=[least, least],
        lines=True,
        width=WIDTH,
        height=HEIGHT,
        y_min=0,
        y_max=1,
        title=f"by {key}",
        legend_labels=["precision", "served of good"],
        color=False,
    )
    return drawn


def png(report: Report, path: Path) -> None:
    """Write the curves of every fit. Raises ImportError without matplotlib, OSError as `open` does.

    One panel has precision over served share; one for each fit has the share of wrong hits, and its
    bound, over what decides, with the target and the value chosen.
    """
    from matplotlib.figure import Figure  # noqa: PLC0415 - an extra

    fits = {name: report[name] for name in MODES if report[name] is not None}
    figure = Figure(figsize=(5 * (1 + len(fits)), 4.5), layout="constrained")
    curves, *panels = figure.subplots(1, 1 + len(fits))
    for name, fit in fits.items():
        points = [row for row in fit["table"] if row["precision"] is not None]
        curves.plot(_column(points, "served_share"), _column(points, "precision"), ".-", label=name)
    curves.set(xlabel="served of good pairs", ylabel="precision of hits", xlim=(0, 1))
    curves.legend()
    for panel, (name, fit) in zip(panels, fits.items(), strict=True):
        _draw_errors(panel, fit, MODES[name], report["aim"])
        panel.set_title(name)
    for axes in (curves, *panels):
        axes.grid(alpha=0.3)
    figure.suptitle(f"{report['embedder']}, {report['verifier'] or 'no verifier'}", fontsize=9)
    figure.savefig(path, format="png", dpi=120)


def _draw_errors(axes: "Axes", fit: Report, key: str, aim: Report) -> None:
    points = [row for row in fit["table"] if row["wrong_share"] is not None]
    least = _column(points, key)
    axes.plot(least, _column(points, "wrong_share"), ".-", label="wrong of hits")
    axes.plot(least, _column(points, "bound"), "--", label=f"bound at {aim['confidence']:.0%}")
    axes.axhline(aim["wrong_share"], color="black", linewidth=0.8, label="target")
    if fit["setting"] is not None:
        axes.axvline(fit["setting"][key], color="green", linewidth=0.8, label="chosen")
    # The bound of a handful of hits is near 1, and would flatten all the rest.
    top = 1.2 * max([2 * aim["wrong_share"], *_column(points, "wrong_share")])
    axes.set(xlabel=key, ylabel="share of hits", ylim=(0, top))
    axes.legend()


def _column(rows: Sequence[Report], key: str) -> list[float]:
    return [row[key] for row in rows]
