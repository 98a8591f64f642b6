"""What web pages of other origins may do, by their browsers (WHATWG Fetch, 3.2)."""

from collections.abc import Iterator
from typing import Final

from aiohttp import web

from proxy.config.listener import Cors
from proxy.core import credentials
from proxy.web.entrance import OWN
from proxy.web.keys import RUNTIME

METHODS: Final = "GET, POST, PUT, PATCH, DELETE, OPTIONS"
KEY_IN_PROTOCOL: Final = "openai-insecure-api-key."
"""How a browser, which can set no header of a WebSocket, sends a key."""

REMEMBERED_S: Final = 600
"""How long a browser need not ask again."""


def allowed(request: web.Request) -> str | None:
    """The origin of a page that may ask, as it is told so; None of any other request."""
    cors, origin = _cors(request), request.headers.get("origin")
    if origin is None or not cors.origins or request.path.startswith(OWN):
        return None
    if "*" in cors.origins:
        return "*"
    return origin if origin in cors.origins else None


def may_open_socket(request: web.Request) -> bool:
    """Whether a WebSocket is one of a page that may have it, or of no page.

    Browsers keep no page from opening and reading one (RFC 6455, 10.2). A page that is not named
    has to bring a key itself: else a proxy with a key of its own would lend it to any page.
    """
    origin = request.headers.get("origin")
    if origin is None or allowed(request) is not None:
        return True
    if origin.partition("://")[2] == request.headers.get("host"):
        return True
    return any(name in request.headers for name in credentials.KEYS) or KEY_IN_PROTOCOL in (
        request.headers.get("sec-websocket-protocol", "")
    )


def applies(request: web.Request) -> bool:
    """Whether an answer depends on what page asks."""
    return bool(_cors(request).origins) and "origin" in request.headers


def preflight(request: web.Request) -> web.Response | None:
    """The answer to a browser that asks first; None where none asks that may."""
    asks = request.method == "OPTIONS" and "access-control-request-method" in request.headers
    if not asks or allowed(request) is None:
        return None
    headers = {
        "access-control-allow-methods": METHODS,
        "access-control-max-age": str(REMEMBERED_S),
    }
    if (wanted := request.headers.get("access-control-request-headers")) is not None:
        headers["access-control-allow-headers"] = wanted
    return web.Response(status=204, headers=headers)


def told(request: web.Request) -> Iterator[tuple[str, str]]:
    """Headers of every answer where pages may ask."""
    origin = allowed(request)
    if origin is None:
        return
    yield "access-control-allow-origin", origin
    yield "access-control-expose-headers", "*"
    yield "vary", "origin"


def _cors(request: web.Request) -> Cors:
    return request[RUNTIME].config.server.cors
