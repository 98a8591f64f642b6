"""Which processes are there, kept in the SQLite file that the entries are in.

Times are the machine's own, which all processes on one file share.
"""

import sqlite3
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from proxy.core.presence import Replica, dumps, loads
from proxy.ports import Clock

if TYPE_CHECKING:
    from proxy.tiers.sqlite import SqliteTier

PRESENCE_SCHEMA: Final = (
    """CREATE TABLE replicas (
        id TEXT PRIMARY KEY, seen REAL NOT NULL, until REAL NOT NULL, record BLOB NOT NULL
        ) WITHOUT ROWID""",
)


class ReplicaTable:
    """The table of processes, on the file's connection and its thread."""

    def __init__(self, database: sqlite3.Connection) -> None:
        self._db = database

    def announce(self, replica: Replica, seconds: float, now: float) -> None:
        """Write one down, and drop those that are long silent."""
        row = (replica.id, now, now + seconds, dumps(replica))
        self._db.execute("INSERT OR REPLACE INTO replicas VALUES (?, ?, ?, ?)", row)
        self._db.execute("DELETE FROM replicas WHERE until <= ?", (now,))

    def withdraw(self, replica_id: str) -> None:
        """Drop one."""
        self._db.execute("DELETE FROM replicas WHERE id = ?", (replica_id,))

    def present(self, now: float) -> list[Replica]:
        """Those that are not silent for too long."""
        rows = self._db.execute(
            "SELECT seen, record FROM replicas WHERE until > ? ORDER BY id", (now,)
        )
        return [found.seen(seen) for seen, record in rows if (found := loads(record))]

    def behind(self, position: str | None) -> int | None:
        """How many records the log has after a position of it."""
        (last,) = self._db.execute("SELECT max(seq) FROM log").fetchone()
        seq = (position or "").partition(".")[0]
        return max(0, (last or 0) - int(seq)) if seq.isdecimal() else None


class SqlitePresence:
    """A `Presence` in the file of a tier.

    Args:
        tier: Opens and closes the file.
        clock: The machine's time.
    """

    def __init__(self, tier: "SqliteTier", *, clock: Clock) -> None:
        self._tier = tier
        self._clock = clock

    async def announce(self, replica: Replica, seconds: float) -> None:
        """Have it listed for so long from now."""
        now = self._clock()
        await self._tier.ask(lambda file: file.replicas.announce(replica, seconds, now))

    async def withdraw(self, replica_id: str) -> None:
        """List it no longer; one that is not listed is a no-op."""
        await self._tier.ask(lambda file: file.replicas.withdraw(replica_id))

    async def present(self) -> Sequence[Replica]:
        """All that are listed."""
        now = self._clock()
        return await self._tier.ask(lambda file: file.replicas.present(now))

    async def behind(self, position: str | None) -> int | None:
        """How many records of the change log follow a position."""
        return await self._tier.ask(lambda file: file.replicas.behind(position))
