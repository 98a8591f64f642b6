"""An answer goes into every tier, and no tier's fault is anybody's but its own."""

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from proxy.core.freshness import Lifetimes, Rules
from proxy.core.model import Answer, Entry, Usage
from proxy.errors import TierError
from proxy.resilience import Deadline, Stage, Tasks
from proxy.storing import Store, Writing
from proxy.tiers.session import MemoryTier
from proxy.tiers.sqlite import SqliteTier
from proxy.tiers.sqlitewaiting import SqliteLeases
from tests.core.builders import request
from tests.support.backlogs import backlog_of
from tests.support.ports import HashEmbedder, Heard
from tests.support.waiting import until
from tests.tiers.builders import FakeClock

ANSWER = Answer(b'{"choices": []}', usage=Usage(1, 2))
PATH = "/v1/chat/completions"


class Parts:
    """A store and all it writes to, on a clock that stands still."""

    def __init__(self, path: Path, tasks: Tasks, heard: Heard) -> None:
        self.clock = FakeClock()
        self.heard = heard
        self.session = MemoryTier(clock=self.clock, max_entries=9, max_bytes=1 << 20, ttl_s=60)
        self.shared = SqliteTier(path, clock=self.clock, on_event=heard.event)
        self.embedder = HashEmbedder()
        self.owed: list[Entry] = []
        self.published = 0
        self.counted: list[tuple[str, str]] = []
        self.hold = asyncio.Event()
        self.hold.set()
        self.shared_stage = Stage("shared", self.shared.start, tasks=tasks, observer=heard)
        self.backlog = backlog_of(heard)
        embed_stage = Stage("embedder", self.embedder.start, tasks=tasks, observer=heard)
        self.store = Store(
            self.session,
            (self.shared, self.shared_stage),
            (self.embedder, embed_stage, self.owed.append),
            rules=Rules(Lifetimes(default_s=100, max_s=1000, stale_s=50)),
            clock=self.clock,
            publish=self._publish,
            count=self._count,
            backlog=self.backlog,
            writing=Writing(30),
        )

    async def _publish(self, _position: str) -> None:
        self.published += 1
        await self.hold.wait()

    async def _count(self, prompt: str, answer: str) -> Usage:
        self.counted.append((prompt, answer))
        return Usage(7, 8, estimated=True)

    async def put(
        self, answer: Answer = ANSWER, *, semantic: bool = True, **asked: object
    ) -> Entry:
        """Keep and share an answer to the builders' request."""
        entry = self.store.keep(request(**asked), answer, PATH)
        await self.store.share(entry, None, lambda: ("p", "a"), is_semantic=semantic)
        return entry


@pytest.fixture
async def parts(tmp_path: Path) -> AsyncIterator[Parts]:
    heard = Heard()
    tasks = Tasks(heard)
    made = Parts(tmp_path / "x.db", tasks, heard)
    await made.shared_stage.start()
    yield made
    await tasks.close()
    await made.shared.close()


async def test_the_session_knows_it_at_once(parts: Parts) -> None:
    """Before anything is awaited: whoever has seen the answer's end finds it."""
    entry = parts.store.keep(request(), ANSWER, PATH)

    assert parts.session.get(request().caller, entry.id) is entry
    assert entry.expires_at == parts.clock() + 100
    assert entry.kept_until == parts.clock() + 150


async def test_a_request_may_name_the_lifetime(parts: Parts) -> None:
    """Within the configured maximum."""
    assert parts.store.keep(request(ttl=5), ANSWER, PATH).expires_at == parts.clock() + 5
    assert parts.store.keep(request(ttl=5000), ANSWER, PATH).expires_at == parts.clock() + 1000


async def test_the_shared_tier_gets_it_whole(parts: Parts) -> None:
    """With its vector, and the derived tiers are told."""
    entry = await parts.put(tags=("a",))
    found = await parts.shared.get(entry.scope, entry.id)

    assert found is not None
    assert found.answer == ANSWER
    assert found.tags == ("a",)
    assert found.vector is not None
    assert found.embedder == parts.embedder.id
    assert parts.published == 1
    assert parts.counted == []


async def test_an_exact_entry_has_no_vector(parts: Parts) -> None:
    """Nothing is embedded for it."""
    entry = await parts.put(semantic=False)
    found = await parts.shared.get(entry.scope, entry.id)

    assert found is not None
    assert found.vector is None
    assert parts.embedder.texts == []


async def test_a_vector_at_hand_is_used(parts: Parts) -> None:
    """The lookup has embedded the question: it is not done twice."""
    vector = await parts.embedder.embed("What is a cache?")
    entry = parts.store.keep(request(), ANSWER, PATH)
    await parts.store.share(entry, vector, lambda: ("p", "a"), is_semantic=True)
    found = await parts.shared.get(entry.scope, entry.id)

    assert found is not None
    assert found.vector is not None
    assert len(parts.embedder.texts) == 1


