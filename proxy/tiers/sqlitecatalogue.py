"""The list of the entries in an SQLite file, page by page."""

import sqlite3
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from proxy.core.cataloguing import Description, Page, described, mentions
from proxy.core.changes import Selector
from proxy.ports import Clock
from proxy.tiers.codec import CodecError
from proxy.tiers.sqlitegenerations import CURRENT, GenerationTable
from proxy.tiers.sqlitesalts import SaltTable
from proxy.tiers.sqliteselector import MEANT, values

if TYPE_CHECKING:
    from proxy.tiers.sqlite import SqliteTier
    from proxy.tiers.sqlitefile import EntryFile

SCAN: Final = 1000
"""Rows looked at in one transaction: a few milliseconds that a lookup may have to wait."""

AT_ONCE: Final = 50
"""Entries read in one transaction, for the same reason."""

LOOKS: Final = 100
"""Transactions for one page: where little is meant, it ends with less than was asked for."""

LAST_ROW: Final = 2**63 - 1


@dataclass(frozen=True, slots=True)
class _Stretch:
    """Of the file's rows; `row` is where to go on, None at the end."""

    items: list[Description]
    row: int | None


class EntryTable:
    """The entries, on the file's connection and its thread."""

    def __init__(self, database: sqlite3.Connection, salts: SaltTable) -> None:
        self._db = database
        self._salts = salts
        database.create_function("mentions", 3, self._mentions)

    def stretch(
        self, selector: Selector, row: int, limit: int, now: float, text: str | None = None
    ) -> _Stretch:
        """What is meant in the next rows, at most `limit` of them."""
        (last,) = self._db.execute(
            "SELECT max(row) FROM (SELECT row FROM entries WHERE row > ? ORDER BY row LIMIT ?)",
            (row, SCAN),
        ).fetchone()
        if last is None:
            return _Stretch([], None)
        found = self._db.execute(
            f"""SELECT row, id, data FROM entries WHERE row > :after AND row <= :last
                AND kept_until > :now AND {MEANT} AND {CURRENT}
                AND (:text IS NULL OR mentions(id, data, :text)) ORDER BY row LIMIT :limit""",  # noqa: S608 - made of constants
            {
                **values(selector, selector.ids or None),
                "after": row,
                "last": last,
                "now": now,
                "limit": limit,
                "text": text,
            },
        ).fetchall()
        items = [item for _, key, data in found if (item := self._description(key, data))]
        return _Stretch(items, found[-1][0] if len(found) == limit else last)

    def find(self, entry_id: str, now: float) -> Description | None:
        """One of them."""
        row = self._db.execute(
            f"SELECT data FROM entries WHERE id = ? AND kept_until > ? AND {CURRENT}",  # noqa: S608 - made of constants
            (entry_id, now),
        ).fetchone()
        return None if row is None else self._description(entry_id, row[0])

    def _mentions(self, key: str, data: bytes, text: str) -> bool:
        return mentions(self._salts.question_of(key, data), text)

    def _description(self, key: str, data: bytes) -> Description | None:
        """None of one that nobody can be answered with."""
        try:
            return described(self._salts.decode(key, data))
        except CodecError:
            return None

    def count(self) -> int:
        """How many there are."""
        (count,) = self._db.execute("SELECT count(*) FROM entries").fetchone()
        return int(count) - GenerationTable(self._db).count()


class SqliteCatalogue:
    """A `Catalogue` of the file of a tier.

    Args:
        tier: Opens and closes the file.
        clock: The time now.
    """

    def __init__(self, tier: "SqliteTier", *, clock: Clock) -> None:
        self._tier = tier
        self._clock = clock

    async def page(
        self, selector: Selector, cursor: str | None, limit: int, *, text: str | None = None
    ) -> Page | None:
        """The entries that are meant, oldest first, after a row: that is what a cursor is."""
        row = _row(cursor)
        if row is None:
            return None
        items: list[Description] = []
        for _ in range(LOOKS):
            most = min(AT_ONCE, limit - len(items))
            stretch = await self._tier.ask(_stretch, selector, row, most, self._clock(), text)
            items += stretch.items
            if stretch.row is None:
                return Page(tuple(items), None)
            row = stretch.row
            if len(items) >= limit:
                break
        return Page(tuple(items), str(row))

    async def find(self, entry_id: str) -> Description | None:
        """What is said of one entry; None when it is not there."""
        return await self._tier.ask(_find, entry_id, self._clock())

    async def count(self) -> int:
        """How many entries there are, with those that are past their time and not yet removed."""
        return await self._tier.ask(_count)


def _row(cursor: str | None) -> int | None:
    if cursor is None:
        return 0
    is_number = cursor.isascii() and cursor.isdecimal() and len(cursor) < len(str(LAST_ROW))
    return int(cursor) if is_number else None


def _stretch(file: "EntryFile", *asked: object) -> _Stretch:
    return file.table.stretch(*asked)  # type: ignore[arg-type]


def _find(file: "EntryFile", entry_id: str, now: float) -> Description | None:
    return file.table.find(entry_id, now)


def _count(file: "EntryFile") -> int:
    return file.table.count()
