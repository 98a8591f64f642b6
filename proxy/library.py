"""The cache without HTTP: the same lookup, judge and write-back around a callable of yours.

    async with open_cache(config) as cache:
        answer = await cache.ask(request, origin)

`request` is a chat completion request as a dict; `origin` takes it and returns the answer as a
dict. Answers are shared between callers of the same `tenant` only.
"""

import os
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any, TextIO

from proxy.asking import Call
from proxy.config import Config
from proxy.config.differing import Difference, difference
from proxy.core import directives
from proxy.core.admission import why_not
from proxy.core.canonical import dumps, loads
from proxy.core.changes import Selector
from proxy.core.credentials import tenant_named
from proxy.core.dialects.chat import Chat
from proxy.core.explaining import Comparison, Explanation
from proxy.core.lookup import Hit, Miss, Seen
from proxy.core.model import Answer, CacheRequest, Caller, Entry, Outcome, Result
from proxy.core.reading import Understood, understand
from proxy.errors import BadRequestError, RepriseError, UnreachableError
from proxy.exchange import Exchange
from proxy.explaining import Explainer
from proxy.feedback import Done, Verdict, give
from proxy.forgetting import Purged
from proxy.ports import OriginReply, OriginRequest
from proxy.runtime import Live, Runtime, open_live

Json = dict[str, Any]
Source = Callable[[Json], Awaitable[Json]]
"""Answers a chat completion request."""


@dataclass(frozen=True, slots=True)
class Answered:
    """An answer, and how it came about.

    Attributes:
        answer: The chat completion.
        outcome: Where it came from: `outcome.result`, `.tier`, `.similarity`, `.reason`.
    """

    answer: Json
    outcome: Outcome


class _RaisedError(RepriseError):
    """The origin's callable raised; every caller who waited for it gets the same."""

    def __init__(self, original: Exception) -> None:
        super().__init__(repr(original))
        self.original = original


@dataclass(frozen=True, slots=True)
class _CallableReply:
    """A dict, as an origin's reply."""

    body: bytes
    status: int = 200
    headers: Sequence[tuple[str, str]] = (("content-type", "application/json"),)

    async def chunks(self) -> AsyncGenerator[bytes]:
        """The body, whole."""
        yield self.body

    async def close(self) -> None:
        """Nothing is held."""


@dataclass(frozen=True, slots=True)
class _CallableOrigin:
    """A callable, as an origin."""

    source: Source
    request: Json

    async def send(self, request: OriginRequest) -> OriginReply:  # noqa: ARG002 - it has its dict
        """Ask the callable."""
        try:
            return _CallableReply(dumps(await self.source(self.request)))
        except Exception as error:
            raise _RaisedError(error) from error


