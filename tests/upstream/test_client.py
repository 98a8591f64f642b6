"""The origin over HTTP: connections, retries, and the headers of one hop."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest

from proxy.errors import BrokenStreamError, UnreachableError, UpstreamTimeoutError
from proxy.ports import OriginRequest
from proxy.upstream.client import HttpOrigin, end_to_end
from tests.support.origin import Act, Gate, ScriptedOrigin
from tests.web.test_app import free_port

GET = OriginRequest("GET", "/models", (), b"")
POST = OriginRequest("POST", "/chat/completions", (), b"{}")
OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}"


@asynccontextmanager
async def opened(url: str, **how: float) -> AsyncIterator[HttpOrigin]:
    origin = HttpOrigin(url, **how)  # type: ignore[arg-type]  # all are numbers here
    await origin.start()
    try:
        yield origin
    finally:
        await origin.close()


Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def raw_server(talk: Talk) -> AsyncIterator[str]:
    """A server that says exactly these bytes."""

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await talk(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(connected, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
    finally:
        server.close()
        await server.wait_closed()


async def body_of(origin: HttpOrigin, request: OriginRequest) -> bytes:
    reply = await origin.send(request)
    try:
        return b"".join([chunk async for chunk in reply.chunks()])
    finally:
        await reply.close()


def test_headers_of_the_hop() -> None:
    """Those of RFC 9110, 7.6.1, and those that `connection` names, in any case."""
    pairs = [
        ("Connection", "close, X-Mine"),
        ("X-Mine", "1"),
        ("Transfer-Encoding", "chunked"),
        ("Upgrade", "h2c"),
        ("X-Kept", "1"),
        ("X-Kept", "2"),
    ]

    assert end_to_end(pairs) == [("x-kept", "1"), ("x-kept", "2")]


async def test_an_idle_connection_that_was_closed(origin: ScriptedOrigin) -> None:
    """The race of every keep-alive client: the call is made anew, on a connection that lives."""
    seen: list[bytes] = []

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            seen.append(await reader.readuntil(b"{}"))
            if len(seen) == 2:  # the second call on the first connection
                return
            writer.write(OK)

    async with raw_server(talk) as url, opened(url) as client:
        assert await body_of(client, POST) == b"{}"
        assert await body_of(client, POST) == b"{}"

    assert len(seen) == 3
    assert origin.calls == 0


async def test_a_streamed_upload_is_not_sent_twice() -> None:
    """Its bytes are gone: the caller must know."""
    calls = 0

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal calls
        del writer
        calls += 1
        await reader.readuntil(b"0\r\n\r\n")

    async def body() -> AsyncIterator[bytes]:
        yield b"{}"

    async with raw_server(talk) as url, opened(url) as client:
        with pytest.raises(UnreachableError):
            await client.send(OriginRequest("POST", "/files", (), body()))

    assert calls == 1


async def test_a_request_that_kills_its_connection_each_time() -> None:
    """It is sent a second time at most, then it is the origin's fault."""
    calls = 0

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal calls
        del writer
        calls += 1
        await reader.readuntil(b"{}")

    async with raw_server(talk) as url, opened(url) as client:
        with pytest.raises(UnreachableError):
            await client.send(POST)

    assert calls <= 2


@pytest.mark.parametrize(
    "said",
    [
        b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\n{}\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: 2\r\n\r\n{}",
    ],
    ids=["short", "no last chunk", "no gzip"],
)
async def test_a_body_that_is_not_whole(said: bytes) -> None:
    """Whatever is wrong with it, it broke."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"{}")
        writer.write(said)
        await writer.drain()

    async with raw_server(talk) as url, opened(url) as client:
        with pytest.raises(BrokenStreamError):
            await body_of(client, POST)


@pytest.mark.parametrize("said", [b"nonsense\r\n\r\n", b"", b"HTTP/1.1 200 OK\r\nbroken"])
async def test_an_answer_that_is_no_http(said: bytes) -> None:
    """It is as if nobody were there."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"{}")
        writer.write(said)
        await writer.drain()

    async with raw_server(talk) as url, opened(url) as client:
        with pytest.raises(UnreachableError):
            await client.send(POST)


async def test_timeouts(origin: ScriptedOrigin) -> None:
    """To the head, and between two pieces of the body."""
    origin.acts.extend([Act(before=Gate()), Act(gates={1: Gate()}, pieces=(b"a", b"b"))])
    async with opened(origin.url, first_byte_timeout_s=0.1, idle_timeout_s=0.1) as client:
        with pytest.raises(UpstreamTimeoutError):
            await client.send(GET)
        with pytest.raises(BrokenStreamError):
            await body_of(client, GET)


async def test_many_short_silences_are_no_long_one() -> None:
    """Each piece is waited for anew, and whoever reads the body may take his time."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"{}")
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\n")
        for _ in range(4):
            await asyncio.sleep(0.3)
            writer.write(b".")

    heard = b""
    async with raw_server(talk) as url, opened(url, idle_timeout_s=0.8) as client:
        reply = await client.send(POST)
        async for chunk in reply.chunks():
            heard += chunk
            if heard == b"...":
                await asyncio.sleep(1)
        await reply.close()

    assert heard == b"...."


async def test_nobody_there() -> None:
    """No connection."""
    async with opened(f"http://127.0.0.1:{free_port()}/v1") as client:
        with pytest.raises(UnreachableError):
            await client.send(GET)


async def test_the_base_may_have_a_path_of_its_own(origin: ScriptedOrigin) -> None:
    """The caller's path comes below it, as it is."""
    async with opened(f"{origin.url}/deployments/a%20b/") as client:
        await body_of(client, OriginRequest("GET", "/models/x%2Fy?z=%20", (), b""))

    assert origin.requests[0].path == "/v1/deployments/a%20b/models/x%2Fy?z=%20"


async def test_cookies_are_nobodys(origin: ScriptedOrigin) -> None:
    """What the origin sets for one caller is not sent for the next."""
    origin.then(body=b"{}", headers=(("set-cookie", "session=secret"),))
    by_name = origin.url.replace("127.0.0.1", "localhost")  # an address has no cookies
    async with opened(by_name) as client:
        await body_of(client, GET)
        await body_of(client, GET)

    assert origin.requests[1].header("cookie") is None


async def test_a_large_body(origin: ScriptedOrigin) -> None:
    """It is sent, and nothing is said about it."""
    large = b'{"model": "m", "messages": [{"content": "' + b"a" * 3_000_000 + b'"}]}'
    async with opened(origin.url) as client:
        await body_of(client, OriginRequest("POST", "/chat/completions", (), large))

    assert len(origin.requests[0].body) == len(large)


async def test_connections_are_used_again() -> None:
    """A body that was read to its end gives its connection back."""
    connections = 0

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        while True:
            await reader.readuntil(b"{}")
            writer.write(OK)

    async with raw_server(talk) as url, opened(url) as client:
        for _ in range(5):
            await body_of(client, POST)

    assert connections == 1
