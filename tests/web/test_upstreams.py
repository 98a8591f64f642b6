"""Several origins: by path, by model, by fallback; and the cache in front of all of them."""

import json
from collections.abc import Iterator
from typing import Any

import openai
import pytest
from yarl import URL

from tests.support.origin import Act, Received, ScriptedOrigin, scripted_origin
from tests.support.program import KEY, Got, Served, Serving, chat
from tests.support.servers import free_port

Json = dict[str, Any]


@pytest.fixture
def other() -> Iterator[ScriptedOrigin]:
    """A second origin."""
    with scripted_origin() as running:
        yield running


def named(origin: ScriptedOrigin | str, name: str = "other", **more: Any) -> Json:
    url = origin if isinstance(origin, str) else origin.url
    return {"name": name, "base_url": url, **more}


async def post(proxy: Served, path: str, body: Json, key: str = KEY) -> Got:
    headers = {"authorization": f"Bearer {key}", "content-type": "application/json"}
    url, data = f"{proxy.root}{path}", json.dumps(body)
    async with proxy.http.post(url, data=data, headers=headers) as got:
        return Got(got.status, got.headers, await got.read())


async def test_by_model(serving: Serving, origin: ScriptedOrigin, other: ScriptedOrigin) -> None:
    """Each model is asked where it is served, by that origin's own key; hits ask nobody."""
    claude = named(other, models=["claude-*"], api_key="own", api_key_header="x-api-key")
    async with serving(upstreams=[claude]) as proxy:
        for _ in range(2):
            await proxy.post(chat(model="claude-sonnet"))
            await proxy.post(chat(model="gpt-4o"))

    assert (origin.calls, other.calls) == (1, 1)
    assert other.requests[0].header("x-api-key") == "own"
    assert other.requests[0].header("authorization") is None


async def test_by_path(serving: Serving, origin: ScriptedOrigin, other: ScriptedOrigin) -> None:
    """The official client, pointed at a prefix, is answered by that origin and from the cache."""
    async with (
        serving(upstreams=[named(other, path_prefix="/ollama")]) as proxy,
        openai.AsyncOpenAI(base_url=f"{proxy.root}/ollama/v1", api_key=KEY) as sdk,
    ):
        said = [await sdk.chat.completions.with_raw_response.create(**chat()) for _ in range(2)]
        got = await proxy.get("/ollama/v1/models?x=1")
        direct = await proxy.post(chat())

    assert [one.headers["x-cache"] for one in said] == ["MISS", "HIT"]
    assert got.json["path"] == "/v1/models?x=1"
    assert direct.cache == "MISS"
    assert (origin.calls, other.calls) == (1, 2)


async def test_a_path_that_only_looks_like_a_prefix_goes_nowhere(
    serving: Serving, origin: ScriptedOrigin, other: ScriptedOrigin
) -> None:
    """A slash that is written as `%2F` parts no path: no origin is asked, the main one neither."""
    async with serving(upstreams=[named(other, path_prefix="/ollama")]) as proxy:
        url = URL(f"{proxy.root}/ollama%2Fv1/models", encoded=True)
        async with proxy.http.get(url) as got:
            status = got.status

    assert status == 404
    assert origin.requests == other.requests == []


async def test_azure(serving: Serving, other: ScriptedOrigin) -> None:
    """Azure's client: deployment in the path, version in the query, key in a header of its own."""
    base = other.url.removesuffix("/v1")
    azure = named(base, "azure", path_prefix="/azure")
    async with serving(upstreams=[azure]) as proxy:
        sdk = openai.AsyncAzureOpenAI(
            azure_endpoint=f"{proxy.root}/azure", api_key="azure-key", api_version="2024-10-21"
        )
        async with sdk:
            raw = sdk.chat.completions.with_raw_response
            other.always = other_answers()
            said = [await raw.create(**chat()) for _ in range(2)]
            said += [await raw.create(**chat(model="gpt-4o-mini"))]

    assert [one.headers["x-cache"] for one in said] == ["MISS", "HIT", "MISS"]
    assert said[1].parse().choices[0].message.content == "from Azure"
    path = "/openai/deployments/gpt-4o/chat/completions?api-version=2024-10-21"
    assert other.requests[0].path == path
    assert other.requests[0].header("api-key") == "azure-key"


