"""What happened lately, told by one worker for all: here two in one process, on a port each."""

import io
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import aiohttp
import pytest

from proxy.config import Config
from proxy.listening import bound
from proxy.resilience import Deadline
from proxy.runtime import Runtime, open_live
from proxy.web.server import listen
from proxy.worker import Worker
from tests.support.origin import ScriptedOrigin
from tests.support.program import KEY, Json, chat, reloader_of, settings
from tests.support.waiting import PATIENCE_S
from tests.web.admin.calling import ADMIN, TOKEN
from tests.web.admin.test_events import Reader

QUESTION, REWORDED = "How do I reset my password?", "how do I reset my PASSWORD"
HEADERS = {"authorization": f"Bearer {TOKEN}"}


class Standing:
    """A worker, and a client of its own port."""

    def __init__(self, runtime: Runtime, url: str, http: aiohttp.ClientSession) -> None:
        self.runtime = runtime
        self.root = url.removesuffix("/v1")
        self.http = http

    async def ask(self, text: str) -> str:
        """The id of the request."""
        url, headers = f"{self.root}/v1/chat/completions", {"authorization": f"Bearer {KEY}"}
        async with self.http.post(url, json=chat(text), headers=headers) as got:
            await got.read()
            assert got.status == 200
            return got.headers["x-request-id"]

    async def told(self, path: str) -> Json:
        async with self.http.get(f"{self.root}/admin/v1/{path}", headers=HEADERS) as got:
            assert got.status == 200
            found: Json = await got.json()
            return found

    @asynccontextmanager
    async def following(self, last_id: str = "") -> AsyncIterator[Reader]:
        headers = HEADERS | ({"last-event-id": last_id} if last_id else {})
        async with self.http.get(f"{self.root}/admin/v1/events", headers=headers) as got:
            reader = Reader(got)
            await reader.opened()
            yield reader


@asynccontextmanager
async def standing(config: Json, number: int, directory: Path) -> AsyncIterator[Standing]:
    worker = Worker(number, 2, 0, directory)
    async with (
        open_live(Config.model_validate(config), io.StringIO(), worker) as live,
        listen(reloader_of(live), bound("127.0.0.1", 0)) as url,
        aiohttp.ClientSession() as http,
    ):
        yield Standing(live.current, url, http)


@pytest.fixture
def config(origin: ScriptedOrigin, tmp_path: Path) -> Json:
    return settings(origin.url, tmp_path, admin=ADMIN, embedder={"kind": "local"})


@pytest.fixture
async def both(config: Json, tmp_path: Path) -> AsyncIterator[tuple[Standing, Standing]]:
    async with AsyncExitStack() as stack:
        one = await stack.enter_async_context(standing(config, 1, tmp_path))
        two = await stack.enter_async_context(standing(config, 2, tmp_path))
        yield one, two


async def test_either_tells_what_both_did(both: tuple[Standing, Standing]) -> None:
    """Requests in one list and its pages, decisions and history added up."""
    one, two = both
    ids = [await one.ask(QUESTION)]
    await one.runtime.store.idle(Deadline(PATIENCE_S))
    for worker in both:
        await worker.runtime.upkeep.catch_up()
    ids += [await two.ask(REWORDED), await one.ask(REWORDED)]
    for worker in both:
        listed = await worker.told("requests")
        first = await worker.told("requests?limit=2")
        rest = await worker.told(f"requests?limit=2&cursor={first['next_cursor']}")
        decisions = await worker.told("decisions")
        points = (await worker.told("history"))["points"]

        assert [request["id"] for request in listed["data"]] == ids[::-1]
        assert [page["id"] for page in (*first["data"], *rest["data"])] == ids[::-1]
        assert listed["unreached_workers"] == 0
        assert decisions["looked"] == 2
        assert sum(sum(point["requests"].values()) for point in points) == 3


async def test_either_passes_on_what_happens_in_both(both: tuple[Standing, Standing]) -> None:
    """And whoever was cut off goes on with the other one."""
    one, two = both
    async with one.following() as reader:
        asked = [await one.ask("one"), await two.ask("two")]
        told = [await reader.next("request", "dropped") for _ in asked]
    while_away = [await two.ask("three"), await one.ask("four")]
    async with two.following(told[-1].id) as reader:
        missed = [await reader.next("request", "dropped") for _ in while_away]

    assert {request.data["id"] for request in told} == set(asked)
    assert {request.data["id"] for request in missed} == set(while_away)


async def test_one_that_is_away_is_counted_as_missing(config: Json, tmp_path: Path) -> None:
    """What is told is what could be had; a reader of events hears the one that takes its place."""
    async with standing(config, 1, tmp_path) as one:
        alone = await one.told("requests")
        async with one.following() as reader, standing(config, 2, tmp_path) as two:
            late = await two.ask(QUESTION)
            while (await reader.next("request", "dropped", "here")).event != "request":
                pass
            listed = await one.told("requests")

    assert alone["unreached_workers"] == 1
    assert [request["id"] for request in listed["data"]] == [late]
    assert listed["unreached_workers"] == 0
