"""Keep an answer: in the session tier at once, then in the shared tier, whose log feeds the index.

Storing never delays a caller and never fails a request. It happens after the last byte has come,
under a deadline of its own, and what fails is an event. What the shared tier did not take waits in
the backlog.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import replace
from math import inf, nextafter

from proxy.backlog import Backlog
from proxy.core.changes import Selector
from proxy.core.freshness import Lifetimes
from proxy.core.model import Answer, CacheRequest, Entry, Lease, Usage, Vector
from proxy.ports import Clock, Embedder, SessionTier, SharedTier
from proxy.resilience import Deadline, Stage

Count = Callable[[str, str], Awaitable[Usage]]
"""Counts the tokens of a prompt and an answer, where the origin did not say."""

Texts = Callable[[], tuple[str, str]]
"""A request's text and its answer's."""

IsVoid = Callable[[], bool]
"""Whether an invalidation has overtaken the call that brought an answer."""


def _is_never() -> bool:
    return False


class Store:
    """Writes answers through all tiers.

    Args:
        session: The session tier.
        shared: The shared tier and its stage.
        embedder: The embedder and its stage; None when there is no semantic cache.
        lifetimes: How long an entry is fresh, and kept.
        write_s: How long storing one answer may take, seconds.
        publish: Brings the derived tiers up to the shared tier's change log.
        count: Counts tokens where the origin did not.
        backlog: Keeps what the shared tier could not take.
    """

    def __init__(
        self,
        session: SessionTier,
        shared: tuple[SharedTier, Stage],
        embedder: tuple[Embedder, Stage] | None,
        *,
        lifetimes: Lifetimes,
        write_s: float,
        clock: Clock,
        publish: Callable[[], Awaitable[None]],
        count: Count,
        backlog: Backlog,
    ) -> None:
        self._session = session
        self._shared, self._shared_stage = shared
        self._embedder = embedder
        self._lifetimes = lifetimes
        self._write_s = write_s
        self._clock = clock
        self._publish = publish
        self._count = count
        self._backlog = backlog
        self._writing: dict[str, set[asyncio.Event]] = {}

    def keeps(self, request: CacheRequest, path: str) -> bool:
        """Whether an answer to this request would live at all: a rule may say 0 seconds."""
        now = self._clock()
        return self._lifetime(request, path, now)[0] > now

    def _lifetime(self, request: CacheRequest, path: str, now: float) -> tuple[float, float]:
        scope = request.scope
        return self._lifetimes.of(
            request.directives, model=scope.model, namespace=scope.namespace, path=path, now=now
        )

    def keep(self, request: CacheRequest, answer: Answer, path: str) -> Entry:
        """Into the session tier, now; the entry is ready to be shared."""
        now = self._clock()
        asked, scope = request.directives, request.scope
        expires_at, kept_until = self._lifetime(request, path, now)
        entry = Entry(
            id=request.key,
            scope=scope.id,
            tenant=scope.tenant,
            namespace=scope.namespace,
            model=scope.model,
            question=request.question,
            answer=answer,
            created_at=now,
            expires_at=expires_at,
            kept_until=kept_until,
            tags=asked.tags,
            private=asked.private,
        )
        self._session.put(request.caller, entry)
        return entry

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
        an invalidation has overtaken, as far as the log tells by the time it is stored.
        """
        if entry.private:
            return
        written = asyncio.Event()
        waiting = self._writing.setdefault(entry.scope, set())
        waiting.add(written)
        try:
            deadline = Deadline(self._write_s)
            if is_semantic and entry.question:
                entry = await self._embedded(entry, vector, deadline)
            if entry.answer.usage is None:
                usage = await self._count(*texts())
                entry = replace(entry, answer=replace(entry.answer, usage=usage))
            await self._write(entry, lease, is_void, deadline)
        finally:
            written.set()
            waiting.discard(written)
            if not waiting:
                self._writing.pop(entry.scope, None)

    async def _embedded(self, entry: Entry, vector: Vector | None, deadline: Deadline) -> Entry:
        if self._embedder is None:
            return entry
        embedder, stage = self._embedder
        if vector is None:
            vector = await stage.ask(lambda: embedder.embed(entry.question), deadline)
        return entry if vector is None else replace(entry, vector=vector, embedder=embedder.id)

    async def _write(
        self, entry: Entry, lease: Lease | None, is_void: IsVoid, deadline: Deadline
    ) -> None:
        async def put() -> bool:
            await self._backlog.give_way(entry)
            return not is_void() and await self._shared.put(entry, lease)

        is_taken = await self._shared_stage.tell(put, deadline)
        if is_taken:
            await self._shared_stage.ask(self._publish, deadline)
            if is_void():
                await self._take_back(entry, deadline)
        elif is_taken is None and not is_void():
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
        await self._shared_stage.ask(self._publish, deadline)

    async def holds(self, entry: Entry) -> bool:
        """Whether the shared tier still has this very answer, neither removed nor replaced."""
        found = await self._shared_stage.ask(
            lambda: self._shared.get(entry.scope, entry.id), Deadline(self._write_s)
        )
        return found is not None and found.created_at == entry.created_at

    async def idle(self, deadline: Deadline) -> None:
        """Wait for all answers that are just being written."""
        for scope in tuple(self._writing):
            await self.settled(scope, deadline)

    async def settled(self, scope: str, deadline: Deadline) -> None:
        """Read your own writes: wait for answers of this scope that are just being written."""
        for written in tuple(self._writing.get(scope, ())):
            with suppress(TimeoutError):
                async with asyncio.timeout(deadline.remaining):
                    await written.wait()
