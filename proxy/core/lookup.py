r"""The lookup, as a machine of states.

Each state says what to ask next, and its `next` takes the one answer and returns the next state:

    AskSession -> AskShared -> Rewrite -> Embed -> AskVector -> Verify -> Fetch
         \            \           \         \         \          \         \
          Hit          Hit         Miss      Miss      Fetch      Miss      Hit
                       Embed                           Miss                 Fetch
                       Miss                                                 Miss

A question is written only where the rules of `proxy.core.rewriting` found none and a model may; all
others are embedded as they are.

Of the neighbours in doubt the nearest is verified, so that a lookup costs at most one run of the
verifier: measured, verifying more of them serves one more hit in a hundred, and is more often wrong
than right about it. Those accepted without are fetched instead. The driver in `proxy.searching`
asks; nothing here waits, and nothing here knows what a tier is made of. A tier that failed answers
like a tier that has nothing, a verifier that failed vouches for nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from proxy.core.freshness import (
    is_fresh,
    may_serve,
    may_serve_on_error,
    may_serve_while_refreshed,
)
from proxy.core.judgement.verdict import Accept, Doubt, Reject, Verdict
from proxy.core.model import CacheRequest, Candidate, Entry, Judged, Tier, Vector

Judge = Callable[[str, Sequence[Candidate], float | None], Sequence[Verdict]]
"""(question, candidates, least similarity the caller accepts) -> one verdict each."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What the lookup has learned so far; a miss takes it along.

    Attributes:
        request: What is looked for; with its question, once that is written.
        vector: The question's embedding, for the entry that a miss will store.
        similarity: Of the best neighbour judged: the one verified, else the nearest.
        probability: What the verifier gave that neighbour; None when it was not asked.
        judged: What was decided of it.
        guard: Which veto, of one that is vetoed.
        neighbour: Id of its entry, where the verifier did not vouch for it.
        reason: Why the best thing seen was not served.
        stale: An entry too old to serve, unless the origin fails (RFC 5861, 4).
        stale_tier: The tier it was in.
        waning: An entry of this very request that may be served while it is refreshed.
    """

    request: CacheRequest
    vector: Vector | None = None
    similarity: float | None = None
    probability: float | None = None
    judged: Judged | None = None
    guard: str = ""
    neighbour: str = ""
    reason: str = ""
    stale: Entry | None = None
    stale_tier: Tier | None = None
    waning: Hit | None = None

    def passed_over(self, entry: Entry, tier: Tier, now: float) -> Seen:
        """After an entry that this request's directives do not accept."""
        fallback = may_serve_on_error(entry, self.request.directives, now)
        waning = self.waning
        is_newest = waning is None or waning.entry.created_at < entry.created_at
        if is_newest and _wants_refresh(self, entry, tier, now):
            waning = Hit(self, entry, tier, is_stale=True, wants_refresh=True)
        return replace(
            self,
            waning=waning,
            reason="expired" if not is_fresh(entry, now) else "not fresh enough",
            stale=entry if fallback and self.stale is None else self.stale,
            stale_tier=tier if fallback and self.stale is None else self.stale_tier,
        )


@dataclass(frozen=True, slots=True)
class Hit:
    """Serve this entry.

    Attributes:
        seen: What the lookup has learned.
        entry: What is served.
        tier: Where it was found.
        is_stale: It has expired, and this request accepts that.
        wants_refresh: A fresh answer is to be fetched, while this one is served.
        similarity: Of the neighbour served; None for an exact entry.
        probability: What the verifier gave it; None when it was accepted without.
    """

    seen: Seen
    entry: Entry
    tier: Tier
    is_stale: bool
    wants_refresh: bool = False
    similarity: float | None = None
    probability: float | None = None

    @property
    def score(self) -> float | None:
        """What the last that decided said: the probability, else the similarity."""
        return self.similarity if self.probability is None else self.probability


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
    wants_refresh = _wants_refresh(seen, entry, tier, now)
    return Hit(seen, entry, tier, is_stale=not is_fresh(entry, now), wants_refresh=wants_refresh)


def _wants_refresh(seen: Seen, entry: Entry, tier: Tier, now: float) -> bool:
    """A neighbour's own request is not known, so that nobody can ask it again."""
    asked = seen.request.directives
    return tier is not Tier.VECTOR and may_serve_while_refreshed(entry, asked, now)


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

    def next(self, found: Entry | None, now: float) -> Hit | Rewrite | Embed | Miss:
        """An expired exact entry ends the search: a neighbour would be no better an answer.

        One that may be served while it is refreshed is served once no tier has a fresher one.
        """
        if found is not None:
            hit = _served(self.seen, found, Tier.SHARED, now)
            seen = self.seen.passed_over(found, Tier.SHARED, now)
            return hit or seen.waning or Miss(seen)
        if self.seen.waning is not None:
            return self.seen.waning
        request = self.seen.request
        if not request.directives.semantic:
            return Miss(self.seen)
        if request.unwritten:
            # A model is a stranger: what is private is not shown to it.
            return _unwritten(self.seen) if request.directives.private else Rewrite(self.seen)
        return Embed(self.seen) if request.question else Miss(self.seen)


