"""Repeats answered as their bytes arrive are answered as the full path would, or left to it."""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from proxy.core.changes import ALL_TENANTS, Selector
from proxy.web.lane import LARGEST, MOST_BYTES
from proxy.web.protocol import RELIED_ON, LaneProtocol, missing
from tests.support.access import guarded, key
from tests.support.lines import ASKED, PATH, Line, common, grown, known, line_to, raw, series, told
from tests.support.origin import Gate, ScriptedOrigin
from tests.support.program import KEY, Json, Served, Serving, chat


@pytest.fixture
async def proxy(serving: Serving) -> AsyncIterator[Served]:
    async with serving() as one:
        yield one


@pytest.mark.parametrize("name", ASKED)
@pytest.mark.parametrize("expose", [True, False])
async def test_both_ways_say_the_same(serving: Serving, name: str, expose: bool) -> None:
    """Every endpoint, plain and as a stream: the same bytes, log lines and counts."""
    path, body = ASKED[name]
    async with (
        serving(server={"expose_cache_headers": expose}) as proxy,
        line_to(proxy) as line,
        line_to(proxy) as other,
    ):
        for _ in range(2):
            await line.ask(raw(path, body))
        before = proxy.lane.answered
        quick = [await line.ask(raw(path, body)) for _ in range(3)]
        answered = proxy.lane.answered - before
        full = await other.ask(raw(path, body, chunked=True))
        lines = proxy.events("request")
        counted = (await proxy.get("/metrics")).body.decode()

    assert answered == 3
    assert {common(reply) for reply in quick} == {common(full)}
    assert len({*quick, full}) == 4
    assert [told(one) for one in lines[2:-1]] == [told(lines[-1])] * 3
    assert len({one["request_id"] for one in lines}) == 6
    hits = [one for one in counted.splitlines() if one.startswith("reprise_requests_total{")]
    assert sum(float(one.split()[-1]) for one in hits if 'result="HIT"' in one) == 5


async def test_the_same_is_counted(serving: Serving) -> None:
    """Tokens, money, times, lookups: a lane's hits are counted as others are."""
    async with serving() as proxy, line_to(proxy) as line, line_to(proxy) as other:
        for _ in range(2):
            await line.ask(raw(PATH, chat()))
        counts = [series((await proxy.get("/metrics")).body.decode())]
        for ask, chunked in ((line, False), (other, True)):
            for _ in range(3):
                await ask.ask(raw(PATH, chat(), chunked=chunked))
            counts.append(series((await proxy.get("/metrics")).body.decode()))
        answered = proxy.lane.answered

    by_lane, by_full = grown(counts[1], counts[0]), grown(counts[2], counts[1])
    assert answered == 3
    assert by_lane == pytest.approx(by_full)


@given(
    text=st.text(min_size=1, max_size=40),
    session=st.sampled_from(["", "a", "b"]),
    namespace=st.sampled_from(["", "docs"]),
    more=st.fixed_dictionaries(
        {}, optional={"seed": st.integers(0, 2), "stream": st.booleans(), "n": st.just(2)}
    ),
)
@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
async def test_whoever_asks_gets_what_is_his(
    proxy: Served, text: str, session: str, namespace: str, more: Json
) -> None:
    """Whatever is asked, by whatever session: both ways agree, request by request."""
    said = {"x-cache-session": session, "x-cache-namespace": namespace}
    headers = {name: value for name, value in said.items() if value}
    body = chat(text, **more)
    async with line_to(proxy) as line, line_to(proxy) as other:
        quick = [await line.ask(raw(PATH, body, headers)) for _ in range(4)]
        full = await other.ask(raw(PATH, body, headers, chunked=True))

    assert common(quick[3]) == common(full)


async def test_what_was_forgotten_is_not_repeated(proxy: Served) -> None:
    """A purge reaches the lane: it asks the session tier each time."""
    async with line_to(proxy) as line:
        asked = await known(line, chat())
        await proxy.runtime.invalidate(Selector(ALL_TENANTS, everything=True))
        reply = await line.ask(asked)

    assert b"x-cache: MISS" in reply
    assert proxy.lane.answered == 0


async def test_what_is_too_old_is_not_repeated(serving: Serving, origin: ScriptedOrigin) -> None:
    """Freshness is asked each time, too."""
    async with serving(cache={"ttl": {"default_s": 0.3}}) as proxy, line_to(proxy) as line:
        asked = await known(line, chat())
        await line.ask(asked)
        answered = proxy.lane.answered
        await asyncio.sleep(0.4)
        reply = await line.ask(asked)

    assert (answered, proxy.lane.answered) == (1, 1)
    assert b"x-cache: MISS" in reply
    assert origin.calls == 2


