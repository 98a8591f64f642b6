"""`GET /admin/v1/requests`, `/decisions` and `/history`: what happened lately."""

import time

import pytest

from proxy.core.changes import ALL_TENANTS, Selector
from tests.support.origin import ScriptedOrigin
from tests.support.program import KEY, Json, Served, Serving, chat
from tests.web.admin.calling import ADMIN, call

QUESTION, REWORDED, TRAP = "Reset my password?", "reset my PASSWORD", "Reset my 5 passwords?"
OTHER = "How far away is the moon?"
PLACES = ("requests", "decisions", "history")


async def told(proxy: Served, path: str) -> Json:
    got = await call(proxy, "GET", f"/admin/v1/{path}")
    assert got.status == 200, got.body
    return got.json


async def test_requests_are_told_newest_first(watched: Served) -> None:
    """Each with what its reply's headers said, how long it took, and nobody's words."""
    before = time.time()
    miss = await watched.post(chat(QUESTION), x_cache_namespace="support")
    hit = await watched.post(chat(QUESTION), x_cache_namespace="support")
    found = await told(watched, "requests")
    newest, oldest = found["data"]

    assert (found["object"], found["next_cursor"], found["unreached_workers"]) == ("list", None, 0)
    assert [one["id"] for one in found["data"]] == [
        got.headers["x-request-id"] for got in (hit, miss)
    ]
    assert (newest["result"], newest["tier"], newest["namespace"]) == ("HIT", "session", "support")
    assert newest["entry"] == oldest["entry"] == hit.headers["x-cache-entry"]
    assert newest["tokens_saved"] == int(hit.headers["x-cache-saved-tokens"])
    assert newest["saved_usd"] == pytest.approx(float(hit.headers["x-cache-saved-usd"]))
    assert (newest["upstream_ms"], newest["stored"]) == (None, None)
    assert (oldest["result"], oldest["stored"], oldest["saved_usd"]) == ("MISS", True, 0)
    assert 0 < oldest["upstream_ms"] <= oldest["duration_ms"]
    assert before <= oldest["at"] <= newest["at"] <= time.time()
    assert all("question" not in one for one in found["data"])


async def test_requests_come_in_pages_and_can_be_narrowed(watched: Served) -> None:
    """Every request is told once, whatever comes meanwhile; filters must all hold."""
    for number in range(5):
        await watched.post(chat(f"What is {number}?"), x_cache_namespace="ab"[number % 2])
    first = await told(watched, "requests?limit=2")
    await watched.post(chat("What is 0?"), x_cache_namespace="a")
    second = await told(watched, f"requests?limit=2&cursor={first['next_cursor']}")
    third = await told(watched, f"requests?limit=2&cursor={second['next_cursor']}")
    ids = [one["id"] for page in (first, second, third) for one in page["data"]]
    hits = await told(watched, "requests?namespace=a&result=HIT")
    none = await told(watched, "requests?namespace=")

    assert len(ids) == len(set(ids)) == 5
    assert third["next_cursor"] is None
    assert [one["namespace"] for one in hits["data"]] == ["a"]
    assert none["data"] == []


async def test_a_question_is_told_only_where_the_operator_has_it_shown(serving: Serving) -> None:
    """Nor is it quoted in a reason: a veto is named by its kind alone."""
    semantic: Json = {"embedder": {"kind": "local"}}
    for shows in (False, True):
        async with serving(admin={**ADMIN, "show_questions": shows}, **semantic) as proxy:
            await proxy.post(chat(QUESTION))
            await proxy.post(chat(TRAP))
            newest = (await told(proxy, "requests"))["data"][0]
            await proxy.runtime.shared.purge(everything())

            assert newest.get("question") == (TRAP if shows else None)
            assert newest["reason"].startswith("number 5" if shows else "number")
            assert ("5" in newest["reason"]) == shows


def everything() -> Selector:
    return Selector(ALL_TENANTS, everything=True)


