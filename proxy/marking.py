"""What feedback needs: which hit a request got, and which matches were called wrong.

Questions stay out of it: a pair is remembered by its digest.
"""

from collections import Counter, OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Final

from proxy.core.labels import MARKS, Mark, pair_of
from proxy.core.lookup import Hit
from proxy.core.model import CacheRequest, Scope, Tier
from proxy.errors import TierError
from proxy.ports import Clock, LabelStore, Observer

HITS: Final = 10_000
"""Hits remembered, the newest."""


@dataclass(frozen=True, slots=True)
class Served:
    """A hit, as it is remembered.

    Attributes:
        request_id: Whose it was.
        scope: The request's.
        entry: Id of the entry served.
        tier: Where it was found.
        score: What the last that decided said; None for an exact repeat, and once somebody has said
            what the hit was worth.
        pair: Digest of the two questions; "" for an exact repeat.
    """

    request_id: str
    scope: Scope
    entry: str
    tier: Tier
    score: float | None
    pair: str


class Hits:
    """The newest hits, by their request's id."""

    def __init__(self) -> None:
        self._known: OrderedDict[str, Served] = OrderedDict()

    def remember(self, request_id: str, request: CacheRequest, hit: Hit) -> Served:
        """This request got this hit; one without an id cannot be asked for."""
        is_neighbour = hit.tier is Tier.VECTOR
        scope = request.scope
        served = Served(
            request_id,
            scope,
            hit.entry.id,
            hit.tier,
            hit.score,
            pair_of(scope.id, request.question, hit.entry.question) if is_neighbour else "",
        )
        if request_id:
            self.again(request_id, served)
        return served

    def again(self, request_id: str, served: Served) -> None:
        """This request got a hit that another had got."""
        self._known[request_id] = served
        if len(self._known) > HITS:
            self._known.popitem(last=False)

    def judged(self, served: Served) -> None:
        """Somebody has said what this hit was worth: it counts once, however often it is said."""
        if served.request_id in self._known:
            self._known[served.request_id] = replace(served, score=None)

    def of_request(self, tenant: str, request_id: str) -> Served | None:
        """What a request of this tenant got; None when it got nothing, or is forgotten."""
        served = self._known.get(request_id)
        return served if served is not None and served.scope.tenant == tenant else None

    def of_entry(self, tenant: str, entry: str) -> Served | None:
        """The newest hit of this tenant on an entry."""
        return next(
            (
                served
                for served in reversed(self._known.values())
                if served.entry == entry and served.scope.tenant == tenant
            ),
            None,
        )


class Marks:
    """The matches that were called wrong; they are not made again.

    Args:
        store: Keeps them.
        observer: Hears `labels_failed`.
    """

    def __init__(self, store: LabelStore, *, clock: Clock, observer: Observer) -> None:
        self._store = store
        self._clock = clock
        self._observer = observer
        self._pairs: OrderedDict[str, str] = OrderedDict()
        self._scopes: Counter[str] = Counter()

    def recall(self, marks: Iterable[Mark]) -> None:
        """Remember again what was kept, oldest first."""
        for mark in marks:
            self._add(mark)

    def forbids(self, scope: str, question: str, cached: str) -> bool:
        """Whether these two were called different in this scope."""
        return scope in self._scopes and pair_of(scope, question, cached) in self._pairs

    async def mark(self, scope: str, pair: str) -> bool:
        """Forbid a pair, from now on. Returns whether it will be known after a restart too."""
        mark = Mark(scope, pair, self._clock())
        self._add(mark)
        try:
            await self._store.mark(mark)
        except TierError as error:
            self._observer.event("labels_failed", reason=str(error))
            return False
        return True

    def _add(self, mark: Mark) -> None:
        if self._pairs.pop(mark.pair, None) is None:
            self._scopes[mark.scope] += 1
        self._pairs[mark.pair] = mark.scope
        if len(self._pairs) > MARKS:
            _, scope = self._pairs.popitem(last=False)
            self._scopes[scope] -= 1
            if not self._scopes[scope]:
                del self._scopes[scope]
