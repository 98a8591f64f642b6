"""Long transfers from and to a running proxy's admin API, piece by piece."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

from proxy.cli.operating import Json, Proxy, exit_on_refusal, read_object

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aiohttp import ClientResponse

CONNECT_S: Final = 20.0
SILENCE_S: Final = 300.0
"""How long the proxy may say nothing: a tier may take its time over a few lines."""

NDJSON: Final = "application/x-ndjson"


async def download(
    proxy: Proxy, path: str, query: "Mapping[str, str]", take: Callable[[bytes], None]
) -> None:
    """Give each piece of an answer away as it comes; ends the command where there is none."""
    async with _asked(proxy, "GET", path, query, None) as got:
        if got.status != HTTPStatus.OK or got.content_type != NDJSON:
            await _refused(proxy, got)
        async for piece in got.content.iter_any():
            take(piece)


async def upload(proxy: Proxy, path: str, pieces: AsyncIterator[bytes]) -> Json:
    """Send a body as it comes; returns the answer. Ends the command where that is an error."""
    async with _asked(proxy, "POST", path, {}, pieces) as got:
        if got.status != HTTPStatus.OK:
            await _refused(proxy, got)
        said: Json = await got.json()
        return said


@asynccontextmanager
async def _asked(
    proxy: Proxy,
    method: str,
    path: str,
    query: "Mapping[str, str]",
    body: AsyncIterator[bytes] | None,
) -> "AsyncIterator[ClientResponse]":
    import aiohttp  # noqa: PLC0415 - slow to import

    headers = {} if body is None else {"content-type": NDJSON}
    limits = aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_S, sock_read=SILENCE_S)
    asked = {"params": query, "data": body, "headers": headers}
    with exit_on_refusal():
        async with proxy.opened(method, path, timeout=limits, **asked) as got:
            yield got


async def _refused(proxy: Proxy, got: "ClientResponse") -> None:
    proxy.refused(got.status, read_object(await got.read()))
