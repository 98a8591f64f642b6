"""`POST /v1/embeddings`: body -> inputs -> directives -> a `Batch` -> the batcher -> reply."""

from dataclasses import replace
from typing import Any

from aiohttp import web

from proxy.core import directives, status
from proxy.core.batch import Batch, understand_batch
from proxy.core.canonical import dumps, repeats_a_name
from proxy.core.dialects.embeddings import API
from proxy.core.model import Outcome, Result
from proxy.core.routing import Destination
from proxy.errors import ApiError
from proxy.exchange import Exchange
from proxy.gateway import not_cached
from proxy.web import bodies, cached, callers, endpoints, entrance, passthrough, reply
from proxy.web.keys import REQUEST_ID, RUNTIME


async def handle(request: web.Request) -> web.StreamResponse:
    """Answer each input from the cache, or have the origin answer what is lacking."""
    runtime = request[RUNTIME]
    exchange = Exchange(Outcome(request[REQUEST_ID], Result.MISS, API))
    raw = await bodies.read(request)
    if "content-encoding" in request.headers:
        entrance.permit_unread(request)
        exchange.learn(result=Result.BYPASS, reason="encoded body")
        return await passthrough.relay(request, raw, exchange)
    to = passthrough.destination(request)
    try:
        batch = _admitted(request, raw, to, exchange)
        to = runtime.origins.routes.for_model(to, batch.scope.model)
        if batch.bypass is None:
            return await _answer(request, raw, batch, to, exchange)
    except ApiError as problem:
        exchange.learn(status=problem.status)
        expose = runtime.config.server.expose_cache_headers
        return reply.error(request, problem, exchange.outcome, expose=expose)
    exchange.learn(result=Result.BYPASS, reason=batch.bypass)
    if entrance.must_be_asked_as_read(request):
        raw = dumps(batch.body)
    return await passthrough.relay(request, raw, exchange, to)


def _admitted(request: web.Request, raw: bytes, to: Destination, exchange: Exchange) -> Batch:
    """The request, read; one that is refused is told of here: it gets no further."""
    try:
        body = cached.parsed(raw)
        batch = _read(request, cached.named(body, to), to, exchange)
        if batch.bypass is None and repeats_a_name(raw, body):
            batch = replace(batch, bypass=cached.REPEATED)
        if batch.bypass is not None and entrance.must_be_asked_as_read(request):
            cached.refuse_unwritable(body)
        if batch.bypass is not None and batch.asked.only_if_cached:
            raise not_cached()
    except ApiError as problem:
        refused = {"status": problem.status, "reason": problem.code or problem.kind}
        exchange.learn(result=Result.BYPASS, **refused)
        request[RUNTIME].observer.notice(exchange.finished())
        raise
    return batch


def _read(request: web.Request, body: dict[str, Any], to: Destination, exchange: Exchange) -> Batch:
    runtime = request[RUNTIME]
    headers = callers.lowered(request)
    batch = understand_batch(
        body,
        caller=callers.caller(headers, runtime.config, runtime.keys),
        asked=directives.parse(headers, runtime.limits),
        admission=runtime.admission,
        extra=callers.keyed(request, headers, runtime.config) | cached.keyed(to),
    )
    scope = batch.scope
    entrance.permit(request, scope, endpoints.deployment(to.path))
    exchange.learn(model=scope.model, tenant=scope.tenant, namespace=scope.namespace)
    return batch if runtime.config.cache.enabled else replace(batch, bypass="disabled")


async def _answer(
    request: web.Request, raw: bytes, batch: Batch, to: Destination, exchange: Exchange
) -> web.StreamResponse:
    runtime = request[RUNTIME]
    call = cached.call_for(request, raw, batch.body, to)
    async with runtime.batcher.answer(batch, call, exchange) as answer:
        expose = runtime.config.server.expose_cache_headers
        floor_ms = runtime.config.server.hit_latency_floor_ms
        await reply.held_back(answer.outcome, exchange.began, floor_ms)
        fields = reply.merged(answer.headers, status.headers(answer.outcome, expose=expose))
        return await reply.send(request, answer.status, fields, answer.body)
