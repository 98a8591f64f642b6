"""What callers said is readable by the program's own user alone."""

import os
import stat
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from proxy import ownfiles
from proxy.core.labels import Mark
from proxy.tiers import snapshot
from proxy.tiers.labels import LabelFile
from proxy.tiers.sqlite import SqliteTier
from proxy.verifying.verdicts import VerdictFile


@pytest.fixture(autouse=True)
def no_umask() -> Iterator[None]:
    """As in a container whose start script said `umask 0`."""
    before = os.umask(0)
    yield
    os.umask(before)


def modes(folder: Path) -> dict[str, int]:
    """Everything below a folder."""
    found = sorted(folder.rglob("*"))
    return {str(one.relative_to(folder)): stat.S_IMODE(one.stat().st_mode) for one in found}


async def test_every_file_is_its_owners_alone(tmp_path: Path) -> None:
    """Entries with their WAL, snapshot, labels and verdicts, in folders that were not there."""
    place = tmp_path / "data" / "deep"
    tier = SqliteTier(place / "entries.db", clock=time.time, on_event=lambda *_, **__: None)
    await tier.start()
    labels = LabelFile(place / "labels.db")
    await labels.mark(Mark("scope", "pair", 1.0))
    await VerdictFile(place / "verdicts.jsonl", "judge").append("a", "b", is_same=True)
    snapshot.write(place / "index", embedder="e", dimension=8, position=None, blocks=())
    made = modes(tmp_path)
    await labels.close()
    await tier.close()

    files = {"entries.db", "entries.db-wal", "entries.db-shm", "labels.db", "verdicts.jsonl"}
    assert {f"data/deep/{name}" for name in {*files, "index"}} <= set(made)
    assert {made.pop("data"), made.pop("data/deep")} == {0o700}
    assert set(made.values()) == {0o600}


def test_what_is_there_keeps_its_mode(tmp_path: Path) -> None:
    """An operator who lets a group read a file or a folder is not overruled."""
    folder, file = tmp_path / "shared", tmp_path / "shared" / "file"
    folder.mkdir(0o750)
    file.touch(0o640)
    os.close(ownfiles.opened(file, os.O_RDWR))

    assert modes(tmp_path) == {"shared": 0o750, "shared/file": 0o640}
