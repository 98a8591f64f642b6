"""What is not cached goes through as it is, in both directions, while it comes."""

import asyncio
import gzip
import io
import json
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest

from tests.support.origin import Act, Gate, ScriptedOrigin
from tests.support.program import Served, Serving, chat
from tests.support.waiting import until

JSON = (("content-type", "application/json"),)


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "REPORT"])
async def test_any_method(proxy: Served, origin: ScriptedOrigin, method: str) -> None:
    """Method and body arrive, and the answer comes back."""
    async with proxy.http.request(method, f"{proxy.url}/files", data=b"\x00\xff") as got:
        told = await got.json()

    assert told == {"method": method, "path": "/v1/files", "bytes": 2}
    assert bytes(origin.requests[0].body) == b"\x00\xff"
    assert got.headers["x-cache"] == "BYPASS"
    assert got.headers["cache-status"].startswith("Reprise; fwd=bypass")


@pytest.mark.parametrize(
    "path",
    [
        "/v1/files/a%2Fb/content?x=%20y&x=2&z",
        "/v1/models/ft%3Agpt",
        "/v1/a//b/./c",
        "/v1/a%25b+c?q=a+b%2Bc",
        "/v1/",
        "/v1/caf%C3%A9?x=%E2%82%AC",
        "/v1/a;b=c,d",
    ],
)
async def test_paths_and_queries_pass_unchanged(
    proxy: Served, origin: ScriptedOrigin, path: str
) -> None:
    """Byte for byte: an escape that is undone or added is another resource."""
    reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
    writer.write(f"GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n".encode())
    await reader.read()
    writer.close()

    assert [request.path for request in origin.requests] == [path]


async def test_a_path_cannot_leave_the_base(serving: Serving, origin: ScriptedOrigin) -> None:
    """Whatever the caller writes, host and root are the operator's: his key may go along."""
    targets = {
        "/v1/@evil.example/": b"200",
        "/v1//evil.example/x": b"200",
        "/v1/models/a..b/..c": b"200",
        "/v1/../admin": b"400",
        "/v1/x/%2E./../admin": b"400",
        "/v1/..%2fadmin": b"400",
        "/v1/files/..": b"400",
    }
    async with serving() as proxy:
        for target, expected in targets.items():
            reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
            writer.write(f"GET {target} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n".encode())
            status = (await reader.read()).split(b" ", 2)[1]
            writer.close()

            assert status == expected, target
        assert len(proxy.events("request")) == len(targets)
    assert len(origin.requests) == 3
    assert all(request.path.startswith("/v1/") for request in origin.requests)
    assert all(request.header("host") == f"127.0.0.1:{origin.port}" for request in origin.requests)


async def test_request_headers(proxy: Served, origin: ScriptedOrigin) -> None:
    """End-to-end headers arrive; what is meant for one hop, or for this proxy, does not."""
    sent = {
        "Authorization": "Bearer sk-test",
        "OpenAI-Organization": "org",
        "X-Custom": "kept",
        "User-Agent": "mine/1",
        "Accept": "a/b",
        "Cookie": "a=b",
        "Connection": "keep-alive, X-Hop",
        "X-Hop": "1",
        "TE": "trailers",
        "Proxy-Authorization": "Basic x",
        "X-Cache-Mode": "exact",
        "X-Cache-Tags": "a",
        "X-Session-Id": "s",
    }
    async with proxy.http.get(f"{proxy.url}/models", headers=sent) as got:
        assert got.status == 200
    arrived = origin.requests[0]

    assert arrived.header("authorization") == "Bearer sk-test"
    assert arrived.header("openai-organization") == "org"
    assert arrived.header("x-custom") == "kept"
    assert arrived.header("user-agent") == "mine/1"
    assert arrived.header("accept") == "a/b"
    assert arrived.header("cookie") == "a=b"
    assert arrived.header("host") == f"127.0.0.1:{origin.port}"
    assert arrived.names.isdisjoint(
        {"x-hop", "te", "proxy-authorization", "x-cache-mode", "x-cache-tags", "x-session-id"}
    )


