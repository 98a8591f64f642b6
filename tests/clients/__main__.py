"""Drive the clients and print the matrix: `python -m tests.clients ENVIRONMENTS [NAME...]`.

Names, or their beginnings, choose clients. Ends with status 1 when a cell fails.
"""

import sys
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from tests.clients.driving import DriverError, driver
from tests.clients.matrix import FEATURES, GENERATIVE, Bench, Cell, bench
from tests.clients.roster import CLIENTS, Client

NONE = "-"
LONG = 1200
"""Characters of a failure that are shown, its end: a traceback's is what matters."""


@dataclass(frozen=True, slots=True)
class Row:
    """A client's cells of one API, by feature, and why it has no others."""

    client: str
    api: str
    cells: dict[str, Cell]
    cannot: dict[str, str]


def main(arguments: list[str]) -> int:
    """Run the matrix; returns the exit status."""
    environments, *names = arguments
    chosen = [c for c in CLIENTS if not names or any(map(c.name.startswith, names))]
    console = Console(width=None if sys.stdout.isatty() else 160, highlight=False)
    with tempfile.TemporaryDirectory() as folder, bench(Path(folder)) as running:
        rows: list[Row] = []
        for number, client in enumerate(chosen):
            console.print(client.name, style="dim")
            home = Path(folder) / f"client-{number}"
            try:
                rows += driven(client, running, Path(environments).absolute(), home)
            except (DriverError, OSError) as problem:
                cells = {"plain": Cell("-", "plain", str(problem))}
                rows.append(Row(client.name, "-", cells, {}))
    return report(console, rows)


def driven(client: Client, running: Bench, environments: Path, home: Path) -> Iterator[Row]:
    """Every cell of one client. Raises ValueError where its driver leaves out a feature."""
    with driver(client.command(environments), home) as started:
        apis = dict.fromkeys(cell.partition("/")[0] for cell in (*started.can, *started.cannot))
        for api in apis:
            features = [f"{api}/{feature}" for feature in FEATURES[api]]
            silent = set(features) - {*started.can, *started.cannot, *_whole(api, started.cannot)}
            if silent:
                raise ValueError(f"{client.driver} says nothing of {sorted(silent)}")
            cells = [running.use(client, started, cell) for cell in features if cell in started.can]
            yield Row(
                f"{client.name} {started.version}",
                api,
                {cell.feature: cell for cell in cells},
                {cell: why for cell, why in started.cannot.items() if cell.split("/")[0] == api},
            )


def _whole(api: str, cannot: Iterable[str]) -> list[str]:
    """All features of an API that a client has not at all."""
    return [f"{api}/{feature}" for feature in FEATURES[api]] if api in cannot else []


def report(console: Console, rows: list[Row]) -> int:
    """Print the table, why cells failed, and why there are no others."""
    table = Table("client", "API", *GENERATIVE)
    previous = ""
    for row in (row for row in rows if row.cells):
        shown = [_shown(row, feature) for feature in GENERATIVE]
        table.add_row(row.client if row.client != previous else "", row.api, *shown)
        previous = row.client
    console.print(table)
    failed = [(row, cell) for row in rows for cell in row.cells.values() if cell.problem]
    for row in rows:
        for name, reason in row.cannot.items():
            console.print(f"{row.client}, {name}: {reason}", markup=False)
    for row, cell in failed:
        why = cell.problem if len(cell.problem) < LONG else f"... {cell.problem[-LONG:]}"
        console.print(f"FAILED {row.client}, {cell.api}/{cell.feature}: {why}", markup=False)
    count = sum(len(row.cells) for row in rows)
    console.print(f"{count - len(failed)} of {count} cells passed.")
    return 1 if failed or not count else 0


def _shown(row: Row, feature: str) -> str:
    cell = row.cells.get(feature)
    if cell is not None:
        return "[red]FAIL[/]" if cell.problem else "[green]MISS, HIT[/]"
    return (
        "no: see below" if f"{row.api}/{feature}" in row.cannot or row.api in row.cannot else NONE
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
