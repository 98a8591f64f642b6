"""Purges of whole namespaces in an SQLite file; synchronous, for the one thread that opens it.

A purge writes one number, whatever the namespace holds. An entry is stamped with the newest number
that was known when the origin was asked for it; where its namespace has a newer one, nobody is
answered with it any more, and `sweep` removes it.
"""

import sqlite3
from typing import Final

from proxy.core.changes import ALL_TENANTS

_EVERYBODY: Final = f"'{ALL_TENANTS}'"

GENERATION_SCHEMA: Final = (
    """CREATE TABLE generations (
        namespace TEXT NOT NULL, tenant TEXT NOT NULL, number INTEGER NOT NULL,
        is_swept INTEGER NOT NULL DEFAULT 0, PRIMARY KEY (namespace, tenant)) WITHOUT ROWID""",
    "CREATE INDEX generations_number ON generations (number)",
    "ALTER TABLE entries ADD COLUMN generation INTEGER NOT NULL DEFAULT 0",
    "CREATE INDEX entries_generation ON entries (namespace, generation)",
)
"""`number` is microseconds since the epoch, so that a file that has lost some begins none anew."""

CURRENT: Final = f"""NOT EXISTS (SELECT 1 FROM generations AS purged
    WHERE purged.namespace = entries.namespace AND purged.tenant IN ({_EVERYBODY}, entries.tenant)
    AND purged.number > entries.generation)"""  # noqa: S608 - made of constants
"""A condition on the table `entries`: no purge of its namespace means it."""

_OUTDATED: Final = f"""FROM generations AS purged JOIN entries
    ON entries.namespace = purged.namespace AND entries.generation < purged.number
    WHERE NOT purged.is_swept AND purged.tenant IN ({_EVERYBODY}, entries.tenant)"""


class GenerationTable:
    """The purges, on the file's connection and its thread; the file opens the transactions."""

    def __init__(self, database: sqlite3.Connection) -> None:
        self._db = database

    def newest(self) -> int:
        """The number of the newest purge; 0 where there was none."""
        (number,) = self._db.execute("SELECT max(number) FROM generations").fetchone()
        return number or 0

    def of(self, tenant: str, namespace: str) -> int:
        """The newest purge that means this tenant's entries of this namespace."""
        (number,) = self._db.execute(
            "SELECT max(number) FROM generations WHERE namespace = ? AND tenant IN (?, ?)",
            (namespace, ALL_TENANTS, tenant),
        ).fetchone()
        return number or 0

    def purge(self, tenant: str, namespace: str, now: float) -> int:
        """Purge a namespace, of one tenant or of `ALL_TENANTS`. Returns the purge's number."""
        number = max(int(now * 1e6), self.newest() + 1)
        self._db.execute(
            """INSERT INTO generations (namespace, tenant, number) VALUES (?, ?, ?)
               ON CONFLICT DO UPDATE SET number = excluded.number, is_swept = 0""",
            (namespace, tenant, number),
        )
        return number

    def outdated(self, limit: int) -> list[tuple[int, str]]:
        """Row and id of some entries that a purge means and that are there yet."""
        return self._db.execute(
            f"SELECT DISTINCT entries.row, entries.id {_OUTDATED} LIMIT ?",
            (limit,),
        ).fetchall()

    def count(self) -> int:
        """How many such entries there are."""
        (count,) = self._db.execute(f"SELECT count(DISTINCT entries.row) {_OUTDATED}").fetchone()
        return int(count)

    def swept(self, until: float) -> None:
        """None is left. Purges before that time can be met by no call that is under way."""
        self._db.execute("UPDATE generations SET is_swept = 1 WHERE NOT is_swept")
        until_number = min(int(until * 1e6), self.newest())  # which the next must exceed
        self._db.execute("DELETE FROM generations WHERE number < ?", (until_number,))
