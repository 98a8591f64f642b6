"""Answers that were stored without a vector, as the embedder was busy, late or broken.

Without one only its own question finds an answer. So they are remembered here, by what they are and
not by what was asked, and given their vectors once the embedder is well (`proxy.renewing`). What a
process remembers is gone with it.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from time import monotonic
from typing import Final

from proxy.core.model import Entry
from proxy.errors import TierError
from proxy.ports import Observer
from proxy.renewing import EmbedError, Renewer, Stored

MOST: Final = 10_000
"""Answers remembered; the oldest make room. About 4 MB."""

AGAIN_S: Final = 0.2
"""Until those are looked at again that could not be done."""

WRITING_S: Final = 60.0
"""How long an answer is waited for that is not in the shared tier: it is just being written."""

TRIES: Final = 8
"""Faults of an embedder that is well, after which one answer is left without: four minutes."""

FIRST_PAUSE_S: Final = 1.0
"""After the first of them; each is twice as long as the one before."""


@dataclass(slots=True)
class _Waiting:
    """An answer, since when, how often its vector could not be had, and when to try again."""

    stored: Stored
    since: float
    faults: int = 0
    again_at: float = 0.0


class Unembedded:
    """Remembers them, and sees to them, for one process.

    Args:
        renewer: Gives them vectors; with a rate of 0 none are given.
        is_held: Whether an answer of this id waits for the shared tier in this process.
        observer: Hears `reembedding_skipped`.
        most: Answers remembered.
        pause_s: After an answer's first fault.
    """

    def __init__(
        self,
        renewer: Renewer,
        *,
        is_held: Callable[[str], bool],
        observer: Observer,
        most: int = MOST,
        pause_s: float = FIRST_PAUSE_S,
    ) -> None:
        self.renewer = renewer
        self._is_held = is_held
        self._observer = observer
        self._most = most
        self._pause_s = pause_s
        self._waiting: OrderedDict[str, _Waiting] = OrderedDict()
        self._came = asyncio.Event()

    def __len__(self) -> int:
        return len(self._waiting)

    def add(self, entry: Entry) -> None:
        """Remember this answer, which is about to be stored, in place of an older one of its id."""
        self._waiting.pop(entry.id, None)
        self._waiting[entry.id] = _Waiting(Stored.of(entry), monotonic())
        if len(self._waiting) > self._most:
            self._waiting.popitem(last=False)
        self._came.set()

    def stats(self) -> Mapping[str, float]:
        """`left`: those that wait for a vector; nothing where none do."""
        return {"left": len(self)} if self._waiting else {}

    async def keep_up(self) -> None:
        """For ever: a part that is away has its own stage to tell of it."""
        while True:
            self._came.clear()
            await self._round()
            if self._waiting:
                await asyncio.sleep(AGAIN_S)
            else:
                await self._came.wait()

    async def _round(self) -> None:
        """All that wait now, the oldest first, for as long as it can be done."""
        done = self.renewer.done
        try:
            for one in tuple(self._waiting.values()):
                if self.renewer.stage.trouble or not self.renewer.per_s:
                    break
                if monotonic() >= one.again_at and not self._is_held(one.stored.id):
                    await self._see_to(one)
        except TierError:  # the embedder has too much to do or is away, or the shared tier is
            pass
        if self.renewer.done > done:
            with suppress(TierError):
                await self.renewer.publish()

    async def _see_to(self, one: _Waiting) -> None:
        try:
            is_there = await self.renewer.renew(one.stored)
        except EmbedError:
            one.again_at = monotonic() + self._pause_s * 2**one.faults
            one.faults += 1
            if one.faults >= TRIES:
                self._observer.event("reembedding_skipped", entry=one.stored.id)
                self._forget(one)
            raise
        if is_there or monotonic() > one.since + WRITING_S:
            self._forget(one)

    def _forget(self, one: _Waiting) -> None:
        """Not a newer answer of its id, which has come meanwhile."""
        if self._waiting.get(one.stored.id) is one:
            del self._waiting[one.stored.id]
