"""`GET /admin/v1/events`: requests and events as they happen, as server-sent events.

An operator reaches one of several workers, which passes on what the others say. An event's id has
the place in each worker's sequence, `1-1764271234567890,2-1764271234567901`: whoever was cut off
goes on by `last-event-id` with whichever worker answers.
"""

import asyncio
import re
from collections.abc import Callable, Sequence
from functools import partial
from typing import Final, NamedTuple, TypeVar

import orjson
from aiohttp import web

from proxy.config.admin import Admin
from proxy.errors import BadRequestError
from proxy.resilience import Tasks
from proxy.telemetry.following import BEGINNING, Dropped, Happening, Mailbox
from proxy.telemetry.recent import request_told
from proxy.web.admin.acting import Json, Stream, Told
from proxy.web.keys import PEERS, RELOADER, RUNTIME, STOPPING

T = TypeVar("T")

OWN_EVENTS: Final = "/events"
"""Where workers ask one another."""

ALIVE_S: Final = 15.0
"""After so much silence a line says that the connection lives."""

STALLED_S: Final = 60.0
"""Who has taken nothing for so long is let go."""

AGAIN_S: Final = 1.0
"""Before a worker that has gone silent is asked again."""

_IDS: Final = re.compile(r"\d{1,4}-\d{1,18}(,\d{1,4}-\d{1,18}){0,255}")

Positions = dict[int, int]
"""Worker -> the number of what was told of it last."""


class Said(NamedTuple):
    """What a worker has said: a happening of this one, or a line of another.

    `number` is its place in that worker's sequence; None of what has none.
    """

    worker: int
    number: int | None
    event: str
    data: Happening | Json | None


async def handle(request: web.Request) -> Told:
    """Follow what happens until one of both leaves."""
    positions = _positions(request.headers.get("last-event-id", ""))
    return Told(Stream("text/event-stream", partial(_follow, request, positions)))


def _positions(text: str) -> Positions:
    if not text:
        return {}
    if not _IDS.fullmatch(text):
        raise BadRequestError(
            "last-event-id is not one of this stream's.",
            param="last-event-id",
            code="invalid_cursor",
        )
    pairs = (one.split("-") for one in text.split(","))
    return {int(worker): int(number) for worker, number in pairs}


async def _follow(request: web.Request, positions: Positions, response: web.StreamResponse) -> None:
    """Write what all workers say."""
    runtime = request[RUNTIME]
    own = runtime.worker.number if runtime.worker is not None else 0
    mailbox = Mailbox(lambda lost: Said(own, None, "dropped", {"count": lost}))
    following, after = runtime.watch.following, positions.get(own)
    positions.setdefault(own, following.last)

    def render(said: Sequence[Said]) -> bytes:
        return b"".join(_message(one, positions, with_question=_shows(request)) for one in said)

    def may_go_on() -> bool:
        return _admin(request).token == runtime.config.admin.token

    tasks = Tasks(runtime.observer)
    try:
        if PEERS in request.app:
            for number in request.app[PEERS].numbers:
                tasks.run("follow", _pass_on(request, number, positions, mailbox))
        with following.heard_by(lambda one: mailbox.put(_own(own, one)), after):
            await response.write(_opening(positions))
            await _deliver(request, response, mailbox, render, b": alive\n\n", may_go_on)
    finally:
        await tasks.close()


async def _pass_on(
    request: web.Request, number: int, positions: Positions, mailbox: Mailbox[Said]
) -> None:
    """Have another worker's lines told, also of one that takes its place."""
    after = positions.get(number)
    while True:
        path = OWN_EVENTS if after is None else f"{OWN_EVENTS}?after={after}"
        async for line in request.app[PEERS].lines(number, path, 3 * ALIVE_S):
            if line.strip():
                place, event, data = orjson.loads(line)
                mailbox.put(Said(number, place, event, data))
                after = place or after
        if after is None:  # it is about to start: what it does meanwhile is new
            after = BEGINNING
        await asyncio.sleep(AGAIN_S)


