"""Connections that are kept alive and speak bytes, and what their replies have in common."""

import asyncio
import json
import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass

from tests.support.program import KEY, Json, Served, chat

PATH = "/v1/chat/completions"
MESSAGE = {"model": "claude-x", "max_tokens": 50, "messages": [{"role": "user", "content": "Hi"}]}
ASKED: dict[str, tuple[str, Json]] = {
    "plain": (PATH, chat()),
    "stream": (PATH, chat(stream=True)),
    "stream with usage": (PATH, chat(stream=True, stream_options={"include_usage": True})),
    "not ASCII": (PATH, chat("Wie heißt die Hauptstadt von Österreich? 🏔")),
    "several choices": (PATH, chat(n=3)),
    "completion": ("/v1/completions", {"model": "m", "prompt": "Once", "max_tokens": 9}),
    "completion, stream": ("/v1/completions", {"model": "m", "prompt": "Once", "stream": True}),
    "response": ("/v1/responses", {"model": "m", "input": "Hello", "store": False}),
    "response, stream": (
        "/v1/responses",
        {"model": "m", "input": "Hello", "store": False, "stream": True, "metadata": {"a": "b"}},
    ),
    "message": ("/v1/messages", MESSAGE),
    "message, stream": ("/v1/messages", {**MESSAGE, "stream": True}),
}
"""Requests of every kind that the lane knows: path and body."""


def raw(
    path: str, body: Json, headers: Mapping[str, str] | None = None, *, chunked: bool = False
) -> bytes:
    """A request's bytes."""
    data = json.dumps(body).encode()
    fields = {"host": "x", "authorization": f"Bearer {KEY}", "content-type": "application/json"}
    fields |= headers or {}
    fields |= {"transfer-encoding": "chunked"} if chunked else {"content-length": str(len(data))}
    head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    framed = b"%x\r\n%b\r\n0\r\n\r\n" % (len(data), data) if chunked else data
    return f"POST {path} HTTP/1.1\r\n{head}\r\n".encode() + framed


@dataclass(slots=True)
class Line:
    """A connection that is kept alive, and speaks bytes."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def ask(self, *pieces: bytes) -> bytes:
        """Send a request, piece by piece, and read its whole reply."""
        for piece in pieces:
            self.writer.write(piece)
            if len(pieces) > 1:
                await asyncio.sleep(0.02)
        return await self.answer()

    async def answer(self) -> bytes:
        """The next reply, whole."""
        async with asyncio.timeout(10):
            head = await self.reader.readuntil(b"\r\n\r\n")
            if head.startswith(b"HTTP/1.1 100 "):  # to be followed by the reply
                head = await self.reader.readuntil(b"\r\n\r\n")
            length = re.search(rb"(?i)content-length: (\d+)", head)
            if length is not None:
                return head + await self.reader.readexactly(int(length[1]))
            return head + await self.reader.readuntil(b"\r\n0\r\n\r\n")


@asynccontextmanager
async def line_to(proxy: Served) -> AsyncIterator[Line]:
    reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
    try:
        yield Line(reader, writer)
    finally:
        writer.close()


OWN = (
    rb"(?im)^(date|age): .*",
    rb"(?i)ttl=\d+",
    rb"req_[0-9a-f]{24}",
    rb"(?:cmpl-|resp_|msg_)[0-9a-f]{32}",
    rb'"created(?:_at)?": ?\d+',
)


def common(reply: bytes) -> bytes:
    """A reply without what each has of its own."""
    for own in OWN:
        reply = re.sub(own, b"~", reply)
    return reply


def told(line: Json) -> Json:
    """A log line without what each has of its own."""
    own = {"request_id", "timestamp", "age_s", "ttl_s", "ms"}
    return {name: value for name, value in line.items() if name not in own}


async def known(line: Line, body: Json, **headers: str) -> bytes:
    """A request that the lane knows from now on."""
    asked = raw(PATH, body, {name.replace("_", "-"): headers[name] for name in headers})
    for _ in range(2):
        await line.ask(asked)
    return asked


def series(text: str) -> Mapping[str, float]:
    """What `/metrics` counts of requests: how many, from where, what they saved and took."""
    wanted = ("reprise_tokens", "reprise_saved", "reprise_lookups", "reprise_requests_total")
    found = [one.rsplit(" ", 1) for one in text.splitlines() if one.startswith(wanted)]
    times = [one.rsplit(" ", 1) for one in text.splitlines() if "_seconds_count{" in one]
    own = ("_created", "reprise_redis_")
    pairs = [(name, value) for name, value in [*found, *times] if not any(x in name for x in own)]
    return {name: float(value) for name, value in pairs}


def grown(late: Mapping[str, float], early: Mapping[str, float]) -> dict[str, float]:
    """How much each has grown."""
    return {name: late[name] - early.get(name, 0.0) for name in late if late[name]}
