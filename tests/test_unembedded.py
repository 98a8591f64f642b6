"""An answer that was stored while the embedder could not be had is found by rewordings later."""

import asyncio
import base64
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from proxy.core.changes import ALL_TENANTS, Added, Selector
from proxy.core.model import Entry, Vector
from proxy.errors import BusyError
from proxy.renewing import Renewer
from proxy.resilience import Deadline, Stage, Tasks
from proxy.tiers.sqlite import SqliteTier
from proxy.tiers.sqliteembedders import SqliteEmbedders
from proxy.unembedded import TRIES, Unembedded
from tests.support.backlogs import backlog_of
from tests.support.embeddings import DIMENSION, embeddings_server
from tests.support.keeping import kept_up
from tests.support.origin import ScriptedOrigin
from tests.support.ports import HashEmbedder, Heard
from tests.support.program import Json, Served, chat, served, settings
from tests.support.servers import RedisServer, free_port
from tests.support.waiting import until, until_async
from tests.tiers.builders import FakeClock, entry
from tests.web.admin.calling import ADMIN, call


class Pressed(HashEmbedder):
    """An embedder that has too much to do for some calls, and refuses one text."""

    def __init__(self) -> None:
        super().__init__()
        self.busy_for = 0
        self.refuses = ""

    async def embed(self, text: str) -> Vector | None:
        if self.busy_for:
            self.busy_for -= 1
            raise BusyError("busy")
        self.fails = text == self.refuses
        return await super().embed(text)


class World:
    """A shared tier, and answers in it that lack a vector."""

    def __init__(self, directory: Path) -> None:
        self.clock = FakeClock()
        self.heard = Heard()
        self.tier = SqliteTier(directory / "x.db", clock=self.clock, on_event=self.heard.event)
        self.embedder = Pressed()
        self.backlog = backlog_of(self.heard)
        self.published = 0
        self._tasks = Tasks(self.heard)
        self.stage = Stage(
            "embedder", self.embedder.start, tasks=self._tasks, observer=self.heard, retry_s=0.02
        )
        self.renewer = Renewer(
            self.tier,
            SqliteEmbedders(self.tier, clock=self.clock),
            (self.embedder, self.stage),
            per_s=1e5,
            publish=self._publish,
        )
        self.unembedded = Unembedded(
            self.renewer, is_held=self.backlog.has, observer=self.heard, most=5, pause_s=0.001
        )

    async def _publish(self) -> None:
        self.published += 1

    def owing(self, question: str) -> Entry:
        """An answer that lacks a vector, noted and yet to be stored."""
        made = entry(question, self.clock, seed=None)
        self.unembedded.add(made)
        return made

    async def embedder_of(self, made: Entry) -> str | None:
        found = await self.tier.get(made.scope, made.id)
        return None if found is None else found.embedder

    async def close(self) -> None:
        await self._tasks.close()
        await self.tier.close()


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    made = World(tmp_path)
    await made.tier.start()
    yield made
    await made.close()


async def test_it_gets_a_vector(world: World) -> None:
    """Nothing else of it changes, and the change log tells every index."""
    made = world.owing("q")
    await world.tier.put(made)
    assert world.unembedded.stats() == {"left": 1}
    async with kept_up(world.unembedded):
        await until(lambda: not world.unembedded.stats())
        later = world.owing("another")
        await world.tier.put(later)
        await until(lambda: not world.unembedded.stats())

    found = await world.tier.get(made.scope, made.id)
    assert found is not None
    assert found.vector is not None
    assert found == replace(made, embedder=world.embedder.id)
    told = (await world.tier.changes(None, 9)).items
    assert {one.id for one in told if isinstance(one, Added)} == {made.id, later.id}
    assert world.published >= 2
    assert world.renewer.done == 2


async def test_it_waits_until_the_embedder_is_well(world: World) -> None:
    """One that has failed is not asked, and one with too much to do is asked again."""
    made = world.owing("q")
    await world.tier.put(made)
    world.embedder.fails = True
    await world.stage.ask(world.embedder.start, Deadline(9))
    async with kept_up(world.unembedded):
        await until(lambda: world.heard.names.count("breaker_opened") == 1)
        await asyncio.sleep(0.05)
        meanwhile = len(world.embedder.texts)
        world.embedder.busy_for, world.embedder.fails = 2, False
        await until(lambda: not world.unembedded.stats())

    assert meanwhile == 0
    assert await world.embedder_of(made) == world.embedder.id
    assert "reembedding_skipped" not in world.heard.names


