"""Origins asked in turn: who is asked, with what, and whose answer the caller gets."""

from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace

import pytest

from proxy.core.recording import SUBSTITUTE
from proxy.errors import UnreachableError
from proxy.ports import OriginReply, OriginRequest
from proxy.upstream.client import HttpOrigin
from proxy.upstream.fallback import Chain, Link
from tests.support.origin import Act, ScriptedOrigin, scripted_origin
from tests.support.ports import Feed, Heard
from tests.support.servers import free_port
from tests.tiers.builders import FakeClock

BODY = b'{"model":"gpt-4o","messages":[{"role":"user","content":"hi"}]}'
ASK = OriginRequest(
    "POST",
    "/chat/completions",
    (
        ("authorization", "Bearer caller"),
        ("openai-project", "p"),
        ("x-app", "1"),
        ("content-length", str(len(BODY))),
    ),
    BODY,
)


SECRET = ("api-key", "x-api-key", "x-goog-api-key", "cookie", "helicone-auth", "x-auth-token")
FAR = f"1 Jan {9**30} 00:00 GMT"
"""A date that no calendar has."""


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def heard() -> Heard:
    return Heard()


@asynccontextmanager
async def chain(
    urls: Sequence[str], clock: FakeClock, heard: Heard, models: Sequence[str | None] = ()
) -> AsyncIterator[Chain]:
    models = [*models, *[None] * len(urls)]
    async with AsyncExitStack() as stack:
        links = []
        for number, url in enumerate(urls):
            origin = HttpOrigin(url, api_key=f"own-{number}" if number else None)
            await origin.start()
            stack.push_async_callback(origin.close)
            links.append(Link(f"o{number}", origin, models[number]))
        yield Chain(links, {}, clock=clock, observer=heard)


async def read(reply: OriginReply) -> bytes:
    body = b"".join([chunk async for chunk in reply.chunks()])
    await reply.close()
    return body


async def status(asked: Chain, request: OriginRequest = ASK) -> int:
    """Of a reply that is read to its end."""
    reply = await asked.send(request)
    await read(reply)
    return reply.status


@pytest.mark.parametrize("code", [429, 500, 503, 529])
async def test_a_failure_is_asked_elsewhere(
    origin: ScriptedOrigin, clock: FakeClock, heard: Heard, code: int
) -> None:
    """Overloaded or failing: the next one answers, by its own key, and nothing else is told."""
    origin.then(status=code, body=b"{}")
    with scripted_origin() as other:
        async with chain([origin.url, other.url], clock, heard) as asked:
            reply = await asked.send(ASK)
            body = await read(reply)

        got = other.requests[0]
        assert (reply.status, b"gpt-4o" in body) == (200, True)
        assert got.header("authorization") == "Bearer own-1"
        assert (got.header("openai-project"), got.header("x-app")) == (None, "1")
        assert SUBSTITUTE not in dict(reply.headers)
        assert origin.requests[0].header("authorization") == "Bearer caller"
        assert heard.events == [("upstream_failed", {"upstream": "o0", "instead": "o1"})]


@pytest.mark.parametrize("code", [200, 400, 401, 404, 422])
async def test_an_answer_is_an_answer(
    origin: ScriptedOrigin, clock: FakeClock, heard: Heard, code: int
) -> None:
    """What is the caller's fault, others would only say again."""
    origin.then(status=code)
    with scripted_origin() as other:
        async with chain([origin.url, other.url], clock, heard) as asked:
            reply = await asked.send(ASK)
            await read(reply)

        assert (reply.status, other.calls) == (code, 0)
        assert "x-should-retry" not in dict(reply.headers)


async def test_one_that_is_not_there(clock: FakeClock, heard: Heard) -> None:
    """No connection, no answer: the next one is asked."""
    with scripted_origin() as other:
        gone = f"http://127.0.0.1:{free_port()}/v1"
        async with chain([gone, other.url], clock, heard) as asked:
            assert await status(asked) == 200


async def test_all_fail(origin: ScriptedOrigin, clock: FakeClock, heard: Heard) -> None:
    """The caller hears what the origin it knows said, and that asking again would be in vain."""
    origin.then(status=429, headers=(("retry-after", "7"),), body=b'{"error":"mine"}')
    with scripted_origin() as other:
        other.then(status=500, body=b'{"error":"other"}')
        gone = f"http://127.0.0.1:{free_port()}/v1"
        async with chain([origin.url, other.url, gone], clock, heard) as asked:
            reply = await asked.send(ASK)
            body = await read(reply)

    told = dict(reply.headers)
    assert (reply.status, body) == (429, b'{"error":"mine"}')
    assert (told["retry-after"], told["x-should-retry"]) == ("7", "false")


async def test_none_is_there(clock: FakeClock, heard: Heard) -> None:
    """The error names the origin that was meant."""
    first, second = free_port(), free_port()
    urls = [f"http://127.0.0.1:{port}/v1" for port in (first, second)]
    async with chain(urls, clock, heard) as asked:
        with pytest.raises(UnreachableError, match=str(first)):
            await asked.send(ASK)


