"""Why one request gets another's answer, or does not.

The decision is not made here: a pair goes through the states of `proxy.core.lookup`, with the judge
that serves. What is added is what a lookup leaves out as soon as it knows enough: all the vetoes,
the probability of a pair that was vetoed, and the parts of the key that differ.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from proxy.core.judgement.base import Guard, read
from proxy.core.lookup import AskVector, Fetch, Hit, Judge, Miss, Seen, Verify
from proxy.core.model import CacheRequest, Candidate, Scope
from proxy.core.reading import Understood

PARTS: Final = (
    "tenant",
    "namespace",
    "api",
    "model",
    "system",
    "context",
    "tools",
    "sampling",
    "format",
    "extra",
)
"""Of a key, beside the question: all must be the same."""

_NO_VECTOR: Final = np.zeros(1, np.float32)
"""The neighbour is given here, so that nothing is searched for."""


@dataclass(frozen=True, slots=True)
class Rules:
    """What decides.

    Attributes:
        judge: The judge that serves.
        guards: Its vetoes, to be asked one by one.
        least: The least similarity, unless the caller says otherwise.
        verifier: The verifier's id; None where nothing verifies.
        min_probability: What it must reach; None where nothing verifies.
    """

    judge: Judge
    guards: Sequence[Guard]
    least: float
    verifier: str | None = None
    min_probability: float | None = None


@dataclass(frozen=True, slots=True)
class Pair:
    """A new question beside a cached one.

    Attributes:
        question: The cached one.
        same_text: They differ in nothing that the judge reads.
        similarity: Their cosine; None when one of them was not embedded.
        least: What it must reach for this request.
        vetoes: (guard, reason), all of them, in the order they are asked.
        probability: That one answer serves both; None when the verifier had no answer.
        served: What the lookup decides.
        reason: Why.
    """

    question: str
    same_text: bool
    similarity: float | None
    least: float
    vetoes: tuple[tuple[str, str], ...]
    probability: float | None
    served: bool
    reason: str


@dataclass(frozen=True, slots=True)
class Decision:
    """Served, and from which tier; or not; and why."""

    served: bool
    tier: str | None
    reason: str


@dataclass(frozen=True, slots=True)
class Comparison:
    """Whether a request would get another's answer.

    Attributes:
        new: The one that asks.
        cached: The one whose answer is there.
        differs: Parts of the key that differ.
        pair: Their questions; None when one has none, or nothing embeds.
        decision: What would happen with nothing else in the cache.
        rules: What decided.
    """

    new: Understood
    cached: Understood
    differs: tuple[str, ...]
    pair: Pair | None
    decision: Decision
    rules: Rules

    @property
    def is_same(self) -> bool:
        """Both are one request to the cache."""
        return self.new.request.key == self.cached.request.key


@dataclass(frozen=True, slots=True)
class Neighbour:
    """An entry near the question, and what is said of it."""

    entry: str
    pair: Pair


@dataclass(frozen=True, slots=True)
class Explanation:
    """What a running cache would do with a request.

    Attributes:
        asked: The request.
        decision: What the lookup found.
        neighbours: Those it would judge, nearest first.
        rules: What decided.
    """

    asked: Understood
    decision: Decision
    neighbours: tuple[Neighbour, ...]
    rules: Rules


def why_unread(asked: Understood) -> str | None:
    """Why a request is not answered from the cache; None when it may be."""
    if asked.bypass is not None:
        return asked.bypass
    return None if asked.request.directives.read else "no-cache"


def why_unstored(asked: Understood) -> str | None:
    """Why its answer is not stored; None when it may be."""
    if asked.bypass is not None:
        return asked.bypass
    return None if asked.request.directives.write else asked.reason or "no-store"


def why_exact(asked: Understood) -> str | None:
    """Why no answer to another wording serves it; None when one may."""
    if asked.request.directives.semantic:
        return None
    if asked.request.directives.private:
        return _session_only(asked)
    return asked.exact_only or asked.reason or "x-cache-mode: exact"


def why_unindexed(asked: Understood) -> str | None:
    """Why its answer serves no other wording; None when it may."""
    return _session_only(asked) if asked.request.directives.private else why_exact(asked)


def _session_only(asked: Understood) -> str:
    return f"session only: {asked.reason or 'cache-control: private'}"


def differing(new: Scope, cached: Scope) -> tuple[str, ...]:
    """The parts of the key that differ."""
    return tuple(part for part in PARTS if getattr(new, part) != getattr(cached, part))


def pair_of(
    new: CacheRequest,
    cached: str,
    candidate: Candidate | None,
    probability: float | None,
    rules: Rules,
) -> Pair:
    """A pair, explained.

    Args:
        new: The request that is looked up.
        cached: The cached question.
        candidate: It, as the index would give it; None when one of the two has no vector.
        probability: By the verifier, whatever the stages before it say.
        rules: What decides.
    """
    ours, theirs = read(new.question), read(cached)
    vetoes = ((guard.name, guard.veto(ours, theirs)) for guard in rules.guards)
    served, reason = _judged(new, candidate, probability, rules)
    own = new.directives.threshold
    return Pair(
        question=cached,
        same_text=ours.plain == theirs.plain,
        similarity=None if candidate is None else candidate.similarity,
        least=rules.least if own is None else own,
        vetoes=tuple((name, veto) for name, veto in vetoes if veto is not None),
        probability=probability,
        served=served,
        reason=reason,
    )


def _judged(
    new: CacheRequest, candidate: Candidate | None, probability: float | None, rules: Rules
) -> tuple[bool, str]:
    """The lookup's own states, from a neighbour found to one that may be fetched."""
    if candidate is None:
        return False, "not embedded"
    state = AskVector(Seen(new), _NO_VECTOR).next([candidate], rules.judge)
    if isinstance(state, Verify) and rules.min_probability is not None:
        state = state.next(probability, rules.min_probability)
        if isinstance(state, Fetch):
            return True, f"verifier {probability or 0:.2f} >= {rules.min_probability:.2f}"
    if not isinstance(state, Fetch):
        return False, state.seen.reason
    [verdict] = rules.judge(new.question, [candidate], new.directives.threshold)
    return True, verdict.reason


