"""Explains what a cache decides: asks its parts all that a lookup leaves out."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from proxy.core.explaining import (
    Comparison,
    Explanation,
    Neighbour,
    Pair,
    Rules,
    compared,
    decision_of,
    not_served,
    pair_of,
    why_unread,
)
from proxy.core.judgement.verdict import Reject, Verdict
from proxy.core.lookup import Hit
from proxy.core.model import CacheRequest, Candidate, Outcome, Result, Vector
from proxy.core.reading import Understood
from proxy.errors import TierError
from proxy.exchange import Exchange
from proxy.parts.semantic import guards_of
from proxy.resilience import Deadline
from proxy.runtime import Runtime
from proxy.searching import MARKED, Verification

PATIENCE_S: Final = 30.0
"""For each question put to a part: who asks why can wait."""

NO_EMBEDDER: Final = "no embedder"


class Explainer:
    """Explains. No tier changes by it; a second judge, where one is configured, is asked too.

    Args:
        runtime: The running cache.
    """

    def __init__(self, runtime: Runtime) -> None:
        self._search = runtime.search
        self._semantic = runtime.semantic
        self._experience = runtime.experience
        self._rules = _rules(runtime)

    async def compare(self, new: Understood, cached: Understood) -> Comparison:
        """Whether `new` would be answered with the answer to `cached`, and every stage's word."""
        asked, other = await self._asked(new), await self._asked(cached)
        question = other.request.question
        pair = None
        if self._semantic is not None and asked.request.question and question:
            candidate = await self._candidate(asked.request, other.request)
            pair = await self._pair(asked.request, question, candidate)
        return compared(asked, other, pair, self._rules)

    async def explain(self, understood: Understood) -> Explanation:
        """What the cache would do with a request now, and every stage's word on its neighbours."""
        asked = await self._asked(understood)
        request = asked.request
        if (why := why_unread(asked)) is not None:
            return Explanation(asked, not_served(why), (), self._rules)
        found = await self._search.peek(request, Exchange(_nobodys(request)))
        neighbours = [
            Neighbour(near.entry_id, await self._pair(request, near.question, near))
            for near in await self._neighbours(request)
        ]
        decision = decision_of(found)
        if isinstance(found, Hit):
            objection = self._experience.learning.objects(request, found)
            decision = not_served(objection) if objection else decision
        return Explanation(asked, decision, tuple(neighbours), self._rules)

    async def _asked(self, understood: Understood) -> Understood:
        """The request with its question, as a cache without an embedder reads it if this is one."""
        request = understood.request
        if self._semantic is not None:
            return replace(understood, request=await self._search.written(request))
        exact = replace(request, directives=replace(request.directives, semantic=False))
        return replace(understood, request=exact, exact_only=NO_EMBEDDER)

    async def _candidate(self, new: CacheRequest, cached: CacheRequest) -> Candidate | None:
        """The cached question as the index would give it."""
        ours, theirs = await self._embed(new.question), await self._embed(cached.question)
        if ours is None or theirs is None:
            return None
        return Candidate(cached.key, float(ours @ theirs), cached.question)

    async def _neighbours(self, request: CacheRequest) -> Sequence[Candidate]:
        semantic, scope = self._semantic, request.scope.id
        vector = await self._embed(request.question)
        if semantic is None or vector is None:
            return ()
        search, k = semantic.index.search, semantic.candidates
        deadline = Deadline(PATIENCE_S)
        return await semantic.index_stage.ask(lambda: search(scope, vector, k), deadline) or ()

    async def _embed(self, text: str) -> Vector | None:
        semantic = self._semantic
        if semantic is None or not text:
            return None
        embed = semantic.embedder.embed
        return await semantic.embed_stage.ask(lambda: embed(text), Deadline(PATIENCE_S))

    async def _pair(self, new: CacheRequest, cached: str, candidate: Candidate | None) -> Pair:
        verification = self._semantic.verification if self._semantic else None
        probability = None
        if verification is not None and candidate is not None:
            probability = await verification.ask(new.question, candidate, Deadline(PATIENCE_S))
        return pair_of(new, cached, candidate, probability, self._rules_for(new))

    def _rules_for(self, request: CacheRequest) -> Rules:
        """With what feedback forbids in this request's scope."""
        judge, forbids = self._rules.judge, self._experience.marks.forbids
        scope = request.scope.id

        def verdicts(
            question: str, found: Sequence[Candidate], least: float | None
        ) -> Sequence[Verdict]:
            return [
                Reject(MARKED)
                if not isinstance(verdict, Reject) and forbids(scope, question, other.question)
                else verdict
                for verdict, other in zip(judge(question, found, least), found, strict=True)
            ]

        return replace(self._rules, judge=verdicts)


def _rules(runtime: Runtime) -> Rules:
    semantic, least = runtime.semantic, runtime.limits.threshold
    if semantic is None or least is None:
        return Rules(_no_judge, guards=(), least=1.0)
    verification = semantic.verification
    return Rules(
        semantic.judge,
        guards_of(runtime.config),
        least,
        verifier=_name(verification) if verification else None,
        min_probability=verification.min_probability if verification else None,
    )


def _name(verification: Verification) -> str:
    try:
        return verification.verifier.id
    except TierError:
        return "unknown"  # its files cannot be read: its stage says so


def _no_judge(_: str, found: Sequence[Candidate], __: float | None) -> Sequence[Verdict]:
    return [Reject(NO_EMBEDDER) for _ in found]


def _nobodys(request: CacheRequest) -> Outcome:
    """An outcome that nobody is told."""
    scope = request.scope
    return Outcome("", Result.MISS, api=scope.api, model=scope.model, tenant=scope.tenant)
