"""Liveness, readiness, metrics and logs; and what a part that fails costs: hits, never requests."""

import asyncio
import os
import time
from pathlib import Path

import pytest

from tests.support.embeddings import DIMENSION, embeddings_server
from tests.support.origin import ScriptedOrigin
from tests.support.program import Got, Served, Serving, chat
from tests.support.waiting import until_async
from tests.web.test_app import free_port

GENEROUS_LAG_S = 0.5
"""A loop that is blocked by an embedding or a search would stand for longer."""


async def readiness(proxy: Served) -> tuple[int, str]:
    got = await proxy.get("/readyz")
    return got.status, got.json["status"]


async def test_alive_and_ready(semantic: Served) -> None:
    """Each part is named, and well."""
    assert (await semantic.get("/healthz")).json == {"status": "ok"}
    got = await semantic.get("/readyz")

    assert (got.status, got.json["status"]) == (200, "ready")
    assert got.json["parts"] == {
        "shared": "ok",
        "embedder": "ok",
        "vector": "ok",
        "verifier": "ok",
    }


def remote(port: int) -> dict[str, object]:
    """An embedder at a port of this machine."""
    return {
        "kind": "openai",
        "openai": {
            "base_url": f"http://127.0.0.1:{port}/v1",
            "model": "small",
            "dimensions": DIMENSION,
            "max_retries": 0,
        },
    }


async def test_an_embedder_out_of_reach(serving: Serving, origin: ScriptedOrigin) -> None:
    """The exact tiers work, readiness tells, and it comes back by itself."""
    port = free_port()
    vector = {"threshold": 0.99}
    async with serving(embedder=remote(port), cache={"vector": vector}) as proxy:
        degraded = await proxy.get("/readyz")
        first = await proxy.post(chat("What is a cache?"))
        second = await proxy.post(chat("What is a cache?"))
        reworded = await proxy.post(chat("what is a CACHE?"))
        async with embeddings_server(port):

            async def is_ready() -> bool:
                return await readiness(proxy) == (200, "ready")

            await until_async(is_ready, "the embedder's return")
            await proxy.post(chat("How do I bake bread?"))
            found = await proxy.post(chat("how do I bake BREAD?"))

    assert (degraded.status, degraded.json["status"]) == (200, "degraded")
    assert degraded.json["parts"]["embedder"] not in {"ok", "", None}
    assert degraded.json["parts"]["shared"] == "ok"
    assert [got.cache for got in (first, second, reworded)] == ["MISS", "HIT", "MISS"]
    assert (found.cache, found.tier) == ("HIT", "vector")
    assert origin.calls == 3


async def test_an_embedder_that_goes(serving: Serving, origin: ScriptedOrigin) -> None:
    """Requests go past it, and one event says so."""
    port = free_port()
    async with serving(embedder=remote(port)) as proxy:
        async with embeddings_server(port):

            async def is_ready() -> bool:
                return await readiness(proxy) == (200, "ready")

            await until_async(is_ready, "readiness")
        got = [await proxy.post(chat(f"Question {number}?")) for number in range(5)]
        told = await readiness(proxy)
        opened = [line for line in proxy.events("breaker_opened") if line["stage"] == "embedder"]

    assert {answer.status for answer in got} == {200}
    assert told == (200, "degraded")
    assert opened
    assert origin.calls == 5


@pytest.mark.parametrize("stream", [False, True])
async def test_a_shared_tier_that_cannot_be_used(
    serving: Serving, tmp_path: Path, stream: bool
) -> None:
    """Requests are answered, the session tier still works, and readiness tells."""
    (tmp_path / "file").write_text("not a directory")
    shared = {"url": f"sqlite:///{tmp_path}/file/reprise.db"}
    async with serving(cache={"shared": shared}, embedder={"kind": "local"}) as proxy:
        got = [await proxy.post(chat(stream=stream)) for _ in range(2)]
        told = await proxy.get("/readyz")

    assert [answer.status for answer in got] == [200, 200]
    assert [answer.cache for answer in got] == ["MISS", "HIT"]
    assert (told.status, told.json["status"]) == (200, "degraded")
    assert told.json["parts"]["shared"] != "ok"


async def test_a_shared_tier_that_comes_back(serving: Serving, tmp_path: Path) -> None:
    """Once its place is usable it is used, without a restart."""
    place = tmp_path / "later"
    place.write_text("not a directory")
    shared = {"url": f"sqlite:///{place}/reprise.db"}
    async with serving(cache={"shared": shared}) as proxy:
        assert await readiness(proxy) == (200, "degraded")
        place.unlink()

        async def is_ready() -> bool:
            return await readiness(proxy) == (200, "ready")

        await until_async(is_ready, "the shared tier's return")
        await proxy.post(chat(), x_session_id="a")
        other = await proxy.post(chat(), x_session_id="b")

    assert other.tier == "shared"


