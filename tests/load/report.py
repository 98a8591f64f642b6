"""Tells a run: a table, JSON, and a picture."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import matplotlib as mpl
from matplotlib import pyplot as plt
from rich.console import Console
from rich.table import Table

from tests.load.verdicts import Verdict
from tests.load.watching import Watch

mpl.use("svg")


def tell(verdicts: Sequence[Verdict], watch: Watch, folder: Path, name: str) -> None:
    """The table on the terminal, the rest as `NAME.json` and `NAME.svg`."""
    table = Table("", "measured", "bar", "met")
    for one in verdicts:
        table.add_row(one.name, one.measured, one.bar, "yes" if one.is_met else "NO")
    Console(width=150).print(table)
    folder.mkdir(parents=True, exist_ok=True)
    whole = {
        "verdicts": [asdict(one) for one in verdicts],
        "readings": [
            {
                "at": one.at,
                "pss_mib": one.pss_mib,
                "rss_mib": one.rss_mib,
                "anonymous_mib": one.anonymous_mib,
                "descriptors": one.descriptors,
            }
            for one in watch.readings
        ],
    }
    (folder / f"{name}.json").write_text(json.dumps(whole, indent=1))
    _draw(watch, folder / f"{name}.svg")


def _draw(watch: Watch, file: Path) -> None:
    minutes = [one.at / 60 for one in watch.readings]
    figure, axes = plt.subplots(3, 1, figsize=(9, 6), sharex=True)
    shown = {
        "memory (PSS), MiB": [one.pss_mib for one in watch.readings],
        "descriptors": [float(one.descriptors) for one in watch.readings],
        "entries in memory": watch.values('reprise_tier_entries{tier="vector"}'),
    }
    for axis, (title, values) in zip(axes, shown.items(), strict=True):
        axis.plot(minutes, values, linewidth=1)
        axis.set_ylabel(title, fontsize=8)
        axis.set_ylim(bottom=0)
    axes[-1].set_xlabel("minutes")
    figure.tight_layout()
    figure.savefig(file, metadata={"Date": None})
    plt.close(figure)
