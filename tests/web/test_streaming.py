"""Streams while they come, and streams that break."""

import asyncio
from typing import Any

import openai
import pytest

from tests.support.origin import Gate, ScriptedOrigin
from tests.support.program import Served, Serving, chat

SSE = (("content-type", "text/event-stream"),)
MESSAGES: list[Any] = [{"role": "user", "content": "What is a cache?"}]
SAID = b'data: {"id": "c", "choices": [{"index": 0, "delta": {"content": "It is"}}]}\n\n'
DONE = b"data: [DONE]\n\n"


async def read(client: openai.AsyncOpenAI, into: list[Any]) -> None:
    """Read a stream; what came before an error is kept too."""
    stream = await client.chat.completions.create(model="gpt-4o", messages=MESSAGES, stream=True)
    async for chunk in stream:
        into.append(chunk)  # noqa: PERF401 - an error must not lose what came before it


async def test_chunks_pass_at_once(sdk: openai.AsyncOpenAI, origin: ScriptedOrigin) -> None:
    """A chunk is with the caller before the origin has sent the next."""
    gates = {number: Gate() for number in range(1, 6)}
    origin.then(gates=gates)
    stream = await sdk.chat.completions.create(model="gpt-4o", messages=MESSAGES, stream=True)
    chunks = aiter(stream)
    for gate in gates.values():
        async with asyncio.timeout(10):
            assert (await anext(chunks)).object == "chat.completion.chunk"
        gate.open()
    rest = [chunk async for chunk in chunks]

    assert rest[-1].choices[0].finish_reason == "stop"


@pytest.mark.parametrize(
    ("act", "least"),
    [
        ({"break_at": 3}, 3),
        ({"break_at": 0}, 0),
        ({"break_at": 1000}, 5),
        ({"done": False}, 5),
        ({"done": False, "odd": True}, 5),
        ({"pieces": (b"data: {}\n\n",), "headers": SSE}, 0),
        ({"pieces": (), "headers": SSE}, 0),
        ({"pieces": (b"data: {}\n\n", b"data: [DONE]\n\n"), "headers": SSE}, 0),
        ({"pieces": (SAID, DONE), "headers": SSE}, 1),
        ({"pieces": (SAID,), "headers": SSE}, 1),
        ({"error_frame": True}, 5),
    ],
    ids=[
        "cut",
        "cut at once",
        "cut at its end",
        "no end",
        "odd",
        "no choice",
        "empty",
        "unfinished",
        "no finish reason",
        "no finish reason and no end",
        "error",
    ],
)
async def test_a_broken_stream_is_seen_to_be_broken(
    proxy: Served, origin: ScriptedOrigin, act: dict[str, Any], least: int
) -> None:
    """The SDK raises instead of taking half an answer for a whole one; nothing is stored."""
    is_cut_at_its_end = act.get("break_at") == 1000
    chunks: list[Any] = []
    origin.then(**act)
    async with proxy.sdk() as sdk:
        if is_cut_at_its_end:  # the end marker came: only the connection's own end is missing
            await read(sdk, chunks)
        else:
            with pytest.raises(openai.APIError):
                await read(sdk, chunks)
    got = await proxy.post(chat())

    assert len(chunks) >= least
    assert (origin.calls, got.cache) == (2, "MISS")


@pytest.mark.parametrize(
    "act",
    [
        {"break_at": 3},
        {"done": False},
        {"pieces": (SAID, DONE), "headers": SSE},
        {"pieces": (SAID,), "headers": SSE},
        {"error_frame": True},
    ],
    ids=["cut", "no end", "no finish reason", "no finish reason and no end", "error"],
)
async def test_the_sync_sdk_sees_it_too(
    proxy: Served, origin: ScriptedOrigin, act: dict[str, Any]
) -> None:
    """The SDK without a loop raises as well, after what had come; nothing is stored."""
    origin.then(**act)
    chunks: list[Any] = []

    def read_all() -> None:
        with (
            proxy.sync_sdk() as client,
            client.chat.completions.create(model="gpt-4o", messages=MESSAGES, stream=True) as got,
        ):
            for chunk in got:
                chunks.append(chunk)  # noqa: PERF402 - an error must not lose what came before it

    with pytest.raises(openai.APIError):
        await asyncio.to_thread(read_all)
    got = await proxy.post(chat())

    assert chunks
    assert (origin.calls, got.cache) == (2, "MISS")


@pytest.mark.parametrize("act", [{"break_at": 2, "sse": True}, {"break_at": 1, "split": 20}])
async def test_a_broken_answer_is_an_error_to_who_wants_json(
    proxy: Served, origin: ScriptedOrigin, act: dict[str, Any]
) -> None:
    """Nothing has been sent yet, so the caller gets a status that says what happened."""
    origin.then(**act)
    first = await proxy.post(chat())
    second = await proxy.post(chat())

    assert (first.status, first.code) == (502, "upstream_broken")
    assert (second.status, second.cache, origin.calls) == (200, "MISS", 2)


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    "act",
    [
        {"finish": "length"},
        {"finish": "content_filter"},
        {"refusal": "I cannot help with that."},
        {"text": ""},
        {"finish": "a new reason"},
    ],
    ids=lambda act: next(iter(act.values())) or "empty",
)
async def test_what_may_not_be_kept_is_passed_on(
    serving: Serving, origin: ScriptedOrigin, act: dict[str, Any], stream: bool
) -> None:
    """A cut, filtered, refusing or empty answer is the caller's, and nobody else's."""
    origin.then(**act)
    async with serving() as proxy:
        first = await proxy.post(chat(stream=stream))
    async with serving() as proxy:
        second = await proxy.post(chat())

    assert (first.status, first.cache) == (200, "MISS")
    assert "stored" not in first.headers["cache-status"]
    assert (origin.calls, second.cache) == (2, "MISS")


@pytest.mark.parametrize("filled_by", [False, True])
@pytest.mark.parametrize("stream", [False, True])
async def test_an_answer_over_the_bound_passes_whole(
    serving: Serving, origin: ScriptedOrigin, stream: bool, filled_by: bool
) -> None:
    """It is too large to be kept, not too large to be had."""
    text = "word " * 2000
    async with serving(cache={"max_entry_bytes": 1024}) as proxy:
        origin.then(text=text)
        first = await proxy.post(chat(stream=filled_by))
        second = await proxy.post(chat(stream=stream))

    assert first.status == 200
    assert first.body.count(b"word") == 2000
    assert (origin.calls, second.cache) == (2, "MISS")


async def test_pace(serving: Serving, origin: ScriptedOrigin) -> None:
    """A paced replay has the same chunks as one that is sent at once."""
    async with serving() as proxy:
        await proxy.post(chat(stream=True))
        at_once = await proxy.post(chat(stream=True))
    pace = {"pace": "tokens", "tokens_per_s": 500}
    async with serving(cache={"replay": pace}) as proxy:
        paced = await proxy.post(chat(stream=True))

    assert (origin.calls, paced.cache) == (1, "HIT")
    assert paced.body.count(b"data: ") == at_once.body.count(b"data: ")


async def test_the_stream_helper(sdk: openai.AsyncOpenAI, origin: ScriptedOrigin) -> None:
    """The SDK's own event helper sees the same events in a miss and in a hit."""

    async def events() -> list[str]:
        async with sdk.chat.completions.stream(model="gpt-4o", messages=MESSAGES) as stream:
            return [event.type async for event in stream]

    first, second = await events(), await events()

    assert origin.calls == 1
    assert first == second
    assert first[-1] == "content.done"
