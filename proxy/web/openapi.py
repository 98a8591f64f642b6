"""`GET /openapi.json`: every endpoint of the proxy, as an OpenAPI 3.1 document.

It says what the proxy adds to the origin's API: which endpoints it has of its own, how it may be
steered, and what it tells. The shapes of requests and answers under `/v1` are the origin's, and its
own documentation has them.
"""

from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from typing import Final

import orjson
from aiohttp import web

from proxy.core.credentials import KEYS
from proxy.core.dialects import (
    chat_parameters,
    completions_parameters,
    embeddings_parameters,
    messages_parameters,
    responses_parameters,
)
from proxy.core.dialects.parameters import Table
from proxy.core.routing import API_ROOT
from proxy.errors import (
    ApiError,
    BadRequestError,
    ForbiddenError,
    NotAllowedError,
    NotCachedError,
    NotFoundError,
    OverloadedError,
    RateLimitedError,
    TooLargeError,
    TooSlowError,
    UnauthorizedError,
    UnavailableError,
    UnreachableError,
    UpstreamTimeoutError,
)
from proxy.web import feedback
from proxy.web.admin import described as admin
from proxy.web.admin.describedparts import SCHEME, TAG
from proxy.web.dashboard import page as dashboard
from proxy.web.openapi_parts import (
    DIRECTIVES,
    EVENTS,
    JSON,
    RESPONSE_HEADERS,
    Json,
    body_of,
    components,
    failures,
    headers,
    ref,
)

PATH: Final = "/openapi.json"

VERSION: Final = version("reprise")
"""Read from a file, and therefore once: not while requests wait."""

