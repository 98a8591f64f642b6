"""Streams of each provider's own kind: passed on as they are, played back, or refused."""

import json
from typing import Any

import openai
import pytest

from tests.support.origin import ScriptedOrigin
from tests.support.program import Json, Served, chat
from tests.support.providers import BROKEN, PROVIDERS, Broken, Provider

SSE = (("content-type", "text/event-stream"),)
USAGE = {"include_usage": True}
OWN = ("id", "created", "service_tier")
"""What a replay has of its own."""


def pieces(stream: bytes) -> tuple[bytes, ...]:
    """The stream as a network may bring it: cut without regard to what is in it."""
    return tuple(stream[at : at + 97] for at in range(0, len(stream), 97))


def seen(value: Any) -> Json:
    """An object of the SDK's, with what no replay has of its own."""
    told: Json = value.to_dict(warnings=False)  # it has no type for content in parts
    return {name: field for name, field in told.items() if name not in OWN}


async def chunks(proxy: Served, into: list[Any], **more: Any) -> None:
    """Read a stream with the SDK; what came before an error is kept too."""
    async with proxy.sdk() as sdk:
        body = chat(stream=True, **more)
        stream: Any = await sdk.chat.completions.create(**body)
        async for chunk in stream:
            into.append(chunk)  # noqa: PERF401 - an error must not lose what came before it


def without_usage(stream: bytes) -> bytes:
    """Without the chunk that tells the usage and has no choices."""
    ending = b"\r\n\r\n" if b"\r\n\r\n" in stream else b"\n\n"
    events = stream.split(ending)
    return ending.join(event for event in events if not _is_usage(event))


def _is_usage(event: bytes) -> bool:
    _, _, data = event.rpartition(b"data:")
    if not data.strip().startswith(b"{"):
        return False
    chunk = json.loads(data)
    return chunk["choices"] == [] and bool(chunk.get("usage"))


@pytest.fixture(params=PROVIDERS, ids=lambda provider: provider.name)
def provider(request: pytest.FixtureRequest, origin: ScriptedOrigin) -> Provider:
    """Each provider in turn, at the origin."""
    found: Provider = request.param
    origin.then(pieces=pieces(found.stream), headers=SSE)
    return found


async def test_a_miss_is_the_origins_bytes(proxy: Served, provider: Provider) -> None:
    """Comments, line endings, names of events and the order of fields included."""
    got = await proxy.post(chat(stream=True, stream_options=USAGE))

    assert (got.status, got.cache) == (200, "MISS")
    assert got.body == provider.stream


async def test_who_asks_for_no_usage_gets_no_chunk_of_it(proxy: Served, provider: Provider) -> None:
    """The one that has usage and no choices; all other bytes pass."""
    assert (await proxy.post(chat(stream=True))).body == without_usage(provider.stream)


async def test_a_hit_is_the_same_to_the_sdk(
    proxy: Served, origin: ScriptedOrigin, provider: Provider
) -> None:
    """Chunk by chunk, every field that a provider adds included."""
    first: list[Any] = []
    second: list[Any] = []
    await chunks(proxy, first, stream_options=USAGE)
    await chunks(proxy, second, stream_options=USAGE)

    assert origin.calls == 1
    assert len(first) >= 2
    assert [seen(chunk) for chunk in second] == [seen(chunk) for chunk in first]
    assert any(chunk.usage for chunk in second) is provider.has_usage


async def test_the_same_answer_in_one_piece(proxy: Served, provider: Provider) -> None:
    """Who asks for JSON gets what the chunks amount to."""
    await proxy.post(chat(stream=True))
    got = await proxy.post(chat())

    assert got.cache == "HIT"
    choice = got.json["choices"][0]
    assert choice["message"] == provider.message
    assert choice["finish_reason"] == ("tool_calls" if "tool_calls" in provider.message else "stop")
    assert got.json["object"] == "chat.completion"
    assert got.json.items() >= provider.more.items()
    assert bool(got.json.get("usage")) is provider.has_usage


@pytest.mark.parametrize("broken", BROKEN, ids=lambda broken: broken.name)
async def test_a_broken_stream_is_an_error_and_not_kept(
    proxy: Served, origin: ScriptedOrigin, broken: Broken
) -> None:
    """The SDK raises, after what was said until then."""
    origin.then(pieces=pieces(broken.stream), headers=SSE)
    so_far: list[Any] = []
    with pytest.raises((openai.APIError, json.JSONDecodeError), match=broken.error):
        await chunks(proxy, so_far)
    got = await proxy.post(chat())

    assert len(so_far) >= 3
    assert (origin.calls, got.cache) == (2, "MISS")


async def test_padding_is_each_callers_choice(proxy: Served, origin: ScriptedOrigin) -> None:
    """Who declines it gets none of another's; who does not, gets what the origin sent."""
    origin.then(pieces=pieces(PROVIDERS[0].stream), headers=SSE)
    await proxy.post(chat(stream=True))
    padded = await proxy.post(chat(stream=True))
    plain = await proxy.post(chat(stream=True, stream_options={"include_obfuscation": False}))

    assert (padded.cache, plain.cache) == ("HIT", "HIT")
    assert b"obfuscation" in padded.body
    assert b"obfuscation" not in plain.body
    assert padded.body.count(b"data: ") == plain.body.count(b"data: ")
