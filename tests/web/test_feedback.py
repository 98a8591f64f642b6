"""A caller's verdict on an answer from the cache, over HTTP."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.support.origin import ScriptedOrigin
from tests.support.program import KEY, Got, Served, Serving, chat

QUESTION, REWORDED = "What is a cache?", "what is a CACHE"
PATH = "/v1/cache/feedback"


async def say(proxy: Served, key: str = KEY, **body: Any) -> Got:
    headers = {"authorization": f"Bearer {key}"}
    async with proxy.http.post(f"{proxy.root}{PATH}", json=body, headers=headers) as got:
        return Got(got.status, got.headers, await got.read())


async def hit(proxy: Served) -> Got:
    """A hit on a neighbour."""
    await proxy.post(chat(QUESTION))
    got = await proxy.post(chat(REWORDED))
    assert got.tier == "vector"
    return got


def request_id(got: Got) -> str:
    return got.headers["x-request-id"]


async def test_a_bad_hit_is_removed_and_not_made_again(
    semantic: Served, origin: ScriptedOrigin
) -> None:
    """The entry goes from every tier; asked anew, it does not answer that rewording again."""
    bad = await hit(semantic)
    got = await say(semantic, request_id=request_id(bad), verdict="bad")

    assert got.status == 200
    assert got.json == {
        "object": "cache.feedback",
        "entry_id": bad.headers["x-cache-entry"],
        "verdict": "bad",
        "removed": True,
        "marked": True,
        "remembered": True,
        "learned": True,
    }
    first, second = await semantic.post(chat(QUESTION)), await semantic.post(chat(REWORDED))
    assert (first.cache, second.cache) == ("MISS", "MISS")
    assert 'detail="feedback: marked bad"' in second.headers["cache-status"]
    assert origin.calls == 3


async def test_an_entry_can_be_named_too(semantic: Served) -> None:
    """Its newest hit is the one that is meant."""
    bad = await hit(semantic)
    got = await say(semantic, entry_id=bad.headers["x-cache-entry"], verdict="bad")

    assert (got.json["removed"], got.json["marked"]) == (True, True)


async def test_other_rewordings_are_still_matched(semantic: Served) -> None:
    """The mark is on the two questions, in either order, and on nothing else."""
    bad = await hit(semantic)
    await say(semantic, request_id=request_id(bad), verdict="bad")
    await semantic.post(chat(REWORDED))
    reversed_pair = await semantic.post(chat(QUESTION))
    other = await semantic.post(chat("What's a cache?"))

    assert reversed_pair.cache == "MISS"
    assert other.cache == "HIT"


async def test_marks_survive_a_restart(serving: Serving) -> None:
    """They are somebody's complaint."""
    async with serving(embedder={"kind": "local"}) as proxy:
        bad = await hit(proxy)
        await say(proxy, request_id=request_id(bad), verdict="bad")
    async with serving(embedder={"kind": "local"}) as proxy:
        await proxy.post(chat(QUESTION))
        got = await proxy.post(chat(REWORDED))

        assert 'detail="feedback: marked bad"' in got.headers["cache-status"]


def bytes_in(folder: Path, name: str) -> bytes:
    return b"".join(path.read_bytes() for path in folder.iterdir() if path.name.startswith(name))


async def test_no_question_is_written_down(semantic: Served, tmp_path: Path) -> None:
    """What is kept of a complaint is a digest."""
    bad = await hit(semantic)
    await say(semantic, request_id=request_id(bad), verdict="bad")
    kept = bytes_in(tmp_path, "labels.db")

    assert bad.headers["x-cache-entry"].encode() in kept
    assert b"cache?" not in kept
    assert b"CACHE" not in kept


async def test_a_good_hit_is_a_label(semantic: Served) -> None:
    """Nothing is removed."""
    good = await hit(semantic)
    got = await say(semantic, request_id=request_id(good), verdict="good")

    assert (got.status, got.json["removed"], got.json["learned"]) == (200, False, True)
    assert (await semantic.post(chat("What is a cache?!"))).cache == "HIT"


async def test_an_exact_repeat_can_be_bad(semantic: Served) -> None:
    """The answer itself is then; there is no match to mark."""
    await semantic.post(chat(QUESTION))
    bad = await semantic.post(chat(QUESTION))
    got = await say(semantic, request_id=request_id(bad), verdict="bad")

    assert (got.json["removed"], got.json["marked"], got.json["learned"]) == (True, False, False)
    assert (await semantic.post(chat(QUESTION))).cache == "MISS"


async def test_a_good_entry_need_not_have_been_hit(semantic: Served) -> None:
    """It has to be there, and says nothing about scores."""
    stored = await semantic.post(chat(QUESTION))
    got = await say(semantic, entry_id=stored.headers["x-cache-entry"], verdict="good")

    assert (got.status, got.json["learned"]) == (200, False)


@pytest.mark.parametrize("verdict", ["good", "bad"])
async def test_anothers_entry_is_not_there(semantic: Served, verdict: str) -> None:
    """By its id or by its request's: 404, and nothing is touched."""
    theirs = await hit(semantic)
    by_entry = await say(
        semantic, "sk-stranger", entry_id=theirs.headers["x-cache-entry"], verdict=verdict
    )
    by_request = await say(semantic, "sk-stranger", request_id=request_id(theirs), verdict=verdict)

    assert (by_entry.status, by_entry.code) == (404, "unknown_entry")
    assert (by_request.status, by_request.code) == (404, "unknown_request")
    assert by_entry.json["error"]["param"] == "entry_id"
    assert (await semantic.post(chat(QUESTION))).cache == "HIT"
    assert (await semantic.post(chat(REWORDED + "!"))).cache == "HIT"


