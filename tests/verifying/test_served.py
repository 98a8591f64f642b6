"""The second judge behind the proxy: what callers get."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.judging import JudgeServer, judge_server, no, said, status, yes
from tests.support.program import Served, Serving, chat
from tests.support.waiting import until

FIRST, REWORDED = "How do I reset my password?", "how can I reset my password"
TRAP = "How do I delete my password?"


@pytest.fixture
async def judge() -> AsyncIterator[JudgeServer]:
    async with judge_server() as running:
        yield running


def over(judge: JudgeServer, verifier: str = "local", **llm: Any) -> dict[str, Any]:
    chosen = {"model": "m", "base_url": judge.url, **llm}
    # The deadline is long: a busy machine must not make the judge late.
    return {
        "embedder": {"kind": "local"},
        "cache": {"deadline_ms": 20_000, "judgement": {"verifier": verifier, "llm": chosen}},
    }


async def reworded(proxy: Served, text: str = REWORDED) -> tuple[str | None, str]:
    """How a second question fares after the first: `x-cache`, and the whole `cache-status`."""
    await proxy.post(chat(FIRST))
    got = await proxy.post(chat(text))
    assert got.status == 200
    return got.cache, got.headers["cache-status"]


async def test_its_yes_and_no_decide(serving: Serving, judge: JudgeServer) -> None:
    """Asked about every pair, its word is the last: for a rewording as for a neighbour."""
    async with serving(**over(judge, ask="every")) as proxy:
        judge.always = no
        refused, why = await reworded(proxy)
        judge.always = yes
        served, _ = await reworded(proxy, "How could I reset my password?")

    assert (refused, served) == ("MISS", "HIT")
    assert "verifier 0.00 <" in why
    assert (REWORDED, FIRST) in judge.pairs


async def test_a_guard_is_not_overruled(serving: Serving, judge: JudgeServer) -> None:
    """What the text rules veto is not put to the judge, and costs nothing."""
    async with serving(**over(judge, ask="every")) as proxy:
        judge.forget()
        cache, _ = await reworded(proxy, "How do I not reset my password?")

    assert cache == "MISS"
    assert judge.asked == []


async def test_a_judge_without_a_verifier(serving: Serving, judge: JudgeServer) -> None:
    """It decides alone where the local model is switched off."""
    async with serving(**over(judge, verifier="none")) as proxy:
        parts = (await proxy.get("/readyz")).json["parts"]
        cache, _ = await reworded(proxy)

    assert cache == "HIT"
    assert parts["judge"] == "ok"


async def test_a_judge_that_is_down_costs_hits_only(serving: Serving, judge: JudgeServer) -> None:
    """No error and no false hit: without a verifier everything reworded is asked of the origin."""
    judge.always = status(500)
    async with serving(**over(judge, verifier="none")) as proxy:
        ready = (await proxy.get("/readyz")).json
        cache, why = await reworded(proxy)
        judge.always = yes
        await until(lambda: bool(proxy.events("breaker_closed")), "recovery")
        recovered, _ = await reworded(proxy, "How could I reset my password?")

    assert ready["parts"]["judge"] != "ok"
    assert ready["parts"]["verifier"] == "ok"
    assert (cache, recovered) == ("MISS", "HIT")
    assert "not verified" in why


async def test_a_judge_that_is_down_leaves_the_verifier(
    serving: Serving, judge: JudgeServer
) -> None:
    """With the local model the proxy serves as if there were no judge."""
    judge.always = status(500)
    async with serving(**over(judge, ask="every")) as proxy:
        cache, _ = await reworded(proxy)

    assert cache == "HIT"


async def test_a_judge_that_fails_vouches_for_nothing(serving: Serving, judge: JudgeServer) -> None:
    """Asked and silent is a miss, whatever the verifier thinks, and the caller sees no error."""
    async with serving(**over(judge, ask="every")) as proxy:
        judge.always = status(500)
        cache, why = await reworded(proxy)

    assert cache == "MISS"
    assert "not verified" in why


@pytest.mark.parametrize("text", ["yes", '{"same_answer": 1}', "", None])
async def test_a_strange_reply_is_a_miss(
    serving: Serving, judge: JudgeServer, text: str | None
) -> None:
    """Only the exact reply serves anything."""
    async with serving(**over(judge, ask="every")) as proxy:
        judge.always = lambda _: said(text)
        cache, _ = await reworded(proxy)

    assert cache == "MISS"


async def test_a_late_judge_delays_nobody(serving: Serving, judge: JudgeServer) -> None:
    """A caller waits two fifths of the deadline at most; the verdict serves the next one."""
    chosen = over(judge, verifier="none", timeout_ms=20_000)
    chosen["cache"]["deadline_ms"] = 2000
    async with serving(**chosen) as proxy:
        judge.delay_s = 1.5
        first, why = await reworded(proxy)
        await until(lambda: bool(proxy.events("judge_asked")), "the verdict")
        # The first miss was stored under its own question: another session asks a third way.
        judge.delay_s = 0
        second, _ = await reworded(proxy, "How could I reset my password?")

    assert (first, second) == ("MISS", "HIT")
    assert "not verified" in why
    assert not proxy.events("breaker_opened")


async def test_verdicts_and_counts(serving: Serving, judge: JudgeServer, tmp_path: Path) -> None:
    """Verdicts are kept where the operator said, and counted; the log has no question in it."""
    file = tmp_path / "verdicts.jsonl"
    async with serving(**over(judge, verifier="none", verdicts_file=str(file))) as proxy:
        await reworded(proxy)
        await until(file.exists, "the line")
        metrics = (await proxy.get("/metrics")).body.decode()
        log = proxy.log.getvalue()
    row = json.loads(file.read_text().splitlines()[0])

    assert (row["a"], row["b"], row["label"]) == (FIRST, REWORDED, 1)
    assert 'reprise_judge_calls_total{opinion="same"} 1.0' in metrics
    assert "password" not in log


async def test_the_budget(serving: Serving, judge: JudgeServer) -> None:
    """Past its calls a minute nothing more is asked, and the verifier decides."""
    async with serving(**over(judge, ask="every", max_calls_per_minute=1)) as proxy:
        judge.forget()
        judge.always = no
        refused, _ = await reworded(proxy)
        served, _ = await reworded(proxy, "How could I reset my password?")

    assert (refused, served) == ("MISS", "HIT")
    assert len(judge.asked) == 1
