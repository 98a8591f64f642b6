"""Makes the vectors of stored entries anew, where another embedder has made them.

An entry is found by rewordings only with a vector of the embedder that asks. So after a change of
embedder the stored questions are embedded again, in the background, and written back with their new
vectors; the change log then brings them to every index. Exact repeats are answered all the while.

One replica does it, under a lease, and only with the embedder that came into use last
(`proxy.core.reembedding`). Entries are read from the beginning of the change log on, as a new index
reads it; once all of it has been seen, and no other embedder is in use, that is written down, and
no later start looks again. One that ends in the middle begins anew, and passes over what is done.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from time import monotonic
from typing import Final

from proxy.core.changes import Added
from proxy.core.model import Lease
from proxy.errors import BusyError, TierError
from proxy.ports import Embedders, Leases, Observer, SharedTier
from proxy.renewing import EmbedError, Renewer, Stored

LOOK_S: Final = 15.0
"""Between two words on which embedder is in use."""

LEASE: Final = "reembedding:"
"""What the replica has that does it, whatever its embedder."""

HOLD_S: Final = 60.0
"""How long the others wait for one that has died. Renewed at a quarter."""

PAGE: Final = 100
"""Entries read at once: a few milliseconds that a lookup may have to wait."""

MOST_FOUND: Final = 100_000
"""Entries found before they are embedded; their questions are not kept. About 20 MB."""

MOST_FAULTS: Final = 3
"""Vectors in a row that could not be had: the embedder is away."""


@dataclass(frozen=True, slots=True)
class _Found:
    """An entry with another embedder's vector; `is_again`: its vector could not be had before."""

    stored: Stored
    is_again: bool = False


class Reembedder:
    """Does it for one process.

    Args:
        shared: Has the entries.
        embedders: Knows who else uses which embedder.
        leases: Of all replicas.
        renewer: Gives them vectors; with a rate of 0 this process takes no part in any of this.
        observer: Hears `reembedding_began`, `reembedded`, `reembedding_failed` and
            `reembedding_skipped`.
        look_s: Between two looks at whether there is something to do.
    """

    def __init__(
        self,
        shared: SharedTier,
        embedders: Embedders,
        leases: Leases,
        renewer: Renewer,
        *,
        observer: Observer,
        look_s: float = LOOK_S,
    ) -> None:
        self._shared = shared
        self._embedders = embedders
        self._leases = leases
        self._renewer = renewer
        self._observer = observer
        self._look_s = look_s
        self._position: str | None = None
        self._has_read_all = False
        self._found: deque[_Found] = deque()
        self._is_at_work = False
        self._under_way = 0
        self._faults = 0
        self._failing = ""

    def stats(self) -> Mapping[str, float]:
        """`done`: entries given a new vector; `left`: those known to lack one, while at work."""
        left = len(self._found) + self._under_way
        return {"done": self._renewer.done} | ({"left": left} if self._is_at_work else {})

    async def keep_up(self) -> None:
        """For ever. A fault is an event, and the next round goes on where this one ended."""
        while True:
            try:
                await self._round()
            except (TierError, TimeoutError) as error:
                reason = str(error) or "late"
                # Told once, not at every round; a tier that is away is its own stage's to tell.
                if self._is_at_work and reason != self._failing:
                    self._observer.event("reembedding_failed", reason=reason)
                self._failing = reason
            else:
                self._failing = ""
            self._is_at_work = False
            await asyncio.sleep(self._look_s)

    async def _round(self) -> None:
        if not self._renewer.per_s:
            return
        standing = await self._embedders.announce(self._renewer.embedder)
        if not standing.is_chosen or standing.has_all:
            return
        lease = await self._leases.take(LEASE, HOLD_S)
        if lease is None:
            return
        self._has_read_all = False  # since the last round more may have been stored
        async with self._held(lease) as is_ours:
            while (self._found or not self._has_read_all) and await is_ours():
                await self._step()
            if self._found or not self._has_read_all:
                return
        if self._is_at_work:
            await self._renewer.publish()
            self._is_at_work = False
            self._observer.event("reembedded", entries=self._renewer.done)
        standing = await self._embedders.announce(self._renewer.embedder)
        if standing.is_chosen and standing.is_alone:
            await self._embedders.announce(self._renewer.embedder, has_all=True)
            self._has_read_all = False  # an import may have ended in this moment
            while not (self._found or self._has_read_all):
                await self._read()
            if self._found:
                await self._embedders.doubt()

    @asynccontextmanager
    async def _held(self, lease: Lease) -> AsyncIterator[Callable[[], Awaitable[bool]]]:
        """Inside the block; what it gives renews the lease, and says whether it may go on."""
        renew_at = monotonic() + HOLD_S / 4

        async def is_ours() -> bool:
            nonlocal renew_at
            if monotonic() < renew_at:
                return True
            renew_at = monotonic() + HOLD_S / 4
            standing = await self._embedders.announce(self._renewer.embedder)
            may_go_on = standing.is_chosen and not standing.has_all and self._renewer.per_s > 0
            return may_go_on and await self._leases.renew(lease, HOLD_S)

        try:
            yield is_ours
        finally:
            await self._leases.release(lease)

    async def _step(self) -> None:
        """Look for more entries, or give one a vector."""
        if not self._has_read_all and len(self._found) < MOST_FOUND:
            await self._read()
            return
        if not self._is_at_work:
            self._is_at_work = True
            self._observer.event("reembedding_began", entries=len(self._found))
        found, self._under_way = self._found.popleft(), 1
        try:
            await self._renew(found)
        finally:
            self._under_way = 0
        if not self._found:
            self._has_read_all = False  # what others have stored meanwhile

    async def _read(self) -> None:
        """One page more of the log."""
        ours, began = self._renewer.embedder, monotonic()
        changes = await self._shared.changes(self._position, PAGE)
        if changes.reset:
            self._found.clear()
        self._found += [
            _Found(Stored(item.id, item.scope, item.created_at))
            for item in changes.items
            if isinstance(item, Added) and item.embedder != ours
        ]
        self._position = changes.position
        self._has_read_all = not changes.more
        await asyncio.sleep(monotonic() - began)  # as long as it took: lookups come first

    async def _renew(self, found: _Found) -> None:
        """Give one entry a vector of ours; one that could not be had is tried a second time."""
        try:
            await self._renewer.renew(found.stored)
        except (EmbedError, BusyError):
            self._faults += 1
            is_away = self._faults >= MOST_FAULTS
            if is_away or not found.is_again:
                self._found.append(replace(found, is_again=True))
            else:
                self._observer.event("reembedding_skipped", entry=found.stored.id)
            if is_away:
                raise
        else:
            self._faults = 0
