"""Where a request's microseconds go, path by path: `python -m bench.profiles --help`."""

import argparse
import shutil
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from bench.http import nginx
from bench.http.reprise import ROOT
from bench.profiles import account, paths, starting
from bench.profiles.account import Account
from bench.profiles.sampling import profiled

TOOL = ROOT / "build/profiles/bin/py-spy"
MODULES = 12
"""Of each path, in the tables."""

ALL = (*paths.ALL, starting.NAME)


def arguments(given: Sequence[str] | None = None) -> argparse.Namespace:
    """What is asked for."""
    parser = argparse.ArgumentParser(prog="python -m bench.profiles", description=__doc__)
    parser.add_argument("paths", nargs="*", help=f"words in their names; all of {ALL} by default")
    parser.add_argument("--root", type=Path, default=ROOT, help="working tree of the program")
    parser.add_argument("--seconds", type=int, default=6, help="of load, without and with samples")
    parser.add_argument("--json", type=Path, help="file to put the accounts into")
    parser.add_argument("--tool", type=Path, default=TOOL, help="py-spy")
    parser.add_argument(
        "--compare", type=Path, nargs=2, help="measure nothing: tables of two files"
    )
    return parser.parse_args(given)


def measured(asked: argparse.Namespace, name: str, directory: Path) -> Account:
    """One path."""
    with nginx.origin(directory / "origin") as origin:
        own = directory / "proxy"
        own.mkdir()
        site = paths.Site(origin, own, asked.root.absolute())
        if name == starting.NAME:
            return starting.started(site, asked.tool)
        with paths.ALL[name](site) as served:
            return profiled(served, asked.seconds, asked.tool)


def main() -> None:
    """Measure, and tell."""
    asked = arguments()
    if asked.compare:
        before, after = map(account.read, asked.compare)
        print(account.compared(before, after, MODULES))
        return
    missing = [name for name in ("nginx", "wrk", asked.tool) if shutil.which(name) is None]
    if missing:
        sys.exit(f"{', '.join(map(str, missing))} missing: `make bench-profiles` brings them")
    for name in ALL:
        if asked.paths and not any(word in name for word in asked.paths):
            continue
        with tempfile.TemporaryDirectory(prefix="reprise-profile-") as folder:
            directory = Path(folder)
            directory.chmod(0o755)  # nginx's worker is another user where root starts it
            found = measured(asked, name, directory)
        print(account.compared({name: found}, {name: found}, MODULES), flush=True)
        if asked.json:
            account.written({name: found}, asked.json)


if __name__ == "__main__":
    main()
