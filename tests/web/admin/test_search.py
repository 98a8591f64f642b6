"""`GET /admin/v1/entries`, searched by a text in the question or by what is like it."""

import pytest

from proxy.resilience import Deadline
from tests.support.program import KEY, Json, Served, Serving, chat
from tests.support.waiting import PATIENCE_S
from tests.web.admin.calling import ADMIN, call

PASSWORD, MOON, RIVER = (
    "How do I reset my password?",
    "How far away is the moon?",
    "Which river is the longest?",
)
SHOWN: Json = {**ADMIN, "show_questions": True}


async def ask(proxy: Served, body: Json, key: str = KEY, **headers: str) -> str:
    """The id of the entry that answers it, which is stored."""
    got = await proxy.post(body, key, **headers)
    await proxy.runtime.store.idle(Deadline(PATIENCE_S))
    return got.headers["x-cache-entry"]


async def listed(proxy: Served, **query: str) -> Json:
    got = await call(proxy, "GET", "/admin/v1/entries", params=query)
    assert got.status == 200, got.body
    return got.json


async def test_entries_are_found_by_a_text_in_their_question(serving: Serving) -> None:
    """In capitals or not, and together with all other filters."""
    async with serving(admin=SHOWN) as proxy:
        for text in (PASSWORD, MOON, RIVER):
            await ask(proxy, chat(text), x_cache_tags="faq" if text == MOON else "other")
        found = await listed(proxy, text="HOW")
        narrowed = await listed(proxy, text="how", tag="faq")
        pages = [await listed(proxy, text="how", limit="1")]
        while pages[-1]["next_cursor"] is not None:
            pages.append(
                await listed(proxy, text="how", limit="1", cursor=pages[-1]["next_cursor"])
            )

    assert {one["question"] for one in found["data"]} == {PASSWORD, MOON}
    assert [one["question"] for one in narrowed["data"]] == [MOON]
    assert sum(len(page["data"]) for page in pages) == 2


async def test_questions_that_are_hidden_cannot_be_searched(watched: Served) -> None:
    """A search would tell what is in them."""
    got = await call(watched, "GET", "/admin/v1/entries?text=password")

    assert (got.status, got.code) == (403, "questions_are_hidden")


async def test_entries_are_found_by_likeness(serving: Serving) -> None:
    """Over all tenants and models, the nearest first; questions stay hidden unless shown."""
    async with serving(admin=ADMIN, embedder={"kind": "local"}) as proxy:
        near = await ask(proxy, chat("how can I reset my password"), key="sk-other")
        same = await ask(proxy, chat(PASSWORD, model="gpt-4o-mini"))
        await ask(proxy, chat(MOON))
        found = await listed(proxy, like=PASSWORD, at_least="0.7")
        all_of_them = await listed(proxy, like=PASSWORD, at_least="0.7", limit="1")
        narrowed = await listed(proxy, like=PASSWORD, at_least="0.7", model="gpt-4o")
        none = await listed(proxy, like=MOON, at_least="0.7", namespace="elsewhere")

    assert [one["id"] for one in found["data"]] == [same, near]
    assert found["data"][0]["similarity"] == pytest.approx(1, abs=1e-3)
    assert 0.7 < found["data"][1]["similarity"] < 1
    assert found["next_cursor"] is None
    assert all("question" not in one for one in found["data"])
    assert [one["id"] for one in all_of_them["data"]] == [same]
    assert [one["model"] for one in narrowed["data"]] == ["gpt-4o"]
    assert none["data"] == []


async def test_what_was_removed_is_not_found(serving: Serving) -> None:
    """Whatever the index still has."""
    async with serving(admin=SHOWN, embedder={"kind": "local"}) as proxy:
        entry = await ask(proxy, chat(PASSWORD))
        before = await listed(proxy, like=PASSWORD)
        await call(proxy, "DELETE", f"/admin/v1/entries/{entry}")
        after = await listed(proxy, like=PASSWORD)

    assert [one["question"] for one in before["data"]] == [PASSWORD]
    assert after["data"] == []


async def test_without_an_index_there_is_no_likeness(watched: Served) -> None:
    """It is said so, and not that nothing is alike."""
    got = await call(watched, "GET", "/admin/v1/entries?like=password")

    assert (got.status, got.code) == (503, "no_semantic_tier")


@pytest.mark.parametrize(
    ("query", "param"),
    [
        ("at_least=0.9", "at_least"),
        ("like=a&at_least=0.1", "at_least"),
        ("like=a&cursor=1", "cursor"),
        ("like=", "like"),
        ("text=", "text"),
    ],
)
async def test_what_does_not_go_together_is_named(watched: Served, query: str, param: str) -> None:
    """An error says which parameter is wrong."""
    got = await call(watched, "GET", f"/admin/v1/entries?{query}")

    assert (got.status, got.json["error"]["param"]) == (400, param)
