"""What can become of an SQLite file, and of the disk that it is on."""

import asyncio
import resource
import shutil
import sqlite3
from contextlib import closing

from tests.faults.fault import Fault, Step, shared_is_away
from tests.faults.place import Place


def _locked(place: Place) -> sqlite3.Connection:
    other = sqlite3.connect(place.file, isolation_level=None, check_same_thread=False)
    other.execute("BEGIN IMMEDIATE")
    return other


async def _lock(place: Place) -> None:
    place.lock = await asyncio.to_thread(_locked, place)


async def _unlock(place: Place) -> None:
    assert place.lock is not None
    place.lock.close()


def _limit_files_to(size: int) -> Step:
    async def limit(place: Place) -> None:
        limits = (size, resource.RLIM_INFINITY)
        resource.prlimit(place.program.child.pid, resource.RLIMIT_FSIZE, limits)

    return limit


def _spoil_pages(place: Place) -> None:
    """Put noise in place of all pages but the first, and have no other copy of them anywhere."""
    with closing(sqlite3.connect(place.file, isolation_level=None)) as other:
        other.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        page, pages = (
            other.execute(f"PRAGMA {name}").fetchone()[0] for name in ("page_size", "page_count")
        )
        shutil.copyfile(place.file, place.file.with_suffix(".backup"))
        with place.file.open("r+b") as file:
            file.seek(page)
            file.write(b"\xa5" * page * (pages - 1))
        # Whoever has read pages before must read them again.
        version = other.execute("PRAGMA user_version").fetchone()[0]
        other.execute(f"PRAGMA user_version = {version}")


async def _spoil(place: Place) -> None:
    await asyncio.to_thread(_spoil_pages, place)


async def _put_back(place: Place) -> None:
    _remove_all(place)
    place.file.with_suffix(".backup").replace(place.file)


def _remove_all(place: Place) -> None:
    for ending in ("", "-wal", "-shm"):
        place.file.with_name(place.file.name + ending).unlink(missing_ok=True)


async def _delete(place: Place) -> None:
    _remove_all(place)


async def _forbid(place: Place) -> None:
    await place.stop()
    place.file.chmod(0o400)
    await place.start()


async def _allow(place: Place) -> None:
    place.file.chmod(0o600)


FAULTS = (
    Fault(
        name="the file may not be written, from the start",
        begin=_forbid,
        end=_allow,
        part="shared",
        events=frozenset({"breaker_opened"}),
        hits=frozenset({"session"}),
        recovers="a probe finds that it may; what was answered meanwhile is written",
    ),
    shared_is_away(
        name="another process holds the file's lock",
        begin=_lock,
        end=_unlock,
        recovers="a probe finds it free; what was answered meanwhile is written",
    ),
    Fault(
        name="the disk is full",
        begin=_limit_files_to(1),
        end=_limit_files_to(resource.RLIM_INFINITY),
        part="shared",
        events=frozenset({"writes_refused"}),
        recovers="the next write is taken; so is what waits",
    ),
    shared_is_away(
        name="pages of the file are overwritten",
        begin=_spoil,
        end=_put_back,
        recovers="a probe opens the file that was put in its place",
    ),
    Fault(
        name="the file is deleted",
        begin=_delete,
        events=frozenset({"file_replaced"}),
        hits=frozenset({"session"}),
        recovers="a new file is made; what was in the old one is forgotten everywhere",
        loses=True,
    ),
)
