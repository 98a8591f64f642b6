"""Everything that is not cached: relayed as it is, in both directions, while it comes."""

from collections.abc import AsyncIterator
from contextlib import aclosing

from aiohttp import web

from proxy.core import status
from proxy.core.model import Outcome, Result
from proxy.exchange import Exchange
from proxy.ports import OriginRequest
from proxy.runtime import Runtime
from proxy.upstream.client import end_to_end
from proxy.web import callers, reply
from proxy.web.keys import REQUEST_ID, RUNTIME

API_ROOT = "/v1"
"""Where callers find the API; the origin's own root is in its base URL."""


async def handle(request: web.Request) -> web.StreamResponse:
    """Any method, any path under the root, any size."""
    outcome = Outcome(request[REQUEST_ID], Result.BYPASS, api="passthrough", reason="not cached")
    return await relay(request, _body(request), Exchange(outcome))


def target(request: web.Request) -> str:
    """The path below the root with its query, as the caller wrote it."""
    return request.rel_url.raw_path_qs.removeprefix(API_ROOT)


def _body(request: web.Request) -> bytes | AsyncIterator[bytes]:
    return request.content.iter_any() if request.body_exists else b""


async def relay(
    request: web.Request, body: bytes | AsyncIterator[bytes], exchange: Exchange
) -> web.StreamResponse:
    """Send a request on and its answer back, byte for byte."""
    runtime = request.app[RUNTIME]
    headers = _headers(request, runtime)
    call = OriginRequest(request.method, target(request), headers, body)
    expose = runtime.config.server.expose_cache_headers
    try:
        with exchange.timing("upstream"):
            answer = await runtime.origin.relay(call)
        exchange.learn(status=answer.status, upstream_status=answer.status)
        try:
            fields = reply.merged(answer.headers, status.headers(exchange.outcome, expose=expose))
            async with aclosing(answer.chunks()) as chunks:
                return await reply.send(request, answer.status, fields, chunks)
        finally:
            await answer.close()
    finally:
        runtime.observer.notice(exchange.finished())


def _headers(request: web.Request, runtime: Runtime) -> list[tuple[str, str]]:
    headers = end_to_end(callers.for_origin(request, runtime.config))
    if (length := request.headers.get("content-length")) is not None:
        headers.append(("content-length", length))
    return headers
