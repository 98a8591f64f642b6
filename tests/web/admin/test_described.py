"""The OpenAPI document says what the admin API takes and tells."""

from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from proxy.web.admin.asked import Invalidation
from proxy.web.admin.entries import Listing
from proxy.web.admin.routes import (
    CONFIG,
    DECISIONS,
    ENTRIES,
    ENTRY,
    EXPLAIN,
    HISTORY,
    INVALIDATE,
    REPLICAS,
    REQUESTS,
    STATS,
)
from tests.support.program import Json, Served, Serving, chat
from tests.web.admin.calling import ADMIN, call
from tests.web.test_openapi import DOCUMENT, check

PAGE = (Path(__file__).parents[3] / "docs" / "admin.md").read_text()

SELECTORS: list[tuple[Json, bool]] = [
    ({"tags": ["a"]}, True),
    ({"everything": True, "dry_run": True}, True),
    ({"ids": ["a"], "older_than": 7.5, "tenant": None}, True),
    ({"tags": []}, False),
    ({"tag": ["a"]}, False),
    ({"model": ""}, False),
    ({"older_than": "1d"}, False),
]


async def test_replies_are_as_described(serving: Serving) -> None:
    """What is told, and what is refused: status, headers and body."""
    async with serving(admin={**ADMIN, "show_questions": True}) as proxy:
        entry_id = (await proxy.post(chat(), x_cache_ttl="60")).headers["x-cache-entry"]
        await proxy.post(chat())
        one = f"{ENTRIES}/{entry_id}"
        asked: Json = {"json": {"tags": ["a"]}}
        calls: list[tuple[str, str, str, Json]] = [
            ("GET", STATS, STATS, {}),
            ("GET", CONFIG, CONFIG, {}),
            ("GET", REPLICAS, REPLICAS, {}),
            ("GET", ENTRIES, ENTRIES, {}),
            ("GET", ENTRY, one, {}),
            ("POST", INVALIDATE, INVALIDATE, asked),
            ("DELETE", ENTRY, one, {}),
        ]
        for method, template, path, more in calls:
            refused = await call(proxy, method, path, "wrong", **more)
            done = await call(proxy, method, path, **more)
            assert (refused.status, done.status) == (401, 200)
            check(template, method.lower(), refused)
            check(template, method.lower(), done)
        gone = await call(proxy, "GET", one)
        bad = await call(proxy, "GET", f"{ENTRIES}?limit=0")
        check(ENTRY, "get", gone)
        check(ENTRIES, "get", bad)
        assert (gone.status, bad.status) == (404, 400)


@pytest.mark.parametrize("shows", [False, True])
async def test_what_happened_is_told_as_described(serving: Serving, shows: bool) -> None:
    """Requests, decisions, history, explanations and searches, and what each refuses."""
    async with serving(
        admin={**ADMIN, "show_questions": shows}, embedder={"kind": "local"}
    ) as proxy:
        for text in ("Reset my password?", "reset my PASSWORD", "Reset my 5 passwords?"):
            await proxy.post(chat(text))
        explained: Json = {"json": {"request": chat("Reset my password")}}
        calls: list[tuple[str, str, str, Json]] = [
            ("GET", REQUESTS, "", {}),
            ("GET", DECISIONS, "", {}),
            ("GET", HISTORY, "?minutes=1440", {}),
            ("GET", ENTRIES, "?like=my+password", {}),
            ("POST", EXPLAIN, "", explained),
        ]
        for method, path, query, more in calls:
            done = await call(proxy, method, path + query, **more)
            refused = await call(proxy, method, f"{path}?a=1", json={"a": 1})
            assert (done.status, refused.status) == (200, 400)
            check(path, method.lower(), done)
            check(path, method.lower(), refused)
        hidden = await call(proxy, "GET", f"{ENTRIES}?text=password")
        check(ENTRIES, "get", hidden)
        assert hidden.status == (200 if shows else 403)


async def test_selectors_that_fit_are_taken(serving: Serving) -> None:
    """The schema of a body and the API agree on what is understood."""
    schema = DOCUMENT["components"]["schemas"]["Invalidation"]
    async with serving(admin=ADMIN) as proxy:
        for body, is_fit in SELECTORS:
            got = await call(proxy, "POST", INVALIDATE, json=body)
            assert (got.status == 200, jsonschema_rs.is_valid(schema, body)) == (is_fit, is_fit)


odd: st.SearchStrategy[Any] = st.sampled_from(
    ["a", "", "*", [], ["a"], ["a", ""], [7], 7, -1, 0.5, True, False, None, {}]
)
fields = st.sampled_from([*Invalidation.model_fields, "tag"])


@hypothesis_settings(
    max_examples=100,
    derandomize=True,
    database=None,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(body=st.dictionaries(fields, odd, max_size=3))
async def test_any_selector_is_taken_or_refused_as_described(watched: Served, body: Json) -> None:
    """What does not fit the schema is 400; what fits is too only where fields are at odds.

    Nothing is indexed here, so that what is like a text is 503.
    """
    got = await call(watched, "POST", INVALIDATE, json=body)
    is_fit = jsonschema_rs.is_valid(DOCUMENT["components"]["schemas"]["Invalidation"], body)

    check(INVALIDATE, "post", got)
    assert got.status in ({200, 400} if body.get("like") is None else {400, 503})
    if got.status != 400 or not is_fit:
        assert is_fit == (got.status != 400)
    else:
        assert got.json["error"]["param"] in {"everything", "like", "at_least"}


def test_the_token_is_named_as_a_scheme() -> None:
    """A generated client knows how to send it; callers' own endpoints do not take it."""
    paths = DOCUMENT["paths"]

    assert paths[STATS]["get"]["security"] == [{"adminToken": []}]
    assert {"adminToken": []} not in paths["/v1/chat/completions"]["post"]["security"]


def test_every_call_has_its_line() -> None:
    """Paths, fields and parameters are all explained on the page about this API."""
    calls = [
        f"`{method.upper()} {path}`"
        for path, methods in DOCUMENT["paths"].items()
        if path.startswith("/admin/")
        for method in set(methods) - {"parameters"}
    ]

    assert calls
    assert [call for call in calls if call not in PAGE] == []
    assert [name for name in Invalidation.model_fields if f"| `{name}` |" not in PAGE] == []
    assert [name for name in Listing.model_fields if f"{name}=" not in PAGE] == []
