"""The application: which path goes where, and what every request gets.

Errors of our own leave in OpenAI's shape whatever raised them, so that an SDK raises the class its
user already handles.
"""

import os
from collections.abc import Awaitable, Callable
from typing import Final

from aiohttp import web

from proxy.core.dialects.base import Dialect
from proxy.core.dialects.chat import Chat
from proxy.core.model import Outcome, Result
from proxy.errors import (
    ApiError,
    BadRequestError,
    NotAllowedError,
    NotFoundError,
    TooLargeError,
    described,
)
from proxy.runtime import Runtime
from proxy.web import cached, feedback, health, passthrough, reply
from proxy.web.keys import REQUEST_ID, RUNTIME

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

DIALECTS: Final[tuple[Dialect, ...]] = (Chat(),)
"""The APIs that are cached; everything else under the root is passed through."""


def make_app(runtime: Runtime) -> web.Application:
    """The application over a running cache."""
    app = web.Application(
        middlewares=[envelope], client_max_size=runtime.config.server.max_body_bytes
    )
    app[RUNTIME] = runtime
    root = passthrough.API_ROOT
    for dialect in DIALECTS:
        app.router.add_post(dialect.path, cached.handler(dialect))
    app.router.add_route("*", feedback.PATH, feedback.handle)
    app.router.add_get("/healthz", health.healthz)
    app.router.add_get("/readyz", health.readyz)
    if runtime.config.telemetry.metrics:
        app.router.add_get("/metrics", health.metrics)
    app.router.add_route("*", root + "/{path:.*}", passthrough.handle)
    return app


def make_runner(runtime: Runtime) -> web.AppRunner:
    """The server around it.

    A caller who leaves cancels the handler: that is how a flight learns that nobody listens. Bodies
    stay as they came, so that a compressed one is passed on as it is.
    """
    return web.AppRunner(
        make_app(runtime),
        handler_cancellation=True,
        auto_decompress=False,
        access_log=None,
        handle_signals=False,
        shutdown_timeout=runtime.config.server.drain_s,
    )


@web.middleware
async def envelope(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Give the request an id, and every error OpenAI's shape."""
    request[REQUEST_ID] = f"req_{os.urandom(12).hex()}"
    try:
        return await handler(request)
    except ApiError as error:
        return _error(request, error)
    except web.HTTPException as error:
        problem = _mapped(request, error)
        request.app[RUNTIME].observer.notice(_outcome(request, problem))
        return _error(request, problem)
    except Exception as error:
        if isinstance(error, ConnectionResetError):  # the caller left while we wrote
            raise
        request.app[RUNTIME].observer.event("request_crashed", error=described(error))
        return _error(request, ApiError("The proxy failed on this request.", code="internal"))


def _mapped(request: web.Request, error: web.HTTPException) -> ApiError:
    match error.status:
        case 404:
            return NotFoundError(
                f"There is nothing at {request.path}; the API is under {passthrough.API_ROOT}/.",
                code="not_found",
            )
        case 405:
            return NotAllowedError(
                f"{request.path} does not take {request.method}.",
                code="method_not_allowed",
                headers={"allow": error.headers.get("allow", "")},
            )
        case 413:
            limit = request.app[RUNTIME].config.server.max_body_bytes
            return TooLargeError(f"The body is over {limit} bytes.", code="body_too_large")
        case _:
            return BadRequestError(error.reason, code="bad_request")


def _error(request: web.Request, problem: ApiError) -> web.Response:
    return reply.error(problem, _outcome(request, problem), expose=False)


def _outcome(request: web.Request, problem: ApiError) -> Outcome:
    return Outcome(
        request[REQUEST_ID],
        Result.BYPASS,
        "none",
        status=problem.status,
        reason=problem.code or problem.kind,
    )
