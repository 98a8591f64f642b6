"""Callers get what they may have, and hits are given when the origin has no time."""

import asyncio
from collections.abc import Mapping
from typing import Any

import openai
import pytest

from tests.support.access import guarded, key
from tests.support.origin import Gate, ScriptedOrigin
from tests.support.program import KEY, Got, Served, Serving, chat
from tests.support.waiting import until

SLOW = {"requests_per_minute": 0.01, "burst": 3}
"""So few that none comes back while a test runs."""


def left(got: Got) -> Mapping[str, str]:
    return {
        name.lower().removeprefix("x-ratelimit-").removesuffix("-requests"): value
        for name, value in got.headers.items()
        if name.lower().startswith("x-ratelimit-")
    }


def is_too_fast(got: Got) -> bool:
    return (got.status, got.code) == (429, "rate_limit_exceeded")


async def test_so_many_a_minute(serving: Serving, origin: ScriptedOrigin) -> None:
    """Those beyond get 429 with what clients read; the origin's own numbers are not told."""
    origin.always = type(origin.always)(headers=(("x-ratelimit-limit-requests", "10000"),))
    async with serving(limits=SLOW) as proxy:
        got = [await proxy.post(chat(str(number))) for number in range(4)]
        other = await proxy.post(chat(), "sk-other")

    assert [one.status for one in got] == [200, 200, 200, 429]
    assert [left(one)["remaining"] for one in got] == ["2", "1", "0", "0"]
    assert {left(one)["limit"] for one in got} == {"3"}
    assert is_too_fast(got[-1])
    assert got[-1].json["error"]["type"] == "requests"
    assert 5990 < int(got[-1].headers["retry-after"]) <= 6000
    assert left(got[-1])["reset"].startswith("4h59m5")
    assert other.status == 200
    assert origin.calls == 4


async def test_the_official_client_is_told(serving: Serving) -> None:
    """It raises what its user already handles."""
    async with serving(limits={**SLOW, "burst": 1}) as proxy, proxy.sdk() as client:
        await client.chat.completions.create(**chat())
        with pytest.raises(openai.RateLimitError) as refused:
            await client.chat.completions.create(**chat())

    assert refused.value.code == "rate_limit_exceeded"


async def test_everything_counts(serving: Serving) -> None:
    """Also what is passed through, and the cache's own answers."""
    async with serving(limits=SLOW) as proxy:
        for _ in range(2):
            await proxy.post(chat())
        listed = await proxy.get("/v1/models", authorization=f"Bearer {KEY}")
        refused = await proxy.get("/v1/models", authorization=f"Bearer {KEY}")
        probe = await proxy.get("/healthz")

    assert (listed.status, refused.status, probe.status) == (200, 429, 200)


async def test_hits_can_be_free(serving: Serving, origin: ScriptedOrigin) -> None:
    """Then only what the origin is asked for counts, and hits are given when nothing is left."""
    async with serving(limits={**SLOW, "burst": 2, "count_hits": False}) as proxy:
        first = await proxy.post(chat())
        hits = [await proxy.post(chat()) for _ in range(5)]
        stream = await proxy.post(chat("Else?", stream=True))
        missed = [
            await proxy.post(chat("Third?")),
            await proxy.post({"model": "e", "input": "x"}, to="/embeddings"),
            await proxy.post({}, to="/files"),
        ]
        late = await proxy.post(chat())

    assert first.status == stream.status == 200
    assert {one.cache for one in (*hits, late)} == {"HIT"}
    assert [is_too_fast(one) for one in missed] == [True] * 3
    assert {left(one)["remaining"] for one in hits} == {"1"}
    assert origin.calls == 2


async def test_who_waits_for_another_s_call_is_not_counted(
    serving: Serving, origin: ScriptedOrigin
) -> None:
    """The origin is asked once, and so is the quota."""
    gate = Gate()
    origin.then(before=gate)
    async with serving(limits={**SLOW, "burst": 1, "count_hits": False}) as proxy:
        asking = [asyncio.get_running_loop().create_task(proxy.post(chat())) for _ in range(3)]
        await gate.reached()
        gate.open()
        got = await asyncio.gather(*asking)

    assert sorted(one.cache or "" for one in got) == ["COALESCED", "COALESCED", "MISS"]


