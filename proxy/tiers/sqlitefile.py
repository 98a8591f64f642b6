"""Entries and their change log in one SQLite file; synchronous, for the one thread that opens it.

Rules of the file: whatever changes entries writes its log records in the same transaction; every
method is one short transaction over at most a page, so that others get their turn in between.

What a crash costs. In WAL mode with `synchronous=NORMAL` a commit is in the page cache: killing the
process loses nothing. A power cut may lose the last commits, never the file's integrity. A lost
answer is asked again, so a put takes that risk; a lost invalidation would serve what was called
wrong, so a purge is synced (`synchronous=FULL`). Each log record carries a random mark which its
position repeats: a reader ahead of a log that lost its end, or that reads a restored backup or
another file, is told to start anew rather than given another history.
"""

import os
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from proxy import ownfiles
from proxy.core.changes import Changes, Selector
from proxy.core.model import Entry, Lease
from proxy.errors import TierError
from proxy.tiers import sqlitewrites
from proxy.tiers.codec import CodecError
from proxy.tiers.entrycodec import EntryCodec
from proxy.tiers.sqlitearchive import ArchiveTable
from proxy.tiers.sqlitecatalogue import EntryTable
from proxy.tiers.sqliteembedders import EMBEDDER_SCHEMA, EmbedderTable
from proxy.tiers.sqlitegenerations import CURRENT, GENERATION_SCHEMA, GenerationTable
from proxy.tiers.sqliteleases import LEASE_SCHEMA, LeaseTable
from proxy.tiers.sqlitelog import LogTable
from proxy.tiers.sqlitepresence import PRESENCE_SCHEMA, ReplicaTable
from proxy.tiers.sqlitesalts import SALT_SCHEMA, SaltTable
from proxy.tiers.sqliteselector import MEANT, as_json, values

Row = tuple[Any, ...]

SCHEMA_VERSION: Final = 8
NOTHING: Final = (0, -1)
"""What `EntryFile.news` is told by who has not looked yet: the first look is news."""
PAGE: Final = 256
"""Rows deleted in one transaction: a few milliseconds that a read may have to wait."""
SCAN: Final = 1000
"""Rows a purge looks at in one transaction, for the same reason."""
REMEMBERED_S: Final = 7 * 86400.0
"""How long a purged namespace's number is kept: no call to the origin is under way for longer."""
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

_WIPE: Final = "PRAGMA secure_delete = ON"
"""What is deleted is written over: a salt, and what was in clear."""

# `data` is last: a scan then reads a row's first page and not the answer's overflow pages.
# AUTOINCREMENT: a position must never be given to a second record.
_SCHEMA: Final = (
    """CREATE TABLE entries (
        row INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, scope TEXT NOT NULL,
        tenant TEXT NOT NULL, namespace TEXT NOT NULL, model TEXT NOT NULL,
        created_at REAL NOT NULL, kept_until REAL NOT NULL, indexed INTEGER NOT NULL,
        tags TEXT NOT NULL, data BLOB NOT NULL)""",
    "CREATE INDEX entries_kept_until ON entries (kept_until)",
    """CREATE TABLE log (
        seq INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL, added INTEGER NOT NULL,
        mark INTEGER NOT NULL DEFAULT (random()), invalidated INTEGER NOT NULL DEFAULT 0)""",
    *LEASE_SCHEMA,
)

_INVALIDATED: Final = "ALTER TABLE log ADD COLUMN invalidated INTEGER NOT NULL DEFAULT 0"
_PRINCIPAL: Final = "ALTER TABLE entries ADD COLUMN principal TEXT NOT NULL DEFAULT ''"
_SELECTOR: Final = (
    "ALTER TABLE log DROP COLUMN invalidated",
    "ALTER TABLE log ADD COLUMN selector BLOB",
)
_MIGRATIONS: Final = {
    1: LEASE_SCHEMA,
    2: (_INVALIDATED,),
    3: PRESENCE_SCHEMA,
    4: (*GENERATION_SCHEMA, *_SELECTOR),
    5: EMBEDDER_SCHEMA,
    6: (_PRINCIPAL,),
    7: SALT_SCHEMA,
}
"""What makes a file of that version one of the next. A new file begins as `_SCHEMA`, version 3."""

