"""`POST /admin/v1/invalidate`."""

import time
from pathlib import Path
from typing import Any

import pytest

from proxy.resilience import Deadline
from tests.support.origin import ScriptedOrigin
from tests.support.program import Served, Serving, chat, served, settings
from tests.support.waiting import PATIENCE_S
from tests.web.admin.calling import ADMIN, INVALIDATE, call, invalidate

QUESTION, OTHER = "What is a cache?", "What is a tree?"
PRIVATE = "My mail is ann@example.org: what is my user name?"


async def is_cached(
    proxy: Served, text: str = QUESTION, model: str = "gpt-4o", **headers: str
) -> bool:
    """Whether it is answered by any tier."""
    asked = chat(text, model=model)
    got = await proxy.post(asked, cache_control="only-if-cached", **headers)
    return got.status == 200


async def filled(proxy: Served) -> tuple[str, str]:
    """Ids of two entries: of tag `a` in namespace `n`, and of model `gpt-5`, tag `b`."""
    one = await proxy.post(chat(QUESTION), x_cache_tags="a", x_cache_namespace="n")
    two = await proxy.post(chat(OTHER, model="gpt-5"), x_cache_tags="b")
    await proxy.runtime.store.idle(Deadline(PATIENCE_S))
    return one.headers["x-cache-entry"], two.headers["x-cache-entry"]


async def test_each_selector_forgets_what_it_means(watched: Served) -> None:
    """By id, tag, namespace, model, age and tenant; all that are given must hold."""
    first, second = await filled(watched)
    (tenant,) = {line["tenant"] for line in watched.events("request")}
    later = time.time() + 60
    meant: list[tuple[dict[str, Any], set[str]]] = [
        ({"ids": [first]}, {first}),
        ({"ids": [first, second, "unknown"]}, {first, second}),
        ({"tags": ["a"]}, {first}),
        ({"tags": ["a", "b"]}, {first, second}),
        ({"namespace": "n"}, {first}),
        ({"namespace": ""}, {second}),
        ({"model": "gpt-5"}, {second}),
        ({"older_than": later}, {first, second}),
        ({"older_than": 1}, set()),
        ({"tenant": tenant}, {first, second}),
        ({"tenant": "nobody"}, set()),
        ({"tenant": "nobody", "everything": True}, set()),
        ({"everything": True}, {first, second}),
        ({"tags": ["a"], "model": "gpt-5"}, set()),
    ]
    for selector, ids in meant:
        told = await invalidate(watched, **selector, dry_run=True)
        assert (told.status, set(told.json["ids"])) == (200, ids), selector
        assert told.json["count"] == len(ids)

    for selector, ids in meant:
        first, second = await filled(watched)
        done = await invalidate(watched, **selector)
        is_namespace = set(selector) == {"namespace"}
        assert set(done.json["ids"]) == (set() if is_namespace else ids), selector
        assert (done.json["count"] is None) == is_namespace == (done.json["generation"] is not None)
        assert await is_cached(watched, x_cache_namespace="n") == (first not in ids), selector
        assert await is_cached(watched, OTHER, model="gpt-5") == (second not in ids), selector


async def test_the_reply_says_what_was_done(watched: Served) -> None:
    """The count, the ids, and whether it was only a trial."""
    first, _ = await filled(watched)
    got = await invalidate(watched, ids=[first])

    assert got.json == {
        "object": "cache.invalidation",
        "dry_run": False,
        "count": 1,
        "ids": [first],
        "has_more_ids": False,
        "generation": None,
        "unreached_workers": 0,
    }


async def test_a_dry_run_changes_nothing(watched: Served, origin: ScriptedOrigin) -> None:
    """It counts, and every answer is still there."""
    await filled(watched)
    assert (await invalidate(watched, everything=True, dry_run=True)).json["count"] == 2

    assert await is_cached(watched, x_cache_namespace="n")
    assert origin.calls == 2


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({}, "everything"),
        ({"dry_run": True}, "everything"),
        ({"everything": False}, "everything"),
        ({"everything": True, "tags": ["a"]}, "everything"),
        ({"tag": ["a"]}, "tag"),
        ({"tags": []}, "tags"),
        ({"tags": "a"}, "tags"),
        ({"ids": ["a", ""]}, "ids[1]"),
        ({"ids": ["a", 7]}, "ids[1]"),
        ({"model": ""}, "model"),
        ({"scope": ""}, "scope"),
        ({"tenant": "*"}, "tenant"),
        ({"tenant": ""}, "tenant"),
        ({"older_than": "1d"}, "older_than"),
        ({"older_than": -1}, "older_than"),
        ({"everything": "yes"}, "everything"),
        ({"like": "What is a cache?"}, "at_least"),
        ({"at_least": 0.9}, "like"),
        ({"at_least": 0.9, "tags": ["a"]}, "like"),
        ({"like": "What is a cache?", "at_least": 0.4}, "at_least"),
        ({"like": "What is a cache?", "at_least": 1.1}, "at_least"),
        ({"like": "", "at_least": 0.9}, "like"),
        ({"like": "What is a cache?", "at_least": 0.9, "everything": True}, "everything"),
        ({"everything": 1}, "everything"),
        ([], None),
    ],
    ids=str,
)
async def test_a_selector_that_is_not_understood_is_refused(
    watched: Served, body: Any, param: str | None
) -> None:
    """400 names the field, and nothing is forgotten: a slip never widens a purge."""
    await filled(watched)
    got = await call(watched, "POST", INVALIDATE, json=body)

    assert (got.status, got.code) == (400, "invalid_selector")
    assert got.json["error"]["param"] == param
    assert await is_cached(watched, x_cache_namespace="n")


