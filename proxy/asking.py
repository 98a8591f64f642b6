"""Ask the origin, and do with its answer what is to be done: keep it, and learn from it.

A miss joins the flight that is under way for its key, or starts one, which takes its turn among the
replicas: one of them asks, and the others' flights land with what it was told. When a flight lands,
its answer is kept before any listener runs again, so whoever has seen the answer's end finds it in
the session tier.

An answer that is to be compared with a cached one is found by its own question at once, and by
rewordings only when the two do not agree: a second entry for one answer would split what is learned
of it.
"""

from contextlib import AbstractContextManager
from dataclasses import dataclass, replace

from proxy.coalescing import Turns
from proxy.core.agreement import Agreement
from proxy.core.canonical import loads
from proxy.core.coalescing import Answered, Ask, call_key, may_share, waits_its_turn
from proxy.core.dialects.base import Dialect
from proxy.core.lookup import Seen
from proxy.core.model import Answer, CacheRequest, Entry, Lease, Result
from proxy.core.recording import Recording
from proxy.flights import Flight, Flights, Seat
from proxy.learning import Learning, Trial
from proxy.ports import Origin, OriginRequest
from proxy.storing import Store


@dataclass(frozen=True, slots=True)
class Call:
    """How the origin is asked on a miss: whom, what, and by whose credential."""

    origin: Origin
    request: OriginRequest
    credential: str = ""


@dataclass(frozen=True, slots=True)
class Errand:
    """A request that the origin is to answer.

    Attributes:
        request, dialect, call: What is asked, in which API, and how.
        seen: What the lookup has learned.
        trial: A cached answer to compare the origin's with; None when there is nothing to learn.
    """

    request: CacheRequest
    dialect: Dialect
    call: Call
    seen: Seen
    trial: Trial | None = None


class Asker:
    """Runs errands.

    Args:
        flights: The upstream calls under way.
        turns: Which replica asks.
        store: Keeps answers.
        learning: Compares them.
        max_entry_bytes: A larger answer is not kept.
    """

    def __init__(
        self,
        flights: Flights,
        turns: Turns,
        store: Store,
        learning: Learning,
        *,
        max_entry_bytes: int,
    ) -> None:
        self._flights = flights
        self._turns = turns
        self._store = store
        self._learning = learning
        self._max_entry_bytes = max_entry_bytes

    def board(self, errand: Errand, since: float) -> tuple[Flight, Result]:
        """The flight under way, or a new one; a caller who wants his own answer flies alone."""
        request = errand.request
        is_shareable = may_share(request.directives)
        key = call_key(request, errand.call.credential) if is_shareable else None
        if key is not None and (flight := self._flights.find(key, since)) is not None:
            return flight, Result.COALESCED
        flight = self._flight(errand, key)
        self._flights.launch(flight, self._fly(flight, errand))
        return flight, Result.MISS

    def listening(self, flight: Flight) -> AbstractContextManager[Seat]:
        """Listen from the first byte; the last one who leaves early ends the call."""
        return self._flights.listening(flight)

    def audit(self, errand: Errand) -> None:
        """Ask for nobody, only to compare."""
        flight = self._flight(errand, None)
        self._flights.launch(flight, self._audit(flight, errand))

    def _flight(self, errand: Errand, key: str | None) -> Flight:
        recording = Recording(errand.dialect, self._max_entry_bytes)
        keys = () if key is None else (key,)
        return Flight(keys, recording, self._max_entry_bytes, (errand.request.key,))

    async def _audit(self, flight: Flight, errand: Errand) -> None:
        try:
            await self._fly(flight, errand)
        finally:
            self._learning.audit_over(errand.request.key)

    async def _fly(self, flight: Flight, errand: Errand) -> None:
        """Make the call, or be answered by who makes it already."""
        if errand.trial is not None or not waits_its_turn(errand.request.directives):
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
        asked = replace(call.request, with_usage=errand.dialect.with_usage(request.body))
        landing = await flight.fly(call.origin, asked)
        if landing is None or landing.answer is None or landing.refusal:
            return
        entry = self._keep(errand, landing.answer, flight)
        is_findable = errand.request.directives.semantic and not landing.is_exact
        if errand.trial is None:
            await self._share(errand, entry, flight, is_semantic=is_findable, lease=lease)
            return
        await self._share(errand, entry, flight, is_semantic=False)
        agreement = await self._compare(errand.dialect, errand.trial, landing.answer)
        if entry is None or not is_findable or agreement is Agreement.SAME:
            return
        # Comparing takes its time: what was removed or replaced meanwhile must not come back.
        if await self._store.holds(entry) and not flight.is_void:
            await self._share(errand, entry, flight, is_semantic=True)

    def _keep(self, errand: Errand, answer: Answer, flight: Flight) -> Entry | None:
        if flight.is_void or not errand.request.directives.write:
            return None
        return self._store.keep(errand.request, answer, errand.dialect.path)

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

    async def _compare(self, dialect: Dialect, trial: Trial, answer: Answer) -> Agreement | None:
        old, new = (dialect.said(loads(a.body)) for a in (trial.entry.answer, answer))
        return await self._learning.learn(trial, old, new)
