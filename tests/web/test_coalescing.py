"""Identical misses in flight are one call, and the call is nobody's own."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest

from tests.support.origin import Act, Gate, ScriptedOrigin
from tests.support.program import KEY, Got, Served, Serving, chat
from tests.support.waiting import until, until_async

CROWD = 200


def listeners(proxy: Served) -> int:
    """How many wait for a flight of this proxy."""
    return sum(len(flight._seats) for flight in proxy.runtime.flights._calls)


@asynccontextmanager
async def opened(
    proxy: Served, body: dict[str, Any], key: str = KEY
) -> AsyncIterator[aiohttp.ClientResponse]:
    """A request whose head has come; leaving the block hangs up."""
    async with aiohttp.ClientSession() as http:
        response = await http.post(
            f"{proxy.url}/chat/completions", json=body, headers={"authorization": f"Bearer {key}"}
        )
        try:
            yield response
        finally:
            response.close()


async def all_of(proxy: Served, bodies: list[dict[str, Any]], gate: Gate) -> list[Got]:
    """Ask all at once; the gate is opened when everybody waits."""
    async with asyncio.TaskGroup() as group:
        asking = [group.create_task(proxy.post(body)) for body in bodies]
        await gate.reached()
        await until(lambda: listeners(proxy) == len(bodies), "everybody's waiting")
        gate.open()
    return [task.result() for task in asking]


@pytest.mark.parametrize(
    "streams", [[False], [True], [True, False], [False, True]], ids=["json", "stream", "s+j", "j+s"]
)
async def test_a_crowd_is_one_call(
    proxy: Served, origin: ScriptedOrigin, streams: list[bool]
) -> None:
    """However many ask at once and in whichever form, the origin is asked once."""
    gate = Gate()
    origin.always = Act(before=gate)
    bodies = [chat(stream=streams[number % len(streams)]) for number in range(CROWD)]
    answers = await all_of(proxy, bodies, gate)
    wholes = [answer for answer, body in zip(answers, bodies, strict=True) if not body["stream"]]
    parts = [answer for answer, body in zip(answers, bodies, strict=True) if body["stream"]]

    assert origin.calls == 1
    assert {answer.status for answer in answers} == {200}
    assert len({answer.text for answer in wholes}) <= 1
    assert all(answer.body.endswith(b"data: [DONE]\n\n") for answer in parts)
    assert [answer.cache for answer in answers].count("MISS") == 1
    assert [answer.cache for answer in answers].count("COALESCED") == CROWD - 1


async def test_the_first_one_may_leave(proxy: Served, origin: ScriptedOrigin) -> None:
    """Whoever came first and leaves cancels nothing that others wait for."""
    gate = Gate()
    origin.then(gates={3: gate})
    async with asyncio.TaskGroup() as group:
        async with opened(proxy, chat(stream=True)) as first:
            await first.content.readany()
            await gate.reached()
            second = group.create_task(proxy.post(chat(stream=True)))
            third = group.create_task(proxy.post(chat()))
            await until(lambda: listeners(proxy) == 3, "three listeners")
        await until(lambda: listeners(proxy) == 2, "the first one's leaving")
        gate.open()

    assert origin.calls == 1
    assert second.result().body.startswith(b"data: {")
    assert second.result().body.endswith(b"data: [DONE]\n\n")
    assert third.result().text.endswith("What is a cache?")
    assert not origin.requests[0].left


async def test_a_late_joiner_gets_the_whole_stream(proxy: Served, origin: ScriptedOrigin) -> None:
    """From its first chunk on, although half of it has passed."""
    gate = Gate()
    origin.then(gates={4: gate})
    async with opened(proxy, chat(stream=True)) as first:
        beginning = await first.content.readany()
        await gate.reached()
        async with opened(proxy, chat(stream=True)) as second:
            assert second.headers["x-cache"] == "COALESCED"
            assert beginning.startswith(await second.content.readexactly(len(beginning)))
            gate.open()
            rest = await second.content.read()
        whole = beginning + await first.content.read()

    assert origin.calls == 1
    assert whole == beginning + rest


@pytest.mark.parametrize("stream", [True, False])
async def test_a_call_that_nobody_waits_for_ends(
    proxy: Served, origin: ScriptedOrigin, stream: bool
) -> None:
    """The last one who leaves ends the call, and nothing of it is kept."""
    gate = Gate()
    origin.then(before=gate)
    async with asyncio.TaskGroup() as group:
        asking = group.create_task(proxy.post(chat(stream=stream)))
        await gate.reached()
        asking.cancel()
    await until(lambda: origin.requests[0].left, "the origin's being left")
    second = await proxy.post(chat())

    assert (origin.calls, second.cache) == (2, "MISS")
    assert origin.requests[0].left


async def test_a_stream_that_nobody_reads_ends(proxy: Served, origin: ScriptedOrigin) -> None:
    """The same in the middle of a stream."""
    gate = Gate()
    origin.then(gates={2: gate})
    async with opened(proxy, chat(stream=True)) as first:
        await first.content.readany()
        await gate.reached()
    await until(lambda: origin.requests[0].left, "the origin's being left")
    second = await proxy.post(chat())

    assert (origin.calls, second.cache) == (2, "MISS")


@pytest.mark.parametrize("stream", [True, False])
async def test_finish_on_disconnect(serving: Serving, origin: ScriptedOrigin, stream: bool) -> None:
    """Where so configured the answer is read to its end all the same, and stored."""
    gate = Gate()
    origin.then(before=gate)
    async with serving(cache={"finish_on_disconnect": True}) as proxy:
        async with asyncio.TaskGroup() as group:
            asking = group.create_task(proxy.post(chat(stream=stream)))
            await gate.reached()
            asking.cancel()
        await until(lambda: listeners(proxy) == 0, "the caller's leaving")
        gate.open()

        async def is_cached() -> bool:
            got = await proxy.post(chat(), cache_control="only-if-cached")
            return got.status == 200

        await until_async(is_cached, "the answer's being stored")

    assert origin.calls == 1


async def test_who_wants_an_answer_of_his_own_flies_alone(
    proxy: Served, origin: ScriptedOrigin
) -> None:
    """`no-cache` asks for the origin's answer of now, so it joins nothing."""
    gate = Gate()
    origin.always = Act(before=gate)
    async with asyncio.TaskGroup() as group:
        asking = [group.create_task(proxy.post(chat(), cache_control="no-cache")) for _ in range(3)]
        await origin.asked(3)
        gate.open()

    assert {task.result().cache for task in asking} == {"MISS"}


