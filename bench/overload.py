"""More new questions at once than the embedder can take: `python -m bench.overload [CALLERS...]`.

So many callers ask one question of 190 words after the other, each of them new; the origin answers
at once. Said is how many were embedded, in time or too late, and how late the event loop is: what
`/healthz` takes, asked every 10 ms meanwhile.
"""

import asyncio
import json
import random
import re
import statistics
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp

from bench.http.reprise import reprise
from tests.support.origin import scripted_origin

SECONDS = 5
CALLERS = (2, 8, 16, 32, 64)
WORDS = (
    "water",
    "energy",
    "market",
    "price",
    "people",
    "house",
    "green",
    "city",
    "river",
    "budget",
)
LENGTH = 190
"""Words: about 200 tokens, of the 256 that the shipped model reads."""


@dataclass
class Seen:
    """Milliseconds of each request, and of each probe."""

    requests: list[float] = field(default_factory=list)
    probes: list[float] = field(default_factory=list)


def _question(rng: random.Random) -> str:
    return f"How do I {' '.join(rng.choice(WORDS) for _ in range(LENGTH))}?"


async def _asked(url: str, callers: int) -> tuple[Seen, str]:
    seen, rng = Seen(), random.Random(5)
    ends = time.monotonic() + SECONDS
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(url, connector=connector) as session:

        async def call() -> None:
            while time.monotonic() < ends:
                message = {"role": "user", "content": _question(rng)}
                began = time.perf_counter()
                async with session.post(
                    "/v1/chat/completions",
                    json={"model": "m", "temperature": 0, "messages": [message]},
                    headers={"authorization": "Bearer k"},
                ) as got:
                    await got.read()
                seen.requests.append(1000 * (time.perf_counter() - began))

        async def probe() -> None:
            while time.monotonic() < ends:
                began = time.perf_counter()
                async with session.get("/healthz") as got:
                    await got.read()
                seen.probes.append(1000 * (time.perf_counter() - began))
                await asyncio.sleep(0.01)

        await asyncio.gather(probe(), *(call() for _ in range(callers)))
        async with session.get("/metrics") as got:
            return seen, await got.text()


def _count(metrics: str, series: str) -> int:
    """The sum of all series that begin so."""
    found = re.findall(rf"^{re.escape(series)}\S* ([\d.e+]+)$", metrics, re.MULTILINE)
    return int(sum(map(float, found)))


def _quantile(numbers: list[float], percent: int) -> float:
    return statistics.quantiles(numbers, n=100)[percent - 1]


def main() -> None:
    """Each number of callers on a proxy of its own."""
    for callers in map(int, sys.argv[1:] or CALLERS):
        with (
            tempfile.TemporaryDirectory() as folder,
            scripted_origin() as origin,
            reprise(origin.url, Path(folder) / "proxy") as proxy,
        ):
            seen, metrics = asyncio.run(_asked(proxy.url, callers))
        late = _count(metrics, 'reprise_stage_failures_total{kind="late",stage="embedder"')
        told = {
            "callers": callers,
            "requests/s": round(len(seen.requests) / SECONDS),
            "embedded/s": round(
                _count(metrics, 'reprise_stage_duration_seconds_count{stage="vector"') / SECONDS
            ),
            "embedded too late": late,
            "p50_ms": round(_quantile(seen.requests, 50), 1),
            "p99_ms": round(_quantile(seen.requests, 99), 1),
            "healthz_p99_ms": round(_quantile(seen.probes, 99), 1),
        }
        print(json.dumps(told), flush=True)


if __name__ == "__main__":
    main()