async def test_so_many_at_once(serving: Serving, origin: ScriptedOrigin) -> None:
    """One more gets 429 at once, until one of them has ended, however it ends."""
    gate = Gate()
    origin.then(before=gate)
    async with serving(limits={"concurrent_requests": 1}) as proxy:
        first = asyncio.get_running_loop().create_task(proxy.post(chat()))
        await gate.reached()
        refused = await proxy.post(chat("Else?"))
        other = await proxy.post(chat("Else?"), "sk-other")
        first.cancel()
        await until(lambda: proxy.runtime.quotas.may_enter("", proxy.runtime.terms), "leaving")
        await until(lambda: not proxy.runtime.in_flight.taken, "leaving")
        after = await proxy.post(chat("Else?"))
        gate.open()

    assert is_too_fast(refused)
    assert (other.status, after.status) == (200, 200)


async def test_what_is_in_flight_is_told(serving: Serving, origin: ScriptedOrigin) -> None:
    """Requests of callers and calls to origins, as an autoscaler reads them from `/metrics`."""
    gate = Gate()
    origin.then(before=gate)
    async with serving() as proxy:
        asking = asyncio.get_running_loop().create_task(proxy.post(chat()))
        await gate.reached()
        during = (await proxy.get("/metrics")).body.decode()
        gate.open()
        await asking
        await until(lambda: not proxy.runtime.in_flight.taken, "its end")
        after = (await proxy.get("/metrics")).body.decode()

    for what in ("requests", "calls"):
        assert f"\nreprise_{what}_in_flight 1.0\n" in during
        assert f"\nreprise_{what}_in_flight 0.0\n" in after


async def test_a_key_s_own_terms_hold(serving: Serving) -> None:
    """In place of everybody's; keys of one tenant use one quota."""
    keys = guarded(
        key("old", "sk-old", tenant="ada", requests_per_minute=0.01),
        key("new", "sk-new", tenant="ada", requests_per_minute=0.01),
        key("bob", "sk-bob"),
    )
    async with serving(**keys, limits={"requests_per_minute": 1000}) as proxy:
        statuses = [
            (await proxy.post(chat(), one)).status for one in ("sk-old", "sk-new", "sk-new")
        ]
        other = [(await proxy.post(chat(), "sk-bob")).status for _ in range(5)]

    assert statuses == [200, 429, 429]
    assert set(other) == {200}


async def test_callers_who_share_answers_share_no_quota(serving: Serving) -> None:
    """One of them cannot use up what the others have."""
    async with serving(limits={**SLOW, "burst": 1}, cache={"tenancy": "shared"}) as proxy:
        got = [await proxy.post(chat(), one) for one in ("sk-a", "sk-b", "sk-a")]

    assert [one.status for one in got] == [200, 200, 429]
    assert got[1].cache == "HIT"


async def fill(proxy: Served, origin: ScriptedOrigin, times: int) -> tuple[Gate, list[Any]]:
    """So many calls to the origin that do not end until the gate is opened."""
    gate = Gate()
    calls = origin.calls
    for _ in range(times):
        origin.then(before=gate)
    asking = [
        asyncio.get_running_loop().create_task(proxy.post(chat(f"Wait {n}?"))) for n in range(times)
    ]
    await origin.asked(calls + times)
    return gate, asking


