"""The official client's Responses API before the proxy: streamed and not, tools and thoughts."""

import asyncio
import json
from typing import Any

import openai
import pydantic
import pytest

from tests.support.origin import Gate, ScriptedOrigin
from tests.support.program import KEY, Served, Serving
from tests.support.waiting import until

QUESTION = "How do I reset my password?"
REWORDED = "how can I reset my password"
FORMS = ["json", "stream"]
TOOL: Any = {
    "type": "function",
    "name": "search",
    "strict": True,
    "parameters": {
        "type": "object",
        "properties": {"question": {"type": "string"}},
        "required": ["question"],
        "additionalProperties": False,
    },
}
CUSTOM: Any = {"type": "custom", "name": "shout"}


def listeners(proxy: Served) -> int:
    return sum(len(flight._seats) for flight in proxy.runtime.flights._calls)


FRESH = {"id", "created_at", "completed_at"}
"""What a replay has of its own, or is told without."""


async def ask(client: openai.AsyncOpenAI, form: str, text: Any = QUESTION, **more: Any) -> Any:
    """The whole answer as the SDK sees it, but for what a replay has of its own."""
    asked = {"model": "gpt-4o", "input": text, "store": False, **more}
    if form == "json":
        whole: Any = await client.responses.create(**asked)
    else:
        async with client.responses.stream(**asked) as stream:
            whole = await stream.get_final_response()
    dumped = whole.model_dump(exclude_unset=True)
    assert dumped["id"].startswith("resp_")
    assert dumped["created_at"] > 0
    return plain({name: value for name, value in dumped.items() if name not in FRESH})


def plain(value: Any) -> Any:
    """Without what only the stream helper adds, and without the ids that each call has anew."""
    if isinstance(value, dict):
        added = {"parsed", "parsed_arguments", "id", "call_id"}
        return {name: plain(v) for name, v in value.items() if name not in added}
    return [plain(item) for item in value] if isinstance(value, list) else value


