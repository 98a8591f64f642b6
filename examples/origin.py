"""A scripted origin: an OpenAI-compatible server without a model, a key or a network.

    python examples/origin.py --port 9000
    OPENAI_BASE_URL=http://127.0.0.1:9000/v1 make run

Every answer has a number of its own, so that a repeated answer can be told from a new one.
"""

import argparse
import asyncio
import itertools
import json
import sys
import time
from typing import Any

from aiohttp import web

NUMBERS = itertools.count(1)


def main() -> None:
    parser = argparse.ArgumentParser(description="A scripted OpenAI-compatible origin.")
    parser.add_argument("--port", type=int, default=0, help="0 takes any free one")
    parser.add_argument("--delay", type=float, default=0.3, help="seconds an answer takes")
    asked = parser.parse_args()
    asyncio.run(serve(asked.port, asked.delay))


async def serve(port: int, delay_s: float) -> None:
    async def completions(request: web.Request) -> web.StreamResponse:
        body = await request.json()
        await asyncio.sleep(delay_s)
        if body.get("stream"):
            return await stream(request, body)
        return web.json_response(whole(body))

    app = web.Application()
    app.router.add_post("/v1/chat/completions", completions)
    app.router.add_get("/v1/models", models)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    host, port = runner.addresses[0][:2]
    print(f"http://{host}:{port}/v1", flush=True)
    await asyncio.Event().wait()


async def models(_request: web.Request) -> web.Response:
    return web.json_response({"object": "list", "data": [{"id": "demo", "object": "model"}]})


def answer(body: dict[str, Any]) -> str:
    question = body["messages"][-1]["content"]
    return f"Answer {next(NUMBERS)} to: {question}"


def head(body: dict[str, Any], kind: str) -> dict[str, Any]:
    return {
        "id": f"chatcmpl-{time.time_ns()}",
        "object": kind,
        "created": int(time.time()),
        "model": body["model"],
    }


def usage(body: dict[str, Any], text: str) -> dict[str, int]:
    prompt, completion = len(str(body["messages"]).split()), len(text.split())
    return {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
    }


def whole(body: dict[str, Any]) -> dict[str, Any]:
    text = answer(body)
    message: dict[str, Any] = {"role": "assistant", "content": text}
    finish = "stop"
    if tools := body.get("tools"):
        call = {"name": tools[0]["function"]["name"], "arguments": json.dumps({"said": text})}
        calls = [{"id": f"call_{time.time_ns()}", "type": "function", "function": call}]
        message, finish = {"role": "assistant", "content": None, "tool_calls": calls}, "tool_calls"
    return {
        **head(body, "chat.completion"),
        "choices": [{"index": 0, "message": message, "finish_reason": finish}],
        "usage": usage(body, text),
    }


async def stream(request: web.Request, body: dict[str, Any]) -> web.StreamResponse:
    response = web.StreamResponse(headers={"content-type": "text/event-stream"})
    await response.prepare(request)
    text, same = answer(body), head(body, "chat.completion.chunk")
    words = [{"role": "assistant", "content": ""}]
    words += [{"content": word} for word in text.replace(" ", " \n").split("\n")]
    chunks = [{**same, "choices": [choice(delta, None)]} for delta in words]
    chunks.append({**same, "choices": [choice({}, "stop")]})
    if (body.get("stream_options") or {}).get("include_usage"):
        chunks.append({**same, "choices": [], "usage": usage(body, text)})
    for chunk in chunks:
        await response.write(f"data: {json.dumps(chunk)}\n\n".encode())
        await asyncio.sleep(0.01)
    await response.write(b"data: [DONE]\n\n")
    return response


def choice(delta: dict[str, str], finish: str | None) -> dict[str, Any]:
    return {"index": 0, "delta": delta, "finish_reason": finish}


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(0)
