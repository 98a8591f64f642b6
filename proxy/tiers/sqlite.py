"""The shared tier in one file: for one machine, with no server to run.

Rules of the file: the connection lives on its own thread and methods named `_on_thread_...` run
there, so the event loop never waits for a disk; whatever changes entries writes its log records in
the same transaction; every transaction is short, so a purge of many pages lets reads through.

What a crash costs. In WAL mode with `synchronous=NORMAL` a commit is in the page cache: killing the
process loses nothing. A power cut may lose the last commits, never the file's integrity. A lost
answer is asked again, so a put takes that risk; a lost invalidation would serve what was called
wrong, so a purge is synced (`synchronous=FULL`) before it returns. Each log record carries a random
mark that its position repeats, so a reader ahead of a log that lost its end, or of a restored
backup, is told to start anew rather than given another history.

Several processes may open one file; writers queue for `busy_timeout_s`.
"""

import asyncio
import os
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Lock
from typing import Final, TypeVar

import orjson

from proxy.core.model import ALL_TENANTS, Added, Changes, Entry, Removed, Selector
from proxy.errors import TierError
from proxy.ports import Clock
from proxy.tiers import OnEvent
from proxy.tiers.codec import CodecError, decode, encode

T = TypeVar("T")

SCHEMA_VERSION: Final = 1
PAGE: Final = 256
"""Rows deleted in one transaction: a few milliseconds that a read may have to wait."""
SCAN: Final = 1000
"""Rows a purge looks at in one transaction, for the same reason."""
VACUUM_PAGES: Final = 2000
"""File pages given back to the disk by one `expire`."""

# auto_vacuum must come before WAL, which writes the file's header.
_PRAGMAS: Final = (
    "PRAGMA auto_vacuum = INCREMENTAL",
    "PRAGMA journal_mode = WAL",
    "PRAGMA synchronous = NORMAL",
    # `expire` checkpoints; this bounds the WAL should nobody call it.
    "PRAGMA wal_autocheckpoint = 4000",
    "PRAGMA journal_size_limit = 67108864",
)

# `data` is last: a scan then reads a row's first page and not the answer's overflow pages.
# AUTOINCREMENT: a position must never be given to a second record.
_SCHEMA: Final = (
    """CREATE TABLE entries (
        row INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, scope TEXT NOT NULL,
        tenant TEXT NOT NULL, namespace TEXT NOT NULL, model TEXT NOT NULL,
        created_at REAL NOT NULL, kept_until REAL NOT NULL, embedder TEXT NOT NULL,
        tags TEXT NOT NULL, data BLOB NOT NULL)""",
    "CREATE INDEX entries_kept_until ON entries (kept_until)",
    """CREATE TABLE log (
        seq INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL, added INTEGER NOT NULL,
        mark INTEGER NOT NULL DEFAULT (random()))""",
    f"PRAGMA user_version = {SCHEMA_VERSION}",
)

_PUT: Final = """INSERT INTO entries
    (id, scope, tenant, namespace, model, created_at, kept_until, embedder, tags, data)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
    ON CONFLICT (id) DO UPDATE SET scope = excluded.scope, tenant = excluded.tenant,
    namespace = excluded.namespace, model = excluded.model, created_at = excluded.created_at,
    kept_until = excluded.kept_until, embedder = excluded.embedder, tags = excluded.tags,
    data = excluded.data"""

_MEANT: Final = """(:tenant IS NULL OR tenant = :tenant)
    AND (:ids IS NULL OR id IN (SELECT value FROM json_each(:ids)))
    AND (:tags IS NULL OR EXISTS (SELECT 1 FROM json_each(entries.tags) AS held
         JOIN json_each(:tags) AS meant ON held.value = meant.value))
    AND (:scope IS NULL OR scope = :scope)
    AND (:model IS NULL OR model = :model)
    AND (:namespace IS NULL OR namespace = :namespace)
    AND (:older_than IS NULL OR created_at < :older_than)"""


