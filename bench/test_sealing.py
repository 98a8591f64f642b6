"""What sealing adds to storing an entry and to reading one; without it: bench/test_tiers.py.

The answer has 900 bytes, or 100 frames of a stream; the vector is of 384 numbers.
"""

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from bench.test_tiers import Run, _entry, _ignore, run
from proxy.tiers.entrycodec import EntryCodec
from proxy.tiers.keyring import Key, Keyring
from proxy.tiers.redis import RedisTier
from proxy.tiers.redislink import RedisLink
from proxy.tiers.redissealing import RedisSealing
from proxy.tiers.sqlite import SqliteTier
from tests.support.servers import RedisServer

__all__ = ["run"]

RING = Keyring([Key("k1", os.urandom(32))])
SALT = os.urandom(32)
QUESTION = "what is the capital of France, and since when?"


@pytest.mark.parametrize("frames", [0, 100])
def test_seal(benchmark: BenchmarkFixture, frames: int) -> None:
    """To be added to `codec_encode`."""
    codec, entry = EntryCodec(RING), _entry(QUESTION, frames)
    data = codec.encode(entry)
    benchmark(codec.sealed, data, entry.id, entry.tenant, SALT)
    benchmark.extra_info["bytes"] = len(data)


@pytest.mark.parametrize("frames", [0, 100])
@pytest.mark.parametrize("kind", ["clear", "sealed"])
def test_open_and_decode(benchmark: BenchmarkFixture, kind: str, frames: int) -> None:
    codec = EntryCodec(RING if kind == "sealed" else None)
    entry = _entry(QUESTION, frames)
    data = codec.sealed(codec.encode(entry), entry.id, entry.tenant, SALT)
    benchmark(codec.decode, entry.id, data, SALT)


def test_derive_a_tenants_key(benchmark: BenchmarkFixture) -> None:
    """Once for each tenant, while it is remembered."""
    salts = iter(range(10**9))
    benchmark(lambda: RING.cipher("k1", b"tenant acme", b"%032d" % next(salts)))


Store = tuple[str, Path, RedisServer]


@pytest.fixture(params=["sqlite", "redis"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    server = RedisServer(tmp_path)
    if request.param == "redis":
        server.start()
    yield request.param, tmp_path, server
    server.kill()


@pytest.fixture(params=["clear", "sealed"])
def shared(
    request: pytest.FixtureRequest,
    run: Run,
    store: Store,
) -> Iterator[SqliteTier | RedisTier]:
    kind, folder, server = store
    tier: SqliteTier | RedisTier
    codec = EntryCodec(RING if request.param == "sealed" else None)
    if kind == "sqlite":
        tier = SqliteTier(folder / "x.db", clock=time.time, on_event=_ignore, codec=codec)
    else:
        link = RedisLink(server.url)
        sealing = RedisSealing(link, "b", codec)
        tier = RedisTier(link, prefix="b", clock=time.time, on_event=_ignore, sealing=sealing)
    run(tier.start())
    yield tier
    run(tier.close())


def test_get(
    benchmark: BenchmarkFixture,
    run: Run,
    shared: SqliteTier | RedisTier,
) -> None:
    entry = _entry("question")
    run(shared.put(entry))
    benchmark(lambda: run(shared.get(entry.scope, entry.id)))


def test_put(
    benchmark: BenchmarkFixture,
    run: Run,
    shared: SqliteTier | RedisTier,
) -> None:
    at = iter(range(10**9))
    entries = [_entry(f"question {n}") for n in range(2000)]
    benchmark(lambda: run(shared.put(entries[next(at) % 2000])))