_PUT: Final = """INSERT INTO entries
    (id, scope, tenant, namespace, model, created_at, kept_until, indexed, tags, data, principal,
     generation)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
    ON CONFLICT (id) DO UPDATE SET scope = excluded.scope, tenant = excluded.tenant,
    namespace = excluded.namespace, model = excluded.model, created_at = excluded.created_at,
    kept_until = excluded.kept_until, indexed = excluded.indexed, tags = excluded.tags,
    data = excluded.data, principal = excluded.principal, generation = excluded.generation"""


class EntryFile:
    """An open file.

    Args:
        path: The file; it and its directory are made when missing, for this user alone.
        on_unreadable: Told why, when an entry is skipped because its bytes are not whole.
        codec: From entries to bytes and back.
        busy_timeout_s: Longest wait for another process's transaction.

    Raises:
        TierError: It is of a newer schema.
        sqlite3.Error, OSError: It cannot be opened or written, or is no database.
    """

    def __init__(
        self,
        path: Path,
        *,
        on_unreadable: Callable[[str], None],
        codec: EntryCodec,
        busy_timeout_s: float,
    ) -> None:
        self._on_unreadable = on_unreadable
        self._in_clear_after: int | None = 0 if codec.ring is not None else None
        # Made before SQLite does, for its mode; the WAL takes its mode from the file.
        descriptor = ownfiles.opened(path, os.O_RDWR)
        self._path, self._opened = path, os.fstat(descriptor)
        os.close(descriptor)
        self._db = sqlite3.connect(path, timeout=busy_timeout_s, isolation_level=None)
        try:
            for pragma in _PRAGMAS if codec.ring is None else (*_PRAGMAS, _WIPE):
                self._db.execute(pragma)
            with _transaction(self._db):  # also proves that the file can be written
                _prepare(self._db)
        except BaseException:
            self._db.close()
            raise
        self.leases = LeaseTable(self._db)
        self.salts = SaltTable(self._db, codec)
        self.log = LogTable(self._db, self._decode, codec)
        self.generations = GenerationTable(self._db)
        self.table = EntryTable(self._db, self.salts)
        self.archive = ArchiveTable(self._db, self.salts)
        self.embedders = EmbedderTable(self._db, self.salts)
        self.replicas = ReplicaTable(self._db)

    @property
    def is_in_place(self) -> bool:
        """Whether its path still leads to the file that is open."""
        try:
            return os.path.samestat(self._opened, self._path.stat())
        except FileNotFoundError:
            return False

    def is_read_only(self) -> bool:
        """Whether it can be read, and not written. Raises sqlite3.Error when it is locked."""
        return sqlitewrites.are_refused(self._db) and bool(self.log.head())

    def close(self) -> None:
        """Write out the WAL, unless another process is reading it, and close."""
        with suppress(sqlite3.Error):
            self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        self._db.close()

    def get(self, scope: str, key: str, now: float) -> Entry | None:
        """The entry of this key if it is in this scope, kept past `now`, and not purged."""
        row = self._db.execute(
            f"""SELECT data, generation FROM entries
                WHERE id = ? AND scope = ? AND kept_until > ? AND {CURRENT}""",  # noqa: S608 - made of constants
            (key, scope, now),
        ).fetchone()
        entry = None if row is None else self._decode(key, row[0])
        if entry is None or entry.scope != scope or entry.kept_until <= now:
            return None  # of a sealed entry no column is believed that says more than it does
        return replace(entry, generation=row[1])

    def get_each(self, asked: Sequence[tuple[str, str]], now: float) -> list[Entry | None]:
        """The same of several, each a scope and a key."""
        return [self.get(scope, key, now) for scope, key in asked]

    def _decode(self, key: str, data: bytes) -> Entry | None:
        """The entry, or None when it is unreadable or another's; the next put mends it."""
        try:
            return self.salts.decode(key, data)
        except CodecError as error:
            self._on_unreadable(str(error))
            return None

    def news(self, seen: tuple[int, int]) -> tuple[int, int]:
        """A number that changes when another connection has committed, and the log's last record.

        The second is looked at only when the first is not the one that was seen.
        """
        (version,) = self._db.execute("PRAGMA data_version").fetchone()
        if version == seen[0]:
            return seen
        (last,) = self._db.execute("SELECT max(seq) FROM log").fetchone()
        return version, last or 0

    def put(self, rows: Sequence[tuple[Row, Lease | None]]) -> list[str]:
        """Store and log entries, all or none of them; returns the log's position with them.

        "" of one whose lease has passed on, or whose namespace was purged after it was asked.
        """
        with _transaction(self._db):
            stored = [self._put(row, lease) for row, lease in rows]
            position = self.log.head()
        return [position if is_stored else "" for is_stored in stored]

    def restore(self, rows: Sequence[Row], now: float) -> list[bool]:
        """Store and log entries but for those that an answer as new outdoes; synced to disk."""
        with self._synced(), _transaction(self._db):
            return [
                not self.archive.is_outdone(row[0], row[5], now) and self._put(row, None)
                for row in rows
            ]

    @contextmanager
    def _synced(self) -> Iterator[None]:
        """What is committed inside the block is on the disk, whatever happens to the machine."""
        self._db.execute("PRAGMA synchronous = FULL")
        try:
            yield
        finally:
            self._db.execute("PRAGMA synchronous = NORMAL")

    def _put(self, row: Row, lease: Lease | None) -> bool:
        if lease is not None and self.leases.has_passed_on(lease):
            return False
        *about, data, principal, generation = row
        entry_id, tenant, namespace, is_indexed = (about[at] for at in (0, 2, 3, 7))
        if generation is None:
            generation = self.generations.newest()
        elif self.generations.of(tenant, namespace) > generation:
            return False
        if is_indexed:
            self.log.add([entry_id], is_added=True)
        elif self._db.execute("SELECT 1 FROM entries WHERE id = ?", (entry_id,)).fetchone():
            # The entry it replaces may be in an index, and is in session tiers.
            self.log.add([entry_id], is_added=False)
        sealed = self.salts.sealed(data, entry_id, tenant)
        self._db.execute(_PUT, (*about, sealed, principal, generation))
        return True

    def _delete(self, rows: Sequence[tuple[int, str]]) -> None:
        self._db.executemany("DELETE FROM entries WHERE row = ?", [(row,) for row, _ in rows])
        self.log.add([entry_id for _, entry_id in rows], is_added=False)

    def forget(self, selector: Selector) -> None:
        """Log that this is forgotten: what is under way, and what waits elsewhere.

        Of a whole tenant nothing can be read from now on.
        """
        if not selector.is_tenant:
            self.log.forget(selector)
            return
        with self._synced(), _transaction(self._db):
            self.log.forget(selector)
            had_salt = self.salts.forget(selector.tenant)
        if had_salt:
            self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()

    def purge_namespace(self, selector: Selector, now: float) -> int:
        """Forget a whole namespace, and log it. Returns the purge's number."""
        with self._synced(), _transaction(self._db):
            number = self.generations.purge(selector.tenant, selector.namespace or "", now)
            self.log.forget(selector)
        return number

    def purge_ids(self, selector: Selector, *, dry_run: bool) -> list[str]:
        """Delete and log those of its ids that the selector means. Returns them."""
        # Their index finds them; the condition alone would read every row.
        where = f"id IN (SELECT value FROM json_each(:ids)) AND {MEANT}"  # noqa: S608 - made of constants
        given = values(selector, selector.ids)
        return self._purge(where, given, None if dry_run else selector, dry_run=dry_run)

    def purge_after(
        self, selector: Selector, row: int, *, dry_run: bool
    ) -> tuple[list[str], int | None]:
        """Delete and log what the selector means in the page after a row.

        Returns the ids, and the row to go on after; None at the end.
        """
        last = self._db.execute(
            "SELECT max(row) FROM (SELECT row FROM entries WHERE row > ? ORDER BY row LIMIT ?)",
            (row, SCAN),
        ).fetchone()[0]
        if last is None:
            return [], None
        page = {**values(selector), "after": row, "last": last}
        where = f"row > :after AND row <= :last AND {MEANT}"
        return self._purge(where, page, None, dry_run=dry_run), last

    def _purge(
        self, where: str, given: dict[str, object], told: Selector | None, *, dry_run: bool
    ) -> list[str]:
        query = f"SELECT row, id FROM entries WHERE {where} AND {CURRENT}"  # noqa: S608 - made of constants
        if dry_run:
            return [entry_id for _, entry_id in self._db.execute(query, given)]
        with self._synced(), _transaction(self._db):
            if told is not None:
                self.log.forget(told)
            rows = self._db.execute(query, given).fetchall()
            self._delete(rows)
        return [entry_id for _, entry_id in rows]

    def expire(self, now: float) -> int:
        """Delete and log a page of entries that nobody may be answered with. Returns how many."""
        with _transaction(self._db):
            rows = self._db.execute(
                "SELECT row, id FROM entries WHERE kept_until <= ? LIMIT ?", (now, PAGE)
            ).fetchall()
            rows = rows or self.generations.outdated(PAGE) or self._in_clear()
            self._delete(rows)
            if not rows:
                self.generations.swept(now - REMEMBERED_S)
        return len(rows)

    def _in_clear(self) -> list[tuple[int, str]]:
        """A page of what was stored before there was a key ring; looked for once, from the start.

        Nobody is answered with it, and it may not stay where it can be read.
        """
        if self._in_clear_after is None:
            return []
        rows = self.salts.in_clear(self._in_clear_after, PAGE)
        self._in_clear_after = rows[-1][0] if rows else None
        return rows

    def trim(self, records: int) -> int:
        """Drop a page of the log's oldest records, keeping so many. Returns how many went."""
        with _transaction(self._db):
            return self._db.execute(
                """DELETE FROM log WHERE seq <= (SELECT max(seq) FROM log) - ?
                   AND seq < (SELECT min(seq) FROM log) + ?""",
                (records, SCAN),
            ).rowcount

    def tidy(self, now: float) -> None:
        """Forget old leases, give space back to the disk, and move the WAL into the file."""
        self.leases.sweep(now)
        # Each step frees one page and gives no row, so `execute` would stop after the first.
        self._db.executescript(f"PRAGMA incremental_vacuum({VACUUM_PAGES})")
        self._db.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()

    def changes(self, after: str | None, limit: int, now: float) -> Changes:
        """The log after a position, `limit` records or entries at once; see `LogTable.changes`."""
        if after is not None and after == self.log.head():
            return Changes((), after)
        with _transaction(self._db, "DEFERRED"):  # one view of entries and log
            return self.log.changes(after, limit, now)


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
    if version not in range(SCHEMA_VERSION + 1):
        raise TierError(f"sqlite: the file has schema {version}, this program {SCHEMA_VERSION}")
    steps: list[tuple[str, ...]] = [] if version else [_SCHEMA]
    steps += [_MIGRATIONS[before] for before in range(version or 3, SCHEMA_VERSION)]
    for statement in (statement for step in steps for statement in step):
        connection.execute(statement)
    connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")


def row_of(codec: EntryCodec, entry: Entry) -> Row:
    """What `put` takes. Raises ValueError for a private entry, CodecError for one without bytes."""
    return (
        entry.id,
        entry.scope,
        entry.tenant,
        entry.namespace,
        entry.model,
        entry.created_at,
        entry.kept_until,
        entry.vector is not None,
        as_json(entry.tags),
        codec.encode(entry),
        entry.principal,
        entry.generation,
    )
