import asyncio
import base64
import json
from typing import Any

import numpy as np
import openai
import pytest

from proxy.core.changes import ALL_TENANTS, Selector
from tests.support import vectors
from tests.support.origin import Act, Gate, ScriptedOrigin
from tests.support.program import KEY, Got, Served, Serving
from tests.support.waiting import until

Json = dict[str, Any]
PATH = "/embeddings"
MODEL = "text-embedding-3-small"
TOKENS = [[9906, 1917], [4438, 527, 499]]


def asked(given: Any, **more: Any) -> Json:
    return {"model": MODEL, "input": given, **more}


async def post(proxy: Served, given: Any, key: str = KEY, **more: Any) -> Got:
    """Ask; what begins with `x_` or `cache_` is a header."""
    headers = {n: v for n, v in more.items() if n.startswith(("x_", "cache_"))}
    fields = {n: v for n, v in more.items() if n not in headers}
    return await proxy.post(asked(given, **fields), key, to=PATH, **headers)


def told(got: Got) -> list[Any]:
    assert [item["index"] for item in got.json["data"]] == list(range(len(got.json["data"])))
    return [item["embedding"] for item in got.json["data"]]


def expected(given: list[Any], **more: Any) -> list[list[float]]:
    """What the origin would say to these inputs."""
    body = asked(given, **more)
    return [vectors.vector_for(body, one, f"Bearer {KEY}").tolist() for one in given]


@pytest.mark.parametrize("given", ["Hello", ["Hello"], ["Hello", "World"], [9906], TOKENS])
@pytest.mark.parametrize("more", [{}, {"encoding_format": "float"}, {"dimensions": 3}])
async def test_the_sdk_cannot_tell_a_replay_from_the_origin(
    proxy: Served, origin: ScriptedOrigin, given: Any, more: Json
) -> None:
    """Twice, in either encoding: the same object, and the origin asked once."""
    async with proxy.sdk() as client:
        first = await client.embeddings.create(**asked(given, **more))
        again = await client.embeddings.create(**asked(given, **more))

    assert again.to_dict() == first.to_dict()
    assert [item.embedding for item in again.data] == expected(
        vectors.inputs_of({"input": given}), **more
    )
    assert origin.calls == 1


async def test_the_sync_client_is_served_too(proxy: Served, origin: ScriptedOrigin) -> None:
    """Miss and hit."""

    def twice() -> list[Any]:
        with proxy.sync_sdk() as client:
            return [client.embeddings.create(**asked(["a", "b"])).to_dict() for _ in range(2)]

    found = await asyncio.to_thread(twice)

    assert found[0] == found[1]
    assert origin.calls == 1


@pytest.mark.parametrize("forms", [("float", "base64"), ("base64", "float")])
async def test_one_entry_serves_both_encodings(
    proxy: Served, origin: ScriptedOrigin, forms: tuple[str, str]
) -> None:
    """Whichever filled it, the other holds the same float32 numbers."""
    got = {form: await post(proxy, ["Hello"], encoding_format=form) for form in forms}
    coded = np.frombuffer(base64.b64decode(told(got["base64"])[0]), "<f4")

    assert coded.tobytes() == np.array(told(got["float"])[0], "<f4").tobytes()
    assert origin.calls == 1


async def test_an_origin_that_knows_no_base64_is_no_trouble(
    proxy: Served, origin: ScriptedOrigin
) -> None:
    """Its numbers pass as they are; a repeat is told in what was asked for."""
    origin.always = Act(json=True)
    async with proxy.sdk() as client:
        found = [await client.embeddings.create(**asked(["Hello"])) for _ in range(2)]

    assert [list(one.data[0].embedding) for one in found] == expected(["Hello"]) * 2
    assert origin.calls == 1


async def test_only_what_is_lacking_is_asked_for(proxy: Served, origin: ScriptedOrigin) -> None:
    """In order, each input once, and the answers stand where the caller put the inputs."""
    await post(proxy, ["one", "three"])
    got = await post(proxy, ["zero", "one", "two", "zero", "three"])

    assert origin.requests[1].json["input"] == ["zero", "two"]
    assert told(got) == expected(["zero", "one", "two", "zero", "three"])
    assert (got.cache, got.headers["x-cache-items"]) == ("MISS", "2/5")
    assert got.headers["cache-status"] == "Reprise; fwd=partial; fwd-status=200; stored"
    assert (await post(proxy, ["two", "one"])).cache == "HIT"
    assert origin.calls == 2


