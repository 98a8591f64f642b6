"""WebSockets, such as the Realtime API's: opened at the origin too, and relayed both ways."""

import asyncio

from aiohttp import ClientWebSocketResponse, WSCloseCode, WSMessage, WSMsgType, web

from proxy.core.routing import Destination
from proxy.errors import ApiError, UnreachableError
from proxy.exchange import Exchange
from proxy.upstream.client import end_to_end
from proxy.web import callers
from proxy.web.cors import KEY_IN_PROTOCOL
from proxy.web.keys import RUNTIME

Socket = ClientWebSocketResponse | web.WebSocketResponse

PROTOCOLS = "sec-websocket-protocol"
OF_THE_HANDSHAKE = frozenset(
    {"sec-websocket-key", "sec-websocket-version", "sec-websocket-extensions", PROTOCOLS}
)
"""Of one connection only (RFC 6455, 4.1); the protocols asked for are handed on apart."""

UNSAYABLE = frozenset({1005, 1006, 1015})
"""Codes that stand for no code, and may not be sent (RFC 6455, 7.4.1)."""


async def relay(
    request: web.Request, to: Destination, exchange: Exchange
) -> web.WebSocketResponse | None:
    """Open a socket to the origin, and pass on what comes until either side closes.

    None when the origin opens none: nothing has been promised to the caller yet, and asked by plain
    HTTP the origin says why.
    """
    runtime = request[RUNTIME]
    asked = request.headers.get(PROTOCOLS, "")
    protocols = [name.strip() for name in asked.split(",") if name.strip()]
    if runtime.keys:  # a browser's way to send a key: an origin gets its own
        protocols = [name for name in protocols if not name.startswith(KEY_IN_PROTOCOL)]
    origin = await _opened(request, to, protocols, exchange)
    if origin is None:
        return None
    caller = web.WebSocketResponse(
        protocols=(origin.protocol,) if origin.protocol else (),
        autoping=False,
        autoclose=False,
        max_msg_size=runtime.config.server.max_body_bytes,
    )
    try:
        await caller.prepare(request)
        exchange.learn(status=101, upstream_status=101)
        async with asyncio.TaskGroup() as group:
            group.create_task(_pass_on(origin, caller))
            group.create_task(_pass_on(caller, origin))
    finally:
        runtime.observer.notice(exchange.finished())
        await origin.close()
    return caller


async def _opened(
    request: web.Request, to: Destination, protocols: list[str], exchange: Exchange
) -> ClientWebSocketResponse | None:
    """The socket at the origin; None when it opens none."""
    runtime = request[RUNTIME]
    try:
        with exchange.timing("upstream"):
            sockets = runtime.origins.sockets(to.origin)
            return await sockets.talk(to.path, _headers(request), protocols)
    except UnreachableError:
        return None
    except ApiError as error:
        exchange.learn(status=error.status, reason=error.code or error.kind)
        runtime.observer.notice(exchange.finished())
        raise


def _headers(request: web.Request) -> list[tuple[str, str]]:
    pairs = end_to_end(callers.for_origin(request, request[RUNTIME].config))
    return [pair for pair in pairs if pair[0] not in OF_THE_HANDSHAKE]


async def _pass_on(source: Socket, sink: Socket) -> None:
    """Message by message, until the source closes; then the sink is closed with the same code."""
    while True:
        message: WSMessage = await source.receive()
        match message.type:
            case WSMsgType.TEXT:
                await sink.send_str(message.data)
            case WSMsgType.BINARY:
                await sink.send_bytes(message.data)
            case WSMsgType.PING:
                await sink.ping(message.data)
            case WSMsgType.PONG:
                await sink.pong(message.data)
            case _:
                extra = message.extra if isinstance(message.extra, str) else ""
                await sink.close(code=_code(message, source), message=extra.encode())
                return


def _code(message: WSMessage, source: Socket) -> int:
    """What to close with: the code that was told, unless it only says that none was."""
    if message.type is WSMsgType.CLOSE:
        return message.data if message.data and message.data not in UNSAYABLE else WSCloseCode.OK
    code = source.close_code
    return WSCloseCode.INTERNAL_ERROR if code is None or code in UNSAYABLE else code