async def test_nothing_is_like_a_text_where_nothing_is_indexed(watched: Served) -> None:
    """503 says so: an operator must not believe that it is done."""
    await filled(watched)
    got = await invalidate(watched, like=QUESTION, at_least=0.9)

    assert (got.status, got.code) == (503, "no_semantic_tier")
    assert await is_cached(watched, x_cache_namespace="n")


async def test_what_is_like_a_text_is_forgotten(serving: Serving) -> None:
    """Of all scopes, or of those that are chosen besides; rewordings too, and nothing else."""
    async with serving(admin=ADMIN, embedder={"kind": "local"}) as proxy:
        like = {"like": "how do I reset my PASSWORD", "at_least": 0.8}
        first = await proxy.post(chat("How do I reset my password?"))
        second = await proxy.post(chat("How can I reset my password?"), x_cache_namespace="n")
        await proxy.post(chat(OTHER))
        await proxy.runtime.store.idle(Deadline(PATIENCE_S))
        ids = {got.headers["x-cache-entry"] for got in (first, second)}
        counted = await invalidate(proxy, **like, dry_run=True)
        narrowed = await invalidate(proxy, **like, namespace="n", dry_run=True)
        done = await invalidate(proxy, **like)
        again = await invalidate(proxy, **like)
        blank = await invalidate(proxy, like=" ", at_least=0.8)

        assert set(counted.json["ids"]) == ids
        assert narrowed.json["ids"] == [second.headers["x-cache-entry"]]
        assert set(done.json["ids"]) == ids
        assert again.json["count"] == 0
        assert (blank.status, blank.code) == (400, "invalid_selector")
        assert not await is_cached(proxy, "How do I reset my password?")
        assert not await is_cached(proxy, "how do I reset my password")
        assert not await is_cached(proxy, "How can I reset my password?", x_cache_namespace="n")
        assert await is_cached(proxy, OTHER)


async def test_a_body_that_is_no_json_is_refused(watched: Served) -> None:
    """400 says so; an empty one is none either."""
    for raw in (b"", b"everything", b'{"everything": true'):
        got = await call(watched, "POST", INVALIDATE, data=raw)
        assert (got.status, got.code) == (400, "invalid_json")


async def test_private_answers_are_forgotten_too(watched: Served) -> None:
    """What only this process's memory holds is meant as well."""
    got = await watched.post(chat(PRIVATE))
    assert await is_cached(watched, PRIVATE)
    await invalidate(watched, ids=[got.headers["x-cache-entry"]])

    assert not await is_cached(watched, PRIVATE)


async def test_what_is_forgotten_stays_so_after_a_restart(serving: Serving) -> None:
    """It is durable once the reply is there."""
    async with serving(admin=ADMIN) as proxy:
        await filled(proxy)
        assert (await invalidate(proxy, everything=True)).json["count"] == 2
    async with serving(admin=ADMIN) as proxy:
        assert not await is_cached(proxy, x_cache_namespace="n")


async def test_another_replica_forgets_it(origin: ScriptedOrigin, tmp_path: Path) -> None:
    """Its session tier too, which had the answer already."""
    config = settings(origin.url, tmp_path, admin=ADMIN)
    async with served(config, may_block=True) as one, served(config) as two:
        await filled(one)
        assert await is_cached(two, x_cache_namespace="n")
        await invalidate(one, everything=True)
        await two.runtime.upkeep.catch_up()

        assert not await is_cached(two, x_cache_namespace="n")


async def test_a_shared_tier_that_is_away_is_told(watched: Served) -> None:
    """503: the operator must know that it is not done, and try again."""
    await watched.runtime.shared.close()
    got = await invalidate(watched, everything=True)

    assert (got.status, got.code) == (503, "cache_unavailable")
