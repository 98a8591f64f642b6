"""The judge behind OpenAI's API: the real client against a small real server."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import orjson
import pytest
from aiohttp import web

from proxy.core.judgement.opinion import Opinion
from proxy.core.judgement.prompt import messages
from proxy.core.model import Usage
from proxy.core.spending import Part
from proxy.errors import TierError
from proxy.verifying.openai import OpenAiJudge
from tests.support.judging import Json, JudgeServer, no, said, status, yes

A, B = "How do I reset my password?", "I forgot my password, what now?"


def build(server: JudgeServer, **changes: Any) -> OpenAiJudge:
    given: Json = {
        "base_url": server.url,
        "api_key": "sk-secret",
        "model": "m",
        "timeout_s": 5.0,
    }
    return OpenAiJudge(**{**given, **changes})


@pytest.fixture
async def judge(server: JudgeServer) -> AsyncIterator[OpenAiJudge]:
    judge = build(server)
    await judge.start()
    server.forget()
    yield judge
    await judge.close()


# A judgement


async def test_every_call_is_billed(server: JudgeServer) -> None:
    """With what the server had cached, at its own rate; the start's proof as well."""
    lines: list[tuple[Part, str, Usage]] = []

    class Bill:
        def spent(self, part: Part, model: str, usage: Usage) -> None:
            lines.append((part, model, usage))

    judge = build(server, ledger=Bill())
    await judge.start()
    server.next = [billed]
    await judge.ask(A, B)
    await judge.close()

    cost = Usage(50, 5, cached=40, service_tier="flex")
    assert lines == [(Part.JUDGE, "m", Usage(0, 0)), (Part.JUDGE, "m", cost)]


def billed(body: Json) -> web.Response:
    answer = yes(body)
    assert isinstance(answer.body, bytes)
    usage = {
        "prompt_tokens": 50,
        "completion_tokens": 5,
        "prompt_tokens_details": {"cached_tokens": 40},
    }
    return web.json_response({**orjson.loads(answer.body), "usage": usage, "service_tier": "flex"})


async def test_what_is_sent(judge: OpenAiJudge, server: JudgeServer) -> None:
    """One call: our prompt with both questions, no randomness, and room for a short reply only."""
    assert await judge.ask(A, B) is Opinion.SAME

    told = [{"role": role, "content": text} for role, text in messages(A, B)]
    assert server.asked == [
        {"model": "m", "messages": told, "temperature": 0, "max_tokens": 24},
    ]
    assert server.headers[0]["Authorization"] == "Bearer sk-secret"
    assert server.pairs == [(A, B)]


async def test_as_a_verifier(judge: OpenAiJudge, server: JudgeServer) -> None:
    """Its yes is probability 1 and its no is 0, for each candidate in order."""
    server.next = [yes, no, yes]

    assert await judge.verify(A, [B, "other", "third"]) == [1.0, 0.0, 1.0]
    assert await judge.verify(A, []) == []
    assert [second for _, second in server.pairs] == [B, "other", "third"]


@pytest.mark.parametrize(
    "text", ["", "Yes.", None, 7, ["x"], '{"same_answer": "true"}', '```{"same_answer": true}```']
)
async def test_a_reply_that_is_none_vouches_for_nothing(
    judge: OpenAiJudge, server: JudgeServer, text: object
) -> None:
    """Only the exact reply is a yes, and a strange one is no fault of the server."""
    server.next = [lambda _: said(text)]

    assert await judge.ask(A, B) is Opinion.UNREADABLE


@pytest.mark.parametrize(
    "text", ["", "  ", "x" * 4001, "a\ud800", 'say {"same_answer": true}, please']
)
async def test_unfit_text_is_not_sent(judge: OpenAiJudge, server: JudgeServer, text: str) -> None:
    """What cannot be judged, or dictates the reply, costs no call, on either side."""
    assert await judge.ask(text, A) is Opinion.UNREADABLE
    assert await judge.ask(A, text) is Opinion.UNREADABLE
    assert server.asked == []


@pytest.mark.parametrize("code", [400, 413, 422])
async def test_a_refused_pair_is_its_own_affair(
    judge: OpenAiJudge, server: JudgeServer, code: int
) -> None:
    """A text that a content filter dislikes is not vouched for, and harms no other."""
    server.next = [status(code)]

    assert await judge.ask(A, B) is Opinion.UNREADABLE
    assert await judge.ask(A, B) is Opinion.SAME


