"""The lookup driven against real tiers, with a verifier of the test's own."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from proxy.core.freshness import Lifetimes, Rules
from proxy.core.judgement.base import read
from proxy.core.lookup import Hit, Miss
from proxy.core.model import Answer, CacheRequest, Entry, Outcome, Result, Tier, Usage
from proxy.exchange import Exchange
from proxy.parts.semantic import judge_of
from proxy.resilience import Stage, Tasks
from proxy.searching import Search, Semantic, Verification
from proxy.storing import Store, Writing
from proxy.tiers.faiss import FaissTier
from proxy.tiers.session import MemoryTier
from proxy.tiers.sqlite import SqliteTier
from proxy.upkeep import Every, Upkeep
from tests.core.builders import request
from tests.support.backlogs import backlog_of
from tests.support.ports import FixedVerifier, HashEmbedder, Heard
from tests.support.waiting import until
from tests.tiers.builders import FakeClock

PATH = "/v1/chat/completions"
ASKED, CACHED, OTHER = "What is tea made of?", "What is tea made from?", "What is tea good for?"
"""The test's embedder reads eight letters: to it they are all the same."""


def asking(text: str) -> CacheRequest:
    like = request()
    return replace(like, question=text, key=like.scope.key(text))


class Parts:
    """A search and all it asks."""

    def __init__(self, folder: Path, tasks: Tasks, heard: Heard, deadline_s: float = 5) -> None:
        clock = FakeClock()
        self.heard = heard
        self.verifier = FixedVerifier()
        self.owed: list[Entry] = []
        self.shared = SqliteTier(folder / "x.db", clock=clock, on_event=heard.event)
        embedder = self.embedder = HashEmbedder()
        self.index = FaissTier(
            folder / "index",
            embedder=embedder.id,
            dimension=embedder.dimension,
            max_entries=99,
            clock=clock,
            on_event=heard.event,
        )
        session = MemoryTier(clock=clock, max_entries=9, max_bytes=1 << 20, ttl_s=60)
        self.upkeep = Upkeep(
            session,
            self.shared,
            self.index,
            clock=clock,
            observer=heard,
            every=Every(60, 60, 60),
        )

        def stage(name: str) -> Stage:
            return Stage(name, self.verifier.start, tasks=tasks, observer=heard, retry_s=60)

        self.stage = stage("verifier")
        shared, embed_stage = (self.shared, stage("shared")), stage("embedder")
        self.store = Store(
            session,
            shared,
            (embedder, embed_stage, self.owed.append),
            rules=Rules(Lifetimes(default_s=100, max_s=1000, stale_s=50)),
            clock=clock,
            publish=self.upkeep.catch_up,
            count=self._count,
            backlog=backlog_of(heard),
            writing=Writing(30),
        )
        semantic = Semantic(
            embedder,
            embed_stage,
            self.index,
            stage("vector"),
            judge_of(0.7, (), is_verified=True),
            candidates=4,
            verification=Verification(self.verifier, self.stage, 0.5),
        )
        self.search = Search(
            session, shared, semantic, self.store, deadline_s=deadline_s, clock=clock
        )

    async def start(self) -> None:
        """Open the files."""
        await self.shared.start()
        await self.upkeep.start()

    async def close(self) -> None:
        """Close them."""
        await self.index.close()
        await self.shared.close()

    async def _count(self, _prompt: str, _answer: str) -> Usage:
        return Usage(1, 1)

    async def keep(self, text: str) -> None:
        """Store an answer to this question."""
        entry = self.store.keep(asking(text), Answer(text.encode()), PATH)
        await self.store.share(entry, None, lambda: (text, text), is_semantic=True)

    async def look_up(self, text: str) -> tuple[Hit | Miss, Exchange]:
        """As the gateway does."""
        exchange = Exchange(Outcome("r", Result.MISS, "chat.completions"))
        return await self.search.look_up(asking(text), exchange), exchange


@pytest.fixture
async def parts(tmp_path: Path) -> AsyncIterator[Parts]:
    heard = Heard()
    tasks = Tasks(heard)
    made = Parts(tmp_path, tasks, heard)
    await made.start()
    yield made
    await tasks.close()
    await made.close()


