"""Under which licences the program's dependencies stand: `python -m tests.release.licences`."""

import re
import sys
from collections import defaultdict
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from typing import Final

LOCKS: Final = Path(__file__).parents[2] / "deploy" / "requirements"

_PIN: Final = re.compile(r"(?m)^([A-Za-z0-9._-]+)==[^\n\\]+(?:\\\n\s+--hash=[^\n\\]+)*")
_USUAL: Final = {
    "3-Clause BSD License": "BSD-3-Clause",
    "Apache Software License": "Apache-2.0",
    "BSD License": "BSD",
    "ISC License (ISCL)": "ISC",
    "MIT License": "MIT",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
    "Python Software Foundation License": "PSF-2.0",
}
"""SPDX's names of those that packages call otherwise."""


def pins(lock: Path) -> Iterator[tuple[str, int]]:
    """(package, number of hashes) of each line of a lock."""
    for found in _PIN.finditer(lock.read_text()):
        yield found[1], found[0].count("--hash=sha256:")


def licence(package: str) -> str | None:
    """As the installed package says it, in SPDX's names; None where it is not installed here."""
    try:
        said = metadata.metadata(package)
    except metadata.PackageNotFoundError:
        return None
    if "License-Expression" in said:
        return said["License-Expression"]
    classifiers = [one for one in said.get_all("Classifier", []) if one.startswith("License ::")]
    names = [one.rpartition(" :: ")[2] for one in classifiers]
    if not names and "License" in said:
        names = said["License"].splitlines()[:1]
    return " OR ".join(_USUAL.get(name, name) for name in names) or "unknown"


def by_licence() -> dict[str, list[str]]:
    """Licence -> packages of the program's lock that are installed here."""
    found: dict[str, list[str]] = defaultdict(list)
    for package in sorted({name for name, _ in pins(LOCKS / "run.txt")}):
        if (name := licence(package)) is not None:
            found[name].append(package)
    return dict(sorted(found.items()))


def table() -> str:
    """The same, as a table for docs/supply-chain.md."""
    rows = [f"| {name} | {', '.join(packages)} |" for name, packages in by_licence().items()]
    return "\n".join(["| licence | packages |", "|---|---|", *rows])


if __name__ == "__main__":
    sys.stdout.write(f"{table()}\n")