@pytest.mark.parametrize("served_as", FORMS)
@pytest.mark.parametrize("filled_by", FORMS)
@pytest.mark.parametrize(
    ("act", "more"),
    [
        ({}, {"instructions": "Be brief.", "metadata": {"a": "b"}}),
        ({}, {"reasoning": {"effort": "low"}, "include": ["reasoning.encrypted_content"]}),
        ({"calls": True}, {"tools": [TOOL], "parallel_tool_calls": True}),
        ({"calls": True}, {"tools": [CUSTOM]}),
    ],
    ids=["plain", "reasoning", "functions", "custom tools"],
)
async def test_a_repeat_is_the_origins_answer(
    sdk: openai.AsyncOpenAI,
    direct: openai.AsyncOpenAI,
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
    assert expected == second
    assert expected["output"] == first["output"]
    assert expected["usage"] == second["usage"]


@pytest.mark.parametrize("served_as", FORMS)
@pytest.mark.parametrize("filled_by", FORMS)
async def test_a_rewording_is_answered(
    semantic: Served, origin: ScriptedOrigin, filled_by: str, served_as: str
) -> None:
    """The same question in other words has the same answer, in either form."""
    items = [{"role": "user", "content": [{"type": "input_text", "text": REWORDED}]}]
    async with semantic.sdk() as client:
        first = await ask(client, filled_by)
        second = await ask(client, served_as, items)

    assert origin.calls == 1
    assert first == second


async def test_offered_tools_are_for_the_same_request_only(
    semantic: Served, origin: ScriptedOrigin
) -> None:
    """A rewording may call another tool."""
    async with semantic.sdk() as client:
        await ask(client, "json", tools=[TOOL])
        await ask(client, "json", REWORDED, tools=[TOOL])

    assert origin.calls == 2


async def raw(proxy: Served, stream: bool, **more: Any) -> tuple[str | None, bytes]:
    """(how the cache answered, the body)."""
    body = {"model": "gpt-4o", "input": QUESTION, "store": False, "stream": stream, **more}
    sent = {"authorization": f"Bearer {KEY}", "content-type": "application/json"}
    async with proxy.http.post(f"{proxy.url}/responses", json=body, headers=sent) as got:
        assert got.status == 200
        return got.headers.get("x-cache"), await got.read()


def events(body: bytes) -> list[tuple[str, dict[str, Any]]]:
    """(name, payload) of each event."""
    found = []
    for block in body.split(b"\n\n")[:-1]:
        name, data = block.split(b"\n")
        found.append((name.removeprefix(b"event: ").decode(), json.loads(data[6:])))
    return found


async def test_a_stream_is_replayed_event_for_event(proxy: Served) -> None:
    """Names, numbers, pieces and padding are the origin's; id and times are the replay's own."""
    _, first = await raw(proxy, stream=True, reasoning={"effort": "low"})
    cache, second = await raw(proxy, stream=True, reasoning={"effort": "low"})
    old, new = events(first), events(second)

    assert cache == "HIT"
    assert [name for name, _ in old] == [name for name, _ in new]
    assert all(name == payload["type"] for name, payload in new)
    assert len({payload["response"]["id"] for _, payload in new if "response" in payload}) == 1
    for (_, was), (_, is_now) in zip(old, new, strict=True):
        for event in (was, is_now):
            if "response" in event:
                event["response"] = {n: v for n, v in event["response"].items() if n not in FRESH}
        assert was == is_now


async def test_the_stream_helper_sees_the_same_events(
    sdk: openai.AsyncOpenAI, origin: ScriptedOrigin
) -> None:
    """Whether the entry was filled by a stream or by JSON, the same kinds in the same order."""

    async def kinds(text: str) -> list[str]:
        found: list[str] = []
        async with sdk.responses.stream(model="gpt-4o", input=text, store=False) as stream:
            async for event in stream:
                if not found or found[-1] != event.type:
                    found.append(event.type)
        return found

    streamed, again = await kinds("one"), await kinds("one")
    await ask(sdk, "json", "two")
    unfolded = await kinds("two")

    assert origin.calls == 2
    assert streamed == again == unfolded
    assert streamed[-1] == "response.completed"


async def test_structured_output(sdk: openai.AsyncOpenAI, origin: ScriptedOrigin) -> None:
    """A parsed answer is parsed again, and its schema is part of the key."""

    class City(pydantic.BaseModel):
        name: str

    class Town(pydantic.BaseModel):
        name: str

    origin.always = type(origin.always)(text='{"name": "Paris"}')
    asked: Any = {"model": "gpt-4o", "input": "Where?", "store": False}
    first, second = [await sdk.responses.parse(text_format=City, **asked) for _ in range(2)]
    other = await sdk.responses.parse(text_format=Town, **asked)

    assert origin.calls == 2
    assert first.output_parsed == second.output_parsed == City(name="Paris")
    assert other.output_parsed == Town(name="Paris")


async def test_the_client_without_a_loop(proxy: Served, origin: ScriptedOrigin) -> None:
    """The synchronous client is served the same."""
    asked: Any = {"model": "gpt-4o", "input": QUESTION, "store": False}

    def three() -> list[Any]:
        with proxy.sync_sdk() as client:
            first, second = [client.responses.create(**asked) for _ in range(2)]
            with client.responses.stream(**asked) as stream:
                return [first, second, stream.get_final_response()]

    first, second, third = await asyncio.to_thread(three)

    assert origin.calls == 1
    assert first.output_text == second.output_text == third.output_text
    assert len({first.id, second.id, third.id}) == 3


async def test_an_answer_repeats_the_callers_own_words(
    proxy: Served, origin: ScriptedOrigin
) -> None:
    """Metadata, user and the like of the first caller are not shown to the second."""
    await raw(proxy, stream=False, metadata={"who": "zoe"}, user="zoe", service_tier="priority")
    mine = {"metadata": {"who": "bob"}, "user": "bob", "prompt_cache_key": "k"}
    cache, body = await raw(proxy, stream=False, **mine)
    _, nobody = await raw(proxy, stream=True)
    told, untold = json.loads(body), events(nobody)[-1][1]["response"]

    assert (origin.calls, cache) == (1, "HIT")
    assert {name: told[name] for name in mine} == mine
    assert told["service_tier"] == untold["service_tier"] == "default"
    assert (untold["metadata"], untold["user"], untold["store"]) == ({}, None, False)
    assert b"zoe" not in nobody


STATEFUL: list[dict[str, Any]] = [
    {"store": True},
    {"store": None},
    {"previous_response_id": "resp_1"},
    {"conversation": "conv_1"},
    {"background": True},
    {"prompt": {"id": "pmpt_1"}},
    {"moderation": {"model": "m"}},
    {"tools": [{"type": "web_search"}]},
    {"tools": [TOOL, {"type": "mcp", "server_label": "s"}]},
    {"input": [{"type": "item_reference", "id": "msg_1"}]},
    {"input": [{"id": "msg_1"}]},
    {"input": [{"type": "computer_call_output", "call_id": "c", "output": {}}]},
    {"input": [{"role": "user", "content": [{"type": "input_file", "file_id": "file-1"}]}]},
    {"input": [{"role": "user", "content": [{"type": "input_audio", "input_audio": {}}]}]},
]


@pytest.mark.parametrize("more", STATEFUL, ids=lambda more: json.dumps(more)[:40])
async def test_stateful_requests_pass_untouched(
    proxy: Served, origin: ScriptedOrigin, more: dict[str, Any]
) -> None:
    """What the origin is to remember, or is told by reference, is never answered from the cache."""
    origin.always = type(origin.always)(text="from the origin")
    body = json.dumps({"model": "gpt-4o", "input": QUESTION, "store": False, **more}, indent=2)
    sent = {"authorization": f"Bearer {KEY}", "content-type": "application/json"}
    caches = []
    for _ in range(2):
        async with proxy.http.post(f"{proxy.url}/responses", data=body, headers=sent) as got:
            assert b"from the origin" in await got.read()
            caches.append(got.headers["x-cache"])

    assert caches == ["BYPASS", "BYPASS"]
    assert [bytes(received.body) for received in origin.requests] == [body.encode()] * 2


async def test_a_pinned_prompt_is_cached(sdk: openai.AsyncOpenAI, origin: ScriptedOrigin) -> None:
    """A version does not change; another one is another question."""
    for version in ("1", "1", "2"):
        prompt: Any = {"id": "pmpt_1", "version": version}
        await ask(sdk, "json", prompt=prompt)

    assert origin.calls == 2


async def test_stored_answers_are_cached_where_configured(
    serving: Serving, origin: ScriptedOrigin
) -> None:
    """Callers who never go on from an answer may share it although the origin keeps it."""
    async with (
        serving(cache={"admission": {"stored_action": "store"}}) as proxy,
        proxy.sdk() as client,
    ):
        first = await client.responses.create(model="gpt-4o", input=QUESTION)
        second = await client.responses.create(model="gpt-4o", input=QUESTION)

    assert origin.calls == 1
    assert first.output == second.output


async def test_a_conversation_had_twice_is_answered(
    sdk: openai.AsyncOpenAI, origin: ScriptedOrigin
) -> None:
    """Turns sent back as the SDK returns them, ids and all, are the same turns."""
    caches = []
    for number in range(2):
        first = await sdk.responses.create(
            model="gpt-4o", input="Hi", store=False, instructions=str(number)
        )
        turns: Any = [{"role": "user", "content": "Hi"}]
        turns += [item.model_dump(exclude_none=True) for item in first.output]
        turns[1]["content"][0]["text"] = "Hello."
        turns.append({"role": "user", "content": "And now?"})
        second = await sdk.responses.with_raw_response.create(
            model="gpt-4o", input=turns, store=False
        )
        caches.append(second.headers["x-cache"])

    assert origin.calls == 3
    assert caches == ["MISS", "HIT"]


async def test_a_tools_output_is_for_the_same_request_only(
    semantic: Served, origin: ScriptedOrigin
) -> None:
    """The turn after a call is answered from the cache when all of it is the same."""

    def turn(output: str) -> list[Any]:
        return [
            {"role": "user", "content": QUESTION},
            {"type": "function_call", "call_id": "c", "name": "search", "arguments": "{}"},
            {"type": "function_call_output", "call_id": "c", "output": output},
        ]

    async with semantic.sdk() as client:
        for output in ("7 degrees", "7 degrees", "8 degrees"):
            await ask(client, "json", turn(output), tools=[TOOL])

    assert origin.calls == 2


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    "act",
    [{"finish": "incomplete"}, {"finish": "failed"}, {"refusal": "No."}, {"text": ""}],
    ids=["incomplete", "failed", "refusal", "empty"],
)
async def test_what_may_not_be_kept_is_passed_on(
    proxy: Served, origin: ScriptedOrigin, act: dict[str, Any], stream: bool
) -> None:
    """A cut, failed, refusing or empty answer is the caller's, and nobody else's."""
    origin.then(**act)
    cache, body = await raw(proxy, stream=stream)
    again, _ = await raw(proxy, stream=stream)

    assert (cache, again, origin.calls) == ("MISS", "MISS", 2)
    told = events(body)[-1][1]["response"] if stream else json.loads(body)
    assert told["status"] == act.get("finish", "completed")


