"""Never one answer for two requests that could have two."""

import asyncio
import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from yarl import URL

from tests.support.completions import text_for
from tests.support.origin import ScriptedOrigin
from tests.support.program import KEY, Served, Serving, chat

QUESTION = "How do I reset my password?"
REWORDED = "how can I reset my password"
USER = {"role": "user", "content": QUESTION}
TOOL = {"type": "function", "function": {"name": "search", "parameters": {"type": "object"}}}

VARIANTS: dict[str, dict[str, Any]] = {
    "plain": {},
    "model": {"model": "gpt-4o-mini"},
    "system": {"messages": [{"role": "system", "content": "Be brief."}, USER]},
    "developer": {"messages": [{"role": "developer", "content": "Be brief."}, USER]},
    "turns": {
        "messages": [
            {"role": "user", "content": "Hello"},
            {"role": "assistant", "content": "Hi"},
            USER,
        ]
    },
    "other turns": {
        "messages": [
            {"role": "user", "content": "Hello"},
            {"role": "assistant", "content": "Hey"},
            USER,
        ]
    },
    "name": {"messages": [{**USER, "name": "Jane"}]},
    "image": {
        "messages": [
            {
                "role": "user",
                "content": [
                    {"type": "text", "text": QUESTION},
                    {"type": "image_url", "image_url": {"url": "https://a.example/1.png"}},
                ],
            }
        ]
    },
    "other image": {
        "messages": [
            {
                "role": "user",
                "content": [
                    {"type": "text", "text": QUESTION},
                    {"type": "image_url", "image_url": {"url": "https://a.example/2.png"}},
                ],
            }
        ]
    },
    "temperature": {"temperature": 0.7},
    "temperature 0": {"temperature": 0},
    "top_p": {"top_p": 0.5},
    "n": {"n": 2},
    "stop": {"stop": ["\n"]},
    "max_tokens": {"max_tokens": 10},
    "max_completion_tokens": {"max_completion_tokens": 10},
    "seed": {"seed": 7},
    "frequency_penalty": {"frequency_penalty": 0.5},
    "presence_penalty": {"presence_penalty": 0.5},
    "logit_bias": {"logit_bias": {"50256": -100}},
    "logprobs": {"logprobs": True},
    "response_format": {"response_format": {"type": "json_object"}},
    "tools": {"tools": [TOOL]},
    "tool_choice": {"tools": [TOOL], "tool_choice": "none"},
    "parallel_tool_calls": {"tools": [TOOL], "parallel_tool_calls": False},
    "reasoning_effort": {"reasoning_effort": "low"},
    "verbosity": {"verbosity": "low"},
    "prediction": {"prediction": {"type": "content", "content": "x"}},
    "unknown": {"guidance_scale": 2},
    "unknown value": {"guidance_scale": 3},
}


async def test_variants_are_apart_from_one_another(
    semantic: Served, origin: ScriptedOrigin
) -> None:
    """All of them in one cache, asked twice: nobody gets another's answer."""
    bodies = [{**chat(QUESTION), **more} for more in VARIANTS.values()]
    for round_number in range(2):
        for body in bodies:
            got = await semantic.post(body)

            assert got.text == text_for(body, f"Bearer {KEY}")
            assert got.cache == ("HIT" if round_number else "MISS")
    assert origin.calls == len(bodies)


HEADERS = ["authorization", "api-key", "x-api-key", "openai-organization", "openai-project"]


@pytest.mark.parametrize("header", [*HEADERS, "openai-beta"])
async def test_tenants_are_apart(semantic: Served, origin: ScriptedOrigin, header: str) -> None:
    """Two credentials, or two accounts of one, never share an answer."""
    await semantic.post(chat(QUESTION), **{header: "Bearer one"})
    other = await semantic.post(chat(QUESTION), **{header: "Bearer two"})
    reworded = await semantic.post(chat(REWORDED), **{header: "Bearer three"})
    same = await semantic.post(chat(QUESTION), **{header: "Bearer one"})

    assert (other.cache, reworded.cache, same.cache) == ("MISS", "MISS", "HIT")
    assert origin.calls == 3


async def test_query_strings_are_apart(proxy: Served, origin: ScriptedOrigin) -> None:
    """An API version in the query is part of the key, and reaches the origin."""
    for query in ("?api-version=1", "?api-version=2", ""):
        async with proxy.http.post(f"{proxy.url}/chat/completions{query}", json=chat()) as got:
            assert got.headers["x-cache"] == "MISS"
    assert [request.path for request in origin.requests] == [
        "/v1/chat/completions?api-version=1",
        "/v1/chat/completions?api-version=2",
        "/v1/chat/completions",
    ]


@pytest.mark.parametrize("name", ["x_goog_api_key", "x_portkey_virtual_key", "helicone_auth"])
async def test_a_gateways_own_key_is_a_key(
    proxy: Served, origin: ScriptedOrigin, name: str
) -> None:
    """Whoever has another one is somebody else, though all send the same `authorization`."""
    headers: list[dict[str, str]] = [{name: "one"}, {name: "two"}, {}, {name: "one"}]
    got = [await proxy.post(chat(), **more) for more in headers]

    assert [one.cache for one in got] == ["MISS", "MISS", "MISS", "HIT"]
    assert origin.requests[0].header(name.replace("_", "-")) == "one"


