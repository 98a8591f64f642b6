"""The official client before the proxy: every tier, streamed and not."""

import asyncio
from typing import Any

import openai
import pytest
from openai.types.chat import ChatCompletionMessageParam

from tests.support.origin import ScriptedOrigin
from tests.support.program import KEY, Served, Serving, chat

QUESTION = "How do I reset my password?"
REWORDED = "how can I reset my password"
TOOL = {
    "type": "function",
    "function": {
        "name": "search",
        "parameters": {"type": "object", "properties": {"question": {"type": "string"}}},
    },
}
FORMS = ["json", "stream"]


def user(text: str) -> list[ChatCompletionMessageParam]:
    return [{"role": "user", "content": text}]


async def ask(client: openai.AsyncOpenAI, form: str, text: str, **more: Any) -> dict[str, Any]:
    """The whole answer as the SDK sees it, but for its id, its time and how fast it was served."""
    if form == "json":
        whole: Any = await client.chat.completions.create(
            model="gpt-4o", messages=user(text), **more
        )
    else:
        options: Any = {"include_usage": True}
        async with client.chat.completions.stream(
            model="gpt-4o", messages=user(text), stream_options=options, **more
        ) as stream:
            async for _ in stream:
                pass
            whole = await stream.get_final_completion()
    dumped: dict[str, Any] = whole.model_dump(exclude_unset=True)
    assert dumped.pop("id").startswith("chatcmpl-")
    assert dumped.pop("created") > 0
    dumped.pop("service_tier", None)
    return dumped


def plain(answer: dict[str, Any]) -> dict[str, Any]:
    """Without what only the stream helper adds, and without nulls that only one form spells out."""
    return {
        name: [_plain(item) for item in value] if isinstance(value, list) else _plain(value)
        for name, value in answer.items()
        if value is not None
    }


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        kept = {n: _plain(v) for n, v in value.items() if v is not None and n != "parsed"}
        kept.pop("parsed_arguments", None)
        return kept
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return value


@pytest.mark.parametrize("served_as", FORMS)
@pytest.mark.parametrize("filled_by", FORMS)
async def test_a_repeat_is_the_origins_answer(
    sdk: openai.AsyncOpenAI,
    direct: openai.AsyncOpenAI,
    origin: ScriptedOrigin,
    filled_by: str,
    served_as: str,
) -> None:
    """Whichever form filled the entry, either is served from it, equal to the origin's own."""
    expected = plain(await ask(direct, served_as, QUESTION))
    first = plain(await ask(sdk, filled_by, QUESTION))
    second = plain(await ask(sdk, served_as, QUESTION))

    assert origin.calls == 2
    assert expected == second
    assert expected["choices"] == first["choices"]
    assert expected["usage"] == second["usage"]


@pytest.mark.parametrize("served_as", FORMS)
@pytest.mark.parametrize("filled_by", FORMS)
async def test_a_rewording_is_answered(
    semantic: Served, origin: ScriptedOrigin, filled_by: str, served_as: str
) -> None:
    """The same question in other words has the same answer, in either form."""
    async with semantic.sdk() as client:
        first = plain(await ask(client, filled_by, QUESTION))
        second = plain(await ask(client, served_as, REWORDED))

    assert origin.calls == 1
    assert first == second


@pytest.mark.parametrize("served_as", FORMS)
@pytest.mark.parametrize("filled_by", FORMS)
@pytest.mark.parametrize("more", [{"n": 3}, {"tools": [TOOL]}], ids=["choices", "tools"])
async def test_rich_answers_are_replayed_whole(
    sdk: openai.AsyncOpenAI,
    direct: openai.AsyncOpenAI,
    origin: ScriptedOrigin,
    filled_by: str,
    served_as: str,
    more: dict[str, Any],
) -> None:
    """Several choices and tool calls come back as the origin gave them."""
    origin.always = type(origin.always)(calls="tools" in more)
    expected = plain(await ask(direct, served_as, QUESTION, **more))
    await ask(sdk, filled_by, QUESTION, **more)
    second = plain(await ask(sdk, served_as, QUESTION, **more))

    assert origin.calls == 2
    assert expected == second


