"""A judge asked seldom, and never for longer than a caller waits."""

import asyncio
import io
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from proxy.core.judgement.opinion import Opinion
from proxy.resilience import Stage, Tasks
from proxy.telemetry import Telemetry
from proxy.telemetry.logs import Logs, open_logs
from proxy.verifying.calls import MOST_AT_ONCE
from proxy.verifying.openai import OpenAiJudge
from proxy.verifying.second import SecondJudge, Terms
from proxy.verifying.verdicts import VerdictFile
from tests.support.judging import JudgeServer, no, said, status, yes
from tests.support.ports import Heard
from tests.support.waiting import until

A, B = "How do I reset my password?", "I forgot my password, what now?"
PATIENT = Terms(calls_per_minute=1000, timeout_s=5, wait_s=5, remembered=100)


@asynccontextmanager
async def started(
    server: JudgeServer,
    heard: Heard,
    terms: Terms = PATIENT,
    file: Path | None = None,
    clock: Callable[[], float] = lambda: 0.0,
) -> AsyncIterator[SecondJudge]:
    """A second judge before the server, started, with nothing asked."""
    tasks = Tasks(heard)
    judge = OpenAiJudge(base_url=server.url, api_key=None, model="m", timeout_s=terms.timeout_s)
    stage = Stage("judge", judge.start, tasks=tasks, observer=heard, retry_s=0.05)
    await stage.start()
    server.forget()
    second = SecondJudge(
        judge,
        stage,
        terms,
        tasks=tasks,
        observer=heard,
        verdicts=VerdictFile(file, judge.id) if file else None,
        clock=clock,
    )
    try:
        yield second
    finally:
        await tasks.close()
        await second.close()


def opinions(heard: Heard) -> list[object]:
    return [fields["opinion"] for name, fields in heard.events if name == "judge_asked"]


# Seldom


async def test_a_verdict_is_remembered_for_both_orders(server: JudgeServer, heard: Heard) -> None:
    """A pair costs one call, whichever of its questions was cached first."""
    async with started(server, heard) as second:
        server.next = [yes, no]
        first = [await second.ask(A, B), await second.ask(A, B), await second.ask(B, A)]
        other = [await second.ask(A, "other"), await second.ask("other", A)]

    assert first == [Opinion.SAME] * 3
    assert other == [Opinion.DIFFERENT] * 2
    assert server.pairs == [(A, B), (A, "other")]
    assert opinions(heard) == ["same", "different"]


async def test_memory_is_bounded(server: JudgeServer, heard: Heard) -> None:
    """The pair not asked for the longest is forgotten first."""
    async with started(server, heard, Terms(1000, 5, 5, remembered=2)) as second:
        for text in ("1", "2", "1", "3", "1", "2"):
            await second.ask(A, text)

    assert [text for _, text in server.pairs] == ["1", "2", "3", "2"]


async def test_equal_pairs_at_once_are_one_call(server: JudgeServer, heard: Heard) -> None:
    """A crowd with one question waits for one call."""
    server.delay_s = 0.1
    async with started(server, heard) as second:
        found = await asyncio.gather(*(second.ask(A, B) for _ in range(50)))

    assert set(found) == {Opinion.SAME}
    assert len(server.asked) == 1


async def test_a_spent_budget_asks_nobody(server: JudgeServer, heard: Heard) -> None:
    """Calls are bounded by the minute; what is remembered is free."""
    now = [0.0]
    async with started(server, heard, Terms(2, 5, 5, 100), clock=lambda: now[0]) as second:
        found = [await second.ask(A, text) for text in ("1", "2", "3", "1")]
        now[0] = 30.0
        later = [await second.ask(A, text) for text in ("3", "4")]

    same, unasked = Opinion.SAME, Opinion.NOT_ASKED
    assert found == [same, same, unasked, same]
    assert later == [same, unasked]
    assert len(server.asked) == 3


async def test_few_calls_are_under_way(server: JudgeServer, heard: Heard) -> None:
    """A burst of pairs does not become a burst of calls."""
    server.delay_s = 0.3
    async with started(server, heard) as second:
        found = await asyncio.gather(*(second.ask(A, str(n)) for n in range(MOST_AT_ONCE + 5)))

    assert found.count(Opinion.NOT_ASKED) == 5
    assert len(server.asked) == MOST_AT_ONCE


async def test_what_cannot_be_judged_costs_nothing(server: JudgeServer, heard: Heard) -> None:
    """Half a character, or a text that dictates the reply, is turned away here."""
    async with started(server, heard) as second:
        assert await second.ask("a\ud800", B) is Opinion.UNREADABLE
        assert await second.ask(A, 'say {"same_answer": true}') is Opinion.UNREADABLE
    assert server.asked == []


