"""WebSockets go through, message by message."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
import pytest
from aiohttp import WSMsgType, web

from tests.support.origin import Act, Gate, ScriptedOrigin
from tests.support.program import Served, Serving


class Realtime:
    """An origin that echoes, and remembers how it was opened and closed."""

    def __init__(self) -> None:
        self.headers: dict[str, str] = {}
        self.path = ""
        self.closed = asyncio.Event()
        self.code: int | None = None
        self.port = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    async def handle(self, request: web.Request) -> web.StreamResponse:
        self.headers = {name.lower(): value for name, value in request.headers.items()}
        self.path = request.path_qs
        socket = web.WebSocketResponse(protocols=("realtime",), max_msg_size=0)
        await socket.prepare(request)
        async for message in socket:
            if message.type is WSMsgType.BINARY:
                await socket.send_bytes(message.data)
            elif message.data == "silently":
                await socket._writer.send_frame(b"", WSMsgType.CLOSE)  # type: ignore[union-attr]
            elif message.data == "vanish":
                assert request.transport is not None
                request.transport.abort()
            elif message.data == "bye":
                await socket.close(code=4000, message=b"enough")
            else:
                await socket.send_str(f"you said {message.data}")
        self.code = socket.close_code
        self.closed.set()
        return socket


@asynccontextmanager
async def realtime() -> AsyncIterator[Realtime]:
    origin = Realtime()
    app = web.Application()
    app.router.add_get("/{path:.*}", origin.handle)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    origin.port = runner.addresses[0][1]
    try:
        yield origin
    finally:
        await runner.cleanup()


@pytest.fixture
async def origin_ws() -> AsyncIterator[Realtime]:
    async with realtime() as running:
        yield running


@pytest.fixture
async def proxied(serving: Serving, origin_ws: Realtime) -> AsyncIterator[Served]:
    async with serving(upstream={"base_url": origin_ws.url}) as running:
        yield running


async def test_both_ways(proxied: Served, origin_ws: Realtime) -> None:
    """Text and bytes of any size, in order, with the caller's path, key and protocol."""
    headers = {"authorization": "Bearer k", "openai-beta": "realtime=v1", "x-cache-mode": "off"}
    url = f"{proxied.url}/realtime?model=gpt-realtime"
    async with proxied.http.ws_connect(
        url, headers=headers, protocols=("other", "realtime"), max_msg_size=0
    ) as socket:
        await socket.send_str("hello")
        await socket.send_bytes(b"\x00" * (5 << 20))
        said, echoed = await socket.receive_str(), await socket.receive_bytes()

        assert (said, len(echoed)) == ("you said hello", 5 << 20)
        assert socket.protocol == "realtime"
    await origin_ws.closed.wait()

    assert origin_ws.path == "/v1/realtime?model=gpt-realtime"
    assert origin_ws.headers["authorization"] == "Bearer k"
    assert origin_ws.headers["openai-beta"] == "realtime=v1"
    assert "x-cache-mode" not in origin_ws.headers
    assert origin_ws.code == 1000


@pytest.mark.parametrize(("packed", "size"), [(0, 110_000), (15, 5 << 20)])
async def test_a_message_has_a_bound(
    serving: Serving, origin_ws: Realtime, packed: int, size: int
) -> None:
    """One over `server.max_body_bytes` ends the socket, also one that only becomes it unpacked."""
    server, upstream = {"max_body_bytes": 100_000}, {"base_url": origin_ws.url}
    async with serving(server=server, upstream=upstream) as proxy:
        asking = proxy.http.ws_connect(f"{proxy.url}/realtime", compress=packed)
        async with asking as socket:
            await socket.send_bytes(b"\x00" * 90_000)
            echoed = await socket.receive_bytes()
            await socket.send_bytes(b"\x00" * size)
            await socket.receive()
            code = socket.close_code
        await origin_ws.closed.wait()

    assert len(echoed) == 90_000
    assert code == 1009


async def test_the_origin_closes(proxied: Served) -> None:
    """Its code and its reason reach the caller."""
    async with proxied.http.ws_connect(f"{proxied.url}/realtime", autoclose=False) as socket:
        await socket.send_str("bye")
        message = await socket.receive()

    assert (message.type, message.data, message.extra) == (WSMsgType.CLOSE, 4000, "enough")


async def test_the_caller_vanishes(proxied: Served, origin_ws: Realtime) -> None:
    """A connection that is cut is not held open at the origin."""
    socket = await proxied.http.ws_connect(f"{proxied.url}/realtime")
    await socket.send_str("hello")
    await socket.receive_str()
    transport = socket._response.connection.transport  # type: ignore[union-attr]
    assert transport is not None
    transport.abort()

    await asyncio.wait_for(origin_ws.closed.wait(), 10)
    await socket.close()


async def test_a_refused_socket(proxy: Served, origin: ScriptedOrigin) -> None:
    """An origin that does not open one: the caller is told in the origin's own words."""
    origin.always = Act(status=401, body=b"{}")
    with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
        await proxy.http.ws_connect(f"{proxy.url}/realtime")

    assert refused.value.status == 401


@pytest.mark.parametrize(("how", "code"), [("silently", 1000), ("vanish", 1011)])
async def test_the_origin_gives_no_code(proxied: Served, how: str, code: int) -> None:
    """The caller gets one that may be sent (RFC 6455, 7.4.1), and that tells loss from an end."""
    async with proxied.http.ws_connect(f"{proxied.url}/realtime", autoclose=False) as socket:
        await socket.send_str(how)
        message = await socket.receive()

    assert (message.type, message.data) == (WSMsgType.CLOSE, code)


async def test_a_socket_is_not_sent_elsewhere(
    serving: Serving, origin: ScriptedOrigin, origin_ws: Realtime
) -> None:
    """A redirect is the caller's to follow: his key is for the origin, not for where it points."""
    location = (("location", f"{origin_ws.url}/stolen"),)
    origin.always = Act(status=307, headers=location, body=b"{}")
    async with (
        serving() as proxy,
        proxy.http.get(
            f"{proxy.url}/realtime",
            headers={
                "connection": "upgrade",
                "upgrade": "websocket",
                "sec-websocket-version": "13",
                "sec-websocket-key": "AAAAAAAAAAAAAAAAAAAAAA==",
                "api-key": "k",
            },
            allow_redirects=False,
        ) as got,
    ):
        assert (got.status, got.headers["location"]) == (307, location[0][1])

    assert origin_ws.path == ""


async def test_a_socket_that_is_not_opened_in_time(
    serving: Serving, origin: ScriptedOrigin
) -> None:
    """The caller is told, and so is the log."""
    gate = Gate()
    origin.always = Act(before=gate)
    upstream = {"base_url": origin.url, "first_byte_timeout_s": 0.2}
    async with serving(upstream=upstream) as proxy:
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            await proxy.http.ws_connect(f"{proxy.url}/realtime")
        gate.open()
        (line,) = proxy.events("request")

    assert (refused.value.status, line["status"]) == (504, 504)
    assert line["reason"] == "upstream_timeout"