async def test_a_shared_tier_that_is_no_database(serving: Serving, tmp_path: Path) -> None:
    """Somebody else's file is not overwritten."""
    (tmp_path / "reprise.db").write_bytes(os.urandom(8192))
    before = (tmp_path / "reprise.db").read_bytes()
    async with serving() as proxy:
        got = [await proxy.post(chat()) for _ in range(2)]
        told = await readiness(proxy)

    assert [answer.cache for answer in got] == ["MISS", "HIT"]
    assert told == (200, "degraded")
    assert (tmp_path / "reprise.db").read_bytes() == before


async def test_a_snapshot_that_is_damaged(serving: Serving, tmp_path: Path) -> None:
    """The index is rebuilt from the shared tier: losing it loses nothing."""
    local = {"kind": "local"}
    async with serving(embedder=local) as proxy:
        await proxy.post(chat("How do I reset my password?"))
    (tmp_path / "index.snapshot").write_bytes(os.urandom(100))
    async with serving(embedder=local) as proxy:

        async def is_found() -> bool:
            asked = chat("how can I reset my password")
            got = await proxy.post(asked, cache_control="only-if-cached")
            return got.tier == "vector"

        await until_async(is_found, "the index's rebuilding")


async def test_the_loop_never_stands(semantic: Served) -> None:
    """While many questions are embedded and searched, everything else goes on."""
    questions = [chat(f"How do I repair the gearbox of machine type {n * 37}?") for n in range(50)]
    lags: list[float] = []

    async def heartbeat() -> None:
        while True:
            began = time.perf_counter()
            await asyncio.sleep(0.005)
            lags.append(time.perf_counter() - began - 0.005)

    async with asyncio.TaskGroup() as group:
        beating = group.create_task(heartbeat())
        asking = [group.create_task(semantic.post(question)) for question in questions]
        got: list[Got] = [await task for task in asking]
        beating.cancel()

    assert {answer.status for answer in got} == {200}
    assert max(lags) < GENEROUS_LAG_S


async def test_metrics(semantic: Served) -> None:
    """Traffic shows: by result and tier, and as saved tokens."""
    await semantic.post(chat("How do I reset my password?"))
    await semantic.post(chat("How do I reset my password?"))
    await semantic.post(chat("How do I reset my password?"), x_session_id="b")
    await semantic.post(chat("how can I reset my password"))
    await semantic.get("/v1/models")
    got = await semantic.get("/metrics")
    lines = got.body.decode().splitlines()

    def counted(name: str, *labels: str) -> float:
        found = [
            float(line.rpartition(" ")[2])
            for line in lines
            if line.startswith(name + "{") and all(label in line for label in labels)
        ]
        return sum(found)

    assert got.status == 200
    assert counted("reprise_requests_total", 'result="MISS"') == 1
    for tier in ("session", "shared", "vector"):
        assert counted("reprise_requests_total", 'result="HIT"', f'tier="{tier}"') == 1
    assert counted("reprise_requests_total", 'result="BYPASS"', 'api="passthrough"') == 1
    assert counted("reprise_tokens_total", 'source="cache"') > 0
    assert counted("reprise_stage_duration_seconds_count", 'stage="embed"') == 2
    assert counted("reprise_stage_duration_seconds_count", 'stage="verify"') == 1


async def test_metrics_can_be_switched_off(serving: Serving) -> None:
    """Then there is nothing there."""
    async with serving(telemetry={"metrics": False}) as proxy:
        assert (await proxy.get("/metrics")).status == 404


async def test_one_line_a_request(semantic: Served, origin: ScriptedOrigin) -> None:
    """Each request is logged once, and nobody's words or keys are."""
    origin.then(status=500, body=b'{"error": "Xanadu"}')
    asked = [
        chat("How do I get to Xanadu?"),
        chat("How do I get to Xanadu?", stream=True),
        chat("how can I get to Xanadu", stream=True),
        chat("How do I get to Xanadu?", store=True),
    ]
    ids = [(await semantic.post(b, key="sk-secret")).headers["x-request-id"] for b in asked]
    bad = await semantic.post(b"{Xanadu", key="sk-secret")
    other = await semantic.get("/v1/models/Xanadu")
    ids += [bad.headers["x-request-id"], other.headers["x-request-id"]]
    lines = semantic.events("request")

    assert [line["request_id"] for line in lines] == ids
    assert [line["status"] for line in lines] == [500, 200, 200, 200, 400, 200]
    assert "xanadu" not in semantic.log.getvalue().lower()
    assert "sk-secret" not in semantic.log.getvalue()
    assert "Answer" not in semantic.log.getvalue()
