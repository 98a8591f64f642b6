"""What lookups pay while vectors are made anew: `python bench/reembedding.py [--entries 5000]`.

An SQLite file is filled with entries of another embedder. A cache with the shipped embedder is
opened over it, with `cache.vector.reembed_per_s` at 0 (nothing happens in the background), at its
default, and at more than a core can do; in each, reworded questions that nothing answers are looked
up, one after the other, and the entries done meanwhile are counted. The first setting is measured
again at the end: where the two differ, the machine did other things, and no smaller difference
says anything.
"""

import argparse
import asyncio
import io
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from proxy.config import Config
from proxy.core.model import Answer, Entry, Scope
from proxy.library import open_cache
from proxy.tiers.sqlite import SqliteTier

RATES = (0, 20, 1000, 0)
LOOKUPS = 200
WARM = 20
PAUSE_S = 0.02
AT_ONCE = 500
DAY_S = 86_400
DIMENSION = 384


def entry(number: int) -> Entry:
    """One that another embedder has made a vector for."""
    scope, now = Scope("t", "", "chat", "m"), time.time()
    vector = np.random.default_rng(number).standard_normal(DIMENSION).astype(np.float32)
    question = f"How do I configure the retry policy of service {number} in region {number % 17}?"
    return Entry(
        id=scope.key(question),
        scope=scope.id,
        tenant="t",
        namespace="",
        model="m",
        question=question,
        answer=Answer(b'{"answer": 1}' * 200),
        created_at=now,
        expires_at=now + DAY_S,
        kept_until=now + DAY_S,
        vector=vector / np.linalg.norm(vector),
        embedder="another/384",
    )


async def fill(file: Path, entries: int) -> None:
    """Store them."""
    tier = SqliteTier(file, clock=time.time, on_event=lambda *_, **__: None)
    await tier.start()
    for first in range(0, entries, AT_ONCE):
        numbers = range(first, min(entries, first + AT_ONCE))
        await asyncio.gather(*(tier.put(entry(number)) for number in numbers))
    await tier.close()


def settings(folder: Path, rate: float) -> Config:
    """A cache over that file."""
    cache: dict[str, Any] = {
        "deadline_ms": 1000,
        "shared": {"url": f"sqlite:///{folder}/entries.db"},
        "vector": {"snapshot": f"{folder}/index.snapshot", "reembed_per_s": rate},
        "judgement": {"labels": f"{folder}/labels.db"},
    }
    telemetry = {"count_tokens": False, "log_format": "json"}
    return Config.model_validate({"cache": cache, "telemetry": telemetry})


async def measure(rate: float, entries: int) -> str:
    """One setting, on a file of its own."""
    with tempfile.TemporaryDirectory() as folder:
        await fill(Path(folder) / "entries.db", entries)
        async with open_cache(settings(Path(folder), rate), io.StringIO()) as cache:
            times: list[float] = []
            for number in range(WARM + LOOKUPS):
                text = f"What is a good name for a cat of {number} years and {7 * number} days?"
                body = {"model": "m", "messages": [{"role": "user", "content": text}]}
                began = time.perf_counter()
                await cache.lookup(body)
                times.append(1000 * (time.perf_counter() - began))
                await asyncio.sleep(PAUSE_S)
            told = cache.runtime.metrics.render()[0].decode().splitlines()
    done = next(line for line in told if line.startswith("reprise_reembedding_done_total "))
    p50, p95 = np.percentile(times[WARM:], (50, 95))
    return (
        f"{rate:>6} a second: lookup p50 {p50:6.2f} ms, p95 {p95:6.2f} ms; done {done.split()[-1]}"
    )


async def main() -> None:
    """Every setting."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--entries", type=int, default=5000)
    entries = parser.parse_args().entries
    for rate in RATES:
        print(await measure(rate, entries), flush=True)


asyncio.run(main())
