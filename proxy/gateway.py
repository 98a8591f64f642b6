"""Answer one request: replay a hit, or fetch a miss and keep its answer.

A miss joins the flight that is under way for its key, or starts one. Its bytes go to the caller as
they come. When the flight lands, its answer is kept before any listener runs again, so whoever has
seen the answer's end finds it in the session tier.
"""

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace

from proxy.core.canonical import loads
from proxy.core.dialects.base import Dialect
from proxy.core.lookup import Hit, Seen
from proxy.core.model import Answer, CacheRequest, Outcome, Result, Usage
from proxy.core.recording import Head, Landing, Recording
from proxy.core.stream import LiveFilter, replay
from proxy.errors import ApiError, BrokenStreamError, NotCachedError, RepriseError, UnreachableError
from proxy.exchange import Exchange
from proxy.flights import Flight, Flights, Seat
from proxy.ports import Clock, Observer, Origin, OriginReply, OriginRequest
from proxy.searching import Search
from proxy.storing import Store

FAILURES = frozenset({500, 502, 503, 504})
"""Statuses that a stale answer may stand in for (RFC 5861, 4)."""

REFUSALS = frozenset({400, 422})
"""How an origin refuses a parameter that it does not know."""

Headers = Sequence[tuple[str, str]]
EVENT_STREAM: Headers = (
    ("content-type", "text/event-stream; charset=utf-8"),
    ("cache-control", "no-cache"),
)
JSON: Headers = (("content-type", "application/json"),)


def not_cached() -> NotCachedError:
    """The answer to `only-if-cached` when there is none; asking again would not help."""
    return NotCachedError(
        "No cached answer is acceptable.",
        code="not_cached",
        headers={"x-should-retry": "false"},
    )


@dataclass(frozen=True, slots=True)
class Call:
    """How the origin is asked on a miss: whom, what, and by whose credential."""

    origin: Origin
    request: OriginRequest
    credential: str = ""


@dataclass(frozen=True, slots=True)
class Reply:
    """What to send.

    Attributes:
        headers: End-to-end headers, without those of the cache.
        body: Whole, or piece by piece; a piece may raise BrokenStreamError.
        outcome: What was known when the headers left.
    """

    status: int
    headers: Headers
    body: bytes | AsyncIterator[bytes]
    outcome: Outcome


