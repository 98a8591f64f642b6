"""Parts that keep something up for ever, for as long as a test wants."""

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager, suppress
from typing import Any, Protocol


class KeepsUp(Protocol):
    """A part of the program that runs beside requests."""

    def keep_up(self) -> Coroutine[Any, Any, None]:
        """For ever."""


@asynccontextmanager
async def kept_up(part: KeepsUp) -> AsyncIterator[None]:
    """As the program runs it."""
    task = asyncio.get_running_loop().create_task(part.keep_up())
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
