r"""The lookup, as a machine of states.

Each state says what to ask next, and its `next` takes the one answer and returns the next state:

    AskSession -> AskShared -> Embed -> AskVector -> Fetch
         \            \          \         \          \
          Hit           Hit        Miss      Miss       Hit | Fetch | Miss

The driver in `proxy.gateway` asks; nothing here waits, and nothing here knows what a tier is made
of. A tier that failed answers like a tier that has nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from proxy.core.freshness import is_fresh, may_serve, may_serve_on_error
from proxy.core.model import (
    Accept,
    CacheRequest,
    Candidate,
    Entry,
    Reject,
    Tier,
    Vector,
    Verdict,
)

Judge = Callable[[str, Sequence[Candidate], float | None], Sequence[Verdict]]
"""(question, candidates, least similarity the caller accepts) -> one verdict each."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What the lookup has learned so far; a miss takes it along.

    Attributes:
        request: What is looked for.
        vector: The question's embedding, for the entry that a miss will store.
        similarity: Of the best neighbour judged.
        reason: Why the best thing seen was not served.
        stale: An entry too old to serve, unless the origin fails (RFC 5861, 4).
        stale_tier: The tier it was in.
    """

    request: CacheRequest
    vector: Vector | None = None
    similarity: float | None = None
    reason: str = ""
    stale: Entry | None = None
    stale_tier: Tier | None = None

    def passed_over(self, entry: Entry, tier: Tier, now: float) -> Seen:
        """After an entry that this request's directives do not accept."""
        fallback = may_serve_on_error(entry, self.request.directives, now)
        return replace(
            self,
            reason="expired" if not is_fresh(entry, now) else "not fresh enough",
            stale=entry if fallback and self.stale is None else self.stale,
            stale_tier=tier if fallback and self.stale is None else self.stale_tier,
        )


@dataclass(frozen=True, slots=True)
class Hit:
    """Serve this entry."""

    seen: Seen
    entry: Entry
    tier: Tier
    is_stale: bool
    similarity: float | None = None


@dataclass(frozen=True, slots=True)
class Miss:
    """Ask the origin."""

    seen: Seen


def start(request: CacheRequest) -> AskSession | Miss:
    """Where a request's lookup begins."""
    seen = Seen(request)
    if not request.directives.read:
        return Miss(replace(seen, reason="no-cache"))
    return AskSession(seen)


def _served(seen: Seen, entry: Entry, tier: Tier, now: float) -> Hit | None:
    if not may_serve(entry, seen.request.directives, now):
        return None
    return Hit(seen, entry, tier, is_stale=not is_fresh(entry, now))


@dataclass(frozen=True, slots=True)
class AskSession:
    """Ask the session tier for the exact key."""

    seen: Seen

    def next(self, found: Entry | None, now: float) -> Hit | AskShared:
        """A usable entry is a hit; anything else asks the shared tier, which may be fresher."""
        if found is None:
            return AskShared(self.seen)
        hit = _served(self.seen, found, Tier.SESSION, now)
        return hit or AskShared(self.seen.passed_over(found, Tier.SESSION, now))


@dataclass(frozen=True, slots=True)
class AskShared:
    """Ask the shared tier for the exact key."""

    seen: Seen

    def next(self, found: Entry | None, now: float) -> Hit | Embed | Miss:
        """An expired exact entry ends the search: a neighbour would be no better an answer."""
        if found is not None:
            hit = _served(self.seen, found, Tier.SHARED, now)
            return hit or Miss(self.seen.passed_over(found, Tier.SHARED, now))
        request = self.seen.request
        if not request.directives.semantic or not request.question:
            return Miss(self.seen)
        return Embed(self.seen)


@dataclass(frozen=True, slots=True)
class Embed:
    """Embed the question."""

    seen: Seen

    def next(self, vector: Vector | None) -> AskVector | Miss:
        """Without a vector (too long, late, no embedder) only the exact tiers can answer."""
        if vector is None:
            return Miss(replace(self.seen, reason=self.seen.reason or "not embedded"))
        return AskVector(replace(self.seen, vector=vector), vector)


@dataclass(frozen=True, slots=True)
class AskVector:
    """Ask the vector tier for the question's neighbours in the scope."""

    seen: Seen
    vector: Vector

    def next(self, found: Sequence[Candidate], judge: Judge) -> Fetch | Miss:
        """Judge the neighbours; those accepted are fetched best first."""
        if not found:
            return Miss(self.seen)
        request = self.seen.request
        verdicts = judge(request.question, found, request.directives.threshold)
        accepted = tuple(
            candidate
            for candidate, verdict in zip(found, verdicts, strict=True)
            if isinstance(verdict, Accept)
        )
        first = verdicts[0]
        seen = replace(
            self.seen,
            similarity=found[0].similarity,
            reason=first.reason if isinstance(first, Reject) else self.seen.reason,
        )
        return Fetch(seen, accepted) if accepted else Miss(seen)


@dataclass(frozen=True, slots=True)
class Fetch:
    """Fetch the first of the accepted neighbours' entries from the shared tier."""

    seen: Seen
    accepted: tuple[Candidate, ...]

    @property
    def wanted(self) -> Candidate:
        """The best neighbour not yet fetched."""
        return self.accepted[0]

    def next(self, found: Entry | None, now: float) -> Hit | Fetch | Miss:
        """An entry gone or too old gives way to the next neighbour."""
        seen = self.seen
        if found is None:
            seen = replace(seen, reason="neighbour gone")
        else:
            hit = _served(seen, found, Tier.VECTOR, now)
            if hit is not None:
                return replace(hit, similarity=self.wanted.similarity)
            seen = seen.passed_over(found, Tier.VECTOR, now)
        return Fetch(seen, self.accepted[1:]) if len(self.accepted) > 1 else Miss(seen)


State = AskSession | AskShared | Embed | AskVector | Fetch | Hit | Miss
