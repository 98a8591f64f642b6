"""Proven hits, audits and suspensions, through the proxy and before a real origin.

`asked(n)` is one question in as many spellings as wanted: each has a key of its own, and the judge
takes each for the same, so that what is decided depends on what was learned alone.
"""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from proxy.core.labels import Kept, Kind
from proxy.tiers.labels import LabelFile
from tests.support.judging import JudgeServer, Reply, judge_server, no, yes
from tests.support.origin import Act, Gate, ScriptedOrigin
from tests.support.program import Got, Served, Serving, chat
from tests.support.waiting import until

AGREED = Act(text="A cache keeps answers.")


def asked(number: int) -> str:
    return "What is a cache" + "?" * (number + 1)


def verified(**judgement: object) -> dict[str, object]:
    chosen = {"policy": "verified", "max_error": 0.5, "explore_share": 0, **judgement}
    return {"cache": {"judgement": chosen}, "embedder": {"kind": "local"}}


def audited(share: float = 1.0, **judgement: object) -> dict[str, object]:
    chosen = {"audit_share": share, "max_error": 0.5, **judgement}
    return {"cache": {"judgement": chosen}, "embedder": {"kind": "local"}}


async def ask(proxy: Served, number: int, **headers: str) -> Got:
    return await proxy.post(chat(asked(number)), **headers)


async def ask_all(proxy: Served, count: int, start: int = 0) -> list[Got]:
    """One spelling after another, each once what the last one taught is learned."""
    got = []
    for number in range(start, start + count):
        got.append(await ask(proxy, number))
        await settled(proxy)
    return got


async def settled(proxy: Served) -> None:
    """No call and no comparison is under way."""
    await until(lambda: len(proxy.runtime.flights) == 0, "the flights' landing")


def verdicts(proxy: Served) -> list[tuple[str, str]]:
    return [(line["kind"], line["verdict"]) for line in proxy.events("answers_compared")]


async def test_an_unproven_hit_is_asked_upstream(serving: Serving, origin: ScriptedOrigin) -> None:
    """The caller gets a fresh answer, which is compared with the cached one."""
    origin.always = AGREED
    async with serving(**verified()) as proxy:
        first, second = await ask_all(proxy, 2)

        assert [got.cache for got in (first, second)] == ["MISS", "MISS"]
        assert "detail=exploring" in second.headers["cache-status"]
        assert float(second.headers["x-cache-similarity"]) > 0.9
        assert verdicts(proxy) == [("explored", "same")]
    assert origin.calls == 2


async def test_proven_hits_are_served(serving: Serving, origin: ScriptedOrigin) -> None:
    """Once enough comparisons agreed, a spelling that was never asked is a hit."""
    origin.always = AGREED
    async with serving(**verified()) as proxy:
        got = await ask_all(proxy, 30)
        served = [reply.tier for reply in got if reply.cache == "HIT"]

        assert served
        assert set(served) == {"vector"}
        assert got[-1].cache == "HIT"
        assert origin.calls == 30 - len(served)


async def test_what_is_proven_survives_a_restart(serving: Serving, origin: ScriptedOrigin) -> None:
    """The next process serves at once."""
    origin.always = AGREED
    async with serving(**verified()) as proxy:
        await ask_all(proxy, 30)
    async with serving(**verified()) as proxy:
        assert (await ask(proxy, 40)).cache == "HIT"


async def test_answers_that_differ_are_never_served(
    serving: Serving, origin: ScriptedOrigin
) -> None:
    """However sure the judge is that the questions are the same."""
    async with serving(**verified()) as proxy:
        for number in range(20):
            origin.then(text=f"[{number}]")
        got = await ask_all(proxy, 20)

        assert {reply.cache for reply in got} == {"MISS"}
        assert {verdict for _, verdict in verdicts(proxy)} == {"other"}
    assert origin.calls == 20


async def test_an_agreeing_answer_does_not_join_the_neighbours(
    serving: Serving, origin: ScriptedOrigin
) -> None:
    """It is found by its own question; what is learned stays with the first entry."""
    origin.always = AGREED
    async with serving(**verified()) as proxy:
        await ask_all(proxy, 3)
        index = proxy.runtime.semantic.index.stats() if proxy.runtime.semantic else {}
        again = await ask(proxy, 2, x_session_id="another")

        assert index["entries"] == 1
        assert (again.cache, again.tier) == ("HIT", "shared")


