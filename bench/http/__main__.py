"""Reprise beside nginx and its peers, under one load: `python -m bench.http --help`."""

import argparse
import resource
import shutil
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from rich.box import HEAVY_HEAD, MARKDOWN, Box
from rich.console import Console

from bench.http import (
    bars,
    crowd,
    entries,
    hits,
    misses,
    nginx,
    report,
    scaling,
    semantic,
    shared,
    starting,
    streams,
)
from bench.http.rounds import Bench, Row

WIDTH = 200
"""Columns of a table that is not shown on a terminal."""

Scenario = Callable[[Bench], list[Row]]

WHOLE: dict[str, Scenario] = {
    "hits": lambda bench: hits.measure(bench, (1, 32, 128)),
    "shared": lambda bench: shared.measure(bench, (1, 32)),
    "semantic": semantic.measure,
    "misses": lambda bench: misses.measure(bench, (1, 32)),
    "passthrough": misses.passthrough,
    "streams": streams.measure,
    "crowd": crowd.measure,
    "starting": starting.measure,
    "workers": scaling.workers,
    "growth": scaling.growth,
    "entries": entries.measure,
}

QUICK: dict[str, Scenario] = {
    "hits": lambda bench: hits.measure(bench, (1, 32)),
    "shared": lambda bench: shared.measure(bench, (1,)),
    "misses": lambda bench: misses.measure(bench, (1, 32)),
    "starting": starting.measure,
}


def arguments(given: Sequence[str] | None = None) -> argparse.Namespace:
    """What is asked for."""
    parser = argparse.ArgumentParser(prog="python -m bench.http", description=__doc__)
    parser.add_argument("scenarios", nargs="*", help=f"some of {', '.join(WHOLE)}; all by default")
    parser.add_argument("--quick", action="store_true", help="a minute: short rounds, no peers")
    parser.add_argument("--peers", type=Path, help="folder that peers are installed in")
    parser.add_argument("--seconds", type=int, default=1, help="of a round")
    parser.add_argument("--rounds", type=int, default=5, help="of each target")
    parser.add_argument("--json", type=Path, help="file for all that was measured")
    parser.add_argument("--plot", type=Path, help="folder for pictures")
    parser.add_argument("--markdown", action="store_true", help="tables for a page")
    parser.add_argument("--again", type=Path, help="measure nothing: show such a file")
    return parser.parse_args(given)


def measured(asked: argparse.Namespace, console: Console) -> list[Row]:
    """Every scenario asked for, one after the other."""
    known = QUICK if asked.quick else WHOLE
    unknown = set(asked.scenarios) - set(known)
    if unknown:
        sys.exit(f"no scenario {', '.join(sorted(unknown))}: there are {', '.join(known)}")
    rows: list[Row] = []
    with tempfile.TemporaryDirectory(prefix="reprise-bench-") as name:
        directory = Path(name)
        directory.chmod(0o755)  # nginx's worker is another user where root starts it
        with nginx.origin(directory / "origin") as origin:
            bench = Bench(
                origin,
                directory,
                None if asked.quick else asked.peers,
                1 if asked.quick else asked.seconds,
                2 if asked.quick else asked.rounds,
                all_forms=not asked.quick,
                say=lambda text: console.print(f"[dim]{text}[/dim]"),
            )
            for scenario in asked.scenarios or known:
                found = known[scenario](bench)
                report.shown(console, found, _lines(asked))
                rows += found
    return rows


def _lines(asked: argparse.Namespace) -> Box:
    return MARKDOWN if asked.markdown else HEAVY_HEAD


def main() -> None:
    """Measure, and tell."""
    asked = arguments()
    console = Console(width=None if sys.stdout.isatty() else WIDTH)
    missing = [name for name in ("nginx", "wrk") if shutil.which(name) is None]
    if missing and not asked.again:
        sys.exit(f"{' and '.join(missing)} not on the PATH: `make bench` brings them")
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    where = report.machine()
    rows = report.read(asked.again) if asked.again else measured(asked, console)
    found, lines = bars.held(rows), _lines(asked)
    if asked.again:
        report.shown(console, rows, lines)
    report.judged(console, found, lines)
    if asked.json:
        report.written(asked.json, where, rows, found)
    if asked.plot:
        from bench.http import plot  # noqa: PLC0415 - matplotlib is slow to come

        for file in plot.drawn(rows, asked.plot):
            console.print(f"[dim]{file}[/dim]")


if __name__ == "__main__":
    main()