async def test_tokens_are_counted_where_the_origin_did_not(parts: Parts) -> None:
    """And marked as an estimate."""
    entry = await parts.put(Answer(b"{}"))
    found = await parts.shared.get(entry.scope, entry.id)

    assert found is not None
    assert found.answer.usage == Usage(7, 8, estimated=True)
    assert parts.counted == [("p", "a")]


async def test_a_private_answer_stays_here(parts: Parts) -> None:
    """In the session tier alone."""
    entry = await parts.put(private=True)

    assert parts.session.get(request().caller, entry.id) is entry
    assert await parts.shared.get(entry.scope, entry.id) is None
    assert (parts.published, parts.embedder.texts) == (0, [])


async def test_an_embedder_that_fails(parts: Parts) -> None:
    """The answer is stored all the same, for its own question, and is owed a vector."""
    parts.embedder.fails = True
    entry = await parts.put()
    found = await parts.shared.get(entry.scope, entry.id)

    assert found is not None
    assert found.vector is None
    assert parts.owed == [entry]


async def test_a_question_that_no_embedder_takes(parts: Parts) -> None:
    """It is too long to have a vector: nothing is owed."""

    async def embed(text: str) -> None:
        parts.embedder.texts.append(text)

    parts.embedder.embed = embed  # type: ignore[method-assign]
    entry = await parts.put()
    found = await parts.shared.get(entry.scope, entry.id)

    assert found is not None
    assert found.vector is None
    assert parts.embedder.texts == [entry.question]
    assert parts.owed == []


async def test_a_shared_tier_that_fails(tmp_path: Path) -> None:
    """Storing raises nothing, and the session tier has the answer."""
    heard = Heard()
    tasks = Tasks(heard)
    parts = Parts(tmp_path / "x.db", tasks, heard)  # not started
    entry = await parts.put()
    await until(lambda: "writes_refused" in heard.names, "the event")
    await tasks.close()
    await parts.shared.close()

    assert parts.session.get(request().caller, entry.id) is entry


async def test_read_your_own_writes(parts: Parts) -> None:
    """A lookup in the scope waits until what is being written can be found."""
    parts.hold.clear()
    async with asyncio.TaskGroup() as group:
        writing = group.create_task(parts.put())
        await until(lambda: parts.published == 1)
        scope = request().scope.id
        await parts.store.settled("another scope", Deadline(10))
        waiting = group.create_task(parts.store.settled(scope, Deadline(10)))
        for _ in range(10):
            await asyncio.sleep(0)
        assert not waiting.done()
        assert not writing.done()
        parts.hold.set()
    await parts.store.settled(scope, Deadline(10))

    assert len(parts.store._writing) == 0


async def test_waiting_for_writes_ends_with_the_deadline(parts: Parts) -> None:
    """A write that takes long costs a hit, not a request."""
    parts.hold.clear()
    async with asyncio.TaskGroup() as group:
        group.create_task(parts.put())
        await until(lambda: parts.published == 1)
        await parts.store.settled(request().scope.id, Deadline(0.01))
        parts.hold.set()


async def test_a_write_that_is_given_up_wakes_who_waits(parts: Parts) -> None:
    """Nobody waits for a write that will never be."""
    parts.hold.clear()
    async with asyncio.TaskGroup() as group:
        writing = group.create_task(parts.put())
        await until(lambda: parts.published == 1)
        waiting = group.create_task(parts.store.settled(request().scope.id, Deadline(60)))
        await asyncio.sleep(0)
        writing.cancel()

    assert waiting.done()
    assert len(parts.store._writing) == 0


async def test_a_publication_that_fails(parts: Parts) -> None:
    """The answer is durable; that the index is behind is an event, and the log is read again."""

    async def fail(_position: str) -> None:
        raise TierError("index")

    parts.store._publish = fail
    entry = await parts.put()

    assert await parts.shared.get(entry.scope, entry.id) is not None


async def test_what_the_shared_tier_did_not_take_waits(tmp_path: Path) -> None:
    """Whole, with its vector and its tokens: it is written as it would have been."""
    heard = Heard()
    tasks = Tasks(heard)
    parts = Parts(tmp_path / "x.db", tasks, heard)  # not started
    entry = await parts.put(Answer(b"{}"))
    await tasks.close()

    with parts.backlog.taken(parts.clock()) as waiting:
        assert waiting is not None
        assert waiting.id == entry.id
        assert waiting.vector is not None
        assert waiting.answer.usage == Usage(7, 8, estimated=True)
    assert parts.published == 0