async def test_a_batch_and_its_inputs_are_one(proxy: Served, origin: ScriptedOrigin) -> None:
    """What was asked in a batch answers the input alone, and the other way round."""
    await post(proxy, ["a", "b"])
    alone = await post(proxy, "b")
    await post(proxy, "c")
    batch = await post(proxy, ["c", "a"])

    assert (alone.cache, batch.cache) == ("HIT", "HIT")
    assert told(batch) == expected(["c", "a"])
    assert batch.headers["x-cache-items"] == "2/2"
    assert origin.calls == 2


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (asked("a"), asked("a", dimensions=3)),
        (asked("a"), {**asked("a"), "model": "text-embedding-3-large"}),
        (asked([1, 2]), asked([2, 1])),
        (asked([[1], [2]]), asked([[1, 2]])),
        (asked("[1, 2]"), asked([1, 2])),
        (asked("\u00e9"), asked("e\u0301")),
        (asked("a"), asked("A")),
        (asked("a"), asked("a", x_unknown=1)),
    ],
)
async def test_what_may_change_a_vector_is_in_the_key(
    proxy: Served, origin: ScriptedOrigin, one: Json, other: Json
) -> None:
    """Model, dimensions, every character and token, and what we do not know."""
    for body in (one, other):
        assert (await proxy.post(body, to=PATH)).cache == "MISS"
    assert origin.calls == 2


async def test_who_asks_is_not_in_the_key_but_whose_key_is(proxy: Served) -> None:
    """`user` names a person behind one credential; another credential shares nothing."""
    await post(proxy, ["a"], user="ann")

    assert (await post(proxy, ["a"], user="bob")).cache == "HIT"
    assert (await post(proxy, ["a"], key="sk-other")).cache == "MISS"


async def test_a_repeated_batch_is_told_its_own_usage(proxy: Served) -> None:
    """The shares of its inputs add up to what the origin counted; details included."""
    first = await post(proxy, ["one two three", "four", "five six"])
    again = await post(proxy, ["one two three", "four", "five six"])

    assert again.json["usage"] == first.json["usage"]
    assert int(again.headers["x-cache-saved-tokens"]) == first.json["usage"]["prompt_tokens"]


async def test_usage_of_a_partial_batch_is_the_sum(proxy: Served) -> None:
    """What the origin counted for what it was asked, and what is known of the rest."""
    await post(proxy, "one two three")
    got = await post(proxy, ["one two three", "four", "four"])

    assert got.json["usage"]["prompt_tokens"] == 4 + 2 + 2
    assert got.headers["x-cache-saved-tokens"] == str(4 + 2)


async def test_an_origin_that_tells_no_usage(proxy: Served, origin: ScriptedOrigin) -> None:
    """Then a repeat tells none either."""
    origin.always = Act(no_usage=True)
    first, again = [await post(proxy, ["a", "b"]) for _ in range(2)]

    assert "usage" not in first.json
    assert again.json == first.json


async def test_money_saved_is_told_where_there_is_a_price(serving: Serving) -> None:
    """By the configured price of the tokens that were not asked for."""
    async with serving(telemetry={"prices": {MODEL: {"input": 20.0, "output": 0.0}}}) as proxy:
        await post(proxy, "one two three")
        hit = await post(proxy, "one two three")

    assert hit.headers["x-cache-saved-usd"] == "0.00008"


async def test_a_refusal_of_a_part_is_told_in_the_origins_words_for_the_whole(
    proxy: Served, origin: ScriptedOrigin
) -> None:
    """The error names the input by its place in the caller's own request."""
    await post(proxy, ["a", "b"])
    got = await post(proxy, ["a", "b", vectors.REFUSED])

    assert got.status == 400
    assert got.json == vectors.refusal(asked(["a", "b", vectors.REFUSED]))
    assert origin.requests[-1].json["input"] == ["a", "b", vectors.REFUSED]
    async with proxy.sdk() as client:
        with pytest.raises(openai.BadRequestError, match=r"\$\.input\[2\]"):
            await client.embeddings.create(**asked(["a", "b", vectors.REFUSED]))


@pytest.mark.parametrize("status", [401, 429, 500])
async def test_other_errors_pass_through(
    proxy: Served, origin: ScriptedOrigin, status: int
) -> None:
    """With their headers, for a part as for the whole; asking again would not help."""
    await post(proxy, ["a"])
    origin.then(status=status, body=b'{"error": {}}', headers=(("retry-after", "7"),))
    got = await post(proxy, ["a", "b"])

    assert (got.status, got.body, got.headers["retry-after"]) == (status, b'{"error": {}}', "7")
    assert origin.calls == 2


@pytest.mark.parametrize("body", [b"{}", b"no", b'{"data": [{"embedding": []}]}'])
async def test_what_is_no_answer_passes_through_and_is_not_kept(
    proxy: Served, origin: ScriptedOrigin, body: bytes
) -> None:
    """A whole request's as it came; for a part the origin is asked for the whole."""
    origin.then(body=body)
    first = await post(proxy, ["a"])
    await post(proxy, ["a"])
    origin.then(body=body)
    partial = await post(proxy, ["a", "b"])

    assert (first.body, first.cache) == (body, "MISS")
    assert told(partial) == expected(["a", "b"])
    assert [received.json["input"] for received in origin.requests] == [
        ["a"],
        ["a"],
        ["b"],
        ["a", "b"],
    ]