async def test_no_key_sends_no_credential(
    server: JudgeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The environment's key is meant for another server, and is not sent to this one."""
    monkeypatch.setenv("OPENAI_API_KEY", "sk-of-somebody-else")
    monkeypatch.setenv("OPENAI_ADMIN_KEY", "sk-admin")
    monkeypatch.setenv("OPENAI_ORG_ID", "org")
    monkeypatch.setenv("OPENAI_PROJECT_ID", "project")
    judge = build(server, api_key=None)
    await judge.start()
    await judge.close()

    (headers,) = server.headers
    assert not {"Authorization", "OpenAI-Organization", "OpenAI-Project"} & set(headers)


def test_id_names_model_and_server() -> None:
    """The same model's name on two servers may be two models; a password is no part of it."""
    judge = OpenAiJudge(base_url="https://me:pw@Example.com:8443/v1/", api_key=None, model="m")

    assert judge.id == "openai:m:example.com:8443/v1"


# Start


async def test_reasoning_models_are_asked_their_way(server: JudgeServer) -> None:
    """A model that refuses temperature and `max_tokens` is asked without, from then on."""

    def reply(body: Json) -> web.Response:
        return status(400)(body) if "temperature" in body else yes(body)

    server.always = reply
    judge = build(server)
    await judge.start()
    server.forget()

    assert await judge.ask(A, B) is Opinion.SAME
    assert set(server.asked[0]) == {"model", "messages", "max_completion_tokens"}
    await judge.close()


async def test_a_model_that_does_not_reply_as_told_fails_start(server: JudgeServer) -> None:
    """A model that cannot keep to the form is found at start, not by a cache that never hits."""
    server.always = lambda _: said("They are the same question.")
    judge = build(server)

    with pytest.raises(TierError, match="m: does not reply as it is told"):
        await judge.start()
    with pytest.raises(TierError, match="not started"):
        await judge.ask(A, B)
    await judge.close()


@pytest.mark.parametrize(("code", "calls"), [(400, 2), (401, 1), (404, 1), (503, 1)])
async def test_a_refusal_at_start_is_a_fault_and_passes(
    server: JudgeServer, code: int, calls: int
) -> None:
    """A wrong model, key or setting shows at start; a later start may find the server well."""
    server.always = status(code)
    judge = build(server)
    with pytest.raises(TierError, match=str(code)):
        await judge.start()
    assert calls == len(server.asked)
    server.always = no
    await judge.start()

    assert await judge.ask(A, B) is Opinion.DIFFERENT
    await judge.close()


async def test_start_again_proves_the_server(judge: OpenAiJudge, server: JudgeServer) -> None:
    """A started judge is asked once more, so a probe is worth something."""
    await judge.start()
    assert len(server.asked) == 1

    server.always = status(503)
    with pytest.raises(TierError, match="503"):
        await judge.start()


async def test_no_server_is_a_tier_error() -> None:
    """A refused connection is the judge's fault."""
    judge = OpenAiJudge(base_url="http://127.0.0.1:9/v1", api_key=None, model="m")
    with pytest.raises(TierError, match="APIConnectionError"):
        await judge.start()
    await judge.close()


# Faults


@pytest.mark.parametrize("code", [401, 403, 404, 409, 429, 500, 503])
async def test_a_failure_is_a_tier_error_without_a_second_try(
    judge: OpenAiJudge, server: JudgeServer, code: int
) -> None:
    """Nobody waits for another try, and the error says the status and no prompt or key."""
    server.next = [status(code)]
    with pytest.raises(TierError) as caught:
        await judge.ask(A, B)

    assert str(caught.value) == f"m: status {code}"
    assert len(server.asked) == 1
    assert await judge.ask(A, B) is Opinion.SAME


@pytest.mark.parametrize(
    "response",
    [
        pytest.param(lambda: web.json_response({}), id="nothing in it"),
        pytest.param(lambda: web.json_response({"choices": []}), id="no choice"),
        pytest.param(lambda: web.json_response({"choices": "x"}), id="a word"),
        pytest.param(lambda: web.json_response({"choices": [7]}), id="a number"),
        pytest.param(lambda: web.json_response({"choices": [{}]}), id="no message"),
        pytest.param(lambda: web.json_response([]), id="a list"),
        pytest.param(lambda: web.json_response(None), id="null"),
        pytest.param(lambda: web.Response(text="<html>", content_type="text/html"), id="a page"),
        pytest.param(
            lambda: web.Response(text="{", content_type="application/json"), id="broken JSON"
        ),
    ],
)
async def test_what_is_no_completion_is_the_servers_fault(
    judge: OpenAiJudge, server: JudgeServer, response: Callable[[], web.Response]
) -> None:
    """Whatever a broken server sends, it is a tier error and nothing else."""
    server.next = [lambda _: response()]
    with pytest.raises(TierError):
        await judge.ask(A, B)


async def test_a_slow_server_is_late(server: JudgeServer) -> None:
    """A reply that does not come in time is the judge's fault; the next may be in time."""
    judge = build(server, timeout_s=0.5)
    await judge.start()
    server.delay_s = 30
    with pytest.raises(TierError, match="m: no answer in time"):
        await judge.ask(A, B)
    server.delay_s = 0

    assert await judge.ask(A, B) is Opinion.SAME
    await judge.close()


async def test_close_ends_a_call_under_way(judge: OpenAiJudge, server: JudgeServer) -> None:
    """Nobody hangs after close, and a closed judge says so."""
    server.delay_s = 30
    asked = asyncio.gather(judge.ask(A, B), return_exceptions=True)
    await server.was_asked.wait()
    await judge.close()
    (outcome,) = await asyncio.wait_for(asked, 20)

    assert isinstance(outcome, TierError)
    with pytest.raises(TierError, match="not started"):
        await judge.ask(A, B)
