"""What a caller may ask of the cache (RFC 9111, 5.2.1; RFC 5861, 4; and headers of ours)."""

import asyncio
from typing import Any

import pytest

from tests.support.origin import Act, ScriptedOrigin
from tests.support.program import Got, Served, Serving, chat

SHORT = {"x_cache_ttl": "0.15"}
"""A lifetime that a test can wait for."""

QUICK = {"deadline_ms": 100}


async def outlive() -> None:
    await asyncio.sleep(0.3)


def seen(answers: list[Got]) -> list[str | None]:
    return [answer.cache for answer in answers]


@pytest.mark.parametrize("asked", [{"cache_control": "no-store"}, {"x_cache_mode": "off"}])
async def test_no_store(proxy: Served, origin: ScriptedOrigin, asked: dict[str, str]) -> None:
    """Neither read nor written."""
    answers = [
        await proxy.post(chat(), **asked),
        await proxy.post(chat()),
        await proxy.post(chat(), **asked),
    ]

    assert seen(answers) == ["BYPASS", "MISS", "BYPASS"]
    assert "fwd=bypass" in answers[0].headers["cache-status"]
    assert origin.calls == 3


async def test_no_cache(serving: Serving, origin: ScriptedOrigin) -> None:
    """The origin is asked, and its answer takes the old one's place in every tier."""
    origin.acts.extend([Act(text="old"), Act(text="new")])
    async with serving() as proxy:
        first = await proxy.post(chat())
        second = await proxy.post(chat(), cache_control="no-cache")
        third = await proxy.post(chat())
    async with serving() as proxy:
        fourth = await proxy.post(chat())

    assert [got.text for got in (first, second, third, fourth)] == ["old", "new", "new", "new"]
    assert "fwd=request" in second.headers["cache-status"]
    assert fourth.tier == "shared"
    assert origin.calls == 2


async def test_only_if_cached(proxy: Served, origin: ScriptedOrigin) -> None:
    """A hit, or 504 and nobody is asked (RFC 9111, 5.2.1.7)."""
    cold = await proxy.post(chat(), cache_control="only-if-cached")
    await proxy.post(chat())
    warm = await proxy.post(chat(), cache_control="only-if-cached")

    assert (cold.status, cold.code) == (504, "not_cached")
    assert cold.headers["x-should-retry"] == "false"
    assert (warm.status, warm.cache) == (200, "HIT")
    assert origin.calls == 1


async def test_max_age(proxy: Served, origin: ScriptedOrigin) -> None:
    """No entry older than that."""
    await proxy.post(chat())
    young = await proxy.post(chat(), cache_control="max-age=100")
    old = await proxy.post(chat(), cache_control="max-age=0")

    assert (young.cache, old.cache) == ("HIT", "MISS")
    assert "fwd=request" in old.headers["cache-status"]
    assert origin.calls == 2


async def test_min_fresh(proxy: Served, origin: ScriptedOrigin) -> None:
    """Only an entry that stays fresh so long."""
    await proxy.post(chat(), x_cache_ttl="50")
    fine = await proxy.post(chat(), cache_control="min-fresh=10")
    short = await proxy.post(chat(), cache_control="min-fresh=100")

    assert (fine.cache, short.cache) == ("HIT", "MISS")
    assert origin.calls == 2


async def test_a_lifetime_ends(serving: Serving, origin: ScriptedOrigin) -> None:
    """What has outlived its lifetime is asked for anew."""
    async with serving(cache=QUICK) as proxy:
        await proxy.post(chat(), **SHORT)
        before = await proxy.post(chat())
        await outlive()
        after = await proxy.post(chat())

    assert (before.cache, after.cache) == ("HIT", "MISS")
    assert "fwd=stale" in after.headers["cache-status"]
    assert origin.calls == 2


async def test_a_lifetime_shorter_than_the_deadline(proxy: Served, origin: ScriptedOrigin) -> None:
    """An answer that has expired is not served by the flight that brought it either."""
    await proxy.post(chat(), **SHORT)
    await outlive()
    after = await proxy.post(chat())

    assert (origin.calls, after.cache) == (2, "MISS")