@pytest.mark.parametrize(
    ("headers", "rests_s"),
    [
        ((("retry-after", "20"),), 20),
        ((("retry-after-ms", "1500"), ("retry-after", "20")), 1.5),
        ((("retry-after", "Thu, 01 Jan 1970 00:20:00 GMT"),), 200),
        ((("retry-after", "86400"),), 600),
    ],
)
async def test_who_asks_for_rest_gets_it(
    origin: ScriptedOrigin,
    clock: FakeClock,
    heard: Heard,
    headers: tuple[tuple[str, str], ...],
    rests_s: float,
) -> None:
    """For as long as the origin says, ten minutes at most, it is not asked at all."""
    clock.now = 1000.0
    origin.then(status=429, headers=headers, body=b"{}")
    with scripted_origin() as other:
        async with chain([origin.url, other.url], clock, heard) as asked:
            for wait_s in (0.0, rests_s - 0.1, 0.2):
                clock.now += wait_s
                await status(asked)

        assert (origin.calls, other.calls) == (2, 2)


async def test_when_all_rest(origin: ScriptedOrigin, clock: FakeClock, heard: Heard) -> None:
    """A request is better asked than refused."""
    rest = (("retry-after", "60"),)
    origin.then(status=429, headers=rest, body=b"{}")
    with scripted_origin() as other:
        other.then(status=429, headers=rest, body=b"{}")
        async with chain([origin.url, other.url], clock, heard) as asked:
            assert await status(asked) == 429
            assert await status(asked) == 200

    assert origin.calls == 2


@pytest.mark.parametrize("retry_after", ["soon", "-5", "nan", "Fri, 99 Foo 2026", FAR, ""])
async def test_an_unreadable_rest_is_none(
    origin: ScriptedOrigin, clock: FakeClock, heard: Heard, retry_after: str
) -> None:
    """The origin is asked again with the next request."""
    origin.then(status=503, headers=(("retry-after", retry_after),), body=b"{}")
    with scripted_origin() as other:
        async with chain([origin.url, other.url], clock, heard) as asked:
            await status(asked)
            await status(asked)

    assert origin.calls == 2


async def test_another_model_is_named(
    origin: ScriptedOrigin, clock: FakeClock, heard: Heard
) -> None:
    """The body says it, with its own length, and the reply that somebody else has answered."""
    origin.then(status=500, body=b"{}")
    with scripted_origin() as other:
        urls = [origin.url, other.url]
        async with chain(urls, clock, heard, [None, "a-longer-model-name"]) as asked:
            reply = await asked.send(ASK)
            await read(reply)

        assert other.requests[0].json == {**origin.requests[0].json, "model": "a-longer-model-name"}
        assert dict(reply.headers)[SUBSTITUTE] == "o1"


async def test_a_body_that_is_still_coming(
    origin: ScriptedOrigin, clock: FakeClock, heard: Heard
) -> None:
    """It can be sent once: no second origin is asked."""

    async def pieces() -> AsyncIterator[bytes]:
        yield BODY

    origin.then(status=500, body=b"{}")
    with scripted_origin() as other:
        async with chain([origin.url, other.url], clock, heard) as asked:
            upload = OriginRequest("POST", "/files", (("x-app", "1"),), pieces())
            assert await status(asked, upload) == 500

        assert other.calls == 0


@pytest.mark.parametrize("code", [400, 401, 404, 422])
async def test_a_fallback_that_refuses_has_failed(
    origin: ScriptedOrigin, clock: FakeClock, heard: Heard, code: int
) -> None:
    """It has not what the first one has; rather than to tell of that, one that rests is asked."""
    origin.then(status=429, headers=(("retry-after", "7"),), body=b'{"error":"mine"}')
    with scripted_origin() as second, scripted_origin() as third:
        second.always = third.always = Act(status=code, body=b"{}")
        async with chain([origin.url, second.url, third.url], clock, heard) as asked:
            first = await asked.send(ASK)
            body = await read(first)
            again = await status(asked)

        assert (first.status, body) == (429, b'{"error":"mine"}')
        assert (again, origin.calls, second.calls, third.calls) == (200, 2, 2, 2)


async def test_no_credential_goes_along(
    origin: ScriptedOrigin, clock: FakeClock, heard: Heard
) -> None:
    """Wherever the caller put it: who stands in for his origin is a stranger to him."""
    origin.then(status=500, body=b"{}")
    secret = [(name, "secret") for name in SECRET]
    with scripted_origin() as other:
        async with chain([origin.url, other.url], clock, heard) as asked:
            await status(asked, replace(ASK, headers=(*ASK.headers, *secret)))

        assert "secret" not in dict(other.requests[0].headers).values()
        assert {name for name, _ in secret} <= origin.requests[0].names


async def test_another_model_is_named_with_usage_too(
    origin: ScriptedOrigin, clock: FakeClock, heard: Heard
) -> None:
    """Both bodies name it: the one that asks for usage, and the caller's own."""
    origin.then(status=500, body=b"{}")
    told = Feed()
    async with chain([origin.url], clock, heard) as first:
        links = [*first._links, Link("fed", told, "mini")]
        asked = Chain(links, {}, clock=clock, observer=heard)
        await asked.send(replace(ASK, with_usage=BODY))

    (got,) = told.asked
    assert got.with_usage == got.body
    assert b'"model":"mini"' in got.body