_ASKED: Final[Json] = {"role": "user", "content": "What is a cache?"}


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A cached one: what it is called, its parameters, and a request to it."""

    summary: str
    table: Table
    example: Json


ENDPOINTS: Final[dict[str, Endpoint]] = {
    "/v1/chat/completions": Endpoint(
        "Chat completions", chat_parameters.TABLE, {"model": "gpt-4o-mini", "messages": [_ASKED]}
    ),
    "/v1/responses": Endpoint(
        "Responses",
        responses_parameters.TABLE,
        {"model": "gpt-4o-mini", "input": "What is a cache?", "store": False},
    ),
    "/v1/completions": Endpoint(
        "Text completions",
        completions_parameters.TABLE,
        {"model": "gpt-3.5-turbo-instruct", "prompt": "What is a cache?"},
    ),
    "/v1/messages": Endpoint(
        "Anthropic's messages",
        messages_parameters.TABLE,
        {"model": "claude-sonnet-5", "max_tokens": 256, "messages": [_ASKED]},
    ),
    "/v1/embeddings": Endpoint(
        "Embeddings, input by input",
        embeddings_parameters.TABLE,
        {"model": "text-embedding-3-small", "input": ["What is a cache?"]},
    ),
}
"""The cached endpoints, by path."""

AT_DOOR: Final = (
    UnauthorizedError,
    TooSlowError,
    TooLargeError,
    RateLimitedError,
    OverloadedError,
)
"""Errors of requests that are let no further."""

METHODS: Final = ("get", "post", "put", "patch", "delete", "head", "options")
"""The methods that OpenAPI has a name for; any other passes through as well."""


async def handle(_request: web.Request) -> web.Response:
    """The document."""
    return web.Response(body=_rendered(), content_type=JSON)


@cache
def _rendered() -> bytes:
    return orjson.dumps(document())


def document() -> Json:
    """The document; it depends on the program alone, not on its configuration."""
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Reprise",
            "version": VERSION,
            "description": (
                "A caching reverse proxy for OpenAI's API and those like it. Where `access.keys` "
                "has any, it checks its callers' keys; else the origin does. A path prefix that "
                "`upstreams` gives to an origin stands before the same endpoints, in place of "
                f"`{API_ROOT}` or before it."
            ),
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        "servers": [{"url": "/"}],
        "tags": [
            {"name": "cached", "description": "Answered from the cache, or by the origin."},
            {"name": "passed through", "description": "Answered by the origin."},
            {"name": "cache", "description": "Callers, to the cache."},
            {"name": "operation", "description": "For operators and their tools."},
            TAG,
        ],
        "paths": {
            "/healthz": {"get": _healthz()},
            "/readyz": {"get": _readyz()},
            "/metrics": {"get": _metrics()},
            PATH: {"get": _own_description()},
            dashboard.PATH: {"get": _dashboard()},
            dashboard.ASSETS: {"parameters": [_asset()], "get": _dashboard_file()},
            feedback.PATH: {"post": _feedback()},
            **admin.paths(),
            **{path: {"post": _cached(one)} for path, one in ENDPOINTS.items()},
            f"{API_ROOT}/{{path}}": _passed_through(),
        },
        "components": _components(),
    }


def _components() -> Json:
    parts = components()
    parts["schemas"] |= admin.schemas()
    parts["securitySchemes"][SCHEME] = admin.scheme()
    return parts


def _told(tag: str, summary: str, description: str, responses: Json) -> Json:
    return {"tags": [tag], "summary": summary, "description": description, "responses": responses}


def _reply(said: str, schema: Json, media_type: str = JSON, own: Json | None = None) -> Json:
    return {
        "200": {
            "description": said,
            **({} if own is None else {"headers": own}),
            "content": {media_type: {"schema": schema}},
        }
    }


def _healthz() -> Json:
    alive = {
        "type": "object",
        "properties": {"status": {"const": "ok"}},
        "required": ["status"],
        "additionalProperties": False,
    }
    responses = _reply("The process is alive.", alive) | failures(NotAllowedError)
    return _told("operation", "Liveness", "The process is alive.", responses)


def _readyz() -> Json:
    said = "A degraded cache is still ready: it costs hits, never requests."
    responses = _reply(said, ref("schemas", "Readiness")) | failures(NotAllowedError)
    return _told("operation", "Readiness", said, responses)


def _metrics() -> Json:
    text = {"schema": {"type": "string"}}
    responses = {
        "200": {
            "description": "Every series.",
            "content": {"text/plain": text, "application/openmetrics-text": text},
        }
    }
    said = "Prometheus' text format, or OpenMetrics. Not there with `telemetry.metrics: false`."
    responses |= failures(NotFoundError, NotAllowedError)
    return _told("operation", "Metrics", said, responses)


def _own_description() -> Json:
    responses = _reply("An OpenAPI 3.1 document.", {"type": "object"}) | failures(NotAllowedError)
    return _told("operation", "This document", "It depends on the program alone.", responses)


def _dashboard() -> Json:
    said = "One page over the admin API. Not there while `admin.token` is not set."
    return _told("operation", "Dashboard", said, _page("text/html"))


def _dashboard_file() -> Json:
    said = "A script, style sheet or picture of the dashboard."
    return _told("operation", "Its files", said, _page(*sorted(set(dashboard.TYPES.values()))))


def _page(*media_types: str) -> Json:
    content = {one: {"schema": {"type": "string"}} for one in media_types}
    own = headers(["x-request-id"])
    responses: Json = {
        "200": {"description": "The file.", "headers": own, "content": content},
        "304": {"description": "As it was: `if-none-match` has its etag.", "headers": own},
    }
    return responses | failures(NotFoundError, NotAllowedError)


def _asset() -> Json:
    said = "Its path below the dashboard."
    text = {"type": "string"}
    return {"name": "asset", "in": "path", "required": True, "description": said, "schema": text}


def _feedback() -> Json:
    own = headers(["x-request-id"])
    taken = _reply("What was done.", ref("schemas", "FeedbackTaken"), own=own)
    refused = failures(BadRequestError, NotFoundError, NotAllowedError, UnavailableError, *AT_DOOR)
    said = (
        "Say whether an answer from the cache was any good. A bad one is removed everywhere, and "
        "its match is not made again. It counts for whoever's key it comes with."
    )
    return {
        **_told("cache", "Feedback on an answer", said, taken | refused),
        "parameters": [ref("parameters", "x-session-id")],
        "requestBody": {
            "required": True,
            "content": {JSON: {"schema": ref("schemas", "Feedback")}},
        },
        "security": _by_whose_leave(),
    }


def _cached(endpoint: Endpoint) -> Json:
    told = headers(RESPONSE_HEADERS)
    asked = {"schema": body_of(endpoint.table), "example": endpoint.example}
    answer: Json = {JSON: {"schema": {"type": "object"}}}
    if "stream" in endpoint.table:
        answer[EVENTS] = {}  # 3.1 has no way to describe one event
    responses: Json = {
        "200": {
            "description": "The origin's answer, now or then.",
            "headers": told,
            "content": answer,
        },
        **{status: _or_the_origins(one, told) for status, one in _refusals().items()},
        "default": {"description": "The origin's own words.", "headers": told},
    }
    said = (
        "A parameter that is not described here is part of the key. A request of a shape that the "
        "cache does not know is passed through."
    )
    return {
        **_told("cached", endpoint.summary, said, responses),
        "parameters": [ref("parameters", name) for name in DIRECTIVES],
        "requestBody": {"required": True, "content": {JSON: asked}},
        "security": _by_whose_leave(),
    }


def _refusals() -> Json:
    return failures(
        BadRequestError,
        ForbiddenError,
        *AT_DOOR,
        ApiError,
        UnreachableError,
        UnavailableError,
        UpstreamTimeoutError,
        NotCachedError,
    )


def _or_the_origins(own: Json, told: Json) -> Json:
    """The same status may be the origin's word; `cache-status` has `fwd-status` then."""
    shapes = [ref("schemas", "Error"), ref("schemas", "AnthropicError")]
    theirs = {"description": "The origin's own words."}
    content = {JSON: {"schema": {"anyOf": [*shapes, theirs]}}}
    return {**own, "headers": told, "content": content}


def _passed_through() -> Json:
    told = headers(["x-cache", "cache-status", "x-request-id"])
    reply = {"description": "The origin's reply.", "headers": told}
    said = "Byte for byte, in both directions, while it comes. A WebSocket is relayed too."
    one = _told("passed through", "Everything else", said, {"default": reply})
    return {
        "parameters": [
            {
                "name": "path",
                "in": "path",
                "required": True,
                "description": "Any, of any number of segments.",
                "schema": {"type": "string"},
            }
        ],
        **{method: one | {"security": _by_whose_leave()} for method in METHODS},
    }


def _by_whose_leave() -> list[Json]:
    """Any of the credentials, or none: the configuration says who checks."""
    return [{}, *({name: []} for name in KEYS)]
