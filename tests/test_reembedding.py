"""Vectors of stored entries are made anew after a change of embedder."""

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from proxy.cli import opening
from proxy.config import Config
from proxy.core.changes import ALL_TENANTS, Added, Selector
from proxy.core.model import Entry, Vector
from proxy.core.reembedding import Standing
from proxy.errors import TierError
from proxy.reembedding import MOST_FAULTS, PAGE, Reembedder
from proxy.renewing import Renewer
from proxy.resilience import Deadline, Stage, Tasks
from proxy.tiers.sqlite import SqliteTier
from proxy.tiers.sqliteembedders import SqliteEmbedders
from proxy.tiers.sqlitewaiting import SqliteLeases
from tests.support.embeddings import DIMENSION, embeddings_server
from tests.support.keeping import kept_up
from tests.support.origin import ScriptedOrigin
from tests.support.ports import HashEmbedder, Heard
from tests.support.program import KEY, Served, Serving, chat, settings
from tests.support.servers import free_port
from tests.support.waiting import until, until_async
from tests.tiers.builders import EMBEDDER, FakeClock, entry
from tests.web.admin.calling import ADMIN, call


class Another(HashEmbedder):
    """An embedder that can be made to wait, now or after some texts, and to fail at one."""

    def __init__(self, name: str = "another/8") -> None:
        super().__init__()
        self.id = name
        self.refuses = ""
        self.most = 1_000_000
        self.gate = asyncio.Event()
        self.gate.set()

    async def embed(self, text: str) -> Vector | None:
        if len(self.texts) >= self.most:
            self.gate.clear()
        await self.gate.wait()
        if self.refuses and text == self.refuses:
            raise TierError("not this one")
        return await super().embed(text)


class World:
    """A shared tier, and processes that use one embedder or another."""

    def __init__(self, directory: Path) -> None:
        self.clock = FakeClock()
        self.heard = Heard()
        self.tier = SqliteTier(directory / "x.db", clock=self.clock, on_event=self.heard.event)
        self.embedders = SqliteEmbedders(self.tier, clock=self.clock)
        self.per_s = 1e5
        self.published = 0
        self._tasks = Tasks(self.heard)

    def reembedder(self, embedder: HashEmbedder) -> Reembedder:
        stage = Stage("embedder", embedder.start, tasks=self._tasks, observer=self.heard)
        renewer = Renewer(
            self.tier, self.embedders, (embedder, stage), per_s=self.per_s, publish=self._publish
        )
        return Reembedder(
            self.tier,
            self.embedders,
            SqliteLeases(self.tier, clock=self.clock),
            renewer,
            observer=self.heard,
            look_s=0.001,
        )

    async def _publish(self) -> None:
        self.published += 1

    async def fill(self, count: int) -> list[Entry]:
        made = [entry(f"question {n}", self.clock, seed=n) for n in range(count)]
        for one in made:
            await self.tier.put(one)
        return made

    async def embedder_of(self, made: Entry) -> str:
        found = await self.tier.get(made.scope, made.id)
        return found.embedder if found is not None else "gone"

    async def close(self) -> None:
        await self._tasks.close()
        await self.tier.close()


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    made = World(tmp_path)
    await made.tier.start()
    yield made
    await made.close()


async def test_every_entry_gets_a_vector(world: World) -> None:
    """Of the embedder in use, and nothing else of it changes; what has none is left alone."""
    made = await world.fill(250)
    plain = entry("plain", world.clock, seed=None)
    await world.tier.put(plain)
    reembedder = world.reembedder(Another())
    async with kept_up(reembedder):
        await until(lambda: "reembedded" in world.heard.names)

    for one in made:
        found = await world.tier.get(one.scope, one.id)
        assert found is not None
        assert found.vector is not None
        assert found == replace(one, embedder="another/8", generation=found.generation)
    assert await world.tier.get(plain.scope, plain.id) is not None
    assert reembedder.stats() == {"done": 250}
    assert world.published > 0


async def test_a_start_that_finds_it_done_reads_nothing(world: World) -> None:
    """Once all have been seen to, that is remembered: the log is not read again from its start."""
    await world.fill(3)
    async with kept_up(world.reembedder(Another())):
        await until_async(
            lambda: _is_done(world, "another/8"),
        )
    again = Another()
    later = world.reembedder(again)
    async with kept_up(later):
        await asyncio.sleep(0.05)

    assert later._position is None
    assert again.texts == []


async def test_entries_that_are_imported_later(world: World) -> None:
    """Once an import has said that some came, they get their vectors as well."""
    async with kept_up(world.reembedder(Another())):
        await until_async(lambda: _is_done(world, "another/8"))
        (made,) = await world.fill(1)
        await world.embedders.doubt()
        await until_async(lambda: _has(world, made, "another/8"))


