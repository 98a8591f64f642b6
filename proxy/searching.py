"""Look a request up: drive the states of `proxy.core.lookup` against the tiers."""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Final, assert_never

from proxy.core.judgement.base import read
from proxy.core.judgement.verdict import Reject, Verdict
from proxy.core.judgement.weighing import weighed
from proxy.core.lookup import (
    Asking,
    AskSession,
    AskShared,
    AskVector,
    Embed,
    Fetch,
    Hit,
    Judge,
    Miss,
    Rewrite,
    State,
    Verify,
    start,
    with_question,
)
from proxy.core.model import CacheRequest, Candidate, Entry, Tier, Vector
from proxy.core.replacing import replaced
from proxy.exchange import Exchange
from proxy.ports import Clock, Embedder, SessionTier, SharedTier, VectorTier, Verifier, Writer
from proxy.resilience import Deadline, Stage
from proxy.storing import Store

MARKED: Final = "feedback: marked bad"
"""Why a neighbour is not served that somebody called wrong for this question."""

SETTLING: Final = 0.5
"""Of the time left, how much waits for what is just being written: an index may be long at it."""

READ_AFTER_S: Final = 0.001
"""Until a question that is being embedded is read for the judge, who finds it read.

By then the model runs, which needs neither the loop nor the interpreter's lock; read at once, the
question would hold up the model's start. Where a vector is there sooner the judge reads himself."""

Forbids = Callable[[str, str, str], bool]
"""(scope, question, cached question) -> whether this match was called wrong."""


Gone = Callable[[str, str], None]
"""Hears the scope and id of a neighbour whose entry the shared tier does not have."""


def _forbids_nothing(_scope: str, _question: str, _cached: str) -> bool:
    return False


def _told_nobody(_scope: str, _entry_id: str) -> None:
    pass


@dataclass(frozen=True, slots=True)
class Verification:
    """The last word on a neighbour in doubt.

    Attributes:
        verifier, stage: Read both questions.
        min_probability: That must be reached, once the similarity was heard too.
        lean: How much that is heard: see `proxy.core.judgement.weighing`.
    """

    verifier: Verifier
    stage: Stage
    min_probability: float
    lean: float = 0.0

    async def ask(self, question: str, candidate: Candidate, deadline: Deadline) -> float | None:
        """P(one answer serves both), the similarity heard too; None when there is no answer."""
        verify = self.verifier.verify
        found = await self.stage.ask(lambda: verify(question, [candidate.question]), deadline)
        return weighed(found[0], candidate.similarity, self.lean) if found else None


@dataclass(frozen=True, slots=True)
class Semantic:
    """What a semantic cache needs beyond the exact tiers.

    Attributes:
        embedder, embed_stage: Turn the question into a vector.
        index, index_stage: Find its neighbours.
        judge: Decides from similarity and text; leaves doubt only where there is a verification.
        candidates: Neighbours asked for.
        verification: None where the judge decides alone.
        writer: Writes the questions that rules do not find; None where no model does.
    """

    embedder: Embedder
    embed_stage: Stage
    index: VectorTier
    index_stage: Stage
    judge: Judge
    candidates: int
    verification: Verification | None = None
    writer: Writer | None = None


