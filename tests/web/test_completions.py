import asyncio
from typing import Any

import openai
import pytest

from tests.support.origin import Gate, ScriptedOrigin
from tests.support.program import Served, Serving
from tests.support.waiting import until

Json = dict[str, Any]
PATH = "/completions"
QUESTION = "What is the capital of France?"


def asked(prompt: Any = QUESTION, **more: Any) -> Json:
    return {"model": "gpt-3.5-turbo-instruct", "prompt": prompt, **more}


def plain(answer: Any) -> Json:
    """An answer without what a replay has of its own."""
    found: Json = answer.to_dict()
    del found["id"], found["created"]
    return found


FORMS: list[Json] = [
    {},
    {"n": 2},
    {"logprobs": 2},
    {"echo": True, "logprobs": 0},
    {"suffix": " Indeed."},
    {"prompt": [QUESTION, "And of Spain?"]},
    {"prompt": [3923, 374, 279]},
    {"prompt": [[3923, 374], [279, 6864, 315]]},
]


@pytest.mark.parametrize("more", FORMS)
async def test_the_sdk_cannot_tell_a_replay_from_the_origin(
    proxy: Served, origin: ScriptedOrigin, more: Json
) -> None:
    """Plain, twice: the same object but for its id and time, and the origin asked once."""
    async with proxy.sdk() as client:
        first = await client.completions.create(**asked(**more))
        again = await client.completions.create(**asked(**more))

    assert plain(again) == plain(first)
    assert again.id.startswith("cmpl-")
    assert again.id != first.id
    assert origin.calls == 1


async def chunks(proxy: Served, **more: Any) -> list[Json]:
    async with proxy.sdk() as client:
        stream = await client.completions.create(
            **asked(**more), stream=True, stream_options={"include_usage": True}
        )
        return [plain(chunk) async for chunk in stream]


@pytest.mark.parametrize("more", FORMS)
async def test_a_replayed_stream_is_the_origins(
    proxy: Served, origin: ScriptedOrigin, more: Json
) -> None:
    """Streamed, twice: the same chunks, usage and all."""
    first, again = [await chunks(proxy, **more) for _ in range(2)]

    assert again == first
    assert first[-1]["usage"]["prompt_tokens_details"] == {"cached_tokens": 1, "audio_tokens": 0}
    assert origin.calls == 1


@pytest.mark.parametrize("first", [True, False])
async def test_one_entry_serves_both_forms(
    proxy: Served, origin: ScriptedOrigin, *, first: bool
) -> None:
    """Whichever filled it: the texts, log-probabilities and finishes are the same."""
    more = {"n": 2, "logprobs": 1}
    got: dict[bool, list[str]] = {}
    for streams in (first, not first):
        if streams:
            parts = [part for chunk in await chunks(proxy, **more) for part in chunk["choices"]]
            got[True] = ["".join(p["text"] for p in parts if p["index"] == n) for n in range(2)]
        else:
            whole = (await proxy.post(asked(**more), to=PATH)).json
            got[False] = [choice["text"] for choice in whole["choices"]]

    assert got[True] == got[False]
    assert origin.calls == 1


async def test_the_sync_client_is_served_too(proxy: Served, origin: ScriptedOrigin) -> None:
    """Miss and hit, plain and streamed."""

    def twice() -> list[str]:
        with proxy.sync_sdk() as client:
            whole = [client.completions.create(**asked()).choices[0].text for _ in range(2)]
            stream = client.completions.create(**asked(), stream=True)
            return [*whole, "".join(chunk.choices[0].text for chunk in stream)]

    found = await asyncio.to_thread(twice)

    assert len(set(found)) == 1
    assert origin.calls == 1


async def test_usage_is_streamed_to_who_asked(proxy: Served) -> None:
    """Asked for by the proxy, kept for the entry, and hidden from who did not ask."""
    silent = await proxy.post(asked(stream=True), to=PATH)
    told = await proxy.post(asked(stream=True, stream_options={"include_usage": True}), to=PATH)

    assert b'"usage": {' not in silent.body
    assert told.body.count(b'"prompt_tokens"') == 1
    assert told.body.endswith(b"data: [DONE]\n\n")
    assert told.cache == "HIT"