class Crowded(SqliteEmbedders):
    """While it is written down that all is done, an import comes, and much else after it."""

    def __init__(self, world: World) -> None:
        super().__init__(world.tier, clock=world.clock)
        self._world = world
        self.imported: list[Entry] = []

    async def announce(self, embedder: str, *, has_all: bool = False) -> Standing:
        if has_all and not self.imported:
            for number in range(PAGE):
                made = entry(f"of its own {number}", self._world.clock, embedder=embedder)
                await self._world.tier.put(made)
            self.imported = await self._world.fill(1)
            await self.doubt()
        return await super().announce(embedder, has_all=has_all)


async def test_an_import_at_the_last_moment(world: World) -> None:
    """That all is done is taken back, however much the log had to tell meanwhile."""
    world.embedders = crowded = Crowded(world)
    async with kept_up(world.reembedder(Another())):
        await until(lambda: bool(crowded.imported))
        await until_async(lambda: _has(world, crowded.imported[0], "another/8"))


async def _is_done(world: World, embedder: str) -> bool:
    return (await world.embedders.announce(embedder)).has_all


async def test_it_goes_on_after_a_stop(world: World) -> None:
    """What was done is not done again."""
    made = await world.fill(10)
    first, second = Another(), Another()
    one = world.reembedder(first)
    first.most = 4
    async with kept_up(one):
        await until(lambda: not first.gate.is_set())
    done = int(one.stats()["done"])
    async with kept_up(world.reembedder(second)):
        await until(lambda: "reembedded" in world.heard.names)

    assert (done, len(second.texts)) == (4, 6)
    assert {await world.embedder_of(one) for one in made} == {"another/8"}


async def test_two_embedders_do_not_undo_each_other(world: World) -> None:
    """While replicas change over, the newer one works, and the older one lets it."""
    made = await world.fill(5)
    old, new = HashEmbedder(), Another()
    old.id = EMBEDDER
    async with kept_up(world.reembedder(old)):
        await until_async(lambda: _is_done(world, EMBEDDER))
        world.clock.now += 1
        async with kept_up(world.reembedder(new)):
            await until(lambda: "reembedded" in world.heard.names)
            late = entry("late", world.clock, seed=77)
            await world.tier.put(late)  # by a replica that still has the old one
            await until_async(lambda: _has(world, late, "another/8"))
            await asyncio.sleep(0.05)

    assert {await world.embedder_of(one) for one in made} == {"another/8"}
    assert old.texts == []


async def _has(world: World, made: Entry, embedder: str) -> bool:
    return await world.embedder_of(made) == embedder


async def test_one_replica_works(world: World) -> None:
    """However many there are of the same embedder, no question is embedded twice."""
    await world.fill(30)
    embedders = [Another() for _ in range(3)]
    one, two, three = (world.reembedder(embedder) for embedder in embedders)
    async with kept_up(one), kept_up(two), kept_up(three):
        await until_async(lambda: _is_done(world, "another/8"))

    assert sum(len(embedder.texts) for embedder in embedders) == 30


async def test_a_newer_answer_is_not_overwritten(world: World) -> None:
    """Nor does a removed one come back, when either happens while the vector is made."""
    renewed, removed = await world.fill(2)
    embedder = Another()
    embedder.gate.clear()
    reembedder = world.reembedder(embedder)
    async with kept_up(reembedder):
        await until(lambda: "left" in reembedder.stats())
        world.clock.now += 1
        newer = replace(renewed, created_at=world.clock(), embedder="third/8")
        await world.tier.put(newer)
        await world.tier.purge(_only(removed))
        embedder.gate.set()
        await until_async(lambda: _is_done(world, "another/8"))

    found = await world.tier.get(newer.scope, newer.id)
    assert found is not None
    assert (found.created_at, found.embedder) == (newer.created_at, "another/8")
    assert await world.tier.get(removed.scope, removed.id) is None


def _only(made: Entry) -> Selector:
    return Selector(ALL_TENANTS, ids=(made.id,))


async def test_an_embedder_that_is_away_is_waited_for(world: World) -> None:
    """Told once, nothing is skipped, and the work goes on when it is back."""
    made = await world.fill(MOST_FAULTS + 2)
    embedder = Another()
    embedder.fails = True
    async with kept_up(world.reembedder(embedder)):
        await until(lambda: "reembedding_failed" in world.heard.names)
        await asyncio.sleep(0.05)
        embedder.fails = False
        await until(lambda: "reembedded" in world.heard.names)

    assert world.heard.names.count("reembedding_failed") == 1
    assert {await world.embedder_of(one) for one in made} == {"another/8"}


async def test_a_text_that_cannot_be_embedded_is_passed_over(world: World) -> None:
    """It is told, and keeps nobody from the end."""
    made = await world.fill(6)
    embedder = Another()
    embedder.refuses = "question 3"
    async with kept_up(world.reembedder(embedder)):
        await until_async(lambda: _is_done(world, "another/8"))

    assert world.heard.events.count(("reembedding_skipped", {"entry": made[3].id})) == 1
    assert await world.embedder_of(made[3]) == EMBEDDER