async def test_max_stale(serving: Serving, origin: ScriptedOrigin) -> None:
    """An expired entry serves who says so, and it is told."""
    async with serving(cache=QUICK) as proxy:
        await proxy.post(chat(), **SHORT)
        await outlive()
        got = [
            await proxy.post(chat(), cache_control="max-stale=60"),
            await proxy.post(chat(), cache_control="max-stale"),
            await proxy.post(chat(), cache_control="max-stale=0"),
        ]

    assert seen(got) == ["STALE", "STALE", "MISS"]
    assert "hit" in got[0].headers["cache-status"].split("; ")
    assert origin.calls == 2


@pytest.mark.parametrize("status", [500, 502, 503, 504])
@pytest.mark.parametrize("stream", [False, True])
async def test_stale_if_error(
    serving: Serving, origin: ScriptedOrigin, status: int, stream: bool
) -> None:
    """A stale answer stands in for the origin's failure (RFC 5861, 4)."""
    async with serving(cache=QUICK) as proxy:
        first = await proxy.post(chat(), **SHORT)
        await outlive()
        origin.always = Act(status=status, body=b"{}")
        got = await proxy.post(chat(stream=stream), cache_control="stale-if-error=60")
        plain = await proxy.post(chat())

    assert (got.status, got.cache) == (200, "STALE")
    assert f"fwd=stale; fwd-status={status}" in got.headers["cache-status"]
    assert first.text.split()[1].encode() in got.body
    assert plain.status == status
    assert origin.calls == 3


async def test_stale_if_error_out_of_reach(serving: Serving, origin: ScriptedOrigin) -> None:
    """An origin that breaks off before it has answered has failed too."""
    async with serving(cache=QUICK) as proxy:
        await proxy.post(chat(), **SHORT)
        await outlive()
        origin.always = Act(break_at=0, split=10)
        got = await proxy.post(chat(), cache_control="stale-if-error=60")
        other = await proxy.post(chat("Something else"), cache_control="stale-if-error=60")

    assert (got.status, got.cache) == (200, "STALE")
    assert other.status == 502


async def test_the_callers_fault_is_no_error_of_the_origins(
    serving: Serving, origin: ScriptedOrigin
) -> None:
    """A 4xx is an answer to this caller: nothing stands in for it."""
    async with serving(cache=QUICK) as proxy:
        await proxy.post(chat(), **SHORT)
        await outlive()
        origin.always = Act(status=429, body=b"{}")
        got = await proxy.post(chat(), cache_control="stale-if-error=60")

    assert got.status == 429


async def test_private(serving: Serving, origin: ScriptedOrigin) -> None:
    """Kept in this session of this process alone."""
    async with serving(embedder={"kind": "local"}) as proxy:
        await proxy.post(chat("How do I reset my password?"), cache_control="private")
        got = [
            await proxy.post(chat("How do I reset my password?")),
            await proxy.post(chat("How do I reset my password?"), x_session_id="other"),
            await proxy.post(chat("how can I reset my password"), cache_control="only-if-cached"),
        ]
    async with serving() as proxy:
        got.append(await proxy.post(chat("How do I reset my password?"), x_session_id="third"))

    assert [answer.tier for answer in got[:2]] == ["session", None]
    assert got[3].tier == "shared"  # the other session's, which was not private
    assert origin.calls == 2


async def test_private_is_not_shared(serving: Serving, origin: ScriptedOrigin) -> None:
    """No restart finds it."""
    async with serving() as proxy:
        await proxy.post(chat(), cache_control="private")
    async with serving() as proxy:
        got = await proxy.post(chat())

    assert (origin.calls, got.cache) == (2, "MISS")


async def test_sessions(proxy: Served, origin: ScriptedOrigin) -> None:
    """A session has a first tier of its own; the shared tier is the tenant's."""
    got = [
        await proxy.post(chat(), x_session_id="a"),
        await proxy.post(chat(), x_session_id="a"),
        await proxy.post(chat(), x_session_id="b"),
        await proxy.post(chat(), x_session_id="b"),
    ]

    assert [answer.tier for answer in got] == [None, "session", "shared", "session"]
    assert origin.calls == 1


async def test_namespaces(proxy: Served, origin: ScriptedOrigin) -> None:
    """A namespace is a cache of its own."""
    got = [
        await proxy.post(chat(), x_cache_namespace="a"),
        await proxy.post(chat(), x_cache_namespace="b"),
        await proxy.post(chat()),
        await proxy.post(chat(), x_cache_namespace="a"),
    ]

    assert seen(got) == ["MISS", "MISS", "MISS", "HIT"]
    assert origin.calls == 3