async def test_a_reload_holds_at_once(proxy: Served) -> None:
    """What was prepared under another configuration is prepared anew."""
    config = proxy.runtime.config
    hidden = config.model_copy(
        update={"server": config.server.model_copy(update={"expose_cache_headers": False})}
    )
    async with line_to(proxy) as line:
        asked = await known(line, chat())
        before = await line.ask(asked)
        await proxy.reloader.live.follow(hidden)
        after = await line.ask(asked)

    assert b"x-cache: HIT" in before
    assert b"x-cache" not in after


def as_told(reply: bytes) -> set[bytes]:
    """A reply's lines, in whatever order, without what each has of its own."""
    own = rb"(?i)(x-ratelimit-(?:remaining|reset)-requests): [^\r]*"
    return set(re.sub(own, rb"\1", common(reply)).split(b"\r\n"))


async def remaining(line: Line, asked: bytes) -> int:
    found = re.search(rb"(?i)x-ratelimit-remaining-requests: (\d+)", await line.ask(asked))
    assert found is not None
    return int(found[1])


@pytest.mark.parametrize("tier", ["session", "shared"])
async def test_quotas_hold(serving: Serving, tier: str) -> None:
    """A repeat counts as any request does, and is told so; beyond the quota it is refused."""
    limits = {"requests_per_minute": 0.01, "burst": 6}
    sessions = {"session": {"enabled": tier == "session"}}
    async with (
        serving(limits=limits, cache=sessions) as proxy,
        line_to(proxy) as line,
        line_to(proxy) as other,
    ):
        asked = await known(line, chat())
        quick = await line.ask(asked)
        full = await other.ask(raw(PATH, chat(), chunked=True))
        left = [await remaining(line, asked) for _ in range(2)]
        refused = [await line.ask(asked) for _ in range(3)]
        answered = proxy.lane.answered

    assert as_told(quick) == as_told(full)
    assert left == [1, 0]
    assert answered == 3
    for one in refused:
        assert one.startswith(b"HTTP/1.1 429 ")


async def test_repeats_can_be_free(serving: Serving) -> None:
    """Where hits do not count, they are given when nothing is left."""
    limits = {"requests_per_minute": 0.01, "burst": 1, "count_hits": False}
    async with serving(limits=limits) as proxy, line_to(proxy) as line:
        asked = await known(line, chat())
        left = [await remaining(line, asked) for _ in range(3)]
        answered = proxy.lane.answered

    assert left == [0, 0, 0]
    assert answered == 3


async def test_so_many_at_once_hold(serving: Serving, origin: ScriptedOrigin) -> None:
    """Who has as many requests under way as he may is refused a repeat too."""
    async with (
        serving(limits={"concurrent_requests": 1}) as proxy,
        line_to(proxy) as line,
        line_to(proxy) as other,
    ):
        asked = await known(line, chat())
        gate = Gate()
        origin.then(before=gate)
        other.writer.write(raw(PATH, chat("Slow?")))
        await gate.reached()
        refused = await line.ask(asked)
        gate.open()
        await other.answer()
        again = [await line.ask(asked) for _ in range(3)]
        answered = proxy.lane.answered

    assert refused.startswith(b"HTTP/1.1 429 ")
    assert {one[:12] for one in again} == {b"HTTP/1.1 200"}
    assert answered >= 1


async def test_a_full_origin_holds_no_repeat_up(serving: Serving, origin: ScriptedOrigin) -> None:
    """Repeats are answered while every place is taken."""
    limits = {"asking": 1, "in_flight": 1}
    async with serving(limits=limits) as proxy, line_to(proxy) as line, line_to(proxy) as other:
        asked = await known(line, chat())
        gate = Gate()
        origin.then(before=gate)
        other.writer.write(raw(PATH, chat("Slow?")))
        await gate.reached()
        before = proxy.lane.answered
        replies = [await line.ask(asked) for _ in range(3)]
        answered = proxy.lane.answered - before
        gate.open()
        await other.answer()

    assert answered == 3
    assert {one[:12] for one in replies} == {b"HTTP/1.1 200"}


async def test_a_key_that_is_taken_back_repeats_nothing(serving: Serving) -> None:
    """Its requests were known by their bytes: they are refused from the reload on."""
    async with serving(**guarded(key("ada", KEY), key("bob"))) as proxy, line_to(proxy) as line:
        asked = await known(line, chat())
        before = await line.ask(asked)
        config = proxy.runtime.config
        kept = config.access.model_copy(update={"keys": config.access.keys[1:]})
        await proxy.reloader.live.follow(config.model_copy(update={"access": kept}))
        after = await line.ask(asked)
        answered = proxy.lane.answered

    assert answered == 1
    assert b"x-cache: HIT" in before
    assert after.startswith(b"HTTP/1.1 401 ")


