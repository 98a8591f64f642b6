"""Ask the origin for inputs of a batch, and keep what it says of each.

The calls are flights, each under way for every input it carries: whoever lacks one of them joins.
When a call lands, its answers are kept before any listener runs again.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Final, TypeVar

from proxy.asking import Call
from proxy.core.batch import Item
from proxy.core.batchrecording import BatchLanding, BatchRecording
from proxy.core.coalescing import call_key, may_share
from proxy.core.dialects.embeddings import PATH
from proxy.core.model import Answer, Entry
from proxy.core.recording import Head
from proxy.errors import ApiError, RepriseError, UnreachableError
from proxy.flights import Flight, Flights, Seat
from proxy.storing import Store

T = TypeVar("T")

AT_ONCE: Final = 16
"""Inputs of one batch that are looked up, or stored, at a time."""


@dataclass(frozen=True, slots=True)
class Told:
    """What the origin said.

    Attributes:
        head: Status and headers.
        body: As it came.
        answers: What was understood of it, by the input's key; empty for nothing.
        refusal: Why they may not be kept; None when they may.
    """

    head: Head
    body: bytes
    answers: Mapping[str, Answer] = field(default_factory=dict)
    refusal: str | None = None


class BatchCalls:
    """Asks for inputs.

    Args:
        flights: The upstream calls under way.
        store: Keeps answers.
        max_entry_bytes: A larger answer to one input is not kept.
    """

    def __init__(self, flights: Flights, store: Store, *, max_entry_bytes: int) -> None:
        self._flights = flights
        self._store = store
        self._max_entry_bytes = max_entry_bytes

    def under_way(self, item: Item, call: Call, since: float) -> Flight | None:
        """The call that will answer this input to a caller who came at that `perf_counter`."""
        if not may_share(item.request.directives):
            return None
        return self._flights.find(call_key(item.request, call.credential), since)

    def listening(self, flight: Flight) -> AbstractContextManager[Seat]:
        """Listen from the first byte; the last one who leaves early ends the call."""
        return self._flights.listening(flight)

    async def ask(
        self, items: Sequence[Item], call: Call, body: bytes, *, may_join: bool = True
    ) -> Told:
        """Ask for these inputs with this body, and wait for the answer.

        Raises:
            ApiError: The origin cannot be asked, or may not be now, or its answer broke off.
        """
        self._flights.check()
        if call.count is not None:
            call.count()
        keys = [
            call_key(item.request, call.credential)
            for item in items
            if may_join and may_share(item.request.directives)
        ]
        max_bytes = self._max_entry_bytes * len(items)
        recording = BatchRecording(items, max_bytes)
        foreseen = [self._store.foreseen(item.request) for item in items]
        flight = Flight(keys, recording, max_bytes, foreseen)
        self._flights.launch(flight, self._fly(flight, items, call, body))
        with self._flights.listening(flight) as seat:
            try:
                head, landing = await flight.head(), await flight.landed()
                whole = b"".join([chunk async for chunk in flight.chunks(seat)])
            except ApiError:
                raise
            except RepriseError as error:
                raise UnreachableError(str(error), code="upstream_broken") from error
        if not isinstance(landing, BatchLanding):
            return Told(head, whole, refusal="too large")
        return Told(head, whole, landing.answers, landing.refusal)

    async def _fly(self, flight: Flight, items: Sequence[Item], call: Call, body: bytes) -> None:
        landing = await flight.fly(call.origin, replace(call.request, body=body))
        if not isinstance(landing, BatchLanding) or landing.refusal is not None or flight.is_void:
            return
        kept = [
            self._store.keep(item.request, landing.answers[item.key], PATH, flight.generation)
            for item in items
            if self._may_keep(item, landing.answers[item.key])
        ]
        await each(kept, partial(self._share, flight))

    def _may_keep(self, item: Item, answer: Answer) -> bool:
        return item.request.directives.write and answer.size <= self._max_entry_bytes

    async def _share(self, flight: Flight, entry: Entry) -> None:
        await self._store.share(
            entry,
            None,
            lambda: (entry.question, ""),
            is_semantic=False,
            is_void=lambda: flight.is_void,
        )


async def heard(flight: Flight) -> Mapping[str, Answer]:
    """What somebody else's call brings, by the input's key; nothing when it may not be shared."""
    try:
        landing = await flight.landed()
    except RepriseError:
        return {}
    if not isinstance(landing, BatchLanding) or landing.refusal is not None:
        return {}
    return landing.answers


async def each(things: Sequence[T], work: Callable[[T], Awaitable[None]]) -> None:
    """Do the work for each, several at a time."""
    if len(things) == 1:  # most requests: spared a task
        await work(things[0])
        return
    waiting = iter(things)

    async def work_on() -> None:
        for thing in waiting:
            await work(thing)

    await asyncio.gather(*(work_on() for _ in range(min(AT_ONCE, len(things)))))