async def test_chunks_are_the_origins(
    sdk: openai.AsyncOpenAI, direct: openai.AsyncOpenAI, origin: ScriptedOrigin
) -> None:
    """A replayed stream has the origin's chunks one for one, and one id for all of them."""

    async def chunks(client: openai.AsyncOpenAI) -> tuple[list[Any], set[str]]:
        stream = await client.chat.completions.create(
            model="gpt-4o", messages=user(QUESTION), stream=True
        )
        found = [chunk async for chunk in stream]
        dumped = [chunk.model_dump(exclude={"id", "created", "service_tier"}) for chunk in found]
        return dumped, {chunk.id for chunk in found}

    expected, _ = await chunks(direct)
    first, first_ids = await chunks(sdk)
    second, second_ids = await chunks(sdk)

    assert origin.calls == 2
    assert (expected, expected) == (first, second)
    assert len(first_ids) == len(second_ids) == 1
    assert first_ids.isdisjoint(second_ids)


@pytest.mark.parametrize("filled_by", ["json", "stream", "stream with usage"])
@pytest.mark.parametrize("asks", [True, False])
async def test_usage_is_told_to_who_asks(
    proxy: Served, sdk: openai.AsyncOpenAI, filled_by: str, asks: bool
) -> None:
    """`include_usage` is honoured at every replay, whatever the first caller asked for."""
    usage = {"include_usage": True}
    first: dict[str, dict[str, Any]] = {
        "json": {},
        "stream": {"stream": True},
        "stream with usage": {"stream": True, "stream_options": usage},
    }
    await proxy.post(chat(QUESTION, **first[filled_by]))
    more: dict[str, Any] = {"stream_options": usage} if asks else {}
    stream = await sdk.chat.completions.create(
        model="gpt-4o", messages=user(QUESTION), stream=True, **more
    )
    chunks = [chunk async for chunk in stream]

    assert asks == (chunks[-1].choices == [])
    assert asks == (chunks[-1].usage is not None)
    assert all(chunk.usage is None for chunk in chunks[:-1])
    assert all(chunk.choices for chunk in chunks[:-1])


async def test_the_sync_client(proxy: Served, origin: ScriptedOrigin) -> None:
    """The client without a loop sees hits as the other one does, raw responses included."""

    def work() -> list[str]:
        with proxy.sync_sdk() as client:
            said = [
                client.chat.completions.create(model="gpt-4o", messages=user(QUESTION))
                .choices[0]
                .message.content
                or ""
                for _ in range(2)
            ]
            stream = client.chat.completions.create(
                model="gpt-4o", messages=user(QUESTION), stream=True
            )
            said.append("".join(chunk.choices[0].delta.content or "" for chunk in stream))
            raw = client.chat.completions.with_raw_response.create(
                model="gpt-4o", messages=user(QUESTION)
            )
            said.append(raw.parse().choices[0].message.content or "")
            assert raw.headers["x-cache"] == "HIT"
            assert raw.request_id == raw.headers["x-request-id"]
        return said

    said = await asyncio.to_thread(work)

    assert origin.calls == 1
    assert len(set(said)) == 1
    assert said[0].endswith(QUESTION)


async def test_the_shared_tier_survives_a_restart(serving: Serving, origin: ScriptedOrigin) -> None:
    """A new process finds what an old one stored, and the session tier learns it."""
    async with serving() as before:
        first = await before.post(chat(QUESTION))
    async with serving() as after:
        second = await after.post(chat(QUESTION))
        third = await after.post(chat(QUESTION))

    assert origin.calls == 1
    assert (first.cache, first.tier) == ("MISS", None)
    assert [(got.cache, got.tier) for got in (second, third)] == [
        ("HIT", "shared"),
        ("HIT", "session"),
    ]
    assert first.text == second.text == third.text


