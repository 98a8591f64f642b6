"""The cache around a callable of one's own."""

import asyncio
import io
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from proxy.config import Config
from proxy.core.changes import Selector
from proxy.core.model import Result, Tier
from proxy.errors import BadRequestError, NotCachedError, NotFoundError
from proxy.feedback import Verdict
from proxy.library import Cache, open_cache, tenant_id
from tests.support.completions import choice_for, completion, text_for
from tests.support.program import chat, settings
from tests.support.waiting import until

QUESTION = "How do I reset my password?"
REWORDED = "how can I reset my password"
Json = dict[str, Any]


class Source:
    """Answers, and counts how often."""

    def __init__(self) -> None:
        self.calls = 0
        self.error: Exception | None = None
        self.hold = asyncio.Event()
        self.hold.set()

    async def __call__(self, request: Json) -> Json:
        self.calls += 1
        await self.hold.wait()
        if self.error is not None:
            raise self.error
        return completion(request, [choice_for(0, text_for(request))], self.calls)


def listeners(cache: Cache) -> int:
    """How many wait for a flight."""
    return sum(len(flight._seats) for flight in cache.runtime.flights._calls)


@pytest.fixture
def source() -> Source:
    return Source()


@pytest.fixture
async def cache(tmp_path: Path) -> AsyncIterator[Cache]:
    config = settings("http://127.0.0.1:9/v1", tmp_path, embedder={"kind": "local"})
    async with open_cache(Config.model_validate(config), io.StringIO()) as running:
        yield running


async def test_every_tier(cache: Cache, source: Source) -> None:
    """A miss, its repeat, its repeat in another session, and a rewording."""
    answers = [
        await cache.ask(chat(QUESTION), source),
        await cache.ask(chat(QUESTION), source),
        await cache.ask(chat(QUESTION), source, headers={"X-Session-Id": "b"}),
        await cache.ask(chat(REWORDED), source),
    ]

    assert [a.outcome.result for a in answers] == [Result.MISS, Result.HIT, Result.HIT, Result.HIT]
    assert [a.outcome.tier for a in answers] == [None, Tier.SESSION, Tier.SHARED, Tier.VECTOR]
    assert {a.answer["choices"][0]["message"]["content"] for a in answers} == {
        text_for(chat(QUESTION))
    }
    assert len({a.answer["id"] for a in answers}) == 4
    assert source.calls == 1


async def test_a_crowd_is_one_call(cache: Cache, source: Source) -> None:
    """Concurrent equal misses ask once."""
    source.hold.clear()
    async with asyncio.TaskGroup() as group:
        asking = [group.create_task(cache.ask(chat(), source)) for _ in range(200)]
        await until(lambda: listeners(cache) == 200, "everybody's waiting")
        source.hold.set()

    assert source.calls == 1
    assert len({task.result().answer["choices"][0]["message"]["content"] for task in asking}) == 1


async def test_the_origins_own_error(cache: Cache, source: Source) -> None:
    """Whatever it raised reaches everybody who waited, and is not kept."""
    source.error = KeyError("mine")
    source.hold.clear()
    async with asyncio.TaskGroup() as group:

        async def ask() -> None:
            with pytest.raises(KeyError, match="mine"):
                await cache.ask(chat(), source)

        for _ in range(3):
            group.create_task(ask())
        await until(lambda: source.calls == 1, "the call")
        source.hold.set()
    source.error = None
    after = await cache.ask(chat(), source)

    assert source.calls == 2
    assert after.outcome.result is Result.MISS


async def test_tenants(cache: Cache, source: Source) -> None:
    """No answer of one is another's."""
    await cache.ask(chat(QUESTION), source, tenant="a")
    other = await cache.ask(chat(REWORDED), source, tenant="b")
    same = await cache.ask(chat(REWORDED), source, tenant="a")

    assert (other.outcome.result, same.outcome.tier) == (Result.MISS, Tier.VECTOR)


async def test_directives(cache: Cache, source: Source) -> None:
    """The same headers as the proxy's callers send."""
    with pytest.raises(NotCachedError):
        await cache.ask(chat(), source, headers={"Cache-Control": "only-if-cached"})
    with pytest.raises(BadRequestError):
        await cache.ask(chat(), source, headers={"X-Cache-Mode": "fuzzy"})
    with pytest.raises(BadRequestError):
        await cache.ask({"model": "m"}, source)
    bypassed = await cache.ask(chat(), source, headers={"cache-control": "no-store"})
    await cache.ask(chat(), source)
    refreshed = await cache.ask(chat(), source, headers={"cache-control": "no-cache"})

    assert bypassed.outcome.result is Result.BYPASS
    assert refreshed.outcome.result is Result.MISS
    assert source.calls == 3


async def test_lookup_asks_nobody(cache: Cache, source: Source) -> None:
    """It tells what would answer."""
    nothing = await cache.lookup(chat(QUESTION))
    await cache.ask(chat(QUESTION), source)
    exact, near = await cache.lookup(chat(QUESTION)), await cache.lookup(chat(REWORDED))
    bypassed = await cache.lookup(chat(QUESTION), headers={"cache-control": "no-store"})

    assert nothing is bypassed is None
    assert exact is not None
    assert near is not None
    assert (exact.tier, near.tier) == (Tier.SESSION, Tier.VECTOR)
    assert near.similarity is not None
    assert near.entry.question == QUESTION


