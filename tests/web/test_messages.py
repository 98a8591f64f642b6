"""Anthropic's official client before the proxy: streamed and not, with thoughts and tools."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import anthropic
import pytest

from tests.support.origin import ScriptedOrigin
from tests.support.program import KEY, Served, Serving

QUESTION = "How do I reset my password?"
REWORDED = "how can I reset my password"
FORMS = ["json", "stream"]
TOOL: Any = {
    "name": "search",
    "input_schema": {"type": "object", "properties": {"question": {"type": "string"}}},
}
CACHED: Any = {"type": "ephemeral"}
SSE = (("content-type", "text/event-stream"),)


def client_of(url: str, key: str = KEY, **headers: str) -> anthropic.AsyncAnthropic:
    return anthropic.AsyncAnthropic(
        base_url=url, api_key=key, max_retries=0, default_headers=headers
    )


@pytest.fixture
async def sdk(proxy: Served) -> AsyncIterator[anthropic.AsyncAnthropic]:
    async with client_of(proxy.root) as client:
        yield client


@pytest.fixture
async def direct(origin: ScriptedOrigin) -> AsyncIterator[anthropic.AsyncAnthropic]:
    """The same client without the proxy: what the answer should be."""
    async with client_of(origin.url.removesuffix("/v1")) as client:
        yield client


async def ask(
    client: anthropic.AsyncAnthropic, form: str, content: Any = QUESTION, **more: Any
) -> Any:
    """The whole answer as the SDK sees it, but for its id and the ids of its calls."""
    asked: Any = {"model": "claude", "max_tokens": 99, **more}
    asked.setdefault("messages", [{"role": "user", "content": content}])
    if form == "json":
        whole: Any = await client.messages.create(**asked)
    else:
        async with client.messages.stream(**asked) as stream:
            whole = await stream.get_final_message()
    assert whole.id.startswith("msg_")
    return plain(whole.to_dict())


def plain(value: Any) -> Any:
    """Without ids, and without nulls that only one form spells out."""
    if isinstance(value, dict):
        dropped = {"id", "parsed_output"}
        return {n: plain(v) for n, v in value.items() if n not in dropped and v is not None}
    return [plain(item) for item in value] if isinstance(value, list) else value


@pytest.mark.parametrize("served_as", FORMS)
@pytest.mark.parametrize("filled_by", FORMS)
@pytest.mark.parametrize(
    ("act", "more"),
    [
        ({}, {"system": [{"type": "text", "text": "Be brief.", "cache_control": CACHED}]}),
        ({}, {"thinking": {"type": "enabled", "budget_tokens": 1024}}),
        ({"calls": True}, {"tools": [TOOL], "tool_choice": {"type": "any"}}),
    ],
    ids=["plain", "thinking", "tools"],
)
async def test_a_repeat_is_the_origins_answer(
    sdk: anthropic.AsyncAnthropic,
    direct: anthropic.AsyncAnthropic,
    origin: ScriptedOrigin,
    act: dict[str, Any],
    more: dict[str, Any],
    filled_by: str,
    served_as: str,
) -> None:
    """Whichever form filled the entry, either is served from it, equal to the origin's own."""
    origin.then(**act)
    origin.then(**act)
    expected = await ask(direct, served_as, **more)
    first = await ask(sdk, filled_by, **more)
    second = await ask(sdk, served_as, **more)

    assert origin.calls == 2
    assert expected == first == second


@pytest.mark.parametrize("served_as", FORMS)
@pytest.mark.parametrize("filled_by", FORMS)
async def test_a_rewording_is_answered(
    semantic: Served, origin: ScriptedOrigin, filled_by: str, served_as: str
) -> None:
    """The same question in other words has the same answer, in either form."""
    async with client_of(semantic.root) as client:
        first = await ask(client, filled_by)
        second = await ask(client, served_as, [{"type": "text", "text": REWORDED}])

    assert origin.calls == 1
    assert first == second