async def test_vectors_of_two_models_are_not_mixed(proxy: Served, origin: ScriptedOrigin) -> None:
    """An alias that has come to mean another model: the origin is asked for the whole batch."""
    await post(proxy, ["a"])
    renamed = {**vectors.embeddings(asked(["b"]), ""), "model": "text-embedding-4"}
    origin.then(body=json.dumps(renamed).encode())
    got = await post(proxy, ["a", "b"])

    assert told(got) == expected(["a", "b"])
    assert origin.requests[-1].json["input"] == ["a", "b"]
    assert got.headers["x-cache-items"] == "0/2"
    assert (await post(proxy, ["b", "a"])).cache == "HIT"


async def test_an_invalidation_overtakes_a_call(proxy: Served, origin: ScriptedOrigin) -> None:
    """What was asked for before it is answered, and not kept."""
    gate = Gate()
    origin.then(before=gate)
    asking = asyncio.gather(post(proxy, ["a", "b"]))
    await gate.reached()
    await proxy.runtime.invalidate(Selector(ALL_TENANTS, everything=True))
    gate.open()
    (got,) = await asking

    assert told(got) == expected(["a", "b"])
    assert (await post(proxy, ["a"])).cache == "MISS"


def listeners(proxy: Served) -> int:
    """How many callers wait for the call that most wait for."""
    return max(len(flight._seats) for flight in proxy.runtime.flights._calls)


async def test_equal_misses_at_once_are_one_call(proxy: Served, origin: ScriptedOrigin) -> None:
    """Whoever lacks an input that is being asked for waits for that call."""
    gate = Gate()
    origin.then(before=gate)
    first = asyncio.gather(post(proxy, ["a", "b"]))
    await gate.reached()
    given: list[Any] = [["a", "b"], ["b"], "a", ["b", "c"]]
    others = asyncio.gather(*(post(proxy, one) for one in given))
    await until(lambda: listeners(proxy) == 5)
    gate.open()
    got = [*await first, *await others]

    assert [one.cache for one in got] == ["MISS", "COALESCED", "COALESCED", "COALESCED", "MISS"]
    assert [received.json["input"] for received in origin.requests] == [["a", "b"], ["c"]]
    assert told(got[4]) == expected(["b", "c"])
    assert int(got[2].headers["x-cache-saved-tokens"]) > 0


async def test_a_failed_call_of_somebody_else_is_not_ours(
    proxy: Served, origin: ScriptedOrigin
) -> None:
    """His batch was refused for another input: we ask for ours."""
    gate = Gate()
    origin.then(before=gate)
    first = asyncio.gather(post(proxy, ["a", vectors.REFUSED]))
    await gate.reached()
    second = asyncio.gather(post(proxy, ["a"]))
    await until(lambda: listeners(proxy) == 2)
    gate.open()

    assert [got.status for got in await first] == [400]
    assert [told(got) for got in await second] == [expected(["a"])]


async def test_only_if_cached(proxy: Served, origin: ScriptedOrigin) -> None:
    """A hit when every input is there; 504 when one is not, and the origin is not asked."""
    await post(proxy, ["a", "b"])
    hit = await post(proxy, ["b", "a"], cache_control="only-if-cached")
    miss = await post(proxy, ["b", "c"], cache_control="only-if-cached")

    assert hit.cache == "HIT"
    assert (miss.status, miss.code) == (504, "not_cached")
    assert origin.calls == 1


@pytest.mark.parametrize(
    ("headers", "first", "second"),
    [
        ({"cache_control": "no-store"}, "BYPASS", "BYPASS"),
        ({"x_cache_mode": "off"}, "BYPASS", "BYPASS"),
        ({"cache_control": "no-cache"}, "MISS", "MISS"),
        ({"x_cache_mode": "shadow"}, "MISS", "MISS"),
        ({"x_cache_mode": "exact"}, "MISS", "HIT"),
        ({"cache_control": "private"}, "MISS", "HIT"),
        ({"x_cache_namespace": "docs"}, "MISS", "HIT"),
        ({"x_cache_tags": "faq", "x_cache_ttl": "60"}, "MISS", "HIT"),
    ],
)
async def test_directives_are_heard(
    proxy: Served, headers: dict[str, str], first: str, second: str
) -> None:
    """As for every other endpoint."""
    got = [await post(proxy, ["a", "b"], **headers) for _ in range(2)]

    assert [one.cache for one in got] == [first, second]


