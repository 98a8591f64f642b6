"""Says every few seconds that this process is there, to all over the same shared tier.

Nobody waits for it, and nothing is decided by it: it is for people who ask which processes there
are. While the shared tier cannot be used, nothing is said, and an event tells so once.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from proxy.core.presence import Replica, reachable
from proxy.errors import TierError
from proxy.ports import Clock, Observer, Presence
from proxy.resilience import Stage

MISSED: Final = 3
"""Words that may be missing in a row before a process is held for gone."""

PATIENCE_S: Final = 5.0
"""How long one word may take."""

FAREWELL_S: Final = 1.0
"""How long the last one may: who stops waits for it."""


@dataclass(frozen=True, slots=True)
class Condition:
    """How this process is just now.

    Attributes:
        positions: Where in the change log its session tiers and its index stand.
        entries: How many its own tiers hold, by tier.
        parts: Each part of its cache, and what is wrong with it; None when it is well.
    """

    positions: tuple[str | None, ...]
    entries: Mapping[str, float]
    parts: Mapping[str, str | None]


class Announcer:
    """Announces one process once it has appeared, and knows who else is there.

    Args:
        presence: Where it is said.
        stage: The shared tier's: while it is not up, nothing is said.
        about: What does not change of this process.
        condition: Asked for what does, at every word.
        every_s: Between two words, seconds; each comes up to a fifth sooner, so that processes
            which started together do not speak together.
        clock: The time now.
        observer: Hears `presence_failed`, once until it works again.
    """

    def __init__(
        self,
        presence: Presence,
        stage: Stage,
        about: Replica,
        condition: Callable[[], Condition],
        *,
        every_s: float,
        clock: Clock,
        observer: Observer,
    ) -> None:
        self._presence = presence
        self._stage = stage
        self._about = about
        self._condition = condition
        self._every_s = every_s
        self._clock = clock
        self._observer = observer
        self._speaking = asyncio.Lock()
        self._hurry = asyncio.Event()
        self._has_appeared = False
        self._is_over = False
        self._is_failing = False
        self._count: int | None = None

    @property
    def id(self) -> str:
        """This process's."""
        return self._about.id

    def appear(self, url: str | None) -> None:
        """Begin to announce: now it serves.

        Args:
            url: Where callers reach it; None of one that serves its own program alone.
        """
        shown = None if url is None else reachable(url, self._about.host)
        self._about = replace(self._about, url=shown)
        self._has_appeared = True
        self._hurry.set()

    def configured(self, digest: str) -> None:
        """Another configuration holds from now on."""
        self._about = replace(self._about, config_digest=digest)
        self._hurry.set()

    def stats(self) -> Mapping[str, float]:
        """`present`: processes listed at the last word, this one too; none where it failed."""
        return {} if self._count is None else {"present": self._count}

    async def present(self) -> Sequence[Replica]:
        """All that are there, those that started first first. Raises TierError when it cannot."""
        found = await self._presence.present()
        return sorted(found, key=lambda one: (one.started_at, one.id))

    async def keep_announcing(self) -> None:
        """For ever."""
        while True:
            self._hurry.clear()
            if self._has_appeared:
                await self._tried(self._announce, PATIENCE_S)
            pause_s = self._every_s * random.uniform(0.8, 1)  # noqa: S311 - spreads, no secret
            try:
                async with asyncio.timeout(pause_s):
                    await self._hurry.wait()
            except TimeoutError:
                continue

    async def withdraw(self) -> None:
        """This process is about to end: be listed no longer."""
        self._is_over = True
        if self._has_appeared:
            await self._tried(lambda: self._presence.withdraw(self.id), FAREWELL_S)

    async def _announce(self) -> None:
        if self._is_over:
            return
        now = self._condition()
        parts = {name: reason or "ok" for name, reason in now.parts.items()}
        entries = {tier: int(count) for tier, count in now.entries.items()}
        lag = await self._lag(now.positions)
        record = replace(
            self._about, seen_at=self._clock(), position_lag=lag, entries=entries, parts=parts
        )
        await self._presence.announce(record, MISSED * self._every_s)
        self._count = len(await self._presence.present())

    async def _lag(self, positions: Sequence[str | None]) -> int | None:
        """Of the one that is furthest behind; None where it cannot be told of all."""
        counted = [await self._presence.behind(one) for one in dict.fromkeys(positions)]
        known = [count for count in counted if count is not None]
        return max(known, default=None) if len(known) == len(counted) else None

    async def _tried(self, speak: Callable[[], Awaitable[None]], seconds: float) -> None:
        if not self._stage.is_up:
            self._count = None
            return
        try:
            # In turns: a farewell is the last word.
            async with asyncio.timeout(seconds), self._speaking:
                await speak()
        except (TierError, TimeoutError) as error:
            self._count = None
            if not self._is_failing:
                reason = str(error) or "late"
                self._observer.event("presence_failed", reason=reason)
            self._is_failing = True
        else:
            self._is_failing = False