async def test_the_client_without_a_loop(proxy: Served, origin: ScriptedOrigin) -> None:
    """The synchronous client is served the same."""
    asked: Any = {"model": "claude", "max_tokens": 9}
    asked["messages"] = [{"role": "user", "content": QUESTION}]

    def three() -> list[Any]:
        with anthropic.Anthropic(base_url=proxy.root, api_key=KEY, max_retries=0) as client:
            first, second = [client.messages.create(**asked) for _ in range(2)]
            with client.messages.stream(**asked) as stream:
                return [first, second, stream.get_final_message()]

    answers = await asyncio.to_thread(three)

    assert origin.calls == 1
    assert len({answer.content[0].text for answer in answers}) == 1
    assert len({answer.id for answer in answers}) == 3


async def raw(proxy: Served, stream: bool) -> tuple[str | None, bytes]:
    """(how the cache answered, the body)."""
    messages = [{"role": "user", "content": QUESTION}]
    body = {"model": "claude", "max_tokens": 9, "messages": messages, "stream": stream}
    sent = {"x-api-key": KEY, "anthropic-version": "2023-06-01"}
    async with proxy.http.post(f"{proxy.url}/messages", json=body, headers=sent) as got:
        return got.headers.get("x-cache"), await got.read()


async def test_a_stream_is_replayed_event_for_event(proxy: Served) -> None:
    """Names, pieces and pings are the origin's; only the id is the replay's own."""
    _, first = await raw(proxy, stream=True)
    cache, second = await raw(proxy, stream=True)
    old, new = first.split(b"\n\n"), second.split(b"\n\n")
    name, data = new[0].split(b"\n")
    begun = json.loads(data.removeprefix(b"data: "))
    was = json.loads(old[0].split(b"\n")[1].removeprefix(b"data: "))

    assert cache == "HIT"
    assert old[1:] == new[1:]
    assert name == b"event: message_start"
    assert begun["message"].pop("id") != was["message"].pop("id")
    assert begun == was


async def test_keys_versions_and_betas_are_kept_apart(
    proxy: Served, origin: ScriptedOrigin
) -> None:
    """Two keys never share, and another version or beta may answer otherwise."""
    for key, headers in (
        (KEY, {}),
        (KEY, {}),
        ("other", {}),
        (KEY, {"anthropic-version": "2024-01-01"}),
        (KEY, {"anthropic-beta": "a-beta"}),
        (KEY, {"anthropic-workspace-id": "w"}),
    ):
        async with client_of(proxy.root, key, **headers) as client:
            await ask(client, "json")

    assert origin.calls == 5
    assert origin.requests[0].header("authorization") == f"Bearer {KEY}"


async def test_hints_to_the_origins_cache_are_not_in_the_key(
    sdk: anthropic.AsyncAnthropic, origin: ScriptedOrigin
) -> None:
    """They change the bill of a miss, not the answer."""
    block = {"type": "text", "text": QUESTION}
    await ask(sdk, "json", [{**block, "cache_control": CACHED}])
    await ask(sdk, "json", [block], metadata={"user_id": "u"})

    assert origin.calls == 1


async def test_the_turn_after_a_call(semantic: Served, origin: ScriptedOrigin) -> None:
    """It is answered from the cache when all of it is the same, the tool's result included."""

    def turns(result: str) -> list[Any]:
        call = {"type": "tool_use", "id": "t", "name": "search", "input": {}}
        told = {"type": "tool_result", "tool_use_id": "t", "content": result}
        return [
            {"role": "user", "content": QUESTION},
            {"role": "assistant", "content": [call]},
            {"role": "user", "content": [told]},
        ]

    async with client_of(semantic.root) as client:
        for result in ("7 degrees", "7 degrees", "8 degrees"):
            await ask(client, "json", messages=turns(result), tools=[TOOL])

    assert origin.calls == 2