async def test_the_index_survives_a_restart(serving: Serving, origin: ScriptedOrigin) -> None:
    """Rewordings are found by a new process too."""
    local = {"kind": "local"}
    async with serving(embedder=local) as before:
        first = await before.post(chat(QUESTION))
    async with serving(embedder=local) as after:
        second = await after.post(chat(REWORDED))

    assert origin.calls == 1
    assert (second.cache, second.tier) == ("HIT", "vector")
    assert first.text == second.text


@pytest.mark.parametrize(
    ("asked", "trap"),
    [
        ("How many days are in 2 weeks?", "How many days are in 3 weeks?"),
        ("Can I return a used item?", "Can I not return a used item?"),
        ("What is the capital of France?", "What is the capital of Italy?"),
        ("How do I enable notifications?", "How do I disable notifications?"),
        ("Convert 10 USD to EUR", "Convert 10 EUR to USD"),
    ],
)
async def test_one_word_makes_another_question(
    semantic: Served, origin: ScriptedOrigin, asked: str, trap: str
) -> None:
    """A question that differs in what matters is asked of the origin."""
    first = await semantic.post(chat(asked))
    second = await semantic.post(chat(trap))

    assert origin.calls == 2
    assert (first.cache, second.cache) == ("MISS", "MISS")
    assert second.text.endswith(trap)


async def test_headers_of_a_miss(proxy: Served) -> None:
    """A miss says so, and keeps the origin's headers."""
    got = await proxy.post(chat(QUESTION))

    assert got.headers["cache-status"].startswith("Reprise; fwd=miss; fwd-status=200")
    assert "stored" in got.headers["cache-status"].split("; ")
    assert got.cache == "MISS"
    assert got.headers["x-request-id"].startswith("req_")
    assert "age" not in got.headers
    assert got.headers["content-type"] == "application/json"
    assert int(got.headers["content-length"]) == len(got.body)


async def test_headers_of_a_hit(proxy: Served) -> None:
    """A hit tells its tier, age and lifetime (RFC 9211)."""
    first = await proxy.post(chat(QUESTION))
    got = await proxy.post(chat(QUESTION))
    name, *parameters = got.headers["cache-status"].split("; ")
    told = dict(parameter.partition("=")[::2] for parameter in parameters)

    assert name == "Reprise"
    assert set(told) == {"hit", "ttl", "detail"}
    assert 0 < int(told["ttl"]) <= 86_400
    assert told["detail"] == "session"
    assert got.headers["age"] == "0"
    assert (got.cache, got.tier) == ("HIT", "session")
    assert len(got.headers["x-cache-entry"]) == 32
    assert got.headers["x-request-id"] != first.headers["x-request-id"]


async def test_headers_of_a_semantic_hit(semantic: Served) -> None:
    """A rewording's hit tells how similar it was."""
    await semantic.post(chat(QUESTION))
    got = await semantic.post(chat(REWORDED))

    assert "detail=semantic" in got.headers["cache-status"]
    assert 0.8 < float(got.headers["x-cache-similarity"]) <= 1


async def test_cache_headers_can_be_hidden(serving: Serving) -> None:
    """A stranger learns nothing of what others asked, but can still report a request."""
    async with serving(server={"expose_cache_headers": False}) as proxy:
        for _ in range(2):
            got = await proxy.post(chat(QUESTION))
            names = {name.lower() for name in got.headers}

            assert not {name for name in names if name.startswith(("x-cache", "cache-status"))}
            assert "age" not in names
            assert "x-request-id" in names


async def test_the_service_tier_is_not_replayed(proxy: Served) -> None:
    """How fast the origin worked says nothing about an answer from the cache."""
    miss = await proxy.post(chat(QUESTION))
    hit = await proxy.post(chat(QUESTION))

    assert miss.json["service_tier"] == "default"
    assert "service_tier" not in hit.json


async def test_the_origins_request_id_is_kept(proxy: Served, origin: ScriptedOrigin) -> None:
    """On a miss the id is the one that the origin's support can look up."""
    origin.then(headers=(("x-request-id", "req_origin"), ("x-ratelimit-remaining-requests", "7")))
    miss = await proxy.post(chat(QUESTION))
    hit = await proxy.post(chat(QUESTION))

    assert miss.headers.getall("x-request-id") == ["req_origin"]
    assert miss.headers["x-ratelimit-remaining-requests"] == "7"
    assert hit.headers["x-request-id"] != "req_origin"
    assert "x-ratelimit-remaining-requests" not in hit.headers


