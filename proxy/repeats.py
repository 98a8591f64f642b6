"""Answers of the exact tiers that are given again: whether they still hold, and what is counted.

What a lookup finds out anew each time is known of a repeat: only the session tier is asked, the
shared tier where that has nothing, and the clock. What is to be counted is noted, and told the
observer when the loop has time.
"""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum, auto
from functools import partial
from typing import Final

from proxy.core.dialects.base import Stamp
from proxy.core.freshness import is_fresh
from proxy.core.lookup import Hit
from proxy.core.model import CacheRequest, Entry, Outcome, Tier
from proxy.core.repetition import Repetition
from proxy.marking import Hits, Served
from proxy.ports import Clock, Observer, SessionTier, SharedTier
from proxy.resilience import Deadline, Stage

SETTLE_S: Final = 0.05
"""How long what was noted may wait."""

MOST_NOTED: Final = 100
"""Repeats of one request after which it waits no longer: telling of them takes its time, too."""


class Kept(Enum):
    """What the session tier has of an answer that was given before."""

    STILL = auto()
    """The same, and fresh."""

    NO_LONGER = auto()
    """Nothing: the shared tier may have it."""

    OTHERWISE = auto()
    """Another answer, or one that has expired."""


@dataclass(slots=True, eq=False)
class Repeat:
    """A request that an exact tier has answered, and would again.

    Attributes:
        request: The request.
        entry: What it got.
        served: The same, as feedback asks for it.
        outcome: What was told of it.
        at: When that was, seconds since the epoch.
        headers: Of its reply, without those of the cache.
        make: (random hex, time) -> the stamp of a reply.
        pieces: A reply's body with that stamp, in the pieces that it is sent in.
    """

    request: CacheRequest
    entry: Entry
    served: Served
    outcome: Outcome
    at: float
    headers: Sequence[tuple[str, str]]
    make: Callable[[str, int], Stamp]
    pieces: Callable[[Stamp], Sequence[bytes]]
    _noted: list[Repetition] = field(default_factory=list)

    def by(self, tier: Tier) -> Outcome:
        """What is told of it where this tier answers, without its times."""
        timings = Repetition("", 0.0, 0.0, 0.0, 0.0 if tier is Tier.SHARED else None).timings()
        return replace(self.outcome, tier=tier, timings=timings)

    def note(self, repetition: Repetition) -> int:
        """One more; returns how many have been noted."""
        self._noted.append(repetition)
        return len(self._noted)

    def told(self) -> Iterator[tuple[Outcome, list[Repetition]]]:
        """What has been noted, and what the first by the same tier came to; it is forgotten."""
        noted, self._noted = self._noted, []
        for tier in (Tier.SESSION, Tier.SHARED):
            if found := [one for one in noted if one.tier is tier]:
                yield self.by(tier), found


def may_repeat(request: CacheRequest, hit: Hit) -> bool:
    """Whether the exact tiers and the clock are all that the next one depends on."""
    asked = request.directives
    takes_any_age = asked.max_age is None and asked.min_fresh == 0.0
    is_plain = not (hit.is_stale or hit.seen.reason)
    return hit.tier is not Tier.VECTOR and is_plain and takes_any_age


class Repeats:
    """Gives answers again.

    Args:
        session: Holds them.
        shared: Holds all, and its stage.
        hits: Remembers who got what, for feedback.
        observer: Hears of them, soon.
    """

    def __init__(
        self, session: SessionTier, shared: tuple[SharedTier, Stage], hits: Hits, observer: Observer
    ) -> None:
        self._session = session
        self._shared, self._shared_stage = shared
        self._hits = hits
        self._observer = observer
        self._noted: list[Repeat] = []
        self._timer: asyncio.TimerHandle | None = None

    def kept(self, repeat: Repeat, now: float) -> Kept:
        """What the session tier has of it now."""
        request = repeat.request
        entry = self._session.get(request.caller, request.key)
        if entry is None:
            return Kept.NO_LONGER
        return Kept.STILL if _is_still(repeat, entry, now) else Kept.OTHERWISE

    async def found(self, repeat: Repeat, deadline: Deadline, clock: Clock) -> bool:
        """Whether the shared tier still has this very answer, fresh: the session tier gets it."""
        request, began = repeat.request, clock()
        get = partial(self._shared.get, request.scope.id, request.key)
        entry = await self._shared_stage.ask(get, deadline)
        if entry is None or not _is_still(repeat, entry, clock()):
            return False
        self._session.put(request.caller, repeat.entry, read_at=began)
        return True

    def note(self, repeat: Repeat, repetition: Repetition) -> None:
        """It was given again."""
        self._hits.again(repetition.request_id, repeat.served)
        noted = repeat.note(repetition)
        if noted == 1:
            self._noted.append(repeat)
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(SETTLE_S, self.settle)
        elif noted >= MOST_NOTED:
            self.settle()

    def settle(self) -> None:
        """Tell the observer of all that was noted."""
        if self._timer is None:
            return
        self._timer.cancel()
        self._timer = None
        noted, self._noted = self._noted, []
        for repeat in noted:
            for first, repetitions in repeat.told():
                self._observer.repeated(first, repetitions)

    def left(self, repeat: Repeat, repetition: Repetition) -> None:
        """Its caller left before it was given again."""
        self._observer.notice(repetition.left(repeat.by(repetition.tier)))


def _is_still(repeat: Repeat, entry: Entry, now: float) -> bool:
    """Whether this is the same answer, and fresh; it takes the other's place."""
    if not (entry is repeat.entry or entry == repeat.entry):
        return False
    repeat.entry = entry
    return is_fresh(entry, now)