@pytest.mark.parametrize(
    "more",
    [
        {"container": "c"},
        {"tools": [{"type": "web_search_20250305", "name": "web_search"}]},
        {"messages": [{"role": "user", "content": [{"type": "container_upload", "file_id": "f"}]}]},
    ],
    ids=["container", "tool", "file"],
)
async def test_stateful_requests_pass_untouched(
    proxy: Served, origin: ScriptedOrigin, more: dict[str, Any]
) -> None:
    """What the origin remembers, or finds by itself, is never answered from the cache."""
    messages = [{"role": "user", "content": QUESTION}]
    body = json.dumps({"model": "m", "max_tokens": 9, "messages": messages, **more}, indent=2)
    sent = {"x-api-key": KEY, "content-type": "application/json"}
    caches = []
    for _ in range(2):
        async with proxy.http.post(f"{proxy.url}/messages", data=body, headers=sent) as got:
            caches.append(got.headers["x-cache"])

    assert caches == ["BYPASS", "BYPASS"]
    assert [bytes(received.body) for received in origin.requests] == [body.encode()] * 2


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(
    "act",
    [{"finish": "max_tokens"}, {"finish": "refusal"}, {"finish": "pause_turn"}, {"text": ""}],
    ids=lambda act: next(iter(act.values())) or "empty",
)
async def test_what_may_not_be_kept_is_passed_on(
    sdk: anthropic.AsyncAnthropic, origin: ScriptedOrigin, act: dict[str, Any], form: str
) -> None:
    """A cut, refusing, paused or empty answer is the caller's, and nobody else's."""
    origin.then(**act)
    first = await ask(sdk, form)
    await ask(sdk, form)

    assert origin.calls == 2
    assert first["stop_reason"] == act.get("finish", "end_turn")


@pytest.mark.parametrize(
    "act",
    [{"break_at": 5}, {"done": False}, {"pieces": (), "headers": SSE}],
    ids=["cut", "no end", "empty"],
)
async def test_a_broken_stream_is_seen_to_be_broken(
    sdk: anthropic.AsyncAnthropic, origin: ScriptedOrigin, act: dict[str, Any]
) -> None:
    """The SDK raises instead of taking half an answer for a whole one; nothing is stored."""
    origin.then(**act)
    with pytest.raises(Exception, match=r"(?i)connection|peer closed|incomplete"):
        await ask(sdk, "stream")
    await ask(sdk, "stream")

    assert origin.calls == 2


async def test_an_error_event_is_the_sdks_error(
    sdk: anthropic.AsyncAnthropic, origin: ScriptedOrigin
) -> None:
    """As the origin told it; nothing is stored."""
    origin.then(error_frame=True)
    with pytest.raises(anthropic.APIStatusError, match="Overloaded"):
        await ask(sdk, "stream")
    await ask(sdk, "stream")

    assert origin.calls == 2


async def test_our_errors_have_anthropics_shape(serving: Serving, origin: ScriptedOrigin) -> None:
    """The SDK raises the class its user already handles, on any path."""
    async with serving() as proxy:
        async with client_of(proxy.root, **{"cache-control": "only-if-cached"}) as client:
            with pytest.raises(anthropic.APIStatusError) as told:
                await ask(client, "json")
        async with client_of(proxy.root) as client:
            with pytest.raises(anthropic.NotFoundError) as lost:
                await client.post("/nowhere", cast_to=object)
    body: Any = told.value.body

    assert (told.value.status_code, origin.calls) == (504, 0)
    assert set(body) == {"type", "error", "request_id"}
    assert body["error"]["type"] == "timeout_error"
    assert body["request_id"] == told.value.request_id or told.value.request_id is None
    assert lost.value.type == "not_found_error"


async def test_an_unreachable_origin_is_told_in_anthropics_shape(serving: Serving) -> None:
    """On a path that is passed through too."""
    nowhere = {"base_url": "http://127.0.0.1:1/v1"}
    async with serving(upstream=nowhere) as proxy, client_of(proxy.root) as client:
        for asking in (
            ask(client, "json"),
            client.messages.count_tokens(
                model="claude", messages=[{"role": "user", "content": QUESTION}]
            ),
        ):
            with pytest.raises(anthropic.InternalServerError) as told:
                await asking
            assert told.value.type == "api_error"


async def test_counting_tokens_passes(
    sdk: anthropic.AsyncAnthropic, origin: ScriptedOrigin
) -> None:
    """It is the origin's business, and so are batches."""
    origin.always = type(origin.always)(
        body=b'{"input_tokens": 7}', headers=(("content-type", "application/json"),)
    )
    counted = [
        await sdk.messages.count_tokens(
            model="claude", messages=[{"role": "user", "content": QUESTION}]
        )
        for _ in range(2)
    ]

    assert [count.input_tokens for count in counted] == [7, 7]
    assert [r.path for r in origin.requests] == ["/v1/messages/count_tokens"] * 2
