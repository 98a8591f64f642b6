"""Everything that is not cached: relayed as it is, in both directions, while it comes."""

import re
from collections.abc import AsyncIterator
from contextlib import aclosing

from aiohttp import web

from proxy.core import status
from proxy.core.model import Outcome, Result
from proxy.core.routing import Destination
from proxy.errors import ApiError, ForbiddenError
from proxy.exchange import Exchange
from proxy.ports import OriginRequest
from proxy.runtime import Runtime
from proxy.upstream.client import end_to_end
from proxy.web import callers, cors, entrance, reply, websocket
from proxy.web.bodies import Coming, too_slow
from proxy.web.keys import REQUEST_ID, RUNTIME

_SLASH = r"(?:/|\\|%2f|%5c)"
_UPWARDS = re.compile(rf"{_SLASH}(?:\.|%2e){{2}}(?:{_SLASH}|;|%3b|$)", re.IGNORECASE)
"""A segment `..`, however it is written, also with parameters (`..;x`)."""


async def handle(request: web.Request) -> web.StreamResponse:
    """Any method, any path under a root, any size; a WebSocket as well."""
    entrance.permit_unread(request)
    outcome = Outcome(request[REQUEST_ID], Result.BYPASS, api="passthrough", reason="not cached")
    exchange, to = Exchange(outcome), destination(request)
    if request.headers.get("upgrade", "").lower() != "websocket":
        return await relay(request, _body(request), exchange, to)
    if not cors.may_open_socket(request):
        problem = ForbiddenError("This page may open no socket here.", code="origin_not_allowed")
        entrance.tell(request, problem)
        raise problem
    with entrance.asking(request):
        socket = await websocket.relay(request, to, exchange)
        if socket is not None:
            return socket
        return await _relay(request, _body(request), exchange, to)


def destination(request: web.Request) -> Destination:
    """Where the request goes, as far as its path tells.

    A path that climbs out of the origin's base is refused: our own key may be sent along. Clients
    resolve such segments before they send (RFC 3986, 5.2.4).
    """
    if _UPWARDS.search(request.rel_url.raw_path):
        raise web.HTTPBadRequest(reason="A path must not lead upwards.")
    return request[RUNTIME].origins.routes.of(request.rel_url.raw_path_qs)


def _body(request: web.Request) -> bytes | Coming:
    return Coming(request) if request.body_exists else b""


async def relay(
    request: web.Request,
    body: bytes | AsyncIterator[bytes],
    exchange: Exchange,
    to: Destination | None = None,
) -> web.StreamResponse:
    """Send a request on and its answer back, byte for byte.

    Args:
        request: The caller's.
        body: Its body, read or still to come.
        exchange: Learns what became of it.
        to: Where it goes; None goes by the path alone.
    """
    to = to or destination(request)
    with entrance.asking(request):
        return await _relay(request, body, exchange, to)


async def _relay(
    request: web.Request,
    body: bytes | AsyncIterator[bytes],
    exchange: Exchange,
    to: Destination,
) -> web.StreamResponse:
    runtime = request[RUNTIME]
    headers = _headers(request, runtime, body)
    call = OriginRequest(request.method, to.path, headers, body)
    try:
        return await _answered(request, call, exchange, to)
    except ApiError as failed:
        error = too_slow() if isinstance(body, Coming) and body.is_late else failed
        exchange.learn(status=error.status, reason=error.code or error.kind)
        if error is failed:
            raise
        raise error from failed
    finally:
        runtime.observer.notice(exchange.finished())


async def _answered(
    request: web.Request, call: OriginRequest, exchange: Exchange, to: Destination
) -> web.StreamResponse:
    runtime = request[RUNTIME]
    expose = runtime.config.server.expose_cache_headers
    with exchange.timing("upstream"):
        answer = await runtime.origins.relayed(to.origin).send(call)
    exchange.learn(status=answer.status, upstream_status=answer.status)
    try:
        fields = reply.merged(answer.headers, status.headers(exchange.outcome, expose=expose))
        async with aclosing(answer.chunks()) as chunks:
            return await reply.send(request, answer.status, fields, chunks)
    finally:
        await answer.close()


def _headers(
    request: web.Request, runtime: Runtime, body: bytes | AsyncIterator[bytes]
) -> list[tuple[str, str]]:
    headers = end_to_end(callers.for_origin(request, runtime.config))
    if (length := request.headers.get("content-length")) is not None:
        headers.append(("content-length", str(len(body)) if isinstance(body, bytes) else length))
    return headers
