"""`GET /admin/v1/stats` and `GET /admin/v1/config`."""

import time
from importlib.metadata import version

import pytest

from proxy.config import effective
from proxy.web.admin.stats import parts
from tests.support.origin import ScriptedOrigin
from tests.support.program import KEY, Json, Served, Serving, chat
from tests.support.waiting import until, until_async
from tests.web.admin.calling import ADMIN, TOKEN, call

QUESTION, REWORDED = "What is a cache?", "what is a CACHE"


async def stats(proxy: Served) -> Json:
    got = await call(proxy, "GET", "/admin/v1/stats")
    assert got.status == 200
    return got.json


async def test_at_the_start_all_is_nought(watched: Served) -> None:
    """Every count is there before anything has happened, so that a program need not guess."""
    told = await stats(watched)

    assert told["requests"] == {
        "total": 0,
        "by_result": {"HIT": 0, "MISS": 0, "STALE": 0, "COALESCED": 0, "BYPASS": 0},
        "by_tier": {},
        "by_api": {},
        "hit_ratio": None,
    }
    assert set(told["tokens"].values()) == {0}
    assert told["saved_usd"] == 0
    assert told["entries"] == {"session": 0, "shared": 0}
    assert told["backlog"] == {
        "entries": 0,
        "bytes": 0,
        "drained": 0,
        "dropped": dict.fromkeys(("full", "expired", "replaced", "removed", "failed", "closed"), 0),
    }
    assert told["version"] == version("reprise")
    assert told["workers"] is None
    assert 0 <= time.time() - told["since"] < 100
    assert told["uptime_s"] == pytest.approx(time.time() - told["since"], abs=5)


async def test_it_says_what_was_saved(serving: Serving) -> None:
    """Requests by result, tier and endpoint; tokens and money, as the replies' headers had them."""
    async with serving(admin=ADMIN, embedder={"kind": "local"}) as proxy:
        await proxy.post(chat(QUESTION))
        hits = [await proxy.post(chat(text)) for text in (QUESTION, REWORDED)]
        await proxy.post(chat(QUESTION), x_cache_mode="off")
        told = await stats(proxy)
        requests = told["requests"]
        saved = sum(int(hit.headers["x-cache-saved-tokens"]) for hit in hits)
        usd = sum(float(hit.headers["x-cache-saved-usd"]) for hit in hits)

        assert requests["by_result"] | {"HIT": 2, "MISS": 1, "BYPASS": 1} == requests["by_result"]
        assert requests["by_tier"] == {"session": 1, "vector": 1}
        assert requests["by_api"] == {"chat.completions": 4}
        assert (requests["total"], requests["hit_ratio"]) == (4, pytest.approx(2 / 3, abs=1e-6))
        assert told["tokens"]["saved"] == saved > 0
        assert told["saved_usd"] == pytest.approx(usd, abs=1e-6)
        assert told["tokens"]["from_origin"] > 0
        assert (told["entries"]["shared"], told["entries"]["vector"]) == (1, 1)
        assert set(told["parts"].values()) == {"ok"}
        assert {"shared", "embedder", "vector"} <= set(told["parts"])


async def test_a_part_that_is_broken_is_named(watched: Served) -> None:
    """With its reason; what cannot be counted is null, and the rest is told all the same."""
    await watched.runtime.shared.close()

    async def ask() -> bool:
        await watched.post(chat())
        return "shared" in [name for name, why in watched.runtime.trouble().items() if why]

    await until_async(ask, "the trouble's being noticed")
    told = await stats(watched)

    assert "sqlite" in told["parts"]["shared"]
    assert told["entries"]["shared"] is None
    assert told["requests"]["total"] >= 1
    await until(lambda: len(watched.runtime.backlog) > 0, "the answer's waiting")
    assert (await stats(watched))["backlog"]["entries"] == 1


def test_another_workers_trouble_is_told_too() -> None:
    """A part that is well here may be degraded elsewhere."""
    told = parts(
        {"shared": None, "embed": "gone", "vector": None},
        {"shared": ["2", "3"], "embed": ["1"], "verify": [""]},
    )

    assert told == {
        "shared": "degraded in worker 2, 3",
        "embed": "gone",
        "vector": "ok",
        "verify": "degraded",
    }


async def test_the_configuration_is_shown_without_its_secrets(serving: Serving) -> None:
    """What holds, as `reprise check` prints it: no token, no key, no password."""
    async with serving(admin=ADMIN, upstream={"api_key": "sk-origins-own"}) as proxy:
        got = await call(proxy, "GET", "/admin/v1/config")
        config = proxy.runtime.config

    assert got.json == {
        "object": "cache.config",
        "config": effective(config),
        "file": None,
        "reload": None,
    }
    assert got.json["config"]["cache"]["deadline_ms"] == 1000
    for secret in (TOKEN, "sk-origins-own", KEY):
        assert secret not in got.body.decode()


async def test_neither_is_shown_without_the_token(watched: Served, origin: ScriptedOrigin) -> None:
    """A caller's key opens nothing, and the origin hears of nothing."""
    for path in ("stats", "config", "entries", "entries/a"):
        for token in (None, KEY):
            assert (await call(watched, "GET", f"/admin/v1/{path}", token)).status == 401
    assert (await call(watched, "DELETE", "/admin/v1/entries/a", KEY)).status == 401
    assert origin.calls == 0
