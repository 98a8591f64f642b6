"""The server's life around the application: it listens, and ends without losing a request.

A request is lost when its connection is closed before it is answered. Two kinds are at risk when a
server stops: connections that the kernel has taken and the program has not accepted yet, and those
kept alive, on which the next request may just be coming. The first are accepted to the last. On
the second, each answer from now on says that it is the last one (RFC 9112, 9.6), and only what has
been silent for a while is closed.
"""

import asyncio
import socket
import ssl
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Final

from aiohttp import web

from proxy import listening
from proxy.errors import ConfigError
from proxy.reloading import Reloader
from proxy.web import peers
from proxy.web.app import make_runner
from proxy.web.certificate import Certificate
from proxy.web.keys import STOPPING

SILENCE_S = 0.25
"""How long connections that are kept alive get to hear that they shall not be used again."""


HANDSHAKE_S = 2.0
"""How long the last callers of a server that stops may take to agree on how to speak."""

DOORS: Final = 16
"""Times that each socket is listened on: uvloop accepts one connection a turn and listener. Of 128
that came at once to a busy process, the last was answered after 1.3 s with one, 0.13 s with 16."""


@asynccontextmanager
async def listen(reloader: Reloader, sockets: Sequence[socket.socket]) -> AsyncIterator[str]:
    """Serve on these bound sockets inside the block, and drain at its end.

    Yields:
        The API's base URL, at the first of the sockets.

    Raises:
        ConfigError: The files of `server.tls` cannot be used.
    """
    runner = make_runner(reloader)
    try:
        context = await _secured(reloader)
    except ConfigError:
        listening.close([*sockets])
        raise
    async with peers.meeting(reloader, runner.app):
        await runner.setup()
        held = [one.dup() for one in sockets]
        try:
            for one in (*sockets, *_doors(sockets)):
                site = web.SockSite(runner, one, backlog=listening.BACKLOG, ssl_context=context)
                await site.start()
            yield listening.url(*sockets[0].getsockname()[:2], is_secure=context is not None)
            drain_s = reloader.live.current.config.server.drain_s
            await _drain(runner, held, min(SILENCE_S, drain_s), context)
        finally:
            listening.close(held)
            await runner.cleanup()


def _doors(sockets: Sequence[socket.socket]) -> list[socket.socket]:
    """The same sockets once more, and again. Windows has no uvloop, and needs none."""
    if sys.platform == "win32":
        return []
    return [one.dup() for one in sockets for _ in range(DOORS - 1)]


async def _secured(reloader: Reloader) -> ssl.SSLContext | None:
    """TLS as it is configured, whose certificate is followed; None for plain HTTP.

    Raises:
        ConfigError: Its files cannot be used.
    """
    runtime = reloader.live.current
    if runtime.config.server.tls.certificate is None:
        return None
    certificate = await asyncio.to_thread(Certificate, runtime.config.server.tls)
    runtime.tasks.run("follow certificate", certificate.follow(runtime.observer))
    return certificate.context


async def _drain(
    runner: web.AppRunner,
    held: list[socket.socket],
    silence_s: float,
    context: ssl.SSLContext | None,
) -> None:
    server = runner.server
    if server is None:
        return
    runner.app[STOPPING].set()
    for site in runner.sites:
        await site.stop()
    # Their duplicates still listen: who is in their queue would be turned away by closing them.
    await asyncio.sleep(0)
    for one in held:
        await _accept_all(server, one, context)
    if server.connections:
        await asyncio.sleep(silence_s)


async def _accept_all(
    server: web.Server, held: socket.socket, context: ssl.SSLContext | None
) -> None:
    loop, waiting = asyncio.get_running_loop(), []
    held.settimeout(0)
    with suppress(BlockingIOError):
        while True:
            waiting.append(held.accept()[0])
    held.close()
    within_s = None if context is None else HANDSHAKE_S

    async def take(connection: socket.socket) -> None:
        connection.settimeout(0)
        with suppress(OSError):  # the caller has left already, or says nothing
            await loop.connect_accepted_socket(
                server, connection, ssl=context, ssl_handshake_timeout=within_s
            )

    await asyncio.gather(*map(take, waiting))