async def test_a_miss_has_nothing_to_be_judged(semantic: Served) -> None:
    """Its answer came from the origin."""
    miss = await semantic.post(chat(QUESTION))
    got = await say(semantic, request_id=request_id(miss), verdict="bad")

    assert (got.status, got.code) == (404, "unknown_request")


async def test_the_pair_keeps_others_flights(semantic: Served, origin: ScriptedOrigin) -> None:
    """A verdict on one entry does not keep what others have asked meanwhile out of the cache."""
    bad = await hit(semantic)
    async with semantic.sdk() as sdk:
        origin.then(text="slow", pause_s=0.05)
        stream = await sdk.chat.completions.create(
            model="gpt-4o", messages=[{"role": "user", "content": "Another thing?"}], stream=True
        )
        await say(semantic, request_id=request_id(bad), verdict="bad")
        async for _ in stream:
            pass

    assert (await semantic.post(chat("Another thing?"))).cache == "HIT"


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({}, "entry_id"),
        ({"verdict": "bad"}, "entry_id"),
        ({"entry_id": "a", "request_id": "b", "verdict": "bad"}, "request_id"),
        ({"entry_id": 7, "verdict": "bad"}, "entry_id"),
        ({"entry_id": "", "verdict": "bad"}, "entry_id"),
        ({"request_id": "x" * 300, "verdict": "bad"}, "request_id"),
        ({"entry_id": "a"}, "verdict"),
        ({"entry_id": "a", "verdict": "so-so"}, "verdict"),
        ({"entry_id": "a", "verdict": ["bad"]}, "verdict"),
        ({"entry_id": "a", "verdict": "bad", "why": "x"}, "why"),
    ],
)
async def test_what_cannot_be_read_names_the_field(
    proxy: Served, body: dict[str, Any], param: str
) -> None:
    """400, in OpenAI's shape."""
    got = await say(proxy, **body)

    assert (got.status, got.code) == (400, "invalid_feedback")
    assert got.json["error"]["param"] == param


@pytest.mark.parametrize("raw", [b"", b"{", b"[]", b'"bad"'])
async def test_what_is_no_object_is_refused(proxy: Served, raw: bytes) -> None:
    """400 too."""
    async with proxy.http.post(f"{proxy.root}{PATH}", data=raw) as got:
        error = json.loads(await got.read())["error"]

    assert (got.status, error["code"]) == (400, "invalid_json")


async def test_a_hit_is_learned_from_once(semantic: Served) -> None:
    """However often it is praised, or blamed after that; a bad one is removed all the same."""
    got = await hit(semantic)
    told = [
        (await say(semantic, request_id=request_id(got), verdict=verdict)).json
        for verdict in ("good", "good", "bad", "bad")
    ]

    assert [one["learned"] for one in told] == [True, False, False, False]
    assert [one["removed"] for one in told] == [False, False, True, False]
    assert [one["marked"] for one in told] == [False, False, True, True]


async def test_a_private_answer_is_removed_too(proxy: Served) -> None:
    """It is in the session tier alone; another tenant cannot reach it."""
    first = await proxy.post(chat(QUESTION), cache_control="private")
    entry = first.headers["x-cache-entry"]
    stranger = await say(proxy, key="sk-other", entry_id=entry, verdict="bad")
    again = await proxy.post(chat(QUESTION), cache_control="private")
    got = await say(proxy, entry_id=entry, verdict="bad")
    gone = await proxy.post(chat(QUESTION), cache_control="private")

    assert (stranger.status, stranger.code) == (404, "unknown_entry")
    assert (got.status, got.json["removed"]) == (200, True)
    assert [reply.cache for reply in (again, gone)] == ["HIT", "MISS"]


async def test_other_methods_are_not_passed_on(proxy: Served, origin: ScriptedOrigin) -> None:
    """The path is the proxy's own."""
    got = await proxy.get(PATH)

    assert (got.status, got.code) == (405, "method_not_allowed")
    assert got.headers["allow"] == "POST"
    assert origin.calls == 0


async def test_a_shared_tier_that_is_down_is_said(semantic: Served) -> None:
    """503, so that the caller tries again; the match is forbidden all the same."""
    bad = await hit(semantic)
    await semantic.runtime.shared.close()
    got = await say(semantic, request_id=request_id(bad), verdict="bad")
    await semantic.runtime.shared.start()

    assert (got.status, got.code) == (503, "cache_unavailable")
    assert (await semantic.post(chat(REWORDED))).cache == "MISS"


async def test_a_verdict_is_an_event(semantic: Served) -> None:
    """Whose, on what, and what was done."""
    bad = await hit(semantic)
    await say(semantic, request_id=request_id(bad), verdict="bad")
    (line,) = semantic.events("feedback")

    assert (line["verdict"], line["removed"]) == ("bad", True)
    assert line["entry"] == bad.headers["x-cache-entry"]
