"""Keep an answer: in the session tier at once, then in the shared tier, whose log feeds the index.

Storing never delays a caller and never fails a request. It happens after the last byte has come,
under a deadline of its own, and what fails is an event. What the shared tier did not take waits in
the backlog.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from math import inf, nextafter

from proxy.backlog import Backlog
from proxy.core.changes import Selector, Traits
from proxy.core.freshness import Rules
from proxy.core.model import Answer, CacheRequest, Directives, Entry, Lease, Scope, Usage, Vector
from proxy.ports import UNTOLD, Clock, Embedder, SessionTier, SharedTier
from proxy.resilience import Deadline, Stage

Count = Callable[[str, str], Awaitable[Usage]]
"""Counts the tokens of a prompt and an answer, where the origin did not say."""

Texts = Callable[[], tuple[str, str]]
"""A request's text and its answer's."""

Publish = Callable[[str], Awaitable[None]]
"""Has the change log read up to a position, or to its end: see `SharedTier.put`."""

Owe = Callable[[Entry], None]
"""Is told of an entry that is to have a vector, and is stored without one for now."""

IsVoid = Callable[[], bool]
"""Whether an invalidation has overtaken the call that brought an answer."""


def _is_never() -> bool:
    return False


class Writing:
    """The answers that are just being written, by scope.

    Args:
        within_s: How long storing one answer may take, seconds.
    """

    def __init__(self, within_s: float) -> None:
        self.within_s = within_s
        self._by_scope: dict[str, set[asyncio.Event]] = {}

    def __len__(self) -> int:
        return sum(map(len, self._by_scope.values()))

    @contextmanager
    def one(self, scope: str) -> Iterator[None]:
        """One more, until the block's end."""
        written = asyncio.Event()
        waiting = self._by_scope.setdefault(scope, set())
        waiting.add(written)
        try:
            yield
        finally:
            written.set()
            waiting.discard(written)
            if not waiting:
                self._by_scope.pop(scope, None)

    async def idle(self, deadline: Deadline) -> None:
        """Wait for all of them."""
        for scope in tuple(self._by_scope):
            await self.settled(scope, deadline)

    async def settled(self, scope: str, deadline: Deadline) -> None:
        """Wait for those of this scope."""
        for written in tuple(self._by_scope.get(scope, ())):
            with suppress(TimeoutError):
                async with asyncio.timeout(deadline.remaining):
                    await written.wait()


