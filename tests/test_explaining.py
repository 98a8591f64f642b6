"""Explanations of a running cache, with its real parts."""

import io
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from proxy.config import Config
from proxy.core.explaining import not_served
from proxy.errors import BadRequestError
from proxy.feedback import Verdict
from proxy.library import Cache, open_cache
from tests.support.completions import choice_for, completion, text_for
from tests.support.program import chat, settings

QUESTION, REWORDED = "How do I reset my password?", "how can I reset my password"
TRAP = "How do I delete my password?"
Json = dict[str, Any]


@pytest.fixture
async def cache(tmp_path: Path) -> AsyncIterator[Cache]:
    config = settings("http://127.0.0.1:9/v1", tmp_path, embedder={"kind": "local"})
    async with open_cache(Config.model_validate(config), io.StringIO()) as running:
        yield running


async def keep(cache: Cache, body: Json, **more: Any) -> None:
    assert await cache.store(body, completion(body, [choice_for(0, text_for(body))], 1), **more)


async def unasked(request: Json) -> Json:
    """Fails: only hits are wanted."""
    raise LookupError(str(request))


async def test_it_says_what_the_lookup_does(cache: Cache) -> None:
    """A rewording is answered, and its neighbour's steps say why; nothing changes by asking."""
    await keep(cache, chat(QUESTION))
    found = await cache.explain(chat(REWORDED))
    again = await cache.explain(chat(REWORDED))
    served = await cache.lookup(chat(REWORDED))

    assert served is not None
    assert (found.decision.served, found.decision.tier) == (True, "vector")
    assert again == found
    [near] = found.neighbours
    assert (near.entry, near.pair.question, near.pair.served) == (served.entry.id, QUESTION, True)
    assert near.pair.similarity == served.similarity
    assert near.pair.probability == served.probability
    assert near.pair.vetoes == ()


async def test_every_neighbour_is_explained(cache: Cache) -> None:
    """Also those that the lookup does not come to, nearest first."""
    await keep(cache, chat(QUESTION))
    await keep(cache, chat(TRAP))
    found = await cache.explain(chat(REWORDED))

    assert [near.pair.question for near in found.neighbours] == [QUESTION, TRAP]
    assert [near.pair.served for near in found.neighbours] == [True, False]
    assert found.neighbours[1].pair.vetoes


async def test_scopes_stay_closed(cache: Cache) -> None:
    """Nobody's explanation shows another tenant's or another model's questions."""
    await keep(cache, chat(QUESTION), tenant="a")
    for tenant, body in (("b", chat(REWORDED)), ("a", chat(REWORDED, model="other"))):
        found = await cache.explain(body, tenant=tenant)

        assert found.neighbours == ()
        assert found.decision == not_served("nothing is near")


@pytest.mark.parametrize(
    ("headers", "reason"),
    [({"cache-control": "no-cache"}, "no-cache"), ({"x-cache-mode": "off"}, "no-store")],
)
async def test_a_request_that_wants_no_cache(
    cache: Cache, headers: dict[str, str], reason: str
) -> None:
    """It is told so, and nothing is looked up."""
    await keep(cache, chat(QUESTION))
    found = await cache.explain(chat(QUESTION), headers=headers)

    assert found.decision == not_served(reason)
    assert found.neighbours == ()


async def test_compare_agrees_with_serving(cache: Cache) -> None:
    """What `compare` says of two requests is what becomes of them, and it stores nothing."""
    for number, text in enumerate((QUESTION, REWORDED, TRAP, "Why is the sky blue?")):
        compared = await cache.compare(chat(text), chat(QUESTION))
        assert await cache.lookup(chat(text), tenant=f"t{number}") is None
        await keep(cache, chat(QUESTION), tenant=f"t{number}")
        served = await cache.lookup(chat(text), tenant=f"t{number}")

        assert compared.decision.served == (served is not None), text
        if compared.pair is not None and served is not None and served.similarity is not None:
            # The index keeps half precision.
            assert compared.pair.similarity == pytest.approx(served.similarity, abs=1e-3)


