"""Only who has a key is let in, for what it is for, and no origin ever sees it."""

import asyncio
import gzip
import json
from collections.abc import AsyncIterator
from typing import Any

import anthropic
import openai
import pytest

from proxy.config import Config
from proxy.reloading import By, Reloader
from tests.support.access import ORIGIN_KEY, guarded, key
from tests.support.origin import ScriptedOrigin
from tests.support.program import KEY, Got, Served, Serving, chat, settings

TOKEN = "0123456789abcdef"
ADA = key("ada", KEY)
BOB = key("bob", "sk-bob", namespaces=["docs*"], models=["gpt-4o"])


@pytest.fixture
async def proxy(serving: Serving) -> AsyncIterator[Served]:
    async with serving(**guarded(ADA, BOB), admin={"token": TOKEN}) as one:
        yield one


def is_refused(got: Got) -> bool:
    return (got.status, got.code) == (401, "invalid_api_key") and "www-authenticate" in got.headers


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/v1/chat/completions"),
        ("POST", "/v1/embeddings"),
        ("POST", "/v1/messages"),
        ("POST", "/v1/files"),
        ("GET", "/v1/models"),
        ("OPTIONS", "/v1/models"),
        ("POST", "/v1/cache/feedback"),
        ("GET", "/openapi.json"),
        ("GET", "/nowhere"),
        ("GET", "//v1/models"),
        ("GET", "/healthz/../v1/models"),
        ("GET", "/healthz/"),
        ("GET", "/v1/realtime"),
    ],
)
async def test_nobody_gets_further_without_one(
    proxy: Served, origin: ScriptedOrigin, method: str, path: str
) -> None:
    """No path is forgotten: the origin is not even asked."""
    upgrade = {"connection": "upgrade", "upgrade": "websocket"} if "realtime" in path else {}
    for sent in ({}, {"authorization": "Bearer sk-eve"}):
        url = f"{proxy.root}{path}"
        async with proxy.http.request(method, url, headers={**sent, **upgrade}) as got:
            told = Got(got.status, got.headers, await got.read())

        assert told.status == 401
        if not path.endswith("/messages"):
            assert is_refused(told)
    assert origin.calls == 0


async def test_what_the_proxy_says_of_itself_is_open(proxy: Served) -> None:
    """Probes and scrapers have no key; the admin API and its page have a token of their own."""
    admin = {"authorization": f"Bearer {TOKEN}"}

    assert [(await proxy.get(path)).status for path in ("/healthz", "/readyz", "/metrics")] == [
        200
    ] * 3
    assert (await proxy.get("/admin/v1/stats", **admin)).status == 200
    assert (await proxy.get("/admin/v1/stats", authorization=f"Bearer {KEY}")).status == 401
    assert (await proxy.get("/dashboard")).status == 200


async def test_official_clients_are_let_in(proxy: Served, origin: ScriptedOrigin) -> None:
    """OpenAI's and Anthropic's, each with its key where it puts it; a wrong one is told."""
    async with proxy.sdk() as client:
        await client.chat.completions.create(**chat())
    async with anthropic.AsyncAnthropic(base_url=proxy.root, api_key=KEY) as claude:
        await claude.messages.create(
            model="claude-x", max_tokens=9, messages=[{"role": "user", "content": "Hi"}]
        )
    async with proxy.sdk("sk-eve") as stranger:
        with pytest.raises(openai.AuthenticationError):
            await stranger.chat.completions.create(**chat())
    async with anthropic.AsyncAnthropic(base_url=proxy.root, api_key="sk-eve") as stranger_too:
        with pytest.raises(anthropic.AuthenticationError):
            await stranger_too.messages.create(
                model="claude-x", max_tokens=9, messages=[{"role": "user", "content": "Hi"}]
            )

    assert origin.calls == 2


@pytest.mark.parametrize("header", ["authorization", "api-key", "x-api-key"])
async def test_no_origin_sees_a_caller_s_key(
    proxy: Served, origin: ScriptedOrigin, header: str
) -> None:
    """It gets the operator's, on every way to it: for the cache, passed by, and passed through."""
    sent = {header: f"Bearer {KEY}" if header == "authorization" else KEY}
    for path, body in (
        ("/chat/completions", chat()),
        ("/chat/completions", chat("Again?", stream=True)),
        ("/embeddings", {"model": "e", "input": "x"}),
        ("/files", {"any": "thing"}),
    ):
        async with proxy.http.post(
            f"{proxy.url}{path}", data=json.dumps(body), headers={**sent, "x-cache-mode": "off"}
        ) as got:
            await got.read()

    assert origin.calls == 4
    for received in origin.requests:
        assert received.header("authorization") == f"Bearer {ORIGIN_KEY}"
        assert KEY not in "".join(value for _, value in received.headers)


async def test_a_new_key_takes_the_place_of_an_old_one(serving: Serving) -> None:
    """Two keys of one tenant have the same entries; those of others have not."""
    old, new = key("old", "sk-old", tenant="ada"), key("new", "sk-new", tenant="ada")
    async with serving(**guarded(old, new, BOB, key("eve", "sk-eve"))) as proxy:
        first = await proxy.post(chat(), "sk-old")
        second = await proxy.post(chat(), "sk-new")
        other = await proxy.post(chat(), "sk-eve")
        account = await proxy.post(chat(), "sk-new", openai_project="p")

    assert [one.cache for one in (first, second, other, account)] == ["MISS", "HIT", "MISS", "MISS"]


