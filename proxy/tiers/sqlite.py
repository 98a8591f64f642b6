"""The shared tier in one file: for one machine, with no server to run.

Rules of the file: the `EntryFile` is touched on its own thread only, so the event loop never waits
for a disk; all other state is touched on the loop only, so there is no lock. Puts that arrive
within `GATHER_S`, or while a transaction is being written, share one. What is put under a lease
does not wait for others. Whoever asks for what waits to be put, or has something forgotten, has it
put first. Gets that arrive while one is being read share the thread's next turn.
"""

import asyncio
import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Final, TypeVar

from proxy.core.changes import Changes, Selector
from proxy.core.model import Entry, Lease
from proxy.errors import TierError
from proxy.ports import Clock
from proxy.threads import Threads
from proxy.tiers import OnEvent
from proxy.tiers.codec import INLINE
from proxy.tiers.entrycodec import EntryCodec
from proxy.tiers.sqlitefile import NOTHING, PAGE, EntryFile, Row, row_of

T = TypeVar("T")

NOT_STARTED: Final = "sqlite: not started"

GATHER_S: Final = 0.003
"""How long a put waits for others. A transaction costs more than what is written in it."""


@dataclass(frozen=True, slots=True)
class _Batch:
    """What is put together. `ids` are of its entries; `timer` ends the wait for more."""

    ids: set[str]
    rows: list[tuple[Row, Lease | None]]
    timer: asyncio.TimerHandle
    written: "asyncio.Future[list[str]]"


@dataclass(frozen=True, slots=True)
class _Wanted:
    scope: str
    key: str
    found: "asyncio.Future[Entry | None]"