async def test_an_old_input_is_asked_for_again(proxy: Served, origin: ScriptedOrigin) -> None:
    """`max-age` and lifetimes hold input by input."""
    await post(proxy, ["a"], x_cache_ttl="0.01")
    await post(proxy, ["b"])
    await asyncio.sleep(0.02)
    got = await post(proxy, ["a", "b"])
    stale = await post(proxy, ["b"], cache_control="max-age=0")

    assert (got.cache, got.headers["x-cache-items"]) == ("MISS", "1/2")
    assert origin.requests[2].json["input"] == ["a"]
    assert stale.cache == "MISS"


async def test_stale_vectors_stand_in_for_an_origin_that_fails(
    proxy: Served, origin: ScriptedOrigin
) -> None:
    """RFC 5861: where every input that is lacking has an old answer."""
    await post(proxy, ["a"], x_cache_ttl="0.01")
    await post(proxy, ["b"])
    await asyncio.sleep(0.02)
    origin.always = Act(status=503)
    got = await post(proxy, ["a", "b"], cache_control="stale-if-error=60")
    lacking = await post(proxy, ["a", "c"], cache_control="stale-if-error=60")

    assert (got.status, got.cache, told(got)) == (200, "STALE", expected(["a", "b"]))
    assert lacking.status == 503


async def test_personal_data_stays_in_the_session(serving: Serving) -> None:
    """Input by input: the others of the batch are shared."""
    async with serving() as proxy:
        await post(proxy, ["hello", "I am ann@example.com"])
        assert (await post(proxy, ["I am ann@example.com"])).cache == "HIT"
    async with serving() as proxy:
        assert (await post(proxy, ["hello"])).tier == "shared"
        assert (await post(proxy, ["I am ann@example.com"])).cache == "MISS"


async def test_an_invalidation_reaches_them(proxy: Served) -> None:
    """By the entry's id, as a reply told it, and by tag."""
    entry = (await post(proxy, ["a"])).headers["x-cache-entry"]
    hit = await post(proxy, ["a"])
    got = await proxy.post({"entry_id": entry, "verdict": "bad"}, to="/cache/feedback")

    assert hit.headers["x-cache-entry"] == entry
    assert got.status == 200
    assert (await post(proxy, ["a"])).cache == "MISS"


async def test_no_vector_enters_the_index(semantic: Served) -> None:
    """An embedding answers no reworded text."""
    await post(semantic, ["How do I reset my password?"])
    got = await post(semantic, ["How can I reset my password?"])

    assert got.cache == "MISS"
    assert semantic.runtime.semantic is not None
    assert semantic.runtime.semantic.index.stats()["entries"] == 0


@pytest.mark.parametrize(
    "body",
    [
        {"model": MODEL},
        asked([]),
        asked(["a", 1]),
        asked([[1], "a"]),
        asked([True]),
        asked("a", encoding_format="int8"),
        {"input": "a"},
    ],
)
async def test_what_cannot_be_read_is_passed_on(
    proxy: Served, origin: ScriptedOrigin, body: Json
) -> None:
    """The origin knows best; nothing is kept."""
    origin.always = Act(body=b"{}")
    found = [await proxy.post(body, to=PATH) for _ in range(2)]

    assert {got.cache for got in found} == {"BYPASS"}
    assert [received.json for received in origin.requests] == [body, body]


async def test_azures_deployments_are_cached_too(serving: Serving, origin: ScriptedOrigin) -> None:
    """Behind a path prefix, with the model in the path."""
    origin.always = Act(body=json.dumps(vectors.embeddings(asked(["a"]), "")).encode())
    azure = {"name": "azure", "base_url": origin.url, "path_prefix": "/azure"}
    async with serving(upstreams=[azure]) as proxy:
        found = []
        for deployment in ("one", "one", "two"):
            url = f"{proxy.root}/azure/openai/deployments/{deployment}/embeddings?api-version=1"
            async with proxy.http.post(url, json={"input": ["a"]}) as got:
                found.append(got.headers["x-cache"])

    assert found == ["MISS", "HIT", "MISS"]


async def test_a_large_batch_is_served(proxy: Served, origin: ScriptedOrigin) -> None:
    """As many inputs as OpenAI takes; the repeat costs the origin nothing."""
    given = [f"text {number}" for number in range(2048)]
    await post(proxy, given, encoding_format="base64")
    got = await post(proxy, [*given[::-1]], encoding_format="base64")

    assert (got.cache, got.headers["x-cache-items"]) == ("HIT", "2048/2048")
    assert origin.calls == 1


async def test_one_request_is_one_line_of_the_log(proxy: Served) -> None:
    """However many inputs it has."""
    await post(proxy, ["a", "b"])
    await post(proxy, ["a", "b", "c"])

    lines = [line for line in proxy.lines if line.get("api") == "embeddings"]

    assert [line["items"] for line in lines] == ["0/2", "2/3"]
    assert lines[1]["saved_tokens"] == 4
