"""Tables, and JSON for what reads them next."""

import json
import os
import platform
import statistics
import subprocess
from collections.abc import Sequence
from pathlib import Path

from rich.box import HEAVY_HEAD, Box
from rich.console import Console
from rich.table import Table

from bench.http.bars import Held
from bench.http.rounds import Row

MEASURES = {
    "per_s": "requests/s",
    "p50_us": "p50 us",
    "p99_us": "p99 us",
    "first_us": "first byte us",
    "cpu_us": "CPU us/request",
    "chunk_us": "CPU us/chunk",
    "memory_mib": "MiB",
    "start_s": "start s",
    "well_s": "all well s",
    "lag_p50_us": "probe p50 us",
    "lag_p99_us": "probe p99 us",
    "idle_p99_us": "idle probe p99 us",
    "kb_a_stream": "KB/stream",
    "entry_b": "bytes/entry",
    "seconds": "seconds",
}
"""What a row may hold, as a table names it."""

FINE = 10
"""Below it a number is told to two places."""


def number(value: float) -> str:
    """Short."""
    return f"{value:,.2f}" if abs(value) < FINE else f"{value:,.0f}"


def spread(numbers: Sequence[float]) -> str:
    """Median, and least and most where there are several."""
    middle = number(statistics.median(numbers))
    if len(numbers) == 1:
        return middle
    return f"{middle} [dim]({number(min(numbers))}-{number(max(numbers))})[/dim]"


def shown(console: Console, rows: Sequence[Row], lines: Box = HEAVY_HEAD) -> None:
    """A table for each scenario, drawn with such lines."""
    for scenario in dict.fromkeys(row.scenario for row in rows):
        own = [row for row in rows if row.scenario == scenario]
        measures = [name for name in MEASURES if any(row.values.get(name) for row in own)]
        table = Table(title=scenario, title_justify="left", title_style="bold", box=lines)
        table.add_column("target")
        for name in measures:
            table.add_column(MEASURES[name], justify="right")
        table.add_column("trouble", style="red")
        for row in own:
            cells = [spread(row.values[name]) if row.values.get(name) else "" for name in measures]
            table.add_row(row.target, *cells, row.trouble[:200])
        console.print(table)


def judged(console: Console, found: Sequence[Held], lines: Box = HEAVY_HEAD) -> None:
    """Bars beside what was measured."""
    table = Table(title="Bars", title_justify="left", title_style="bold", box=lines)
    for name in ("bar", "measured", "over the rounds", "is to be", ""):
        table.add_column(name, justify="left" if name == "bar" else "right")
    for one in found:
        bar = one.bar
        limit = f"{'>=' if bar.least else '<='} {bar.limit:g} {bar.unit}"
        over = f"{number(one.low)}-{number(one.high)}"
        word = "[green]met[/green]" if one.is_met else "[red]missed[/red]"
        table.add_row(bar.what, f"{number(one.measured)} {bar.unit}", over, limit, word)
    console.print(table)


def machine() -> dict[str, object]:
    """Where it was measured."""
    models = [
        line.partition(":")[2].strip()
        for line in Path("/proc/cpuinfo").read_text().splitlines()
        if line.startswith("model name")
    ]
    said = subprocess.run(["nginx", "-v"], capture_output=True, text=True, check=False).stderr  # noqa: S607
    return {
        "processors": os.cpu_count(),
        "model": models[0] if models else platform.machine(),
        "load_before": os.getloadavg()[0],
        "python": platform.python_version(),
        "nginx": said.strip().rpartition("/")[2],
    }


def written(
    file: Path, where: dict[str, object], rows: Sequence[Row], found: Sequence[Held]
) -> None:
    """All of it as JSON."""
    told = {
        "machine": where,
        "rows": [
            {
                "scenario": row.scenario,
                "target": row.target,
                "trouble": row.trouble,
                "rounds": {name: list(numbers) for name, numbers in row.values.items()},
            }
            for row in rows
        ],
        "bars": [
            {
                "what": one.bar.what,
                "measured": one.measured,
                "low": one.low,
                "high": one.high,
                "limit": one.bar.limit,
                "least": one.bar.least,
                "unit": one.bar.unit,
                "met": one.is_met,
            }
            for one in found
        ],
    }
    file.write_text(json.dumps(told, indent=1) + "\n")


def read(file: Path) -> list[Row]:
    """Rows that were written."""
    told = json.loads(file.read_text())["rows"]
    return [Row(one["scenario"], one["target"], one["rounds"], one["trouble"]) for one in told]
