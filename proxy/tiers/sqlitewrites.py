"""Whether an open SQLite file takes writes; synchronous, for the one thread that opens it."""

import sqlite3
from contextlib import suppress
from typing import Final

_KIND: Final = 0xFF
"""The bits of an error's code that say its kind: https://sqlite.org/rescode.html."""

_UNWRITTEN: Final = {
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_IOERR_WRITE,
    sqlite3.SQLITE_IOERR_FSYNC,
    sqlite3.SQLITE_IOERR_TRUNCATE,
    sqlite3.SQLITE_IOERR_SHMSIZE,
}
"""What a disk does that takes nothing more."""


def are_refused(database: sqlite3.Connection) -> bool:
    """Whether the disk is full, or may not be written: an attempt is made that changes nothing.

    False where it can be written, and where something else is wrong with it.

    Raises:
        sqlite3.Error: Another process holds the lock.
    """
    try:
        database.execute("BEGIN IMMEDIATE")
        (version,) = database.execute("PRAGMA user_version").fetchone()
        database.execute(f"PRAGMA user_version = {version}")
        database.execute("COMMIT")
    except sqlite3.Error as error:
        with suppress(sqlite3.Error):  # a full disk has rolled back already
            database.execute("ROLLBACK")
        code = getattr(error, "sqlite_errorcode", 0)
        if code & _KIND == sqlite3.SQLITE_BUSY:
            raise
        return code in _UNWRITTEN or code & _KIND == sqlite3.SQLITE_READONLY
    return False
