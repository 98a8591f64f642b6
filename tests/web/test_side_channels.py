"""What a stranger can learn from how he is answered: nothing of what others asked, if so wished."""

from time import perf_counter

import pytest

from proxy.resilience import Deadline
from tests.support.origin import ScriptedOrigin
from tests.support.program import Json, Served, Serving, chat
from tests.support.waiting import PATIENCE_S

QUESTION = "What is a cache?"
FLOOR_S = 0.15
EARLY_S = 0.002
"""A timer may fire this much before its time."""

ASKED: dict[str, tuple[str, Json]] = {
    "plain": ("/chat/completions", chat(QUESTION)),
    "stream": ("/chat/completions", chat(QUESTION, stream=True)),
    "embedding": ("/embeddings", {"model": "m", "input": QUESTION}),
    "response": ("/responses", {"model": "m", "input": QUESTION, "store": False}),
}


async def times(proxy: Served, path: str, body: Json, count: int) -> list[tuple[str | None, float]]:
    """How the same was answered again and again, and how long each took, to its end."""
    told = []
    for _ in range(count):
        began = perf_counter()
        got = await proxy.post(body, to=path)
        told.append((got.cache, perf_counter() - began))
        await proxy.runtime.store.idle(Deadline(PATIENCE_S))
    return told


@pytest.mark.parametrize("name", ASKED)
async def test_no_hit_is_sooner_than_the_floor(serving: Serving, name: str) -> None:
    """From whatever tier, plain or as a stream: the quickest way knows no request then."""
    path, body = ASKED[name]
    async with serving(server={"hit_latency_floor_ms": 1000 * FLOOR_S}) as proxy:
        first, *hits = await times(proxy, path, body, 5)
        known = proxy.lane.answered

    assert first[0] == "MISS"
    assert {how for how, _ in hits} == {"HIT"}
    assert min(took for _, took in hits) >= FLOOR_S - EARLY_S
    assert known == 0


async def test_a_rewording_is_no_sooner(serving: Serving) -> None:
    """A hit by meaning, and one of the shared tier alone, wait as long."""
    over: Json = {"server": {"hit_latency_floor_ms": 1000 * FLOOR_S}, "embedder": {"kind": "local"}}
    async with serving(**over) as proxy:
        await times(proxy, "/chat/completions", chat(QUESTION), 1)
        reworded = await times(proxy, "/chat/completions", chat(QUESTION.upper()), 1)
        started = perf_counter()
        shared = await proxy.post(chat(QUESTION), x_session_id="another")
        took = perf_counter() - started

    assert [how for how, _ in reworded] == ["HIT"]
    assert reworded[0][1] >= FLOOR_S - EARLY_S
    assert (shared.tier, took >= FLOOR_S - EARLY_S) == ("shared", True)


async def test_a_miss_is_not_held_back(serving: Serving, origin: ScriptedOrigin) -> None:
    """What the origin was asked for is passed on as it comes, and a floor of 0 holds back none."""
    async with serving(server={"hit_latency_floor_ms": 60_000}) as proxy:
        got = await proxy.post(chat(QUESTION))

    assert (got.cache, origin.calls) == ("MISS", 1)


async def test_hidden_headers_say_nothing(serving: Serving) -> None:
    """With them off, a miss and its repeat have the same headers, but for the origin's own."""
    async with serving(server={"expose_cache_headers": False}) as proxy:
        replies = [await proxy.post(chat(QUESTION)) for _ in range(3)]
        names = [{name.lower() for name in got.headers} for got in replies]

    assert names[0] == names[1] == names[2]
    assert not any(name.startswith(("x-cache", "cache-status", "age")) for name in names[0])