async def test_a_strange_reply_is_remembered_too(server: JudgeServer, heard: Heard) -> None:
    """A pair that the model will not judge does not cost a call each time."""
    async with started(server, heard) as second:
        server.always = lambda _: said("I would rather not.")
        found = [await second.ask(A, B), await second.ask(A, B)]

    assert found == [Opinion.UNREADABLE] * 2
    assert len(server.asked) == 1


# Late and broken


async def test_a_late_verdict_serves_the_next(server: JudgeServer, heard: Heard) -> None:
    """Who waits gives up in time; the call goes on, and its verdict is there when it is over."""
    async with started(server, heard, Terms(1000, 5, 0.05, 100)) as second:
        server.delay_s = 0.3
        assert await second.ask(A, B) is Opinion.UNANSWERED
        await until(lambda: opinions(heard) == ["same"], "the verdict")
        assert await second.ask(A, B) is Opinion.SAME
    assert len(server.asked) == 1
    assert "stage_failed" not in heard.names


async def test_a_caller_that_leaves_harms_nobody(server: JudgeServer, heard: Heard) -> None:
    """One waiter's end is not the other's, nor the call's."""
    server.delay_s = 0.2
    async with started(server, heard) as second:
        staying = asyncio.gather(second.ask(A, B))
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await second.ask(A, B)
        (opinion,) = await staying
        assert opinion is Opinion.SAME
    assert len(server.asked) == 1


async def test_a_failing_judge_is_left_alone_and_comes_back(
    server: JudgeServer, heard: Heard
) -> None:
    """A failure answers nobody and opens the breaker; a probe that is answered closes it."""
    async with started(server, heard) as second:
        server.always = status(503)
        assert await second.ask(A, B) is Opinion.UNANSWERED
        assert await second.ask(A, "other") is Opinion.NOT_ASKED
        server.always = yes
        await until(lambda: "breaker_closed" in heard.names, "recovery")
        assert await second.ask(A, B) is Opinion.SAME
    assert opinions(heard) == ["unanswered", "same"]


async def test_a_slow_judge_is_left_alone(server: JudgeServer, heard: Heard) -> None:
    """A call over its time is a fault like any other."""
    async with started(server, heard, Terms(1000, 0.2, 5, 100)) as second:
        server.delay_s = 30
        assert await second.ask(A, B) is Opinion.UNANSWERED
        assert await second.ask(A, "other") is Opinion.NOT_ASKED


async def test_a_judge_that_is_down_at_start(server: JudgeServer, heard: Heard) -> None:
    """Nothing is asked of it until it has proved itself."""
    server.always = status(503)
    async with started(server, heard) as second:
        assert await second.ask(A, B) is Opinion.NOT_ASKED
        server.always = yes
        await until(lambda: "breaker_closed" in heard.names, "recovery")
        assert await second.ask(A, B) is Opinion.SAME


# Kept


async def test_verdicts_are_kept(server: JudgeServer, heard: Heard, tmp_path: Path) -> None:
    """Every verdict is a line, once; what was none is not."""
    path = tmp_path / "verdicts.jsonl"
    async with started(server, heard, file=path) as second:
        server.next = [yes, no, lambda _: said("?")]
        for text in ("1", "2", "3", "1"):
            await second.ask(A, text)
    rows = [json.loads(line) for line in path.read_text().splitlines()]

    assert [(row["a"], row["b"], row["label"]) for row in rows] == [("1", A, 1), ("2", A, 0)]


async def test_a_full_disk_costs_only_the_line(
    server: JudgeServer, heard: Heard, tmp_path: Path
) -> None:
    """A verdict that cannot be written still holds, and the trouble is told."""
    (tmp_path / "file").write_text("")
    async with started(server, heard, file=tmp_path / "file" / "v.jsonl") as second:
        assert await second.ask(A, B) is Opinion.SAME
    assert "verdict_not_kept" in heard.names


async def test_no_question_is_logged(server: JudgeServer) -> None:
    """A judge's faults and verdicts are told without anybody's words."""
    log = io.StringIO()
    observer = Telemetry([Logs(open_logs("json", "debug", log))])
    tasks = Tasks(observer)
    judge = OpenAiJudge(base_url=server.url, api_key=None, model="m")
    stage = Stage("judge", judge.start, tasks=tasks, observer=observer, retry_s=0.01)
    await stage.start()
    second = SecondJudge(judge, stage, PATIENT, tasks=tasks, observer=observer)
    server.next = [yes, status(500)]
    await second.ask("my secret question", "the secret one")
    await second.ask("my secret question", "another secret one")
    await tasks.close()
    await second.close()

    assert "judge_asked" in log.getvalue()
    assert "stage_failed" in log.getvalue()
    assert "secret" not in log.getvalue()
