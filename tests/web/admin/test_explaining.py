"""`POST /admin/v1/explain`: what the running cache would do with a request, and why."""

from typing import Any

import pytest

from proxy.core.credentials import digest_of
from proxy.resilience import Deadline
from tests.support.origin import ScriptedOrigin
from tests.support.program import KEY, Got, Json, Served, Serving, chat
from tests.support.waiting import PATIENCE_S
from tests.web.admin.calling import ADMIN, call

QUESTION, REWORDED, TRAP = (
    "How do I reset my password?",
    "how can I reset my password",
    "How do I reset my 2 passwords?",
)
TENANT = digest_of({"authorization": f"Bearer {KEY}"})
SHOWN: Json = {**ADMIN, "show_questions": True}


async def explain(proxy: Served, **asked: Any) -> Got:
    return await call(proxy, "POST", "/admin/v1/explain", json=asked)


async def test_a_request_is_explained_as_its_caller_would_be_answered(serving: Serving) -> None:
    """The decision, the key, and every stage's word on every neighbour."""
    async with serving(admin=SHOWN, embedder={"kind": "local"}) as proxy:
        stored = await proxy.post(chat(QUESTION))
        mine = await explain(proxy, request=chat(REWORDED), tenant=TENANT)
        trap = await explain(proxy, question=TRAP, model="gpt-4o", tenant=TENANT)
        nobodys = await explain(proxy, request=chat(REWORDED))
        [near] = mine.json["neighbours"]

        assert mine.json["object"] == "cache.explanation"
        assert mine.json["decision"]["served"]
        assert mine.json["decision"]["tier"] == "vector"
        assert near["entry"] == stored.headers["x-cache-entry"]
        assert near["pair"]["question"] == QUESTION
        assert [step["stage"] for step in near["steps"]] == [
            "text",
            "similarity",
            "guards",
            "verifier",
        ]
        assert (trap.json["decision"]["served"], trap.json["decision"]["reason"]) == (
            False,
            "number 2 only in the new question",
        )
        assert nobodys.json["neighbours"] == []


async def test_cached_questions_are_hidden_unless_they_are_shown(serving: Serving) -> None:
    """Callers wrote them; the one that the operator asks about is his own.

    Nor is a word of them told by what a guard objects.
    """
    secret = "How much does the plan of Alice cost for the users?"
    other = "How much does the plan of Carol cost for the users?"
    async with serving(admin=ADMIN, embedder={"kind": "local"}) as proxy:
        await proxy.post(chat(QUESTION))
        await proxy.post(chat(secret))
        got = await explain(proxy, request=chat(REWORDED), tenant=TENANT)
        vetoed = await explain(proxy, request=chat(other), tenant=TENANT)
        near, like_it = got.json["neighbours"][0], vetoed.json["neighbours"][0]

    assert "question" not in near["pair"]
    assert near["pair"]["similarity"] > 0.7
    assert QUESTION not in got.body.decode()
    assert got.json["new"]["question"] == REWORDED
    assert vetoed.json["decision"]["reason"] == like_it["pair"]["reason"] == "name"
    assert {"guard": "name", "reason": "name"} in like_it["pair"]["vetoes"]
    assert "Alice" not in vetoed.body.decode()


async def test_nothing_changes_by_an_explanation(serving: Serving, origin: ScriptedOrigin) -> None:
    """No request is counted, no tier has more than before, and the origin is not asked."""
    async with serving(admin=ADMIN, embedder={"kind": "local"}) as proxy:
        await proxy.post(chat(QUESTION), x_session_id="other")
        await proxy.runtime.store.idle(Deadline(PATIENCE_S))
        await proxy.runtime.upkeep.catch_up()
        before = (await call(proxy, "GET", "/admin/v1/stats")).json
        found = [
            (await explain(proxy, request=chat(text), tenant=TENANT)).json
            for text in (QUESTION, QUESTION, "What is a heron?")
        ]
        after = (await call(proxy, "GET", "/admin/v1/stats")).json
        requests = (await call(proxy, "GET", "/admin/v1/requests")).json["data"]

    assert [one["decision"]["tier"] for one in found] == ["shared", "shared", None]
    for name in ("requests", "tokens", "entries"):
        assert after[name] == before[name]
    assert len(requests) == origin.calls == 1


async def test_what_a_caller_says_of_the_cache_counts(serving: Serving) -> None:
    """Namespace, session and cache headers, as if they had been sent."""
    async with serving(admin=ADMIN, embedder={"kind": "local"}) as proxy:
        await proxy.post(chat(QUESTION), x_cache_namespace="support")
        request = chat(REWORDED)
        elsewhere = await explain(proxy, request=request, tenant=TENANT)
        there = await explain(proxy, request=request, tenant=TENANT, namespace="support")
        exact = await explain(
            proxy,
            request=request,
            tenant=TENANT,
            namespace="support",
            headers={"X-Cache-Mode": "exact"},
        )

    assert not elsewhere.json["decision"]["served"]
    assert there.json["decision"]["served"]
    assert exact.json["new"]["exact_only"] == "x-cache-mode: exact"


async def test_other_apis_are_explained_too(serving: Serving) -> None:
    """By their path; what is answered there is in the form of that API."""
    async with serving(admin=ADMIN) as proxy:
        body: Json = {"model": "gpt-4o", "input": QUESTION, "store": False}
        await proxy.post(body, to="/responses")
        got = await explain(proxy, request=body, path="/v1/responses", tenant=TENANT)

    assert got.json["decision"]["tier"] == "session"
    assert got.json["key"]["api"] == "responses"


@pytest.mark.parametrize(
    ("asked", "param"),
    [
        ({}, "question"),
        ({"question": QUESTION}, "model"),
        ({"request": chat(), "model": "gpt-4o"}, "model"),
        ({"request": chat(), "path": "/v1/models"}, "path"),
        ({"question": QUESTION, "model": "m", "path": "/v1/responses"}, "path"),
        ({"request": {"model": "m"}}, "request"),
        ({"request": chat(), "headers": {"authorization": "Bearer x"}}, "headers"),
        ({"request": chat(), "headers": {"x-cache-ttl": "soon"}}, "x-cache-ttl"),
        ({"request": chat(), "tenant": "two words"}, "tenant"),
        ({"requests": chat()}, "requests"),
        ({"request": "text"}, "request"),
    ],
)
async def test_what_cannot_be_explained_is_named(watched: Served, asked: Json, param: str) -> None:
    """An error says which field is wrong."""
    got = await explain(watched, **asked)

    assert got.status == 400, got.body
    assert got.json["error"]["param"] == param


async def test_nothing_is_explained_without_the_token(watched: Served) -> None:
    """Nor to a caller with a key of his own."""
    for token in (None, KEY):
        got = await call(watched, "POST", "/admin/v1/explain", token, json={"request": chat()})
        assert got.status == 401
