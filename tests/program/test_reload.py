"""Another configuration, without a restart: nobody who asks notices."""

import asyncio
import os
import signal
from collections.abc import Callable
from pathlib import Path

import aiohttp
import pytest

from tests.support.load import (
    ADMIN,
    HEADERS,
    QUESTION,
    REWORDED,
    Caller,
    calling,
    loaded,
)
from tests.support.origin import Act, Gate, ScriptedOrigin, scripted_origin
from tests.support.program import Json, Process, chat
from tests.support.waiting import until_async

SURE = {"cache": {"judgement": {"min_probability": 1.0}}}
"""So sure is no verifier: reworded questions are not answered any more."""


def hang_up(running: Process) -> None:
    running.child.send_signal(signal.SIGHUP)


def wait_for_it(_running: Process) -> None:
    """The file has changed, which is enough."""


@pytest.mark.parametrize(
    ("watches", "trigger"), [(False, hang_up), (True, wait_for_it)], ids=["signal", "file"]
)
async def test_a_threshold_is_followed_under_load(
    origin: ScriptedOrigin, tmp_path: Path, watches: bool, trigger: Callable[[Process], None]
) -> None:
    """At 100 requests a second no request fails, no stream is dropped, and it soon holds."""
    origin.always = Act(pause_s=0.05)  # streams last longer than a reload
    over: Json = {"server": {"watch_config": watches}, "embedder": {"kind": "local"}}
    async with calling(origin, tmp_path, **over) as caller:
        await caller.ask(QUESTION)
        await until_async(lambda: caller.hits(REWORDED), "the first hit")
        async with loaded(caller.running) as load:
            caller.write(**SURE)
            trigger(caller.running)

            async def holds() -> bool:
                return not await caller.hits(REWORDED)

            await until_async(holds, "the new threshold")
        is_kept = await caller.hits(QUESTION)
        told = await caller.heard("config_reloaded")

    assert load.faults == []
    assert is_kept
    assert (told["by"], told["changed"]) == (
        "file" if watches else "signal",
        "cache.judgement.min_probability",
    )


async def test_a_broken_file_changes_nothing(origin: ScriptedOrigin, tmp_path: Path) -> None:
    """What held holds on, the log, the metrics and the API say why; and the mended file is read."""
    async with calling(origin, tmp_path, server={"watch_config": True}) as caller:
        await caller.ask(QUESTION)
        good = caller.file.read_text()
        caller.file.write_text("cache: {deadline_ms: 0}\nserver: {prot: 1}")
        failed = await caller.heard("config_reload_failed")
        hit = await caller.ask(QUESTION)
        _, held = await caller.operate("GET", "config")
        refused, problem = await caller.operate("POST", "config/reload")
        metrics = await caller.metrics()
        caller.file.write_text("cache: [not, a, mapping")
        await caller.heard("config_reload_failed", 3)
        caller.file.write_text(good)
        await caller.heard("config_reloaded")
        mended = await caller.metrics()

    keys = ("server.prot", "cache.deadline_ms")
    assert hit == (200, "HIT")
    assert all(key in failed["reason"] for key in keys)
    assert (held["config"]["cache"]["deadline_ms"], held["reload"]["ok"]) == (1000, False)
    assert held["file"] == str(caller.file)
    assert len(held["reload"]["problems"]) == 2
    assert (refused, problem["error"]["code"]) == (400, "invalid_config")
    assert all(key in problem["error"]["message"] for key in keys)
    assert "reprise_config_reload_success 0.0" in metrics
    assert "reprise_config_reload_success 1.0" in mended
    assert 'reprise_config_reloads_total{result="failed"} 3.0' in mended


async def test_all_workers_follow(origin: ScriptedOrigin, tmp_path: Path) -> None:
    """By a signal to the one that keeps them, and by a call to any; also one started later."""
    over: Json = {"server": {"workers": 2, "watch_config": False}}
    async with calling(origin, tmp_path, **over) as caller:
        caller.write(cache={"ttl": {"default_s": 100}})
        hang_up(caller.running)
        await caller.heard("config_reloaded", 2)
        caller.write(cache={"ttl": {"default_s": 200}}, server={"host": "0.0.0.0"})
        status, done = await caller.operate("POST", "config/reload")
        by = [(line["worker"], line["by"]) for line in caller.events("config_reloaded")]
        caller.file.write_text("cache: 7")
        started = {line["worker"]: line["pid"] for line in caller.events("worker_started")}
        os.kill(started[2], signal.SIGKILL)
        await caller.heard("worker_restarted")
        lived = [await _ttl_of(caller, worker) for worker in (1, 2)]

    assert sorted(by) == [(1, "api"), (1, "signal"), (2, "api"), (2, "signal")]
    assert (status, done["ok"], done["unreached_workers"]) == (200, True, 0)
    assert (done["changed"], done["needs_restart"]) == (["cache.ttl.default_s"], ["server.host"])
    assert lived == [200, 200]


async def _ttl_of(caller: Caller, worker: int) -> float:
    """The lifetime that one of the workers holds, over a connection to it."""
    while True:
        connector = aiohttp.TCPConnector(limit=1)
        async with aiohttp.ClientSession(connector=connector) as http:
            async with http.get(f"{caller.running.root}/readyz") as got:
                is_it = (await got.json())["worker"] == worker
            url = f"{caller.running.root}/admin/v1/config"
            async with http.get(url, headers=ADMIN) as got:
                lifetime: float = (await got.json())["config"]["cache"]["ttl"]["default_s"]
        if is_it:
            return lifetime


async def test_streams_of_the_old_origin_go_on(origin: ScriptedOrigin, tmp_path: Path) -> None:
    """A stream ends as it began, while the next request goes to the new origin already."""
    gate = Gate()
    origin.then(gates={2: gate})
    with scripted_origin() as other:
        async with calling(origin, tmp_path) as caller:
            url = f"{caller.running.url}/chat/completions"
            body = chat("Who answers?", stream=True)
            async with (
                caller.http.post(url, json=body, headers=HEADERS) as got,
                asyncio.TaskGroup() as group,
            ):
                await gate.reached()
                caller.write(upstream={"base_url": other.url})
                await caller.heard("config_reloaded")
                joined = group.create_task(caller.ask("Who answers?"))
                fresh = await caller.ask("Who answers now?")
                gate.open()
                streamed = await got.read()
            late = joined.result()

    assert streamed.endswith(b"data: [DONE]\n\n")
    assert fresh == (200, "MISS")
    assert late[0] == 200
    assert late[1] in ("COALESCED", "HIT")  # whether it came before the stream's end
    assert (origin.calls, other.calls) == (1, 1)
