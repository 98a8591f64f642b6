"""What keys and limits cost: a key found, a request counted, and a repeat answered.

Run: `python -m bench.access`. Each figure is the best of several rounds, in microseconds.
"""

import asyncio
import tempfile
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from time import perf_counter
from typing import Any

from proxy.core.access import Key, Keys
from proxy.core.quotas import Quotas, Terms
from tests.support.access import guarded, key
from tests.support.lines import known, line_to
from tests.support.origin import scripted_origin
from tests.support.program import KEY, chat, served, settings

ROUNDS, TIMES = 20, 2000
TERMS = Terms(1_000_000, 1_000_000)
LIMITS = {"requests_per_minute": 1_000_000, "burst": 1_000_000, "concurrent_requests": 100}
WAYS: dict[str, dict[str, Any]] = {
    "nothing configured": {},
    "a key": guarded(key("ada", KEY)),
    "a key and limits": {**guarded(key("ada", KEY)), "limits": LIMITS},
}


def best_us(work: Callable[[], object]) -> float:
    """The least that it takes, of several rounds."""
    best = float("inf")
    for _ in range(ROUNDS):
        began = perf_counter()
        for _ in range(TIMES):
            work()
        best = min(best, perf_counter() - began)
    return best / TIMES * 1e6


def parts() -> None:
    """A key, and a quota."""
    for count in (1, 10_000):
        names = [f"rp-{number}" for number in range(count)]
        keys = Keys(Key(n, sha256(n.encode()).hexdigest(), n, TERMS) for n in names)
        headers = {"authorization": f"Bearer {names[-1]}"}
        took = best_us(lambda keys=keys, headers=headers: keys.holder(headers))
        print(f"{f'finding a key of {count:,}':<40} {took:6.2f}")
    quotas = Quotas()
    for number in range(100_000):
        quotas.take(str(number), TERMS, 0.0)
    took = best_us(lambda: quotas.take("5", TERMS, 1.0))
    print(f"{'counting a request, of 100,000 tenants':<40} {took:6.2f}")


async def repeat(url: str, way: dict[str, Any], directory: Path) -> float:
    """A repeat, answered by its bytes from the session tier, but for the socket."""
    config = settings(url, directory, telemetry={"log_level": "error"}, **way)
    async with served(config, may_block=True) as proxy, line_to(proxy) as line:
        asked = await known(line, chat())
        return best_us(lambda: proxy.lane.reply(asked))


def main() -> None:
    """All of it."""
    parts()
    with scripted_origin() as origin:
        for name, way in WAYS.items():
            with tempfile.TemporaryDirectory() as directory:
                took = asyncio.run(repeat(origin.url, way, Path(directory)))
            print(f"{f'a repeat, {name}':<40} {took:6.2f}")


if __name__ == "__main__":
    main()
