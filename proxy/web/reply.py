"""Write replies: status, headers and bytes.

A stream that broke at the origin must look broken to the caller: a clean end would be taken for a
whole answer, so the connection is dropped without its last chunk (RFC 9112, 8).
"""

import asyncio
from collections.abc import AsyncIterator, Collection, Iterable
from contextlib import suppress
from time import perf_counter

import orjson
from aiohttp import web
from multidict import CIMultiDict

from proxy.core import status
from proxy.core.model import Outcome, Result
from proxy.errors import ApiError, RepriseError

OF_PAGES = "access-control-"
"""What an origin says of web pages holds for those that ask it themselves."""

Headers = Iterable[tuple[str, str]]

AT_ONCE = frozenset({Result.HIT, Result.STALE, Result.COALESCED})
"""What is answered sooner than a call to the origin would be."""


def merged(headers: Headers, ours: Headers) -> CIMultiDict[str]:
    """The origin's headers and the cache's.

    The origin's own request id is kept. What another cache says of itself in headers that are ours
    would be taken for our word; in `cache-status` both have their say (RFC 9211, 2).
    """
    told = dict(ours)
    hidden: Collection[str] = status.OURS if "x-cache" in told else ()
    fields = CIMultiDict(
        pair for pair in headers if pair[0] not in hidden and not pair[0].startswith(OF_PAGES)
    )
    for name, value in told.items():
        if name != "x-request-id" or name not in fields:
            fields.add(name, value)
    return fields


async def held_back(outcome: Outcome, began: float, floor_ms: float) -> None:
    """Wait until an answer that was there at once has taken as long as the operator wants.

    Args:
        outcome: How it was answered.
        began: When it was asked for, on the clock of `perf_counter`.
        floor_ms: How long it takes at least.
    """
    if floor_ms and outcome.result in AT_ONCE:
        await asyncio.sleep(began + floor_ms / 1000 - perf_counter())


async def send(
    request: web.Request, code: int, headers: CIMultiDict[str], body: bytes | AsyncIterator[bytes]
) -> web.StreamResponse:
    """Send a body, whole or as it comes."""
    if isinstance(body, bytes):
        return web.Response(status=code, headers=headers, body=body)
    response = web.StreamResponse(status=code, headers=headers)
    await response.prepare(request)
    try:
        async for piece in body:
            await response.write(piece)
    except RepriseError:
        if request.transport is not None:
            request.transport.abort()
        return response
    with suppress(ConnectionError):  # who has the whole answer may have hung up
        await response.write_eof()
    return response


def error(
    request: web.Request, problem: ApiError, outcome: Outcome, *, expose: bool
) -> web.Response:
    """An error of our own, in the shape of the API that the caller speaks."""
    headers = merged(problem.headers.items(), status.headers(outcome, expose=expose))
    # Anthropic's clients name a version of its API with every request.
    is_anthropic = "anthropic-version" in request.headers or request.path.endswith("/v1/messages")
    body = problem.anthropic_body(outcome.request_id) if is_anthropic else problem.body()
    return web.Response(
        status=problem.status,
        headers=headers,
        body=orjson.dumps(body),
        content_type="application/json",
    )