class Gateway:
    """The cache in front of an origin.

    Args:
        search: Finds entries.
        store: Keeps answers.
        flights: The upstream calls under way.
        observer: Hears each request's outcome, once.
        price: What so many tokens of a model cost, in USD; None when unknown.
        max_entry_bytes: A larger answer is not kept.
        request_usage: Ask the origin for usage on streams whose caller did not.
        tokens_per_s: Pace of a replayed stream; None replays at once.
    """

    def __init__(
        self,
        search: Search,
        store: Store,
        flights: Flights,
        *,
        clock: Clock,
        observer: Observer,
        price: Callable[[str, Usage | None], float | None],
        max_entry_bytes: int,
        request_usage: bool = True,
        tokens_per_s: float | None = None,
    ) -> None:
        self._search = search
        self._store = store
        self._flights = flights
        self._clock = clock
        self._observer = observer
        self._price = price
        self._max_entry_bytes = max_entry_bytes
        self._request_usage = request_usage
        self._tokens_per_s = tokens_per_s

    @asynccontextmanager
    async def answer(
        self, request: CacheRequest, dialect: Dialect, call: Call, exchange: Exchange
    ) -> AsyncIterator[Reply]:
        """The request's reply, valid inside the block; after it the observer hears the outcome.

        Raises:
            ApiError: There is no answer: the origin cannot be asked, or may not be.
        """
        if not self._store.keeps(request, dialect.path):
            request = replace(request, directives=replace(request.directives, write=False))
        try:
            found = await self._search.look_up(request, exchange)
            exchange.learn(
                similarity=found.seen.similarity, reason=found.seen.reason, stream=request.stream
            )
            if isinstance(found, Hit) and not request.directives.shadow:
                yield self._serve(request, dialect, found, exchange)
            else:
                if isinstance(found, Hit):
                    exchange.learn(similarity=found.similarity, reason=f"shadow: {found.tier}")
                async with self._fetch(request, dialect, call, found.seen, exchange) as reply:
                    yield reply
        except ApiError as error:
            exchange.learn(status=error.status, reason=error.code or error.kind)
            raise
        except asyncio.CancelledError:
            exchange.learn(reason="the caller left")
            raise
        finally:
            self._observer.notice(exchange.finished())

    def _serve(
        self, request: CacheRequest, dialect: Dialect, hit: Hit, exchange: Exchange
    ) -> Reply:
        entry, now = hit.entry, self._clock()
        usage = entry.answer.usage
        exchange.learn(
            result=Result.STALE if hit.is_stale else Result.HIT,
            tier=hit.tier,
            entry=entry.id,
            similarity=hit.similarity,
            age=max(0.0, now - entry.created_at),
            ttl=entry.expires_at - now,
            usage=usage,
            saved_usd=self._price(entry.model, usage),
        )
        return self._replay(request, dialect, entry.answer, exchange)

    def _replay(
        self, request: CacheRequest, dialect: Dialect, answer: Answer, exchange: Exchange
    ) -> Reply:
        """An answer in the form this caller asked for, with an id and a time of its own."""
        stamp = dialect.stamp(os.urandom(16).hex(), int(self._clock()))
        exchange.learn(status=200)
        if not request.stream:
            body = dialect.refresh(answer.body, stamp)
            return Reply(200, JSON, body, exchange.outcome)
        pieces = replay(
            dialect,
            answer,
            stamp,
            include_usage=request.include_usage,
            tokens_per_s=self._tokens_per_s,
        )
        return Reply(200, EVENT_STREAM, _paced(pieces), exchange.outcome)

    @asynccontextmanager
    async def _fetch(
        self, request: CacheRequest, dialect: Dialect, call: Call, seen: Seen, exchange: Exchange
    ) -> AsyncIterator[Reply]:
        if request.directives.only_if_cached:
            raise not_cached()
        flight, result = self._board(request, dialect, call, seen, exchange.began)
        exchange.learn(result=result)
        with self._flights.listening(flight) as seat:
            try:
                with exchange.timing("upstream"):
                    head = await flight.head()
            except RepriseError as error:
                yield self._stand_in(request, dialect, seen, exchange, error)
                return
            exchange.learn(upstream_status=head.status, status=head.status)
            if head.status in FAILURES and seen.stale is not None:
                yield self._stand_in(request, dialect, seen, exchange)
                return
            try:
                reply = await self._relay(request, dialect, flight, seat, head, exchange)
            except UnreachableError as error:
                reply = self._stand_in(request, dialect, seen, exchange, error)
            yield reply

    def _stand_in(
        self,
        request: CacheRequest,
        dialect: Dialect,
        seen: Seen,
        exchange: Exchange,
        error: RepriseError | None = None,
    ) -> Reply:
        """A stale answer in place of the origin's failure; without one, the failure it is."""
        if seen.stale is not None and seen.stale_tier is not None:
            hit = Hit(seen, seen.stale, seen.stale_tier, is_stale=True)
            return self._serve(request, dialect, hit, exchange)
        if isinstance(error, ApiError):
            raise error
        raise UnreachableError(str(error), code="upstream_broken") from error

    def _board(
        self, request: CacheRequest, dialect: Dialect, call: Call, seen: Seen, since: float
    ) -> tuple[Flight, Result]:
        """The flight under way, or a new one; a caller who wants his own answer flies alone."""
        asked = request.directives
        is_shareable = asked.read and asked.write and not asked.private
        key = f"{request.key}:{call.credential}" if is_shareable else None
        if key is not None and (flight := self._flights.find(key, since)) is not None:
            return flight, Result.COALESCED
        recording = Recording(dialect, self._max_entry_bytes)
        flight = Flight(key, recording, self._max_entry_bytes)
        self._flights.launch(flight, self._fly(flight, request, dialect, call, seen))
        return flight, Result.MISS

    async def _fly(
        self, flight: Flight, request: CacheRequest, dialect: Dialect, call: Call, seen: Seen
    ) -> None:
        """Make the call; then, in the same step as its last byte, keep its answer."""
        landing = await flight.fly(self._asking(request, dialect, call), call.request)
        may_keep = request.directives.write and not flight.is_void
        if landing is None or landing.answer is None or landing.refusal or not may_keep:
            return
        entry = self._store.keep(request, landing.answer, dialect.path)
        is_semantic = request.directives.semantic and not landing.is_exact
        await self._store.share(
            entry,
            seen.vector,
            lambda: dialect.texts_of(request.body, loads(entry.answer.body)),
            is_semantic=is_semantic,
        )

    def _asking(self, request: CacheRequest, dialect: Dialect, call: Call) -> Origin:
        """The origin, asked for usage as well where the caller's stream left it out."""
        body = dialect.with_usage(request.body) if self._request_usage else None
        if body is None:
            return call.origin
        return AskingForUsage(call.origin, body, self._learn_refusal)

    def _learn_refusal(self) -> None:
        """This origin answers only what does not ask for usage: do not ask it again."""
        self._request_usage = False
        self._observer.event("usage_refused")

    async def _relay(
        self,
        request: CacheRequest,
        dialect: Dialect,
        flight: Flight,
        seat: Seat,
        head: Head,
        exchange: Exchange,
    ) -> Reply:
        """The flight's bytes as they come, or its answer in the other form once it has landed."""
        if head.is_success and head.is_stream and request.stream:
            live = self._live(request, dialect, flight, seat, exchange)
            return Reply(head.status, head.headers, live, exchange.outcome)
        try:
            landing = await flight.landed()
        except BrokenStreamError as error:
            raise UnreachableError(str(error), code="upstream_broken") from error
        if landing is None:
            return Reply(head.status, head.headers, flight.chunks(seat), exchange.outcome)
        self._landed(request, landing, exchange)
        if landing.answer is not None and head.is_stream != request.stream:
            return self._replay(request, dialect, landing.answer, exchange)
        body = b"".join([chunk async for chunk in flight.chunks(seat)])
        return Reply(head.status, head.headers, body, exchange.outcome)

    async def _live(
        self,
        request: CacheRequest,
        dialect: Dialect,
        flight: Flight,
        seat: Seat,
        exchange: Exchange,
    ) -> AsyncIterator[bytes]:
        live = LiveFilter(dialect, hide_usage=not request.include_usage)
        try:
            async for chunk in flight.chunks(seat):
                if passed := live.feed(chunk):
                    yield passed
        except RepriseError:
            exchange.learn(stored=False, reason="the stream broke")
            raise
        if rest := live.finish():
            yield rest
        landing = await flight.landed()
        if landing is not None:
            self._landed(request, landing, exchange)

    def _landed(self, request: CacheRequest, landing: Landing, exchange: Exchange) -> None:
        answer = landing.answer
        stored = answer is not None and landing.refusal is None and request.directives.write
        exchange.learn(
            stored=stored,
            entry=request.key if stored else None,
            usage=answer.usage if answer else None,
            reason=landing.refusal or exchange.outcome.reason,
        )
        if exchange.outcome.result is Result.COALESCED:
            usage = exchange.outcome.usage
            exchange.learn(saved_usd=self._price(request.scope.model, usage))


@dataclass(slots=True)
class AskingForUsage:
    """An origin whose stream is asked to tell its usage.

    One entry serves streaming callers and others, and only others are sure to be told usage. An
    origin that does not know `stream_options` refuses the request; it then gets the caller's own.
    """

    origin: Origin
    body: bytes
    refused: Callable[[], None]

    async def send(self, request: OriginRequest) -> OriginReply:
        """Ask with usage; if that is refused, as the caller did."""
        reply = await self.origin.send(replace(request, body=self.body))
        if reply.status not in REFUSALS:
            return reply
        await reply.close()
        reply = await self.origin.send(request)
        if reply.status < min(REFUSALS):
            self.refused()
        return reply


async def _paced(pieces: Iterable[tuple[float, bytes]]) -> AsyncIterator[bytes]:
    for delay_s, piece in pieces:
        if delay_s > 0:
            await asyncio.sleep(delay_s)
        yield piece
