"""`/admin/v1/export` and `/admin/v1/import`."""

import asyncio
import base64
import io
import json
import time
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import numpy as np
import pytest

from proxy.core.credentials import digest_of
from proxy.core.entrylines import begin, end
from proxy.resilience import Deadline
from tests.support.origin import ScriptedOrigin
from tests.support.program import KEY, Got, Json, Served, chat, served, settings
from tests.support.waiting import PATIENCE_S, until, until_async
from tests.web.admin.calling import ADMIN, TOKEN, call, invalidate
from tests.web.test_openapi import check

EXPORT = "/admin/v1/export"
IMPORT = "/admin/v1/import"
OPEN: Json = {**ADMIN, "allow_export": True}
TENANT = digest_of({"authorization": f"Bearer {KEY}"})


@dataclass(frozen=True)
class Places:
    """Where proxies may be: each has a cache of its own, all have one origin."""

    origin: ScriptedOrigin
    path: Path

    def at(self, name: str, **over: Any) -> AbstractAsyncContextManager[Served]:
        config = settings(self.origin.url, self.path / name, admin=OPEN, **over)
        return served(config)


@pytest.fixture
def places(origin: ScriptedOrigin, tmp_path: Path) -> Places:
    return Places(origin, tmp_path)


@pytest.fixture
async def one(places: Places) -> AsyncIterator[Served]:
    """A proxy that may be exported."""
    async with places.at("one") as running:
        yield running


async def export(proxy: Served, **query: str) -> Got:
    await proxy.runtime.store.idle(Deadline(PATIENCE_S))
    return await call(proxy, "GET", EXPORT, params=query)


async def send(proxy: Served, lines: bytes) -> Got:
    return await call(proxy, "POST", IMPORT, data=io.BytesIO(lines))  # aiohttp warns of large bytes


def line(**told: Any) -> bytes:
    return json.dumps({"object": "chat", "tenant": TENANT, **told}).encode() + b"\n"


def answer(text: str = "Because.", finish: str = "stop", **more: Any) -> Json:
    """A chat completion, as an origin words it."""
    message = {"role": "assistant", "content": text}
    return {
        "id": "chatcmpl-old",
        "object": "chat.completion",
        "created": 1,
        "model": "gpt-4o-2024",
        "choices": [{"index": 0, "message": message, "finish_reason": finish}],
        "usage": {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5},
        **more,
    }


async def test_only_where_the_operator_allows_it(places: Places) -> None:
    """By default nobody gets everybody's answers, token or not; importing needs the token alone."""
    config = settings(places.origin.url, places.path, admin=ADMIN)
    async with served(config) as proxy:
        closed = await call(proxy, "GET", EXPORT)
        stranger = await call(proxy, "POST", IMPORT, "wrong", data=b"")
        nothing = await send(proxy, b"")

    check(EXPORT, "get", closed)
    assert (closed.status, closed.code) == (403, "export_is_off")
    assert stranger.status == 401
    assert (nothing.status, nothing.json["imported"]) == (200, 0)


async def test_replies_are_as_described(one: Served) -> None:
    """The OpenAPI document has each status and body of both calls."""
    done = [await export(one), await export(one, tag=""), await call(one, "GET", EXPORT, "wrong")]
    for got in done:
        check(EXPORT, "get", got)
    taken = [await send(one, b"{}\n" + line(request=chat(), response=answer()))]
    taken += [await call(one, "POST", IMPORT, "wrong")]
    for got in taken:
        check(IMPORT, "post", got)

    assert [got.status for got in (*done, *taken)] == [200, 400, 401, 200, 401]


async def test_what_is_exported_serves_elsewhere(places: Places) -> None:
    """Another proxy has the same hits, plain and streamed, and exports the same bytes."""
    async with places.at("one") as proxy:
        await proxy.post(chat("One?"), x_cache_tags="faq")
        await proxy.post(chat("Two?", stream=True))
        await proxy.post({"model": "e", "input": ["a", "b"]}, to="/embeddings")
        sent = await export(proxy)
        first = await proxy.post(chat("Two?", stream=True))
    asked = places.origin.calls

    async with places.at("two") as proxy:
        done = (await send(proxy, sent.body)).json
        again = (await send(proxy, sent.body)).json
        back = await export(proxy)
        plain = await proxy.post(chat("One?"))
        stream = await proxy.post(chat("Two?", stream=True))
        crossed = await proxy.post(chat("Two?"))
        vectors = await proxy.post({"model": "e", "input": ["b", "a"]}, to="/embeddings")

    assert sent.headers["content-type"] == "application/x-ndjson"
    assert (done["imported"], done["failed"], done["problems"]) == (4, 0, [])
    assert (again["imported"], again["skipped"]) == (0, {"expired": 0, "newer_here": 4})
    assert back.body == sent.body
    assert [got.cache for got in (plain, stream, crossed, vectors)] == ["HIT"] * 4
    assert _said(stream.body) == _said(first.body)
    assert places.origin.calls == asked


