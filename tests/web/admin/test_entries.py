"""`/admin/v1/entries`."""

from pathlib import Path
from typing import Any

import pytest

from proxy.resilience import Deadline
from tests.support.program import Got, Json, Served, Serving, chat
from tests.support.servers import RedisServer
from tests.support.waiting import PATIENCE_S
from tests.web.admin.calling import ADMIN, call, invalidate

ENTRIES = "/admin/v1/entries"
PRIVATE = "My mail is ann@example.org: what is my user name?"


async def entries(proxy: Served, **query: Any) -> Got:
    return await call(proxy, "GET", ENTRIES, params=query)


async def ask(proxy: Served, text: str, **headers: Any) -> str:
    """The id of the entry that answers it, which is stored."""
    got = await proxy.post(chat(text), **headers)
    await proxy.runtime.store.idle(Deadline(PATIENCE_S))
    return got.headers["x-cache-entry"]


async def walk(proxy: Served, **query: Any) -> list[Json]:
    found: list[Json] = []
    cursor: str | None = None
    while True:
        more = {} if cursor is None else {"cursor": cursor}
        page = (await entries(proxy, **query, **more)).json
        found += page["data"]
        if (cursor := page["next_cursor"]) is None:
            return found


async def test_an_entry_is_described(watched: Served) -> None:
    """All about it but what was asked and answered."""
    entry_id = await ask(watched, "A secret?", x_cache_tags="b,a", x_cache_namespace="n")
    (told,) = (await entries(watched)).json["data"]
    one = await call(watched, "GET", f"{ENTRIES}/{entry_id}")

    assert one.json == told
    assert told["id"] == entry_id
    assert (told["model"], told["namespace"], sorted(told["tags"])) == ("gpt-4o", "n", ["a", "b"])
    assert told["tenant"] == watched.events("request")[0]["tenant"]
    assert told["created_at"] < told["expires_at"] <= told["kept_until"]
    assert told["size"] > 0
    assert told["is_indexed"] is False
    assert "secret" not in one.body.decode()


async def test_questions_are_shown_where_the_operator_says_so(serving: Serving) -> None:
    """`admin.show_questions`: the text that was asked."""
    async with serving(admin={**ADMIN, "show_questions": True}) as proxy:
        await ask(proxy, "A secret?")
        (told,) = (await entries(proxy)).json["data"]

    assert told["question"] == "A secret?"


async def test_the_list_comes_in_pages(watched: Served) -> None:
    """Each entry once, by cursors, whatever the limit."""
    ids = {await ask(watched, f"What is {n}?") for n in range(7)}
    first = (await entries(watched, limit=3)).json
    walked = await walk(watched, limit=3)

    assert len(first["data"]) == 3
    assert len(walked) == 7
    assert {one["id"] for one in walked} == ids


async def test_the_list_can_be_narrowed(watched: Served) -> None:
    """By tenant, model, namespace and tag, all of which must hold."""
    plain = await ask(watched, "One?")
    marked = await ask(watched, "Two?", x_cache_tags="a", x_cache_namespace="n")
    others = await ask(watched, "One?", key="sk-other")
    tenant = watched.events("request")[0]["tenant"]
    meant: list[tuple[Json, set[str]]] = [
        ({"tag": "a"}, {marked}),
        ({"namespace": "n"}, {marked}),
        ({"namespace": ""}, {plain, others}),
        ({"tenant": tenant}, {plain, marked}),
        ({"tenant": tenant, "namespace": ""}, {plain}),
        ({"model": "gpt-4o"}, {plain, marked, others}),
        ({"model": "gpt-5"}, set()),
    ]

    for query, ids in meant:
        assert {one["id"] for one in await walk(watched, **query)} == ids


@pytest.mark.parametrize(
    ("query", "param"),
    [
        ("tags=a", "tags"),
        ("limit=0", "limit"),
        ("limit=201", "limit"),
        ("limit=many", "limit"),
        ("cursor=nobody's", "cursor"),
        ("cursor=", "cursor"),
        ("tenant=*", "tenant"),
        ("model=", "model"),
        ("tag=a&tag=b", "tag"),
    ],
)
async def test_a_query_that_is_not_understood_is_refused(
    watched: Served, query: str, param: str
) -> None:
    """400 names the parameter: a slip does not list everything."""
    got = await call(watched, "GET", f"{ENTRIES}?{query}")

    assert (got.status, got.json["error"]["param"]) == (400, param)


async def test_an_entry_is_deleted_by_its_id(watched: Served) -> None:
    """From every tier; what is deleted is no longer there to be shown, or deleted."""
    entry_id = await ask(watched, "One?")
    other = await ask(watched, "Two?")
    done = await call(watched, "DELETE", f"{ENTRIES}/{entry_id}")
    again = await call(watched, "DELETE", f"{ENTRIES}/{entry_id}")

    assert done.json == {
        "object": "cache.entry.deleted",
        "id": entry_id,
        "deleted": True,
        "unreached_workers": 0,
    }
    assert (again.status, again.code) == (404, "unknown_entry")
    assert (await call(watched, "GET", f"{ENTRIES}/{entry_id}")).status == 404
    assert (await watched.post(chat("One?"))).cache == "MISS"
    assert (await watched.post(chat("Two?"))).headers["x-cache-entry"] == other
    assert (await watched.post(chat("Two?"))).cache == "HIT"


async def test_a_private_entry_is_not_listed_but_can_be_deleted(watched: Served) -> None:
    """It is in this process's memory alone, and goes from there."""
    entry_id = (await watched.post(chat(PRIVATE))).headers["x-cache-entry"]
    assert (await watched.post(chat(PRIVATE))).tier == "session"

    assert await walk(watched) == []
    assert (await call(watched, "DELETE", f"{ENTRIES}/{entry_id}")).status == 200
    assert (await watched.post(chat(PRIVATE))).cache == "MISS"


async def test_a_shared_tier_that_is_away_is_told(watched: Served) -> None:
    """503: an empty list would say that there is nothing."""
    await watched.runtime.shared.close()
    for method, path in (("GET", ENTRIES), ("GET", f"{ENTRIES}/a"), ("DELETE", f"{ENTRIES}/a")):
        got = await call(watched, method, path)
        assert (got.status, got.code) == (503, "cache_unavailable")


async def test_all_of_it_on_redis(serving: Serving, tmp_path: Path) -> None:
    """The same calls, whatever holds the entries."""
    server = RedisServer(tmp_path / "redis")
    server.start()
    try:
        async with serving(admin=ADMIN, cache={"shared": {"url": server.url}}) as proxy:
            ids = {await ask(proxy, f"What is {n}?", x_cache_tags="a") for n in range(5)}
            walked = await walk(proxy, tag="a", limit=2)
            stats = await call(proxy, "GET", "/admin/v1/stats")
            done = await invalidate(proxy, tags=["a"])
            left = await walk(proxy)

        assert {one["id"] for one in walked} == ids
        assert stats.json["entries"]["shared"] == 5
        assert set(done.json["ids"]) == ids
        assert left == []
    finally:
        server.kill()
