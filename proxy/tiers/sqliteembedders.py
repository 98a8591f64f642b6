"""Which embedders are in use, and new vectors for stored entries, in an SQLite file."""

import asyncio
import sqlite3
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from proxy.core.model import Entry
from proxy.core.reembedding import Known, Standing, announced, doubted, dumps, loads, standing
from proxy.ports import Clock
from proxy.tiers.sqlitegenerations import CURRENT
from proxy.tiers.sqlitesalts import SaltTable

if TYPE_CHECKING:
    from proxy.tiers.sqlite import SqliteTier
    from proxy.tiers.sqlitefile import EntryFile

EMBEDDER_SCHEMA: Final = (
    "CREATE TABLE embedders (row INTEGER PRIMARY KEY CHECK (row = 1), record BLOB NOT NULL)",
)

_REPLACE: Final = f"""UPDATE entries SET data = ?, indexed = ?
    WHERE id = ? AND created_at = ? AND {CURRENT}"""  # noqa: S608 - made of constants


class EmbedderTable:
    """The record of embedders, and the entries, on the file's connection and its thread."""

    def __init__(self, database: sqlite3.Connection, salts: SaltTable) -> None:
        self._db = database
        self._salts = salts

    def announce(self, embedder: str, now: float, *, has_all: bool) -> Standing:
        """Write down that it is in use, in one transaction."""
        known = self._become(lambda known: announced(known, embedder, now, has_all=has_all))
        return standing(known, embedder)

    def doubt(self) -> None:
        """Write down that nobody is known to have all, in one transaction."""
        self._become(doubted)

    def _become(self, change: Callable[[Known], Known]) -> Known:
        self._db.execute("BEGIN IMMEDIATE")
        try:
            row = self._db.execute("SELECT record FROM embedders").fetchone()
            known = change(loads(row and row[0]))
            self._db.execute("INSERT OR REPLACE INTO embedders VALUES (1, ?)", (dumps(known),))
            self._db.execute("COMMIT")
        except BaseException:
            self._roll_back()
            raise
        return known

    def replace(self, entry: Entry, data: bytes) -> bool:
        """Other bytes for the very answer that is there, logged in the same transaction."""
        self._db.execute("BEGIN IMMEDIATE")
        try:
            sealed = self._salts.sealed(data, entry.id, entry.tenant)
            row = sealed, entry.vector is not None, entry.id, entry.created_at
            replaced = self._db.execute(_REPLACE, row)
            is_there = replaced.rowcount > 0
            if is_there:
                self._db.execute("INSERT INTO log (id, added) VALUES (?, 1)", (entry.id,))
            self._db.execute("COMMIT")
        except BaseException:
            self._roll_back()
            raise
        return is_there

    def _roll_back(self) -> None:
        with suppress(sqlite3.Error):  # a full disk has rolled back already
            self._db.execute("ROLLBACK")


class SqliteEmbedders:
    """`Embedders` in the file of a tier.

    Args:
        tier: Opens and closes the file.
        clock: The machine's time.
    """

    def __init__(self, tier: "SqliteTier", *, clock: Clock) -> None:
        self._tier = tier
        self._clock = clock

    async def announce(self, embedder: str, *, has_all: bool = False) -> Standing:
        """Say that it is in use; what that means for who uses it."""
        now = self._clock()

        def announce(file: "EntryFile") -> Standing:
            return file.embedders.announce(embedder, now, has_all=has_all)

        return await self._tier.ask(announce)

    async def doubt(self) -> None:
        """Say that entries have come whose vectors may be another embedder's."""

        def doubt(file: "EntryFile") -> None:
            file.embedders.doubt()

        await self._tier.ask(doubt)

    async def replace(self, entry: Entry) -> bool:
        """Give the stored answer this vector; False where that answer is no longer there."""
        data = await asyncio.to_thread(self._tier.codec.encode, entry)

        def replace(file: "EntryFile") -> bool:
            return file.embedders.replace(entry, data)

        return await self._tier.ask(replace)