def _said(stream: bytes) -> list[Any]:
    """The pieces of a stream, without what each replay has of its own."""
    frames = [part[6:] for part in stream.split(b"\n\n") if part.startswith(b"data: {")]
    return [json.loads(frame)["choices"] for frame in frames]


async def test_a_part_of_it(one: Served) -> None:
    """What a query says narrows an export, as a list; a misspelt one is refused."""
    await one.post(chat("One?"), x_cache_tags="faq")
    await one.post(chat("Two?"), x_cache_namespace="n")
    await one.post(chat("Three?"), key="sk-other")

    for query, questions in [
        ({"tag": "faq"}, ["One?"]),
        ({"namespace": "n"}, ["Two?"]),
        ({"namespace": "n", "tag": "faq"}, []),
        ({"tenant": digest_of({"authorization": "Bearer sk-other"})}, ["Three?"]),
        ({"model": "gpt-4o"}, ["One?", "Three?", "Two?"]),
    ]:
        lines = (await export(one, **query)).body.splitlines()
        assert sorted(json.loads(each)["question"] for each in lines[1:-1]) == questions
        assert json.loads(lines[-1])["entries"] == len(questions)
    assert (await export(one, tags="faq")).code == "invalid_selector"
    assert one.events("admin_act")[0]["by"] == "tag"
    assert one.events("entries_exported")[0]["count"] == 1


async def test_a_private_answer_stays(one: Served) -> None:
    """It is in no export: it never leaves its process."""
    await one.post(chat("A secret?"), cache_control="private")

    assert (await export(one)).body == begin() + end(0)


