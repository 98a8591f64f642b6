"""Errors, ours and the origin's, and what every request gets."""

import json
import socket
from typing import Any

import openai
import pytest

from tests.support.origin import Act, Gate, ScriptedOrigin
from tests.support.program import Served, Serving, chat

FAILURE = b'{ "error": {"message":"Slow down", "type":"requests","param":null,"code":"rate"} }\n'


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("status", [400, 401, 422, 429, 500, 529])
async def test_the_origins_errors_pass_unchanged(
    proxy: Served, origin: ScriptedOrigin, status: int, stream: bool
) -> None:
    """Byte for byte, with status and headers, and never from the cache."""
    told = (("content-type", "application/json"), ("retry-after", "7"), ("x-ratelimit-limit", "1"))
    origin.always = Act(status=status, body=FAILURE, headers=told)
    asked = chat(stream=stream, stream_options={"include_usage": True}) if stream else chat()
    got = [await proxy.post(asked) for _ in range(2)]

    assert [answer.body for answer in got] == [FAILURE, FAILURE]
    assert {answer.status for answer in got} == {status}
    assert {answer.headers["retry-after"] for answer in got} == {"7"}
    assert {answer.headers["x-ratelimit-limit"] for answer in got} == {"1"}
    assert {answer.cache for answer in got} == {"MISS"}
    assert origin.calls == 2


async def test_the_sdk_raises_its_own_classes(proxy: Served, origin: ScriptedOrigin) -> None:
    """A client's handling of the origin's errors works as without the proxy."""
    origin.then(status=429, body=FAILURE, headers=(("content-type", "application/json"),))
    async with proxy.sdk() as sdk:
        with pytest.raises(openai.RateLimitError) as caught:
            await sdk.chat.completions.create(
                model="m", messages=[{"role": "user", "content": "Hello"}]
            )

    assert caught.value.code == "rate"
    assert caught.value.request_id is not None


@pytest.mark.parametrize("stream", [False, True])
async def test_an_origin_out_of_reach(serving: Serving, stream: bool) -> None:
    """No connection is 502 in OpenAI's shape."""
    dead = f"http://127.0.0.1:{free_port()}/v1"
    async with serving(upstream={"base_url": dead}) as proxy:
        got = await proxy.post(chat(stream=stream))
        other = await proxy.get("/v1/models")

    assert (got.status, got.code) == (502, "upstream_unreachable")
    assert (other.status, other.code) == (502, "upstream_unreachable")
    assert got.headers["content-type"].startswith("application/json")


@pytest.mark.parametrize("stream", [False, True])
async def test_an_origin_that_says_nothing(
    serving: Serving, origin: ScriptedOrigin, stream: bool
) -> None:
    """No head in time is 504, and the call is given up."""
    origin.always = Act(before=Gate())
    async with serving(upstream={"first_byte_timeout_s": 0.2}) as proxy:
        got = await proxy.post(chat(stream=stream))
        other = await proxy.get("/v1/models")

    assert (got.status, got.code) == (504, "upstream_timeout")
    assert (other.status, other.code) == (504, "upstream_timeout")


