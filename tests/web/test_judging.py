"""Which neighbours answer: similarity, guards and the shipped verifier, through the proxy."""

import asyncio
from typing import Any

import pytest

from proxy.searching import Verification
from tests.support.origin import ScriptedOrigin
from tests.support.program import Got, Served, Serving, chat
from tests.support.waiting import until_async

QUESTION = "How do I reset my password?"
REWORDED = "I forgot my password, how do I get a new one?"
BOIL, FRY = "How do I boil an egg?", "How do I fry an egg?"
FEW_GUARDS = {"guards": ["number"], "threshold": 0.7, "floor": 0.7}
"""Guards that know nothing of eggs."""


async def ask_both(proxy: Served, first: str, second: str) -> Got:
    await proxy.post(chat(first))
    return await proxy.post(chat(second))


async def test_a_rewording_is_confirmed(semantic: Served, origin: ScriptedOrigin) -> None:
    """Other words, the same question: a hit that tells how sure the verifier was."""
    got = await ask_both(semantic, QUESTION, REWORDED)

    assert origin.calls == 1
    assert (got.cache, got.tier) == ("HIT", "vector")
    assert 0.5 <= float(got.headers["x-cache-probability"]) <= 1
    assert 0.7 <= float(got.headers["x-cache-similarity"]) < 0.88
    assert semantic.events("request")[1]["ms"]["verify"] > 0


async def test_the_same_text_is_not_verified(semantic: Served) -> None:
    """Case and spacing make no other question."""
    got = await ask_both(semantic, QUESTION, "how do I  reset my PASSWORD")

    assert (got.cache, got.tier) == ("HIT", "vector")
    assert "x-cache-probability" not in got.headers


@pytest.mark.parametrize(
    ("asked", "trap", "reason"),
    [
        ("Convert 5 miles to km", "Convert 50 miles to km", "number"),
        ("How do I enable dark mode?", "How do I disable dark mode?", "opposite"),
    ],
)
async def test_one_changed_word_is_a_miss(
    semantic: Served, asked: str, trap: str, reason: str
) -> None:
    """A guard has its say first: what it vetoes is not verified."""
    got = await ask_both(semantic, asked, trap)

    assert got.cache == "MISS"
    assert f'detail="{reason}' in got.headers["cache-status"]
    assert "x-cache-probability" not in got.headers


async def test_the_verifier_stops_what_the_rest_lets_through(
    serving: Serving, origin: ScriptedOrigin
) -> None:
    """The same question and the same cached answer, with and without it."""
    bare = {"vector": FEW_GUARDS, "judgement": {"verifier": "none"}}
    async with serving(embedder={"kind": "local"}, cache=bare) as proxy:
        served = await ask_both(proxy, BOIL, FRY)
        parts = (await proxy.get("/readyz")).json["parts"]
    async with serving(embedder={"kind": "local"}, cache={"vector": FEW_GUARDS}) as proxy:
        stopped = await proxy.post(chat(FRY))

    assert stopped.cache == "MISS"
    assert 'detail="verifier 0.' in stopped.headers["cache-status"]
    assert float(stopped.headers["x-cache-probability"]) < 0.5
    assert (served.cache, served.tier) == ("HIT", "vector")
    assert "x-cache-probability" not in served.headers
    assert "verifier" not in parts
    assert origin.calls == 2


async def test_the_probability_that_is_enough_can_be_set(serving: Serving) -> None:
    """An operator may be stricter than the shipped calibration."""
    judgement = {"min_probability": 1}
    async with serving(embedder={"kind": "local"}, cache={"judgement": judgement}) as proxy:
        got = await ask_both(proxy, QUESTION, REWORDED)

    assert got.cache == "MISS"
    assert "< 1.00" in got.headers["cache-status"]


async def test_a_threshold_that_the_verifier_replaces_is_told(serving: Serving) -> None:
    """An operator who sets it where it does not hold finds that in the log."""
    for vector, told in (({"threshold": 0.95}, 1), ({"threshold": 0.95, "floor": 0.7}, 0)):
        async with serving(embedder={"kind": "local"}, cache={"vector": vector}) as proxy:
            assert len(proxy.events("threshold_unused")) == told


async def test_a_caller_may_ask_for_more_similarity(semantic: Served) -> None:
    """What is less similar than the caller wants is not put to the verifier."""
    await semantic.post(chat(QUESTION))
    got = await semantic.post(chat(REWORDED), x_cache_threshold="0.95")

    assert got.cache == "MISS"
    assert "< 0.950" in got.headers["cache-status"]
    assert "x-cache-probability" not in got.headers


async def test_a_crowd_with_one_rewording_is_answered(
    serving: Serving, origin: ScriptedOrigin
) -> None:
    """A hundred callers at once need one run of the verifier: none waits for those before him."""
    patient = {"deadline_ms": 20_000}  # whatever else the machine has to do
    async with serving(embedder={"kind": "local"}, cache=patient) as proxy:
        await proxy.post(chat(QUESTION))
        async with asyncio.TaskGroup() as group:
            asking = [group.create_task(proxy.post(chat(REWORDED))) for _ in range(100)]

    assert {task.result().tier for task in asking} == {"vector"}
    assert origin.calls == 1


def verification(proxy: Served) -> Verification:
    semantic = proxy.runtime.search._semantic
    assert semantic is not None
    assert semantic.verification is not None
    return semantic.verification


async def test_a_verifier_that_goes_and_comes_back(serving: Serving) -> None:
    """It costs hits and never a request; readiness tells, and it is used again once it is well."""
    breaker = {"retry_s": 0.3}
    async with serving(embedder={"kind": "local"}, cache={"breaker": breaker}) as proxy:
        await proxy.post(chat(QUESTION))
        await verification(proxy).verifier.close()
        missed = await proxy.post(chat(REWORDED))
        told = await proxy.get("/readyz")
        same = await proxy.post(chat(QUESTION.lower()))

        async def is_well() -> bool:
            body: dict[str, Any] = (await proxy.get("/readyz")).json
            return bool(body["status"] == "ready")

        await until_async(is_well, "the verifier's return")
        found = await proxy.post(chat("How can I reset the password?"))

    assert (missed.status, missed.cache) == (200, "MISS")
    assert 'detail="not verified"' in missed.headers["cache-status"]
    assert told.json["parts"]["verifier"] == "the verifier is not started"
    assert told.status == 200
    assert same.tier == "vector"
    assert found.tier == "vector"
