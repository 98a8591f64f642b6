"""Entries as the rows of an SQLite file have them, sealed with their tenants' salts.

A tenant's salt is a row beside the entries. Whoever deletes it has made unreadable all that was
sealed with it, in this file and in copies of its pages that others kept without that row.
Synchronous, for the one thread that opens the file.
"""

import os
import sqlite3
from typing import Final

from proxy.core.changes import ALL_TENANTS
from proxy.core.model import Entry
from proxy.tiers.codec import CodecError
from proxy.tiers.entrycodec import EntryCodec
from proxy.tiers.sealed import MAGIC, SALT_BYTES

SALT_SCHEMA: Final = (
    "CREATE TABLE salts (tenant TEXT PRIMARY KEY, salt BLOB NOT NULL) WITHOUT ROWID",
)


class SaltTable:
    """The salts, on the file's connection and its thread; the file opens the transactions.

    Args:
        database: The file.
        codec: What seals.
    """

    def __init__(self, database: sqlite3.Connection, codec: EntryCodec) -> None:
        self._db = database
        self._codec = codec

    def sealed(self, data: bytes, entry_id: str, tenant: str) -> bytes:
        """An encoded entry as it is stored; its tenant gets a salt if it has none."""
        if self._codec.ring is None:
            return data
        salt = self._of(tenant)
        if salt is None:
            salt = os.urandom(SALT_BYTES)
            self._db.execute("INSERT INTO salts VALUES (?, ?)", (tenant, salt))
        return self._codec.sealed(data, entry_id, tenant, salt)

    def decode(self, entry_id: str, data: bytes) -> Entry:
        """The entry of a row. Raises CodecError when it is unreadable, or another's."""
        try:
            return self._codec.decode(entry_id, data, self._for(data))
        except TypeError as error:  # a damaged file may hold a number
            raise CodecError(str(error)) from error

    def question_of(self, entry_id: str, data: bytes) -> str:
        """The question of a row; "" where there is none."""
        return self._codec.question_of(entry_id, data, self._for(data))

    def forget(self, tenant: str) -> bool:
        """Delete a tenant's salt, or for `ALL_TENANTS` every one. Whether there was one."""
        everybody = tenant == ALL_TENANTS
        deleted = self._db.execute("DELETE FROM salts WHERE ? OR tenant = ?", (everybody, tenant))
        return deleted.rowcount > 0

    def in_clear(self, row: int, limit: int) -> list[tuple[int, str]]:
        """Row and id of entries that are not sealed although they should be, after a row."""
        if self._codec.ring is None:
            return []
        return self._db.execute(
            """SELECT row, id FROM entries WHERE row > ? AND substr(data, 1, ?) != ?
               ORDER BY row LIMIT ?""",
            (row, len(MAGIC), MAGIC, limit),
        ).fetchall()

    def _for(self, data: bytes) -> bytes | None:
        tenant = self._codec.owner_of(data)
        return None if tenant is None else self._of(tenant)

    def _of(self, tenant: str) -> bytes | None:
        row = self._db.execute("SELECT salt FROM salts WHERE tenant = ?", (tenant,)).fetchone()
        return None if row is None else bytes(row[0])