class SqliteTier:
    """A `SharedTier` in an SQLite file.

    Args:
        path: The file; it and its directory are made at `start`, for this user alone.
        clock: The time now.
        on_event: Hears `entry_unreadable`.
        log_records: Change log records kept; a reader further behind starts anew.
        busy_timeout_s: Longest wait for another process's transaction.
    """

    def __init__(
        self,
        path: Path,
        *,
        clock: Clock,
        on_event: OnEvent,
        log_records: int = 100_000,
        busy_timeout_s: float = 5.0,
    ) -> None:
        self._path = path
        self._clock = clock
        self._on_event = on_event
        self._log_records = max(1, log_records)
        self._busy_timeout_s = busy_timeout_s
        self._thread: ThreadPoolExecutor | None = None
        self._connection: sqlite3.Connection | None = None
        self._waiting_lock = Lock()
        self._waiting: list[tuple[object, ...]] = []
        self._flight: asyncio.Future[None] | None = None

    async def start(self) -> None:
        """Open the file, or open it anew: a file that was replaced or mended is used from now on.

        Raises:
            TierError: It cannot be opened or written, is no database, or is of a newer schema.
        """
        if self._thread is None:
            self._thread = ThreadPoolExecutor(1, "sqlite")
        await self._run(self._on_thread_open)

    async def close(self) -> None:
        """Write out the WAL and close, after what is already waiting. Not started: a no-op."""
        thread, self._thread = self._thread, None
        if thread is not None:
            loop = asyncio.get_running_loop()
            closing = loop.run_in_executor(thread, self._on_thread_close)
            thread.shutdown(wait=False)
            await asyncio.shield(closing)

    async def get(self, scope: str, key: str) -> Entry | None:
        """The entry of this key if it is in this scope and not past `kept_until`."""
        return await self._run(self._on_thread_get, scope, key)

    async def put(self, entry: Entry) -> None:
        """Store and log it in one transaction, which puts that wait at the same time share.

        Raises:
            ValueError: The entry is private.
            TierError: It could not be written; nor could the others of its transaction.
        """
        row = _row(entry)
        with self._waiting_lock:
            if not self._waiting or self._flight is None:
                # Nobody joins a flight that has left: it takes the list when it runs.
                self._flight = self._submit(self._on_thread_write_waiting)
            self._waiting.append(row)
            flight = self._flight
        await asyncio.shield(flight)  # one caller who leaves must not cancel the others' write

    async def purge(self, selector: Selector, *, dry_run: bool = False) -> Sequence[str]:
        """Delete and log what the selector means, page by page; synced to disk on return."""
        if selector.ids:
            ids = list(dict.fromkeys(selector.ids))
            pages = [ids[at : at + PAGE] for at in range(0, len(ids), PAGE)]
            found = [
                await self._run(self._on_thread_purge_ids, selector, page, dry_run)
                for page in pages
            ]
            return [entry_id for page in found for entry_id in page]
        purged: list[str] = []
        row: int | None = 0
        while row is not None:
            page, row = await self._run(self._on_thread_purge_after, selector, row, dry_run)
            purged += page
        return purged

    async def expire(self, now: float) -> int:
        """Delete and log entries past `kept_until`, trim the log, and give space back."""
        expired = 0
        while page := await self._run(self._on_thread_expire, now):
            expired += page
        while await self._run(self._on_thread_trim):
            pass
        await self._run(self._on_thread_tidy)
        return expired

    async def changes(self, after: str | None, limit: int) -> Changes:
        """The log after a position, `limit` records or entries at once.

        A position is `seq.mark` of the last record read, and `seq.mark.row` while a reader that
        starts anew is being given all entries: what changes under it comes after `seq`.
        """
        return await self._run(self._on_thread_changes, after, max(1, limit))

    async def _run(self, work: Callable[..., T], *args: object) -> T:
        return await self._submit(work, *args)

    def _submit(self, work: Callable[..., T], *args: object) -> "asyncio.Future[T]":
        if self._thread is None:
            raise TierError("sqlite: not started")
        return asyncio.get_running_loop().run_in_executor(self._thread, _mapped, work, *args)

    # From here on: the tier's own thread.

    @property
    def _db(self) -> sqlite3.Connection:
        if self._connection is None:
            raise TierError("sqlite: not open")
        return self._connection

    def _on_thread_open(self) -> None:
        self._on_thread_close()
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        # Made before SQLite does, for its mode; the WAL takes its mode from the file.
        os.close(os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600))
        connection = sqlite3.connect(self._path, timeout=self._busy_timeout_s, isolation_level=None)
        try:
            for pragma in _PRAGMAS:
                connection.execute(pragma)
            with _transaction(connection):  # also proves that the file can be written
                _prepare(connection)
        except BaseException:
            connection.close()
            raise
        self._connection = connection

    def _on_thread_close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(sqlite3.Error):  # another process may be reading; its close will do it
                connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            connection.close()

    def _on_thread_get(self, scope: str, key: str) -> Entry | None:
        row = self._db.execute(
            "SELECT data FROM entries WHERE id = ? AND scope = ? AND kept_until > ?",
            (key, scope, self._clock()),
        ).fetchone()
        entry = None if row is None else self._decode(key, row[0])
        return entry if entry is not None and entry.scope == scope else None

    def _decode(self, key: str, data: bytes) -> Entry | None:
        """The entry, or None when it is unreadable or another's: the next put mends it."""
        try:
            entry = decode(data)
            if entry.id != key:
                raise CodecError("entry is another's")
        except (CodecError, TypeError) as error:
            self._on_event("entry_unreadable", tier="sqlite", reason=str(error))
            return None
        return entry

    def _on_thread_write_waiting(self) -> None:
        with self._waiting_lock:
            rows, self._waiting = self._waiting, []
        with _transaction(self._db):
            for row in rows:
                self._write(row)

    def _write(self, row: tuple[object, ...]) -> None:
        entry_id, embedder = row[0], row[7]
        if embedder:
            self._log([entry_id], added=True)
        elif self._db.execute("SELECT 1 FROM entries WHERE id = ?", (entry_id,)).fetchone():
            # The entry it replaces may be in an index, and is in session tiers.
            self._log([entry_id], added=False)
        self._db.execute(_PUT, row)

    def _log(self, ids: Sequence[object], *, added: bool) -> None:
        self._db.executemany(
            "INSERT INTO log (id, added) VALUES (?, ?)", [(entry_id, added) for entry_id in ids]
        )

    def _delete(self, rows: Sequence[tuple[int, str]]) -> None:
        self._db.executemany("DELETE FROM entries WHERE row = ?", [(row,) for row, _ in rows])
        self._log([entry_id for _, entry_id in rows], added=False)

    def _on_thread_purge_ids(self, selector: Selector, ids: list[str], dry_run: bool) -> list[str]:
        return self._purge(_MEANT, {**_meant(selector), "ids": _json(ids)}, dry_run)

    def _on_thread_purge_after(
        self, selector: Selector, row: int, dry_run: bool
    ) -> tuple[list[str], int | None]:
        last = self._db.execute(
            "SELECT max(row) FROM (SELECT row FROM entries WHERE row > ? ORDER BY row LIMIT ?)",
            (row, SCAN),
        ).fetchone()[0]
        if last is None:
            return [], None
        page = {**_meant(selector), "after": row, "last": last}
        return self._purge(f"row > :after AND row <= :last AND {_MEANT}", page, dry_run), last

    def _purge(self, where: str, values: dict[str, object], dry_run: bool) -> list[str]:
        query = f"SELECT row, id FROM entries WHERE {where}"  # noqa: S608 - made of constants
        if dry_run:
            return [entry_id for _, entry_id in self._db.execute(query, values)]
        self._db.execute("PRAGMA synchronous = FULL")
        try:
            with _transaction(self._db):
                rows = self._db.execute(query, values).fetchall()
                self._delete(rows)
        finally:
            self._db.execute("PRAGMA synchronous = NORMAL")
        return [entry_id for _, entry_id in rows]

    def _on_thread_expire(self, now: float) -> int:
        with _transaction(self._db):
            rows = self._db.execute(
                "SELECT row, id FROM entries WHERE kept_until <= ? LIMIT ?", (now, PAGE)
            ).fetchall()
            self._delete(rows)
        return len(rows)

    def _on_thread_trim(self) -> int:
        with _transaction(self._db):
            return self._db.execute(
                """DELETE FROM log WHERE seq <= (SELECT max(seq) FROM log) - ?
                   AND seq < (SELECT min(seq) FROM log) + ?""",
                (self._log_records, SCAN),
            ).rowcount

    def _on_thread_tidy(self) -> None:
        # Each step frees one page, so the statement must be run to its end.
        self._db.execute(f"PRAGMA incremental_vacuum({VACUUM_PAGES})").fetchall()
        self._db.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()

    def _on_thread_changes(self, after: str | None, limit: int) -> Changes:
        with _transaction(self._db, "DEFERRED"):  # one view of entries and log
            position = self._held(after)
            if position is None:
                return self._scan(self._head(), 0, limit, reset=True)
            seq, row = position
            if row is not None and after is not None:
                return self._scan(after.rpartition(".")[0], row, limit)
            return self._tail(seq, limit)

    def _head(self) -> str:
        last = self._db.execute("SELECT seq, mark FROM log ORDER BY seq DESC LIMIT 1").fetchone()
        return "0.0" if last is None else f"{last[0]}.{last[1]}"

    def _held(self, after: str | None) -> tuple[int, int | None] | None:
        """The position's seq, and its row if it is in a scan; None when it is not of this log."""
        try:
            seq, mark, *row = map(int, (after or "").split("."))
            known = self._db.execute("SELECT mark FROM log WHERE seq = ?", (seq,)).fetchone()
        except (ValueError, OverflowError):
            return None
        is_start = seq == 0 and self._head() == "0.0"  # nothing was ever logged, then or now
        if len(row) > 1 or not (is_start or known == (mark,)):
            return None
        return seq, row[0] if row else None

    def _scan(self, head: str, row: int, limit: int, *, reset: bool = False) -> Changes:
        rows = self._db.execute(
            """SELECT row, id, data FROM entries WHERE row > ? AND embedder != ''
               AND kept_until > ? ORDER BY row LIMIT ?""",
            (row, self._clock(), limit),
        ).fetchall()
        items = tuple(item for _, key, data in rows if (item := self._added(key, data)))
        if len(rows) == limit:
            return Changes(items, f"{head}.{rows[-1][0]}", reset=reset, more=True)
        return Changes(items, head, reset=reset, more=head != self._head())

    def _tail(self, seq: int, limit: int) -> Changes:
        records = self._db.execute(
            """SELECT log.seq, log.mark, log.id, added, data FROM log
               LEFT JOIN entries ON added AND entries.id = log.id AND embedder != ''
               AND kept_until > ? WHERE seq > ? ORDER BY seq LIMIT ?""",
            (self._clock(), seq, limit),
        ).fetchall()
        items: list[Added | Removed] = []
        for _, _, key, is_added, data in records:
            # An added entry that is gone since has its removal further on.
            item = self._added(key, data) if is_added else Removed(key)
            items += [item] if item else []
        position = f"{records[-1][0]}.{records[-1][1]}" if records else self._head()
        return Changes(tuple(items), position, more=position != self._head())

    def _added(self, key: str, data: bytes | None) -> Added | None:
        entry = None if data is None else self._decode(key, data)
        if entry is None or entry.vector is None:
            return None
        return Added(
            entry.id, entry.scope, entry.question, entry.vector, entry.embedder, entry.kept_until
        )


