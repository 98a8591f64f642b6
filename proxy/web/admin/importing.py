"""`POST /admin/v1/import`: entries of an export, and past chats, into the shared tier.

The body is read line by line, and stored a few lines at a time: what is reported as imported is
stored, what came after a fault is not. A line that is no good is reported and left out. To say the
same again is harmless, since an answer that is as new as the line's stays.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from aiohttp import web

from proxy.core.entrylines import Begin, Chat, End, Line, LineError, Lines, Numbered
from proxy.core.entrylines import read as read_line
from proxy.core.model import Entry
from proxy.core.playable import why_not
from proxy.errors import BadRequestError, TierError, UnavailableError
from proxy.runtime import Runtime
from proxy.web.admin.acting import Json, Told
from proxy.web.admin.pastchats import PastChats, Refused
from proxy.web.endpoints import DIALECTS
from proxy.web.keys import RUNTIME

AT_ONCE: Final = 64
"""Lines stored together."""

AT_ONCE_BYTES: Final = 1 << 20
"""Their length, from which they are fewer."""

MAX_PROBLEMS: Final = 20
"""Problems that a reply names; all are counted."""

MAX_REASONS: Final = 50
"""Reasons of refusals that a reply tells apart."""

SPARE_BYTES: Final = 8 << 20
"""Of a line, beyond what is allowed for an answer: the vector, and a question that is long."""


@dataclass(slots=True)
class Tally:
    """What became of the lines so far."""

    imported: int = 0
    expired: int = 0
    newer_here: int = 0
    failed: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    problems: list[Json] = field(default_factory=list)

    def problem(self, line: int, message: str) -> None:
        """One more line that is no good."""
        self.failed += 1
        if len(self.problems) < MAX_PROBLEMS:
            self.problems.append({"line": line, "message": message})

    def refuse(self, reason: str) -> None:
        """One more chat that the rules keep out."""
        is_many = len(self.refused) >= MAX_REASONS and reason not in self.refused
        self.refused["other" if is_many else reason] += 1

    def told(self) -> Json:
        """As the reply has it."""
        return {
            "object": "cache.import",
            "imported": self.imported,
            "skipped": {"expired": self.expired, "newer_here": self.newer_here},
            "refused": dict(self.refused),
            "failed": self.failed,
            "problems": self.problems,
        }


async def handle(request: web.Request) -> Told:
    """Take lines until they end.

    Raises:
        BadRequestError: The body is packed.
        UnavailableError: The shared tier failed; the message says how far it came.
    """
    runtime = request[RUNTIME]
    if request.headers.get("content-encoding", "identity").lower() != "identity":
        raise BadRequestError("Send the lines as they are, not packed.", code="encoded_body")
    importer = Importer(runtime)
    # In JSON an answer that is JSON itself may be twice as long; beside it are its frames.
    lines = Lines(4 * runtime.config.cache.max_entry_bytes + SPARE_BYTES)
    try:
        async for piece in request.content.iter_any():
            for line in lines.feed(piece):
                await importer.take(line)
        for line in lines.close():
            await importer.take(line)
        await importer.close()
        await runtime.upkeep.catch_up()
    except TierError as error:
        raise UnavailableError(
            f"The cache's shared tier failed when {importer.tally.imported} entries were imported; "
            "the same import may be sent again.",
            code="cache_unavailable",
        ) from error
    finally:
        tally = importer.tally
        runtime.observer.event("entries_imported", count=tally.imported, failed=tally.failed)
    return Told(importer.tally.told(), importer.tally.imported)


class Importer:
    """Stores lines, some at a time."""

    def __init__(self, runtime: Runtime) -> None:
        self.tally = Tally()
        self._runtime = runtime
        self._chats = PastChats(runtime)
        self._waiting: list[Numbered] = []
        self._waiting_bytes = 0
        self._since: int | None = None
        """Entries since the first line of the export they are in; None outside of one."""
        self._last = 0

    async def take(self, line: Numbered) -> None:
        """One more line. Raises TierError when what was taken cannot be stored."""
        self._waiting.append(line)
        self._waiting_bytes += len(line.text or b"")
        if len(self._waiting) >= AT_ONCE or self._waiting_bytes >= AT_ONCE_BYTES:
            await self._store()

    async def close(self) -> None:
        """Those that are left. Raises TierError."""
        await self._store()
        if self._since is not None:
            self.tally.problem(self._last + 1, "the export is cut short: its last line is missing")

    async def _store(self) -> None:
        lines, self._waiting, self._waiting_bytes = self._waiting, [], 0
        found = await asyncio.to_thread(_read, lines)
        entries: list[Entry] = []
        chats: list[tuple[int, Chat]] = []
        for line, told in zip(lines, found, strict=True):
            self._last = line.number
            match told:
                case Entry():
                    entries += [told] if self._belongs(line.number, told) else []
                case Chat():
                    chats.append((line.number, told))
                case Begin() | End():
                    self._bound(line.number, told)
                case str():
                    self._count()
                    self.tally.problem(line.number, told)
        made = await asyncio.gather(*(self._made(*chat) for chat in chats))
        await self._restore([*entries, *(entry for entry in made if entry is not None)])

    def _belongs(self, number: int, entry: Entry) -> bool:
        """Whether this entry may be stored, as far as the line tells."""
        most = self._runtime.config.cache.max_entry_bytes
        if self._since is None:
            self.tally.problem(number, "object: an entry comes after the first line of an export")
            return False
        self._count()
        if entry.answer.size > 2 * most:  # the body, and the stream it came in
            self.tally.problem(number, f"body: is over cache.max_entry_bytes, {most}")
            return False
        return True

    def _count(self) -> None:
        if self._since is not None:
            self._since += 1

    def _bound(self, number: int, told: Begin | End) -> None:
        """An export begins or ends here; several may follow one another."""
        since, self._since = self._since, 0 if isinstance(told, Begin) else None
        if isinstance(told, Begin) and since is not None:
            self.tally.problem(number, "the export before this line is cut short")
        if isinstance(told, End) and told.entries != since:
            self.tally.problem(
                number, f"the export had {told.entries} entries, and {since or 0} lines came"
            )

    async def _made(self, number: int, chat: Chat) -> Entry | None:
        """The chat as an entry, unless it is told of here why not."""
        try:
            made = await self._chats.entry(chat)
        except (LineError, BadRequestError) as error:
            self.tally.problem(number, str(error))
            return None
        if isinstance(made, Refused):
            self.tally.refuse(made.reason)
            return None
        return made

    async def _restore(self, entries: Sequence[Entry]) -> None:
        now = time.time()
        kept = [entry for entry in entries if entry.kept_until > now]
        self.tally.expired += len(entries) - len(kept)
        if not kept:
            return
        stored = await self._runtime.archive.restore(kept)
        meaning = self._runtime.meaning
        ours = meaning.embedder.id if meaning else ""
        if any(entry.embedder not in {"", ours} for entry in kept):
            await self._runtime.sharing.embedders.doubt()
        self.tally.imported += sum(stored)
        self.tally.newer_here += len(stored) - sum(stored)


def _read(lines: Sequence[Numbered]) -> list[Line | str]:
    """What each line says, or what is wrong with it."""
    return [_said(line.text) for line in lines]


def _said(text: bytes | None) -> Line | str:
    if text is None:
        return "the line is too long: see cache.max_entry_bytes"
    try:
        told = read_line(text)
    except LineError as error:
        return str(error)
    if isinstance(told, Entry) and (reason := why_not(told.answer, DIALECTS.values())):
        return f"body: {reason}"
    return told
