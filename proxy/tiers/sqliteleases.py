"""Leases in the SQLite file that the entries are in; synchronous, for the one thread that opens it.

A row stays for a while after its lease is over, and tells by its token whose word on the key was
the last: a holder who was held up is refused although his successor has long given it back. Times
are the machine's own, which all processes on one file share.
"""

import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import orjson

from proxy.core.model import Lease

KEPT_S: Final = 3600.0
"""How long a row outlives its lease: nobody is held up in a call for longer."""

LEASE_SCHEMA: Final = (
    """CREATE TABLE leases (
        key TEXT PRIMARY KEY, token INTEGER NOT NULL, until REAL NOT NULL,
        released INTEGER NOT NULL DEFAULT 0) WITHOUT ROWID""",
    "CREATE INDEX leases_until ON leases (until)",
)
"""`released` is the last token that was given back rather than lost."""

_TAKE: Final = """INSERT INTO leases (key, token, until) VALUES (:key, :token, :until)
    ON CONFLICT (key) DO UPDATE SET token = max(token + 1, excluded.token), until = excluded.until
    WHERE until <= :now RETURNING token"""

_RELEASE: Final = """UPDATE leases SET until = 0, released = token
    WHERE key = ? AND token = ? AND until > ?"""


@dataclass(frozen=True, slots=True)
class Standing:
    """What a key's row says.

    Attributes:
        token: Of the last holder.
        until: When his lease lapses; it is over before `now`.
        released: The last token that was given back.
    """

    token: int
    until: float
    released: int


class LeaseTable:
    """The table of leases, on the file's connection."""

    def __init__(self, database: sqlite3.Connection) -> None:
        self._db = database

    def take(self, key: str, seconds: float, now: float) -> Lease | None:
        """The lease, unless somebody has it."""
        # A row that was swept away had a token of an earlier microsecond: tokens only grow.
        values = {"key": key, "token": int(now * 1e6), "until": now + seconds, "now": now}
        rows = self._db.execute(_TAKE, values).fetchall()
        return Lease(key, rows[0][0]) if rows else None

    def renew(self, lease: Lease, seconds: float, now: float) -> bool:
        """Whether it is still held, now for so long."""
        found = self._db.execute(
            "UPDATE leases SET until = ? WHERE key = ? AND token = ? AND until > ?",
            (now + seconds, lease.key, lease.token, now),
        )
        return found.rowcount > 0

    def release(self, lease: Lease, now: float) -> None:
        """Give it back; one that has lapsed is a no-op."""
        self._db.execute(_RELEASE, (lease.key, lease.token, now))

    def has_passed_on(self, lease: Lease) -> bool:
        """Whether somebody has taken it since."""
        row = self._db.execute("SELECT token FROM leases WHERE key = ?", (lease.key,)).fetchone()
        return row is not None and row[0] > lease.token

    def standing(self, keys: Sequence[str]) -> Mapping[str, Standing]:
        """What is known of these keys."""
        rows = self._db.execute(
            """SELECT key, token, until, released FROM leases
               WHERE key IN (SELECT value FROM json_each(?))""",
            (orjson.dumps(keys).decode(),),
        )
        return {key: Standing(*standing) for key, *standing in rows}

    def sweep(self, now: float) -> None:
        """Forget what is long over."""
        # `until` of a released one is 0, so its token's time says how old it is.
        self._db.execute(
            "DELETE FROM leases WHERE until <= ? AND token < ?",
            (now - KEPT_S, int((now - KEPT_S) * 1e6)),
        )
