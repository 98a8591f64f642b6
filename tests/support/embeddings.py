"""A server with OpenAI's embeddings API, in the test's own loop."""

import base64
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from hashlib import sha256

import numpy as np
from aiohttp import web

DIMENSION = 8


async def _embed(request: web.Request) -> web.Response:
    asked = await request.json()
    texts = [asked["input"]] if isinstance(asked["input"], str) else asked["input"]
    data = []
    for index, text in enumerate(texts):
        seed = int.from_bytes(sha256(text.casefold().encode()).digest()[:4], "big")
        vector = np.random.default_rng(seed).standard_normal(DIMENSION).astype("<f4")
        vector /= np.linalg.norm(vector)
        coded = base64.b64encode(vector.tobytes()).decode()
        is_coded = asked.get("encoding_format") == "base64"
        told = coded if is_coded else [float(number) for number in vector]
        data.append({"object": "embedding", "index": index, "embedding": told})
    usage = {"prompt_tokens": 1, "total_tokens": 1}
    return web.json_response(
        {"object": "list", "data": data, "model": asked["model"], "usage": usage}
    )


@asynccontextmanager
async def embeddings_server(port: int) -> AsyncIterator[None]:
    """Serve on that port: the same vector for texts that differ in case only."""
    app = web.Application()
    app.router.add_post("/v1/embeddings", _embed)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", port).start()
        yield
    finally:
        await runner.cleanup()