async def test_an_answer_that_differs_joins_them(serving: Serving, origin: ScriptedOrigin) -> None:
    """The next rewording may be nearer to it."""
    async with serving(**verified()) as proxy:
        for number in range(3):
            origin.then(text=f"[{number}]")
        await ask_all(proxy, 3)
        index = proxy.runtime.semantic.index.stats() if proxy.runtime.semantic else {}

        assert index["entries"] == 3


@pytest.fixture
async def judge() -> AsyncIterator[JudgeServer]:
    async with judge_server() as running:
        yield running


async def test_what_was_asked_anew_is_not_replaced_by_what_is_still_compared(
    serving: Serving, origin: ScriptedOrigin, judge: JudgeServer
) -> None:
    """An answer refreshed during the comparison stays the newest."""
    llm = {"model": "judge", "base_url": judge.url, "api_key": "k"}
    async with serving(**verified(llm=llm)) as proxy:
        for text in ("The first answer.", "An explored one.", "The refreshed one."):
            origin.then(text=text)
        await ask(proxy, 0)
        judge.delay_s, judge.always = 0.5, no
        judge.forget()
        await ask(proxy, 1)
        await judge.was_asked.wait()
        await ask(proxy, 1, cache_control="no-cache")
        await settled(proxy)
        got = await ask(proxy, 1, x_session_id="another")

        assert verdicts(proxy) == [("explored", "other")]
        assert (got.tier, got.text) == ("shared", "The refreshed one.")


async def test_a_stream_is_explored_too(serving: Serving, origin: ScriptedOrigin) -> None:
    """Its answer is compared once it is whole."""
    origin.always = AGREED
    async with serving(**verified()) as proxy:
        await ask(proxy, 0)
        async with proxy.sdk() as sdk:
            stream = await sdk.chat.completions.create(
                model="gpt-4o", messages=[{"role": "user", "content": asked(1)}], stream=True
            )
            text = "".join([chunk.choices[0].delta.content or "" async for chunk in stream])
        await until(lambda: bool(verdicts(proxy)), "the comparison")

        assert text == AGREED.text
        assert verdicts(proxy) == [("explored", "same")]


async def test_only_if_cached_gets_nothing_unproven(
    serving: Serving, origin: ScriptedOrigin
) -> None:
    """And the origin is not asked for it."""
    async with serving(**verified()) as proxy:
        await ask(proxy, 0)
        got = await ask(proxy, 1, cache_control="only-if-cached")

        assert (got.status, got.code) == (504, "not_cached")
    assert origin.calls == 1


@pytest.mark.parametrize(
    ("policy", "status", "cache"), [("verified", 503, "MISS"), ("static", 200, "STALE")]
)
async def test_a_stale_neighbour_stands_in_where_it_need_not_be_proven(
    serving: Serving, origin: ScriptedOrigin, policy: str, status: int, cache: str
) -> None:
    """An origin that fails makes no match more likely; one that stood in can be called wrong."""
    async with serving(**verified(policy=policy)) as proxy:
        await ask(proxy, 0, x_cache_ttl="0.05")
        await settled(proxy)
        await asyncio.sleep(0.1)
        origin.then(status=503, body=b"{}")
        got = await ask(proxy, 1, cache_control="stale-if-error=100")
        known = proxy.runtime.experience.hits.of_request(
            next(line["tenant"] for line in proxy.lines if line.get("tenant")),
            got.headers["x-request-id"],
        )

    assert (got.status, got.cache) == (status, cache)
    assert (known is not None and bool(known.pair)) == (cache == "STALE")


async def test_answers_that_cannot_be_read_accuse_nobody(
    serving: Serving, origin: ScriptedOrigin
) -> None:
    """Another script than the verifier knows: unsure, so that no namespace is suspended."""
    async with serving(**audited()) as proxy:
        origin.then(text="\u7f13\u5b58\u4fdd\u5b58\u7b54\u6848")
        origin.then(text="\u7b54\u6848\u5b58\u5728\u7f13\u5b58\u91cc")
        await ask_all(proxy, 2)

        assert verdicts(proxy) == [("audited", "unsure")]


