"""Answer a batch of inputs: what is cached from the cache, the rest by one call to the origin.

Each input is an entry of its own. Those that another request is asking for just now are waited for,
those that came twice are asked for once. Where the origin was asked for everything, its reply is
passed on as it came.

That only a part of a batch was asked for must not show. An error's text may name an input by its
place, and an answer may not be what we take it for: then the origin is asked again with the
caller's own request, and its words are passed on. A call that somebody else made, and that failed,
may have failed for his inputs: we ask for ours ourselves.
"""

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Collection, Sequence
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from time import perf_counter
from typing import Final

from proxy.asking import Call
from proxy.batchcalls import BatchCalls, Told, each, heard
from proxy.core.batch import Batch, Item
from proxy.core.canonical import dumps
from proxy.core.dialects.base import Stamp
from proxy.core.dialects.embeddings import PATH
from proxy.core.dialects.embeddings_answer import MixedModelsError, put_together
from proxy.core.lookup import Hit, Miss
from proxy.core.model import Answer, Directives, Result, Tier, Usage
from proxy.errors import ApiError
from proxy.exchange import Exchange
from proxy.flights import Flight
from proxy.gateway import FAILURES, JSON, Reply, not_cached
from proxy.ports import Clock, Observer
from proxy.searching import Search
from proxy.storing import Store

BY_PLACE: Final = frozenset({400, 404, 413, 422})
"""Errors whose text may name an input by its place in the batch, or speak of the batch's size."""


MOST_AT_ONCE: Final = 100
"""Inputs whose answers are put together in the loop, in about 5 ms; more take a thread."""


@dataclass(slots=True)
class _Trip:
    """One request under way.

    Attributes:
        batch, call, exchange: What is asked, how the origin is, and what is known of the outcome.
        found: What the lookup found of each input, by key.
        answers: What is known of each input, by key.
        told: The answers that this request itself asked the origin for.
        reply: What the origin said, where that is the reply as it is.
    """

    batch: Batch
    call: Call
    exchange: Exchange
    found: dict[str, Hit | Miss] = field(default_factory=dict)
    answers: dict[str, Answer] = field(default_factory=dict)
    told: set[str] = field(default_factory=set)
    reply: Told | None = None

    def lacking(self) -> list[Item]:
        """The inputs that nothing is known of yet, each once."""
        unique = {item.key: item for item in self.batch.items}
        return [item for key, item in unique.items() if key not in self.answers]


