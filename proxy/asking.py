"""Ask the origin, and do with its answer what is to be done: keep it, and learn from it.

A miss joins the flight that is under way for its key, or starts one, which takes its turn among the
replicas: one of them asks, and the others' flights land with what it was told. When a flight lands,
its answer is kept before any listener runs again, so whoever has seen the answer's end finds it in
the session tier.

An answer that is to be compared with a cached one is found by its own question at once, and by
rewordings only when the two do not agree: a second entry for one answer would split what is learned
of it.
"""

from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from functools import partial
from time import perf_counter

from proxy.coalescing import Turns
from proxy.core.agreement import Agreement
from proxy.core.canonical import loads
from proxy.core.coalescing import Answered, Ask, call_key, may_share
from proxy.core.dialects.base import Dialect
from proxy.core.lookup import Seen, with_question
from proxy.core.model import Answer, CacheRequest, Entry, Lease, Result
from proxy.core.quarantine import is_quarantined
from proxy.core.recording import Recording
from proxy.core.spending import Ledger, Part
from proxy.errors import OverloadedError, RepriseError
from proxy.flights import Flight, Flights, Seat
from proxy.learning import Learning, NearMiss, Trial
from proxy.ports import Origin, OriginRequest
from proxy.refreshing import Refreshes
from proxy.storing import Store

Confirm = Callable[[Entry], Awaitable[object]]
"""Writes down that an answer to somebody else's question agrees with this entry's."""


@dataclass(frozen=True, slots=True)
class Call:
    """How the origin is asked on a miss: whom, what, and by whose credential.

    `count` is called before it is, on the caller's behalf. It raises RateLimitedError.
    """

    origin: Origin
    request: OriginRequest
    credential: str = ""
    count: Callable[[], None] | None = None


@dataclass(frozen=True, slots=True)
class Errand:
    """A request that the origin is to answer.

    Attributes:
        request, dialect, call: What is asked, in which API, and how.
        seen: What the lookup has learned.
        trial: A cached answer to compare the origin's with; None when there is nothing to learn.
        part: Who of the cache has it answered, where no caller does.
        near: A neighbour that is no hit, to compare the origin's answer with afterwards.
    """

    request: CacheRequest
    dialect: Dialect
    call: Call
    seen: Seen
    trial: Trial | None = None
    part: Part | None = None
    near: NearMiss | None = None


