"""Stale answers, and tags, by the operator's rules."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from proxy.core.changes import ALL_TENANTS, Selector
from tests.support.origin import Act, Gate, ScriptedOrigin
from tests.support.program import Got, Served, Serving, chat, served, settings
from tests.support.waiting import until

SHORT_S = 0.05
TTL = {"default_s": SHORT_S, "stale_s": 600, "stale_while_revalidate_s": 300}


async def expired(proxy: Served, body: dict[str, Any] | None = None) -> Got:
    """Have an answer stored, and wait until its time is over."""
    got = await proxy.post(body or chat())
    await asyncio.sleep(SHORT_S + 0.02)
    return got


async def test_a_stale_answer_comes_at_once_and_is_refreshed_once(
    serving: Serving, origin: ScriptedOrigin
) -> None:
    """However many ask, and however long the origin takes: nobody waits, and it is asked once."""
    origin.then(text="old")
    async with serving(cache={"ttl": TTL}) as proxy:
        await expired(proxy)
        gate = Gate()
        origin.always = Act(text="new", before=gate)
        stale = await asyncio.gather(*(proxy.post(chat(stream=n % 2 == 1)) for n in range(6)))
        await gate.reached()
        calls = origin.calls
        gate.open()
        await until(lambda: "entry_refreshed" in {line["event"] for line in proxy.lines})
        fresh = await proxy.post(chat(), x_cache_mode="exact")

    assert {(got.status, got.cache) for got in stale} == {(200, "STALE")}
    assert stale[0].text == "old"
    assert b"old" in stale[1].body
    assert stale[0].headers["cache-status"].startswith("Reprise; hit; ttl=")
    assert calls == 2
    assert fresh.text == "new"


async def test_a_refreshed_answer_is_fresh(serving: Serving, origin: ScriptedOrigin) -> None:
    """It lives as long as any other, and in every tier: the next one is a hit."""
    rules = [{"tag": "short", "ttl_s": SHORT_S}]
    async with serving(cache={"ttl": {**TTL, "default_s": 600, "rules": rules}}) as proxy:
        await proxy.post(chat(), x_cache_tags="short")
        await asyncio.sleep(SHORT_S + 0.02)
        stale = await proxy.post(chat())
        await until(lambda: bool(proxy.events("entry_refreshed")))
        again = await proxy.post(chat())
        elsewhere = await proxy.post(chat(), x_session_id="another")

    assert (stale.cache, again.cache, elsewhere.cache) == ("STALE", "HIT", "HIT")
    assert elsewhere.tier == "shared"
    assert origin.calls == 2


@pytest.mark.parametrize(
    ("control", "status"),
    [("no-cache", 200), ("max-age=60", 200), ("min-fresh=1", 200), ("only-if-cached", 504)],
)
async def test_who_states_limits_is_held_to_them(
    serving: Serving, control: str, status: int
) -> None:
    """A request that says how fresh its answer must be never gets a stale one for it."""
    async with serving(cache={"ttl": TTL}) as proxy:
        await expired(proxy)
        got = await proxy.post(chat(), cache_control=control)

    assert (got.status, got.cache) == (status, "MISS")


async def test_past_its_time_it_is_a_miss(serving: Serving) -> None:
    """The operator's window ends; so does the one that a rule sets to nothing."""
    rules = [{"namespace": "news", "ttl_s": SHORT_S, "stale_while_revalidate_s": 0}]
    async with serving(cache={"ttl": {**TTL, "rules": rules}}) as proxy:
        await proxy.post(chat(), x_cache_namespace="news")
        await expired(proxy)
        news = await proxy.post(chat(), x_cache_namespace="news")
        other = await proxy.post(chat())

    assert (news.cache, other.cache) == ("MISS", "STALE")


async def test_a_failing_origin_is_not_hammered(serving: Serving, origin: ScriptedOrigin) -> None:
    """A refresh that fails is told, and not tried again at once; callers are served meanwhile."""
    async with serving(cache={"ttl": TTL}) as proxy:
        await expired(proxy)
        origin.always = Act(status=500, body=b"{}")
        first = await proxy.post(chat())
        await until(lambda: bool(proxy.events("refresh_failed")))
        later = [await proxy.post(chat()) for _ in range(5)]
        (line,) = proxy.events("refresh_failed")

    assert {got.cache for got in (first, *later)} == {"STALE"}
    assert origin.calls == 2
    assert line["reason"] == "status 500"


