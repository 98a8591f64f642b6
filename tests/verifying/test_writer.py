"""A model that writes questions: asked seldom, waited for briefly, believed where checked."""

import asyncio
import io
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from proxy.core.conversation.prompt import messages
from proxy.core.conversation.turns import Turn
from proxy.core.judgement.opinion import Opinion
from proxy.resilience import Stage, Tasks
from proxy.telemetry import Telemetry
from proxy.telemetry.logs import Logs, open_logs
from proxy.verifying.openai import LONG, OpenAiJudge
from proxy.verifying.second import SecondJudge, Terms
from proxy.verifying.writer import CheckedWriter
from tests.support.judging import JudgeServer, no, said, status, writes, yes
from tests.support.ports import Heard
from tests.support.waiting import until

WRITTEN = "What is evaporation in the water cycle?"
PATIENT = Terms(calls_per_minute=1000, timeout_s=5, wait_s=5, remembered=100)


def talk(first: str = "What is the water cycle?", last: str = "What is evaporation?") -> list[Turn]:
    return [Turn("user", first), Turn("assistant", "Rain."), Turn("user", last)]


@asynccontextmanager
async def started(
    server: JudgeServer, heard: Heard | Telemetry, terms: Terms = PATIENT
) -> AsyncIterator[tuple[CheckedWriter, SecondJudge]]:
    """A writer and a judge over one model, started; from here on it writes the question."""
    tasks = Tasks(heard)
    judge = OpenAiJudge(base_url=server.url, api_key=None, model="m", timeout_s=terms.timeout_s)
    stage = Stage("judge", judge.start, tasks=tasks, observer=heard, retry_s=0.05)
    await stage.start()
    server.forget()
    second = SecondJudge(judge, stage, terms, tasks=tasks, observer=heard)
    server.always = writes(WRITTEN)
    try:
        yield CheckedWriter(judge, second.calls, terms.remembered, observer=heard), second
    finally:
        await tasks.close()
        await second.close()


def results(heard: Heard) -> list[object]:
    return [fields["result"] for name, fields in heard.events if name == "question_written"]


async def test_what_is_sent(server: JudgeServer, heard: Heard) -> None:
    """One call with our prompt, no randomness, and room for one question."""
    async with started(server, heard) as (writer, _):
        assert await writer.write(talk()) == WRITTEN

    told = [{"role": role, "content": text} for role, text in messages(talk())]
    assert server.asked == [
        {"model": "m", "messages": told, "temperature": 0, "max_tokens": LONG},
    ]
    assert results(heard) == ["written"]


async def test_a_reasoning_model_may_think(server: JudgeServer, heard: Heard) -> None:
    """One that refuses temperature and max_tokens is asked for questions without them too."""
    server.next = [status(400)]
    async with started(server, heard) as (writer, _):
        assert await writer.write(talk()) == WRITTEN

    assert set(server.asked[0]) == {"model", "messages", "max_completion_tokens"}


@pytest.mark.parametrize(
    ("reply", "result"),
    [
        (writes(None), "none"),
        (lambda _: said("What is evaporation?"), "none"),
        (status(400), "none"),
        (writes("What is evaporation in Rome?"), "unfaithful"),
        (writes("What is evaporation?"), "unfaithful"),
    ],
)
async def test_what_is_no_question_costs_one_call(
    server: JudgeServer, heard: Heard, reply: object, result: str
) -> None:
    """A refusal, another form, an invention or an echo is not used, and not asked for again."""
    async with started(server, heard) as (writer, _):
        server.always = reply  # type: ignore[assignment]  # one of several callables
        found = [await writer.write(talk()), await writer.write(talk())]

    assert found == [None, None]
    assert len(server.asked) == 1
    assert results(heard) == [result]


async def test_a_conversation_is_remembered(server: JudgeServer, heard: Heard) -> None:
    """It costs one call; another conversation costs another, and memory is bounded."""
    async with started(server, heard, Terms(1000, 5, 5, remembered=1)) as (writer, _):
        for first in ("What is the water cycle?", "What is the water cycle?", "Water cycle?"):
            assert await writer.write(talk(first)) == WRITTEN
        await writer.write(talk())

    assert len(server.asked) == 3


async def test_equal_conversations_at_once_are_one_call(server: JudgeServer, heard: Heard) -> None:
    """A crowd waits for one call."""
    async with started(server, heard) as (writer, _):
        server.delay_s = 0.1
        found = await asyncio.gather(*(writer.write(talk()) for _ in range(30)))

    assert set(found) == {WRITTEN}
    assert len(server.asked) == 1


async def test_one_budget_holds_for_writing_and_judging(server: JudgeServer, heard: Heard) -> None:
    """The bound an operator sets is for all that the model is asked."""
    async with started(server, heard, Terms(2, 5, 5, 100)) as (writer, second):
        assert await writer.write(talk()) == WRITTEN
        server.always = no
        assert await second.ask("a", "b") is Opinion.DIFFERENT
        assert await writer.write(talk(last="What is rain?")) is None
        assert await second.ask("a", "c") is Opinion.NOT_ASKED

    assert len(server.asked) == 2


async def test_who_waits_gives_up_in_time(server: JudgeServer, heard: Heard) -> None:
    """The call goes on, and what it brings is there for the next."""
    async with started(server, heard, Terms(1000, 5, 0.05, 100)) as (writer, _):
        server.delay_s = 0.3
        assert await writer.write(talk()) is None
        await until(lambda: results(heard) == ["written"], "the question")
        assert await writer.write(talk()) == WRITTEN

    assert len(server.asked) == 1


async def test_a_model_that_is_down_is_left_alone(server: JudgeServer, heard: Heard) -> None:
    """A failure gives no question and opens the breaker; after a probe it writes again."""
    async with started(server, heard) as (writer, _):
        server.always = status(503)
        assert await writer.write(talk()) is None
        asked = len(server.asked)
        assert await writer.write(talk()) is None
        server.always = yes
        await until(lambda: "breaker_closed" in heard.names, "recovery")
        server.always = writes(WRITTEN)
        assert await writer.write(talk()) == WRITTEN

    assert asked == 1
    assert results(heard) == ["unanswered", "written"]


async def test_no_conversation_is_logged(server: JudgeServer) -> None:
    """What was said, and what the model made of it, is in no line of the log."""
    log = io.StringIO()
    observer = Telemetry([Logs(open_logs("json", "debug", log))])
    async with started(server, observer) as (writer, _):
        server.next = [writes("What is my secret in Oslo?"), status(500)]
        await writer.write(talk(last="What is my secret?"))
        await writer.write(talk(last="What is the secret?"))

    assert '"unfaithful"' in log.getvalue()
    assert '"unanswered"' in log.getvalue()
    assert "secret" not in log.getvalue()
    assert "Oslo" not in log.getvalue()