async def test_an_escaped_query_is_another(proxy: Served, origin: ScriptedOrigin) -> None:
    """What the origin can tell apart has two answers."""
    url = f"{proxy.url}/chat/completions"
    for query in ("a=1%26b=2", "a=1&b=2"):
        target = URL(f"{url}?{query}", encoded=True)
        async with proxy.http.post(target, json=chat()) as got:
            assert (got.status, got.headers["x-cache"]) == (200, "MISS")

    assert origin.calls == 2


@pytest.mark.parametrize("name", [b"authorization", b"x-api-key", b"x-tenant"])
async def test_a_header_that_is_not_unicode(serving: Serving, name: bytes) -> None:
    """Some clients write Latin-1 (RFC 9110, 5.5): two bytes are two callers, and no error."""
    body, caches = json.dumps(chat()).encode(), []
    async with serving(server={"trusted_tenant_header": "X-Tenant"}) as proxy:
        for value in (b"\xe9", b"\xe8", b"\xe9"):
            reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
            writer.write(b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nconnection: close\r\n")
            writer.write(b"%b: caf%b\r\ncontent-length: %d\r\n\r\n" % (name, value, len(body)))
            writer.write(body)
            head = (await reader.read()).partition(b"\r\n\r\n")[0].lower().split(b"\r\n")
            caches.append((head[0], next(line for line in head if line.startswith(b"x-cache:"))))
            writer.close()

    ok = b"http/1.1 200 ok"
    assert caches == [(ok, b"x-cache: miss"), (ok, b"x-cache: miss"), (ok, b"x-cache: hit")]


async def test_shared_tenancy(serving: Serving, origin: ScriptedOrigin) -> None:
    """Behind one trust boundary everybody may share, where the operator says so."""
    async with serving(cache={"tenancy": "shared"}) as proxy:
        first = await proxy.post(chat(), key="sk-one")
        second = await proxy.post(chat(), key="sk-two")

    assert (first.cache, second.cache, origin.calls) == ("MISS", "HIT", 1)


async def test_a_trusted_front_names_the_tenant(serving: Serving, origin: ScriptedOrigin) -> None:
    """Then the credential does not; and the header is not forwarded."""
    async with serving(server={"trusted_tenant_header": "X-Tenant"}) as proxy:
        got = [
            await proxy.post(chat(), key="sk-one", x_tenant="acme"),
            await proxy.post(chat(), key="sk-two", x_tenant="acme"),
            await proxy.post(chat(), key="sk-two", x_tenant="other"),
            await proxy.post(chat(), key="sk-two"),
        ]

    assert [answer.cache for answer in got] == ["MISS", "HIT", "MISS", "MISS"]
    assert all(request.header("x-tenant") is None for request in origin.requests)


async def test_labels_do_not_separate(proxy: Served, origin: ScriptedOrigin) -> None:
    """What only names the caller, or asks for the form, is not in the key."""
    for more in (
        {},
        {"user": "jane"},
        {"metadata": {"a": "b"}},
        {"safety_identifier": "x"},
        {"prompt_cache_key": "k"},
        {"service_tier": "flex"},
        {"stream": False},
        {"n": 1},
        {"temperature": None},
        {"frequency_penalty": 0},
    ):
        await proxy.post(chat(**more))

    assert origin.calls == 1


def maybe(**parameters: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries({}, optional=parameters)


messages = st.lists(
    st.fixed_dictionaries(
        {
            "role": st.sampled_from(["system", "developer", "user", "assistant"]),
            "content": st.sampled_from(["Hello", "hello", "Be brief.", "a\nb", "a", "b"]),
        },
        optional={"name": st.sampled_from(["Jane", "jane"])},
    ),
    max_size=3,
)
requests = st.builds(
    lambda earlier, question, model, more: {
        "model": model,
        "messages": [*earlier, {"role": "user", "content": question}],
        **more,
    },
    messages,
    st.sampled_from([QUESTION, "What is the capital of France?"]),
    st.sampled_from(["m", "n"]),
    maybe(
        temperature=st.sampled_from([0, 0.5, 1, 2]),
        top_p=st.sampled_from([0.1, 1]),
        n=st.sampled_from([2, 3]),
        stop=st.sampled_from(["a", ["a"], ["a", "b"], ["b", "a"]]),
        max_tokens=st.sampled_from([1, 2]),
        max_completion_tokens=st.sampled_from([1, 2]),
        seed=st.sampled_from([0, 1]),
        frequency_penalty=st.sampled_from([0.5, 1]),
        presence_penalty=st.sampled_from([0.5, 1]),
        logit_bias=st.sampled_from([{"1": 1}, {"1": -1}, {"2": 1}]),
        response_format=st.sampled_from([{"type": "text"}, {"type": "json_object"}]),
        tools=st.sampled_from([[TOOL], [TOOL, TOOL]]),
        tool_choice=st.sampled_from(["none", "auto", "required"]),
        reasoning_effort=st.sampled_from(["low", "high"]),
        verbosity=st.sampled_from(["low", "high"]),
        guidance_scale=st.sampled_from([1, 2, "1", True, [], {}, [1]]),
    ),
)


@hypothesis_settings(
    max_examples=150,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(body=requests, key=st.sampled_from(["sk-a", "sk-b"]))
async def test_an_answer_is_always_the_requests_own(
    semantic: Served, body: dict[str, Any], key: str
) -> None:
    """Whatever is in the cache, hit or miss, the text is what the origin says to this request."""
    got = await semantic.post(body, key=key)

    assert got.text == text_for(body, f"Bearer {key}")