async def test_a_refresh_that_a_purge_has_overtaken(
    serving: Serving, origin: ScriptedOrigin
) -> None:
    """What it brings was asked for before: nobody is answered with it, and nothing else is told."""
    async with serving(cache={"ttl": TTL}) as proxy:
        await expired(proxy)
        gate = Gate()
        origin.then(before=gate)
        stale = await proxy.post(chat())
        await gate.reached()
        await proxy.runtime.invalidate(Selector(ALL_TENANTS, everything=True))
        gate.open()
        await until(lambda: bool(proxy.events("refresh_failed")))
        again = await proxy.post(chat())
        (line,) = proxy.events("refresh_failed")

    assert (stale.cache, again.cache) == ("STALE", "MISS")
    assert line["reason"] == "forgotten meanwhile"


async def test_replicas_refresh_once(origin: ScriptedOrigin, tmp_path: Path) -> None:
    """Two proxies over one shared tier ask the origin once for an answer both serve stale."""
    rules = [{"tag": "short", "ttl_s": SHORT_S}]
    chosen = {"ttl": {**TTL, "default_s": 600, "rules": rules}}
    config = settings(origin.url, tmp_path, cache=chosen)
    async with served(config, may_block=True) as one, served(config) as two:
        await one.post(chat(), x_cache_tags="short")
        await asyncio.sleep(SHORT_S + 0.02)
        gate = Gate()
        origin.always = Act(before=gate)
        stale = [await proxy.post(chat()) for proxy in (one, two)]
        await gate.reached()
        gate.open()
        for proxy in (one, two):
            await until(lambda proxy=proxy: bool(proxy.events("entry_refreshed")))  # type: ignore[misc]

    assert [got.cache for got in stale] == ["STALE", "STALE"]
    assert origin.calls == 2


async def test_embeddings_are_asked_for_anew(serving: Serving) -> None:
    """A batch is refreshed by nobody: what has expired in it is fetched at once."""
    body = {"model": "text-embedding-3-small", "input": "hello"}
    async with serving(cache={"ttl": TTL}) as proxy:
        await proxy.post(body, to="/embeddings")
        await asyncio.sleep(SHORT_S + 0.02)
        got = await proxy.post(body, to="/embeddings")

    assert got.cache == "MISS"


async def test_a_stale_answer_stands_in_for_a_failing_origin(
    serving: Serving, origin: ScriptedOrigin
) -> None:
    """Where the operator says so, for callers who say nothing; `stale-if-error=0` declines it."""
    ttl = {"default_s": SHORT_S, "stale_s": 600, "stale_if_error_s": 300}
    async with serving(cache={"ttl": ttl}) as proxy:
        await expired(proxy)
        origin.always = Act(status=503, body=b"{}")
        served = await proxy.post(chat())
        declined = await proxy.post(chat(), cache_control="stale-if-error=0")

    assert (served.status, served.cache) == (200, "STALE")
    assert declined.status == 503


async def test_rules_tag_what_is_stored(serving: Serving) -> None:
    """Every rule that matches adds its tags to the caller's: to be listed, and forgotten by."""
    tags = [
        {"namespace": "docs*", "tags": ["manual", "text"]},
        {"path": "/v1/chat/*", "model": "gpt-*", "tags": ["text", "chat"]},
        {"namespace": "other", "tags": ["never"]},
    ]
    async with serving(cache={"tags": tags}) as proxy:
        await proxy.post(chat(), x_cache_namespace="docs-2", x_cache_tags="own")
        listed = await proxy.runtime.catalogue.page(Selector(ALL_TENANTS, everything=True), None, 9)
        await proxy.runtime.invalidate(Selector(ALL_TENANTS, tags=("manual",)))
        gone = await proxy.post(chat(), x_cache_namespace="docs-2")

    assert listed is not None
    assert [one.tags for one in listed.items] == [("own", "manual", "text", "chat")]
    assert gone.cache == "MISS"


async def test_lifetimes_see_the_tags_of_rules(serving: Serving) -> None:
    """What a rule tags may be kept out by another, as if its caller had tagged it."""
    chosen = {
        "tags": [{"namespace": "secret", "tags": ["short"]}],
        "ttl": {"rules": [{"tag": "short", "ttl_s": 0}]},
    }
    async with serving(cache=chosen) as proxy:
        await proxy.post(chat(), x_cache_namespace="secret")
        again = await proxy.post(chat(), x_cache_namespace="secret")
        await proxy.post(chat())
        other = await proxy.post(chat())

    assert (again.cache, other.cache) == ("MISS", "HIT")
