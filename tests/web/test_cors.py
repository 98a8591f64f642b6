"""Browsers are told which pages may read, and no page may that was not named."""

from collections.abc import Mapping

import pytest

from tests.support.access import guarded, key
from tests.support.lines import known, line_to
from tests.support.origin import ScriptedOrigin
from tests.support.program import KEY, Served, Serving, chat

PAGE = "https://app.example"
OPEN = {"cors": {"origins": [PAGE, "http://localhost:3000"]}}
OTHERS = ["https://evil.example", f"{PAGE}.evil.example", "http://app.example", "null", ""]


async def preflight(
    proxy: Served, page: str, path: str = "/v1/chat/completions"
) -> tuple[int, Mapping[str, str]]:
    asked = {
        "origin": page,
        "access-control-request-method": "POST",
        "access-control-request-headers": "authorization, x-cache-ttl",
    }
    async with proxy.http.options(f"{proxy.root}{path}", headers=asked) as got:
        await got.read()
        return got.status, told(got.headers)


def told(headers: Mapping[str, str]) -> dict[str, str]:
    return {
        name.lower().removeprefix("access-control-"): value
        for name, value in headers.items()
        if name.lower().startswith("access-control-")
    }


async def test_pages_that_are_named_may_ask(serving: Serving) -> None:
    """The preflight is answered without a key, and answers may be read: misses, hits, errors."""
    async with serving(**guarded(key("ada", KEY)), server=OPEN) as proxy:
        status, allowed = await preflight(proxy, PAGE)
        got = [await proxy.post(chat(), origin=PAGE) for _ in range(3)]
        refused = await proxy.post(chat(), "sk-eve", origin=PAGE)

    assert status == 204
    assert allowed["allow-origin"] == PAGE
    assert allowed["allow-headers"] == "authorization, x-cache-ttl"
    assert "POST" in allowed["allow-methods"]
    assert [one.status for one in (*got, refused)] == [200, 200, 200, 401]
    for one in (*got, refused):
        assert told(one.headers)["allow-origin"] == PAGE
        assert one.headers["vary"] == "origin"
        assert "allow-credentials" not in told(one.headers)


@pytest.mark.parametrize("page", OTHERS)
async def test_others_may_not(serving: Serving, page: str) -> None:
    """Neither preflight nor answer says that they may; without a key the origin is not asked."""
    async with serving(**guarded(key("ada", KEY)), server=OPEN) as proxy:
        status, allowed = await preflight(proxy, page, "/v1/models")
        got = await proxy.post(chat(), origin=page)

    assert (status, allowed) == (401, {})
    assert told(got.headers) == {}


async def test_what_an_origin_says_is_not_passed_on(
    serving: Serving, origin: ScriptedOrigin
) -> None:
    """By default no page of elsewhere may read, whatever the origin allows those that ask it."""
    lenient = (("access-control-allow-origin", "*"), ("access-control-allow-credentials", "true"))
    async with serving() as proxy:
        got = []
        for path in ("/chat/completions", "/files"):
            origin.then(headers=(("content-type", "application/json"), *lenient))
            got.append(await proxy.post(chat(), to=path, origin=PAGE))

    assert [told(one.headers) for one in got] == [{}, {}]


async def test_the_admin_api_is_for_no_page(serving: Serving) -> None:
    """A page that may ask for answers may not read what operators see."""
    token = "0123456789abcdef"
    async with serving(server=OPEN, admin={"token": token}) as proxy:
        _, allowed = await preflight(proxy, PAGE, "/admin/v1/stats")
        got = await proxy.get("/admin/v1/stats", authorization=f"Bearer {token}", origin=PAGE)

    assert allowed == {}
    assert got.status == 200
    assert told(got.headers) == {}


async def test_every_page(serving: Serving) -> None:
    """Where the operator says so."""
    async with serving(server={"cors": {"origins": ["*"]}}) as proxy:
        got = await proxy.post(chat(), origin="https://any.example")
        plain = await proxy.post(chat())

    assert told(got.headers)["allow-origin"] == "*"
    assert told(plain.headers) == {}


async def test_a_repeat_says_so_too(serving: Serving) -> None:
    """However often it is asked, a page may read what it may read."""
    async with serving(server=OPEN) as proxy, line_to(proxy) as line:
        asked = await known(line, chat(), origin=PAGE)
        replies = [await line.ask(asked) for _ in range(3)]

    for one in replies:
        assert f"access-control-allow-origin: {PAGE}".encode() in one.lower()


@pytest.mark.parametrize(
    ("page", "more", "status"),
    [
        ("https://evil.example", {}, 403),
        ("null", {}, 403),
        (PAGE, {}, 418),
        ("http://proxy.example", {}, 418),
        ("https://evil.example", {"sec-websocket-protocol": f"openai-insecure-api-key.{KEY}"}, 418),
        ("https://evil.example", {"authorization": f"Bearer {KEY}"}, 418),
        (None, {}, 418),
    ],
)
async def test_a_page_of_elsewhere_opens_no_socket_by_our_key(
    serving: Serving, origin: ScriptedOrigin, page: str | None, more: dict[str, str], status: int
) -> None:
    """Browsers would let it read; named pages, our own and no pages may, and who has a key."""
    origin.always = type(origin.always)(status=418, body=b"{}")
    opening = {"connection": "upgrade", "upgrade": "websocket", "sec-websocket-version": "13"}
    headers = {"host": "proxy.example", **opening, **more, **({"origin": page} if page else {})}
    upstream = {"api_key": "sk-ours"}
    async with (
        serving(server=OPEN, upstream=upstream) as proxy,
        proxy.http.get(f"{proxy.url}/realtime", headers=headers) as got,
    ):
        assert got.status == status
    assert bool(origin.calls) == (status == 418)
