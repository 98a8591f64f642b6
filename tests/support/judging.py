"""A server with OpenAI's chat completions API that judges pairs of questions, and can fail."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import orjson
from aiohttp import web

Json = dict[str, Any]
Reply = Callable[[Json], web.Response]


def said(text: object) -> web.Response:
    """A completion of which the one choice says this."""
    message = {"role": "assistant", "content": text}
    choice = {"index": 0, "message": message, "finish_reason": "stop", "logprobs": None}
    return web.json_response(
        {"id": "c", "object": "chat.completion", "created": 0, "model": "m", "choices": [choice]}
    )


def yes(_: Json) -> web.Response:
    return said('{"same_answer": true}')


def no(_: Json) -> web.Response:
    return said('{"same_answer": false}')


def writes(question: str | None) -> Reply:
    """A model that writes this for any conversation."""
    return lambda _: said(orjson.dumps({"standalone": question}).decode())


def status(code: int) -> Reply:
    """An error that quotes the prompt."""

    def reply(_: Json) -> web.Response:
        error = {"error": {"message": "the secret prompt", "type": "x"}}
        return web.json_response(error, status=code, headers={"retry-after-ms": "1"})

    return reply


class JudgeServer:
    """What it was asked, and what it answers."""

    def __init__(self) -> None:
        self.asked: list[Json] = []
        self.headers: list[dict[str, str]] = []
        self.next: list[Reply] = []
        self.always: Reply = yes
        self.delay_s = 0.0
        self.was_asked = asyncio.Event()
        self.url = ""

    @property
    def pairs(self) -> list[tuple[str, str]]:
        """The questions of each call, as the model reads them."""
        found = []
        for body in self.asked:
            data, _, _ = body["messages"][-1]["content"].partition("\n\n")
            pair = orjson.loads(data)
            found.append((pair["first"], pair["second"]))
        return found

    def forget(self) -> None:
        """As if nothing had been asked."""
        self.asked.clear()
        self.headers.clear()
        self.was_asked.clear()

    async def handle(self, request: web.Request) -> web.Response:
        body = orjson.loads(await request.read())
        self.asked.append(body)
        self.headers.append(dict(request.headers))
        self.was_asked.set()
        reply = self.next.pop(0) if self.next else self.always
        await asyncio.sleep(self.delay_s)
        return reply(body)


@asynccontextmanager
async def judge_server() -> AsyncIterator[JudgeServer]:
    """Serve on a free port of the loopback, in this loop."""
    server = JudgeServer()
    app = web.Application()
    app.router.add_post("/v1/chat/completions", server.handle)
    runner = web.AppRunner(app, access_log=None, handler_cancellation=True, shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        host, port = runner.addresses[0][:2]
        server.url = f"http://{host}:{port}/v1"
        yield server
    finally:
        await runner.cleanup()