async def test_misses_are_shed_and_hits_are_not(serving: Serving, origin: ScriptedOrigin) -> None:
    """With as many calls under way as may be: hits, and who joins a call, are answered as ever."""
    async with serving(limits={"asking": 2}) as proxy:
        await proxy.post(chat("Known?"))
        gate, asking = await fill(proxy, origin, 2)
        missed = [
            await proxy.post(chat("New?")),
            await proxy.post(chat("New?", stream=True)),
            await proxy.post({"model": "e", "input": "x"}, to="/embeddings"),
            await proxy.post({}, to="/files"),
        ]
        hits = [await proxy.post(chat("Known?")) for _ in range(5)]
        joined = asyncio.get_running_loop().create_task(proxy.post(chat("Wait 0?")))
        await asyncio.sleep(0.05)
        assert not joined.done()
        gate.open()
        got = await asyncio.gather(*asking, joined)
        late = await proxy.post(chat("New?"))
        counted = (await proxy.get("/metrics")).body.decode()

    for one in missed:
        assert (one.status, one.code) == (503, "overloaded")
        assert one.headers["retry-after"] == "1"
    assert {one.cache for one in hits} == {"HIT"}
    assert [one.status for one in (*got, late)] == [200] * 4
    assert got[-1].cache == "COALESCED"
    assert 'reprise_refused_total{reason="overloaded"} 4.0' in counted


async def test_an_expired_answer_stands_in(serving: Serving, origin: ScriptedOrigin) -> None:
    """Where it may for an origin that fails, it does for one that cannot be asked."""
    lived = {"ttl": {"default_s": 0.05, "stale_if_error_s": 600}}
    async with serving(limits={"asking": 1}, cache=lived) as proxy:
        await proxy.post(chat("Known?"))
        await asyncio.sleep(0.1)
        gate, asking = await fill(proxy, origin, 1)
        got = await proxy.post(chat("Known?"))
        gate.open()
        await asyncio.gather(*asking)

    assert (got.status, got.cache) == (200, "STALE")


async def test_places_are_given_back(serving: Serving, origin: ScriptedOrigin) -> None:
    """Whatever becomes of a call: failed, broken off, left by its caller, passed through."""
    async with serving(limits={"asking": 1, "in_flight": 1}) as proxy:
        origin.then(status=500)
        await proxy.post(chat("a"))
        origin.then(break_at=0)
        await proxy.post(chat("b"))
        await proxy.get("/v1/models")
        gate, (leaver,) = await fill(proxy, origin, 1)
        leaver.cancel()
        await until(lambda: not proxy.runtime.asking.taken, "giving back")
        await until(lambda: not proxy.runtime.in_flight.taken, "giving back")
        got = await proxy.post(chat("c"))
        gate.open()

    assert got.status == 200


async def test_all_has_a_bound(serving: Serving, origin: ScriptedOrigin) -> None:
    """More requests than may be under way are refused before they are read; probes are not."""
    async with serving(limits={"in_flight": 2}) as proxy:
        gate, asking = await fill(proxy, origin, 2)
        refused = await proxy.post(chat())
        probe = await proxy.get("/healthz")
        gate.open()
        await asyncio.gather(*asking)

    assert (refused.status, refused.code) == (503, "overloaded")
    assert probe.status == 200


async def test_a_socket_that_the_origin_refuses_is_counted_once(
    serving: Serving, origin: ScriptedOrigin
) -> None:
    """It is asked twice, for it says why only without one; the caller has asked once."""
    origin.always = type(origin.always)(status=418, body=b"{}")
    socket = {"connection": "upgrade", "upgrade": "websocket", "sec-websocket-version": "13"}
    async with serving(limits={**SLOW, "burst": 1, "asking": 1, "count_hits": False}) as proxy:
        got = [await proxy.get("/v1/realtime", **socket) for _ in range(2)]

    assert [one.status for one in got] == [418, 429]


async def test_a_batch_that_takes_two_calls_is_counted_once(
    serving: Serving, origin: ScriptedOrigin
) -> None:
    """What is lacking was refused, so that the origin is asked as the caller did."""
    async with serving(limits={**SLOW, "burst": 2, "count_hits": False}) as proxy:
        await proxy.post({"model": "e", "input": "a"}, to="/embeddings")
        origin.then(status=400)
        got = await proxy.post({"model": "e", "input": ["a", "b"]}, to="/embeddings")

    assert (got.status, origin.calls) == (200, 3)
    assert left(got)["remaining"] == "0"
