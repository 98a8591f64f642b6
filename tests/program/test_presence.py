"""Processes know of each other, whatever becomes of one of them."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import aiohttp
import pytest

from tests.support.origin import ScriptedOrigin
from tests.support.program import Json, Process, merged, process, settings
from tests.support.servers import RedisServer
from tests.support.waiting import until_async

TOKEN = "operators-token-of-32-characters"


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[RedisServer]:
    server = RedisServer(tmp_path / "redis")
    server.start()
    yield server
    server.kill()


async def listed(proxy: Process) -> list[Json]:
    headers = {"authorization": f"Bearer {TOKEN}"}
    async with (
        aiohttp.ClientSession() as http,
        http.get(f"{proxy.root}/admin/v1/replicas", headers=headers) as got,
    ):
        found: list[Json] = (await got.json())["data"]
        return found


async def until_listed(by: Process, *others: Process) -> list[Json]:
    pids = {one.child.pid for one in (by, *others)}
    found: list[Json] = []

    async def are_there() -> bool:
        found[:] = await listed(by)
        return {one["pid"] for one in found} == pids

    await until_async(are_there, "the list")
    return found


@pytest.mark.parametrize("kind", ["sqlite", "redis"])
async def test_one_that_is_killed_is_gone_and_one_that_stops_says_so(
    kind: str, request: pytest.FixtureRequest, origin: ScriptedOrigin, tmp_path: Path
) -> None:
    """kill -9: gone when it has been silent for three words. SIGTERM: gone with its end."""
    base = settings(origin.url, tmp_path, admin={"token": TOKEN})
    if kind == "redis":
        url = request.getfixturevalue("redis").url
        base = merged(base, {"cache": {"shared": {"url": url}}})

    def config(name: str, every_s: float) -> Json:
        own = {
            "shared": {"announce_every_s": every_s},
            "vector": {"snapshot": f"{tmp_path}/{name}.snapshot"},
            "judgement": {"labels": f"{tmp_path}/{name}.labels"},
        }
        return merged(base, {"cache": own})

    with (
        process(config("one", 1), tmp_path, "one") as one,
        process(config("killed", 1), tmp_path, "killed") as killed,
        process(config("stopped", 600), tmp_path, "stopped") as stopped,
    ):
        found = await until_listed(one, killed, stopped)
        urls = {told["pid"]: told["url"] for told in found}
        await asyncio.to_thread(stopped.stop)
        left = await listed(one)
        await asyncio.to_thread(killed.kill)
        await until_listed(one)

    assert {told["pid"] for told in left} == {one.child.pid, killed.child.pid}
    assert urls == {each.child.pid: each.url for each in (one, killed, stopped)}


async def test_each_worker_is_listed(origin: ScriptedOrigin, tmp_path: Path) -> None:
    """By its number, with the URL that they share."""
    own = {"shared": {"announce_every_s": 1}}
    config = settings(
        origin.url, tmp_path, admin={"token": TOKEN}, server={"workers": 2}, cache=own
    )
    with process(config, tmp_path) as proxy:
        found: list[Json] = []

        async def are_there() -> bool:
            found[:] = await listed(proxy)
            return sorted(told["worker"] for told in found) == [1, 2]

        await until_async(are_there, "both workers")

    assert {told["url"] for told in found} == {proxy.url}
    assert len({told["config_digest"] for told in found}) == 1