async def test_it_waits_until_the_answer_is_stored(world: World) -> None:
    """It may be on its way still, or wait in the backlog."""
    under_way, held = world.owing("q"), world.owing("held")
    world.backlog.add(held)
    async with kept_up(world.unembedded):
        await asyncio.sleep(0.05)
        await world.tier.put(under_way)
        await until_async(lambda: _is_done(world, under_way))
        assert world.unembedded.stats() == {"left": 1}
        await world.tier.put(held)
        world.backlog.written(held)
        await until_async(lambda: _is_done(world, held))


async def _is_done(world: World, made: Entry) -> bool:
    return await world.embedder_of(made) == world.embedder.id


async def test_a_newer_answer_is_not_overwritten(world: World) -> None:
    """Nor does a removed one come back, when either happens while the vector is made."""
    renewed, removed = world.owing("renewed"), world.owing("removed")
    newer = replace(renewed, created_at=renewed.created_at + 1)
    world.embedder.gate.clear()
    for one in (renewed, removed):
        await world.tier.put(one)
    async with kept_up(world.unembedded):
        await until(lambda: world.embedder.texts == ["renewed"])
        await world.tier.put(newer)
        await world.tier.purge(Selector(ALL_TENANTS, ids=(removed.id,)))
        world.embedder.gate.set()
        await until(lambda: world.unembedded.stats() == {"left": 1})

    assert await world.tier.get(newer.scope, newer.id) == newer
    assert await world.embedder_of(removed) is None
    assert world.renewer.done == 0


async def test_a_text_that_cannot_be_embedded_is_left_without(world: World) -> None:
    """After some tries, which is told; it holds up no other."""
    bad, good = world.owing("bad"), world.owing("good")
    for one in (bad, good):
        await world.tier.put(one)
    world.embedder.refuses = "bad"
    async with kept_up(world.unembedded):
        await until(lambda: not world.unembedded.stats())

    assert world.embedder.texts.count("bad") == TRIES
    assert world.heard.events.count(("reembedding_skipped", {"entry": bad.id})) == 1
    assert await world.embedder_of(bad) == ""
    assert await world.embedder_of(good) == world.embedder.id


async def test_what_is_remembered_is_bounded(world: World) -> None:
    """The oldest make room, and one answer counts once; with a rate of 0 none is done."""
    for number in range(9):
        world.owing(f"q{number}")
        world.owing(f"q{number}")
    world.renewer.per_s = 0
    async with kept_up(world.unembedded):
        await asyncio.sleep(0.05)

    assert world.unembedded.stats() == {"left": 5}
    assert world.embedder.texts == []


KEYS = [{"id": "k", "key": base64.b64encode(bytes(32)).decode()}]


@pytest.fixture(params=["sqlite", "redis"])
def shared(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Json]:
    """Where entries are kept."""
    if request.param == "sqlite":
        yield {}
        return
    server = RedisServer(tmp_path / "redis")
    server.start()
    yield {"url": server.url}
    server.kill()


@pytest.mark.parametrize("kept", [{}, {"store_questions": False, "encryption": {"keys": KEYS}}])
async def test_a_rewording_finds_what_was_asked_while_the_embedder_was_away(
    origin: ScriptedOrigin, tmp_path: Path, shared: Json, kept: Json
) -> None:
    """In both shared tiers, and where questions are not stored and answers are sealed."""
    port = free_port()
    remote = {"base_url": f"http://127.0.0.1:{port}/v1", "model": "m", "dimensions": DIMENSION}
    config = settings(
        origin.url,
        tmp_path,
        cache={"breaker": {"retry_s": 0.1}, "shared": shared, **kept},
        embedder={"kind": "openai", "openai": remote},
        admin=ADMIN,
    )
    async with served(config) as proxy:
        first = await proxy.post(chat("How do I restart service alpha?"))
        await until_async(lambda: _left(proxy, 1))
        async with embeddings_server(port):
            await until_async(lambda: _left(proxy, None))
            reworded = await proxy.post(chat("HOW do I restart service alpha?"))
            metrics = (await proxy.get("/metrics")).body.decode()

    assert (first.cache, reworded.cache, reworded.tier) == ("MISS", "HIT", "vector")
    assert "reprise_reembedding_done_total 1.0" in metrics


async def _left(proxy: Served, expected: int | None) -> bool:
    told = (await call(proxy, "GET", "/admin/v1/stats")).json["reembedding"]
    return bool((told and told["left"]) == expected)