async def test_exact_mode(semantic: Served, origin: ScriptedOrigin) -> None:
    """Only the question's own answer, and it serves no other question."""
    await semantic.post(chat("How do I reset my password?"))
    got = await semantic.post(chat("how can I reset my password"), x_cache_mode="exact")
    same = await semantic.post(chat("how can I reset my password"), x_cache_mode="exact")

    assert (got.cache, same.cache) == ("MISS", "HIT")
    assert origin.calls == 2


async def test_shadow_mode(semantic: Served, origin: ScriptedOrigin) -> None:
    """Looked up and recorded, but answered by the origin."""
    await semantic.post(chat("How do I reset my password?"))
    got = [
        await semantic.post(chat("How do I reset my password?"), x_cache_mode="shadow"),
        await semantic.post(chat("how can I reset my password"), x_cache_mode="shadow"),
    ]
    reasons = [line.get("reason") for line in semantic.events("request")]

    assert seen(got) == ["MISS", "MISS"]
    assert reasons[1:] == ["shadow: session", "shadow: vector"]
    assert origin.calls == 3


async def test_threshold(semantic: Served, origin: ScriptedOrigin) -> None:
    """A caller may be stricter than the configuration, not looser."""
    await semantic.post(chat("How do I reset my password?"))
    strict = await semantic.post(
        chat("how can I reset my password"), x_cache_threshold="0.9999", x_cache_mode="shadow"
    )
    loose = await semantic.post(chat("What time do you open?"), x_cache_threshold="0")

    assert strict.cache == "MISS"
    assert "x-cache-similarity" in strict.headers
    assert semantic.events("request")[1].get("reason") != "shadow: vector"
    assert loose.cache == "MISS"
    assert origin.calls == 3


@pytest.mark.parametrize(
    ("header", "value"),
    [
        ("cache-control", "max-age=soon"),
        ("cache-control", "max-age"),
        ("cache-control", "min-fresh=-1"),
        ("cache-control", "max-stale=x"),
        ("cache-control", "stale-if-error"),
        ("x-cache-ttl", "0"),
        ("x-cache-ttl", "nan"),
        ("x-cache-mode", "fuzzy"),
        ("x-cache-threshold", "1.5"),
        ("x-cache-namespace", "a b"),
        ("x-cache-tags", "a, b c"),
        ("x-session-id", "é"),
    ],
)
async def test_a_malformed_directive(
    proxy: Served, origin: ScriptedOrigin, header: str, value: str
) -> None:
    """400, naming the header: the cache must not guess what was meant."""
    got = await proxy.post(chat(), **{header: value})

    assert (got.status, got.code) == (400, "invalid_cache_directive")
    assert got.json["error"]["param"] == header
    assert header in got.json["error"]["message"]
    assert origin.calls == 0


async def test_an_unknown_directive_is_ignored(proxy: Served, origin: ScriptedOrigin) -> None:
    """As the RFC asks."""
    first = await proxy.post(chat(), cache_control="immutable, x=1")
    second = await proxy.post(chat(), cache_control="immutable")

    assert (first.cache, second.cache, origin.calls) == ("MISS", "HIT", 1)


async def test_the_cache_can_be_switched_off(serving: Serving, origin: ScriptedOrigin) -> None:
    """Then everything is passed through."""
    async with serving(cache={"enabled": False}) as proxy:
        got = [await proxy.post(chat()) for _ in range(2)]

    assert seen(got) == ["BYPASS", "BYPASS"]
    assert origin.calls == 2


@pytest.mark.parametrize(
    ("rules", "text", "expected"),
    [
        ({"time_action": "never"}, "What is the latest version?", ["BYPASS", "BYPASS"]),
        ({"time_action": "exact"}, "What is the latest version?", ["MISS", "HIT"]),
        ({"pii_action": "never"}, "Who is jane@example.com?", ["BYPASS", "BYPASS"]),
        ({"pii_action": "private"}, "Who is jane@example.com?", ["MISS", "HIT"]),
        ({"max_temperature": 0.5}, "What is a cache?", ["BYPASS", "BYPASS"]),
    ],
)
async def test_admission(
    serving: Serving, rules: dict[str, Any], text: str, expected: list[str]
) -> None:
    """The operator's rules hold whatever the caller asks."""
    async with serving(cache={"admission": rules}) as proxy:
        got = [await proxy.post(chat(text, temperature=0.9)) for _ in range(2)]

    assert seen(got) == expected