async def test_no_header_is_added(proxy: Served, origin: ScriptedOrigin) -> None:
    """The origin sees the caller, not a client library of the proxy's."""
    reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
    writer.write(b"GET /v1/models HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
    await reader.read()
    writer.close()

    assert origin.requests[0].names <= {"host", "connection"}


async def test_response_headers(proxy: Served, origin: ScriptedOrigin) -> None:
    """All come back, repeated ones too, but for those of the hop."""
    origin.then(
        body=b"{}",
        headers=(
            *JSON,
            ("set-cookie", "a=1"),
            ("set-cookie", "b=2"),
            ("x-ratelimit-remaining", "3"),
            ("keep-alive", "timeout=5"),
            ("proxy-authenticate", "Basic"),
            ("etag", '"x"'),
        ),
    )
    async with proxy.http.get(f"{proxy.url}/models") as got:
        assert got.headers.getall("set-cookie") == ["a=1", "b=2"]
        assert got.headers["x-ratelimit-remaining"] == "3"
        assert got.headers["etag"] == '"x"'
        assert "keep-alive" not in got.headers
        assert "proxy-authenticate" not in got.headers


async def test_a_compressed_body_stays_compressed(proxy: Served, origin: ScriptedOrigin) -> None:
    """The same bytes, the same header, the same length."""
    packed = gzip.compress(b'{"data": []}')
    origin.then(body=packed, headers=(*JSON, ("content-encoding", "gzip")))
    got = await proxy.get("/v1/models", accept_encoding="gzip")

    assert got.body == packed
    assert got.headers["content-encoding"] == "gzip"
    assert got.headers["content-length"] == str(len(packed))
    assert origin.requests[0].header("accept-encoding") == "gzip"


async def test_a_compressed_request(proxy: Served, origin: ScriptedOrigin) -> None:
    """A body that this proxy does not read is passed on as it is, on a cached path too."""
    packed = gzip.compress(json.dumps(chat()).encode())
    origin.then(body=b"{}", headers=JSON)
    got = await proxy.post(packed, content_encoding="gzip")

    assert (got.status, got.body, got.cache) == (200, b"{}", "BYPASS")
    assert bytes(origin.requests[0].body) == packed
    assert origin.requests[0].header("content-encoding") == "gzip"


@pytest.mark.parametrize(
    "more", [{"store": True}, {"web_search_options": {}}, {"modalities": ["text", "audio"]}]
)
async def test_what_the_cache_must_not_touch(
    proxy: Served, origin: ScriptedOrigin, more: dict[str, Any]
) -> None:
    """Such a completion goes through unchanged, each time."""
    raw = json.dumps(chat(**more)).encode()
    got = [await proxy.post(raw) for _ in range(2)]

    assert [answer.cache for answer in got] == ["BYPASS", "BYPASS"]
    assert bytes(origin.requests[1].body) == raw
    assert f"detail={next(iter(more))}" in got[0].headers["cache-status"]


async def test_a_list_of_stored_completions(proxy: Served, origin: ScriptedOrigin) -> None:
    """Other methods on the cached path are the origin's business."""
    got = await proxy.get("/v1/chat/completions?limit=2")

    assert got.json == {"method": "GET", "path": "/v1/chat/completions?limit=2", "bytes": 0}
    assert origin.calls == 1


async def test_head(proxy: Served, origin: ScriptedOrigin) -> None:
    """Headers without a body; the length is that of the body there would be."""
    origin.then(body=b"12345", headers=(("content-type", "text/plain"),))
    async with proxy.http.head(f"{proxy.url}/files/1") as got:
        assert await got.read() == b""
        assert got.status == 200
        assert got.headers["content-length"] == "5"


@pytest.mark.parametrize("status", [204, 304])
async def test_no_body(proxy: Served, origin: ScriptedOrigin, status: int) -> None:
    """A status that has no body comes back without one, and the connection stays usable."""
    origin.then(status=status, pieces=(), headers=(("x-a", "b"),))
    got = await proxy.get("/v1/files/1")
    after = await proxy.get("/v1/files/2")

    assert (got.status, got.body) == (status, b"")
    assert got.headers["x-a"] == "b"
    assert after.status == 200


async def test_redirects_are_the_callers(proxy: Served, origin: ScriptedOrigin) -> None:
    """They are not followed: the caller's key must not go where it was not sent."""
    origin.then(status=302, body=b"", headers=(("location", "https://elsewhere.example/x"),))
    async with proxy.http.get(f"{proxy.url}/files/1", allow_redirects=False) as got:
        assert got.status == 302
        assert got.headers["location"] == "https://elsewhere.example/x"
    assert origin.calls == 1


async def test_an_upload_passes_while_it_comes(proxy: Served, origin: ScriptedOrigin) -> None:
    """The origin has its beginning before the caller has sent its end."""
    seen = asyncio.Event()

    async def body() -> AsyncIterator[bytes]:
        yield b"first"
        await seen.wait()
        yield b"second"

    async with asyncio.TaskGroup() as group:
        asking = group.create_task(proxy.http.post(f"{proxy.url}/files", data=body()))
        await origin.asked(1)
        await until(lambda: bytes(origin.requests[0].body) == b"first", "the first piece")
        assert not origin.requests[0].whole
        seen.set()
    async with asking.result() as got:
        assert (await got.json())["bytes"] == 11


async def test_a_download_passes_while_it_comes(proxy: Served, origin: ScriptedOrigin) -> None:
    """The caller has its beginning before the origin has sent its end."""
    gate = Gate()
    origin.then(pieces=(b"first", b"second"), gates={1: gate}, headers=JSON)
    async with proxy.http.get(f"{proxy.url}/files/1/content") as got:
        assert await got.content.readexactly(5) == b"first"
        gate.open()
        assert await got.content.read() == b"second"


async def test_any_size(serving: Serving, origin: ScriptedOrigin) -> None:
    """The bound on cached requests is none on what is not read."""
    large = bytes(range(256)) * 20_000
    origin.then(pieces=(large, large), headers=JSON)
    async with (
        serving(server={"max_body_bytes": 2048}) as proxy,
        proxy.http.post(f"{proxy.url}/files", data=io.BytesIO(large)) as got,
    ):
        assert await got.read() == large + large
    assert bytes(origin.requests[0].body) == large


async def test_event_streams(proxy: Served, origin: ScriptedOrigin) -> None:
    """Another API's stream passes event by event."""
    gate = Gate()
    events = (b"event: a\ndata: {}\n\n", b": ping\n\n", b"event: b\r\ndata: {}\r\n\r\n")
    headers = (("content-type", "text/event-stream"),)
    origin.then(pieces=events, gates={1: gate}, headers=headers)
    async with proxy.http.post(f"{proxy.url}/responses", json={"stream": True}) as got:
        assert await got.content.readexactly(len(events[0])) == events[0]
        gate.open()
        assert await got.content.read() == events[1] + events[2]
        assert got.headers["content-type"] == "text/event-stream"


async def test_a_body_that_breaks_off_is_seen_to(proxy: Served, origin: ScriptedOrigin) -> None:
    """The caller's connection is dropped without the body's proper end."""
    origin.always = Act(pieces=(b"first", b"second"), break_at=1, headers=JSON)
    with pytest.raises(aiohttp.ClientPayloadError):
        await proxy.get("/v1/files/1/content")


async def test_a_counted_body_that_breaks_off(proxy: Served, origin: ScriptedOrigin) -> None:
    """The same where a length was promised."""
    headers = (*JSON, ("content-length", "100"))
    origin.always = Act(pieces=(b"first", b"second"), break_at=1, headers=headers)
    with pytest.raises(aiohttp.ClientPayloadError):
        await proxy.get("/v1/files/1/content")


async def test_a_caller_who_leaves_ends_the_call(proxy: Served, origin: ScriptedOrigin) -> None:
    """The origin is not kept busy for nobody."""
    gate = Gate()
    origin.then(pieces=(b"first", b"second"), gates={1: gate}, headers=JSON)
    async with proxy.http.get(f"{proxy.url}/files/1/content") as got:
        await got.content.readexactly(5)
        got.close()
    await until(lambda: origin.requests[0].left, "the origin's being left")

    assert origin.requests[0].left


async def test_a_key_of_the_proxys_own(serving: Serving, origin: ScriptedOrigin) -> None:
    """It takes the place of the caller's credential, whatever header that came in."""
    async with serving(upstream={"api_key": "sk-ours"}) as proxy:
        await proxy.get("/v1/models", api_key="theirs", x_api_key="theirs")
        await proxy.post(chat())

    for request in origin.requests:
        assert request.header("authorization") == "Bearer sk-ours"
        assert request.names.isdisjoint({"api-key", "x-api-key"})


async def test_an_origin_that_answers_before_the_upload_ends(
    proxy: Served, origin: ScriptedOrigin
) -> None:
    """A request that is hung up on in the middle leaves nothing behind."""
    reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
    del reader
    writer.write(b"POST /v1/files HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\nfirst")
    await origin.asked(1)
    writer.close()
    await until(lambda: origin.requests[0].left or origin.requests[0].done, "the origin's end")
    after = await proxy.get("/v1/models")

    assert after.status == 200
    assert not origin.requests[0].whole


async def test_another_cache_behind_this_one(proxy: Served, origin: ScriptedOrigin) -> None:
    """What it did is told in `cache-status` alone; all else in our headers is our own."""
    told = {"x-cache": "HIT", "x-cache-tier": "shared", "cache-status": "Edge; hit", "age": "9"}
    origin.always = Act(headers=tuple(told.items()))
    read, passed = await proxy.post(chat()), await proxy.get("/v1/models")

    for got, mine in ((read, "MISS"), (passed, "BYPASS")):
        assert got.headers.getall("x-cache") == [mine]
        assert "x-cache-tier" not in got.headers
        assert got.headers.getall("cache-status")[0] == "Edge; hit"
        assert got.headers.getall("cache-status")[1].startswith("Reprise; fwd=")
        assert got.headers.getall("age") == ["9"]