async def test_requests_come_first(world: World) -> None:
    """While one is being embedded, the background waits."""
    await world.fill(3)
    embedder = Another()
    reembedder = world.reembedder(embedder)
    asked = asyncio.Event()

    async def answer() -> bool:
        return await asked.wait()

    request = asyncio.get_running_loop().create_task(
        reembedder._renewer.stage.ask(answer, Deadline(20))
    )
    await asyncio.sleep(0)
    async with kept_up(reembedder):
        await until(lambda: "left" in reembedder.stats())
        await asyncio.sleep(0.05)
        meanwhile = len(embedder.texts)
        asked.set()
        await until(lambda: "reembedded" in world.heard.names)
        await request

    assert meanwhile == 0


async def test_it_can_be_switched_off(world: World) -> None:
    """Then entries keep the vectors they have, and the others' choice is left to them."""
    (made,) = await world.fill(1)
    world.per_s = 0
    async with kept_up(world.reembedder(Another())):
        await asyncio.sleep(0.05)

    assert await world.embedder_of(made) == EMBEDDER
    assert (await world.embedders.announce("third/8")).is_alone


def remote(port: int) -> dict[str, Any]:
    """The configuration of an embedder on a scripted server."""
    url = f"http://127.0.0.1:{port}/v1"
    chosen = {"base_url": url, "model": "scripted", "dimensions": DIMENSION}
    return {"kind": "openai", "openai": chosen}


async def test_a_proxy_with_another_embedder_finds_what_the_first_one_stored(
    serving: Serving,
) -> None:
    """Exact repeats at once, rewordings once their questions are embedded anew; and back again."""
    questions = [f"How do I restart service {name}?" for name in ("alpha", "beta", "gamma")]
    port = free_port()
    async with embeddings_server(port):
        async with serving(embedder={"kind": "local"}) as first:
            for question in questions:
                await first.post(chat(question))
        async with serving(embedder=remote(port), admin=ADMIN) as second:
            exact = await second.post(chat(questions[0]))
            await until(lambda: bool(second.events("reembedded")))
            reworded = [await second.post(chat(question.upper())) for question in questions]
            await until_async(lambda: _told(second, None))
            metrics = (await second.get("/metrics")).body.decode()
        async with serving(embedder={"kind": "local"}) as third:
            still = await third.post(chat(questions[0]))

    assert (exact.cache, exact.tier, still.cache) == ("HIT", "shared", "HIT")
    assert [(got.cache, got.tier) for got in reworded] == [("HIT", "vector")] * 3
    assert "reprise_reembedding_done_total 3.0" in metrics
    assert "\nreprise_reembedding_left " not in metrics


async def test_how_far_it_is_can_be_read(serving: Serving) -> None:
    """Under `/admin/v1/stats` and in `/metrics`, while it lasts."""
    port = free_port()
    async with embeddings_server(port):
        async with serving(embedder={"kind": "local"}) as first:
            for name in ("alpha", "beta", "gamma"):
                await first.post(chat(f"How do I restart service {name}?"))
        slow = {"vector": {"reembed_per_s": 0.01}}
        async with serving(embedder=remote(port), cache=slow, admin=ADMIN) as second:
            await until(lambda: bool(second.events("reembedding_began")))
            await until_async(lambda: _told(second, {"left": 2, "done": 1}))
            metrics = (await second.get("/metrics")).body.decode()

    assert "reprise_reembedding_left 2.0" in metrics


async def _told(proxy: Served, expected: dict[str, int] | None) -> bool:
    got = await call(proxy, "GET", "/admin/v1/stats")
    return bool(got.json["reembedding"] == expected)


async def test_who_only_explains_changes_nothing(
    serving: Serving, origin: ScriptedOrigin, tmp_path: Path
) -> None:
    """`reprise explain` with another embedder looks at the entries, and leaves them as they are."""
    port, question = free_port(), chat("How do I restart service alpha?")
    async with embeddings_server(port), serving(embedder=remote(port)) as first:
        await first.post(question)
    config = Config.model_validate(settings(origin.url, tmp_path, embedder={"kind": "local"}))
    headers = {"authorization": f"Bearer {KEY}"}
    told = await asyncio.to_thread(opening.look_up, config, question, headers)
    heard = Heard()
    tier = SqliteTier(tmp_path / "reprise.db", clock=time.time, on_event=heard.event)
    await tier.start()
    [kept] = (await tier.changes(None, 9)).items
    assert isinstance(kept, Added)
    known = await SqliteEmbedders(tier, clock=time.time).announce(kept.embedder)
    await tier.close()

    assert told.decision.served
    assert kept.embedder.startswith("openai:scripted")
    assert (known.is_chosen, known.is_alone) == (True, True)
