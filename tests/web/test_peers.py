"""Workers that speak for one another: here all in one process, each on a port of its own."""

import io
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp

from proxy.config import Config
from proxy.listening import bound
from proxy.resilience import Deadline
from proxy.runtime import Runtime, open_live
from proxy.web.server import listen
from proxy.worker import Worker
from tests.support.origin import ScriptedOrigin
from tests.support.program import KEY, Json, chat, reloader_of, settings
from tests.support.waiting import PATIENCE_S

QUESTION, REWORDED = "How do I reset my password?", "how do I reset my PASSWORD"
PRIVATE = "My mail is ann@example.org: what is my user name?"
TOKEN = "operators-token-of-32-characters"
HEADERS = {"authorization": f"Bearer {KEY}"}


class Standing:
    """A worker, and a client of its own port."""

    def __init__(self, runtime: Runtime, url: str, http: aiohttp.ClientSession) -> None:
        self.runtime = runtime
        self.url = url
        self.http = http

    async def ask(self, text: str, **headers: str) -> dict[str, str]:
        body, fields = (
            chat(text),
            {name.replace("_", "-"): value for name, value in headers.items()},
        )
        url = f"{self.url}/chat/completions"
        async with self.http.post(url, json=body, headers=HEADERS | fields) as got:
            await got.read()
            assert got.status == 200
            return {name.lower(): value for name, value in got.headers.items()}

    async def feedback(self, key: str = KEY, **body: str) -> tuple[int, Json]:
        headers = {"authorization": f"Bearer {key}"}
        url = f"{self.url}/cache/feedback"
        async with self.http.post(url, json=body, headers=headers) as got:
            return got.status, await got.json()

    async def operate(self, method: str, path: str, **more: Any) -> Json:
        """A call of the admin API."""
        headers = {"authorization": f"Bearer {TOKEN}"}
        url = self.url.removesuffix("/v1") + path
        async with self.http.request(method, url, headers=headers, **more) as got:
            assert got.status == 200
            found: Json = await got.json()
            return found

    async def get(self, path: str) -> tuple[int, str]:
        async with self.http.get(self.url.removesuffix("/v1") + path) as got:
            return got.status, await got.text()


@asynccontextmanager
async def standing(config: Json, worker: Worker) -> AsyncIterator[Standing]:
    async with (
        open_live(Config.model_validate(config), io.StringIO(), worker) as live,
        listen(reloader_of(live), bound("127.0.0.1", 0)) as url,
        aiohttp.ClientSession() as http,
    ):
        yield Standing(live.current, url, http)


@asynccontextmanager
async def workers(
    origin: ScriptedOrigin, directory: Path, **over: Any
) -> AsyncIterator[tuple[Standing, Standing]]:
    """Two of them."""
    config = settings(origin.url, directory, **over)
    async with AsyncExitStack() as stack:
        one, two = [
            await stack.enter_async_context(standing(config, Worker(number, 2, 0, directory)))
            for number in (1, 2)
        ]
        yield one, two


async def test_each_speaks_for_itself_where_health_is_asked(
    origin: ScriptedOrigin, tmp_path: Path
) -> None:
    """Who reads `/readyz` sees which worker it is that says so."""
    async with workers(origin, tmp_path) as (one, two):
        said = [(await worker.get("/readyz"))[1] for worker in (one, two)]

    assert [f'"worker":{number},"of":2' in text for number, text in enumerate(said, 1)] == [
        True
    ] * 2


async def test_what_workers_tell_is_not_told_to_callers(
    origin: ScriptedOrigin, tmp_path: Path
) -> None:
    """Their own paths are on their own sockets, which only this user can reach."""
    async with workers(origin, tmp_path) as (one, _):
        statuses = [(await one.get(path))[0] for path in ("/series", "/complaint", "/invalidation")]

    assert statuses == [404, 404, 404]


async def test_one_that_is_away_counts_as_it_last_said(
    origin: ScriptedOrigin, tmp_path: Path
) -> None:
    """A worker that has ended, or is being replaced, takes nothing from the sums."""
    config = settings(origin.url, tmp_path)
    async with standing(config, Worker(1, 2, 0, tmp_path)) as one:
        async with standing(config, Worker(2, 2, 0, tmp_path)) as two:
            await two.ask(QUESTION)
            _, both = await one.get("/metrics")
        _, alone = await one.get("/metrics")
        async with standing(config, Worker(2, 2, 1, tmp_path)) as again:
            await again.ask(QUESTION)
            _, anew = await one.get("/metrics")

    count = 'reprise_requests_total{api="chat.completions",result="MISS",status="2xx",tier="none"}'
    assert f"{count} 1.0" in both
    assert "reprise_workers 2.0" in both
    assert f"{count} 1.0" in alone
    assert "reprise_workers 1.0" in alone
    assert f"{count} 1.0" in anew
    assert 'result="HIT",status="2xx",tier="shared"} 1.0' in anew


async def test_a_verdict_on_an_entry_finds_who_served_it(
    origin: ScriptedOrigin, tmp_path: Path
) -> None:
    """An entry's newest hit is meant, whichever worker the verdict reaches."""
    async with workers(origin, tmp_path, embedder={"kind": "local"}) as (one, two):
        await one.ask(QUESTION)
        hit = await one.ask(REWORDED)
        good = await two.feedback(entry_id=hit["x-cache-entry"], verdict="good")
        bad = await two.feedback(entry_id=hit["x-cache-entry"], verdict="bad")
        await two.ask(QUESTION)
        reworded = [await worker.ask(REWORDED) for worker in (two, one)]

    assert (good[0], good[1]["learned"]) == (200, True)
    assert (bad[1]["removed"], bad[1]["marked"], bad[1]["remembered"]) == (True, True, True)
    assert reworded[0]["x-cache"] == "MISS"
    assert reworded[0]["cache-status"].endswith('detail="feedback: marked bad"')


