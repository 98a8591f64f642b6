"""Wait for something to become true, for tests that watch threads, sockets and processes."""

import asyncio
import time
from collections.abc import Awaitable, Callable

PATIENCE_S = 20.0
"""Far more than anything takes: only a test that fails waits so long."""

STEP_S = 0.005


async def until(
    holds: Callable[[], bool], what: str = "it", *, patience_s: float = PATIENCE_S
) -> None:
    """Wait until it holds, letting the loop run. An event would belong to one loop only."""
    ends = time.monotonic() + patience_s
    while not holds():
        if time.monotonic() > ends:
            raise AssertionError(f"{what} did not come about")
        await asyncio.sleep(STEP_S)


async def until_async(
    holds: Callable[[], Awaitable[bool]], what: str = "it", *, patience_s: float = PATIENCE_S
) -> None:
    """The same, for a question that must be awaited."""
    ends = time.monotonic() + patience_s
    while not await holds():
        if time.monotonic() > ends:
            raise AssertionError(f"{what} did not come about")
        await asyncio.sleep(STEP_S)


def until_sync(holds: Callable[[], bool], what: str = "it") -> None:
    """The same, where there is no loop."""
    ends = time.monotonic() + PATIENCE_S
    while not holds():
        if time.monotonic() > ends:
            raise AssertionError(f"{what} did not come about")
        time.sleep(STEP_S)
