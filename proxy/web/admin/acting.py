"""What every act of the admin API has in common: its caller is checked, and it is logged."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import orjson
from aiohttp import web

from proxy.errors import ApiError, UnauthorizedError
from proxy.web.admin import access
from proxy.web.keys import REQUEST_ID, RUNTIME

Json = dict[str, Any]

CALLER_LEFT: Final = 499
"""For the log, as nginx has it: nobody is there to be told."""


@dataclass(frozen=True, slots=True)
class Stream:
    """A reply that is written piece by piece, once the act is logged.

    Attributes:
        content_type: Of all of it.
        write: Writes it; raises ConnectionResetError where the operator has left.
    """

    content_type: str
    write: Callable[[web.StreamResponse], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Told:
    """What came of an act.

    Attributes:
        body: The reply.
        count: How many entries it was about.
        details: What else the log line says; never anybody's words.
    """

    body: Json | Stream
    count: int | None = None
    details: Mapping[str, str | bool] = field(default_factory=dict)


Act = Callable[[web.Request], Awaitable[Told]]


def guarded(name: str, act: Act) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    """An act as a handler: for whoever has the token, and with one event, `admin_act`, a call.

    Args:
        name: What the event calls it.
        act: What is done.
    """

    async def handle(request: web.Request) -> web.StreamResponse:
        runtime = request[RUNTIME]
        event = runtime.observer.event
        about = {"act": name, "request_id": request[REQUEST_ID], "remote": request.remote or ""}
        try:
            who = access.admitted(request, runtime.config)
        except UnauthorizedError as error:
            event("admin_refused", **about, reason=error.code)
            raise
        about["who"] = who
        try:
            told = await act(request)
        except BaseException as error:  # whatever ends it, a part of it may be done
            status, code = _ended(error)
            event("admin_act", **about, status=status, error=code)
            raise
        counted = {} if told.count is None else {"count": told.count}
        event("admin_act", **about, status=200, **counted, **told.details)
        if isinstance(told.body, Stream):
            return await _streamed(request, told.body)
        return _reply(request, told.body)

    return handle


def _ended(error: BaseException) -> tuple[int, str | None]:
    """Status and code of an act that did not come to its end."""
    match error:
        case ApiError():
            return error.status, error.code
        case web.HTTPException():
            return error.status, None
        case asyncio.CancelledError():
            return CALLER_LEFT, "caller_left"
        case _:
            return 500, "internal"


def _reply(request: web.Request, body: Json) -> web.Response:
    content = orjson.dumps(body)
    return web.Response(body=content, content_type="application/json", headers=_headers(request))


async def _streamed(request: web.Request, stream: Stream) -> web.StreamResponse:
    response = web.StreamResponse(headers=_headers(request))
    response.content_type = stream.content_type
    await response.prepare(request)
    await stream.write(response)
    return response


def _headers(request: web.Request) -> dict[str, str]:
    return {"x-request-id": request[REQUEST_ID], "cache-control": "no-store"}