async def test_an_index_that_is_busy_holds_no_lookup_up(tmp_path: Path) -> None:
    """An answer that is long in being indexed takes half of the time; the rest finds another."""
    heard = Heard()
    tasks = Tasks(heard)
    parts = Parts(tmp_path, tasks, heard, deadline_s=0.5)
    await parts.start()
    await parts.keep(CACHED)
    parts.verifier.probabilities = {CACHED: 0.8}
    async with asyncio.TaskGroup() as group, parts.upkeep._catching_up:
        group.create_task(parts.keep("Quite another question"))
        await until(lambda: bool(parts.store._writing), "the writing")
        found, _ = await parts.look_up(ASKED)

    assert isinstance(found, Hit)
    assert found.tier is Tier.VECTOR
    await tasks.close()
    await parts.close()


async def test_a_question_is_read_while_it_is_embedded(parts: Parts) -> None:
    """Once its vector is there, the judge need not read it, and reads it no second time."""
    await parts.keep(CACHED)
    parts.verifier.probabilities = {CACHED: 0.8}
    before = read.cache_info().misses
    parts.embedder.gate.clear()
    async with asyncio.TaskGroup() as group:
        looking = group.create_task(parts.look_up("What is paper made of?"))
        await until(lambda: read.cache_info().misses == before + 1, "the reading")
        parts.embedder.gate.set()
    hit, _ = looking.result()

    assert isinstance(hit, Hit)
    assert read.cache_info().misses <= before + 2  # the cached question may have been read before


async def test_the_verifier_confirms_a_neighbour(parts: Parts) -> None:
    """It is asked about the neighbour and the question, its time is told, and its word counts."""
    await parts.keep(CACHED)
    parts.verifier.probabilities = {CACHED: 0.8}
    hit, exchange = await parts.look_up(ASKED)

    assert isinstance(hit, Hit)
    assert (hit.tier, hit.probability, hit.entry.question) == (Tier.VECTOR, 0.8, CACHED)
    assert parts.verifier.asked == [(ASKED, CACHED)]
    assert exchange.timings["verify"] > 0


async def test_it_stops_at_the_first_that_serves(parts: Parts) -> None:
    """Each candidate may cost a run."""
    await parts.keep(CACHED)
    await parts.keep(OTHER)
    parts.verifier.probabilities = {CACHED: 0.8, OTHER: 0.8}
    hit, _ = await parts.look_up(ASKED)

    assert isinstance(hit, Hit)
    assert len(parts.verifier.asked) == 1


async def test_it_goes_on_to_the_one_that_serves(parts: Parts) -> None:
    """Whichever of the neighbours it is."""
    for text in (CACHED, OTHER):
        await parts.keep(text)
    parts.verifier.probabilities = {OTHER: 0.8}
    hit, _ = await parts.look_up(ASKED)

    assert isinstance(hit, Hit)
    assert hit.entry.question == OTHER


async def test_a_neighbour_that_is_not_confirmed_is_a_miss(parts: Parts) -> None:
    """With the probability, for whoever reads the headers."""
    await parts.keep(CACHED)
    parts.verifier.probabilities = {CACHED: 0.31}
    miss, _ = await parts.look_up(ASKED)

    assert isinstance(miss, Miss)
    assert (miss.seen.probability, miss.seen.reason) == (0.31, "verifier 0.31 < 0.50")


async def test_the_same_question_is_not_verified(parts: Parts) -> None:
    """Case and spacing make no other question."""
    await parts.keep(CACHED)
    hit, exchange = await parts.look_up(CACHED.lower())

    assert isinstance(hit, Hit)
    assert hit.probability is None
    assert parts.verifier.asked == []
    assert "verify" not in exchange.timings


async def test_a_verifier_that_fails_is_a_miss(parts: Parts) -> None:
    """One event, an open breaker, and the next lookup does not ask it."""
    await parts.keep(CACHED)
    parts.verifier.fails = True
    misses = [(await parts.look_up(ASKED))[0] for _ in range(2)]

    assert [isinstance(miss, Miss) and miss.seen.reason for miss in misses] == ["not verified"] * 2
    assert len(parts.verifier.asked) == 1
    assert parts.stage.trouble == "down"
    assert parts.heard.names == ["stage_failed", "breaker_opened"]


async def test_a_verifier_that_is_late_is_a_miss(tmp_path: Path) -> None:
    """The lookup's deadline is its deadline too."""
    heard = Heard()
    tasks = Tasks(heard)
    parts = Parts(tmp_path, tasks, heard, deadline_s=0.2)
    await parts.start()
    await parts.keep(CACHED)
    parts.verifier.gate.clear()
    miss, exchange = await parts.look_up(ASKED)
    await tasks.close()
    await parts.close()

    assert isinstance(miss, Miss)
    assert miss.seen.reason == "not verified"
    assert exchange.timings["verify"] < 1
    assert ("stage_failed", {"stage": "verifier", "reason": "late"}) in heard.events
