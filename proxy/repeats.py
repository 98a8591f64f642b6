"""Answers of the session tier that are given again: whether they still hold, and what is counted.

What a lookup finds out anew each time is known of a repeat: only the session tier is asked, and the
clock. What is to be counted is noted, and told the observer when the loop has time.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

from proxy.core.dialects.base import Stamp
from proxy.core.lookup import Hit
from proxy.core.model import CacheRequest, Outcome, Tier
from proxy.core.repetition import Repetition
from proxy.marking import Hits, Served
from proxy.ports import Observer, SessionTier

SETTLE_S: Final = 0.05
"""How long what was noted may wait."""

MOST_NOTED: Final = 100
"""Repeats of one request after which it waits no longer: telling of them takes its time, too."""


@dataclass(slots=True, eq=False)
class Repeat:
    """A request that the session tier has answered, and would again.

    Attributes:
        request: The request.
        hit: What it got.
        served: The same, as feedback asks for it.
        outcome: What was told of it, without its times.
        at: When that was, seconds since the epoch.
        headers: Of its reply, without those of the cache.
        make: (random hex, time) -> the stamp of a reply.
        pieces: A reply's body with that stamp, in the pieces that it is sent in.
    """

    request: CacheRequest
    hit: Hit
    served: Served
    outcome: Outcome
    at: float
    headers: Sequence[tuple[str, str]]
    make: Callable[[str, int], Stamp]
    pieces: Callable[[Stamp], Sequence[bytes]]
    _noted: list[Repetition] = field(default_factory=list)

    def note(self, repetition: Repetition) -> int:
        """One more; returns how many have been noted."""
        self._noted.append(repetition)
        return len(self._noted)

    def told(self) -> list[Repetition]:
        """What has been noted; it is forgotten."""
        noted, self._noted = self._noted, []
        return noted


def may_repeat(request: CacheRequest, hit: Hit) -> bool:
    """Whether the session tier and the clock are all that the next one depends on."""
    asked = request.directives
    takes_any_age = asked.max_age is None and asked.min_fresh == 0.0
    return hit.tier is Tier.SESSION and not hit.is_stale and takes_any_age


class Repeats:
    """Gives answers again.

    Args:
        session: Holds them.
        hits: Remembers who got what, for feedback.
        observer: Hears of them, soon.
    """

    def __init__(self, session: SessionTier, hits: Hits, observer: Observer) -> None:
        self._session = session
        self._hits = hits
        self._observer = observer
        self._noted: list[Repeat] = []
        self._timer: asyncio.TimerHandle | None = None

    def holds(self, repeat: Repeat, now: float) -> bool:
        """Whether the session tier still has this very answer, and it is fresh."""
        request = repeat.request
        entry = self._session.get(request.caller, request.key)
        return entry is repeat.hit.entry and now < entry.expires_at

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
            self._observer.repeated(repeat.outcome, repeat.told())
