"""Liveness, readiness and metrics."""

import asyncio

import orjson
from aiohttp import web

from proxy.web.keys import PEERS, RUNTIME


async def healthz(_request: web.Request) -> web.Response:
    """The process is alive."""
    return _json({"status": "ok"})


async def readyz(request: web.Request) -> web.Response:
    """Requests are answered; which parts of the cache are degraded, and why.

    A degraded cache is still ready: it costs hits, never requests. Where Redis is used, it says how
    the connections fare. One of several workers speaks for itself, and says which it is.
    """
    trouble = request[RUNTIME].trouble()
    parts = {name: reason or "ok" for name, reason in trouble.items()}
    status = "degraded" if any(trouble.values()) else "ready"
    worker = request[RUNTIME].worker
    which = {} if worker is None else {"worker": worker.number, "of": worker.of}
    readings = request[RUNTIME].redis
    redis = {} if readings is None else {"redis": readings()}
    return _json({"status": status, "parts": parts, **redis, **which})


async def metrics(request: web.Request) -> web.Response:
    """Prometheus' text format; any of several workers speaks for all of them."""
    if not request[RUNTIME].config.telemetry.metrics:
        raise web.HTTPNotFound
    accept = request.headers.get("accept", "")
    if PEERS in request.app:
        body, content_type = await request.app[PEERS].metrics(accept)
    else:
        render = request[RUNTIME].metrics.render
        # In a thread: the process's own figures are read from files.
        body, content_type = await asyncio.to_thread(render, accept)
    return web.Response(body=body, headers={"content-type": content_type})


def _json(value: object) -> web.Response:
    return web.Response(body=orjson.dumps(value), content_type="application/json")
