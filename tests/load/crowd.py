"""Thousands of connections that are idle, and a thousand streams beside them."""

import asyncio
import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from tests.faults.traffic import Ask, Traffic
from tests.load.callers import Tally
from tests.load.origin import SLOWLY
from tests.load.shapes import TENANTS

ALIVE: Final = b"GET /healthz HTTP/1.1\r\nhost: idle\r\n\r\n"
AT_ONCE: Final = 100
"""Connections that are opened at once, by somebody who does not mean to attack."""

_NUMBERS = itertools.count()


class Idle:
    """Connections on which one request has been answered, and perhaps another will be."""

    def __init__(self) -> None:
        self._open: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []
        self.faults: list[str] = []

    async def open(self, port: int, count: int) -> None:
        """So many, each with its first request."""
        for start in range(0, count, AT_ONCE):
            more = min(AT_ONCE, count - start)
            self._open += await asyncio.gather(
                *(asyncio.open_connection("127.0.0.1", port) for _ in range(more))
            )
            await asyncio.gather(*(self._ask(*one) for one in self._open[-more:]))

    async def ask_all(self) -> int:
        """Each asks once more; how many there are."""
        for start in range(0, len(self._open), AT_ONCE):
            await asyncio.gather(*(self._ask(*one) for one in self._open[start : start + AT_ONCE]))
        return len(self._open)

    def close(self) -> None:
        for _, writer in self._open:
            writer.close()

    async def _ask(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            writer.write(ALIVE)
            async with asyncio.timeout(60):
                head = await reader.readuntil(b"}")
        except (OSError, EOFError) as error:
            self.faults.append(repr(error))
        else:
            if b" 200 " not in head.partition(b"\r\n")[0]:
                self.faults.append(repr(head[:100]))


@asynccontextmanager
async def idle(port: int, count: int) -> AsyncIterator[Idle]:
    """So many idle connections inside the block."""
    connections = Idle()
    try:
        await connections.open(port, count)
        yield connections
    finally:
        connections.close()


async def streams(traffic: Traffic, count: int, tally: Tally) -> None:
    """So many streams that all begin at once, and take some ten seconds."""

    async def one(number: int) -> None:
        question = f"{SLOWLY}how do I clean one of {count}, number {number}?"
        tally.take(await traffic.ask(Ask(TENANTS[number % 3], question, stream=True)))

    async with asyncio.TaskGroup() as group:
        for _ in range(count):
            group.create_task(one(next(_NUMBERS)))
