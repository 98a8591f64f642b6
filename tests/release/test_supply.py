import re
from pathlib import Path

import pytest

from tests.release.licences import LOCKS, by_licence, pins

ALLOWED = {
    "0BSD",
    "Apache-2.0",
    "BSD",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "CC0-1.0",
    "CNRI-Python",
    "ISC",
    "MIT",
    "MIT-0",
    "MPL-2.0",
    "PSF-2.0",
    "Zlib",
}
"""Licences that ask whoever ships the program for notices at most."""


@pytest.mark.parametrize("lock", sorted(LOCKS.glob("*.txt")), ids=lambda lock: lock.name)
def test_every_requirement_is_held_to_a_hash(lock: Path) -> None:
    """What is installed from a lock is what was there when it was written, byte for byte."""
    found = list(pins(lock))
    lines = [one for one in lock.read_text().splitlines() if re.match(r"[A-Za-z0-9]", one)]

    assert found
    assert len(found) == len(lines)
    assert [package for package, hashes in found if not hashes] == []


def test_licences_are_known_and_ask_for_little() -> None:
    """No dependency binds whoever ships the program to more than notices."""
    told = {
        part: packages
        for name, packages in by_licence().items()
        for part in re.split(r" AND | OR |[()]", name)
        if part
    }

    assert {part: told[part] for part in told.keys() - ALLOWED} == {}


def test_licences_are_listed() -> None:
    """The documentation has a line for each licence, with all packages under it."""
    page = (LOCKS.parents[1] / "docs" / "supply-chain.md").read_text()

    for name, packages in by_licence().items():
        row = re.search(rf"(?m)^\| {re.escape(name)} \| (.*) \|$", page)
        assert row is not None, name
        assert set(packages) <= set(row[1].split(", ")), name