async def test_what_it_took_does_not_wait(parts: Parts) -> None:
    """Nor does an older answer to the same request, which would come after the newer one."""
    older = await parts.put()
    parts.backlog.add(older)
    parts.clock.now += 1
    newer = await parts.put()
    found = await parts.shared.get(newer.scope, newer.id)

    assert len(parts.backlog) == 0
    assert found is not None
    assert found.created_at == newer.created_at


async def test_a_publication_that_fails_lets_nothing_wait(parts: Parts) -> None:
    """The answer is stored: it is not to be written again."""

    async def fail(_position: str) -> None:
        raise TierError("index")

    parts.store._publish = fail
    await parts.put()

    assert len(parts.backlog) == 0


async def test_an_answer_whose_lease_has_passed_on_is_given_up(parts: Parts) -> None:
    """Somebody else asks by now: it is nowhere, in no session either, and does not wait."""
    leases = SqliteLeases(parts.shared, clock=time.time)
    lease = await leases.take(f"{request().key}:me", 0.001)
    assert lease is not None
    await leases.wait(lease.key, 10)
    successor = await leases.take(lease.key, 10)
    entry = parts.store.keep(request(), ANSWER, PATH)
    await parts.store.share(entry, None, lambda: ("p", "a"), is_semantic=True, lease=lease)

    assert parts.session.get(request().caller, entry.id) is None
    assert await parts.shared.get(entry.scope, entry.id) is None
    assert len(parts.backlog) == 0

    await parts.store.share(entry, None, lambda: ("p", "a"), is_semantic=True, lease=successor)

    assert await parts.shared.get(entry.scope, entry.id) is not None


async def test_another_replicas_answer_is_adopted(parts: Parts) -> None:
    """By the session of who waited for it, unless it was removed meanwhile."""
    entry = parts.store.keep(request(), ANSWER, PATH)
    parts.session.drop([entry.id])
    parts.store.adopt(request(), entry, parts.clock())

    assert parts.session.get(request().caller, entry.id) is None

    parts.clock.now += 1
    parts.store.adopt(request(), entry, parts.clock())

    assert parts.session.get(request().caller, entry.id) is entry


async def test_a_newer_answer_waits_for_the_older_on_its_way(parts: Parts) -> None:
    """So the older one cannot land last."""
    older = parts.store.keep(request(), ANSWER, PATH)
    parts.backlog.add(older)
    async with asyncio.TaskGroup() as group:
        with parts.backlog.taken(parts.clock()):
            writing = group.create_task(parts.put(semantic=False))
            for _ in range(20):
                await asyncio.sleep(0)
            assert await parts.shared.get(older.scope, older.id) is None
            assert not writing.done()
    assert await parts.shared.get(older.scope, older.id) is not None


async def test_an_answer_that_an_invalidation_has_overtaken(parts: Parts) -> None:
    """It was asked for before: it is nowhere, and does not wait."""
    entry = parts.store.keep(request(), ANSWER, PATH)
    await parts.store.share(entry, None, lambda: ("p", "a"), is_semantic=True, is_void=lambda: True)

    assert parts.session.get(request().caller, entry.id) is None
    assert await parts.shared.get(entry.scope, entry.id) is None
    assert len(parts.backlog) == 0


async def test_an_overtaken_answer_does_not_wait_for_the_shared_tier(tmp_path: Path) -> None:
    """It would be written when the tier is back, and the invalidation would be undone."""
    heard = Heard()
    tasks = Tasks(heard)
    parts = Parts(tmp_path, tasks, heard)
    entry = parts.store.keep(request(), ANSWER, PATH)
    await parts.store.share(entry, None, lambda: ("p", "a"), is_semantic=True, is_void=lambda: True)

    assert len(parts.backlog) == 0
    assert parts.session.get(request().caller, entry.id) is None
    await tasks.close()
    await parts.shared.close()


@pytest.mark.parametrize("is_replaced", [False, True])
async def test_an_invalidation_that_is_read_of_late(parts: Parts, *, is_replaced: bool) -> None:
    """The answer is taken back, but not one that was asked for since."""
    parts.hold.clear()
    entry = parts.store.keep(request(), ANSWER, PATH)
    is_void = False
    async with asyncio.TaskGroup() as group:
        share = parts.store.share(
            entry, None, lambda: ("p", "a"), is_semantic=False, is_void=lambda: is_void
        )
        group.create_task(share)
        await until(lambda: parts.published > 0, "the publication")
        assert await parts.shared.get(entry.scope, entry.id) is not None
        newer = replace(entry, created_at=entry.created_at + 0.001)
        if is_replaced:
            await parts.shared.put(newer)
        is_void = True
        parts.hold.set()

    assert await parts.shared.get(entry.scope, entry.id) == (newer if is_replaced else None)
