"""Whoever sends too much, too slowly, or does not read, is let go, and holds nobody else up."""

import asyncio
import json
import re
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest

from proxy.web.app import make_runner
from proxy.web.connection import Connection
from tests.support.lines import PATH, known, line_to, raw
from tests.support.origin import ScriptedOrigin
from tests.support.program import KEY, Served, Serving, chat
from tests.support.waiting import until

QUICK: dict[str, Any] = {
    "connections": {"head_timeout_s": 0.3, "body_timeout_s": 0.3, "send_timeout_s": 0.3}
}
MIB = 1 << 20


@pytest.fixture
async def proxy(serving: Serving) -> AsyncIterator[Served]:
    async with serving(server=QUICK) as one:
        yield one


@asynccontextmanager
async def connected(
    proxy: Served, *, receive_bytes: int | None = None
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """A connection; one that shall read little has a small buffer in the kernel, too."""
    plain = socket.socket()
    if receive_bytes is not None:
        plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
    plain.setblocking(False)  # noqa: FBT003 - socket's own
    await asyncio.get_running_loop().sock_connect(plain, ("127.0.0.1", proxy.port))
    reader, writer = await asyncio.open_connection(sock=plain, limit=4096)
    try:
        yield reader, writer
    finally:
        writer.transport.abort()


async def rest(reader: asyncio.StreamReader) -> bytes:
    """All that comes until the proxy closes."""
    async with asyncio.timeout(10):
        return await reader.read(-1)


def is_error(reply: bytes, status: int, code: str) -> bool:
    """Whether it is one in OpenAI's shape, and the connection's last."""
    head, _, body = reply.partition(b"\r\n\r\n")
    error = json.loads(body)["error"]
    assert set(error) == {"message", "type", "param", "code"}
    assert head.startswith(b"HTTP/1.0 ") or re.search(rb"(?im)^connection: close\r?$", head)
    assert re.search(rb"(?im)^content-length: %d\r?$" % len(body), head)
    return head.split(b" ")[1] == b"%d" % status and error["code"] == code


async def refused(proxy: Served, reason: str) -> float:
    told = (await proxy.get("/metrics")).body.decode()
    found = re.search(rf'reprise_refused_total{{reason="{reason}"}} (\S+)', told)
    assert found is not None
    return float(found[1])


@pytest.mark.parametrize(
    ("request_line", "headers", "status", "code"),
    [
        (f"GET /v1/{'a' * 9000} HTTP/1.1", [], 414, "url_too_long"),
        ("GET /v1/models HTTP/1.1", ["x: " + "a" * 9000], 431, "headers_too_large"),
        ("GET /v1/models HTTP/1.1", ["a" * 9000 + ": x"], 431, "headers_too_large"),
        ("GET /v1/models HTTP/1.1", [f"x-{n}: y" for n in range(200)], 431, "headers_too_large"),
        ("GET /v1/models HTTP/1.1", ["host: a", "host: b"], 400, "unreadable_request"),
        ("GET /v1/models HTTP/1.1", ["x y"], 400, "unreadable_request"),
        ("\x16\x03\x01\x02", [], 400, "unreadable_request"),
        (
            "POST /v1/models HTTP/1.1",
            ["content-length: 5", "transfer-encoding: chunked"],
            400,
            "unreadable_request",
        ),
        (
            "POST /v1/models HTTP/1.1",
            ["content-length: 5", "content-length: 6"],
            400,
            "unreadable_request",
        ),
    ],
)
async def test_what_is_too_large_or_no_http(
    proxy: Served,
    origin: ScriptedOrigin,
    request_line: str,
    headers: list[str],
    status: int,
    code: str,
) -> None:
    """It gets an error in OpenAI's shape, the origin is not asked, and the log is spared."""
    async with connected(proxy) as (reader, writer):
        lines = [request_line, *headers, *([] if "host: a" in headers else ["host: x"]), "", ""]
        writer.write("\r\n".join(lines).encode("latin-1"))
        reply = await rest(reader)

    assert is_error(reply, status, code)
    assert await refused(proxy, code) == 1
    assert origin.calls == 0
    assert "Traceback" not in proxy.log.getvalue()


@pytest.mark.parametrize(
    ("sent", "pause_s"), [(b"G", 0), (b"GET /v1/models HTTP/1.1\r\nhost: x\r\nx: ", 0.05)]
)
async def test_a_head_that_does_not_end(proxy: Served, sent: bytes, pause_s: float) -> None:
    """Whether it stops or trickles: there is a time for all of it, and then 408."""
    async with connected(proxy) as (reader, writer):
        writer.write(sent)
        reading = asyncio.get_running_loop().create_task(rest(reader))
        while pause_s and not reading.done():
            writer.write(b"a")
            await asyncio.sleep(pause_s)
        reply = await reading

    assert is_error(reply, 408, "head_too_slow")
    assert await refused(proxy, "head_too_slow") == 1


async def test_a_head_in_time_is_read(proxy: Served) -> None:
    """In however many pieces it comes; and a connection may be silent between requests."""
    head = b"GET /v1/models HTTP/1.1\r\nhost: x\r\n\r\n"
    async with line_to(proxy) as line:
        for _ in range(2):
            reply = await line.ask(head[:10], head[10:30], head[30:])
            await asyncio.sleep(0.5)

            assert reply.startswith(b"HTTP/1.1 200 ")


@pytest.mark.parametrize("path", [PATH, "/v1/embeddings", "/v1/files", "/v1/cache/feedback"])
@pytest.mark.parametrize("trickles", [True, False])
async def test_a_body_that_does_not_come(proxy: Served, path: str, trickles: bool) -> None:
    """Whether it stops or trickles: it gets 408 when its time is over, on every path."""
    head = f"POST {path} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {KEY}\r\n"
    async with connected(proxy) as (reader, writer):
        writer.write(f"{head}content-length: 5000\r\n\r\n".encode() + b"{")
        reading = asyncio.get_running_loop().create_task(reader.readuntil(b"}}"))
        while trickles and not reading.done():
            writer.write(b" ")
            await asyncio.sleep(0.02)
        async with asyncio.timeout(10):
            reply = await reading

    assert reply.startswith(b"HTTP/1.1 408 ")
    assert b'"body_too_slow"' in reply
    assert await refused(proxy, "body_too_slow") == 1


@pytest.mark.parametrize("trickles", [True, False])
async def test_a_body_that_is_known_but_for_its_end(proxy: Served, trickles: bool) -> None:
    """A repeat whose body does not come is refused as any other is, soon."""
    async with line_to(proxy) as line:
        asked = await known(line, chat("x" * 200))
        line.writer.write(asked[:-200])
        reading = asyncio.get_running_loop().create_task(line.answer())
        for at in range(-200, -1):
            if trickles and not reading.done():
                line.writer.write(asked[at : at + 1])
                await asyncio.sleep(0.02)
        reply = await reading

    assert reply.startswith(b"HTTP/1.1 408 ")
    assert b'"body_too_slow"' in reply
    assert proxy.lane.answered == 0


async def test_the_time_of_a_head_is_not_that_of_a_body(serving: Serving) -> None:
    """Of a repeat neither: a body that comes in its own time is answered."""
    connections = {"head_timeout_s": 0.2, "body_timeout_s": 30}
    async with serving(server={"connections": connections}) as proxy, line_to(proxy) as line:
        asked = await known(line, chat())
        head, _, body = asked.partition(b"\r\n\r\n")
        line.writer.write(head + b"\r\n\r\n")
        await asyncio.sleep(1.3)
        reply = await line.ask(body)
        again = await line.ask(asked)

    assert reply.startswith(b"HTTP/1.1 200 ")
    assert again.startswith(b"HTTP/1.1 200 ")


async def test_a_slow_body_that_goes_on_is_read(serving: Serving, origin: ScriptedOrigin) -> None:
    """What comes at more than a KiB a second may take longer than the bound."""
    body = json.dumps(chat("x" * 8000)).encode()
    head = raw(PATH, chat("x" * 8000)).partition(b"\r\n\r\n")[0] + b"\r\n\r\n"
    async with serving(server=QUICK) as proxy, line_to(proxy) as line:
        line.writer.write(head)
        for at in range(0, len(body), 1000):
            await asyncio.sleep(0.08)
            line.writer.write(body[at : at + 1000])
        reply = await line.answer()

    assert reply.startswith(b"HTTP/1.1 200 ")
    assert origin.requests[0].json["messages"][0]["content"] == "x" * 8000


async def test_a_body_over_the_bound_is_not_read_on(serving: Serving) -> None:
    """Also where it does not say its length: 413 as soon as it is known."""
    server = {"max_body_bytes": 1024}
    async with serving(server=server) as proxy, connected(proxy) as (reader, writer):
        head = f"POST {PATH} HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n"
        writer.write(head.encode())
        await asyncio.sleep(0.05)
        for _ in range(3):
            writer.write(b"200\r\n" + b" " * 512 + b"\r\n")
            await asyncio.sleep(0.02)
        reply = await reader.readuntil(b"}}")

    assert reply.startswith(b"HTTP/1.1 413 ")
    assert b'"body_too_large"' in reply


def spoken(text: str | None) -> bytes:
    """A piece of a streamed completion; None is its end."""
    delta = {} if text is None else {"content": text}
    choice = {"index": 0, "delta": delta, "finish_reason": None if text else "stop"}
    about = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "gpt-4o"}
    return b"data: " + json.dumps({**about, "choices": [choice]}).encode() + b"\n\n"