class Cache:
    """A running cache. Made by `open_cache`."""

    def __init__(self, live: Live) -> None:
        self._live = live
        self._dialect = Chat()

    @property
    def runtime(self) -> Runtime:
        """What it is made of."""
        return self._live.current

    async def follow(self, config: Config) -> Difference:
        """Go by another configuration from now on; calls under way end as they began.

        Returns what that changed, and what only another `open_cache` would follow.

        Raises:
            ConfigError: It cannot be used, and nothing has changed.
        """
        found = difference(self.runtime.config, config)
        await self._live.follow(found.followed)
        return found

    @property
    def _explainer(self) -> Explainer:
        return Explainer(self.runtime)

    async def ask(
        self,
        request: Json,
        origin: Source,
        *,
        tenant: str = "",
        headers: Mapping[str, str] | None = None,
    ) -> Answered:
        """The answer, from the cache or from the origin; concurrent equal misses ask it once.

        Args:
            request: A chat completion request. `stream` is ignored: the answer comes whole.
            origin: Asked on a miss.
            tenant: Whose answers may be shared.
            headers: What is wanted of the cache, as a proxy's caller says it in request headers:
                `{"cache-control": "no-cache"}`.

        Raises:
            BadRequestError: A header cannot be read.
            NotCachedError: `only-if-cached`, and there is none.
            Exception: Whatever the origin raised.
        """
        found, exchange, bypass = self._read(request, tenant, headers)
        if bypass is not None:
            return Answered(await origin(request), replace(exchange.outcome, result=Result.BYPASS))
        call = Call(_CallableOrigin(origin, request), OriginRequest("POST", "/", (), b""))
        try:
            ask = self.runtime.gateway.answer(found, self._dialect, lambda: call, exchange)
            async with ask as reply:
                body = reply.body
                if not isinstance(body, bytes):
                    body = b"".join([piece async for piece in body])
        except UnreachableError as error:
            if isinstance(error.__cause__, _RaisedError):
                raise error.__cause__.original from None
            raise
        return Answered(loads(body), exchange.outcome)

    async def lookup(
        self, request: Json, *, tenant: str = "", headers: Mapping[str, str] | None = None
    ) -> Hit | None:
        """The entry that would answer, with its tier and similarity; None when the origin would."""
        end = await self.decide(request, tenant=tenant, headers=headers)
        return end if isinstance(end, Hit) else None

    async def explain(
        self, request: Json, *, tenant: str = "", headers: Mapping[str, str] | None = None
    ) -> Explanation:
        """What would answer, or why nothing would: every stage's word on every neighbour."""
        return await self._explainer.explain(self._understand(request, tenant, headers))

    async def compare(
        self,
        request: Json,
        cached: Json,
        *,
        tenant: str = "",
        headers: Mapping[str, str] | None = None,
    ) -> Comparison:
        """Whether a request would get another's answer, and why; nothing need be stored."""
        new, old = (self._understand(one, tenant, headers) for one in (request, cached))
        return await self._explainer.compare(new, old)

    async def decide(
        self, request: Json, *, tenant: str = "", headers: Mapping[str, str] | None = None
    ) -> Hit | Miss:
        """What would answer, or why nothing would: `seen` has the best neighbour and the reason."""
        found, exchange, bypass = self._read(request, tenant, headers)
        if bypass is not None:
            return Miss(Seen(found, reason=bypass))
        return await self.runtime.search.look_up(found, exchange)

    async def store(
        self,
        request: Json,
        answer: Json,
        *,
        tenant: str = "",
        headers: Mapping[str, str] | None = None,
    ) -> Entry | None:
        """Keep an answer in every tier; None when the rules forbid it."""
        found, _, bypass = self._read(request, tenant, headers)
        store, path = self.runtime.store, self._dialect.path
        if bypass is not None or not found.directives.write:
            return None
        facts = self._dialect.facts(answer)
        if why_not(facts) is not None:
            return None
        found = await self.runtime.search.written(found)
        whole = Answer(dumps(answer), (), self._dialect.usage_of(answer), facts.finish)
        entry = store.keep(found, whole, path)
        await store.share(
            entry,
            None,
            lambda: self._dialect.texts_of(request, answer),
            is_semantic=found.directives.semantic and not facts.tool_calls,
        )
        return entry

    async def invalidate(self, selector: Selector, *, dry_run: bool = False) -> Purged:
        """Forget what the selector means, in every tier; says what that was, or would be."""
        return await self.runtime.invalidate(selector, dry_run=dry_run)

    async def feedback(self, entry_id: str, verdict: Verdict, *, tenant: str = "") -> Done:
        """Take a verdict on an entry of this tenant; a bad one is removed from every tier.

        Raises:
            NotFoundError: This tenant has no such entry.
            UnavailableError: The shared tier cannot be reached.
        """
        return await give(self.runtime, self._tenant(tenant), "entry_id", entry_id, verdict)

    def _tenant(self, name: str) -> str:
        return tenant_id(name, self.runtime.config.cache.tenant_secret)

    def _understand(
        self, request: Json, tenant: str, headers: Mapping[str, str] | None
    ) -> Understood:
        lowered = {name.lower(): value for name, value in (headers or {}).items()}
        who = self._tenant(tenant)
        caller = Caller(who, directives.session(lowered), who)
        understood = understand(
            self._dialect,
            {**request, "stream": False},
            caller=caller,
            asked=directives.parse(lowered, self.runtime.limits),
            admission=self.runtime.admission,
            extra={},
            rewrite=self.runtime.config.cache.context == "rewrite",
            by_model=self.runtime.config.cache.judgement.llm.rewrite,
        )
        if understood.bypass == "unreadable":
            raise BadRequestError("This is not a chat completion request.", code="unreadable")
        ruled = self.runtime.store.ruled(understood.request, self._dialect.path)
        return replace(understood, request=ruled)

    def _read(
        self, request: Json, tenant: str, headers: Mapping[str, str] | None
    ) -> tuple[CacheRequest, Exchange, str | None]:
        understood = self._understand(request, tenant, headers)
        scope = understood.request.scope
        outcome = Outcome(
            request_id=f"req_{os.urandom(12).hex()}",
            result=Result.MISS,
            api=scope.api,
            model=scope.model,
            tenant=scope.tenant,
            namespace=scope.namespace,
        )
        return understood.request, Exchange(outcome), understood.bypass


def tenant_id(tenant: str, key: bytes = b"") -> str:
    """The digest under which a tenant's entries are kept; `key` is `cache.tenant_key`."""
    return tenant_named(tenant, key)


@asynccontextmanager
async def open_cache(
    config: Config | None = None, log: TextIO | None = None
) -> AsyncIterator[Cache]:
    """Open a cache, and close it at the end of the block.

    Args:
        config: What the proxy's `config.yaml` says; None for the defaults.
        log: Where log lines go; None for standard error.
    """
    async with open_live(config or Config(), log) as live:
        live.current.announcer.appear(None)
        yield Cache(live)
