"""Proxies whose index is in Redis."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.origin import ScriptedOrigin
from tests.support.program import Json, chat, merged, served, settings
from tests.support.servers import RedisServer, ValkeyServer
from tests.support.waiting import until

QUESTION, REWORDED = "How do I reset my password?", "how do I reset my PASSWORD"


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[RedisServer]:
    server = RedisServer(tmp_path / "redis")
    server.start()
    yield server
    server.kill()


@pytest.fixture
def vectors(tmp_path: Path) -> Iterator[RedisServer]:
    """A server for the index alone."""
    server = RedisServer(tmp_path / "vectors")
    server.start()
    yield server
    server.kill()


def config(origin: ScriptedOrigin, directory: Path, redis: RedisServer, **cache: Any) -> Json:
    chosen = {"shared": {"url": redis.url}, "vector": {"backend": "redis"}}
    return settings(origin.url, directory, cache=merged(chosen, cache), embedder={"kind": "local"})


async def test_a_rewording_is_answered_at_once(
    origin: ScriptedOrigin, redis: RedisServer, tmp_path: Path
) -> None:
    """By the proxy that stored the answer, and by another; and no snapshot is left behind."""
    base = config(origin, tmp_path, redis)
    async with served(base, may_block=True) as one, served(base) as two:
        await one.post(chat(QUESTION))
        same = await one.post(chat(REWORDED))
        other = await two.post(chat(REWORDED + "?"))

    assert (same.cache, same.tier) == ("HIT", "vector")
    assert (other.cache, other.tier) == ("HIT", "vector")
    assert len(origin.requests) == 1
    assert not (tmp_path / "index.snapshot").exists()


async def test_a_proxy_starts_where_the_index_is(
    origin: ScriptedOrigin, redis: RedisServer, tmp_path: Path
) -> None:
    """It finds what was indexed before it was there."""
    base = config(origin, tmp_path, redis)
    async with served(base, may_block=True) as one:
        await one.post(chat(QUESTION))
        await one.post(chat("What is the capital of France?"))
    async with served(base) as two:
        hit = await two.post(chat(REWORDED))

    assert (hit.cache, hit.tier) == ("HIT", "vector")


@pytest.mark.parametrize("backend", ["faiss", "redis"])
async def test_an_entry_that_was_evicted_leaves_the_index(
    origin: ScriptedOrigin, redis: RedisServer, tmp_path: Path, backend: str
) -> None:
    """A hit whose answer the server has dropped by itself is a miss, and its question goes too."""
    async with served(config(origin, tmp_path, redis, vector={"backend": backend})) as proxy:
        await proxy.post(chat(QUESTION))
        assert proxy.runtime.semantic is not None
        stats = proxy.runtime.semantic.index.stats
        await until(lambda: stats()["entries"] == 1, "the index's writing")
        key = redis.ask("KEYS reprise:*:e:*").decode().splitlines()[2]
        assert redis.ask(f"DEL {key}") == b":1\r\n"
        missed = await proxy.post(chat(REWORDED))
        hit = await proxy.post(chat(REWORDED + "!"))
        left = stats()["entries"]

    assert missed.cache == "MISS"
    assert (hit.cache, hit.tier, left) == ("HIT", "vector", 1)


def count(server: RedisServer) -> int:
    """Vectors in all sets."""
    keys = [
        line
        for line in server.ask("KEYS *").decode().splitlines()
        if line.startswith("reprise:vec:{") and "/0}:" in line
    ]
    return sum(int(server.ask(f"VCARD {key}")[1:]) for key in keys)


async def test_an_index_that_is_away_takes_nothing_with_it(
    origin: ScriptedOrigin, redis: RedisServer, vectors: RedisServer, tmp_path: Path
) -> None:
    """Exact repeats are answered and stored meanwhile; then the index catches up by itself."""
    base = config(origin, tmp_path, redis, vector={"redis": {"url": vectors.url}})
    async with served(base) as proxy:
        await proxy.post(chat("What is a cache?"))
        vectors.kill()
        assert (await proxy.post(chat(REWORDED))).cache == "MISS"
        stored = await proxy.post(chat(QUESTION))
        again = await proxy.post(chat(QUESTION))
        trouble = (await proxy.get("/readyz")).json
        vectors.start()  # empty: all is folded again
        await until(lambda: count(vectors) == 3, "the index's return")
        hit = await proxy.post(chat("how can I reset my password?"))

    assert (stored.cache, again.cache) == ("MISS", "HIT")
    assert "vector" in json.dumps(trouble)
    assert (hit.cache, hit.tier) == ("HIT", "vector")


async def test_an_index_that_is_away_at_the_start_is_waited_for(
    origin: ScriptedOrigin, redis: RedisServer, vectors: RedisServer, tmp_path: Path
) -> None:
    """The proxy serves without it, and takes it into use when it is there."""
    vectors.kill()
    base = config(origin, tmp_path, redis, vector={"redis": {"url": vectors.url}})
    async with served(base) as proxy:
        await proxy.post(chat(QUESTION))
        vectors.start()

        await until(lambda: bool(proxy.events("index_in_step")), "the index's coming")
        hit = await proxy.post(chat(REWORDED))

    assert (hit.cache, hit.tier) == ("HIT", "vector")


def test_a_server_without_vector_sets_stops_the_start(tmp_path: Path) -> None:
    """With one line that names the key, what is needed, and what was found; exit code 2."""
    server = ValkeyServer(tmp_path / "valkey")
    server.start()
    file = tmp_path / "c.yaml"
    cache = {"shared": {"url": server.url}, "vector": {"backend": "redis"}}
    chosen = settings("http://127.0.0.1:9/v1", tmp_path, cache=cache, embedder={"kind": "local"})
    file.write_text(json.dumps(chosen))
    try:
        ended = subprocess.run(
            [sys.executable, "-m", "proxy", "serve", "--config", str(file)],
            env={name: value for name, value in os.environ.items() if name != "CONFIG"},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    finally:
        server.kill()

    assert ended.returncode == 2
    [line] = [line for line in ended.stderr.splitlines() if not line.startswith("{")]
    assert line.startswith("cache.vector.backend: needs Redis 8.2 or newer")
    assert "valkey 9" in line