async def test_two_credentials_never_share_a_call(serving: Serving, origin: ScriptedOrigin) -> None:
    """Not even where all tenants share the cache: one key's quota must not pay for another's."""
    gate = Gate()
    origin.always = Act(before=gate)
    async with serving(cache={"tenancy": "shared"}) as proxy, asyncio.TaskGroup() as group:
        for number in range(4):
            group.create_task(proxy.post(chat(), key=f"sk-{number % 2}"))
        await origin.asked(2)
        await until(lambda: listeners(proxy) == 4, "four listeners")
        gate.open()

    assert origin.calls == 2
    assert {request.header("authorization") for request in origin.requests} == {
        "Bearer sk-0",
        "Bearer sk-1",
    }


async def test_usage_is_each_callers_own(proxy: Served, origin: ScriptedOrigin) -> None:
    """One flight serves a caller who asked for usage and one who did not."""
    gate = Gate()
    origin.then(before=gate)
    bodies = [
        chat(stream=True),
        chat(stream=True, stream_options={"include_usage": True}),
        chat(stream=True, stream_options={"include_usage": False}),
    ]
    silent, told, refusing = await all_of(proxy, bodies, gate)

    assert origin.calls == 1
    assert b'"prompt_tokens"' in told.body
    assert b'"prompt_tokens"' not in silent.body + refusing.body
    assert silent.body.endswith(b"data: [DONE]\n\n")


async def test_errors_are_shared_but_not_kept(proxy: Served, origin: ScriptedOrigin) -> None:
    """Who waits together fails together; who asks afterwards is asked for."""
    gate = Gate()
    origin.then(before=gate, status=500, body=b"{}")
    answers = await all_of(proxy, [chat()] * 5, gate)
    after = await proxy.post(chat())

    assert {answer.status for answer in answers} == {500}
    assert (origin.calls, after.status, after.cache) == (2, 200, "MISS")


async def test_an_answer_that_may_not_be_kept_is_asked_for_again(
    proxy: Served, origin: ScriptedOrigin
) -> None:
    """An answer cut short is served to who waited for it, and to nobody who comes later."""
    origin.then(finish="length")
    first = await proxy.post(chat())
    second = await proxy.post(chat())

    assert first.json["choices"][0]["finish_reason"] == "length"
    assert (origin.calls, second.cache) == (2, "MISS")
    assert second.json["choices"][0]["finish_reason"] == "stop"
