"""Purges at set times (`cache.purges`), each made once, by whichever replica comes first.

Every replica keeps the time. When a purge is due, who gets the lease for that moment makes it, and
then holds the lease for as long as another may still try. A holder who dies on the way is followed
by another; that a purge is made twice does no harm. A moment that passes while no proxy runs is
passed over, as in any crontab.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from math import inf
from typing import Final

from cronsim import CronSim

from proxy.core.changes import Selector
from proxy.core.model import Lease
from proxy.core.purging import ScheduledPurge
from proxy.errors import TierError
from proxy.ports import Clock, Leases, Observer

LOOK_S: Final = 1.0
"""Between two looks at the clock: it may be set, or stand still with the machine."""

HOLD_S: Final = 300.0
"""How long a purge may take before another replica takes its place."""

RETRY_S: Final = 60.0
"""Before another try at a purge that failed, or that another replica is making."""

GIVE_UP_S: Final = 3 * HOLD_S
"""After this, who could not get the lease takes it that the purge was made."""

DONE_S: Final = 2 * GIVE_UP_S
"""How long the lease of a purge that was made is held."""

Forget = Callable[[Selector], Awaitable[int | None]]
"""Forgets entries in every tier; how many, None where they are not counted. May raise TierError."""


def next_time(cron: str, after: float) -> float:
    """The first time after another that an expression means, UTC; infinity where there is none."""
    found = next(CronSim(cron, datetime.fromtimestamp(after, UTC)), None)
    return inf if found is None else found.timestamp()


@dataclass(slots=True)
class _Due:
    """A purge whose time has come: since when, and when it is tried again."""

    at: float
    retry_at: float


class Scheduler:
    """Makes purges when their time comes.

    Args:
        purges: What is configured now.
        forget: Makes one.
        leases: Of all replicas.
        clock: The time.
        observer: Hears `scheduled_purge` and `scheduled_purge_failed`.
        look_s: Between two looks at the clock.
    """

    def __init__(
        self,
        purges: Callable[[], Sequence[ScheduledPurge]],
        forget: Forget,
        leases: Leases,
        *,
        clock: Clock,
        observer: Observer,
        look_s: float = LOOK_S,
    ) -> None:
        self._purges = purges
        self._forget = forget
        self._leases = leases
        self._clock = clock
        self._observer = observer
        self._look_s = look_s
        self._next: dict[ScheduledPurge, float] = {}
        self._due: dict[ScheduledPurge, _Due] = {}

    async def keep_time(self) -> None:
        """Look at the clock for ever."""
        while True:
            await self._look()
            await asyncio.sleep(self._look_s)

    async def _look(self) -> None:
        now, purges = self._clock(), tuple(self._purges())
        known = self._next
        self._next = {one: known.get(one) or next_time(one.cron, now) for one in purges}
        self._due = {one: due for one, due in self._due.items() if one in self._next}
        for one, at in self._next.items():
            if at <= now:
                self._due[one] = _Due(at, retry_at=now)
                self._next[one] = next_time(one.cron, now)
        for one, due in tuple(self._due.items()):
            if due.retry_at > now:
                continue
            if await self._is_over(one, due, now):
                del self._due[one]
            else:
                due.retry_at = now + RETRY_S

    async def _is_over(self, purge: ScheduledPurge, due: _Due, now: float) -> bool:
        """Whether it is made, or as good as: otherwise it must be tried again."""
        try:
            lease = await self._leases.take(f"{purge.id}:{due.at:.0f}", HOLD_S)
            if lease is None:
                return now - due.at > GIVE_UP_S
            return await self._make(purge, lease)
        except TierError as error:
            self._failed(purge, error)
            return False

    async def _make(self, purge: ScheduledPurge, lease: Lease) -> bool:
        try:
            count = await self._forget(purge.selector(self._clock()))
        except TierError as error:
            self._failed(purge, error)
            await self._leases.release(lease)
            return False
        self._observer.event("scheduled_purge", **purge.told, count=count)
        with suppress(TierError):  # another makes it again, which does no harm
            await self._leases.renew(lease, DONE_S)
        return True

    def _failed(self, purge: ScheduledPurge, error: TierError) -> None:
        self._observer.event("scheduled_purge_failed", **purge.told, reason=str(error))
