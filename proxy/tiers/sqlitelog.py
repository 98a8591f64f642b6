"""The change log in an SQLite file; synchronous, for the one thread that opens it."""

import sqlite3
from collections.abc import Callable, Sequence

from proxy.core.changes import Added, Change, Changes, Forgotten, Removed, Selector
from proxy.core.model import Entry
from proxy.tiers.entrycodec import EntryCodec

Decode = Callable[[str, bytes], Entry | None]
"""From an id and its bytes to the entry; None when it is none to be served."""


class LogTable:
    """The log, on the file's connection and its thread; the file opens the transactions."""

    def __init__(self, database: sqlite3.Connection, decode: Decode, codec: EntryCodec) -> None:
        self._db = database
        self._decode = decode
        self._codec = codec

    def add(self, ids: Sequence[object], *, is_added: bool) -> None:
        """Entries came, or went."""
        self._db.executemany(
            "INSERT INTO log (id, added) VALUES (?, ?)", [(entry_id, is_added) for entry_id in ids]
        )

    def forget(self, selector: Selector) -> None:
        """Somebody has this forgotten."""
        self._db.execute(
            "INSERT INTO log (id, added, selector) VALUES ('', 0, ?)",
            (self._codec.written(selector),),
        )

    def changes(self, after: str | None, limit: int, now: float) -> Changes:
        """What follows a position, `limit` records or entries at once.

        A position is `seq.mark` of the last record read, and `seq.mark.row` while a reader that
        starts anew is being given all entries: what changes under it comes after `seq`.
        """
        position = self._held(after)
        if position is None:
            return self._scan(self.head(), 0, limit, now, reset=True)
        seq, row = position
        if row is not None and after is not None:
            return self._scan(after.rpartition(".")[0], row, limit, now)
        return self._tail(seq, limit, now)

    def head(self) -> str:
        """The position of the last record."""
        last = self._db.execute("SELECT seq, mark FROM log ORDER BY seq DESC LIMIT 1").fetchone()
        return "0.0" if last is None else f"{last[0]}.{last[1]}"

    def _held(self, after: str | None) -> tuple[int, int | None] | None:
        """The position's seq, and its row if it is in a scan; None when it is not of this log."""
        try:
            seq, mark, *row = map(int, (after or "").split("."))
            known = self._db.execute("SELECT mark FROM log WHERE seq = ?", (seq,)).fetchone()
            (first,) = self._db.execute("SELECT min(seq) FROM log").fetchone()
        except (ValueError, OverflowError):
            return None
        is_start = seq == mark == 0 and first in {None, 1}  # before all, and all is still there
        if len(row) > 1 or not (is_start or known == (mark,)):
            return None
        return seq, row[0] if row else None

    def _scan(self, head: str, row: int, limit: int, now: float, *, reset: bool = False) -> Changes:
        rows = self._db.execute(
            """SELECT row, id, data FROM entries WHERE row > ? AND indexed
               AND kept_until > ? ORDER BY row LIMIT ?""",
            (row, now, limit),
        ).fetchall()
        items = tuple(item for _, key, data in rows if (item := self._added(key, data)))
        if len(rows) == limit:
            return Changes(items, f"{head}.{rows[-1][0]}", reset=reset, more=True)
        return Changes(items, head, reset=reset, more=head != self.head())

    def _tail(self, seq: int, limit: int, now: float) -> Changes:
        records = self._db.execute(
            """SELECT log.seq, log.mark, log.id, added, selector, data FROM log
               LEFT JOIN entries ON added AND entries.id = log.id AND indexed
               AND kept_until > ? WHERE seq > ? ORDER BY seq LIMIT ?""",
            (now, seq, limit),
        ).fetchall()
        items: list[Change] = []
        for _, _, key, is_added, selector, data in records:
            if selector is not None:
                items.append(Forgotten(self._codec.read(selector)))
            elif not is_added:
                items.append(Removed(key))
            elif (added := self._added(key, data)) is not None:  # or its removal is further on
                items.append(added)
        position = f"{records[-1][0]}.{records[-1][1]}" if records else self.head()
        return Changes(tuple(items), position, more=position != self.head())

    def _added(self, key: str, data: bytes | None) -> Added | None:
        return Added.of(None if data is None else self._decode(key, data))