async def read(client: openai.AsyncOpenAI, into: list[Any]) -> None:
    """Read a stream; what came before an error is kept too."""
    stream = await client.responses.create(model="gpt-4o", input=QUESTION, store=False, stream=True)
    async for event in stream:
        into.append(event)  # noqa: PERF401 - an error must not lose what came before it


SSE = (("content-type", "text/event-stream"),)


@pytest.mark.parametrize(
    "act",
    [
        {"break_at": 5},
        {"done": False},
        {"pieces": (), "headers": SSE},
        {"pieces": (b'data: {"error": {"message": "no"}}\n\n',), "headers": SSE},
        {"pieces": (b"data: [DONE]\n\n",), "headers": SSE},
    ],
    ids=["cut", "no end", "empty", "error", "marker alone"],
)
async def test_a_broken_stream_is_seen_to_be_broken(
    sdk: openai.AsyncOpenAI, origin: ScriptedOrigin, act: dict[str, Any]
) -> None:
    """The SDK raises instead of taking half an answer for a whole one; nothing is stored."""
    found: list[Any] = []
    origin.then(**act)
    with pytest.raises(openai.APIError):
        await read(sdk, found)
    await read(sdk, found := [])

    assert origin.calls == 2
    assert found[-1].type == "response.completed"


async def test_an_error_event_ends_a_stream_properly(
    sdk: openai.AsyncOpenAI, origin: ScriptedOrigin
) -> None:
    """The caller is told by the event, as the origin told it; nothing is stored."""
    origin.then(error_frame=True)
    found: list[Any] = []
    await read(sdk, found)
    await read(sdk, again := list[Any]())

    assert origin.calls == 2
    assert (found[-1].type, found[-1].message) == ("error", "overloaded")
    assert again[-1].type == "response.completed"


