"""Conversations whose question a model writes, before the real embedder, guards and verifier."""

import io
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import orjson
import pytest
from aiohttp import web

from proxy.config import Config
from proxy.core.model import Tier
from proxy.library import open_cache
from tests.support.completions import choice_for, completion
from tests.support.judging import JudgeServer, judge_server, said, status, yes
from tests.support.origin import ScriptedOrigin
from tests.support.program import Serving, settings
from tests.support.waiting import until

Json = dict[str, Any]
QUESTIONS = {
    "What is evaporation?": "What is evaporation in the water cycle?",
    "Explain evaporation": "Explain evaporation in the water cycle",
    "What is condensation?": "What is condensation in the water cycle?",
    "What is cooling?": "What is cooling in the dark?",
}
"""What the scripted model makes of a last turn; the last of it is made up."""


def talk(first: str, last: str, answer: str = "Rain, mostly.") -> Json:
    said = (("user", first), ("assistant", answer), ("user", last))
    return {"model": "gpt-4o", "messages": [{"role": r, "content": text} for r, text in said]}


FIRST = talk("What is the water cycle?", "What is evaporation?")
REWORDED = talk("Explain the water cycle", "Explain evaporation", "Water goes round.")
OTHER = talk("Explain the water cycle", "What is condensation?", "Water goes round.")
MADE_UP = talk("What is the water cycle?", "What is cooling?")


def model(body: Json) -> web.Response:
    """Writes the questions, and says yes where it is asked to judge."""
    data = orjson.loads(body["messages"][-1]["content"].partition("\n\n")[0])
    if "turns" not in data:
        return yes(body)
    written = QUESTIONS.get(data["turns"][-1]["text"])
    return said(orjson.dumps({"standalone": written}).decode())


def written(server: JudgeServer) -> int:
    """How many conversations it was shown."""
    return sum('"turns"' in body["messages"][-1]["content"] for body in server.asked)


@pytest.fixture
async def writer() -> AsyncIterator[JudgeServer]:
    async with judge_server() as running:
        running.always = model
        yield running


def over(writer: JudgeServer, **llm: Any) -> Json:
    chosen = {"model": "m", "base_url": writer.url, "rewrite": True, **llm}
    cache = {"context": "rewrite", "deadline_ms": 20_000, "judgement": {"llm": chosen}}
    return {"embedder": {"kind": "local"}, "cache": cache}


async def test_a_reworded_conversation_is_answered(serving: Serving, writer: JudgeServer) -> None:
    """Other words in every turn, the same question written of both: the first one's answer."""
    async with serving(**over(writer)) as proxy:
        first = await proxy.post(FIRST)
        got = await proxy.post(REWORDED)
        again = await proxy.post(REWORDED)
        log = proxy.events("request")

    assert (first.cache, got.cache, got.tier) == ("MISS", "HIT", "vector")
    assert got.text == again.text == first.text
    assert written(writer) == 2
    assert log[1]["ms"]["rewrite"] > 0


async def test_another_question_is_not(serving: Serving, writer: JudgeServer) -> None:
    """What is written is guarded and verified as any question."""
    async with serving(**over(writer)) as proxy:
        await proxy.post(FIRST)
        other = await proxy.post(OTHER)

    assert other.cache == "MISS"


async def test_exact_repeats_wait_for_no_model(serving: Serving, writer: JudgeServer) -> None:
    """Session and shared tier answer first, also after a restart with the model away."""
    async with serving(**over(writer)) as proxy:
        tiers = [(await proxy.post(FIRST)).tier, (await proxy.post(FIRST)).tier]
    writer.always = status(503)
    async with serving(**over(writer)) as proxy:
        tiers.append((await proxy.post(FIRST)).tier)

    assert tiers == [None, "session", "shared"]
    assert written(writer) == 1