async def test_a_tenant_cannot_be_claimed(proxy: Served) -> None:
    """Nothing else that a caller sends lends him another's entries."""
    own = await proxy.post(chat(), x_cache_namespace="docs")
    for claim in ({"x-tenant": "ada"}, {"x_api_key": KEY}, {"api_key": KEY}):
        got = await proxy.post(chat(), "sk-bob", x_cache_namespace="docs", **claim)

        assert got.status == 200
        assert got.headers["x-cache-entry"] != own.headers["x-cache-entry"]


@pytest.mark.parametrize(
    ("body", "namespace", "code"),
    [
        (chat(), "docs-1", None),
        (chat(), "", "namespace_not_allowed"),
        (chat(), "other", "namespace_not_allowed"),
        ({**chat(), "model": "o3"}, "docs", "model_not_allowed"),
        ({"messages": []}, "docs", "model_not_allowed"),
        ({**chat(), "model": ["gpt-4o"]}, "docs", "model_not_allowed"),
    ],
)
async def test_a_key_is_for_what_it_is_for(
    proxy: Served, origin: ScriptedOrigin, body: dict[str, Any], namespace: str, code: str | None
) -> None:
    """Another namespace or model gets 403, and the origin is not asked."""
    sent = {"x_cache_namespace": namespace} if namespace else {}
    got = await proxy.post(body, "sk-bob", **sent)

    if code is None:
        assert got.status == 200
        return
    assert (got.status, got.code) == (403, code)
    assert origin.calls == 0


async def test_a_batch_is_bound_too(proxy: Served, origin: ScriptedOrigin) -> None:
    """Embeddings are asked for by models and namespaces as answers are."""
    asked = {"model": "e", "input": ["x"]}
    got = await proxy.post(asked, "sk-bob", to="/embeddings", x_cache_namespace="docs")

    assert (got.status, got.code) == (403, "model_not_allowed")
    assert origin.calls == 0


async def test_a_bound_key_sends_only_what_is_read(proxy: Served, origin: ScriptedOrigin) -> None:
    """What is not read may ask any model: uploads, compressed bodies, WebSockets."""
    packed = gzip.compress(json.dumps({**chat(), "model": "o3"}).encode())
    sent = {"x_cache_namespace": "docs"}
    codes = [
        (await proxy.post({"model": "tts"}, "sk-bob", to="/audio/speech")).code,
        (await proxy.post(packed, "sk-bob", content_encoding="gzip", **sent)).code,
        (
            await proxy.post(packed, "sk-bob", to="/embeddings", content_encoding="gzip", **sent)
        ).code,
        (
            await proxy.get(
                "/v1/realtime?model=o3",
                authorization="Bearer sk-bob",
                connection="upgrade",
                upgrade="websocket",
            )
        ).code,
    ]
    listed = await proxy.get("/v1/models", authorization="Bearer sk-bob")

    assert codes == ["endpoint_not_allowed"] * 4
    assert listed.status == 200
    assert origin.calls == 1


@pytest.mark.parametrize(
    "more", [{}, {"n": 2, "stream": True}, {"messages": [{"role": "user", "content": 5}]}]
)
async def test_a_model_that_is_named_twice_is_no_way_around(
    proxy: Served, origin: ScriptedOrigin, more: dict[str, Any]
) -> None:
    """The origin is asked what was read, whichever of the two it would have heeded."""
    body = json.dumps({**chat(), **more}).replace("{", '{"model": "o3", ', 1).encode()
    await proxy.post(body, "sk-bob", x_cache_namespace="docs")

    assert origin.calls == 1
    assert b"o3" not in origin.requests[0].body
    assert origin.requests[0].json["model"] == "gpt-4o"


async def test_a_deployment_s_name_counts(serving: Serving, origin: ScriptedOrigin) -> None:
    """Where the path names the model, as Azure's does, the body cannot name another."""
    azure = {
        "name": "azure",
        "path_prefix": "/azure",
        "base_url": origin.url,
        "api_key": "sk-azure",
        "api_key_header": "api-key",
    }
    async with serving(**guarded(ADA, BOB), upstreams=[azure]) as proxy:
        url = f"{proxy.root}/azure/openai/deployments/o3/chat/completions"
        headers = {"api-key": "sk-bob", "x-cache-namespace": "docs"}
        async with proxy.http.post(url, data=json.dumps(chat()), headers=headers) as got:
            status = got.status
        async with proxy.http.post(url, data=json.dumps(chat())) as nobody:
            unnamed = nobody.status

    assert (status, unnamed) == (403, 401)
    assert origin.calls == 0


async def test_a_deleted_key_is_let_in_no_more(
    origin: ScriptedOrigin, serving: Serving, tmp_path: Any
) -> None:
    """Without a restart, and although its requests were known by their bytes."""
    async with serving(**guarded(ADA, BOB)) as proxy:
        got = [await proxy.post(chat()) for _ in range(3)]
        other = Config.model_validate(settings(origin.url, tmp_path, **guarded(BOB)))
        reloader = Reloader(proxy.reloader.live, lambda: other, clock=lambda: 0.0)
        done = await reloader.reload(By.API)
        late = await proxy.post(chat())

    assert got[-1].tier == "session"
    assert done.changed == ("access.keys",)
    assert is_refused(late)


async def test_refusals_are_counted(proxy: Served) -> None:
    """By their reason, and each has its line."""
    await asyncio.gather(*(proxy.post(chat(), "sk-eve") for _ in range(3)))
    await proxy.post(chat(), "sk-bob")
    counted = (await proxy.get("/metrics")).body.decode()

    assert 'reprise_refused_total{reason="invalid_api_key"} 3.0' in counted
    assert 'reprise_refused_total{reason="namespace_not_allowed"} 1.0' in counted
    reasons = [line["reason"] for line in proxy.events("request")]
    assert sorted(reasons) == ["invalid_api_key"] * 3 + ["namespace_not_allowed"]