class SqliteTier:
    """A `SharedTier`, and its `Namespaces`, in an SQLite file, which several processes may open.

    Args:
        path: The file; it and its directory are made at `start`, for this user alone.
        clock: The time now.
        on_event: Hears `entry_unreadable` and `file_replaced`.
        log_records: Change log records kept; a reader further behind starts anew.
        busy_timeout_s: Longest wait for another process's transaction.
        codec: From entries to bytes and back; None stores them in clear.

    `was_in_use` says whether a process was listed in the file when it was opened, and `version`
    what `EntryFile.news` said then.
    """

    def __init__(
        self,
        path: Path,
        *,
        clock: Clock,
        on_event: OnEvent,
        log_records: int = 100_000,
        busy_timeout_s: float = 5.0,
        codec: EntryCodec | None = None,
    ) -> None:
        self._path = path
        self.codec = codec or EntryCodec()
        self._clock = clock
        self._on_event = on_event
        self._log_records = max(1, log_records)
        self._busy_timeout_s = busy_timeout_s
        self._thread: Threads | None = None
        self._file: EntryFile | None = None
        self._newest = 0
        self.was_in_use = False
        self.version = NOTHING[0]
        self._batch: _Batch | None = None
        self._writing: asyncio.Future[list[str]] | None = None
        self._wanted: list[_Wanted] = []
        self._is_reading = False

    async def start(self) -> None:
        """Open the file, or open it anew: a file that was replaced or mended is used from now on.

        One that is open, and can be read but not written, stays as it is: a full disk costs writes.

        Raises:
            TierError: It cannot be opened or written, is no database, or is of a newer schema.
        """
        if self._thread is None:
            self._thread = Threads("sqlite")
        await self._submit(self._open, asyncio.get_running_loop())
        self._newest = max(self._newest, await self.ask(_newest))

    async def close(self) -> None:
        """Close after what is already waiting has been written. Not started: a no-op."""
        while (writing := self._send()) is not None:
            await asyncio.wait([writing])
        thread, self._thread = self._thread, None
        if thread is not None:
            closing = thread.run(self._close)
            await asyncio.shield(thread.close())
            await closing

    async def get(self, scope: str, key: str) -> Entry | None:
        """The entry of this key if it is in this scope, not past `kept_until`, and not purged."""
        if self._batch is not None and key in self._batch.ids:
            self._send(at_once=True)
        if self._is_reading:
            found: asyncio.Future[Entry | None] = asyncio.get_running_loop().create_future()
            self._wanted.append(_Wanted(scope, key, found))
            return await found
        reading: asyncio.Future[Entry | None] = self._submit(
            self._on_file, EntryFile.get, scope, key, self._clock()
        )
        self._is_reading = True
        reading.add_done_callback(self._read)
        return await reading

    def _read(self, _read: object) -> None:
        """A turn of the thread is over: read what is wanted since it began."""
        wanted = [one for one in self._wanted if not one.found.done()]
        self._wanted = []
        self._is_reading = bool(wanted)
        if not wanted:
            return
        asked = [(one.scope, one.key) for one in wanted]
        try:
            reading = self._submit(self._on_file, EntryFile.get_each, asked, self._clock())
        except TierError as error:  # it has been closed
            self._is_reading = False
            for one in wanted:
                one.found.set_exception(error)
        else:
            reading.add_done_callback(partial(_tell, wanted))
            reading.add_done_callback(self._read)

    async def put(self, entry: Entry, lease: Lease | None = None) -> str:
        """Store and log it in one transaction, shared with the puts that wait beside it.

        Returns the log's position then. "", and nothing is stored, when the lease has passed to
        somebody else, or the entry's namespace was purged after the origin was asked for it.

        Raises:
            ValueError: The entry is private.
            TierError: It could not be written; nor could the others of its transaction.
        """
        is_small = entry.answer.size <= INLINE
        make = partial(row_of, self.codec, entry)
        row = make() if is_small else await self._submit(make)
        if self._thread is None:
            raise TierError(NOT_STARTED)
        if self._batch is None:
            loop = asyncio.get_running_loop()
            timer = loop.call_later(GATHER_S, self._send)
            self._batch = _Batch(set(), [], timer, loop.create_future())
        batch, place = self._batch, len(self._batch.rows)
        batch.ids.add(entry.id)
        batch.rows.append((row, lease))
        if lease is not None:  # another process may wait for it
            self._send()
        # A caller who leaves must not cancel the others.
        return (await asyncio.shield(batch.written))[place]

    def _send(self, *, at_once: bool = False) -> "asyncio.Future[list[str]] | None":
        """Put what waits, once no transaction is under way; returns the one that is by now.

        At once: though one is under way, so that whatever is asked next comes after it.
        """
        batch = self._batch
        if batch is not None and (at_once or self._writing is None):
            self._batch = None
            batch.timer.cancel()
            self._writing = self._submit(self._on_file, EntryFile.put, batch.rows)
            self._writing.add_done_callback(partial(self._sent, batch))
        return self._writing

    def _sent(self, batch: _Batch, writing: "asyncio.Future[list[str]]") -> None:
        if self._writing is writing:
            self._writing = None
        if (error := writing.exception()) is None:
            batch.written.set_result(writing.result())
        else:
            batch.written.set_exception(error)
        self._send()

    async def purge(self, selector: Selector, *, dry_run: bool = False) -> Sequence[str]:
        """Delete and log what the selector means, page by page; synced to disk on return."""
        self._send(at_once=True)
        purged: list[str] = []
        ids = tuple(dict.fromkeys(selector.ids))
        for at in range(0, len(ids), PAGE):
            page = partial(EntryFile.purge_ids, dry_run=dry_run)
            purged += await self.ask(page, replace(selector, ids=ids[at : at + PAGE]))
        if not (dry_run or ids):
            await self.ask(EntryFile.forget, selector)
        row: int | None = None if ids or selector.like is not None else 0
        while row is not None:
            after = partial(EntryFile.purge_after, dry_run=dry_run)
            found, row = await self.ask(after, selector, row)
            purged += found
        return purged

    @property
    def newest(self) -> int:
        """The newest purge of a namespace that this process knows of; 0 for none."""
        return self._newest

    async def forget(self, namespace: str, tenant: str) -> int:
        """Forget a whole namespace, in one step; synced to disk on return."""
        self._send(at_once=True)
        selector = Selector(tenant, namespace=namespace)
        number = await self.ask(EntryFile.purge_namespace, selector, self._clock())
        self._newest = max(self._newest, number)
        return number

    async def expire(self, now: float) -> int:
        """Delete and log what nobody may be answered with, trim the log, and give space back."""
        expired = 0
        while page := await self.ask(EntryFile.expire, now):
            expired += page
        while await self.ask(EntryFile.trim, self._log_records):
            pass
        await self.ask(EntryFile.tidy, now)
        return expired

    async def changes(self, after: str | None, limit: int) -> Changes:
        """The log after a position, at most `limit` records; see `EntryFile.changes`.

        A file that was deleted or replaced is let go of: the one in its place has another log.
        """
        self._send()
        asked = after, max(1, limit), self._clock()
        changes, newest = await self._submit(self._read_log, asyncio.get_running_loop(), *asked)
        self._newest = max(self._newest, newest)
        return changes

    def rows_of(self, entries: Sequence[Entry]) -> list[Row]:
        """Some entries, as the file takes them; not for the loop."""
        return [row_of(self.codec, entry) for entry in entries]

    def ask(self, work: Callable[..., T], *args: object) -> "asyncio.Future[T]":
        """Do something with the `EntryFile`, on its thread. Raises TierError when it cannot."""
        self._send()
        return self._submit(self._on_file, work, *args)

    def _submit(self, work: Callable[..., T], *args: object) -> "asyncio.Future[T]":
        if self._thread is None:
            raise TierError(NOT_STARTED)
        return self._thread.run(_mapped, work, *args)

    # From here on: the file's own thread.

    def _open(self, loop: asyncio.AbstractEventLoop) -> None:
        if self._file is not None and self._file.is_in_place and self._file.is_read_only():
            return
        self._close()

        def on_unreadable(reason: str) -> None:
            tell = partial(self._on_event, "entry_unreadable", tier="sqlite", reason=reason)
            loop.call_soon_threadsafe(tell)

        self._file = EntryFile(
            self._path,
            on_unreadable=on_unreadable,
            codec=self.codec,
            busy_timeout_s=self._busy_timeout_s,
        )
        self.version, _ = self._file.news(NOTHING)
        self.was_in_use = bool(self._file.replicas.present(self._clock()))

    def _read_log(
        self, loop: asyncio.AbstractEventLoop, after: str | None, limit: int, now: float
    ) -> tuple[Changes, int]:
        if self._file is not None and not self._file.is_in_place:
            loop.call_soon_threadsafe(partial(self._on_event, "file_replaced"))
            self._open(loop)
        return self._on_file(_changes, after, limit, now)

    def _close(self) -> None:
        file, self._file = self._file, None
        if file is not None:
            file.close()

    def _on_file(self, work: Callable[..., T], *args: object) -> T:
        if self._file is None:
            raise TierError("sqlite: not open")
        return work(self._file, *args)


def _tell(wanted: Sequence[_Wanted], reading: "asyncio.Future[list[Entry | None]]") -> None:
    error = reading.exception()
    for place, one in enumerate(wanted):
        if one.found.done():
            continue  # who asked has left
        if error is None:
            one.found.set_result(reading.result()[place])
        else:
            one.found.set_exception(error)


def _newest(file: EntryFile) -> int:
    return file.generations.newest()


def _changes(file: EntryFile, after: str | None, limit: int, now: float) -> tuple[Changes, int]:
    return file.changes(after, limit, now), _newest(file)


def _mapped(work: Callable[..., T], *args: object) -> T:
    try:
        return work(*args)
    except (sqlite3.Error, OSError) as error:
        raise TierError(f"sqlite: {error}") from error