async def test_feedback_on_a_repeat(proxy: Served) -> None:
    """A caller can call it wrong, as any hit: it is forgotten."""
    async with line_to(proxy) as line:
        asked = await known(line, chat())
        reply = await line.ask(asked)
        found = re.search(rb"x-request-id: (\S+)", reply)
        assert found is not None
        got = await proxy.post(
            {"request_id": found[1].decode(), "verdict": "bad"}, to="/cache/feedback"
        )
        again = await line.ask(asked)

    assert got.status == 200
    assert b"x-cache: MISS" in again


@pytest.mark.parametrize(
    "headers", [{"cache_control": "max-age=60"}, {"cache_control": "no-cache"}]
)
async def test_what_depends_on_the_age_is_looked_up(proxy: Served, headers: dict[str, str]) -> None:
    """Only plain requests are known."""
    async with line_to(proxy) as line:
        asked = await known(line, chat(), **headers)
        await line.ask(asked)

    assert proxy.lane.answered == 0


async def test_a_body_that_comes_later(proxy: Served) -> None:
    """Clients that send head and body apart, as the official one does, are answered as quickly."""
    async with line_to(proxy) as line:
        asked = await known(line, chat())
        end = asked.index(b"\r\n\r\n") + 4
        reply = await line.ask(asked[:end], asked[end : end + 5], asked[end + 5 :])

    assert b"x-cache: HIT" in reply
    assert proxy.lane.answered == 1


async def test_a_body_that_comes_later_is_passed_on_at_once(
    proxy: Served, origin: ScriptedOrigin
) -> None:
    """What the lane cannot know is not held: an upload begins when its head has come."""
    async with line_to(proxy) as line:
        line.writer.write(b"POST /v1/files HTTP/1.1\r\nhost: x\r\ncontent-length: 9\r\n\r\nfirs")
        await origin.asked(1)
        line.writer.write(b"t end")

        assert (await line.answer()).startswith(b"HTTP/1.1 200 ")


async def test_the_official_client(proxy: Served) -> None:
    """Its repeats are answered by the lane."""
    async with proxy.sdk() as sdk:
        said = [
            (
                await sdk.chat.completions.create(
                    model="m", messages=[{"role": "user", "content": "x"}]
                )
            )
            .choices[0]
            .message.content
            for _ in range(4)
        ]

    assert len(set(said)) == 1
    assert proxy.lane.answered == 2


@pytest.mark.parametrize(
    "pieces",
    [
        lambda one: [one[:10], one[10:]],
        lambda one: [one + one],
        lambda one: [one + one[:30], one[30:]],
        lambda one: [one.replace(b"host: x", b"host: x\r\nexpect: 100-continue")],
    ],
    ids=["a head in pieces", "two at once", "one and a half", "expect"],
)
async def test_unusual_arrivals_take_the_full_path(proxy: Served, pieces: Any) -> None:
    """They are answered all the same, each request once and in order."""
    async with line_to(proxy) as line:
        asked = await known(line, chat())
        parts = pieces(asked)
        count = b"".join(parts).count(b"POST ")
        for part in parts:
            line.writer.write(part)
            await asyncio.sleep(0.02)
        replies = [await line.answer() for _ in range(count)]

    assert all(b"x-cache: HIT" in reply for reply in replies)
    assert len(proxy.events("request")) == 2 + count


async def test_many_at_once(proxy: Served) -> None:
    """However busy the loop is, each connection's second repeat is answered by the lane."""
    async with AsyncExitStack() as stack:
        lines = [await stack.enter_async_context(line_to(proxy)) for _ in range(64)]
        asked = await known(lines[0], chat())
        for _ in range(5):
            await asyncio.gather(*(line.ask(asked) for line in lines))

    assert proxy.lane.answered >= 4 * 64


async def test_while_another_request_is_under_way(proxy: Served, origin: ScriptedOrigin) -> None:
    """A pipelined repeat waits its turn: replies come in the order of the requests."""
    gate = Gate()
    async with line_to(proxy) as line:
        asked = await known(line, chat())
        origin.then(before=gate)
        line.writer.write(raw(PATH, chat("Another question")))
        await gate.reached()
        line.writer.write(asked)
        await asyncio.sleep(0.05)
        gate.open()
        first, second = await line.answer(), await line.answer()

    assert b"x-cache: MISS" in first
    assert b"x-cache: HIT" in second
    assert proxy.lane.answered == 0


