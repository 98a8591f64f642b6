"""An origin as a process of its own: `python -m tests.load.origin` prints its port.

It says to a chat completion what the tests' origin says, so that whoever knows the question knows
the answer. It keeps nothing, however long it runs.
"""

import asyncio
import itertools
import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from aiohttp import web

from tests.support.completions import choice_for, chunks, completion, last_text, text_for
from tests.support.program import Json

SLOWLY: Final = "Slowly: "
"""A question that begins so is answered piece by piece."""

PAUSE_S: Final = 1.0
_NUMBERS = itertools.count()


async def _answer(request: web.Request) -> web.StreamResponse:
    body = json.loads(await request.read())
    text = text_for(body, request.headers.get("authorization", ""))
    answer = completion(body, [choice_for(0, text)], next(_NUMBERS))
    if body.get("stream") is not True:
        return web.json_response(answer)
    response = web.StreamResponse(headers={"content-type": "text/event-stream"})
    await response.prepare(request)
    pause_s = PAUSE_S if last_text(body).startswith(SLOWLY) else 0.0
    for piece in _pieces(body, answer):
        await response.write(piece)
        if pause_s:
            await asyncio.sleep(pause_s)
    await response.write_eof()
    return response


def _pieces(body: Json, answer: Json) -> Iterator[bytes]:
    include_usage = (body.get("stream_options") or {}).get("include_usage") is True
    for chunk in chunks(answer, include_usage=include_usage):
        yield b"data: " + json.dumps(chunk).encode() + b"\n\n"
    yield b"data: [DONE]\n\n"


async def _serve() -> None:
    app = web.Application(client_max_size=1 << 24)
    app.router.add_post("/v1/chat/completions", _answer)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, backlog=1024).start()
    sys.stdout.write(f"{runner.addresses[0][1]}\n")
    sys.stdout.flush()
    await asyncio.Event().wait()


@contextmanager
def apart() -> Iterator[str]:
    """One that runs inside the block; its base URL, with the version."""
    command = [sys.executable, "-m", "tests.load.origin"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        try:
            yield f"http://127.0.0.1:{int(child.stdout.readline())}/v1"
        finally:
            child.kill()


if __name__ == "__main__":
    asyncio.run(_serve())