class Batcher:
    """The cache in front of an origin's embeddings.

    Args:
        search: Finds entries.
        store: Knows the operator's rules.
        calls: Asks the origin.
        clock: The time now.
        observer: Hears each request's outcome, once.
        price: What so many tokens of a model cost, in USD; None when unknown.
    """

    def __init__(
        self,
        search: Search,
        store: Store,
        calls: BatchCalls,
        *,
        clock: Clock,
        observer: Observer,
        price: Callable[[str, Usage | None], float | None],
    ) -> None:
        self._search = search
        self._store = store
        self._calls = calls
        self._clock = clock
        self._observer = observer
        self._price = price

    @asynccontextmanager
    async def answer(self, batch: Batch, call: Call, exchange: Exchange) -> AsyncIterator[Reply]:
        """The request's reply, valid inside the block; after it the observer hears the outcome.

        Raises:
            ApiError: There is no answer: the origin cannot be asked, or may not be.
        """
        batch = self._ruled(batch)
        try:
            yield await self._reply(_Trip(batch, call, exchange))
        except ApiError as error:
            exchange.learn(status=error.status, reason=error.code or error.kind)
            raise
        except asyncio.CancelledError:
            exchange.learn(reason="the caller left")
            raise
        finally:
            self._observer.notice(exchange.finished())

    def _ruled(self, batch: Batch) -> Batch:
        """Under the operator's rules, but never served while refreshed: an input is no request."""
        ruled: dict[Directives, Directives] = {}
        items = []
        for item in batch.items:
            asked, request = item.request.directives, item.request
            if asked not in ruled:
                found = self._store.under_rules(asked, batch.scope, PATH)
                ruled[asked] = replace(found, stale_while_revalidate=0.0)
            if ruled[asked] != asked:
                item = replace(item, request=replace(request, directives=ruled[asked]))  # noqa: PLW2901
            items.append(item)
        return replace(batch, items=tuple(items))

    async def _reply(self, trip: _Trip) -> Reply:
        await self._look_up(trip)
        hits = {key: found for key, found in trip.found.items() if isinstance(found, Hit)}
        if trip.batch.asked.shadow:
            trip.exchange.learn(reason=f"shadow: {len(hits)} of {len(trip.found)}")
        else:
            trip.answers = {key: hit.entry.answer for key, hit in hits.items()}
        if lacking := trip.lacking():
            if trip.batch.asked.only_if_cached:
                raise not_cached()
            await self._fetch(trip, lacking)
        else:
            self._tell_hits(trip, tuple(hits.values()))
        body = await self._composed(trip) if trip.reply is None else b""
        self._tell_usage(trip)
        if (said := trip.reply) is not None:
            return Reply(said.head.status, said.head.headers, said.body, trip.exchange.outcome)
        return Reply(200, JSON, body, trip.exchange.outcome)

    async def _composed(self, trip: _Trip) -> bytes:
        """The answer, put together; where that cannot be, the origin is asked for all of it."""
        stamp = Stamp(f"embd-{os.urandom(16).hex()}", int(self._clock()))
        answers = [trip.answers[item.key] for item in trip.batch.items]
        told = (answers, trip.batch.encoding, stamp)
        try:
            if len(answers) > MOST_AT_ONCE:
                return await asyncio.to_thread(put_together, *told)
            return put_together(*told)
        except MixedModelsError:
            if trip.batch.asked.only_if_cached:
                raise not_cached() from None
            trip.exchange.learn(reason="of two models")
            with trip.exchange.timing("upstream"):
                await self._ask_whole(trip)
            return b""

    async def _look_up(self, trip: _Trip) -> None:
        exchange, began = trip.exchange, perf_counter()
        scratch = Exchange(exchange.outcome, began=exchange.began)

        async def look_up(item: Item) -> None:
            trip.found[item.key] = await self._search.look_up(item.request, scratch)

        await each(trip.lacking(), look_up)
        took = perf_counter() - began  # many are looked up at once: their times overlap
        for stage, seconds in scratch.timings.items():
            exchange.timings[stage] = min(seconds, took)
        exchange.starts |= scratch.starts
        reasons = (one.seen.reason for one in trip.found.values() if isinstance(one, Miss))
        exchange.learn(reason=next(filter(None, reasons), ""))

    async def _fetch(self, trip: _Trip, lacking: Sequence[Item]) -> None:
        """Bring what is lacking, from calls under way or by one of our own."""
        exchange = trip.exchange
        exchange.learn(result=Result.COALESCED, status=200, items=_share_of(trip, trip.answers))
        own, joined = self._boarded(trip, lacking)
        with exchange.timing("upstream"), ExitStack() as seats:
            for flight in joined:  # before anything is awaited: a call with no listener is ended
                seats.enter_context(self._calls.listening(flight))
            if own:
                await self._ask(trip, own)
            for flight in joined:
                if trip.reply is None:
                    answers = await heard(flight)
                    trip.answers.update({k: v for k, v in answers.items() if k in trip.found})
            if trip.reply is None and (rest := trip.lacking()):
                await self._ask(trip, rest)

    def _boarded(
        self, trip: _Trip, lacking: Sequence[Item]
    ) -> tuple[Sequence[Item], Sequence[Flight]]:
        """(inputs that nobody is asking for, the calls that are to bring the others)."""
        since = trip.exchange.began
        flights = [(item, self._calls.under_way(item, trip.call, since)) for item in lacking]
        joined = dict.fromkeys(flight for _, flight in flights if flight is not None)
        return [item for item, flight in flights if flight is None], tuple(joined)

    async def _ask(self, trip: _Trip, items: Sequence[Item]) -> None:
        """Ask the origin for these inputs; stale answers may stand in for its failure."""
        batch, exchange = trip.batch, trip.exchange
        is_whole = [item.key for item in items] == [item.key for item in batch.items]
        exchange.learn(result=Result.MISS, tier=None, entry=None, age=None, ttl=None)
        try:
            said = await self._calls.ask(items, trip.call, _body(trip, None if is_whole else items))
        except ApiError:
            if not self._stand_in(trip, items):
                raise
            return
        exchange.learn(upstream_status=said.head.status, status=said.head.status)
        if said.head.status in FAILURES and self._stand_in(trip, items):
            return
        if not is_whole and _hides_the_batch(said):
            await self._ask_whole(trip)
            return
        self._take(trip, items, said)
        if is_whole or not said.answers:
            trip.reply = said

    async def _ask_whole(self, trip: _Trip) -> None:
        """Ask as the caller did, whatever is known: his is the origin's own reply."""
        items, exchange = trip.batch.items, trip.exchange
        exchange.learn(result=Result.MISS, tier=None, entry=None, age=None, ttl=None)
        said = await self._calls.ask(items, trip.call, _body(trip), may_join=False)
        status = said.head.status
        exchange.learn(upstream_status=status, status=status, items=(0, len(items)))
        self._take(trip, items, said)
        trip.reply = said

    def _take(self, trip: _Trip, items: Sequence[Item], said: Told) -> None:
        trip.answers.update(said.answers)
        trip.told.update(item.key for item in items)
        self._tell_stored(trip, items, said)

    def _stand_in(self, trip: _Trip, items: Sequence[Item]) -> bool:
        """Whether stale answers stand in for all of these (RFC 5861, 4)."""
        seen = {item.key: trip.found[item.key].seen for item in items}
        stale = {key: one.stale.answer for key, one in seen.items() if one.stale is not None}
        if len(stale) < len(items):
            return False
        trip.answers.update(stale)
        hits = [
            Hit(one, one.stale, one.stale_tier, is_stale=True)
            for one in seen.values()
            if one.stale is not None and one.stale_tier is not None
        ]
        self._tell_hits(trip, hits)
        return True

    def _tell_hits(self, trip: _Trip, hits: Sequence[Hit]) -> None:
        """How old what is served is, at worst, and where it was."""
        now = self._clock()
        is_stale = any(hit.is_stale for hit in hits)
        everywhere = {hit.tier for hit in hits}
        trip.exchange.learn(
            result=Result.STALE if is_stale else Result.HIT,
            status=200,
            tier=Tier.SESSION if everywhere == {Tier.SESSION} else Tier.SHARED,
            entry=hits[0].entry.id if len(hits) == 1 else None,
            age=max(0.0, now - min(hit.entry.created_at for hit in hits)),
            ttl=min(hit.entry.expires_at for hit in hits) - now,
            items=_share_of(trip, trip.answers),
        )

    def _tell_stored(self, trip: _Trip, items: Sequence[Item], said: Told) -> None:
        may_write = any(item.request.directives.write for item in items)
        is_stored = may_write and bool(said.answers) and said.refusal is None
        reason = said.refusal or trip.exchange.outcome.reason
        is_alone = is_stored and len(trip.batch.items) == 1
        trip.exchange.learn(
            stored=is_stored, reason=reason, entry=items[0].key if is_alone else None
        )

    def _tell_usage(self, trip: _Trip) -> None:
        """The tokens of the answer, and of what the origin was not asked for: repeats included."""
        if trip.reply is not None and not trip.reply.answers:
            return
        not_asked = [item for item in trip.batch.items if item.key not in trip.told]
        seen: set[str] = set()
        for item in trip.batch.items:
            if item.key in trip.told and item.key in seen and trip.reply is None:
                not_asked.append(item)
            seen.add(item.key)
        saved = _total(trip, not_asked)
        trip.exchange.learn(
            usage=_total(trip, trip.batch.items),
            saved=saved,
            saved_usd=self._price(trip.batch.scope.model, saved),
        )


def _body(trip: _Trip, items: Sequence[Item] | None = None) -> bytes:
    """What the origin is asked with: the caller's own words, or the same for some of the inputs."""
    whole = trip.call.request.body
    if items is None and isinstance(whole, bytes):
        return whole
    return dumps({**trip.batch.body, "input": [item.value for item in items or trip.batch.items]})


def _hides_the_batch(said: Told) -> bool:
    """Whether what was said of a part cannot be made part of an answer to the whole."""
    if said.head.is_success:
        return not said.answers or said.refusal is not None
    return said.head.status in BY_PLACE


def _share_of(trip: _Trip, keys: Collection[str]) -> tuple[int, int]:
    """(inputs that these keys answer, inputs)."""
    return sum(item.key in keys for item in trip.batch.items), len(trip.batch.items)


def _total(trip: _Trip, items: Sequence[Item]) -> Usage | None:
    """The tokens of these inputs, as far as they are known; None where of none they are."""
    answers = [trip.answers[item.key] for item in items if item.key in trip.answers]
    known = [answer.usage for answer in answers if answer.usage is not None]
    if not known:
        return None
    return Usage(sum(one.prompt for one in known), 0, any(one.estimated for one in known))
