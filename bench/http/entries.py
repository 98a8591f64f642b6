"""How lookups and memory grow with what is kept: `python -m bench.http.entries TIER COUNT`.

Each tier alone, in a process of its own, filled with answers of about 900 bytes, each with a
vector; then asked for some of them.
"""

import asyncio
import json
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Final

import numpy as np

from bench import index
from bench.http import traffic
from bench.http.client import one_by_one
from bench.http.processes import memory_mib
from bench.http.reprise import EXACT, ROOT, reprise
from bench.http.rounds import Bench, Row, Target, turned
from proxy.core.model import Answer, Caller, Entry, Scope, Usage
from proxy.tiers.session import MemoryTier
from proxy.tiers.sqlite import SqliteTier

COUNTS: Final = (1_000, 10_000, 100_000, 1_000_000)
SESSION: Final = "session tier"
SQLITE: Final = "shared tier, SQLite"
VECTOR: Final = "vector tier, FAISS, one scope"
LANE: Final = "a repeat known by its bytes"
LARGEST: Final = {SQLITE: 100_000}
"""Of a tier that takes minutes to fill with more."""

ASKED: Final = 2_000
AT_ONCE: Final = 256
"""Entries stored at once."""

KNOWN: Final = 2_000
"""Repeats that are known at most; see `proxy.web.lane`."""

SCOPE: Final = Scope("acme", "", "chat", traffic.MODEL)


def name(count: int) -> str:
    """Of a scenario."""
    return f"lookup among {count:,} entries"


def measure(bench: Bench) -> list[Row]:
    """Every tier at every size, once; and what a known repeat takes."""
    rows = []
    for count in COUNTS:
        bench.say(name(count))
        tiers = (tier for tier in TIERS if count <= LARGEST.get(tier, count))
        rows += [Row(name(count), tier, turned([_apart(tier, count)])) for tier in tiers]
    return [*rows, known(bench)]


def _apart(tier: str, count: int) -> dict[str, float]:
    command = [sys.executable, "-m", "bench.http.entries", tier, str(count)]
    said = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return dict(json.loads(said))


def known(bench: Bench) -> Row:
    """What a process grows by when it learns repeats: requests of 550 bytes, replies of 900."""
    bench.say(LANE)
    with reprise(bench.api, bench.directory / "known", EXACT) as running:
        target = Target(LANE, running)
        bodies = [
            traffic.fresh().replace(traffic.HERE.encode(), b"%d" % number)
            for number in range(10**6, 10**6 + KNOWN)
        ]
        one_by_one(target.url, target.sent, bodies)
        before = memory_mib([running.pid])
        answers = one_by_one(target.url, target.sent, bodies)
        after = memory_mib([running.pid])
    trouble = "" if all(one.says("x-cache") for one in answers) else "no hits"
    return Row(name(KNOWN), LANE, {"entry_b": [(after - before) * 2**20 / KNOWN]}, trouble)


def _entries(count: int) -> Iterator[Entry]:
    """Each with bytes and numbers of its own."""
    rows = np.random.default_rng(0)
    now = time.time()
    body = traffic.ANSWER.encode()
    first = Entry(
        id="",
        scope=SCOPE.id,
        tenant=SCOPE.tenant,
        namespace=SCOPE.namespace,
        model=SCOPE.model,
        question="",
        answer=Answer(body, (), Usage(120, 100), ("stop",)),
        created_at=now,
        expires_at=now + 86_400,
        kept_until=now + 90_000,
        embedder="minilm",
    )
    for number in range(count):
        yield replace(
            first,
            id=_id(number),
            question=f"{traffic.LONG_QUESTION}{number}",
            answer=replace(first.answer, body=body.replace(b"chatcmpl-1", b"chatcmpl-%d" % number)),
            vector=rows.standard_normal(384, np.float32),
        )


def _id(number: int) -> str:
    return f"{number:032x}"


async def _asked(
    lookup: Callable[[str], Awaitable[object]], count: int, grown: float
) -> dict[str, float]:
    draws = random.Random(1)
    taken = []
    for _ in range(ASKED):
        key = _id(draws.randrange(count))
        began = time.perf_counter()
        found = await lookup(key)
        taken.append(1e6 * (time.perf_counter() - began))
        assert found is not None  # noqa: S101 - else nothing was measured
    p50, p99 = np.percentile(taken, [50, 99])
    return {"p50_us": float(p50), "p99_us": float(p99), "entry_b": grown / count}


async def session(count: int) -> dict[str, float]:
    """In memory; what the process has grown by."""
    tier = MemoryTier(clock=time.time, max_entries=count, max_bytes=1 << 40, ttl_s=1e9)
    caller = Caller(SCOPE.tenant)
    before = index.memory()
    for entry in _entries(count):
        tier.put(caller, entry)
    grown = index.memory() - before

    async def lookup(key: str) -> object:
        return tier.get(caller, key)

    return await _asked(lookup, count, grown)


async def sqlite(count: int) -> dict[str, float]:
    """In a file; its size."""
    with tempfile.TemporaryDirectory() as folder:
        tier = SqliteTier(Path(folder) / "a.db", clock=time.time, on_event=lambda *_, **__: None)
        await tier.start()
        waiting = []
        for entry in _entries(count):
            waiting.append(tier.put(entry))
            if len(waiting) == AT_ONCE:
                await asyncio.gather(*waiting)
                waiting.clear()
        await asyncio.gather(*waiting)
        size = _size(Path(folder))
        try:
            return await _asked(lambda key: tier.get(SCOPE.id, key), count, size)
        finally:
            await tier.close()


def _size(folder: Path) -> int:
    return sum(one.stat().st_size for one in folder.iterdir())


async def vector(count: int) -> dict[str, float]:
    """Searches for the nearest of all; what the process has grown by."""
    questions = index.Questions(index.made_up())
    with tempfile.TemporaryDirectory() as folder:
        tier = index.tier_at(Path(folder) / "index", questions.page(0, 1), count)
        await tier.start()
        before = index.memory()
        for changes in index.pages(questions, count):
            await tier.apply(changes)
        grown = index.memory() - before
        times = 1e6 * np.array(await index.search_times(tier, questions.asked(count)))
        await tier.close()
    p50, p99 = np.percentile(times, [50, 99])
    return {"p50_us": float(p50), "p99_us": float(p99), "entry_b": grown / count}


TIERS: Final = {SESSION: session, SQLITE: sqlite, VECTOR: vector}

if __name__ == "__main__":
    print(json.dumps(asyncio.run(TIERS[sys.argv[1]](int(sys.argv[2])))))