@pytest.mark.parametrize(
    "act", [{"finish": "length"}, {"finish": "content_filter"}, {"text": " \n"}, {"status": 500}]
)
async def test_only_good_answers_are_kept(proxy: Served, origin: ScriptedOrigin, act: Json) -> None:
    """Cut short, filtered, empty or an error: the origin is asked again."""
    origin.then(**act)
    await proxy.post(asked(), to=PATH)
    again = await proxy.post(asked(), to=PATH)

    assert again.cache == "MISS"
    assert origin.calls == 2


@pytest.mark.parametrize("act", [{"done": False}, {"error_frame": True}, {"break_at": 3}])
async def test_a_stream_that_breaks_is_not_kept(
    proxy: Served, origin: ScriptedOrigin, act: Json
) -> None:
    """It breaks for the caller as well, and the next one asks anew."""
    origin.then(**act)
    with pytest.raises(openai.APIError):
        await chunks(proxy)
    again = await proxy.post(asked(stream=True), to=PATH)

    assert again.cache == "MISS"
    assert origin.calls == 2


async def test_a_list_of_one_prompt_is_that_prompt(proxy: Served, origin: ScriptedOrigin) -> None:
    """As LangChain sends it."""
    origin.always = type(origin.always)(text=" Paris.")
    await proxy.post(asked(QUESTION), to=PATH)
    listed = await proxy.post(asked([QUESTION]), to=PATH)

    assert listed.cache == "HIT"


async def test_a_reworded_question_is_answered_and_a_continued_text_is_not(
    semantic: Served, origin: ScriptedOrigin
) -> None:
    """A prompt that is a question may be worded differently; a text to continue may not."""
    await semantic.post(asked("How do I reset my password?"), to=PATH)
    reworded = await semantic.post(asked("How can I reset my password?"), to=PATH)
    await semantic.post(asked("The way to reset my password is"), to=PATH)
    continued = await semantic.post(asked("The way to reset my password was"), to=PATH)

    assert (reworded.cache, reworded.tier) == ("HIT", "vector")
    assert continued.cache == "MISS"
    assert origin.calls == 3


async def test_a_hit_says_what_it_saved(serving: Serving) -> None:
    """Tokens always, money where the model has a price."""
    prices = {"gpt-3.5-turbo-instruct": {"input": 1.5, "output": 2.0}}
    async with serving(telemetry={"prices": prices}) as proxy:
        first = await proxy.post(asked(), to=PATH)
        hit = await proxy.post(asked(), to=PATH)
    usage = hit.json["usage"]
    usd = (usage["prompt_tokens"] * 1.5 + usage["completion_tokens"] * 2.0) / 1_000_000

    assert "x-cache-saved-tokens" not in first.headers
    assert int(hit.headers["x-cache-saved-tokens"]) == usage["total_tokens"]
    assert float(hit.headers["x-cache-saved-usd"]) == pytest.approx(usd)


async def test_a_joined_call_says_what_it_saved(proxy: Served, origin: ScriptedOrigin) -> None:
    """The one who asked paid for the tokens, the one who waited did not."""
    gate = Gate()
    origin.then(before=gate)
    both = asyncio.gather(*(proxy.post(asked(), to=PATH) for _ in range(2)))
    await gate.reached()
    await until(lambda: any(len(one._seats) == 2 for one in proxy.runtime.flights._calls))
    gate.open()
    told = {got.cache: got.headers.get("x-cache-saved-tokens") for got in await both}

    assert told["MISS"] is None
    assert int(told["COALESCED"] or 0) > 0


async def test_what_cannot_be_read_is_passed_on(proxy: Served, origin: ScriptedOrigin) -> None:
    """The origin knows best whether a prompt of no known shape is one."""
    found = [await proxy.post(asked([True, 1]), to=PATH) for _ in range(2)]

    assert {got.cache for got in found} == {"BYPASS"}
    assert origin.calls == 2