async def test_events_pass_at_once(sdk: openai.AsyncOpenAI, origin: ScriptedOrigin) -> None:
    """An event is with the caller before the origin has sent the next."""
    gates = {number: Gate() for number in range(1, 6)}
    origin.then(gates=gates)
    stream = await sdk.responses.create(model="gpt-4o", input=QUESTION, store=False, stream=True)
    came = aiter(stream)
    for number, gate in gates.items():
        async with asyncio.timeout(10):
            assert (await anext(came)).sequence_number == number - 1
        gate.open()
    rest = [event async for event in came]

    assert rest[-1].type == "response.completed"


async def test_concurrent_misses_ask_once(
    proxy: Served, sdk: openai.AsyncOpenAI, origin: ScriptedOrigin
) -> None:
    """Streaming and plain callers of one question share one call."""
    answers = await together(proxy, origin, [ask(sdk, form) for form in (*FORMS, *FORMS)])

    assert origin.calls == 1
    assert all(answer["output"] == answers[0]["output"] for answer in answers)


@pytest.mark.parametrize("stream", [False, True])
async def test_who_shares_a_call_is_told_his_own_words(
    proxy: Served, origin: ScriptedOrigin, stream: bool
) -> None:
    """Whoever waits for another's call does not see that caller's metadata."""
    asking = [raw(proxy, stream=stream, metadata={"who": who}) for who in ("zoe", "bob")]
    answers = await together(proxy, origin, asking)

    assert origin.calls == 1
    assert {cache for cache, _ in answers} == {"MISS", "COALESCED"}
    assert b"zoe" in answers[0][1]
    assert b"bob" not in answers[0][1]
    assert b"bob" in answers[1][1]
    assert b"zoe" not in answers[1][1]


async def together(proxy: Served, origin: ScriptedOrigin, asking: list[Any], **act: Any) -> Any:
    """Ask one after the other, and let the origin answer when all wait for it."""
    gate = Gate()
    origin.then(before=gate, **act)

    async def seated(number: int) -> Any:
        await until(lambda: listeners(proxy) == number, "the one before")
        return await asking[number]

    async def opened() -> None:
        await until(lambda: listeners(proxy) == len(asking), "everybody's waiting")
        gate.open()

    return (await asyncio.gather(*map(seated, range(len(asking))), opened()))[:-1]


async def test_who_wants_json_is_told_that_a_shared_stream_failed(
    proxy: Served, origin: ScriptedOrigin
) -> None:
    """He gets a status that says so, not the other caller's events."""

    async def plain_caller() -> None:
        async with proxy.sdk() as client:
            await client.responses.create(model="gpt-4o", input=QUESTION, store=False)

    asking = [raw(proxy, stream=True), plain_caller()]
    with pytest.raises(openai.InternalServerError) as told:
        await together(proxy, origin, asking, error_frame=True)

    assert (told.value.status_code, told.value.code) == (502, "upstream_broken")


async def test_other_paths_of_the_api_pass(proxy: Served, origin: ScriptedOrigin) -> None:
    """Retrieving, cancelling and counting are the origin's business."""
    for path in ("responses/resp_1", "responses/resp_1/input_items", "responses"):
        got = await proxy.get(f"/v1/{path}")
        assert got.json["path"] == f"/v1/{path}"

    assert origin.calls == 3
