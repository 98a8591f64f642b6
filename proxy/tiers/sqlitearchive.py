"""Whole entries of an SQLite file: read in the order of their ids, and put back."""

import asyncio
import sqlite3
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from proxy.core.changes import Selector
from proxy.core.model import Entry
from proxy.ports import Clock
from proxy.tiers.codec import CodecError
from proxy.tiers.sqlitegenerations import CURRENT
from proxy.tiers.sqlitesalts import SaltTable
from proxy.tiers.sqliteselector import MEANT, values

if TYPE_CHECKING:
    from proxy.tiers.sqlite import SqliteTier
    from proxy.tiers.sqlitefile import EntryFile, Row

SCAN: Final = 1000
"""Rows looked at in one transaction: a few milliseconds that a lookup may have to wait."""

AT_ONCE: Final = 50
"""Entries read in one transaction, for the same reason."""


@dataclass(frozen=True, slots=True)
class _Stretch:
    """Of the file's entries; `after` is the id where to go on, None at the end."""

    entries: list[Entry]
    after: str | None


class ArchiveTable:
    """The entries, on the file's connection and its thread."""

    def __init__(self, database: sqlite3.Connection, salts: SaltTable) -> None:
        self._db = database
        self._salts = salts

    def stretch(self, selector: Selector, after: str, now: float) -> _Stretch:
        """What is meant of the entries whose ids follow; one that is damaged is left out."""
        (last,) = self._db.execute(
            "SELECT max(id) FROM (SELECT id FROM entries WHERE id > ? ORDER BY id LIMIT ?)",
            (after, SCAN),
        ).fetchone()
        if last is None:
            return _Stretch([], None)
        found = self._db.execute(
            # The plus keeps SQLite from walking the index of times, and sorting.
            f"""SELECT id, data FROM entries WHERE id > :after AND id <= :last
                AND +kept_until > :now AND {MEANT} AND {CURRENT} ORDER BY id LIMIT :limit""",  # noqa: S608 - made of constants
            {
                **values(selector, selector.ids or None),
                "after": after,
                "last": last,
                "now": now,
                "limit": AT_ONCE,
            },
        ).fetchall()
        entries = [entry for key, data in found if (entry := self._decoded(key, data))]
        return _Stretch(entries, found[-1][0] if len(found) == AT_ONCE else last)

    def _decoded(self, key: str, data: bytes) -> Entry | None:
        try:
            return self._salts.decode(key, data)
        except CodecError:
            return None

    def is_outdone(self, entry_id: object, created_at: object, now: float) -> bool:
        """Whether an answer that is as new or newer, and not over, is in this entry's place."""
        row = self._db.execute(
            f"""SELECT 1 FROM entries
                WHERE id = ? AND created_at >= ? AND kept_until > ? AND {CURRENT}""",  # noqa: S608 - made of constants
            (entry_id, created_at, now),
        ).fetchone()
        return row is not None


class SqliteArchive:
    """An `Archive` of the file of a tier.

    Args:
        tier: Opens and closes the file.
        clock: The time now.
    """

    def __init__(self, tier: "SqliteTier", *, clock: Clock) -> None:
        self._tier = tier
        self._clock = clock

    async def pages(self, selector: Selector) -> AsyncGenerator[Sequence[Entry]]:
        """What is meant, in the order of the ids, a few at a time."""
        after: str | None = ""
        while after is not None:
            stretch = await self._tier.ask(_stretch, selector, after, self._clock())
            if stretch.entries:
                yield stretch.entries
            after = stretch.after

    async def restore(self, entries: Sequence[Entry]) -> Sequence[bool]:
        """Store and log those that nothing as new outdoes, in one transaction that is synced."""
        rows = await asyncio.to_thread(self._tier.rows_of, entries)
        return await self._tier.ask(_restore, rows, self._clock())


def _stretch(file: "EntryFile", selector: Selector, after: str, now: float) -> _Stretch:
    return file.archive.stretch(selector, after, now)


def _restore(file: "EntryFile", rows: "list[Row]", now: float) -> list[bool]:
    return file.restore(rows, now)