def _mapped(work: Callable[..., T], *args: object) -> T:
    try:
        return work(*args)
    except (sqlite3.Error, OSError) as error:
        raise TierError(f"sqlite: {error}") from error


@contextmanager
def _transaction(connection: sqlite3.Connection, kind: str = "IMMEDIATE") -> Iterator[None]:
    # IMMEDIATE: a writer queues here, where the busy timeout holds, and not in mid-transaction.
    connection.execute(f"BEGIN {kind}")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        with suppress(sqlite3.Error):  # a full disk has rolled back already
            connection.execute("ROLLBACK")
        raise


def _prepare(connection: sqlite3.Connection) -> None:
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    if version == 0:
        for statement in _SCHEMA:
            connection.execute(statement)
    elif version != SCHEMA_VERSION:
        raise TierError(f"sqlite: the file has schema {version}, this program {SCHEMA_VERSION}")


def _row(entry: Entry) -> tuple[object, ...]:
    return (
        entry.id,
        entry.scope,
        entry.tenant,
        entry.namespace,
        entry.model,
        entry.created_at,
        entry.kept_until,
        "" if entry.vector is None else entry.embedder,
        _json(entry.tags),
        encode(entry),
    )


def _json(values: Sequence[str]) -> str:
    return orjson.dumps(values).decode()


def _meant(selector: Selector) -> dict[str, object]:
    return {
        "tenant": None if selector.tenant == ALL_TENANTS else selector.tenant,
        "ids": None,
        "tags": _json(selector.tags) if selector.tags else None,
        "scope": selector.scope,
        "model": selector.model,
        "namespace": selector.namespace,
        "older_than": selector.older_than,
    }