def compared(new: Understood, cached: Understood, pair: Pair | None, rules: Rules) -> Comparison:
    """What would become of `new`, with nothing in the cache but the answer to `cached`."""
    differs = differing(new.request.scope, cached.request.scope)
    reason = _why_not(new, cached, differs)
    if reason is not None:
        decision = not_served(reason)
    elif new.request.key == cached.request.key:
        is_private = cached.request.directives.private
        tier = "session" if is_private else "session or shared"
        decision = Decision(served=True, tier=tier, reason="the same request")
    else:
        decision = _by_meaning(new, cached, pair)
    return Comparison(new, cached, differs, pair, decision, rules)


def _why_not(new: Understood, cached: Understood, differs: tuple[str, ...]) -> str | None:
    """Why not even the same question would be answered."""
    if (why := why_unread(new)) is not None:
        return why
    if (why := why_unstored(cached)) is not None:
        return f"not stored: {why}"
    return f"key differs: {', '.join(differs)}" if differs else None


def _by_meaning(new: Understood, cached: Understood, pair: Pair | None) -> Decision:
    why = why_exact(new) or why_unindexed(cached)
    if why is not None:
        return not_served(f"exact repeats only: {why}")
    if pair is None:
        is_unwritten = new.request.unwritten or cached.request.unwritten
        return not_served("not rewritten" if is_unwritten else "no question")
    return Decision(pair.served, "vector" if pair.served else None, pair.reason)


def decision_of(found: Hit | Miss) -> Decision:
    """A lookup's end."""
    if isinstance(found, Hit):
        reason = "expired, and this request accepts that" if found.is_stale else "fresh"
        reason = "expired, and refreshed meanwhile" if found.wants_refresh else reason
        return Decision(served=True, tier=found.tier.value, reason=reason)
    return not_served(found.seen.reason or "nothing is near")


def not_served(reason: str) -> Decision:
    """The origin would be asked."""
    return Decision(served=False, tier=None, reason=reason)