async def test_an_origin_that_falls_silent(serving: Serving, origin: ScriptedOrigin) -> None:
    """A body that stops coming is a broken one."""
    origin.always = Act(gates={2: Gate()}, split=40)
    async with serving(upstream={"idle_timeout_s": 0.2}) as proxy:
        got = await proxy.post(chat())
        async with proxy.sdk() as sdk:
            stream = await sdk.chat.completions.create(
                model="m", messages=[{"role": "user", "content": "Hello"}], stream=True
            )
            with pytest.raises(openai.APIError):
                async for _ in stream:
                    pass

    assert (got.status, got.code) == (502, "upstream_broken")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b'"text"',
        b"null",
        b'{"a": NaN}',
        b"\xff",
        b'{"a":' * 100_000,
    ],
    ids=["empty", "open", "list", "text", "null", "nan", "no utf-8", "deep"],
)
async def test_a_body_that_is_no_object(proxy: Served, origin: ScriptedOrigin, body: bytes) -> None:
    """It is refused here: no origin could read it either."""
    got = await proxy.post(body)

    assert (got.status, got.code) == (400, "invalid_json")
    assert origin.calls == 0


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"model": "m"},
        {"model": 7, "messages": []},
        {"model": "m", "messages": []},
        {"model": "m", "messages": "text"},
        {"model": "m", "messages": [7]},
        {"model": "m", "messages": [{"role": "user", "content": {"a": 1}}]},
        {"model": "m", "messages": [{"role": "user", "content": "\ud800"}]},
        {"model": "m", "messages": [{"role": "user"}], "stream_options": 7},
        {"model": "m", "messages": [{"role": "user", "content": "Hi"}], "stream_options": [1]},
        {"model": "m", "messages": [{"role": "user", "content": "Hi"}], "temperature": "hot"},
        {"model": "m", "messages": [{"role": "user", "content": "Hi"}], "n": {"a": 1}},
        {"model": "m", "messages": [{"role": "user", "content": [{}]}], "tools": 7},
        {"model": "m", "messages": [{"role": "user", "content": ["text"]}]},
        {"model": "m", "messages": [{"role": "user", "content": [None]}]},
        {"model": "m", "messages": [{"role": "system", "content": [7]}, {"role": "user"}]},
        {
            "model": "m",
            "stream": True,
            "stream_options": "x",
            "messages": [{"role": "user", "content": "Hi"}],
        },
    ],
)
async def test_a_request_of_an_unknown_shape(
    proxy: Served, origin: ScriptedOrigin, body: dict[str, Any]
) -> None:
    """The origin knows best whether it is one: its answer is passed on."""
    origin.always = Act(status=400, body=FAILURE)
    raw = json.dumps(body).encode()
    got = await proxy.post(raw)

    assert (got.status, got.body) == (400, FAILURE)
    assert bytes(origin.requests[0].body) == raw


async def test_a_body_over_the_limit(serving: Serving, origin: ScriptedOrigin) -> None:
    """413, and the origin is not asked."""
    async with serving(server={"max_body_bytes": 2048}) as proxy:
        got = await proxy.post(chat("a" * 3000))
        other = await proxy.post(chat("a" * 1000))

    assert (got.status, got.code) == (413, "body_too_large")
    assert (other.status, origin.calls) == (200, 1)


@pytest.mark.parametrize("path", ["/", "/nothing", "/v2/chat/completions", "/chat/completions"])
async def test_a_path_outside_the_api(proxy: Served, origin: ScriptedOrigin, path: str) -> None:
    """404 in OpenAI's shape, which says where the API is."""
    got = await proxy.get(path)

    assert (got.status, got.code) == (404, "not_found")
    assert "/v1" in got.json["error"]["message"]
    assert "x-request-id" in got.headers
    assert origin.calls == 0


async def test_a_method_that_is_not_allowed(proxy: Served) -> None:
    """405, with the methods that are."""
    async with proxy.http.post(f"{proxy.root}/healthz") as got:
        assert got.status == 405
        assert "GET" in got.headers["allow"]
        assert (await got.json())["error"]["code"]


async def test_a_header_that_is_too_large(proxy: Served) -> None:
    """It is refused with a 4xx, and the proxy lives on."""
    got = await proxy.post(chat(), x_long="a" * 100_000)
    after = await proxy.post(chat())

    assert 400 <= got.status < 500
    assert after.status == 200


async def test_a_large_request(proxy: Served, origin: ScriptedOrigin) -> None:
    """One with images in it is megabytes, and an ordinary request."""
    origin.always = Act(text="Seen.")
    got = [await proxy.post(chat("a" * 3_000_000)) for _ in range(2)]

    assert [answer.cache for answer in got] == ["MISS", "HIT"]
    assert origin.calls == 1
