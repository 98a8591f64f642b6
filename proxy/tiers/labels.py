"""Comparisons and marked pairs in one SQLite file of their own.

Rules of the file: SQLite is touched on its own thread only, so the event loop never waits for a
disk; the file is made by the first write, so that who learns nothing keeps nothing; what is beyond
the bounds goes, the oldest first. What teaches nothing is in a table of its own: near misses are
many, and must not push out what proves hits.

A label lost in a power cut is learned again. A mark is somebody's complaint, so it is synced.
"""

import asyncio
import os
import sqlite3
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import astuple
from pathlib import Path
from typing import Any, Final, TypeVar

from proxy import ownfiles
from proxy.core.labels import LABELS, MARKS, Kept, Kind, Mark, Sample
from proxy.core.trusting import Lesson, Rule
from proxy.errors import TierError

T = TypeVar("T")

SCHEMA_VERSION: Final = 2

SLACK: Final = 500
"""Rows over a bound before the oldest go: one round of deleting for so many."""

BUSY_S: Final = 1.0
"""How long to wait for another process that writes: whoever gives feedback waits for it too."""

_COLUMNS: Final = (
    "tenant, namespace, model, stands, scorer, max_error, at, "
    "entry, score, correct, drawn, proposed, kind, clear, share, similarity, age"
)

_LABELS: Final = """(
    row INTEGER PRIMARY KEY, tenant TEXT NOT NULL, namespace TEXT NOT NULL, model TEXT NOT NULL,
    stands INTEGER NOT NULL, scorer TEXT NOT NULL, max_error REAL NOT NULL, at REAL NOT NULL,
    entry TEXT NOT NULL, score REAL NOT NULL, correct INTEGER NOT NULL, drawn INTEGER NOT NULL,
    proposed TEXT NOT NULL)"""

_SAMPLE: Final = ("kind TEXT", "clear INTEGER", "share REAL", "similarity REAL", "age REAL")

_MIGRATIONS: Final = (
    (
        f"CREATE TABLE labels {_LABELS}",
        """CREATE TABLE marks (
            row INTEGER PRIMARY KEY, scope TEXT NOT NULL, pair TEXT NOT NULL, at REAL NOT NULL,
            UNIQUE (scope, pair))""",
    ),
    (
        f"CREATE TABLE passed {_LABELS}",
        *(f"ALTER TABLE labels ADD COLUMN {column}" for column in _SAMPLE),
        *(f"ALTER TABLE passed ADD COLUMN {column}" for column in _SAMPLE),
    ),
)
"""What makes each version of the one before; the first of nothing."""

_PLACES: Final = ", ".join("?" * len(_COLUMNS.split(",")))
_NO_SAMPLE: Final = (None,) * len(_SAMPLE)
_COLUMNS_OF_1: Final = _COLUMNS.replace(
    "kind, clear, share, similarity, age", ", ".join(["NULL"] * len(_SAMPLE))
)