async def test_what_forbids_rewording_is_named(cache: Cache) -> None:
    """A seed makes a request one that only its repeat may answer."""
    found = await cache.compare(chat(REWORDED, seed=1), chat(QUESTION, seed=1))

    assert found.decision == not_served("exact repeats only: seed")


async def test_without_an_embedder(tmp_path: Path) -> None:
    """The key is explained; reworded questions are not compared."""
    config = settings("http://127.0.0.1:9/v1", tmp_path)
    async with open_cache(Config.model_validate(config), io.StringIO()) as cache:
        same = await cache.compare(chat(QUESTION), chat(QUESTION))
        other = await cache.compare(chat(REWORDED), chat(QUESTION))
        found = await cache.explain(chat(QUESTION))

    assert same.decision.served
    assert other.decision == not_served("exact repeats only: no embedder")
    assert other.pair is None
    assert (found.decision.served, found.neighbours) == (False, ())


async def test_a_match_called_wrong_is_told(cache: Cache) -> None:
    """Of the neighbour and of a pair alone, as the lookup says it."""
    request = chat(REWORDED)
    await keep(cache, chat(QUESTION))
    served = await cache.ask(request, unasked)
    await cache.feedback(served.outcome.entry or "", Verdict.BAD)
    await keep(cache, chat(QUESTION))
    found = await cache.explain(request)
    pair = (await cache.compare(request, chat(QUESTION))).pair

    assert pair is not None
    assert found.decision == not_served("feedback: marked bad")
    assert found.neighbours[0].pair.reason == pair.reason == "feedback: marked bad"


async def test_a_hit_not_yet_proven_is_told(tmp_path: Path) -> None:
    """Where hits must be proven, a neighbour that would be asked about is not said to be served."""
    judgement = {"policy": "verified"}
    config = settings(
        "http://127.0.0.1:9/v1",
        tmp_path,
        embedder={"kind": "local"},
        cache={"judgement": judgement},
    )
    async with open_cache(Config.model_validate(config), io.StringIO()) as running:
        await keep(running, chat(QUESTION))
        found = await running.explain(chat(REWORDED))

    assert found.decision == not_served("exploring")
    assert found.neighbours[0].pair.served


async def test_who_keeps_his_answer_private_may_read(cache: Cache) -> None:
    """A private request gets a neighbour's answer; a private answer is nobody's neighbour."""
    await keep(cache, chat(QUESTION))
    private = {"cache-control": "private"}
    found = await cache.explain(chat(REWORDED), headers=private)
    pair = await cache.compare(chat(REWORDED), chat(QUESTION), headers=private)

    assert (found.decision.served, found.decision.tier) == (True, "vector")
    assert pair.decision == not_served("exact repeats only: session only: cache-control: private")


async def test_what_is_no_request(cache: Cache) -> None:
    """It is the caller's fault, as with asking."""
    with pytest.raises(BadRequestError):
        await cache.explain({"model": "m"})
    with pytest.raises(BadRequestError):
        await cache.compare(chat(), {"messages": "?"})


async def test_conversations_compared_by_meaning(tmp_path: Path) -> None:
    """Where earlier turns may be worded differently, the whole question that was read is shown."""
    config = settings(
        "http://127.0.0.1:9/v1", tmp_path, embedder={"kind": "local"}, cache={"context": "rewrite"}
    )

    def talk(first: str, last: str) -> Json:
        turns = [("user", first), ("assistant", "Use the settings page."), ("user", last)]
        return chat(messages=[{"role": role, "content": text} for role, text in turns])

    new = talk("How can I reset my password?", "And how long does it take?")
    cached = talk(QUESTION, "And how long does it take?")
    async with open_cache(Config.model_validate(config), io.StringIO()) as cache:
        found = await cache.compare(new, cached)

    assert found.differs == ()
    assert found.pair is not None
    assert "reset my password" in found.pair.question
    assert found.decision.served == found.pair.served
