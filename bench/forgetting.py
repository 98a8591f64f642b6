"""What it costs to forget a namespace: by its generation, and by looking at every entry.

    python bench/forgetting.py [entries]

Of a shared tier with two namespaces, one of them large: a purge of that one, first of one tenant
and then of all; the sweep that follows it; and, as it would be without generations, a purge that
reads every description (here by model). Also what a read takes before any purge and after one.
"""

import asyncio
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

from proxy.core.changes import ALL_TENANTS, Selector
from proxy.core.model import Answer, Entry, Scope, Usage
from proxy.tiers.redis import RedisTier
from proxy.tiers.redislink import RedisLink
from proxy.tiers.sqlite import SqliteTier
from tests.support.servers import RedisServer
from tests.tiers.builders import Events

ENTRIES = 100_000
AT_ONCE = 500
READS = 2000
LARGE, SMALL = Scope("acme", "large", "chat", "gpt"), Scope("acme", "small", "chat", "gpt")

Tier = SqliteTier | RedisTier


def made(where: Scope, number: int) -> Entry:
    now = time.time()
    return Entry(
        id=where.key(f"question {number}"),
        scope=where.id,
        tenant=where.tenant,
        namespace=where.namespace,
        model=where.model,
        question=f"question {number}",
        answer=Answer(b'{"choices": []}' + b" " * 900, usage=Usage(1, 2)),
        created_at=now,
        expires_at=now + 86400,
        kept_until=now + 86400,
    )


async def fill(tier: Tier, entries: int) -> None:
    await asyncio.gather(*(tier.put(made(SMALL, number)) for number in range(100)))
    for first in range(0, entries, AT_ONCE):
        numbers = range(first, min(entries, first + AT_ONCE))
        await asyncio.gather(*(tier.put(made(LARGE, number)) for number in numbers))


async def timed(work: Callable[[], Awaitable[Any]]) -> float:
    began = time.perf_counter()
    await work()
    return (time.perf_counter() - began) * 1000


async def reads(tier: Tier) -> float:
    """The median of reading an entry that stays, ms."""
    keys = [SMALL.key(f"question {number}") for number in range(100)]
    took = []
    for number in range(READS):
        key = keys[number % len(keys)]
        took.append(await timed(partial(tier.get, SMALL.id, key)))
    return median(took)


async def measure(name: str, tier: Tier, entries: int) -> None:
    await tier.start()
    everything = Selector(ALL_TENANTS, everything=True)
    for count in (entries // 100, entries):
        await tier.purge(everything)
        await fill(tier, count)
        before = await reads(tier)
        scan = await timed(lambda: tier.purge(Selector(ALL_TENANTS, model="none")))
        slow = await timed(lambda: tier.purge(Selector(ALL_TENANTS, model="gpt")))
        await fill(tier, count)
        one = await timed(lambda: tier.forget("large", "acme"))
        every = await timed(lambda: tier.forget("large", ALL_TENANTS))
        after = await reads(tier)
        sweep = await timed(lambda: tier.expire(time.time()))
        swept = await reads(tier)
        print(
            f"{name} {count} entries: by generation {one:.1f} ms (a tenant), {every:.1f} ms (all); "
            f"by description {slow:.0f} ms (of which looking {scan:.0f} ms), "
            f"{slow / every:.0f} times as long; swept in {sweep:.0f} ms; "
            f"a read took {before:.3f} ms, {after:.3f} ms after the purge, {swept:.3f} ms swept"
        )
    await tier.close()


async def main(entries: int) -> None:
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory)
        events = Events()
        await measure(
            "SQLite", SqliteTier(path / "cache.db", clock=time.time, on_event=events), entries
        )
        server = RedisServer(path)
        server.start()
        try:
            link = RedisLink(server.url, timeout_s=60)
            tier = RedisTier(link, prefix="bench", clock=time.time, on_event=events)
            await measure("Redis", tier, entries)
        finally:
            server.kill()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]) if len(sys.argv) > 1 else ENTRIES))