async def test_a_bad_private_answer_goes_from_every_worker(
    origin: ScriptedOrigin, tmp_path: Path
) -> None:
    """Private answers are in session tiers alone: each worker that has one forgets it."""
    async with workers(origin, tmp_path) as (one, two):
        first = [await worker.ask(PRIVATE) for worker in (one, two)]
        hits = [await worker.ask(PRIVATE) for worker in (one, two)]
        _, done = await one.feedback(request_id=hits[1]["x-request-id"], verdict="bad")
        after = [await worker.ask(PRIVATE) for worker in (one, two)]

    assert [got["x-cache"] for got in first] == ["MISS", "MISS"]
    assert [got["x-cache-tier"] for got in hits] == ["session", "session"]
    assert done["removed"]
    assert [got["x-cache"] for got in after] == ["MISS", "MISS"]


async def test_a_verdict_counts_for_its_own_tenant_only(
    origin: ScriptedOrigin, tmp_path: Path
) -> None:
    """Another tenant's answer is as little there as on one worker."""
    async with workers(origin, tmp_path) as (one, two):
        await one.ask(QUESTION)
        hit = await one.ask(QUESTION)
        asked = {"request_id": hit["x-request-id"], "verdict": "bad"}
        stranger = [await worker.feedback("sk-other", **asked) for worker in (one, two)]
        still = await two.ask(QUESTION)

    assert [(status, said["error"]["code"]) for status, said in stranger] == [
        (404, "unknown_request")
    ] * 2
    assert still["x-cache"] == "HIT"


async def test_what_is_wrong_with_a_verdict_is_said_at_once(
    origin: ScriptedOrigin, tmp_path: Path
) -> None:
    """No other worker is asked about what no worker can read."""
    async with workers(origin, tmp_path) as (one, _):
        status, said = await one.feedback(request_id="req_1", verdict="meh")

    assert (status, said["error"]["param"]) == (400, "verdict")


async def test_the_first_saves_the_index(origin: ScriptedOrigin, tmp_path: Path) -> None:
    """All fold the same log, so that one snapshot is enough, and one writes it."""
    config = settings(origin.url, tmp_path, embedder={"kind": "local"})
    snapshot = tmp_path / "index.snapshot"
    async with standing(config, Worker(2, 2, 0, tmp_path)) as two:
        await two.ask(QUESTION)
    was_saved = snapshot.exists()
    async with standing(config, Worker(1, 2, 0, tmp_path)) as one:
        found = await one.ask(REWORDED)

    assert not was_saved
    assert snapshot.exists()
    assert found["x-cache-tier"] == "vector"


async def test_what_an_operator_wants_forgotten_every_worker_forgets(
    origin: ScriptedOrigin, tmp_path: Path
) -> None:
    """Private answers, too, which each has for itself; the one that was asked tells of all."""
    async with workers(origin, tmp_path, admin={"token": TOKEN}) as (one, two):
        for worker in (one, two):
            await worker.ask(PRIVATE)
        await two.ask(QUESTION)
        await two.runtime.store.idle(Deadline(PATIENCE_S))
        hits = [(await worker.ask(PRIVATE))["x-cache-tier"] for worker in (one, two)]
        counted = await one.operate(
            "POST", "/admin/v1/invalidate", json={"everything": True, "dry_run": True}
        )
        done = await one.operate("POST", "/admin/v1/invalidate", json={"everything": True})
        after = [(await worker.ask(PRIVATE))["x-cache"] for worker in (one, two)]

    assert hits == ["session", "session"]
    assert (counted["count"], done["count"], done["unreached_workers"]) == (1, 1, 0)
    assert after == ["MISS", "MISS"]


async def test_a_private_entry_is_deleted_whichever_worker_has_it(
    origin: ScriptedOrigin, tmp_path: Path
) -> None:
    """An operator cannot know which worker a call reaches."""
    async with workers(origin, tmp_path, admin={"token": TOKEN}) as (one, two):
        entry = (await two.ask(PRIVATE))["x-cache-entry"]
        done = await one.operate("DELETE", f"/admin/v1/entries/{entry}")
        after = await two.ask(PRIVATE)

    assert done["deleted"]
    assert after["x-cache"] == "MISS"


async def test_a_worker_that_is_away_is_told(origin: ScriptedOrigin, tmp_path: Path) -> None:
    """It may have private answers yet, and the operator is to know."""
    config = settings(origin.url, tmp_path, admin={"token": TOKEN})
    async with standing(config, Worker(1, 2, 0, tmp_path)) as one:
        done = await one.operate("POST", "/admin/v1/invalidate", json={"everything": True})

    assert done["unreached_workers"] == 1


async def test_stats_are_those_of_all_workers(origin: ScriptedOrigin, tmp_path: Path) -> None:
    """Requests are summed, and what replicas share is counted once."""
    async with workers(origin, tmp_path, admin={"token": TOKEN}) as (one, two):
        await one.ask(QUESTION)
        await one.runtime.store.idle(Deadline(PATIENCE_S))
        await two.ask(QUESTION)
        await two.ask(QUESTION)
        told = [await worker.operate("GET", "/admin/v1/stats") for worker in (one, two)]

    for said in told:
        assert said["workers"] == 2
        assert said["requests"]["total"] == 3
        assert said["requests"]["by_tier"] == {"shared": 1, "session": 1}
        assert said["entries"] == {"session": 2, "shared": 1}
