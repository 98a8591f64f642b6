"""What a hop to a thread and back costs the event loop: `python -m bench.threads`.

Both ways are asked in turn, with the loop asleep before each call, as it is between requests.
"""

import asyncio
import statistics
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import uvloop

from proxy.threads import Threads

CALLS = 400
"""Of each way, for each pause."""

PAUSES_S = (0.0, 0.001, 0.003)
"""Seconds that the loop sleeps before a call."""

Hop = Callable[[], "asyncio.Future[None]"]


def _nothing() -> None:
    pass


async def _measured(ways: dict[str, Hop], pause_s: float) -> None:
    given: dict[str, list[float]] = {name: [] for name in ways}
    whole: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(CALLS):
        for name, hop in ways.items():
            await asyncio.sleep(pause_s)
            began = time.perf_counter()
            future = hop()
            given[name].append(1e6 * (time.perf_counter() - began))
            await future
            whole[name].append(1e6 * (time.perf_counter() - began))
    for name in ways:
        handed, back = statistics.median(given[name]), statistics.median(whole[name])
        print(
            f"asleep for {1000 * pause_s:g} ms, {name}: handed over in {handed:.0f} us, "
            f"answered in {back:.0f} us"
        )


async def _main() -> None:
    loop = asyncio.get_running_loop()
    threads = Threads("hop")
    with ThreadPoolExecutor(1) as pool:
        ways: dict[str, Hop] = {
            "executor": lambda: loop.run_in_executor(pool, _nothing),
            "threads": lambda: threads.run(_nothing),
        }
        for pause_s in PAUSES_S:
            await _measured(ways, pause_s)
    await threads.close()


if __name__ == "__main__":
    uvloop.run(_main())