class LabelFile:
    """A `LabelStore` in an SQLite file.

    Args:
        path: The file; made by the first write, with its directory, for this user alone.
        labels: Labels kept; and as many comparisons that teach nothing.
        marks: Marked pairs kept.
    """

    def __init__(self, path: Path, *, labels: int = LABELS, marks: int = MARKS) -> None:
        self._path = path
        self._bounds = {"labels": labels, "passed": labels, "marks": marks}
        self._over = dict.fromkeys(self._bounds, 0)
        self._thread: ThreadPoolExecutor | None = None
        self._db: sqlite3.Connection | None = None

    async def load(self) -> tuple[Sequence[Kept], Sequence[Mark]]:
        """What is kept, the oldest first; where there is no file, nothing, and none is made.

        Raises:
            TierError: It cannot be read, is no database, or is of a newer schema.
        """
        return await self._submit(self._load)

    async def compared(self) -> Sequence[Kept]:
        """All comparisons that are kept, the oldest first; where there is no file, none.

        The file is left as it is, of whatever version it is. Raises TierError.
        """
        return await self._submit(self._compared)

    async def add(self, kept: Kept) -> None:
        """Keep one more. Raises TierError."""
        await self._submit(self._add, kept)

    async def mark(self, mark: Mark) -> None:
        """Keep one more, or a known one anew; synced to disk on return. Raises TierError."""
        await self._submit(self._mark, mark)

    async def close(self) -> None:
        """Close after what is already waiting has been written. Never used: a no-op."""
        thread, self._thread = self._thread, None
        if thread is not None:
            closing = asyncio.get_running_loop().run_in_executor(thread, self._close)
            thread.shutdown(wait=False)
            await asyncio.shield(closing)

    def _submit(self, work: Callable[..., T], *args: object) -> "asyncio.Future[T]":
        if self._thread is None:
            self._thread = ThreadPoolExecutor(1, "labels")
        return asyncio.get_running_loop().run_in_executor(self._thread, _mapped, work, *args)

    # From here on: the file's own thread.

    def _opened(self) -> sqlite3.Connection:
        if self._db is None:
            # Made before SQLite does, for its mode.
            os.close(ownfiles.opened(self._path, os.O_RDWR))
            database = sqlite3.connect(self._path, timeout=BUSY_S, isolation_level=None)
            try:
                _prepare(database)
            except BaseException:
                database.close()
                raise
            self._db = database
        return self._db

    def _close(self) -> None:
        database, self._db = self._db, None
        if database is not None:
            database.close()

    def _load(self) -> tuple[list[Kept], list[Mark]]:
        if not self._path.exists():
            return [], []
        database = self._opened()
        labels = self._newest(database, "labels")
        marks = database.execute(
            "SELECT scope, pair, at FROM marks ORDER BY row DESC LIMIT ?", (self._bounds["marks"],)
        ).fetchall()
        return labels, [Mark(*row) for row in reversed(marks)]

    def _newest(
        self, database: sqlite3.Connection, table: str, columns: str = _COLUMNS
    ) -> list[Kept]:
        rows = database.execute(
            f"SELECT {columns} FROM {table} ORDER BY row DESC LIMIT ?",  # noqa: S608 - ours
            (self._bounds[table],),
        ).fetchall()
        return [_kept(*row) for row in reversed(rows)]

    def _compared(self) -> list[Kept]:
        if not self._path.exists():
            return []
        uri = f"{self._path.absolute().as_uri()}?mode=ro"
        with closing(sqlite3.connect(uri, uri=True, timeout=BUSY_S)) as database:
            match _version(database):
                case 1:
                    return self._newest(database, "labels", _COLUMNS_OF_1)
                case version if version == SCHEMA_VERSION:
                    found = [*self._newest(database, "labels"), *self._newest(database, "passed")]
                    return sorted(found, key=lambda kept: kept.at)
                case version:
                    raise _unknown(version)

    def _add(self, kept: Kept) -> None:
        lesson, sample = kept.lesson, kept.sample
        table = "labels" if kept.teaches else "passed"
        self._opened().execute(
            f"INSERT INTO {table} ({_COLUMNS}) VALUES ({_PLACES})",  # noqa: S608 - ours
            (
                kept.tenant,
                kept.namespace,
                kept.model,
                kept.stands,
                kept.scorer,
                kept.max_error,
                kept.at,
                lesson.entry,
                lesson.score,
                lesson.right,
                lesson.drawn,
                " ".join(sorted(lesson.proposed)),
                *(_NO_SAMPLE if sample is None else astuple(sample)),
            ),
        )
        self._trim(table)

    def _mark(self, mark: Mark) -> None:
        database = self._opened()
        database.execute("PRAGMA synchronous = FULL")
        try:
            database.execute(
                "INSERT OR REPLACE INTO marks (scope, pair, at) VALUES (?, ?, ?)",
                (mark.scope, mark.pair, mark.at),
            )
        finally:
            database.execute("PRAGMA synchronous = NORMAL")
        self._trim("marks")

    def _trim(self, table: str) -> None:
        self._over[table] += 1
        if self._over[table] < SLACK:
            return
        self._over[table] = 0
        self._opened().execute(
            f"""DELETE FROM {table} WHERE row <=
                (SELECT row FROM {table} ORDER BY row DESC LIMIT 1 OFFSET ?)""",  # noqa: S608 - ours
            (self._bounds[table],),
        )


def _prepare(database: sqlite3.Connection) -> None:
    database.execute("PRAGMA journal_mode = WAL")
    database.execute("PRAGMA synchronous = NORMAL")
    if _version(database) < SCHEMA_VERSION:
        database.execute("BEGIN IMMEDIATE")
        # Read again: another process may have made it meanwhile.
        for statements in _MIGRATIONS[_version(database) :]:
            for statement in statements:
                database.execute(statement)
        if _version(database) < SCHEMA_VERSION:
            database.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
        database.execute("COMMIT")
    if (version := _version(database)) != SCHEMA_VERSION:
        raise _unknown(version)


def _unknown(version: int) -> TierError:
    return TierError(f"labels: the file has schema {version}, this program {SCHEMA_VERSION}")


def _version(database: sqlite3.Connection) -> int:
    return int(database.execute("PRAGMA user_version").fetchone()[0])


def _kept(*row: Any) -> Kept:  # noqa: ANN401 - a row of `_COLUMNS`
    tenant, namespace, model, stands, scorer, max_error, at, *learned = row
    entry, score, correct, drawn, proposed, *about = learned
    rules = frozenset(rule for rule in Rule if rule in proposed.split())
    lesson = Lesson(entry, score, bool(correct), bool(drawn), rules)
    return Kept(
        tenant, namespace, model, bool(stands), lesson, scorer, max_error, at, _sample(*about)
    )


def _sample(kind: Any, clear: Any, share: Any, similarity: Any, age: Any) -> Sample | None:  # noqa: ANN401 - a row's end
    if kind is None:
        return None
    return Sample(Kind(kind), bool(clear), share, similarity, age)


def _mapped(work: Callable[..., T], *args: object) -> T:
    try:
        return work(*args)
    except (sqlite3.Error, OSError) as error:
        raise TierError(f"labels: {error}") from error