async def test_nothing_is_learned_unless_asked_for(
    serving: Serving, origin: ScriptedOrigin, tmp_path: Path
) -> None:
    """By default a hit costs no call, and no file is made."""
    async with serving(embedder={"kind": "local"}) as proxy:
        await ask(proxy, 0)
        assert (await ask(proxy, 1)).cache == "HIT"
        await settled(proxy)

        assert verdicts(proxy) == []
    assert origin.calls == 1
    assert not (tmp_path / "labels.db").exists()


async def test_an_audit_asks_in_the_background(serving: Serving, origin: ScriptedOrigin) -> None:
    """The caller has his hit while the origin has not even answered."""
    origin.always = AGREED
    gate = Gate()
    async with serving(**audited()) as proxy:
        await ask(proxy, 0)
        origin.then(text=AGREED.text, before=gate)
        got = await ask(proxy, 1)
        await gate.reached()

        assert (got.cache, got.tier) == ("HIT", "vector")
        assert verdicts(proxy) == []
        gate.open()
        await settled(proxy)
        assert verdicts(proxy) == [("audited", "same")]


async def test_an_audit_uses_the_callers_credential(
    serving: Serving, origin: ScriptedOrigin
) -> None:
    """It asks what the caller asked, as the caller."""
    async with serving(**audited()) as proxy:
        await ask(proxy, 0)
        await ask(proxy, 1)
        await settled(proxy)
    first, second = origin.requests

    assert second.header("authorization") == first.header("authorization") == "Bearer sk-test"
    assert second.json["messages"][0]["content"] == asked(1)


async def test_an_audit_tells_the_rate_of_wrong_hits(
    serving: Serving, origin: ScriptedOrigin
) -> None:
    """By namespace, with the ends of its interval, at /metrics."""
    async with serving(**audited()) as proxy:
        for text in ("[0]", "[0]", "[1]"):
            origin.then(text=text)
        for number in range(3):
            await ask(proxy, number, x_cache_namespace="docs")
            await settled(proxy)
        body = (await proxy.get("/metrics")).body.decode()

    rate = 'reprise_audit_wrong_hit_rate{bound="%s",namespace="docs"}'
    assert f"{rate % 'estimate'} 0.5" in body
    assert f"{rate % 'low'} 0.025" in body
    assert f"{rate % 'high'} 0.97" in body
    assert 'reprise_audit_compared{namespace="docs"} 2.0' in body


async def test_a_failed_audit_is_no_verdict(serving: Serving, origin: ScriptedOrigin) -> None:
    """An origin that is down accuses nobody."""
    async with serving(**audited()) as proxy:
        await ask(proxy, 0)
        origin.then(status=503, body=b"{}")
        assert (await ask(proxy, 1)).cache == "HIT"
        await settled(proxy)

        assert verdicts(proxy) == []


async def test_audits_are_bounded(serving: Serving, origin: ScriptedOrigin) -> None:
    """While one is under way, further hits are served without."""
    gate = Gate()
    async with serving(**audited(max_comparisons=1)) as proxy:
        await ask(proxy, 0)
        origin.then(before=gate)
        await ask(proxy, 1)
        await gate.reached()
        assert [(await ask(proxy, number)).cache for number in (2, 3)] == ["HIT", "HIT"]
        gate.open()
        await settled(proxy)
    assert origin.calls == 2


async def test_a_bad_namespace_is_suspended_and_recovers(
    serving: Serving, origin: ScriptedOrigin
) -> None:
    """Its rewordings go upstream until fresh answers agree again; other namespaces are served."""
    origin.always = Act(text="[0]")
    async with serving(**audited()) as proxy:
        await ask(proxy, 0, x_cache_namespace="good")
        await ask(proxy, 0)
        for number in range(1, 6):  # five wrong of five: more than a half, at 95 %
            origin.then(text=f"[{number}]")
            await ask(proxy, number)
            await settled(proxy)
        suspended, good = await ask(proxy, 9), await ask(proxy, 9, x_cache_namespace="good")

        assert len(proxy.events("namespace_suspended")) == 1
        assert suspended.cache == "MISS"
        assert 'detail="audit: wrong-hit rate 100.0 % > 50 %"' in suspended.headers["cache-status"]
        assert good.cache == "HIT"

        await settled(proxy)
        replies = await ask_all(
            proxy, 6, start=10
        )  # with the one above: three over a half, and one
        assert [reply.cache for reply in replies] == ["MISS"] * 5 + ["HIT"]
        assert len(proxy.events("namespace_recovered")) == 1


