"""Fuzz every parser, guided by what of it was reached (atheris, libFuzzer): `make fuzz`.

Each target has a process of its own, since libFuzzer ends the one that it runs in. What it reaches
is kept in a folder between runs; what breaks a parser is written beside it, and belongs into
`tests/fuzz/corpus/` once the parser is mended.
"""

import argparse
import os
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import atheris
from rich.console import Console

with atheris.instrument_imports(include=["proxy"]):
    from tests.fuzz.target import CORPUS, Target
    from tests.fuzz.targets import BY_NAME

SLOWEST_S: Final = 10
"""An input that takes longer is a finding, too."""


def main() -> int:
    """Fuzz; the exit status says whether something was found."""
    asked = argparse.ArgumentParser(prog="tests.fuzz", description=__doc__)
    asked.add_argument("folder", type=Path, help="where what was reached and found is kept")
    asked.add_argument("targets", nargs="*", metavar="target", help="all, if none is named")
    asked.add_argument("--seconds", type=float, default=60, help="over all of them")
    asked.add_argument("--runs", type=int, default=-1, help="of each, whatever time it takes")
    asked.add_argument("--jobs", type=int, default=1, help="targets at once")
    given = asked.parse_args()
    names = given.targets or list(BY_NAME)
    each_s = 0 if given.runs >= 0 else max(1, round(given.seconds * given.jobs / len(names)))
    limits = {"max_total_time": each_s, "runs": given.runs}
    under_way: dict[int, str] = {}
    broken = 0
    for name in names:
        if len(under_way) == given.jobs:
            broken += _ended(under_way, given.folder)
        under_way[_begun(BY_NAME[name], given.folder, limits)] = name
    while under_way:
        broken += _ended(under_way, given.folder)
    return int(broken > 0)


def _begun(target: Target, folder: Path, limits: dict[str, Any]) -> int:
    """The id of the process that fuzzes this one."""
    reached, found = folder / "reached" / target.name, folder / "found" / target.name
    for one in (reached, found):
        one.mkdir(parents=True, exist_ok=True)
    if child := os.fork():
        return child
    log = os.open(_log(folder, target.name), os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(log, 1)
    os.dup2(log, 2)
    _fuzz(target, [str(reached), str(CORPUS / target.name)], found, limits)
    raise SystemExit


def _fuzz(target: Target, folders: Sequence[str], found: Path, limits: dict[str, Any]) -> None:
    options = {
        **limits,
        "max_len": target.longest,
        "timeout": SLOWEST_S,
        "rss_limit_mb": 0,
        "print_final_stats": 1,
        "artifact_prefix": f"{found}/",
    }
    flags = [f"-{flag}={value}" for flag, value in options.items()]
    atheris.Setup([sys.argv[0], *flags, *folders], target.try_)
    atheris.Fuzz()


def _ended(under_way: dict[int, str], folder: Path) -> bool:
    """Wait for one to end; whether it found something."""
    child, status = os.wait()
    name = under_way.pop(child)
    log = _log(folder, name)
    done = re.search(r"number_of_executed_units: *(\d+)", log.read_text(errors="replace"))
    count = f"{int(done[1]):,}" if done else "no"
    Console().print(f"{name:28} {count:>12} runs  {log if status else ''}", highlight=False)
    return status != 0


def _log(folder: Path, name: str) -> Path:
    return folder / "found" / f"{name}.log"


if __name__ == "__main__":
    sys.exit(main())
