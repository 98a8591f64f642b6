from collections.abc import Iterator
from pathlib import Path

import pytest

from proxy.tiers.entrycodec import EntryCodec
from proxy.tiers.keyring import Key, Keyring
from tests.support.servers import ClusterServers, RedisServer, SentinelServer, ValkeyServer
from tests.tiers.builders import Events, FakeClock


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def events() -> Events:
    return Events()


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """One real server for all tests; each finds it empty."""
    server = RedisServer(tmp_path_factory.mktemp("redis"))
    server.start()
    yield server
    server.kill()


@pytest.fixture(autouse=True)
def emptied(request: pytest.FixtureRequest) -> None:
    """Whatever tests ran before."""
    if "redis_server" in request.fixturenames:
        request.getfixturevalue("redis_server").ask("FLUSHALL")


@pytest.fixture(scope="session")
def valkey_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ValkeyServer]:
    """One real server of Valkey for all tests."""
    server = ValkeyServer(tmp_path_factory.mktemp("valkey"))
    server.start()
    yield server
    server.kill()


@pytest.fixture(scope="session")
def cluster_servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClusterServers]:
    """One real cluster of three masters for all tests."""
    servers = ClusterServers(tmp_path_factory.mktemp("cluster"))
    try:
        servers.start()
        yield servers
    finally:
        servers.kill()


REDIS = ("redis", "sentinel", "valkey", "cluster")
"""Kinds of Redis that the contracts hold for."""


SEALED = ("sealed sqlite", "sealed redis")
"""The same for stores whose entries are sealed."""


def is_sqlite(kind: str) -> bool:
    """Whether a store of this kind is a file."""
    return kind.endswith("sqlite")


def codec_for(kind: str) -> EntryCodec:
    """How a store of this kind has entries."""
    return EntryCodec(Keyring([Key("k1", b"1" * 32)]) if kind.startswith("sealed") else None)


def redis_at(request: pytest.FixtureRequest, kind: str) -> str:
    """Where an empty Redis of this kind is."""
    if kind.endswith("cluster"):
        cluster: ClusterServers = request.getfixturevalue("cluster_servers")
        cluster.empty()
        return cluster.url
    server: RedisServer = request.getfixturevalue(
        "valkey_server" if kind == "valkey" else "redis_server"
    )
    server.ask("FLUSHALL")
    if kind == "sentinel":
        return f"redis+sentinel://127.0.0.1:{request.getfixturevalue('sentinel_server').port}/main"
    return server.url


@pytest.fixture(scope="session")
def sentinel_server(
    redis_server: RedisServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[SentinelServer]:
    """A sentinel that names that server as the master."""
    sentinel = SentinelServer(tmp_path_factory.mktemp("sentinel"), redis_server.port)
    sentinel.start()
    yield sentinel
    sentinel.kill()


@pytest.fixture
def own_server(tmp_path: Path) -> Iterator[RedisServer]:
    """A server that a test may kill."""
    server = RedisServer(tmp_path / "redis")
    server.start()
    yield server
    server.kill()
