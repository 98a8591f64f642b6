"""One server with OpenAI's API for vectors and for verdicts, as good or as bad as a test asks."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from hashlib import sha256
from typing import Final

import numpy as np
from aiohttp import web

from tests.faults.traffic import meaning
from tests.support.judging import yes
from tests.support.program import Json

DIMENSION: Final = 8
Reply = Callable[[web.Request, Json], Awaitable[web.StreamResponse]]


def vector_of(text: str) -> list[float]:
    """The same for all wordings of a question, and for no other."""
    seed = int.from_bytes(sha256(meaning(text).encode()).digest()[:4], "big")
    vector = np.random.default_rng(seed).standard_normal(DIMENSION)
    return [float(number) for number in vector / np.linalg.norm(vector)]


def embedding(vector: object) -> web.Response:
    """An answer with this vector, whatever it is."""
    data = [{"object": "embedding", "index": 0, "embedding": vector}]
    usage = {"prompt_tokens": 1, "total_tokens": 1}
    return web.json_response({"object": "list", "data": data, "model": "m", "usage": usage})


async def embeds(_request: web.Request, asked: Json) -> web.StreamResponse:
    """As it should."""
    return embedding(vector_of(asked["input"]))


async def agrees(_request: web.Request, asked: Json) -> web.StreamResponse:
    """Whatever is near enough to be put to it means the same."""
    return yes(asked)


async def breaks(request: web.Request, _asked: Json) -> web.StreamResponse:
    """As a server does that has just died."""
    assert request.transport is not None
    request.transport.abort()
    return web.Response()


def fails(status: int) -> Reply:
    """An error, as a web server before the API words it."""

    async def reply(_request: web.Request, _asked: Json) -> web.StreamResponse:
        return web.Response(status=status, text="<html>oops</html>", content_type="text/html")

    return reply


def gives(vector: object) -> Reply:
    """This, for a vector."""

    async def reply(_request: web.Request, _asked: Json) -> web.StreamResponse:
        return embedding(vector)

    return reply


def says(raw: bytes) -> Reply:
    """These bytes, as if they were JSON."""

    async def reply(_request: web.Request, _asked: Json) -> web.StreamResponse:
        return web.Response(body=raw, content_type="application/json")

    return reply


class Models:
    """The server; `embeds` and `judges` say how it answers, and `hangs` whether at all."""

    def __init__(self) -> None:
        self.embeds: Reply = embeds
        self.judges: Reply = agrees
        self.url = ""
        self._answers = asyncio.Event()
        self._answers.set()
        self._hanging = ""

    def hang(self, path: str) -> None:
        """Let nothing of this path through until `flow`."""
        self._hanging = path
        self._answers.clear()

    def flow(self) -> None:
        """Answer again, what waits first."""
        self._answers.set()

    def recover(self) -> None:
        """Answer as it should, all of it."""
        self.embeds, self.judges = embeds, agrees
        self.flow()

    async def handle(self, request: web.Request) -> web.StreamResponse:
        asked = await request.json()
        if request.path.endswith(self._hanging):
            await self._answers.wait()
        is_embedding = request.path.endswith("/embeddings")
        return await (self.embeds if is_embedding else self.judges)(request, asked)


@asynccontextmanager
async def models_server() -> AsyncIterator[Models]:
    """Serve on a free port of the loopback, in this loop."""
    models = Models()
    app = web.Application()
    app.router.add_post("/v1/{path:.*}", models.handle)
    runner = web.AppRunner(app, access_log=None, handler_cancellation=True, shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        models.url = f"http://127.0.0.1:{runner.addresses[0][1]}/v1"
        yield models
    finally:
        models.recover()
        await runner.cleanup()
