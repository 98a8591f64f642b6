"""Where a request's trace begins, and how it goes on to the origin."""

from collections.abc import Iterator
from contextlib import contextmanager

from aiohttp import web

from proxy.ports import Tracing
from proxy.web import callers
from proxy.web.keys import REQUEST_ID, TRACED


@contextmanager
def traced(request: web.Request, traces: Tracing, prefix: str | None) -> Iterator[None]:
    """Trace the request inside the block: whoever hears its outcome there ends its span.

    Args:
        request: The caller's.
        traces: Sends it.
        prefix: What its path begins with, where that names an upstream.
    """
    resource = request.match_info.route.resource
    request[TRACED] = traces.begin(
        request[REQUEST_ID],
        method=request.method,
        route=(resource.canonical if resource else "") if prefix is None else f"{prefix}/{{path}}",
        path=request.path,
        headers=callers.lowered(request),
    )
    try:
        yield
    finally:
        traces.drop(request[REQUEST_ID])