class Asker:
    """Runs errands.

    Args:
        flights: The upstream calls under way.
        turns: Which replica asks.
        store: Keeps answers.
        learning: Compares them.
        ledger: Hears what is asked for nobody.
        refreshes: Which answers are being refreshed.
        max_entry_bytes: A larger answer is not kept.
        confirm: Ends an entry's quarantine.
    """

    def __init__(
        self,
        flights: Flights,
        turns: Turns,
        store: Store,
        learning: Learning,
        *,
        ledger: Ledger,
        refreshes: Refreshes,
        max_entry_bytes: int,
        confirm: Confirm,
    ) -> None:
        self._flights = flights
        self._turns = turns
        self._store = store
        self._learning = learning
        self._ledger = ledger
        self._refreshes = refreshes
        self._max_entry_bytes = max_entry_bytes
        self._confirm = confirm

    def board(self, errand: Errand, since: float) -> tuple[Flight, Result]:
        """The flight under way, or a new one; a caller who wants his own answer flies alone.

        Raises:
            OverloadedError: There is no place for a new one.
            RateLimitedError: The caller may not have one now.
        """
        request = errand.request
        is_shareable = may_share(request.directives)
        key = call_key(request, errand.call.credential) if is_shareable else None
        if key is not None and (flight := self._flights.find(key, since)) is not None:
            return flight, Result.COALESCED
        self._flights.check()
        if errand.call.count is not None and errand.part is None:
            errand.call.count()
        flight = self._flight(errand, key)
        self._flights.launch(flight, self._fly(flight, errand))
        return flight, Result.MISS

    def listening(self, flight: Flight) -> AbstractContextManager[Seat]:
        """Listen from the first byte; the last one who leaves early ends the call."""
        return self._flights.listening(flight)

    def audit(self, errand: Errand) -> None:
        """Ask for nobody, only to compare."""
        errand = replace(errand, part=Part.AUDIT)
        flight = self._flight(errand, None)
        self._flights.launch(flight, self._audit(flight, errand))

    def refresh(self, errand: Errand, stale: Entry) -> None:
        """Have a stale answer replaced, by this caller's request, while he is served it."""
        work = partial(self._refresh, _refreshing(errand, stale))
        self._refreshes.begin(stale.id, errand.call.credential, work)

    async def _refresh(self, errand: Errand) -> str | None:
        """Why no fresh answer is kept; None when one is, here or by another replica."""
        try:
            flight, _ = self.board(errand, perf_counter())
        except OverloadedError as error:
            return str(error)
        with self.listening(flight):
            try:
                head, landing = await flight.head(), await flight.landed()
            except RepriseError as error:
                return str(error)
            if landing is not None:
                await self._flights.over(flight)
        if not head.is_success:
            return f"status {head.status}"
        if flight.is_void:
            return "forgotten meanwhile"
        return "too large" if landing is None else landing.refusal

    def _flight(self, errand: Errand, key: str | None) -> Flight:
        recording = Recording(errand.dialect, self._max_entry_bytes)
        keys = () if key is None else (key,)
        foreseen = self._store.foreseen(errand.request, errand.seen.vector)
        return Flight(keys, recording, self._max_entry_bytes, [foreseen])

    async def _audit(self, flight: Flight, errand: Errand) -> None:
        try:
            await self._fly(flight, errand)
        finally:
            self._learning.audit_over(errand.request.key)

    async def _fly(self, flight: Flight, errand: Errand) -> None:
        """Have the answer, and then compare it with that of a near miss, if that is asked."""
        await self._take_turn(flight, errand)
        if errand.near is not None:
            await self._look_back(flight, errand, errand.near)

    async def _take_turn(self, flight: Flight, errand: Errand) -> None:
        """Make the call, or be answered by who makes it already."""
        if errand.trial is not None or not self._turns.are_taken(errand.request.directives):
            await self._call(flight, errand, None)
            return
        async with self._turns.taken(errand.request, errand.call.credential) as turn:
            match turn:
                case Ask(lease):
                    await self._call(flight, errand, lease)
                case Answered(entry, read_at):
                    if not flight.is_void:
                        self._store.adopt(errand.request, entry, read_at)
                    flight.answer(entry.answer)

    async def _call(self, flight: Flight, errand: Errand, lease: Lease | None) -> None:
        """Make the call; then, in the same step as its last byte, keep its answer."""
        call, request = errand.call, errand.request
        asked, with_usage = call.request, errand.dialect.with_usage(request.body)
        if with_usage is not None:
            asked = replace(asked, with_usage=with_usage)
        landing = await flight.fly(call.origin, asked)
        if landing is None or landing.answer is None:
            return
        self._count(errand, landing.answer)
        if landing.refusal:
            return
        entry = self._keep(errand, landing.answer, flight)
        is_findable = errand.request.directives.semantic and not landing.is_exact
        if errand.trial is None:
            await self._share(errand, entry, flight, is_semantic=is_findable, lease=lease)
            return
        await self._share(errand, entry, flight, is_semantic=False)
        agreement = await self._compare(errand.dialect, errand.trial, landing.answer)
        if agreement is Agreement.SAME and is_quarantined(errand.trial.entry, request.caller):
            await self._confirm(errand.trial.entry)
        if entry is None or not is_findable or agreement is Agreement.SAME:
            return
        # Comparing takes its time: what was removed or replaced meanwhile must not come back.
        if await self._store.holds(entry) and not flight.is_void:
            await self._share(errand, entry, flight, is_semantic=True)

    def _count(self, errand: Errand, answer: Answer) -> None:
        """Whoever asks for himself would have been billed without a cache as well."""
        if errand.part is not None and answer.usage is not None:
            self._ledger.spent(errand.part, errand.request.scope.model, answer.usage)

    def _keep(self, errand: Errand, answer: Answer, flight: Flight) -> Entry | None:
        if flight.is_void or not errand.request.directives.write:
            return None
        path = errand.dialect.path
        return self._store.keep(errand.request, answer, path, flight.generation)

    async def _share(
        self,
        errand: Errand,
        entry: Entry | None,
        flight: Flight,
        *,
        is_semantic: bool,
        lease: Lease | None = None,
    ) -> None:
        if entry is None:
            return
        dialect, body = errand.dialect, errand.request.body
        await self._store.share(
            entry,
            errand.seen.vector,
            lambda: dialect.texts_of(body, loads(entry.answer.body)),
            is_semantic=is_semantic,
            lease=lease,
            is_void=lambda: flight.is_void,
        )

    async def _look_back(self, flight: Flight, errand: Errand, near: NearMiss) -> None:
        try:
            landing = await flight.landed()
        except RepriseError:
            return
        if landing is None or landing.answer is None or landing.refusal:
            return
        entry = await self._store.find(errand.request.scope.id, near.entry_id)
        if entry is not None:
            await self._compare(errand.dialect, near.trial(entry), landing.answer)

    async def _compare(self, dialect: Dialect, trial: Trial, answer: Answer) -> Agreement | None:
        old, new = (dialect.said(loads(a.body)) for a in (trial.entry.answer, answer))
        return await self._learning.learn(trial, old, new)


def _refreshing(errand: Errand, stale: Entry) -> Errand:
    """The same errand, for which only a fresh answer will do.

    A question that a model would write is the one that was written for the stale answer.
    """
    request = errand.request
    if request.unwritten and stale.question:
        request = with_question(request, stale.question)
    asked = replace(request.directives, max_stale=0.0, stale_while_revalidate=0.0)
    request = replace(request, directives=asked)
    return replace(errand, request=request, part=Part.REFRESH)