async def test_an_export_that_was_cut_short(one: Served) -> None:
    """What is whole of it is imported, and the rest is reported as missing."""
    for text in ("One?", "Two?", "Three?"):
        await one.post(chat(text))
    sent = (await export(one)).body
    await invalidate(one, everything=True)
    done = (await send(one, sent[: sent.index(b"\n", len(sent) // 2) + 20])).json

    assert done["imported"] == 2
    assert done["failed"] == 2
    assert done["problems"][0] == {"line": 4, "message": "is not JSON"}
    assert "cut short" in done["problems"][1]["message"]


async def test_lines_that_are_no_good(one: Served) -> None:
    """Each is named by its number; those around it are imported."""
    for text in ("One?", "Two?"):
        await one.post(chat(text))
    first, second = (await export(one)).body.splitlines(keepends=True)[1:-1]
    await invalidate(one, everything=True)
    most = one.runtime.config.cache.max_entry_bytes
    lines = [
        first,
        begin(),
        first,
        b"\n",
        b'{"object": "other"}\n',
        b"x" * (13 * most) + b"\n",
        second,
        end(9),
    ]
    done = (await send(one, b"".join(lines))).json

    assert done["imported"] == 2
    assert [each["line"] for each in done["problems"]] == [1, 5, 6, 8]
    assert [each["message"].split(":")[0] for each in done["problems"]] == [
        "object",
        "object",
        "the line is too long",
        "the export had 9 entries, and 4 lines came",
    ]
    headers = {"authorization": f"Bearer {TOKEN}", "content-encoding": "gzip"}
    async with one.http.post(one.root + IMPORT, data=b"x", headers=headers) as packed:
        assert (packed.status, (await packed.json())["error"]["code"]) == (400, "encoded_body")


async def test_answers_that_could_not_be_replayed(one: Served, origin: ScriptedOrigin) -> None:
    """They are left out, each with the reason; their question is answered by the origin."""
    await one.post(chat("One?"))
    sent = (await export(one)).body
    told = json.loads(sent.splitlines()[1])
    await invalidate(one, everything=True)
    bodies = ['{"answer": "yes"}', '{"choices": [{"message": "yes"}]}']
    bad = [{**told, "body": body} for body in bodies] + [{**told, "frames": ["yes"]}]
    lines = b"".join(json.dumps(each).encode() + b"\n" for each in bad)
    done = (await send(one, begin() + lines + end(3))).json

    assert (done["imported"], done["failed"]) == (0, 3)
    assert [each["message"] for each in done["problems"]] == [
        "body: is no answer of an API that is cached",
        "body: says nothing that /v1/chat/completions knows",
        "body: cannot be replayed as an answer of /v1/chat/completions",
    ]
    calls = origin.calls
    assert (await one.post(chat("One?"))).cache == "MISS"
    assert origin.calls == calls + 1
    assert (await send(one, sent)).json["failed"] == 0


async def test_what_is_over_and_what_is_newer(one: Served) -> None:
    """An entry past its time is left out, and a newer answer here stays."""
    await one.post(chat("One?"), x_cache_ttl="1000")
    whole = (await export(one)).body
    told = json.loads(whole.splitlines()[1])
    now = time.time()
    over = {**told, "created_at": now - 9, "expires_at": now - 5, "kept_until": now - 5}
    old = {**told, "created_at": told["created_at"] - 5}
    lines = [json.dumps(each).encode() + b"\n" for each in (over, old)]
    done = (await send(one, b"".join((begin(), *lines, end(2))))).json

    assert (done["imported"], done["skipped"]) == (0, {"expired": 1, "newer_here": 1})
    assert (await export(one)).body == whole


async def test_an_import_that_breaks_off(places: Places) -> None:
    """What had come is stored, nothing else is, and the same import again completes it."""
    async with places.at("one") as proxy:
        for number in range(150):
            await proxy.post(chat(f"{number}?"))
        sent = (await export(proxy)).body
    half = sent[: len(sent) // 2]

    async with places.at("two") as proxy:

        async def pieces() -> AsyncIterator[bytes]:
            yield half
            while await proxy.runtime.catalogue.count() == 0:  # noqa: ASYNC110 - nobody tells
                await asyncio.sleep(0.01)
            raise ConnectionResetError

        with pytest.raises(aiohttp.ClientError):
            await call(proxy, "POST", IMPORT, data=pieces())
        await until(lambda: bool(proxy.events("entries_imported")), "the far end knows")
        stored = proxy.events("entries_imported")[0]["count"]
        there = await proxy.runtime.catalogue.count()
        done = (await send(proxy, sent)).json
        back = await export(proxy)

    assert 0 < stored == there < 75
    assert (done["imported"], done["skipped"]["newer_here"]) == (150 - stored, stored)
    assert back.body == sent


async def test_a_past_chat_is_found_by_its_caller(one: Served, origin: ScriptedOrigin) -> None:
    """As if this proxy had passed it on: plain, streamed, and by nobody else."""
    request = chat("Why?", temperature=0.2)
    done = (await send(one, line(request=request, response=answer(), namespace="logs"))).json
    found = await one.post(request, x_cache_namespace="logs")
    stream = await one.post({**request, "stream": True}, x_cache_namespace="logs")

    assert (done["imported"], done["failed"], done["refused"]) == (1, 0, {})
    assert (found.cache, stream.cache) == ("HIT", "HIT")
    assert found.text == "Because."
    assert origin.calls == 0
    assert (await one.post(request)).cache == "MISS"
    assert (await one.post(request, key="sk-other", x_cache_namespace="logs")).cache == "MISS"


async def test_a_past_message_is_found_by_its_caller(one: Served, origin: ScriptedOrigin) -> None:
    """Another API's chat names its path, and the headers that are part of the key."""
    request = {
        "model": "claude",
        "max_tokens": 9,
        "messages": [{"role": "user", "content": "Why?"}],
    }
    response = {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "claude",
        "content": [{"type": "text", "text": "Because."}],
        "stop_reason": "end_turn",
        "stop_sequence": None,
        "usage": {"input_tokens": 3, "output_tokens": 2},
    }
    told = line(
        request=request,
        response=response,
        path="/v1/messages",
        headers={"Anthropic-Version": "2023-06-01"},
    )

    assert (await send(one, told)).json["imported"] == 1
    found = await one.post(request, to="/messages", anthropic_version="2023-06-01")
    assert (found.cache, origin.calls) == ("HIT", 0)


@pytest.mark.parametrize(
    ("told", "reason"),
    [
        ({"request": chat("What happens today?")}, "asks about today"),
        ({"request": chat("I am ann@example.org: who?")}, "personal data: e-mail address"),
        ({"response": answer(finish="length")}, "finish length"),
        ({"headers": {"cache-control": "no-store"}}, "no-store"),
    ],
)
async def test_what_the_rules_keep_out(one: Served, told: Json, reason: str) -> None:
    """A chat that would not be kept today is not; the reply counts them by reason."""
    known: Json = {"request": chat(), "response": answer()}
    done = (await send(one, line(**{**known, **told}) * 2)).json

    assert (done["imported"], done["failed"], sum(done["refused"].values())) == (0, 0, 2)
    assert list(done["refused"]) == [reason]


@pytest.mark.parametrize(
    ("told", "problem"),
    [
        ({"tenant": None}, "tenant: say who"),
        ({"path": "/v1/images"}, "path: /v1/images is none of /v1/chat/completions"),
        ({"headers": {"Authorization": "Bearer sk-secret"}}, "headers: authorization is none of"),
        ({"headers": {"x-cache-ttl": "never"}}, "x-cache-ttl: "),
        ({"response": {"error": {"message": "no"}}}, "response: is no answer of"),
        ({"response": {"choices": 7}}, "response: is no answer of"),
        ({"request": "What?"}, "request: "),
        ({"created_at": time.time() * 1000}, "created_at: is in the future"),
    ],
)
async def test_chats_that_cannot_be_read(one: Served, told: Json, problem: str) -> None:
    """The line is named with what is wrong in it; a credential is never repeated."""
    known: Json = {"request": chat(), "response": answer()}
    got = await send(one, line(**{**known, **told}))
    done = got.json

    assert (done["imported"], done["failed"]) == (0, 1)
    assert done["problems"][0]["line"] == 1
    assert done["problems"][0]["message"].startswith(problem)
    assert b"sk-secret" not in got.body


async def test_an_old_chat(one: Served) -> None:
    """It lives from its own time on: one that is older than its lifetime is left out."""
    known: Json = {"request": chat(), "response": answer()}
    ttl = one.runtime.config.cache.ttl.default_s
    now = time.time()
    done = (await send(one, line(**known, created_at=now - 2 * ttl - 1e9))).json
    young = (await send(one, line(**known, created_at=now - 60))).json
    hit = await one.post(chat())

    assert (done["skipped"]["expired"], young["imported"]) == (1, 1)
    assert int(hit.headers["age"]) >= 60


async def test_where_all_share_a_cache(places: Places) -> None:
    """A chat needs no tenant there: everybody finds it."""
    known: Json = {"request": chat(), "response": answer(), "tenant": None}
    async with places.at("all", cache={"tenancy": "shared"}) as proxy:
        assert (await send(proxy, line(**known))).json["imported"] == 1
        assert (await proxy.post(chat(), key="sk-anybody")).cache == "HIT"


async def test_a_reworded_question_finds_a_past_chat(places: Places) -> None:
    """It is embedded when it is imported, and in the index when the import has ended."""
    known: Json = {"request": chat("How do I reset my password?"), "response": answer("So.")}
    async with places.at("all", embedder={"kind": "local"}) as proxy:
        done = (await send(proxy, line(**known))).json
        found = await proxy.post(chat("How can I reset my password?"))

    assert done["imported"] == 1
    assert (found.cache, found.tier) == ("HIT", "vector")


async def test_entries_of_another_embedder(places: Places) -> None:
    """Their own questions find them at once; that they want new vectors is written down."""
    known: Json = {"request": chat("How do I reset my password?"), "response": answer("So.")}
    async with places.at("one") as proxy:
        await send(proxy, line(**known))
        told = json.loads((await export(proxy)).body.splitlines()[1])
    vector = base64.b64encode(np.array([0.6, 0.8], "<f4").tobytes()).decode()
    other = json.dumps({**told, "vector": vector, "embedder": "other/2"}).encode() + b"\n"

    async with places.at("two", embedder={"kind": "local"}) as proxy:
        meaning, embedders = proxy.runtime.meaning, proxy.runtime.sharing.embedders
        assert meaning is not None
        assert (await embedders.announce(meaning.embedder.id, has_all=True)).has_all
        assert (await send(proxy, begin() + other + end(1))).json["imported"] == 1
        assert (await proxy.post(chat("How do I reset my password?"))).cache == "HIT"
        ours = meaning.embedder.id

        async def is_known() -> bool:
            told = json.loads((await export(proxy, namespace="")).body.splitlines()[1])
            is_finished = (await embedders.announce(ours)).has_all
            return bool(told["embedder"] == ours or not is_finished)

        await until_async(is_known, "that its vector is another's")
