"""The application: which path goes where, and what every request gets.

Errors of our own leave in OpenAI's shape, or Anthropic's, whatever raised them, so that an SDK
raises the class its user already handles.
"""

import asyncio
import os
import time
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Final

from aiohttp import web

from proxy.core.dialects.embeddings import PATH
from proxy.core.model import Outcome, Result
from proxy.core.routing import API_ROOT
from proxy.errors import (
    ApiError,
    BadRequestError,
    NotAllowedError,
    NotFoundError,
    TooLargeError,
    described,
)
from proxy.reloading import Reloader
from proxy.runtime import Runtime
from proxy.web import (
    bodies,
    cached,
    cors,
    embeddings,
    endpoints,
    entrance,
    feedback,
    health,
    openapi,
    passthrough,
    reply,
    tracing,
)
from proxy.web.admin import routes as admin
from proxy.web.dashboard import page as dashboard
from proxy.web.keys import GUARDED, RELOADER, REQUEST_ID, RUNTIME, STOPPING
from proxy.web.lane import Lane
from proxy.web.protocol import LaneRunner

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

CACHED: Final[dict[str, Handler]] = {
    **{path: cached.handler(dialect) for path, dialect in endpoints.DIALECTS.items()},
    PATH: embeddings.handle,
}
"""The endpoints that are cached, by path; everything else under the root is passed through."""


def make_app(reloader: Reloader) -> web.Application:
    """The application over a running cache."""
    limit = reloader.live.current.config.server.max_body_bytes
    app = web.Application(middlewares=[envelope], client_max_size=limit)
    app[RELOADER] = reloader
    app[STOPPING] = asyncio.Event()
    app[GUARDED] = True
    app.on_response_prepare.append(_say_goodbye)
    app.on_response_prepare.append(_say_what_is_left)
    app.on_response_prepare.append(_say_who_may_read)
    for path, handler in CACHED.items():
        app.router.add_post(path, handler)
    app.router.add_route("*", feedback.PATH, feedback.handle)
    app.router.add_get("/healthz", health.healthz)
    app.router.add_get("/readyz", health.readyz)
    app.router.add_get(openapi.PATH, openapi.handle)
    admin.add(app.router)
    dashboard.add(app.router)
    app.router.add_get("/metrics", health.metrics)
    app.router.add_route("*", API_ROOT + "/{path:.*}", passthrough.handle)
    return app


async def behind_prefix(request: web.Request) -> web.StreamResponse:
    """A path that names its upstream: some cached endpoint's, or one to pass through."""
    to = passthrough.destination(request)
    endpoint = endpoints.endpoint_at(to.path, CACHED) if request.method == "POST" else None
    return await (passthrough.handle if endpoint is None else CACHED[endpoint])(request)


def make_runner(reloader: Reloader) -> LaneRunner:
    """The server around it.

    A caller who leaves cancels the handler: that is how a flight learns that nobody listens. Bodies
    stay as they came, so that a compressed one is passed on as it is.
    """
    app, server = make_app(reloader), reloader.live.current.config.server
    return LaneRunner(
        app,
        Lane(lambda: reloader.live.current, time.time),
        app[STOPPING],
        handler_cancellation=True,
        auto_decompress=False,
        access_log=None,
        handle_signals=False,
        shutdown_timeout=server.drain_s,
        max_line_size=server.connections.max_url_bytes,
        max_field_size=server.connections.max_header_bytes,
        max_headers=server.connections.max_headers,
        keepalive_timeout=server.connections.keep_alive_s,
    )


@web.middleware
async def envelope(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Give the request its runtime and an id, and every error the shape of its API."""
    with request.app[RELOADER].live.using() as runtime:
        request[RUNTIME] = runtime
        request[REQUEST_ID] = f"req_{os.urandom(12).hex()}"
        prefix = _prefix(request, runtime)
        handler = handler if prefix is None else behind_prefix
        limit = runtime.config.server.max_body_bytes
        if limit != request.client_max_size:  # it was another when the server was started
            request = request.clone(client_max_size=limit)
        if runtime.traces is None:
            return await _enveloped(request, handler)
        with tracing.traced(request, runtime.traces, prefix):
            return await _enveloped(request, handler)


def _prefix(request: web.Request, runtime: Runtime) -> str | None:
    """The upstream's path prefix that the path begins with; None where it is a path of our own."""
    if request.match_info.http_exception is None:
        return None
    path = request.rel_url.raw_path  # as `passthrough.destination` reads it
    head = "/" + path[1:].partition("/")[0]
    return head if head in runtime.origins.routes.prefixes and head != path else None


async def _enveloped(request: web.Request, handler: Handler) -> web.StreamResponse:
    try:
        if GUARDED not in request.app:
            return await handler(request)
        if (answer := cors.preflight(request)) is not None:
            return answer
        with entrance.entered(request):
            return await handler(request)
    except ApiError as error:
        return _error(request, error)
    except web.HTTPException as error:
        problem = _mapped(request, error)
        request[RUNTIME].observer.notice(_outcome(request, problem))
        return _error(request, problem)
    except Exception as error:
        if isinstance(error, ConnectionResetError):  # the caller left while we wrote
            raise
        request[RUNTIME].observer.event("request_crashed", error=described(error))
        return _error(request, ApiError("The proxy failed on this request.", code="internal"))


async def _say_goodbye(request: web.Request, response: web.StreamResponse) -> None:
    """Tell callers of a server that stops to bring their next request elsewhere."""
    if request.app[STOPPING].is_set() and response.status != HTTPStatus.SWITCHING_PROTOCOLS:
        response.force_close()
        response.headers["connection"] = "close"


async def _say_what_is_left(request: web.Request, response: web.StreamResponse) -> None:
    """In place of what an origin says: that is of its own limits."""
    if (left := request.get(entrance.LEFT)) is not None:
        response.headers.update(left.headers())


async def _say_who_may_read(request: web.Request, response: web.StreamResponse) -> None:
    """Tell a browser whether its page may."""
    if RUNTIME in request:
        response.headers.extend(cors.told(request))


def _mapped(request: web.Request, error: web.HTTPException) -> ApiError:
    match error.status:
        case 404:
            return NotFoundError(
                f"There is nothing at {request.path}; the API is under {API_ROOT}/.",
                code="not_found",
            )
        case 405:
            return NotAllowedError(
                f"{request.path} does not take {request.method}.",
                code="method_not_allowed",
                headers={"allow": error.headers.get("allow", "")},
            )
        case 408:
            return bodies.too_slow()
        case 413:
            limit = request[RUNTIME].config.server.max_body_bytes
            return TooLargeError(f"The body is over {limit} bytes.", code="body_too_large")
        case _:
            return BadRequestError(error.reason, code="bad_request")


def _error(request: web.Request, problem: ApiError) -> web.Response:
    return reply.error(request, problem, _outcome(request, problem), expose=False)


def _outcome(request: web.Request, problem: ApiError) -> Outcome:
    return Outcome(
        request[REQUEST_ID],
        Result.BYPASS,
        "none",
        status=problem.status,
        reason=problem.code or problem.kind,
    )