async def test_streams_are_never_compressed_or_counted(proxy: Served) -> None:
    """A replayed stream is told as one, without a length, and ends at once after its end marker."""
    await proxy.post(chat(QUESTION))
    got = await proxy.post(chat(QUESTION, stream=True))

    assert got.headers["content-type"].startswith("text/event-stream")
    assert "content-length" not in got.headers
    assert "content-encoding" not in got.headers
    assert got.body.endswith(b"data: [DONE]\n\n")


@pytest.mark.parametrize("stream", [False, True])
async def test_a_compressed_origin(proxy: Served, origin: ScriptedOrigin, stream: bool) -> None:
    """A compressed answer is understood, stored, and sent on decoded."""
    origin.then(gzip=True)
    first = await proxy.post(chat(QUESTION, stream=stream), accept_encoding="gzip")
    second = await proxy.post(chat(QUESTION))

    assert "content-encoding" not in first.headers
    assert QUESTION.split(maxsplit=1)[0].encode() in first.body
    assert (origin.calls, second.cache) == (1, "HIT")


@pytest.mark.parametrize("act", [{"odd": True}, {"split": 1}, {"odd": True, "split": 3}])
async def test_odd_streams_are_understood(
    sdk: openai.AsyncOpenAI,
    origin: ScriptedOrigin,
    act: dict[str, Any],
) -> None:
    """Comments, CRLF and pieces cut anywhere change nothing."""
    origin.then(**act)
    first = plain(await ask(sdk, "stream", QUESTION))
    second = plain(await ask(sdk, "json", QUESTION))

    assert origin.calls == 1
    assert first["choices"] == second["choices"]
    assert first["usage"] == second["usage"]


async def test_json_in_answer_to_a_stream_request(
    sdk: openai.AsyncOpenAI, origin: ScriptedOrigin
) -> None:
    """An origin that does not stream is streamed all the same: the SDK would see nothing."""
    origin.then(json=True)
    first = plain(await ask(sdk, "stream", QUESTION))
    second = plain(await ask(sdk, "json", QUESTION))

    assert origin.calls == 1
    assert first["choices"][0]["message"]["content"].endswith(QUESTION)
    assert first["choices"] == second["choices"]


async def test_a_stream_in_answer_to_a_json_request(
    sdk: openai.AsyncOpenAI, origin: ScriptedOrigin
) -> None:
    """The other way round the stream is folded: the SDK would return a string."""
    origin.then(sse=True)
    first = plain(await ask(sdk, "json", QUESTION))

    assert first["object"] == "chat.completion"
    assert first["choices"][0]["message"]["content"].endswith(QUESTION)


async def test_an_origin_that_refuses_stream_options(proxy: Served, origin: ScriptedOrigin) -> None:
    """The caller's own request is sent when the one that asks for usage is refused."""
    origin.always = type(origin.always)(strict=True)
    first = await proxy.post(chat(QUESTION, stream=True))
    second = await proxy.post(chat(QUESTION))

    assert (first.status, origin.calls) == (200, 2)
    assert origin.requests[1].json == chat(QUESTION, stream=True)
    assert (second.cache, second.json.get("usage")) == ("HIT", None)


async def test_the_key_reaches_the_origin(proxy: Served, origin: ScriptedOrigin) -> None:
    """The caller's credential is forwarded, and its body byte for byte."""
    body = b'{"messages": [{"role":"user","content":"caf\\u00e9"}],\n "model":"m", "x": 1.0}'
    await proxy.post(body, x_cache_tags="a", x_custom="kept")

    assert origin.requests[0].header("authorization") == f"Bearer {KEY}"
    assert bytes(origin.requests[0].body) == body
    assert origin.requests[0].header("x-custom") == "kept"
    assert not {name for name in origin.requests[0].names if name.startswith("x-cache")}