def other_answers() -> Act:
    message = {"role": "assistant", "content": "from Azure"}
    choice = {"index": 0, "message": message, "finish_reason": "stop"}
    body = {"id": "x", "object": "chat.completion", "created": 1, "model": "m", "choices": [choice]}
    return Act(body=json.dumps(body).encode(), headers=(("content-type", "application/json"),))


async def test_azure_without_a_model(serving: Serving, other: ScriptedOrigin) -> None:
    """The deployment stands for the model; two deployments share nothing."""
    base = other.url.removesuffix("/v1")
    other.always = other_answers()
    question = chat()
    del question["model"]
    async with serving(upstreams=[named(base, "azure", path_prefix="/azure")]) as proxy:
        caches = [
            (
                await post(proxy, f"/azure/openai/deployments/{name}/chat/completions", question)
            ).cache
            for name in ("a", "a", "b")
        ]

    assert caches == ["MISS", "HIT", "MISS"]
    assert other.requests[0].json == question


@pytest.mark.parametrize("path", ["/x/v1/threads/chat/completions", "/x/v1/chat/completions/id"])
async def test_not_an_endpoint(serving: Serving, other: ScriptedOrigin, path: str) -> None:
    """What only ends or begins like a cached endpoint is passed through."""
    async with serving(upstreams=[named(other, path_prefix="/x")]) as proxy:
        got = await post(proxy, path, chat())

    assert got.cache == "BYPASS"


async def test_same_model_at_two_origins(
    serving: Serving, origin: ScriptedOrigin, other: ScriptedOrigin
) -> None:
    """One origin's answer is never another's, even to the same words with the same key."""
    async with serving(upstreams=[named(other, path_prefix="/b")]) as proxy:
        for _ in range(2):
            await post(proxy, "/v1/chat/completions", chat())
            await post(proxy, "/b/v1/chat/completions", chat())

    assert (origin.calls, other.calls) == (1, 1)


async def test_failing_over(
    serving: Serving, origin: ScriptedOrigin, other: ScriptedOrigin
) -> None:
    """A caller whose origin is overloaded is answered by another, in a stream too; and cached."""
    rest = (("retry-after", "60"),)
    origin.always = _overloaded(rest)
    upstream = {"base_url": origin.url, "fallbacks": ["other"]}
    async with serving(upstream=upstream, upstreams=[named(other, api_key="own")]) as proxy:
        first = await proxy.post(chat())
        again = await proxy.post(chat())
        async with proxy.sdk() as sdk:
            stream = await sdk.chat.completions.create(**chat("And what is a proxy?"), stream=True)
            text = "".join([c.choices[0].delta.content or "" async for c in stream if c.choices])
        events = proxy.events("upstream_failed")

    assert [(one.status, one.cache) for one in (first, again)] == [(200, "MISS"), (200, "HIT")]
    assert text
    assert (origin.calls, other.calls) == (1, 2)
    assert [(one["upstream"], one["instead"]) for one in events] == [("", "other")]


def _overloaded(headers: Any) -> Act:
    return Act(status=429, headers=headers, body=b'{"error":{"message":"slow down"}}')


async def test_another_models_answer_is_not_kept(
    serving: Serving, origin: ScriptedOrigin, other: ScriptedOrigin
) -> None:
    """It helps this once; who asks next wants the model that was asked for."""
    origin.then(status=500, body=b"{}")
    upstream = {"base_url": origin.url, "fallbacks": ["small"]}
    small = named(other, "small", api_key="own", send_model="mini")
    async with serving(upstream=upstream, upstreams=[small]) as proxy:
        first = await proxy.post(chat())
        second = await proxy.post(chat())

    assert (first.cache, first.headers["x-cache-substitute"]) == ("MISS", "small")
    assert (second.cache, second.headers.get("x-cache-substitute")) == ("MISS", None)
    assert other.requests[0].json["model"] == "mini"


async def test_what_is_not_cached_fails_over_too(
    serving: Serving, origin: ScriptedOrigin, other: ScriptedOrigin
) -> None:
    """A request past the cache is a request all the same."""
    origin.then(status=503, body=b"{}")
    upstream = {"base_url": origin.url, "fallbacks": ["other"]}
    async with serving(upstream=upstream, upstreams=[named(other, send_model="mini")]) as proxy:
        got = await proxy.post(chat(), cache_control="no-store")

    assert (got.status, got.cache) == (200, "BYPASS")
    assert other.requests[0].json["model"] == "mini"


