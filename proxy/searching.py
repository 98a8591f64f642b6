"""Look a request up: drive the states of `proxy.core.lookup` against the tiers."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import assert_never

from proxy.core.lookup import (
    AskSession,
    AskShared,
    AskVector,
    Embed,
    Fetch,
    Hit,
    Judge,
    Miss,
    State,
    start,
)
from proxy.core.model import CacheRequest, Candidate, Entry, Tier, Vector, Verdict
from proxy.exchange import Exchange
from proxy.ports import Clock, Embedder, SessionTier, SharedTier, VectorTier
from proxy.resilience import Deadline, Stage
from proxy.storing import Store


@dataclass(frozen=True, slots=True)
class Semantic:
    """What a semantic cache needs beyond the exact tiers."""

    embedder: Embedder
    embed_stage: Stage
    index: VectorTier
    index_stage: Stage
    judge: Judge
    candidates: int


class Search:
    """Finds entries.

    Args:
        session: The session tier.
        shared: The shared tier and its stage.
        semantic: None when only exact keys are looked up.
        store: Knows which answers are just being written.
        deadline_s: For all stages of one request together.
    """

    def __init__(
        self,
        session: SessionTier,
        shared: tuple[SharedTier, Stage],
        semantic: Semantic | None,
        store: Store,
        *,
        deadline_s: float,
        clock: Clock,
    ) -> None:
        self._session = session
        self._shared, self._shared_stage = shared
        self._semantic = semantic
        self._store = store
        self._deadline_s = deadline_s
        self._clock = clock

    async def look_up(self, request: CacheRequest, exchange: Exchange) -> Hit | Miss:
        """Walk the states until one is the end; a failed part answers like an empty one."""
        if self._semantic is None:
            request = replace(request, directives=replace(request.directives, semantic=False))
        state: State = start(request)
        deadline = Deadline(self._deadline_s)
        while True:
            match state:
                case AskSession():
                    with exchange.timing("session"):
                        entry = self._session.get(request.caller, request.key)
                    state = state.next(entry, self._clock())
                case AskShared():
                    with exchange.timing("shared"):
                        entry = await self._get(request, request.key, deadline)
                    state = state.next(entry, self._clock())
                case Embed():
                    with exchange.timing("embed"):
                        vector = await self._embed(request.question, deadline)
                    state = state.next(vector)
                case AskVector():
                    with exchange.timing("vector"):
                        found = await self._neighbours(request, state.vector, deadline)
                        state = state.next(found, self._judge)
                case Fetch():
                    with exchange.timing("shared"):
                        entry = await self._get(request, state.wanted.entry_id, deadline)
                    state = state.next(entry, self._clock())
                case Hit():
                    return self._promote(request, state)
                case Miss():
                    return state
                case _:
                    assert_never(state)

    def _promote(self, request: CacheRequest, hit: Hit) -> Hit:
        """What the shared tier knew by its exact key, the session tier knows from now on."""
        if hit.tier is Tier.SHARED and not hit.is_stale:
            self._session.put(request.caller, hit.entry)
        return hit

    async def _get(self, request: CacheRequest, key: str, deadline: Deadline) -> Entry | None:
        scope = request.scope.id
        return await self._shared_stage.ask(lambda: self._shared.get(scope, key), deadline)

    async def _embed(self, text: str, deadline: Deadline) -> Vector | None:
        semantic = self._semantic
        if semantic is None:
            return None
        return await semantic.embed_stage.ask(lambda: semantic.embedder.embed(text), deadline)

    async def _neighbours(
        self, request: CacheRequest, vector: Vector, deadline: Deadline
    ) -> Sequence[Candidate]:
        semantic, scope = self._semantic, request.scope.id
        if semantic is None:
            return ()
        await self._store.settled(scope, deadline)
        search = semantic.index.search
        k = semantic.candidates
        return await semantic.index_stage.ask(lambda: search(scope, vector, k), deadline) or ()

    def _judge(
        self, question: str, found: Sequence[Candidate], threshold: float | None
    ) -> Sequence[Verdict]:
        return self._semantic.judge(question, found, threshold) if self._semantic else ()
