"""Answer one request: replay a hit, or pass a miss's bytes on as they come from the origin."""

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from itertools import chain, islice

from proxy.asking import Asker, Call, Errand
from proxy.core.dialects.base import Dialect, Stamp
from proxy.core.dialects.counting import as_asked
from proxy.core.lookup import Hit, Miss, Seen
from proxy.core.model import Answer, CacheRequest, Outcome, Result, Usage
from proxy.core.recording import Head, Landing
from proxy.core.stream import LiveFilter, Restamp, replay
from proxy.errors import (
    ApiError,
    BrokenStreamError,
    NotCachedError,
    OverloadedError,
    RepriseError,
    UnreachableError,
)
from proxy.exchange import Exchange
from proxy.flights import Flight, Seat
from proxy.learning import Choice, Learning
from proxy.marking import Hits, Served
from proxy.ports import Clock, Observer
from proxy.repeats import Repeat, may_repeat
from proxy.searching import Search
from proxy.storing import Store

FAILURES = frozenset({500, 502, 503, 504})
"""Statuses that a stale answer may stand in for (RFC 5861, 4)."""

MakeCall = Callable[[], Call]
Headers = Sequence[tuple[str, str]]
EVENT_STREAM: Headers = (
    ("content-type", "text/event-stream; charset=utf-8"),
    ("cache-control", "no-cache"),
)
JSON: Headers = (("content-type", "application/json"),)


def not_cached() -> NotCachedError:
    """The answer to `only-if-cached` when there is none; asking again would not help."""
    return NotCachedError(
        "No cached answer is acceptable.", code="not_cached", headers={"x-should-retry": "false"}
    )


@dataclass(frozen=True, slots=True)
class Reply:
    """What to send.

    Attributes:
        headers: End-to-end headers, without those of the cache.
        body: Whole, or piece by piece; a piece may raise BrokenStreamError.
        outcome: What was known when the headers left.
        repeat: How the same request would be answered again; None where that is to be seen.
    """

    status: int
    headers: Headers
    body: bytes | AsyncIterator[bytes]
    outcome: Outcome
    repeat: Repeat | None = None