class Store:
    """Writes answers through all tiers.

    Args:
        session: The session tier.
        shared: The shared tier and its stage.
        embedder: The embedder, its stage, and who is told of entries whose vector could not be had;
            None when there is no semantic cache.
        rules: How long an entry is fresh, and kept; its tags.
        publish: Brings the derived tiers up to a position of the shared tier's change log.
        count: Counts tokens where the origin did not.
        backlog: Keeps what the shared tier could not take.
        writing: Knows what is just being written, by this store and those before it.
    """

    def __init__(
        self,
        session: SessionTier,
        shared: tuple[SharedTier, Stage],
        embedder: tuple[Embedder, Stage, Owe] | None,
        *,
        rules: Rules,
        clock: Clock,
        publish: Publish,
        count: Count,
        backlog: Backlog,
        writing: Writing,
    ) -> None:
        self._session = session
        self._shared, self._shared_stage = shared
        self._embedder = embedder
        self._rules = rules
        self._clock = clock
        self._publish = publish
        self._count = count
        self._backlog = backlog
        self._writing = writing

    def ruled(self, request: CacheRequest, path: str) -> CacheRequest:
        """The request under the operator's rules."""
        directives = self.under_rules(request.directives, request.scope, path)
        if directives is request.directives:
            return request
        return replace(request, directives=directives)

    def under_rules(self, asked: Directives, scope: Scope, path: str) -> Directives:
        """What a request asks, under the operator's rules."""
        return self._rules.ruled(asked, scope, path)

    def foreseen(self, request: CacheRequest, vector: Vector | None = None) -> Traits:
        """What a selector may ask about the entry that a call makes which begins now."""
        scope = request.scope
        return Traits(
            id=request.key,
            scope=scope.id,
            tenant=scope.tenant,
            namespace=scope.namespace,
            model=scope.model,
            created_at=self._clock(),
            tags=request.directives.tags,
            vector=vector,
            embedder=self._embedder[0].id if self._embedder else "",
            principal=request.caller.principal,
        )

    def keep(
        self, request: CacheRequest, answer: Answer, path: str, generation: int | None = None
    ) -> Entry:
        """Into the session tier, now; the entry is ready to be shared.

        `generation` is that of the call which brought it; None where there was no call.
        """
        entry = self.made(request, answer, path, self._clock(), generation)
        self._session.put(request.caller, entry)
        return entry

    def made(
        self,
        request: CacheRequest,
        answer: Answer,
        path: str,
        at: float,
        generation: int | None = None,
    ) -> Entry:
        """The entry of an answer that came at that time; nothing is stored."""
        asked, scope = request.directives, request.scope
        expires_at, kept_until = self._rules.lifetimes.of(asked, scope, path, at)
        return Entry(
            id=request.key,
            scope=scope.id,
            tenant=scope.tenant,
            namespace=scope.namespace,
            model=scope.model,
            question=request.question,
            answer=answer,
            created_at=at,
            expires_at=expires_at,
            kept_until=kept_until,
            tags=asked.tags,
            private=asked.private,
            generation=generation,
            principal=request.caller.principal,
        )

    def adopt(self, request: CacheRequest, entry: Entry, read_at: float) -> None:
        """Into the session tier: another replica has stored it, and it was read from then on."""
        self._session.put(request.caller, entry, read_at)

    async def share(
        self,
        entry: Entry,
        vector: Vector | None,
        texts: Texts,
        *,
        is_semantic: bool,
        lease: Lease | None = None,
        is_void: IsVoid = _is_never,
    ) -> None:
        """Into the shared tier and the index, unless it is private.

        An answer whose lease has passed on is given up: he who has it now asks anew. So is one that
        an invalidation has overtaken, as far as the tier knows or the log tells when it is stored.
        """
        if entry.private:
            return
        with self._writing.one(entry.scope):
            deadline = Deadline(self._writing.within_s)
            entry = await self.whole(entry, vector, texts, deadline, is_semantic=is_semantic)
            await self._write(entry, lease, is_void, deadline)

    async def whole(
        self,
        entry: Entry,
        vector: Vector | None,
        texts: Texts,
        deadline: Deadline,
        *,
        is_semantic: bool,
    ) -> Entry:
        """The entry as the shared tier keeps it: with its vector, if one can be had, and tokens."""
        if is_semantic and entry.question:
            entry = await self._embedded(entry, vector, deadline)
        if entry.answer.usage is not None:
            return entry
        usage = await self._count(*texts())
        return replace(entry, answer=replace(entry.answer, usage=usage))

    async def _embedded(self, entry: Entry, vector: Vector | None, deadline: Deadline) -> Entry:
        if self._embedder is None:
            return entry
        embedder, stage, owe = self._embedder
        if vector is None:
            # In a tuple: a question that has no vector, being too long, is no fault.
            told = await stage.ask(lambda: _alone(embedder.embed(entry.question)), deadline)
            if told is None:
                owe(entry)
                return entry
            (vector,) = told
        return entry if vector is None else replace(entry, vector=vector, embedder=embedder.id)

    async def _write(
        self, entry: Entry, lease: Lease | None, is_void: IsVoid, deadline: Deadline
    ) -> None:
        async def put() -> str:
            await self._backlog.give_way(entry)
            return "" if is_void() else await self._shared.put(entry, lease)

        position = await self._shared_stage.tell(put, deadline)
        if position:
            await self._shared_stage.ask(lambda: self._publish(position), deadline)
            if is_void():
                await self._take_back(entry, deadline)
        elif position is None and not is_void():
            self._backlog.add(entry)
        else:
            self._session.drop([entry.id])

    async def _take_back(self, entry: Entry, deadline: Deadline) -> None:
        """The log told of the invalidation only when it was read up to this answer.

        A newer answer that has replaced it stays.
        """
        until = nextafter(entry.created_at, inf)
        it = Selector(entry.tenant, ids=(entry.id,), older_than=until)
        await self._shared_stage.tell(lambda: self._shared.purge(it), deadline)
        await self._shared_stage.ask(lambda: self._publish(UNTOLD), deadline)

    async def holds(self, entry: Entry) -> bool:
        """Whether the shared tier still has this very answer, neither removed nor replaced."""
        found = await self.find(entry.scope, entry.id)
        return found is not None and found.created_at == entry.created_at

    async def find(self, scope: str, entry_id: str) -> Entry | None:
        """An entry of the shared tier, for who has time; None when it is not there."""
        return await self._shared_stage.ask(
            lambda: self._shared.get(scope, entry_id), Deadline(self._writing.within_s)
        )

    async def idle(self, deadline: Deadline) -> None:
        """Wait for all answers that are just being written."""
        await self._writing.idle(deadline)

    async def settled(self, scope: str, deadline: Deadline) -> None:
        """Read your own writes: wait for answers of this scope that are just being written."""
        await self._writing.settled(scope, deadline)


async def _alone(vector: Awaitable[Vector | None]) -> tuple[Vector | None]:
    return (await vector,)
