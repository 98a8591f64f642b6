"""What aiohttp alone costs: `python -m bench.http.bare PORT ORIGIN`, the origin's root.

A reference, no cache to use: a POST under /v1/ is parsed, hashed, looked up in a dict and answered
with bytes made before; one under /ticks/ is answered with a stream, a chunk at a time; any other is
sent on, and the answer passed back piece by piece as it comes.
"""

import asyncio
import hashlib
import sys
from collections.abc import AsyncIterator

import aiohttp
import orjson
import uvloop
from aiohttp import web

from bench.http import traffic

TICK_S = 0.002
"""Between two chunks of a stream of its own."""

HEADERS = {"content-type": "application/json"}


SESSION = web.AppKey("session", aiohttp.ClientSession)
ORIGIN = web.AppKey("origin", str)
KEPT = web.AppKey("kept", dict[bytes, bytes])


async def hit(request: web.Request) -> web.Response:
    """From the dict, once the origin was asked."""
    raw = await request.read()
    body = orjson.loads(raw)
    whole = orjson.dumps([request.headers["authorization"], body], option=orjson.OPT_SORT_KEYS)
    key = hashlib.blake2b(whole, digest_size=16).digest()
    kept = request.app[KEPT].get(key)
    if kept is None:
        url = f"{request.app[ORIGIN]}{request.path}"
        async with request.app[SESSION].post(url, data=raw) as got:
            kept = request.app[KEPT][key] = await got.read()
    return web.Response(body=kept, headers=HEADERS)


async def relay(request: web.Request) -> web.StreamResponse:
    """What the origin says, piece by piece."""
    raw = await request.read()
    url = f"{request.app[ORIGIN]}{request.path.removeprefix('/pass')}"
    session = request.app[SESSION]
    async with session.post(url, data=raw, headers=HEADERS) as got:
        answer = web.StreamResponse(headers={"content-type": got.headers["content-type"]})
        if got.content_length is not None:
            answer.content_length = got.content_length
        await answer.prepare(request)
        async for piece in got.content.iter_any():
            await answer.write(piece)
        await answer.write_eof()
        return answer


async def ticks(request: web.Request) -> web.StreamResponse:
    """A stream as a model would send it."""
    await request.read()
    answer = web.StreamResponse(headers={"content-type": "text/event-stream"})
    await answer.prepare(request)
    chunk = f"data: {traffic.frame(' cached')}\n\n".encode()
    for _ in range(traffic.CHUNKS):
        await answer.write(chunk)
        await asyncio.sleep(TICK_S)
    await answer.write(f"data: {traffic.last_frame()}\n\ndata: [DONE]\n\n".encode())
    await answer.write_eof()
    return answer


async def alive(_request: web.Request) -> web.Response:
    """It serves."""
    return web.Response(text="yes")


async def connected(app: web.Application) -> AsyncIterator[None]:
    """A session to the origin, for as long as it runs."""
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector, auto_decompress=False) as session:
        app[SESSION] = session
        yield


def app(origin: str) -> web.Application:
    """All of it."""
    made = web.Application()
    made[ORIGIN] = origin
    made[KEPT] = {}
    made.cleanup_ctx.append(connected)
    made.router.add_get("/alive", alive)
    made.router.add_post("/ticks/{rest:.*}", ticks)
    made.router.add_post("/v1/{rest:.*}", hit)
    made.router.add_post("/{rest:.*}", relay)
    return made


if __name__ == "__main__":
    asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())
    web.run_app(
        app(sys.argv[2]), host="127.0.0.1", port=int(sys.argv[1]), access_log=None, print=None
    )
