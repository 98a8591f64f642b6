"""The cached endpoints: body -> dialect -> directives -> `CacheRequest` -> the gateway -> reply."""

import json
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any, Final

from aiohttp import web

from proxy.asking import Call
from proxy.core import credentials, directives, status
from proxy.core.canonical import dumps, loads, repeats_a_name
from proxy.core.dialects.base import Dialect
from proxy.core.model import Outcome, Result
from proxy.core.reading import Understood, understand
from proxy.core.routing import Destination
from proxy.errors import ApiError, BadRequestError
from proxy.exchange import Exchange
from proxy.gateway import not_cached
from proxy.ports import OriginRequest
from proxy.repeats import Repeat
from proxy.upstream.client import end_to_end
from proxy.web import bodies, callers, cors, endpoints, entrance, passthrough, reply
from proxy.web.keys import REQUEST_ID, RUNTIME
from proxy.web.protocol import LaneProtocol

REPEATED: Final = "repeated name"
"""Why a body is passed through that gives a name twice: the origin might read it otherwise."""

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def handler(dialect: Dialect) -> Handler:
    """The handler of one dialect's endpoint."""

    async def handle(request: web.Request) -> web.StreamResponse:
        runtime = request[RUNTIME]
        exchange = Exchange(Outcome(request[REQUEST_ID], Result.MISS, dialect.api))
        if "content-encoding" in request.headers:
            entrance.permit_unread(request)
            exchange.learn(result=Result.BYPASS, reason="encoded body")
            return await passthrough.relay(request, await bodies.read(request), exchange)
        raw = await bodies.read(request)
        to = passthrough.destination(request)
        try:
            found = _admitted(request, dialect, raw, to, exchange)
            to = runtime.origins.routes.for_model(to, found.request.scope.model)
            if found.bypass is None:
                return await _answer(request, dialect, raw, found, to, exchange)
        except ApiError as problem:
            expose = runtime.config.server.expose_cache_headers
            exchange.learn(status=problem.status)
            return reply.error(request, problem, exchange.outcome, expose=expose)
        exchange.learn(result=Result.BYPASS, reason=found.bypass)
        if entrance.must_be_asked_as_read(request):
            raw = dumps(found.request.body)
        return await passthrough.relay(request, raw, exchange, to)

    return handle


def _admitted(
    request: web.Request, dialect: Dialect, raw: bytes, to: Destination, exchange: Exchange
) -> Understood:
    """The request, read; one that is refused is told of here: it gets no further."""
    runtime = request[RUNTIME]
    try:
        body = parsed(raw)
        found = _read(request, dialect, body, to, exchange)
        if found.bypass is None and repeats_a_name(raw, body):
            found = replace(found, bypass=REPEATED)
        if found.bypass is not None and entrance.must_be_asked_as_read(request):
            refuse_unwritable(body)
        if found.bypass is not None and found.request.directives.only_if_cached:
            raise not_cached()
    except ApiError as problem:
        refused = {"status": problem.status, "reason": problem.code or problem.kind}
        exchange.learn(result=Result.BYPASS, **refused)
        runtime.observer.notice(exchange.finished())
        raise
    return found


def parsed(raw: bytes) -> dict[str, Any]:
    """The body's JSON object. Raises BadRequestError."""
    try:
        body = loads(raw, lenient=True)
    except ValueError as error:
        raise BadRequestError(f"The body is not JSON: {error}", code="invalid_json") from error
    if not isinstance(body, dict):
        raise BadRequestError("The body is not a JSON object.", code="invalid_json")
    return body


def refuse_unwritable(body: dict[str, Any]) -> None:
    """Raises BadRequestError for what can be read and not be written again."""
    try:
        json.dumps(body, allow_nan=False)
    except (ValueError, RecursionError) as error:
        message = "The body is nested too deeply, or holds a number beyond a double's range."
        raise BadRequestError(message, code="invalid_json") from error


def _read(
    request: web.Request,
    dialect: Dialect,
    body: dict[str, Any],
    to: Destination,
    exchange: Exchange,
) -> Understood:
    runtime = request[RUNTIME]
    headers = callers.lowered(request)
    found = understand(
        dialect,
        named(body, to),
        caller=callers.caller(headers, runtime.config, runtime.keys),
        asked=directives.parse(headers, runtime.limits),
        admission=runtime.admission,
        extra=callers.keyed(request, headers, runtime.config) | keyed(to),
        rewrite=runtime.config.cache.context == "rewrite",
        by_model=runtime.config.cache.judgement.llm.rewrite,
    )
    scope = found.request.scope
    entrance.permit(request, scope, endpoints.deployment(to.path))
    exchange.learn(model=scope.model, tenant=scope.tenant, namespace=scope.namespace)
    if runtime.config.admin.token is not None and runtime.config.admin.show_questions:
        exchange.learn(question=found.request.question)
    if not runtime.config.cache.enabled:
        return Understood(found.request, "disabled", "")
    return found


def named(body: dict[str, Any], to: Destination) -> dict[str, Any]:
    """The request with its model, where the path names it."""
    name = endpoints.deployment(to.path)
    return body if name is None else {"model": name, **body}


def keyed(to: Destination) -> dict[str, str]:
    """Of two origins that are told apart by path alone, one must not answer for the other."""
    if not to.by_path:
        return {}
    return {"upstream": to.origin, "path": to.path.partition("?")[0]}


async def _answer(
    request: web.Request,
    dialect: Dialect,
    raw: bytes,
    found: Understood,
    to: Destination,
    exchange: Exchange,
) -> web.StreamResponse:
    runtime = request[RUNTIME]

    def call() -> Call:
        return call_for(request, raw, found.request.body, to)

    async with runtime.gateway.answer(found.request, dialect, call, exchange) as answer:
        server = runtime.config.server
        await reply.held_back(answer.outcome, exchange.began, server.hit_latency_floor_ms)
        expose = server.expose_cache_headers
        fields = reply.merged(answer.headers, status.headers(answer.outcome, expose=expose))
        may_learn = runtime.traces is None and not cors.applies(request)
        if answer.repeat is not None and may_learn and not server.hit_latency_floor_ms:
            _learn(request, answer.repeat)
        return await reply.send(request, answer.status, fields, answer.body)


def _learn(request: web.Request, repeat: Repeat) -> None:
    """Have the next one of the same bytes answered as they arrive."""
    if isinstance(request.protocol, LaneProtocol):
        request.protocol.learn(request[RUNTIME], repeat, entrance.limited(request))


def call_for(request: web.Request, raw: bytes, body: dict[str, Any], to: Destination) -> Call:
    """How the origin is asked: as the caller did."""
    runtime = request[RUNTIME]
    # Compression is the connection's business: a decoded body is what gets understood and kept.
    headers = end_to_end(callers.for_origin(request, runtime.config))
    headers = [pair for pair in headers if pair[0] != "accept-encoding"]
    is_shared = runtime.config.cache.tenancy == "shared"
    if is_shared or entrance.must_be_asked_as_read(request):
        # Of a name given twice the key counts the last value, an origin may count the first:
        # among strangers who share answers, it must be asked what was keyed.
        raw = dumps(body)
    return Call(
        runtime.origins.asked(to.origin),
        OriginRequest("POST", to.path, headers, raw),
        credential=credentials.digest_of(
            callers.lowered(request), runtime.config.cache.tenant_secret
        ),
        count=entrance.count(request),
    )