class Search:
    """Finds entries.

    Args:
        session: The session tier.
        shared: The shared tier and its stage.
        semantic: None when only exact keys are looked up.
        store: Knows which answers are just being written.
        deadline_s: For all stages of one request together.
        forbids: Which matches were called wrong.
        gone: Has the index forget.
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
        forbids: Forbids = _forbids_nothing,
        gone: Gone = _told_nobody,
    ) -> None:
        self._session = session
        self._shared, self._shared_stage = shared
        self._semantic = semantic
        self._store = store
        self._deadline_s = deadline_s
        self._clock = clock
        self._forbids = forbids
        self._gone = gone

    async def look_up(self, request: CacheRequest, exchange: Exchange) -> Hit | Miss:
        """Walk the states until one is the end; a failed part answers like an empty one."""
        began = self._clock()
        found = await self.peek(request, exchange)
        return self._promote(request, found, began) if isinstance(found, Hit) else found

    async def peek(self, request: CacheRequest, exchange: Exchange) -> Hit | Miss:
        """What a lookup finds; no tier has more afterwards."""
        if self._semantic is None and request.directives.semantic:
            exact = replaced(request.directives, semantic=False)
            request = replaced(request, directives=exact)
        state: State = start(request)
        deadline = Deadline(self._deadline_s)
        while not isinstance(state, Hit | Miss):
            state = await self._step(state, exchange, deadline)
        return state

    async def written(self, request: CacheRequest) -> CacheRequest:
        """The request with its question, for who stores or explains without a lookup."""
        if not request.unwritten or not request.directives.semantic or request.directives.private:
            return request
        text = await self._write(request, Deadline(self._deadline_s))
        return with_question(request, text) if text else request

    async def _step(self, state: Asking, exchange: Exchange, deadline: Deadline) -> State:
        """Ask what the state asks, and give it the answer."""
        request = state.seen.request
        then: State
        match state:
            case AskSession():
                with exchange.timing("session"):
                    entry = self._session.get(request.caller, request.key)
                then = state.next(entry, self._clock())
            case AskShared():
                with exchange.timing("shared"):
                    entry = await self._get(request, request.key, deadline)
                then = state.next(entry, self._clock())
            case Rewrite():
                with exchange.timing("rewrite"):
                    text = await self._write(request, deadline)
                then = state.next(text)
            case Embed():
                with exchange.timing("embed"):
                    vector = await self._embed(request.question, deadline)
                then = state.next(vector)
            case AskVector():
                with exchange.timing("vector"):
                    found = await self._neighbours(request, state.vector, deadline)
                    then = state.next(found, partial(self._judge, request.scope.id))
            case Verify():
                with exchange.timing("verify"):
                    probability = await self._verify(request, state.wanted, deadline)
                then = state.next(probability, self._min_probability)
            case Fetch():
                with exchange.timing("shared"):
                    entry = await self._fetch(request, state.wanted.entry_id, deadline)
                then = state.next(entry, self._clock())
            case _:
                assert_never(state)
        return then

    def _promote(self, request: CacheRequest, hit: Hit, began: float) -> Hit:
        """What the shared tier knew by its exact key, the session tier knows from now on."""
        if hit.tier is Tier.SHARED and not hit.is_stale:
            self._session.put(request.caller, hit.entry, read_at=began)
        return hit

    async def _get(self, request: CacheRequest, key: str, deadline: Deadline) -> Entry | None:
        scope = request.scope.id
        return await self._shared_stage.ask(lambda: self._shared.get(scope, key), deadline)

    async def _fetch(self, request: CacheRequest, key: str, deadline: Deadline) -> Entry | None:
        """A neighbour's entry. That there is none is known only from a tier that has answered."""
        scope = request.scope.id

        async def found() -> tuple[Entry | None]:
            return (await self._shared.get(scope, key),)

        answer = await self._shared_stage.ask(found, deadline)
        if answer is not None and answer[0] is None:
            self._gone(scope, key)
        return answer[0] if answer is not None else None

    async def _write(self, request: CacheRequest, deadline: Deadline) -> str | None:
        writer = self._semantic.writer if self._semantic else None
        if writer is None:
            return None
        with suppress(TimeoutError):
            async with asyncio.timeout(deadline.remaining):
                return await writer.write(request.unwritten)
        return None

    async def _embed(self, text: str, deadline: Deadline) -> Vector | None:
        semantic = self._semantic
        if semantic is None:
            return None
        reading = asyncio.get_running_loop().call_later(READ_AFTER_S, read, text)
        try:
            return await semantic.embed_stage.ask(lambda: semantic.embedder.embed(text), deadline)
        finally:
            reading.cancel()

    async def _neighbours(
        self, request: CacheRequest, vector: Vector, deadline: Deadline
    ) -> Sequence[Candidate]:
        semantic, scope = self._semantic, request.scope.id
        if semantic is None:
            return ()
        if self._shared_stage.trouble is None:  # or what is being written may take its time
            await self._store.settled(scope, Deadline(deadline.remaining * SETTLING))
        search = semantic.index.search
        k = semantic.candidates
        return await semantic.index_stage.ask(lambda: search(scope, vector, k), deadline) or ()

    async def _verify(
        self, request: CacheRequest, candidate: Candidate, deadline: Deadline
    ) -> float | None:
        verification = self._semantic.verification if self._semantic else None
        if verification is None:
            return None
        return await verification.ask(request.question, candidate, deadline)

    @property
    def _min_probability(self) -> float:
        verification = self._semantic.verification if self._semantic else None
        return verification.min_probability if verification else 1.0

    def _judge(
        self, scope: str, question: str, found: Sequence[Candidate], threshold: float | None
    ) -> Sequence[Verdict]:
        if self._semantic is None:
            return ()
        verdicts = self._semantic.judge(question, found, threshold)
        return [
            Reject(MARKED, "feedback")
            if not isinstance(verdict, Reject) and self._forbids(scope, question, other.question)
            else verdict
            for verdict, other in zip(verdicts, found, strict=True)
        ]