async def test_what_was_pipelined_is_not_mistaken(proxy: Served) -> None:
    """A reply is never learned for the bytes of a request that came after it."""
    first, second = chat("The first"), chat("The second")
    async with line_to(proxy) as line:
        for one in (first, second):
            await known(line, one)
    async with line_to(proxy) as line:
        line.writer.write(raw(PATH, first))
        line.writer.write(raw(PATH, second))
        for _ in range(2):
            await line.answer()
        replies = [await line.ask(raw(PATH, one)) for one in (first, second)]

    assert b"The first" in replies[0]
    assert b"The second" in replies[1]


async def test_a_slow_reader_is_not_written_to(proxy: Served) -> None:
    """While the connection takes no more, repeats wait as others do, and none is lost."""
    async with line_to(proxy) as line:
        asked = await known(line, chat("x" * 20000))
        for _ in range(300):
            line.writer.write(asked)
        await line.writer.drain()
        replies = [await line.answer() for _ in range(300)]

    assert all(b"x-cache: HIT" in reply for reply in replies)


async def test_a_repeat_keeps_the_connection_alive(proxy: Served) -> None:
    """The time that a silent connection gets begins anew with each reply."""
    async with line_to(proxy) as line:
        asked = await known(line, chat())
        assert proxy.runner.server is not None
        (connection,) = proxy.runner.server.connections
        before = connection._next_keepalive_close_time
        await asyncio.sleep(0.02)
        await line.ask(asked)

        assert connection._next_keepalive_close_time > before


async def test_what_it_knows_is_bounded(proxy: Served) -> None:
    """Of too many requests the oldest are known no longer; one that is too large never is."""
    async with line_to(proxy) as line:
        first = await known(line, chat("0" * 30_000))
        for number in range(1, 150):
            await known(line, chat(f"{number} " + "x" * 30_000))
        await known(line, chat("y" * LARGEST))
        await line.ask(first)
        answered = proxy.lane.answered

    assert answered == 0
    assert proxy.lane._size <= MOST_BYTES
    assert 50 < len(proxy.lane._known) < 150


@pytest.mark.parametrize(
    "head",
    [
        "CONNECT x HTTP/1.1\r\ncontent-length: 2\r\n",
        "POST /x HTTP/1.0\r\ncontent-length: 2\r\n",
        "POST /x HTTP/1.1\r\nx: a\r\n",
        "POST /x HTTP/1.1\r\ncontent-length: 2\r\ncontent-length: 2\r\n",
        "POST /x HTTP/1.1\r\ncontent-length: +2\r\n",
        "POST /x HTTP/1.1\r\ncontent-length: 2, 2\r\n",
        "POST /x HTTP/1.1\r\ncontent-length: 2\r\ntransfer-encoding: chunked\r\n",
        "POST /x HTTP/1.1\r\ncontent-length: 2\r\n folded\r\n",
        "POST /x HTTP/1.1\r\ncontent-length : 2\r\n",
        "POST /x HTTP/1.1\r\ncontent-length: 2\r\nx: a\nb\r\n",
        "POST /x HTTP/1.1\r\ncontent-length: 2\r\nconnection: close\r\n",
        "POST /x HTTP/1.1\r\ncontent-length: 2\r\nconnection: keep-alive, close\r\n",
        "POST /x HTTP/1.1\r\ncontent-length: 2\r\nupgrade: h2c\r\n",
        "POST  /x HTTP/1.1\r\ncontent-length: 2\r\n",
    ],
)
def test_heads_that_are_left_to_aiohttp(head: str) -> None:
    """Whatever may be read in two ways, or asks for more than an answer."""
    assert missing(f"{head}\r\n{{}}".encode()) is None


def test_how_much_is_missing() -> None:
    """Of a plain request; more than one is not."""
    whole = b"POST /x HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n0123456789"

    assert [missing(whole[:size]) for size in (len(whole), len(whole) - 1, len(whole) - 10)] == [
        0,
        1,
        10,
    ]
    assert missing(whole + b"P") is None
    assert missing(whole[:30]) is None
    assert missing(b"GET /v1/models HTTP/1.1\r\nHost: x\r\n\r\n") == 0


def test_aiohttp_is_as_it_is_relied_on() -> None:
    """Its private parts are there: where they are not, there is no lane."""
    names = {name for kind in LaneProtocol.__mro__ for name in getattr(kind, "__slots__", ())}

    assert set(RELIED_ON) <= names
