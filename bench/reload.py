"""How soon another threshold is in force, and what callers notice: nothing.

    python -m bench.reload [changes]

A real proxy with all tiers is asked a hundred times a second, every third time for a stream that
lasts longer than a reload. Meanwhile its file is changed to and fro, and each time is taken from
before the change, or before the signal, to the first answer that goes by it.
"""

import argparse
import asyncio
import signal
import tempfile
import time
from pathlib import Path

from tests.support.load import QUESTION, REWORDED, Caller, calling, loaded
from tests.support.origin import Act, scripted_origin
from tests.support.waiting import until_async


async def in_force(caller: Caller, *, hits: bool, by_signal: bool) -> float:
    """Milliseconds until a reworded question is answered, or no longer, from the cache."""
    probability = 0.5 if hits else 1.0
    began = time.perf_counter()
    caller.write(cache={"judgement": {"min_probability": probability}})
    if by_signal:
        caller.running.child.send_signal(signal.SIGHUP)

    async def holds() -> bool:
        return await caller.hits(REWORDED) is hits

    await until_async(holds, "the new threshold")
    return 1000 * (time.perf_counter() - began)


async def measure(changes: int, *, by_signal: bool) -> None:
    with scripted_origin() as origin, tempfile.TemporaryDirectory() as directory:
        origin.always = Act(pause_s=0.05)
        server = {"watch_config": not by_signal}
        over = {"server": server, "embedder": {"kind": "local"}}
        async with calling(origin, Path(directory), **over) as caller:
            await caller.ask(QUESTION)
            await until_async(lambda: caller.hits(REWORDED), "the first hit")
            async with loaded(caller.running) as load:
                took = [
                    await in_force(caller, hits=bool(number % 2), by_signal=by_signal)
                    for number in range(changes)
                ]
    took.sort()
    print(
        f"{'signal' if by_signal else 'file':6}: {changes} changes, in force after "
        f"{took[len(took) // 2]:.0f} ms (median), {took[-1]:.0f} ms (longest); "
        f"{load.answered} requests answered, {len(load.faults)} not"
    )


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("changes", nargs="?", type=int, default=20)
    changes = options.parse_args().changes
    for by_signal in (True, False):
        asyncio.run(measure(changes, by_signal=by_signal))


if __name__ == "__main__":
    main()
