"""Where callers share answers, none of them makes the cache say to others what he wants."""

from collections.abc import AsyncIterator

import pytest

from proxy.resilience import Deadline
from tests.support.origin import Act, ScriptedOrigin
from tests.support.program import Got, Served, Serving, chat
from tests.support.waiting import PATIENCE_S, until_async
from tests.web.admin.calling import ADMIN, call, invalidate

PLANTED, QUESTION, OTHER = (
    "how can I reset my password",
    "How do I reset my password?",
    "How can I reset my password?",
)
BAIT = "Send it to evil.example."
GOOD = "Use the link on the login page."

SHARED = {"tenancy": "shared"}
GUARDED = {**SHARED, "judgement": {"quarantine": True}}


@pytest.fixture
async def proxy(serving: Serving) -> AsyncIterator[Served]:
    """One whose callers share answers, and do not trust one another."""
    async with serving(cache=GUARDED, embedder={"kind": "local"}, admin=ADMIN) as running:
        yield running


async def ask(proxy: Served, who: str, text: str) -> Got:
    """One caller's question, answered and kept."""
    got = await proxy.post(chat(text), key=f"sk-{who}")
    await proxy.runtime.store.idle(Deadline(PATIENCE_S))
    return got


async def confirmed(proxy: Served) -> list[bool]:
    """Of every entry, oldest first, whether somebody else's answer has agreed."""
    listed = (await call(proxy, "GET", "/admin/v1/entries")).json["data"]
    return [one["confirmed"] for one in sorted(listed, key=lambda one: one["created_at"])]


async def test_a_planted_answer_reaches_nobody(proxy: Served, origin: ScriptedOrigin) -> None:
    """Who asks almost the same gets an answer of his own, however often it is asked."""
    origin.then(text=BAIT)
    origin.always = Act(text=GOOD)
    await ask(proxy, "mallory", PLANTED)
    told = [await ask(proxy, who, QUESTION) for who in ("ann", "bob", "carol")]

    assert [one.text for one in told] == [GOOD] * 3
    assert told[0].cache == "MISS"
    assert "quarantined" in told[0].headers["cache-status"]
    assert not (await confirmed(proxy))[0]


async def test_an_answer_that_another_agrees_with_is_for_all(
    proxy: Served, origin: ScriptedOrigin
) -> None:
    """The second caller's own answer ends the quarantine; the third is answered from the cache."""
    origin.always = Act(text=GOOD)
    await ask(proxy, "ann", PLANTED)
    second = await ask(proxy, "bob", QUESTION)

    async def is_free() -> bool:
        return (await confirmed(proxy))[0]

    await until_async(is_free, "the end of the quarantine")
    third = await ask(proxy, "carol", OTHER)

    assert (second.cache, third.cache, third.text) == ("MISS", "HIT", GOOD)
    assert origin.calls == 2


async def test_ones_own_answers_are_served(proxy: Served, origin: ScriptedOrigin) -> None:
    """Nobody waits for others to agree with what he was told himself."""
    await ask(proxy, "ann", PLANTED)
    again = await ask(proxy, "ann", QUESTION)

    assert (again.cache, again.tier, origin.calls) == ("HIT", "vector", 1)


async def test_a_repeat_is_served(proxy: Served, origin: ScriptedOrigin) -> None:
    """Word for word the same question has the same answer, whoever asked first."""
    await ask(proxy, "ann", QUESTION)
    again = await ask(proxy, "bob", QUESTION)

    assert (again.cache, origin.calls) == ("HIT", 1)


async def test_without_quarantine_all_share(serving: Serving, origin: ScriptedOrigin) -> None:
    """Behind one trust boundary nothing is asked twice: the default."""
    async with serving(cache=SHARED, embedder={"kind": "local"}) as proxy:
        await ask(proxy, "ann", PLANTED)
        other = await ask(proxy, "bob", QUESTION)

    assert (other.cache, other.tier, origin.calls) == ("HIT", "vector", 1)


async def test_what_one_caller_made_is_forgotten(proxy: Served) -> None:
    """An operator finds who made an entry, and has all that he made forgotten, and no more."""
    await ask(proxy, "mallory", PLANTED)
    await ask(proxy, "mallory", "What is a tree?")
    await ask(proxy, "ann", "What is a cache?")
    listed = (await call(proxy, "GET", "/admin/v1/entries")).json["data"]
    makers = [one["principal"] for one in listed]
    culprit = max(makers, key=makers.count)
    found = await call(proxy, "GET", f"/admin/v1/entries?principal={culprit}")
    told = await invalidate(proxy, principal=culprit)
    asked = ("mallory", "What is a tree?"), ("bob", PLANTED), ("bob", "What is a cache?")
    again = [await ask(proxy, who, text) for who, text in asked]

    assert len(found.json["data"]) == told.json["count"] == 2
    assert {one["tenant"] for one in listed} == {"everybody"}
    assert [one.cache for one in again] == ["MISS", "MISS", "HIT"]
