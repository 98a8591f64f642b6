"""What every act of the admin API has in common: its caller is checked, and it is logged."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson
from aiohttp import web

from proxy.errors import ApiError, UnauthorizedError
from proxy.web.admin import access
from proxy.web.keys import REQUEST_ID, RUNTIME

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Told:
    """What came of an act.

    Attributes:
        body: The reply.
        count: How many entries it was about.
        details: What else the log line says; never anybody's words.
    """

    body: Json
    count: int | None = None
    details: Mapping[str, str | bool] = field(default_factory=dict)


Act = Callable[[web.Request], Awaitable[Told]]


def guarded(name: str, act: Act) -> Callable[[web.Request], Awaitable[web.Response]]:
    """An act as a handler: for whoever has the token, and with one event, `admin_act`, a call.

    Args:
        name: What the event calls it.
        act: What is done.
    """

    async def handle(request: web.Request) -> web.Response:
        runtime = request.app[RUNTIME]
        event = runtime.observer.event
        try:
            who = access.admitted(request, runtime.config)
        except UnauthorizedError as error:
            event("admin_refused", act=name, reason=error.code, request_id=request[REQUEST_ID])
            raise
        about = {"act": name, "who": who, "request_id": request[REQUEST_ID]}
        try:
            told = await act(request)
        except ApiError as error:
            event("admin_act", **about, status=error.status, error=error.code)
            raise
        counted = {} if told.count is None else {"count": told.count}
        event("admin_act", **about, status=200, **counted, **told.details)
        return _reply(request, told.body)

    return handle


def _reply(request: web.Request, body: Json) -> web.Response:
    headers = {"x-request-id": request[REQUEST_ID], "cache-control": "no-store"}
    return web.Response(body=orjson.dumps(body), content_type="application/json", headers=headers)
