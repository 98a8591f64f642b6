"""What the cache saves, net of what it spends itself, through the proxy and before real servers."""

from typing import Any

import pytest

from tests.support.embeddings import DIMENSION, embeddings_server
from tests.support.origin import Act, ScriptedOrigin
from tests.support.program import Json, Served, Serving, chat
from tests.support.servers import free_port
from tests.support.waiting import until
from tests.web.admin.calling import ADMIN, call

QUESTION, REWORDED = "What is a cache?", "what is a CACHE?"

PRICES: Json = {
    "gpt-4o": {
        "input": 1000,
        "cached_input": 100,
        "output": 4000,
        "service_tiers": {"priority": {"input": 2000, "cached_input": 200, "output": 8000}},
    },
    "small": {"input": 500},
}
"""USD for a million tokens: so dear that one answer shows."""


async def cost(proxy: Served) -> Json:
    told: Json = (await call(proxy, "GET", "/admin/v1/stats")).json["cost"]
    return told


def usd(got: Any) -> float:
    return float(got.headers["x-cache-saved-usd"])


async def test_a_hit_saves_what_it_would_have_cost(
    serving: Serving, origin: ScriptedOrigin
) -> None:
    """What the origin had cached is cheaper, and every caller's own tier of service counts."""
    usage = {
        "prompt_tokens": 100,
        "completion_tokens": 10,
        "prompt_tokens_details": {"cached_tokens": 80},
    }
    origin.then(usage=usage)
    async with serving(telemetry={"prices": PRICES}) as proxy:
        await proxy.post(chat(QUESTION))
        plain = await proxy.post(chat(QUESTION))
        dear = await proxy.post(chat(QUESTION, service_tier="priority"))

    assert usd(plain) == pytest.approx((20 * 1000 + 80 * 100 + 10 * 4000) / 1e6)
    assert usd(dear) == pytest.approx(2 * usd(plain))


async def test_an_audit_is_spent(serving: Serving, origin: ScriptedOrigin) -> None:
    """The hit saved an answer, the audit asked for one: nothing is left."""
    origin.always = Act(text="A cache keeps answers.")
    judgement = {"audit_share": 1.0, "max_error": 0.5}
    async with serving(
        admin=ADMIN,
        cache={"judgement": judgement},
        embedder={"kind": "local"},
        telemetry={"prices": PRICES},
    ) as proxy:
        await proxy.post(chat(QUESTION))
        hit = await proxy.post(chat(REWORDED))
        await until(lambda: len(proxy.events("answers_compared")) == 1, "the audit's end")
        told = await cost(proxy)

    assert hit.cache == "HIT"
    assert told["saved_usd"] == pytest.approx(usd(hit), abs=1e-6)
    assert told["spent_usd"] == {
        "embedder": 0,
        "judge": 0,
        "audit": told["saved_usd"],
        "refresh": 0,
    }
    assert told["net_usd"] == 0


async def test_vectors_from_a_server_are_spent(serving: Serving, origin: ScriptedOrigin) -> None:
    """Its proof at the start and each question's, once; a hit that saves less costs the rest."""
    origin.then(usage={"prompt_tokens": 0, "completion_tokens": 0})
    port = free_port()
    remote = {"base_url": f"http://127.0.0.1:{port}/v1", "model": "small", "dimensions": DIMENSION}
    async with (
        embeddings_server(port),
        serving(
            admin=ADMIN,
            embedder={"kind": "openai", "openai": remote},
            telemetry={"prices": PRICES},
        ) as proxy,
    ):
        before = (await cost(proxy))["spent_usd"]["embedder"]
        for text in (QUESTION, REWORDED, QUESTION):
            await proxy.post(chat(text))
        told = await cost(proxy)
        tokens = [
            line
            for line in (await proxy.get("/metrics")).body.decode().splitlines()
            if line.startswith('reprise_spent_tokens_total{kind="prompt",part="embedder"}')
        ]

    assert before > 0
    assert told["spent_usd"]["embedder"] == pytest.approx(before + 2 * 500 / 1e6)
    assert told["net_usd"] == pytest.approx(told["saved_usd"] - told["spent_usd"]["embedder"])
    assert [float(line.split()[1]) for line in tokens] == [told["spent_usd"]["embedder"] * 2000]
