"""What a tier costs a request. Sizes are those of an answer of 900 bytes, or 100 stream frames."""

import asyncio
import time
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from proxy.core.changes import Added, Changes
from proxy.core.model import Answer, Caller, Entry, Scope, Usage, Vector
from proxy.tiers.codec import decode, encode
from proxy.tiers.faiss import FaissTier
from proxy.tiers.redis import RedisTier
from proxy.tiers.redislink import RedisLink
from proxy.tiers.session import MemoryTier
from proxy.tiers.sqlite import SqliteTier
from tests.support.servers import ClusterServers, RedisServer

DIMENSION = 384
CALLER = Caller("acme")
SCOPE = Scope("acme", "", "chat", "gpt")
Run = Callable[[Coroutine[Any, Any, Any]], Any]


def _vectors(count: int) -> Vector:
    rows = np.random.default_rng(0).standard_normal((count, DIMENSION), np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    return rows


def _entry(question: str, frames: int = 0) -> Entry:
    words = np.random.default_rng(len(question)).integers(0, 10**6, frames)
    chunk = b'{"id":"chatcmpl-B9MBs8Cj","object":"chat.completion.chunk","created":1741570283,'
    chunk += b'"model":"gpt-4o-mini","system_fingerprint":"fp_50cad350e4","choices":[{"index":0,'
    chunk += b'"delta":{"content":" %d"},"logprobs":null,"finish_reason":null}]}'
    return Entry(
        id=SCOPE.key(question),
        scope=SCOPE.id,
        tenant="acme",
        namespace="",
        model="gpt",
        question=question,
        answer=Answer(b"x" * 900, tuple(chunk % word for word in words), Usage(9, 99), ("stop",)),
        created_at=time.time(),
        expires_at=time.time() + 3600,
        kept_until=time.time() + 7200,
        vector=_vectors(1)[0],
        embedder="e",
    )


def _ignore(name: str, **fields: object) -> None:
    """No event matters here."""


@pytest.fixture
def run() -> Iterator[Run]:
    loop = asyncio.new_event_loop()
    yield loop.run_until_complete
    loop.close()


def test_session_get(benchmark: BenchmarkFixture) -> None:
    tier = MemoryTier(clock=time.time, max_entries=10_000, max_bytes=10**9, ttl_s=600)
    entries = [_entry(f"question {n}") for n in range(10_000)]
    for entry in entries:
        tier.put(CALLER, entry)
    benchmark(tier.get, CALLER, entries[500].id)


def test_session_put_when_full(benchmark: BenchmarkFixture) -> None:
    tier = MemoryTier(clock=time.time, max_entries=100, max_bytes=10**9, ttl_s=600)
    entries = [_entry(f"question {n}") for n in range(1000)]
    at = iter(range(10**9))
    benchmark(lambda: tier.put(CALLER, entries[next(at) % 1000]))


@pytest.mark.parametrize("frames", [0, 100])
def test_codec_encode(benchmark: BenchmarkFixture, frames: int) -> None:
    entry = _entry("what is the capital of France, and since when?", frames)
    benchmark.extra_info["bytes"] = len(benchmark(encode, entry))
    benchmark.extra_info["payload"] = entry.answer.size


@pytest.mark.parametrize("frames", [0, 100])
def test_codec_decode(benchmark: BenchmarkFixture, frames: int) -> None:
    entry = _entry("what is the capital of France, and since when?", frames)
    benchmark(decode, encode(entry))


@pytest.fixture(params=["sqlite", "redis", "cluster"])
def shared(
    request: pytest.FixtureRequest, run: Run, tmp_path: Path
) -> Iterator[SqliteTier | RedisTier]:
    tier: SqliteTier | RedisTier
    server: RedisServer | ClusterServers = RedisServer(tmp_path)
    if request.param == "cluster":
        server = ClusterServers(tmp_path)
    if request.param == "sqlite":
        tier = SqliteTier(tmp_path / "cache.db", clock=time.time, on_event=_ignore)
    else:
        server.start()
        tier = RedisTier(RedisLink(server.url), prefix="bench", clock=time.time, on_event=_ignore)
    run(tier.start())
    yield tier
    run(tier.close())
    server.kill()


def test_shared_get(benchmark: BenchmarkFixture, run: Run, shared: SqliteTier | RedisTier) -> None:
    entry = _entry("question")
    run(shared.put(entry))
    benchmark(lambda: run(shared.get(entry.scope, entry.id)))


def test_shared_put(benchmark: BenchmarkFixture, run: Run, shared: SqliteTier | RedisTier) -> None:
    at = iter(range(10**9))
    entries = [_entry(f"question {n}") for n in range(2000)]
    benchmark(lambda: run(shared.put(entries[next(at) % 2000])))


def test_shared_100_puts_at_once(
    benchmark: BenchmarkFixture, run: Run, shared: SqliteTier | RedisTier
) -> None:
    entries = [_entry(f"question {n}") for n in range(100)]

    async def put_all() -> None:
        await asyncio.gather(*map(shared.put, entries))

    benchmark(lambda: run(put_all()))


def test_shared_look_at_an_unchanged_log(
    benchmark: BenchmarkFixture, run: Run, shared: SqliteTier | RedisTier
) -> None:
    run(shared.put(_entry("question")))
    position = run(shared.changes(None, 500)).position
    benchmark(lambda: run(shared.changes(position, 500)))


@pytest.fixture(scope="module")
def index() -> Iterator[tuple[Run, FaissTier, Vector]]:
    """1e5 vectors: a scope of 50, one of 2,000, one of 1e4, and the rest in a thousand others."""
    vectors = _vectors(100_000)
    loop = asyncio.new_event_loop()
    tier = FaissTier(
        None,
        embedder="e",
        dimension=DIMENSION,
        max_entries=100_000,
        clock=time.time,
        on_event=_ignore,
    )
    order = np.random.default_rng(1).permutation(100_000)  # a scope's slots lie far apart

    def scope_of(rank: int) -> str:
        for name, until in (("50", 50), ("2000", 2050), ("10000", 12_050)):
            if rank < until:
                return name
        return f"other {rank % 1000}"

    loop.run_until_complete(tier.start())
    for start in range(0, 100_000, 1000):
        items = tuple(
            Added(f"id{n}", scope_of(int(order[n])), f"question {n}", vectors[n], "e", 1e12)
            for n in range(start, start + 1000)
        )
        loop.run_until_complete(tier.apply(Changes(items, str(start))))
    yield loop.run_until_complete, tier, vectors
    loop.run_until_complete(tier.close())
    loop.close()


@pytest.mark.parametrize("scope", ["50", "2000", "10000"])
def test_faiss_search_of_a_scope_in_1e5(
    benchmark: BenchmarkFixture, index: tuple[Run, FaissTier, Vector], scope: str
) -> None:
    run, tier, vectors = index
    benchmark(lambda: run(tier.search(scope, vectors[0], 4)))


def test_faiss_replace_one_in_1e5(
    benchmark: BenchmarkFixture, index: tuple[Run, FaissTier, Vector]
) -> None:
    run, tier, vectors = index
    item = Added("again", "other 1", "question", vectors[0], "e", 1e12)
    benchmark(lambda: run(tier.apply(Changes((item,), "p"))))


@pytest.mark.parametrize("work", ["idle", "search", "apply"])
def test_faiss_lateness_of_the_loop(
    benchmark: BenchmarkFixture, index: tuple[Run, FaissTier, Vector], work: str
) -> None:
    """How late a timer of 1 ms is while the large scope is searched, or 500 changes are folded.

    `idle` is the machine's own lateness: the others mean something above it only.
    """
    run, tier, vectors = index
    items = tuple(
        Added(f"busy{n}", "other 2", "question", vectors[n], "e", 1e12) for n in range(500)
    )
    late: list[float] = []

    async def do() -> None:
        if work == "search":
            await tier.search("10000", vectors[0], 4)
        elif work == "apply":
            await tier.apply(Changes(items, "p"))
        else:
            await asyncio.sleep(0.005)

    async def watch() -> None:
        async with asyncio.TaskGroup() as group:
            doing = group.create_task(do())
            while not doing.done():
                before = time.perf_counter()
                await asyncio.sleep(0.001)
                late.append(time.perf_counter() - before - 0.001)

    benchmark(lambda: run(watch()))
    p50, p99, most = np.percentile(late, [50, 99, 100]) * 1000
    benchmark.extra_info["late_ms"] = f"p50 {p50:.2f}, p99 {p99:.2f}, max {most:.2f}"