async def test_without_the_model_there_is_no_error_and_no_match(
    serving: Serving, writer: JudgeServer, origin: ScriptedOrigin
) -> None:
    """A failed rewrite is a miss whose answer its own repeats find, and nobody else."""
    async with serving(**over(writer)) as proxy:
        writer.always = status(503)
        missed = await proxy.post(FIRST)
        repeat = await proxy.post(FIRST)
        writer.always = model
        await until(lambda: bool(proxy.events("breaker_closed")), "recovery")
        other = await proxy.post(REWORDED)

    assert (missed.status, missed.cache) == (200, "MISS")
    assert 'detail="not rewritten"' in missed.headers["cache-status"]
    assert (repeat.cache, repeat.tier) == ("HIT", "session")
    assert other.cache == "MISS"
    assert origin.calls == 2


async def test_a_late_model_is_not_waited_for(serving: Serving, writer: JudgeServer) -> None:
    """Two fifths of the deadline are the most that a request gives."""
    hasty = over(writer)
    hasty["cache"]["deadline_ms"] = 500
    async with serving(**hasty) as proxy:
        writer.delay_s = 2
        got = await proxy.post(FIRST)
        writer.delay_s = 0
        ms = proxy.events("request")[0]["ms"]["rewrite"]

    assert got.cache == "MISS"
    assert ms < 1000


async def test_a_spent_budget_writes_nothing(serving: Serving, writer: JudgeServer) -> None:
    """What is over the bound is a miss like any other."""
    async with serving(**over(writer, max_calls_per_minute=1)) as proxy:
        await proxy.post(FIRST)
        got = await proxy.post(REWORDED)

    assert got.cache == "MISS"
    assert 'detail="not rewritten"' in got.headers["cache-status"]
    assert written(writer) == 1


async def test_what_the_model_makes_up_is_not_used(serving: Serving, writer: JudgeServer) -> None:
    """A question with a word that nobody said is none."""
    async with serving(**over(writer)) as proxy:
        got = await proxy.post(MADE_UP)
        told = proxy.events("question_written")

    assert 'detail="not rewritten"' in got.headers["cache-status"]
    assert [line["result"] for line in told] == ["unfaithful"]


@pytest.mark.parametrize("headers", [{"cache_control": "private"}, {"x_cache_mode": "exact"}])
async def test_what_is_private_or_exact_is_not_shown(
    serving: Serving, writer: JudgeServer, headers: dict[str, str]
) -> None:
    """A caller can keep a conversation from the model."""
    async with serving(**over(writer)) as proxy:
        await proxy.post(FIRST, **headers)
        repeat = await proxy.post(FIRST, **headers)

    assert repeat.cache == "HIT"
    assert written(writer) == 0


async def test_what_was_not_looked_up_is_matched_with_nothing(
    serving: Serving, writer: JudgeServer
) -> None:
    """An answer stored past the lookup has no written question: its last turn is never one."""
    async with serving(**over(writer)) as proxy:
        await proxy.post(FIRST, cache_control="no-cache")
        repeat = await proxy.post(FIRST)
        other = await proxy.post(REWORDED)

    assert (repeat.cache, other.cache) == ("HIT", "MISS")


async def test_the_library_has_them_written_too(tmp_path: Path, writer: JudgeServer) -> None:
    """What it stores is found by another wording, and both are explained by what was written."""
    config = Config.model_validate(settings("http://127.0.0.1:9/v1", tmp_path, **over(writer)))
    async with open_cache(config, io.StringIO()) as cache:
        await cache.store(FIRST, completion(FIRST, [choice_for(0, "Vapour.")], 1))
        found = await cache.lookup(REWORDED)
        compared = await cache.compare(REWORDED, FIRST)
        explained = await cache.explain(REWORDED)
        unwritten = await cache.compare(MADE_UP, FIRST)

    assert found is not None
    assert found.tier is Tier.VECTOR
    assert compared.decision.served
    assert compared.new.request.question == QUESTIONS["Explain evaporation"]
    assert [near.pair.question for near in explained.neighbours] == [
        QUESTIONS["What is evaporation?"]
    ]
    assert unwritten.decision.reason == "not rewritten"