@dataclass(frozen=True, slots=True)
class Rewrite:
    """Have a model write the question of a conversation."""

    seen: Seen

    def next(self, text: str | None) -> Embed | Miss:
        """Without a text only the exact tiers can answer, and will have the answer alone."""
        if not text:
            return _unwritten(self.seen)
        return Embed(replace(self.seen, request=with_question(self.seen.request, text)))


def with_question(request: CacheRequest, text: str) -> CacheRequest:
    """The request, once its question is written. Its scope and key are what they were."""
    return replace(request, question=text, unwritten=())


def _unwritten(seen: Seen) -> Miss:
    return Miss(replace(seen, reason=seen.reason or "not rewritten"))


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

    def next(self, found: Sequence[Candidate], judge: Judge) -> Verify | Fetch | Miss:
        """Judge the neighbours: fetch those accepted, else verify the nearest in doubt."""
        if not found:
            return Miss(self.seen)
        request = self.seen.request
        verdicts = judge(request.question, found, request.directives.threshold)
        judged = tuple(zip(found, verdicts, strict=True))
        accepted = tuple(Accepted(one) for one, verdict in judged if isinstance(verdict, Accept))
        doubtful = tuple(one for one, verdict in judged if isinstance(verdict, Doubt))
        first = verdicts[0]
        seen = replace(
            self.seen,
            similarity=found[0].similarity,
            reason=first.reason if isinstance(first, Reject) else self.seen.reason,
        )
        if accepted:
            return Fetch(replace(seen, judged=Judged.ACCEPTED), accepted)
        if doubtful:
            return Verify(seen, doubtful[0])
        guard = first.guard if isinstance(first, Reject) else ""
        decided = Judged.VETOED if guard else Judged.BELOW
        return Miss(replace(seen, judged=decided, guard=guard))


@dataclass(frozen=True, slots=True)
class Accepted:
    """A neighbour that may be served, and what the verifier gave it, if it was asked."""

    candidate: Candidate
    probability: float | None = None


@dataclass(frozen=True, slots=True)
class Verify:
    """Ask the verifier about this neighbour."""

    seen: Seen
    wanted: Candidate

    def next(self, probability: float | None, least: float) -> Fetch | Miss:
        """It is fetched if it is likely enough; without an answer nothing is served.

        Args:
            probability: That one answer serves both; None when the verifier failed or was late.
            least: The probability that is enough.
        """
        if probability is not None and probability >= least:
            seen = replace(self.seen, judged=Judged.ACCEPTED)
            return Fetch(seen, (Accepted(self.wanted, probability),))
        reason = "not verified"
        if probability is not None:
            reason = f"verifier {probability:.2f} < {least:.2f}"
        similarity = self.wanted.similarity
        seen = replace(self.seen, similarity=similarity, probability=probability, reason=reason)
        return Miss(replace(seen, judged=Judged.UNSURE, neighbour=self.wanted.entry_id))


@dataclass(frozen=True, slots=True)
class Fetch:
    """Fetch the first of the accepted neighbours' entries from the shared tier.

    Attributes:
        seen: What the lookup has learned so far.
        accepted: Those that may be served, best first.
    """

    seen: Seen
    accepted: tuple[Accepted, ...]

    @property
    def wanted(self) -> Candidate:
        """The best neighbour not yet fetched."""
        return self.accepted[0].candidate

    def next(self, found: Entry | None, now: float) -> Hit | Fetch | Miss:
        """An entry gone or too old gives way to the next neighbour."""
        seen = self.seen
        if found is None:
            seen = replace(seen, reason="neighbour gone")
        else:
            hit = _served(seen, found, Tier.VECTOR, now)
            if hit is not None:
                probability = self.accepted[0].probability
                return replace(hit, similarity=self.wanted.similarity, probability=probability)
            seen = seen.passed_over(found, Tier.VECTOR, now)
        rest = self.accepted[1:]
        return Fetch(seen, rest) if rest else Miss(seen)


Asking = AskSession | AskShared | Rewrite | Embed | AskVector | Verify | Fetch
"""States that ask something; the others are the end."""

State = Asking | Hit | Miss