async def test_storing(cache: Cache, source: Source) -> None:
    """An answer one has already, in every tier."""
    answer = completion(chat(QUESTION), [choice_for(0, "Known.")], 1)
    entry = await cache.store(chat(QUESTION), answer)
    hits = [await cache.ask(chat(text), source) for text in (QUESTION, REWORDED)]

    assert entry is not None
    assert [hit.answer["choices"][0]["message"]["content"] for hit in hits] == ["Known."] * 2
    assert source.calls == 0


@pytest.mark.parametrize("finish", ["length", "content_filter"])
async def test_what_may_not_be_stored(cache: Cache, finish: str) -> None:
    """The rules hold here too: an answer cut short is nobody else's."""
    answer = completion(chat(), [{**choice_for(0, "Cut."), "finish_reason": finish}], 1)

    assert await cache.store(chat(), answer) is None
    assert await cache.store(chat(), answer, headers={"cache-control": "no-store"}) is None
    assert await cache.lookup(chat()) is None


async def test_invalidation(cache: Cache, source: Source) -> None:
    """Every tier forgets; a dry run only counts."""
    await cache.ask(chat(QUESTION), source, headers={"x-cache-tags": "manual"})
    await cache.ask(chat("What is a monad?"), source)
    selector = Selector(tenant_id(""), tags=("manual",))
    counted = await cache.invalidate(selector, dry_run=True)
    kept = await cache.lookup(chat(QUESTION))
    dropped = await cache.invalidate(selector)

    assert counted.ids == dropped.ids
    assert dropped.count == 1
    assert kept is not None
    assert await cache.lookup(chat(QUESTION)) is None
    assert await cache.lookup(chat(REWORDED)) is None
    assert await cache.lookup(chat("What is a monad?")) is not None


async def test_an_invalidation_overtakes_a_call(cache: Cache, source: Source) -> None:
    """An answer asked for before it is given to who waits, and not kept."""
    source.hold.clear()
    async with asyncio.TaskGroup() as group:
        asking = group.create_task(cache.ask(chat(), source))
        await until(lambda: source.calls == 1, "the call")
        await cache.invalidate(Selector(tenant_id(""), everything=True))
        source.hold.set()

    assert asking.result().outcome.result is Result.MISS
    assert await cache.lookup(chat()) is None


async def test_a_caller_who_leaves(cache: Cache, source: Source) -> None:
    """His leaving is no other's."""
    source.hold.clear()
    async with asyncio.TaskGroup() as group:
        first = group.create_task(cache.ask(chat(), source))
        await until(lambda: source.calls == 1, "the call")
        second = group.create_task(cache.ask(chat(), source))
        await until(lambda: listeners(cache) == 2, "two listeners")
        first.cancel()
        await asyncio.sleep(0)
        source.hold.set()

    assert first.cancelled()
    assert second.result().outcome.result is Result.COALESCED
    assert source.calls == 1


async def test_a_request_for_a_stream(cache: Cache, source: Source) -> None:
    """The answer comes whole."""
    got = await cache.ask(chat(stream=True), source)

    assert got.answer["object"] == "chat.completion"


async def test_a_bad_entry_is_removed(cache: Cache, source: Source) -> None:
    """A verdict without HTTP: for the tenant's own entries alone."""
    stored = await cache.ask(chat(QUESTION), source)
    entry = stored.outcome.entry or ""
    with pytest.raises(NotFoundError):
        await cache.feedback(entry, Verdict.BAD, tenant="stranger")
    good = await cache.feedback(entry, Verdict.GOOD)
    bad = await cache.feedback(entry, Verdict.BAD)
    again = await cache.ask(chat(QUESTION), source)

    assert (good.removed, bad.removed) == (False, True)
    assert again.outcome.result is Result.MISS


async def test_a_bad_match_is_not_made_again(cache: Cache) -> None:
    """As over HTTP: the entry goes, and asked anew it does not answer that rewording."""
    source = Source()
    await cache.ask(chat(QUESTION), source)
    hit = await cache.ask(chat(REWORDED), source)
    bad = await cache.feedback(hit.outcome.entry or "", Verdict.BAD)
    await cache.ask(chat(QUESTION), source)
    again = await cache.ask(chat(REWORDED), source)

    assert hit.outcome.tier is Tier.VECTOR
    assert (bad.removed, bad.marked) == (True, True)
    assert (again.outcome.result, again.outcome.reason) == (Result.MISS, "feedback: marked bad")


async def test_another_configuration_is_followed(cache: Cache, source: Source) -> None:
    """It holds for the next question; what is stored stays, and what needs a restart is named."""
    await cache.ask(chat(QUESTION), source)
    before = await cache.lookup(chat(REWORDED))
    held = cache.runtime.config
    surer = held.cache.judgement.model_copy(update={"min_probability": 1.0})
    changed = held.cache.model_copy(update={"judgement": surer})
    server = held.server.model_copy(update={"host": "0.0.0.0"})
    done = await cache.follow(held.model_copy(update={"cache": changed, "server": server}))

    assert before is not None
    assert await cache.lookup(chat(REWORDED)) is None
    assert await cache.lookup(chat(QUESTION)) is not None
    assert done.changed == ("cache.judgement.min_probability",)
    assert done.needs_restart == ("server.host",)