async def test_nobody_there(serving: Serving) -> None:
    """All down: the error of the origin that was meant, in OpenAI's shape."""
    gone = [f"http://127.0.0.1:{free_port()}/v1" for _ in range(2)]
    upstream = {"base_url": gone[0], "fallbacks": ["other"]}
    async with serving(upstream=upstream, upstreams=[named(gone[1])]) as proxy:
        got = await proxy.post(chat())

    assert (got.status, got.code) == (502, "upstream_unreachable")


@pytest.mark.parametrize("form", ["json", "sse"])
async def test_another_models_answer_is_called_so_in_either_form(
    serving: Serving, origin: ScriptedOrigin, other: ScriptedOrigin, form: str
) -> None:
    """Also where the caller asked for a stream and the origin knows none, or the other way."""
    origin.then(status=500, body=b"{}")
    other.then(**{form: True})
    upstream = {"base_url": origin.url, "fallbacks": ["small"]}
    small = named(other, "small", api_key="own", send_model="mini")
    async with serving(upstream=upstream, upstreams=[small]) as proxy:
        got = await proxy.post(chat(stream=form == "json"))

    assert (got.status, got.headers["x-cache-substitute"]) == (200, "small")
    assert got.body.startswith(b"data: ") is (form == "json")


async def test_another_models_vectors_are_not_kept(
    serving: Serving, origin: ScriptedOrigin, other: ScriptedOrigin
) -> None:
    """Nor is a part of a batch made of them."""
    upstream = {"base_url": origin.url, "fallbacks": ["small"]}
    small = named(other, "small", api_key="own", send_model="mini")
    body: Json = {"model": "m", "input": ["a", "b"]}
    async with serving(upstream=upstream, upstreams=[small]) as proxy:
        await proxy.post({**body, "input": "a"}, to="/embeddings")
        origin.then(status=500, body=b"{}")
        origin.then(status=500, body=b"{}")
        first = await proxy.post(body, to="/embeddings")
        second = await proxy.post(body, to="/embeddings")

    assert (first.json["model"], first.headers["x-cache-substitute"]) == ("mini", "small")
    assert (second.json["model"], second.headers["x-cache-items"]) == ("m", "1/2")
    assert [len(one.json["input"]) for one in other.requests] == [1, 2]


async def test_one_origin_that_refuses_usage_is_one(
    serving: Serving, origin: ScriptedOrigin, other: ScriptedOrigin
) -> None:
    """The others are asked for it as before, and each as its own configuration says."""
    other.always = Act(strict=True)
    with scripted_origin() as third:
        silent = named(third, "third", models=["c"], request_usage=False)
        async with serving(upstreams=[named(other, models=["b"]), silent]) as proxy:
            for model in "bab":
                got = await proxy.post(chat(f"To {model}", model=model, stream=True))
                assert got.status == 200
                await proxy.post(chat(f"To {model} again", model=model, stream=True))
            await proxy.post(chat(model="c", stream=True))
            refused = proxy.events("usage_refused")

        assert [_asks_usage(one) for one in other.requests] == [True, False, False]
        assert [_asks_usage(one) for one in origin.requests] == [True, True]
        assert [_asks_usage(one) for one in third.requests] == [False]
        assert [one["upstream"] for one in refused] == ["other"]


def _asks_usage(request: Received) -> bool:
    return "stream_options" in request.json


async def test_a_fallback_that_refuses_usage_answers(
    serving: Serving, origin: ScriptedOrigin, other: ScriptedOrigin
) -> None:
    """It gets the caller's own request, and the first origin is asked for usage all the same."""
    origin.then(status=503, body=b"{}")
    other.always = Act(strict=True)
    upstream = {"base_url": origin.url, "fallbacks": ["other"]}
    async with serving(upstream=upstream, upstreams=[named(other, api_key="own")]) as proxy:
        first = await proxy.post(chat(stream=True))
        await proxy.post(chat("Another", stream=True))

    assert first.status == 200
    assert [_asks_usage(one) for one in other.requests] == [True, False]
    assert [_asks_usage(one) for one in origin.requests] == [True, True]
