"""Bodies of requests, as they come: from senders who may be slow, but not for ever."""

import asyncio
from collections.abc import AsyncIterator
from time import monotonic
from typing import Final

from aiohttp import web

from proxy.errors import TooSlowError
from proxy.web.keys import RUNTIME

LEAST_BYTES_PER_S: Final = 1024
"""How fast a body must come once its first seconds are over, on average."""


class Coming(AsyncIterator[bytes]):
    """A body, piece by piece.

    Time counts only while the sender is waited for. `is_late` says that he took too long.

    Args:
        request: Whose body it is.
    """

    def __init__(self, request: web.Request) -> None:
        self._content = request.content
        self._left_s = request[RUNTIME].config.server.connections.body_timeout_s
        self.is_late = False

    async def __anext__(self) -> bytes:
        """The next piece. Raises HTTPRequestTimeout."""
        began = monotonic()
        try:
            async with asyncio.timeout(self._left_s):
                piece = await self._content.readany()
        except TimeoutError as error:
            self.is_late = True
            raise web.HTTPRequestTimeout from error
        if not piece:
            raise StopAsyncIteration
        self._left_s += len(piece) / LEAST_BYTES_PER_S - (monotonic() - began)
        return piece


def too_slow() -> TooSlowError:
    """What the sender of such a body is told."""
    return TooSlowError("The body took too long to come.", code="body_too_slow")


async def read(request: web.Request) -> bytes:
    """A body, whole.

    Raises:
        HTTPRequestTimeout: It took too long to come.
        HTTPRequestEntityTooLarge: It is over `server.max_body_bytes`.
    """
    if request.content.is_eof():  # as nearly all are by now
        return await request.read()
    whole, most = bytearray(), request.client_max_size
    async for piece in Coming(request):
        whole += piece
        if len(whole) > most:
            raise web.HTTPRequestEntityTooLarge(max_size=most, actual_size=len(whole))
    return bytes(whole)