@pytest.mark.parametrize(("reply", "verdict"), [(yes, "same"), (no, "other")])
async def test_a_language_model_compares_where_one_is_configured(
    serving: Serving, origin: ScriptedOrigin, judge: JudgeServer, reply: Reply, verdict: str
) -> None:
    """It is told about answers, not questions."""
    judge.always = reply
    llm = {"model": "judge", "base_url": judge.url, "api_key": "k"}
    async with serving(**audited(llm=llm)) as proxy:
        origin.then(text="It keeps answers, long ones too. " * 30)
        origin.then(text="Answers are what it keeps, even long ones. " * 30)
        await ask(proxy, 0)
        judge.forget()
        await ask(proxy, 1)
        await settled(proxy)

        assert verdicts(proxy) == [("audited", verdict)]
    (body,) = judge.asked
    assert "You compare two answers" in body["messages"][0]["content"]


# What another setting would do


RESET, AGAIN = "How do I reset my password?", "how can I reset my password"


async def samples(proxy: Served) -> list[Kept]:
    store = proxy.runtime.experience.store
    assert isinstance(store, LabelFile)
    return [one for one in await store.compared() if not one.teaches]


async def test_a_near_miss_is_compared_at_no_cost(serving: Serving, origin: ScriptedOrigin) -> None:
    """The caller gets his fresh answer, which is compared with the one that was not good enough."""
    origin.always = AGREED
    async with serving(**audited(min_probability=0.9999)) as proxy:
        await proxy.post(chat(RESET))
        missed = await proxy.post(chat(AGAIN))
        await settled(proxy)
        (kept,) = await samples(proxy)

        assert missed.cache == "MISS"
        assert verdicts(proxy) == [("near", "same")]
        assert kept.sample is not None
        assert (kept.sample.kind, kept.sample.share, kept.sample.is_clear) == (Kind.NEAR, 1, True)
        assert kept.lesson.score == pytest.approx(
            float(missed.headers["x-cache-probability"]), abs=1e-4
        )
        assert kept.sample.similarity == pytest.approx(
            float(missed.headers["x-cache-similarity"]), abs=1e-4
        )
        assert 0 <= kept.sample.age < 60
        assert not kept.stands
        assert proxy.runtime.experience.learning.rates() == {}
    assert origin.calls == 2


async def test_a_near_miss_joins_the_neighbours_all_the_same(serving: Serving) -> None:
    """Comparing comes after, and holds nothing up."""
    async with serving(**audited(min_probability=0.9999)) as proxy:
        for text in (RESET, AGAIN):
            await proxy.post(chat(text))
            await settled(proxy)
        index = proxy.runtime.semantic.index.stats() if proxy.runtime.semantic else {}

        assert index["entries"] == 2
        assert len(verdicts(proxy)) == 1


async def test_nothing_near_is_compared_unless_asked_for(serving: Serving) -> None:
    """Without a share to audit, nothing is kept."""
    async with serving(**audited(0, min_probability=0.9999)) as proxy:
        for mode in ("semantic", "shadow"):
            await proxy.post(chat(RESET), x_cache_mode=mode)
            await proxy.post(chat(AGAIN), x_cache_mode=mode)
            await settled(proxy)

        assert verdicts(proxy) == []


async def test_a_shadowed_hit_is_compared(serving: Serving, origin: ScriptedOrigin) -> None:
    """So that a cache which only looks on learns what it would do; nothing is served by it."""
    origin.always = AGREED
    async with serving(**audited()) as proxy:
        await ask(proxy, 0)
        shadowed = await ask(proxy, 1, x_cache_mode="shadow")
        await settled(proxy)
        (kept,) = await samples(proxy)

        assert (shadowed.cache, verdicts(proxy)) == ("MISS", [("shadowed", "same")])
        assert kept.sample is not None
        assert kept.sample.kind is Kind.SHADOWED
        assert proxy.runtime.experience.learning.rates() == {}
    assert origin.calls == 2
