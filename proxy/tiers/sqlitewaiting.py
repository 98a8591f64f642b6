"""What processes wait for that share an SQLite file: a lease that ends, a change log that grows.

SQLite tells nobody of another process's commit, so the file is looked at while somebody waits, and
only then: one look for all who wait, on the file's own thread.
"""

import asyncio
from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from math import inf
from time import monotonic
from typing import Final

from proxy.core.model import Entry, Lease
from proxy.errors import TierError
from proxy.ports import Clock
from proxy.tiers.sqlite import SqliteTier
from proxy.tiers.sqlitefile import NOTHING, EntryFile
from proxy.tiers.sqliteleases import Standing

LOOK_S: Final = 0.01
"""Between two looks: how late news may come."""

IDLE_S: Final = 0.04
"""The same, when there was no news for a while: a proxy that nobody uses shall rest."""

BUSY_S: Final = 1.0
"""How long news makes more of it likely."""


COMING_S: Final = 1.0
"""Who opens a file that nobody seems to use waits so long for others that have just opened it."""


class SqliteLogWatch:
    """A `LogWatch` over the file of a tier. Of a file that cannot be read it says nothing.

    Every process that serves writes to the file as it opens it, and again every few seconds (see
    `proxy.announcing`): so who looks at the file all the time knows whether there is another one.

    Args:
        tier: Has the file.
        silent_s: Who has written nothing for so long uses the file no longer.
    """

    def __init__(self, tier: SqliteTier, *, silent_s: float = inf) -> None:
        self._tier = tier
        self._silent_s = silent_s
        self._seen = NOTHING
        self._news_at = -inf
        self._alone_from = inf

    @property
    def is_alone(self) -> bool:
        """Whether no other process is known to use the file; of one that has come, by a look."""
        return monotonic() >= self._alone_from

    async def wait(self, seconds: float) -> bool:
        """Return once another process has added to the log since the last call."""
        ends = monotonic() + seconds
        while not await self._has_grown():
            if (left := ends - monotonic()) <= 0:
                return False
            is_busy = monotonic() < self._news_at + BUSY_S
            await asyncio.sleep(min(LOOK_S if is_busy else IDLE_S, left))
        self._news_at = monotonic()
        return True

    async def _has_grown(self) -> bool:
        before = self._seen
        with suppress(TierError):
            self._seen = await self._tier.ask(EntryFile.news, before)
        if self._seen[0] != before[0]:
            is_new = before == NOTHING and self._seen[0] == self._tier.version
            after_s = COMING_S if is_new and not self._tier.was_in_use else self._silent_s
            self._alone_from = monotonic() + min(after_s, self._silent_s)
        return self._seen[1] != before[1]


class SqliteLeases:
    """`Leases` in the file of a tier.

    Args:
        tier: Has the file, and the thread that touches it.
        clock: The machine's time, the same for all processes.
        watch: Knows whether there are others; None where nobody does.
    """

    def __init__(
        self, tier: SqliteTier, *, clock: Clock, watch: SqliteLogWatch | None = None
    ) -> None:
        self._tier = tier
        self._clock = clock
        self._watch = watch
        self._awaited: Counter[str] = Counter()
        self._look: asyncio.Future[Mapping[str, Standing]] | None = None

    @property
    def are_needless(self) -> bool:
        """Whether this process has the file for itself."""
        return self._watch is not None and self._watch.is_alone

    async def take(self, key: str, seconds: float) -> Lease | None:
        """The right to ask, for so long; None while somebody else has it."""
        now = self._clock()
        return await self._tier.ask(lambda file: file.leases.take(key, seconds, now))

    async def claim(
        self, key: str, seconds: float, scope: str
    ) -> tuple[Lease | None, Entry | None]:
        """The same, and the entry of that key: see `Leases`."""
        return await self._tier.ask(_claimed, key, seconds, scope, self._clock())

    async def renew(self, lease: Lease, seconds: float) -> bool:
        """Hold it for so long from now; False when it has passed to somebody else, or lapsed."""
        now = self._clock()
        return await self._tier.ask(lambda file: file.leases.renew(lease, seconds, now))

    async def release(self, lease: Lease) -> None:
        """Give it back; who waits finds out by the next look."""
        now = self._clock()
        await self._tier.ask(lambda file: file.leases.release(lease, now))

    async def wait(self, key: str, seconds: float) -> bool:
        """Wait for the key's release by its holder; see `Leases`."""
        ends = monotonic() + seconds
        self._awaited[key] += 1
        try:
            first: Standing | None
            first = (await self._tier.ask(lambda file: file.leases.standing([key]))).get(key)
            if first is None or first.until <= self._clock():
                return False
            last = first
            while last.token == first.token and last.until > self._clock():
                if (left := ends - monotonic()) <= 0:
                    return False
                await asyncio.sleep(min(_until_next_look(), left))
                last = (await self._looked()).get(key, first)
            return last.released >= first.token
        finally:
            self._awaited -= Counter([key])

    async def _looked(self) -> Mapping[str, Standing]:
        """One look for all who wait: they wake together."""
        if self._look is None or self._look.done():
            keys = list(self._awaited)
            self._look = self._tier.ask(lambda file: file.leases.standing(keys))
        return await asyncio.shield(self._look)  # one who leaves must not take it from the others


def _claimed(
    file: EntryFile, key: str, seconds: float, scope: str, now: float
) -> tuple[Lease | None, Entry | None]:
    lease = file.leases.take(key, seconds, now)
    return lease, file.get(scope, Lease(key, 0).entry_id, now)


def _until_next_look() -> float:
    return LOOK_S - monotonic() % LOOK_S