async def test_decisions_are_counted_by_similarity(serving: Serving) -> None:
    """Hits, vetoes by their kind, and what was too far away to be read."""
    async with serving(admin=ADMIN, embedder={"kind": "local"}) as proxy:
        await proxy.post(chat(QUESTION), x_cache_namespace="n")
        hit = await proxy.post(chat(REWORDED), x_cache_namespace="n")
        await proxy.post(chat(TRAP), x_cache_namespace="n")
        await proxy.post(chat(OTHER), x_cache_namespace="n")
        found = await told(proxy, "decisions")
        elsewhere = await told(proxy, "decisions?namespace=m")
        similarity = float(hit.headers["x-cache-similarity"])
        [[edge, count]] = found["similarity"]["hits"]

        assert hit.tier == "vector"
        assert (found["object"], found["looked"], found["bin"]) == ("cache.decisions", 3, 0.005)
        assert count == 1
        assert edge <= similarity + 1e-4 <= edge + 0.006
        assert sum(count for _, count in found["similarity"]["vetoes"]) == 1
        assert found["vetoes_by_reason"] == {"number": 1}
        assert sum(count for _, count in found["similarity"]["near"]) == 1
        assert found["similarity"]["unsure"] == []
        assert found["in_force"]["floor"] == proxy.runtime.limits.threshold
        assert found["in_force"]["threshold"] is None
        assert 0 < found["in_force"]["min_probability"] < 1
        assert found["in_force"]["embedder"].startswith("minilm")
        assert elsewhere["looked"] == 0


async def test_what_the_verifier_does_not_vouch_for_is_unsure(serving: Serving) -> None:
    """It is counted with the probability that was too small."""
    judgement = {"min_probability": 0.999999}
    async with serving(
        admin=ADMIN, embedder={"kind": "local"}, cache={"judgement": judgement}
    ) as proxy:
        await proxy.post(chat("How do I reset my password?"))
        await proxy.post(chat("how can I reset my password"))
        found = await told(proxy, "decisions")

    assert sum(count for _, count in found["similarity"]["unsure"]) == 1
    assert sum(count for _, count in found["probability"]["unsure"]) == 1
    assert found["in_force"]["min_probability"] == 0.999999


async def test_without_a_verifier_the_threshold_is_in_force(serving: Serving) -> None:
    """And without an embedder nothing is."""
    judgement = {"verifier": "none"}
    async with serving(
        admin=ADMIN, embedder={"kind": "local"}, cache={"judgement": judgement}
    ) as proxy:
        in_force = (await told(proxy, "decisions"))["in_force"]
        assert in_force["threshold"] == in_force["floor"] == proxy.runtime.limits.threshold
        assert (in_force["verifier"], in_force["min_probability"]) == (None, None)
    async with serving(admin=ADMIN) as proxy:
        assert set((await told(proxy, "decisions"))["in_force"].values()) == {None}


async def test_history_has_a_point_for_every_step(watched: Served, origin: ScriptedOrigin) -> None:
    """An hour in steps of ten seconds, a day in minutes; what happened is in the newest ones."""
    await watched.post(chat(QUESTION))
    hit = await watched.post(chat(QUESTION))
    origin.then(status=503)
    await watched.post(chat(OTHER))
    for minutes, step_s in ((60, 10), (1440, 60), (1, 10), (61, 60)):
        found = await told(watched, f"history?minutes={minutes}")
        points = found["points"]
        recent = [one for one in points if one["requests"]]
        times = [one["at"] for one in points]

        assert (found["object"], found["step_s"]) == ("cache.history", step_s)
        assert times == list(range(times[0], times[0] + minutes * 60, step_s))
        assert times[-1] <= time.time() < times[-1] + step_s + 5
        assert sum(one["requests"].get("HIT", 0) for one in recent) == 1
        assert sum(one["requests"].get("MISS", 0) for one in recent) == 2
        assert sum(one["tiers"].get("session", 0) for one in recent) == 1
        assert sum(one["errors"] for one in recent) == 1
        saved = int(hit.headers["x-cache-saved-tokens"])
        assert sum(one["tokens_saved"] for one in points) == saved
        for one in recent:
            for source, quantiles in one["latency_ms"].items():
                assert source in {"session", "origin"}
                assert 0 < quantiles["p50"] <= quantiles["p99"]


async def test_what_cannot_be_asked_is_an_error_that_names_it(watched: Served) -> None:
    """And without the token nothing is told."""
    for path, param in (
        ("requests?limit=0", "limit"),
        ("requests?result=LUCK", "result"),
        ("requests?cursor=x", "cursor"),
        ("decisions?name=a", "name"),
        ("history?minutes=1441", "minutes"),
        ("history?minutes=1&minutes=2", "minutes"),
    ):
        got = await call(watched, "GET", f"/admin/v1/{path}")
        assert (got.status, got.json["error"]["param"]) == (400, param)
    for path in PLACES:
        assert (await call(watched, "GET", f"/admin/v1/{path}", KEY)).status == 401


async def test_nothing_is_remembered_where_the_api_is_off(proxy: Served) -> None:
    """Without a token nobody may look, so that there is nothing to be found either."""
    await proxy.post(chat(QUESTION))

    assert proxy.runtime.watch.recent.page(10) == []
    assert proxy.runtime.watch.history.steps(60, time.time()) == []
