"""A server that stops loses no request."""

import asyncio
import io
import select
import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import aiohttp
import uvloop

from proxy.config import Config
from proxy.listening import bound
from proxy.runtime import open_live
from proxy.web.server import listen
from tests.support.origin import Gate, ScriptedOrigin
from tests.support.program import chat, reloader_of, settings


@asynccontextmanager
async def server(
    origin: ScriptedOrigin, directory: Path
) -> AsyncIterator[tuple[str, AsyncExitStack]]:
    """Its address, and what stops it when it is closed."""
    config = Config.model_validate(settings(origin.url, directory))
    async with open_live(config, io.StringIO()) as live, AsyncExitStack() as stack:
        listening = listen(reloader_of(live), bound("127.0.0.1", 0))
        url = await stack.enter_async_context(listening)
        yield url.removesuffix("/v1"), stack


async def test_who_was_not_accepted_yet_is_answered(origin: ScriptedOrigin, tmp_path: Path) -> None:
    """A connection that only the kernel has taken is no less one that was taken."""
    async with server(origin, tmp_path) as (root, stack):
        host, port = root.removeprefix("http://").split(":")
        callers = [socket.create_connection((host, int(port)), timeout=5) for _ in range(20)]
        for caller in callers:  # the loop does not run here, so that nobody is accepted
            caller.sendall(b"GET /healthz HTTP/1.1\r\nhost: here\r\n\r\n")
        await stack.aclose()
        said = [caller.recv(65536).lower() for caller in callers]
        for caller in callers:
            caller.close()

    assert [one.startswith(b"http/1.1 200 ") for one in said] == [True] * 20
    assert all(b"\r\nconnection: close\r\n" in one for one in said)


def test_who_comes_at_once_is_accepted_at_once(origin: ScriptedOrigin, tmp_path: Path) -> None:
    """Under load a turn of the loop is long: callers must not wait a turn for each one before."""

    async def turns_of(count: int) -> int:
        async with server(origin, tmp_path) as (root, _):
            host, port = root.removeprefix("http://").split(":")
            callers = [socket.create_connection((host, int(port)), timeout=5) for _ in range(count)]
            for caller in callers:
                caller.sendall(b"GET /healthz HTTP/1.1\r\nhost: here\r\n\r\n")
            turns = 0
            while len(select.select(callers, (), (), 0)[0]) < count:
                await asyncio.sleep(0)
                turns += 1
            for caller in callers:
                caller.close()
            return turns

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:  # as the program runs
        assert runner.run(turns_of(60)) < 30


async def test_who_keeps_a_connection_is_told_not_to_use_it_again(
    origin: ScriptedOrigin, tmp_path: Path
) -> None:
    """Answers of a server that stops say so (RFC 9112, 9.6); before, they do not."""
    gate = Gate()
    origin.then()
    origin.then(before=gate)
    async with server(origin, tmp_path) as (root, stack), aiohttp.ClientSession() as http:

        async def ask(text: str) -> tuple[int, str | None]:
            async with http.post(f"{root}/v1/chat/completions", json=chat(text)) as got:
                await got.read()
                return got.status, got.headers.get("connection")

        before = await ask("Who is first?")
        async with asyncio.TaskGroup() as group:
            asking = group.create_task(ask("Who is last?"))
            await gate.reached()
            stopping = group.create_task(stack.aclose())
            await asyncio.sleep(0)
            gate.open()
        after = asking.result()

    assert stopping.done()
    assert before == (200, None)
    assert after == (200, "close")
