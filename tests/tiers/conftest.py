from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.servers import RedisServer, SentinelServer
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