async def test_who_does_not_read_is_dropped(proxy: Served, origin: ScriptedOrigin) -> None:
    """And holds nobody up for longer who waits for the same answer."""
    pieces = (*(spoken("x" * 65_000) for _ in range(240)), spoken(None), b"data: [DONE]\n\n")
    origin.then(headers=(("content-type", "text/event-stream"),), pieces=pieces)
    asked = raw(PATH, chat(stream=True))
    async with connected(proxy, receive_bytes=4096) as (_, sleeper), line_to(proxy) as line:
        sleeper.write(asked)
        await origin.asked(1)
        line.writer.write(asked)
        reply = bytearray()
        async with asyncio.timeout(20):
            while b"\r\n0\r\n\r\n" not in reply[-16:]:
                piece = await line.reader.read(MIB)
                assert piece
                reply += piece

    assert 240 * 65_000 <= reply.count(b"x") < 240 * 65_000 + 5000
    assert await refused(proxy, "reader_too_slow") == 1
    assert origin.calls == 1


async def test_who_reads_slowly_gets_all(proxy: Served, origin: ScriptedOrigin) -> None:
    """A reader may take longer than the bound, as long as he takes something."""
    body = b"x" * (3 * MIB)
    origin.then(headers=(("content-type", "audio/mpeg"),), body=body)
    async with connected(proxy, receive_bytes=65_536) as (reader, writer):
        writer.write(b"GET /v1/audio HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
        got = bytearray()
        while piece := await reader.read(65_536):
            got += piece
            await asyncio.sleep(0.02)

    assert got.endswith(body)
    assert await refused(proxy, "reader_too_slow") == 0


async def test_so_many_connections(serving: Serving) -> None:
    """One more is told so and closed; when one ends, another may come."""
    server = {"connections": {"most": 2}}
    async with serving(server=server) as proxy:
        async with connected(proxy), connected(proxy), connected(proxy) as (reader, _):
            reply = await rest(reader)
        await until(lambda: not _connections(proxy), "the connections' end")
        got = await proxy.get("/healthz")
        counted = await refused(proxy, "too_many_connections")

    assert is_error(reply, 503, "too_many_connections")
    assert got.status == 200
    assert counted == 1


def _connections(proxy: Served) -> int:
    assert proxy.runner.server is not None
    return len(proxy.runner.server.connections)


async def test_a_silent_connection_is_closed(serving: Serving) -> None:
    """After the time that it is kept."""
    async with (
        serving(server={"connections": {"keep_alive_s": 0.2}}) as proxy,
        line_to(proxy) as line,
    ):
        await line.ask(b"GET /v1/models HTTP/1.1\r\nhost: x\r\n\r\n")

        assert await rest(line.reader) == b""


async def test_a_packed_body_is_not_unpacked(proxy: Served, origin: ScriptedOrigin) -> None:
    """It goes to the origin as it came, however much it would become."""
    import gzip  # noqa: PLC0415

    bomb = gzip.compress(b" " * (64 * MIB))
    with suppress(OSError):
        got = await proxy.post(bomb, content_encoding="gzip")

        assert got.cache == "BYPASS"
    assert len(origin.requests[0].body) == len(bomb)


async def test_every_connection_is_bounded(proxy: Served) -> None:
    """Those that the program makes are of this kind."""
    runner = make_runner(proxy.reloader)
    await runner.setup()
    assert runner.server is not None
    kind = type(runner.server())
    await runner.cleanup()

    assert issubclass(kind, Connection)