async def tell(request: web.Request) -> web.StreamResponse:
    """What happens in this worker, for the others: a line each."""
    runtime = request[RUNTIME]
    own = runtime.worker.number if runtime.worker is not None else 0
    mailbox = Mailbox(lambda lost: Said(own, None, "dropped", {"count": lost}))
    following, given = runtime.watch.following, request.query.get("after")
    response = web.StreamResponse()
    await response.prepare(request)

    def render(said: Sequence[Said]) -> bytes:
        return b"".join(_line(one, with_question=_shows(request)) for one in said)

    after = None if given is None else int(given)
    if after is None:
        mailbox.put(Said(own, following.last, "here", None))
    with following.heard_by(lambda one: mailbox.put(_own(own, one)), after):
        await _deliver(request, response, mailbox, render, b"\n")
    return response


async def _deliver(
    request: web.Request,
    response: web.StreamResponse,
    mailbox: Mailbox[T],
    render: Callable[[Sequence[T]], bytes],
    alive: bytes,
    may_go_on: Callable[[], bool] = lambda: True,
) -> None:
    """Write what comes until the server stops, or the reader takes nothing or may not any more.

    Raises:
        ConnectionResetError: The reader has left.
    """
    runtime, stopping = request[RUNTIME], request.app.get(STOPPING)
    tasks = Tasks(runtime.observer)
    try:
        async with asyncio.timeout(None) as ended:
            if stopping is not None:
                tasks.run("end", _end(ended, stopping))
            while True:
                said = await mailbox.take(ALIVE_S)
                if not may_go_on():
                    return
                if data := render(said) if said else alive:
                    async with asyncio.timeout(STALLED_S):
                        await response.write(data)
    except TimeoutError:
        _let_go(request)
    finally:
        await tasks.close()


async def _end(limit: asyncio.Timeout, stopping: asyncio.Event) -> None:
    await stopping.wait()
    limit.reschedule(asyncio.get_running_loop().time())


def _let_go(request: web.Request) -> None:
    """Who still has something to read would keep the server from stopping."""
    transport = request.transport
    if transport is not None and transport.get_write_buffer_size():
        transport.abort()


def _admin(request: web.Request) -> Admin:
    """As it holds now: a reload may have changed it since the stream began."""
    return request.app[RELOADER].live.current.config.admin


def _shows(request: web.Request) -> bool:
    return _admin(request).show_questions


def _own(worker: int, one: Happening | Dropped) -> Said:
    if isinstance(one, Dropped):
        return Said(worker, None, "dropped", {"count": one.missing})
    return Said(worker, one.number, "event" if one.outcome is None else "request", one)


def _data(said: Said, *, with_question: bool) -> Json | None:
    one = said.data
    if not isinstance(one, Happening):
        return one
    if one.outcome is not None:
        return request_told(one.at, one.outcome, with_question=with_question)
    return {**(one.fields or {}), "at": one.at, "name": one.name}


def _line(said: Said, *, with_question: bool) -> bytes:
    return orjson.dumps([said.number, said.event, _data(said, with_question=with_question)]) + b"\n"


def _message(said: Said, positions: Positions, *, with_question: bool) -> bytes:
    """As the stream has it (WHATWG HTML, 9.2.6); what has no data only moves on its place."""
    if said.number is not None:
        positions[said.worker] = said.number
    data = _data(said, with_question=with_question)
    if data is None:
        return _opening(positions)
    fields = f"id: {_id(positions)}\nevent: {said.event}\ndata: ".encode()
    return fields + orjson.dumps(data) + b"\n\n"


def _opening(positions: Positions) -> bytes:
    return f"id: {_id(positions)}\n\n".encode()


def _id(positions: Positions) -> str:
    return ",".join(f"{worker}-{number}" for worker, number in sorted(positions.items()))
