"""One upstream call per key, whoever comes and goes."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from time import perf_counter
from typing import Any

import numpy as np
import pytest

from proxy.core.changes import ALL_TENANTS, Likeness, Selector, Traits
from proxy.core.dialects.chat import Chat
from proxy.core.model import Answer
from proxy.core.recording import Recording
from proxy.errors import BrokenStreamError, UnreachableError
from proxy.flights import WINDOW_BYTES, Flight, Flights
from proxy.ports import OriginRequest
from proxy.resilience import Tasks
from tests.support.ports import Feed, Heard
from tests.support.waiting import until

CALL = OriginRequest("POST", "/chat/completions", (), b"{}")
ANSWER = json.dumps(
    {"choices": [{"index": 0, "message": {"content": "Yes."}, "finish_reason": "stop"}]}
).encode()
EVENT_STREAM = (("content-type", "text/event-stream"),)
STREAM = (
    b'data: {"choices": [{"index": 0, "delta": {"content": "Yes."}, "finish_reason": "stop"}]}\n\n'
    b"data: [DONE]\n\n"
)
EVERYTHING = Selector(ALL_TENANTS, everything=True)
EAST, NORTH = np.eye(2, dtype=np.float32)
PIECE = bytes(256 * 1024)
KEEP = 1000


@pytest.fixture
def heard() -> Heard:
    return Heard()


@pytest.fixture
async def tasks(heard: Heard) -> AsyncIterator[Tasks]:
    owner = Tasks(heard)
    yield owner
    await owner.close()


@pytest.fixture
def flights(tasks: Tasks) -> Flights:
    return Flights(tasks, linger_s=60, finish_deserted=False)


def foreseen(name: str, **fields: Any) -> Traits:
    """What a call may become that began at 100."""
    plain = Traits(name, "scope", "acme", "docs", "gpt", 100.0, tags=("faq",), embedder="e")
    return replace(plain, **fields)


def made(key: str | None = "key", keep_bytes: int = KEEP) -> Flight:
    keys = () if key is None else (key,)
    return Flight(keys, Recording(Chat(), keep_bytes), keep_bytes, [foreseen("entry")])


def launch(flights: Flights, feed: Feed, flight: Flight) -> Flight:
    async def work() -> None:
        await flight.fly(feed, CALL)

    flights.launch(flight, work())
    return flight


async def into(heard: list[bytes], chunks: AsyncIterator[bytes]) -> None:
    """Not a comprehension: an error must not lose what came before it."""
    async for chunk in chunks:
        heard.append(chunk)  # noqa: PERF401 - see above


async def heard_by(flights: Flights, flight: Flight) -> bytes:
    with flights.listening(flight) as seat:
        return b"".join([chunk async for chunk in flight.chunks(seat)])


async def test_every_listener_hears_everything(flights: Flights) -> None:
    """From the first byte on, whenever he came, at his own speed."""
    feed = Feed()
    flight = launch(flights, feed, made())
    async with asyncio.TaskGroup() as group:
        early = group.create_task(heard_by(flights, flight))
        feed.put(ANSWER[:10])
        await until(lambda: feed.taken == 1)
        late = group.create_task(heard_by(flights, flight))
        feed.put(ANSWER[10:])
        feed.end()
    landing = await flight.landed()
    after = await heard_by(flights, flight)

    assert early.result() == late.result() == after == ANSWER
    assert landing is not None
    assert landing.answer is not None
    assert landing.refusal is None
    assert len(feed.asked) == 1
    assert feed.is_closed


async def test_the_beginning_of_a_stream_does_not_wait_for_the_rest(flights: Flights) -> None:
    """An origin may send all of it at once: a listener hears of it before it has been read."""
    comment = b": " + bytes(1 << 16) + b"\n\n"
    feed = Feed(headers=EVENT_STREAM)
    flight = launch(flights, feed, made(keep_bytes=1 << 20))
    feed.put(comment + STREAM)
    feed.end()
    with flights.listening(flight) as seat:
        first = await anext(aiter(flight.chunks(seat)))
        told = flight.told(seat)
        landing = await flight.landed()

    assert comment.startswith(first)
    assert told is None
    assert landing is not None
    assert landing.answer is not None


async def test_joining(flights: Flights) -> None:
    """A flight under way is found by its key; one without a key by nobody."""
    flight = launch(flights, Feed(), made())
    launch(flights, Feed(), made(None))

    assert flights.find("key", perf_counter()) is flight
    assert flights.find("other", perf_counter()) is None


async def test_a_landed_flight_is_joined_by_who_missed_its_answer(flights: Flights) -> None:
    """Who began to look before it landed joins; who came later is not served by it."""
    feed = Feed()
    before = perf_counter()
    flight = launch(flights, feed, made())
    with flights.listening(flight):
        feed.put(ANSWER)
        feed.end()
        await flight.landed()
    await until(lambda: not len(flights))

    assert flights.find("key", before) is flight
    assert flights.find("key", perf_counter()) is None


async def test_a_landed_flight_is_forgotten(tasks: Tasks) -> None:
    """It lingers no longer than a lookup can take."""
    flights = Flights(tasks, linger_s=0.01, finish_deserted=False)
    feed = Feed()
    flight = launch(flights, feed, made())
    with flights.listening(flight):
        feed.end()
        await flight.landed()

    await until(lambda: not flights._by_key, "forgetting")


@pytest.mark.parametrize("error", [UnreachableError("no"), BrokenStreamError("no")])
async def test_a_failure_reaches_every_listener(flights: Flights, error: Exception) -> None:
    """Nobody waits for ever, and nobody joins it afterwards."""
    before = perf_counter()
    flight = launch(flights, Feed(error=error), made())
    with flights.listening(flight) as seat:
        for question in (flight.head(), flight.landed(), anext(aiter(flight.chunks(seat)))):
            with pytest.raises(type(error)):
                await question

    assert flights.find("key", before) is None


async def test_what_came_before_the_break_is_heard(flights: Flights) -> None:
    """Then the break is."""
    feed = Feed()
    flight = launch(flights, feed, made())
    heard: list[bytes] = []
    feed.put(b"some", BrokenStreamError("gone"))
    with flights.listening(flight) as seat, pytest.raises(BrokenStreamError):
        await into(heard, flight.chunks(seat))

    assert heard == [b"some"]
    assert feed.is_closed


async def test_a_fault_of_ours_reaches_the_listeners_too(flights: Flights, heard: Heard) -> None:
    """A bug in the work must not leave anybody waiting; it is one event."""
    flight = launch(flights, Feed(error=RuntimeError("bug")), made())
    with flights.listening(flight), pytest.raises(BrokenStreamError):
        await flight.head()

    await until(lambda: "task_failed" in heard.names)


async def test_the_last_one_who_leaves_ends_it(flights: Flights) -> None:
    """The first one does not."""
    feed = Feed()
    flight = launch(flights, feed, made())
    await until(lambda: bool(feed.asked))
    with flights.listening(flight):
        with flights.listening(flight):
            pass
        await asyncio.sleep(0)
        assert flights.find("key", 0) is flight
    await until(lambda: feed.is_closed, "the call's end")

    assert flights.find("key", 0) is None
    assert flight.is_over


async def test_who_leaves_at_the_end_of_a_stream_ends_nothing(flights: Flights) -> None:
    """He has the whole answer: it is kept, though the origin has yet to close."""
    feed = Feed(headers=EVENT_STREAM)
    flight = launch(flights, feed, made())
    with flights.listening(flight) as seat:
        feed.put(STREAM)
        assert await anext(aiter(flight.chunks(seat))) == STREAM
    feed.end()
    landing = await flight.landed()

    assert landing is not None
    assert landing.answer is not None


async def test_it_may_be_finished_for_nobody(tasks: Tasks) -> None:
    """Where so configured the call goes on."""
    flights = Flights(tasks, linger_s=60, finish_deserted=True)
    feed = Feed()
    flight = launch(flights, feed, made())
    with flights.listening(flight):
        pass
    feed.put(ANSWER)
    feed.end()
    landing = await flight.landed()

    assert landing is not None
    assert landing.answer is not None


async def test_an_invalidation_voids_what_is_under_way(flights: Flights) -> None:
    """Its listeners get it; nobody else joins it, and it says that it must not be kept."""
    feed = Feed()
    flight = launch(flights, feed, made())
    with flights.listening(flight) as seat:
        flights.void(EVERYTHING)
        feed.put(ANSWER)
        feed.end()
        body = b"".join([chunk async for chunk in flight.chunks(seat)])

    assert body == ANSWER
    assert flight.is_void
    assert flights.find("key", 0) is None


async def test_an_invalidation_voids_what_lingers(flights: Flights) -> None:
    """A landed answer is older than the invalidation."""
    feed = Feed()
    flight = launch(flights, feed, made())
    with flights.listening(flight):
        feed.end()
        await flight.landed()
    await until(lambda: not len(flights))
    flights.void(EVERYTHING)

    assert flights.find("key", 0) is None


async def test_an_invalidation_of_entries_voids_those_alone(flights: Flights) -> None:
    """What others have asked meanwhile is kept."""
    feeds = [Feed(), Feed()]
    one, other = (
        launch(flights, feed, Flight([name], Recording(Chat(), 1000), 1000, [foreseen(name)]))
        for feed, name in zip(feeds, ("one", "other"), strict=True)
    )
    flights.void(Selector(ALL_TENANTS, ids=("one",)))

    assert (one.is_void, other.is_void) == (True, False)
    assert flights.find("one", 0) is None
    assert flights.find("other", 0) is other
    for feed in feeds:
        feed.end()
    await until(lambda: not len(flights))


@pytest.mark.parametrize(
    ("fields", "is_void"),
    [
        ({"everything": True}, True),
        ({"tags": ("faq", "x")}, True),
        ({"tags": ("x",)}, False),
        ({"namespace": "docs"}, True),
        ({"namespace": ""}, False),
        ({"model": "gpt", "tags": ("faq",)}, True),
        ({"model": "other", "tags": ("faq",)}, False),
        ({"scope": "scope"}, True),
        ({"tenant": "acme", "everything": True}, True),
        ({"tenant": "other", "everything": True}, False),
        ({"older_than": 100.5}, True),
        ({"older_than": 100.0}, False),
        ({"like": Likeness(EAST, 0.9, "e")}, True),
        ({"like": Likeness(NORTH, 0.9, "e")}, False),
        ({"like": Likeness(NORTH, 0.9, "another")}, True),
        ({"like": Likeness(EAST, 0.9, "e"), "namespace": "x"}, False),
    ],
    ids=str,
)
async def test_a_selector_voids_what_it_means(
    flights: Flights, fields: dict[str, Any], is_void: bool
) -> None:
    """Before there is an answer: by what is known of the call, and when it began."""
    feed = Feed()
    one = Flight(("one",), Recording(Chat(), 1000), 1000, [foreseen("id", vector=EAST)])
    launch(flights, feed, one)
    flights.void(Selector(**{"tenant": ALL_TENANTS, **fields}))

    assert one.is_void is is_void
    feed.end()
    await until(lambda: not len(flights))


async def test_what_is_not_known_of_a_call_may_be_meant(flights: Flights) -> None:
    """A question without a vector yet may be like any text; of a batch one input is enough."""
    feeds = [Feed(), Feed()]
    parts = [foreseen("a"), foreseen("b", tags=("x",))]
    one = launch(flights, feeds[0], Flight((), Recording(Chat(), 1000), 1000, parts[:1]))
    batch = launch(flights, feeds[1], Flight((), Recording(Chat(), 1000), 1000, parts))
    flights.void(Selector(ALL_TENANTS, like=Likeness(NORTH, 0.9, "e"), tags=("faq",)))

    assert (one.is_void, batch.is_void) == (True, True)
    for feed in feeds:
        feed.end()
    await until(lambda: not len(flights))


async def test_a_call_bears_the_purge_that_was_known_when_it_began(tasks: Tasks) -> None:
    """One that is made while it is under way is none it has heard of."""
    purges = [7]
    flights = Flights(tasks, linger_s=60, finish_deserted=False, newest=lambda: purges[-1])
    feed = Feed()
    flight = launch(flights, feed, made())
    purges.append(8)

    assert flight.generation == 7
    feed.end()
    await until(lambda: not len(flights))


async def test_a_large_answer_waits_for_its_slowest_listener(flights: Flights) -> None:
    """Past what is kept the origin runs ahead by a window and no further; nothing is lost."""
    feed = Feed()
    flight = launch(flights, feed, made())
    pieces = [bytes([number]) * len(PIECE) for number in range(24)]
    feed.put(*pieces)
    feed.end()
    with flights.listening(flight) as slow:
        landing = await flight.landed()
        for _ in range(100):
            await asyncio.sleep(0)
        ahead = feed.taken
        heard = [chunk async for chunk in flight.chunks(slow)]

    assert landing is None
    assert ahead * len(PIECE) <= KEEP + WINDOW_BYTES + 2 * len(PIECE)
    assert heard == pieces


async def test_nobody_joins_what_is_partly_forgotten(flights: Flights) -> None:
    """A late joiner would get half an answer that looks whole."""
    feed = Feed()
    flight = launch(flights, feed, made())
    feed.put(*[PIECE] * 24)
    with flights.listening(flight) as seat:
        chunks = flight.chunks(seat)
        for _ in range(20):
            await anext(aiter(chunks))
        assert not flight.is_joinable
        assert flights.find("key", 0) is None
        await chunks.aclose()  # type: ignore[attr-defined]  # it is a generator


async def test_a_slow_listener_who_leaves_holds_nobody_up(flights: Flights) -> None:
    """The others go on at their own speed."""
    feed = Feed()
    flight = launch(flights, feed, made())
    pieces = [PIECE] * 24
    feed.put(*pieces)
    feed.end()
    async with asyncio.TaskGroup() as group:
        with flights.listening(flight):
            fast = group.create_task(heard_by(flights, flight))
            await until(lambda: feed.taken * len(PIECE) > WINDOW_BYTES)
            assert not fast.done()

    assert fast.result() == b"".join(pieces)


async def test_a_large_answer_for_nobody_is_not_gathered(tasks: Tasks) -> None:
    """Finished for nobody, it can neither be kept nor heard: it must not fill the memory."""
    flights = Flights(tasks, linger_s=60, finish_deserted=True)
    feed = Feed()
    flight = launch(flights, feed, made())
    with flights.listening(flight):
        pass
    feed.put(*[PIECE] * 64)
    feed.end()
    await until(lambda: flight.is_over, "the end")

    assert flight._size <= KEEP + WINDOW_BYTES + 2 * len(PIECE)


async def test_an_answer_that_another_replica_got(flights: Flights) -> None:
    """Whoever waits for this flight has it, whole; who comes afterwards does not join."""
    flight = made()
    told = asyncio.Event()

    async def be_told() -> None:
        await told.wait()
        flight.answer(Answer(ANSWER))

    flights.launch(flight, be_told())
    async with asyncio.TaskGroup() as group:
        hearing = group.create_task(heard_by(flights, flight))
        head = group.create_task(flight.head())
        await asyncio.sleep(0)
        told.set()
    landing = await flight.landed()

    assert flight.is_relayed
    assert hearing.result() == ANSWER
    assert head.result().is_success
    assert landing is not None
    assert landing.answer == Answer(ANSWER)
    assert flights.find("key", perf_counter()) is None


async def test_draining(flights: Flights) -> None:
    """A stop waits for the calls under way, but not for ever."""
    feed = Feed()
    flight = launch(flights, feed, made())
    with flights.listening(flight):
        await flights.drain(0.01)
        assert len(flights) == 1
        feed.put(ANSWER)
        feed.end()
        await flights.drain(10)
        assert flight.is_over
    await flights.drain(10)
    assert not len(flights)


async def test_a_call_that_is_ended_before_its_first_step(flights: Flights) -> None:
    """Its listeners hear of it."""
    flight = launch(flights, Feed(), made())
    with flights.listening(flight):
        flights._calls[flight].cancel()
        with pytest.raises(BrokenStreamError):
            await flight.head()