class Gateway:
    """The cache in front of an origin.

    Args:
        search: Finds entries.
        store: Knows the operator's rules.
        asker: Asks the origin.
        learning: Says which hits are served.
        hits: Remembers them.
        observer: Hears each request's outcome, once.
        price: What so many tokens of a model cost, in USD; None when unknown.
        tokens_per_s: Pace of a replayed stream; None replays at once.
    """

    def __init__(
        self,
        search: Search,
        store: Store,
        *,
        asker: Asker,
        learning: Learning,
        hits: Hits,
        clock: Clock,
        observer: Observer,
        price: Callable[[str, Usage | None], float | None],
        tokens_per_s: float | None = None,
    ) -> None:
        self._search = search
        self._store = store
        self._asker = asker
        self._learning = learning
        self._hits = hits
        self._clock = clock
        self._observer = observer
        self._price = price
        self._tokens_per_s = tokens_per_s

    @asynccontextmanager
    async def answer(
        self, request: CacheRequest, dialect: Dialect, call: MakeCall, exchange: Exchange
    ) -> AsyncIterator[Reply]:
        """The request's reply, valid inside the block; after it the observer hears the outcome.

        `call` makes what the origin is asked, if it is.

        Raises:
            ApiError: There is no answer: the origin cannot be asked, or may not be.
        """
        request = self._store.ruled(request, dialect.path)
        try:
            found = await self._search.look_up(request, exchange)
            request = found.seen.request  # its question may have been written meanwhile
            exchange.learn(
                similarity=found.seen.similarity,
                probability=found.seen.probability,
                judged=found.seen.judged,
                guard=found.seen.guard,
                reason=found.seen.reason,
                stream=request.stream,
            )
            choice = self._choose(request, found, exchange)
            reply = None
            if isinstance(found, Hit) and not choice.reason:
                reply = self._answered(dialect, found, choice, call, exchange)
                if reply is None:  # nor would the same do from another replica
                    request = replace(request, directives=replace(request.directives, read=False))
            if reply is not None:
                yield reply
            else:
                trial, near = choice.trial, choice.near
                errand = Errand(request, dialect, call(), found.seen, trial, near=near)
                with ExitStack() as stack:
                    yield await self._fetch(errand, exchange, stack)
        except ApiError as error:
            exchange.learn(status=error.status, reason=error.code or error.kind)
            raise
        except asyncio.CancelledError:
            if exchange.outcome.stored is None:
                exchange.learn(reason="the caller left")
            raise
        finally:
            self._observer.notice(exchange.finished())

    def _choose(self, request: CacheRequest, found: Hit | Miss, exchange: Exchange) -> Choice:
        """Whether a hit is served; one that is not tells what it was."""
        if isinstance(found, Miss):
            return Choice(near=self._learning.near(found.seen))
        shadow = f"shadow: {found.tier}" if request.directives.shadow else ""
        if shadow:
            choice = Choice(shadow, self._learning.shadowed(request, found))
        else:
            choice = self._learning.choose(request, found)
        if choice.reason:
            exchange.learn(
                similarity=found.similarity, probability=found.probability, reason=choice.reason
            )
        return choice

    def _answered(
        self, dialect: Dialect, hit: Hit, choice: Choice, call: MakeCall, exchange: Exchange
    ) -> Reply | None:
        """A hit's reply, and all that follows from serving it; None where it cannot be served."""
        request = hit.seen.request
        if (reply := self._serve(request, dialect, hit, exchange)) is None:
            return None
        served = self._hits.remember(exchange.request_id, request, hit)
        if choice.trial is not None:
            self._asker.audit(Errand(request, dialect, call(), hit.seen, choice.trial))
        if hit.wants_refresh:
            self._asker.refresh(Errand(request, dialect, call(), hit.seen), hit.entry)
        if choice.trial is None and may_repeat(request, hit):
            reply = replace(reply, repeat=self._repeat(dialect, hit, served, reply))
        return reply

    def _serve(
        self, request: CacheRequest, dialect: Dialect, hit: Hit, exchange: Exchange
    ) -> Reply | None:
        """None where what is kept is no answer: whoever meets it is answered by the origin."""
        entry, now = hit.entry, self._clock()
        try:
            played = self._played(request, dialect, entry.answer)
        except (ValueError, LookupError, TypeError, AttributeError):
            self._observer.event("entry_unreadable", tier=hit.tier.value, reason="is no answer")
            return None
        usage = entry.answer.usage
        exchange.learn(
            result=Result.STALE if hit.is_stale else Result.HIT,
            tier=hit.tier,
            entry=entry.id,
            similarity=hit.similarity,
            probability=hit.probability,
            age=max(0.0, now - entry.created_at),
            ttl=entry.expires_at - now,
            usage=usage,
            saved=usage,
            saved_usd=self._price(entry.model, as_asked(usage, request.body)),
            status=200,
        )
        return Reply(200, *played, exchange.outcome)

    def _played(
        self, request: CacheRequest, dialect: Dialect, answer: Answer
    ) -> tuple[Headers, bytes | AsyncIterator[bytes]]:
        """An answer in the form this caller asked for, with an id and a time of its own."""
        stamp = self._stamp(request, dialect)
        if not request.stream:
            return JSON, dialect.refresh(answer.body, stamp)
        pieces = self._pieces(request, dialect, answer, stamp)
        first = tuple(islice(pieces, 1))  # what cannot be read shows before anything is sent
        return EVENT_STREAM, _paced(chain(first, pieces))

    def _pieces(
        self, request: CacheRequest, dialect: Dialect, answer: Answer, stamp: Stamp
    ) -> Iterator[tuple[float, bytes]]:
        return replay(
            dialect,
            answer,
            stamp,
            include_usage=request.include_usage,
            tokens_per_s=self._tokens_per_s,
        )

    def _repeat(self, dialect: Dialect, hit: Hit, served: Served, reply: Reply) -> Repeat | None:
        """How the same would be answered again; a stream that takes its time is no repeat."""
        request, answer = hit.seen.request, hit.entry.answer
        if request.stream and self._tokens_per_s:
            return None

        def pieces(stamp: Stamp) -> Sequence[bytes]:
            if not request.stream:
                return [dialect.refresh(answer.body, stamp)]
            return [piece for _, piece in self._pieces(request, dialect, answer, stamp)]

        return Repeat(
            request,
            hit.entry,
            served,
            reply.outcome,
            self._clock(),
            reply.headers,
            lambda token, created: dialect.stamp(token, created, request.body),
            pieces,
        )

    def _stamp(self, request: CacheRequest, dialect: Dialect) -> Stamp:
        return dialect.stamp(os.urandom(16).hex(), int(self._clock()), request.body)

    async def _fetch(self, errand: Errand, exchange: Exchange, stack: ExitStack) -> Reply:
        """What the origin says: it is listened to until the stack is closed."""
        request, dialect, seen = errand.request, errand.dialect, self._proven(errand.seen)
        if request.directives.only_if_cached:
            raise not_cached()
        try:
            flight, result = self._asker.board(errand, exchange.began)
        except OverloadedError as error:
            return self._stand_in(request, dialect, seen, exchange, error)
        exchange.learn(result=result)
        seat = stack.enter_context(self._asker.listening(flight))
        try:
            with exchange.timing("upstream"):
                head = await flight.head()
        except RepriseError as error:
            return self._stand_in(request, dialect, seen, exchange, error)
        exchange.learn(upstream_status=head.status, status=head.status)
        if flight.is_relayed:
            exchange.learn(result=Result.COALESCED)
        if head.status in FAILURES and seen.stale is not None:
            return self._stand_in(request, dialect, seen, exchange)
        try:
            return await self._relay(request, dialect, flight, seat, head, exchange)
        except UnreachableError as error:
            return self._stand_in(request, dialect, seen, exchange, error)

    def _proven(self, seen: Seen) -> Seen:
        """Without a stale neighbour that would not be served were it fresh."""
        if seen.stale is None or seen.stale_tier is None:
            return seen
        hit = Hit(seen, seen.stale, seen.stale_tier, is_stale=True)
        if not self._learning.objects(seen.request, hit):
            return seen
        return replace(seen, stale=None, stale_tier=None)

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
            if (reply := self._serve(request, dialect, hit, exchange)) is not None:
                self._hits.remember(exchange.request_id, request, hit)
                return reply
        if isinstance(error, ApiError):
            raise error
        raise UnreachableError(str(error), code="upstream_broken") from error

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
        is_follower = exchange.outcome.result is Result.COALESCED and head.is_success
        is_other_form = flight.is_relayed or head.is_stream != request.stream
        is_other = is_other_form or (is_follower and self._stamp(request, dialect).echoed)
        if landing.answer is not None and is_other:
            headers, body = self._played(request, dialect, landing.answer)
            exchange.learn(status=200)
            return Reply(200, (*headers, *head.substitutes), body, exchange.outcome)
        if is_other_form and is_follower:  # he asked for the other form, and got it from no origin
            raise UnreachableError(landing.refusal or "no answer", code="upstream_broken")
        return Reply(head.status, head.headers, flight.body(seat), exchange.outcome)

    async def _live(
        self,
        request: CacheRequest,
        dialect: Dialect,
        flight: Flight,
        seat: Seat,
        exchange: Exchange,
    ) -> AsyncIterator[bytes]:
        live = LiveFilter(flight.marks, hide_usage=not request.include_usage)
        own = self._restamp(request, dialect, exchange)
        try:
            async for chunk in flight.chunks(seat):
                passed = live.feed(chunk)
                if passed := own.feed(passed) if own is not None else passed:
                    yield passed
        except RepriseError:
            exchange.learn(stored=False, reason="the stream broke")
            raise
        except asyncio.CancelledError:  # many hang up at the end marker
            if (landing := flight.told(seat)) is not None:
                self._landed(request, landing, exchange)
            raise
        rest = live.finish()
        if rest := own.feed(rest) + own.finish() if own is not None else rest:
            yield rest
        landing = await flight.landed()
        if landing is not None:
            self._landed(request, landing, exchange)

    def _restamp(
        self, request: CacheRequest, dialect: Dialect, exchange: Exchange
    ) -> Restamp | None:
        """Where answers repeat their requests, a follower's must not repeat the leader's."""
        if exchange.outcome.result is not Result.COALESCED:
            return None
        stamp = self._stamp(request, dialect)
        return Restamp(dialect, stamp) if stamp.echoed else None

    def _landed(self, request: CacheRequest, landing: Landing, exchange: Exchange) -> None:
        answer, before = landing.answer, exchange.outcome
        usage = answer.usage if answer else None
        stored = answer is not None and landing.refusal is None and request.directives.write
        exchange.learn(
            stored=stored,
            entry=request.key if stored else None,
            usage=usage,
            reason=landing.refusal or before.reason,
        )
        if before.result is Result.COALESCED:
            usd = self._price(request.scope.model, as_asked(usage, request.body))
            exchange.learn(saved=usage, saved_usd=usd)


async def _paced(pieces: Iterable[tuple[float, bytes]]) -> AsyncIterator[bytes]:
    for delay_s, piece in pieces:
        if delay_s > 0:
            await asyncio.sleep(delay_s)
        yield piece
