"""What the gateway tells of each request, and how it asks the origin."""

import asyncio
from dataclasses import replace

import pytest

from proxy.core.changes import ALL_TENANTS, Selector
from proxy.resilience import Deadline
from tests.support.origin import Act, Gate, ScriptedOrigin
from tests.support.program import Served, Serving, chat
from tests.support.waiting import until


async def test_usage_is_not_asked_for_where_so_configured(
    serving: Serving, origin: ScriptedOrigin
) -> None:
    """The origin then gets the caller's bytes."""
    body = chat(stream=True)
    async with serving(upstream={"request_usage": False}) as proxy:
        await proxy.post(body)

    assert origin.requests[0].json == body


async def test_each_request_is_noticed_once(proxy: Served, origin: ScriptedOrigin) -> None:
    """With what became of it; times are there for every stage that was passed."""
    await proxy.post(chat())
    await proxy.post(chat(stream=True))
    await proxy.post(chat(), cache_control="no-cache")
    await proxy.post(chat("Other"), cache_control="only-if-cached")
    origin.then(status=503, body=b"{}")
    await proxy.post(chat("Third"))
    lines = proxy.events("request")

    assert [(line["result"], line["status"]) for line in lines] == [
        ("MISS", 200),
        ("HIT", 200),
        ("MISS", 200),
        ("MISS", 504),
        ("MISS", 503),
    ]
    assert [line.get("stored") for line in lines] == [True, None, True, None, False]
    assert [line["stream"] for line in lines] == [False, True, False, False, False]
    assert set(lines[0]["ms"]) == {"session", "shared", "embed", "upstream", "total"} - {"embed"}
    assert lines[0]["prompt_tokens"] == lines[1]["prompt_tokens"]
    assert lines[1]["saved_usd"] > 0
    assert lines[3]["reason"] == "not_cached"


async def test_a_stream_is_noticed_with_its_end(proxy: Served) -> None:
    """What was stored, and its tokens, are known only then."""
    await proxy.post(chat(stream=True))
    (line,) = proxy.events("request")

    assert (line["stored"], line["stream"]) == (True, True)
    assert line["completion_tokens"] > 0


async def test_a_broken_stream_is_noticed(proxy: Served, origin: ScriptedOrigin) -> None:
    """It was not a success, and nobody must take it for one."""
    origin.then(break_at=3)
    async with proxy.sdk() as sdk:
        stream = await sdk.chat.completions.create(
            model="m", messages=[{"role": "user", "content": "Hello"}], stream=True
        )
        with pytest.raises(Exception, match=r".+"):
            async for _ in stream:
                pass
    await until(lambda: bool(proxy.events("request")))
    (line,) = proxy.events("request")

    assert (line["stored"], line["reason"]) == (False, "the stream broke")


async def test_a_caller_who_left_is_noticed(proxy: Served, origin: ScriptedOrigin) -> None:
    """Once, with the reason."""
    gate = Gate()
    origin.always = Act(gates={2: gate})
    async with proxy.http.post(f"{proxy.url}/chat/completions", json=chat(stream=True)) as got:
        await got.content.readany()
        got.close()
    await until(lambda: bool(proxy.events("request")))

    assert [line["reason"] for line in proxy.events("request")] == ["the caller left"]


async def test_who_hangs_up_at_the_end_has_not_left(proxy: Served, origin: ScriptedOrigin) -> None:
    """Clients stop at the end marker: the answer was told whole, and its tokens count."""
    origin.always = Act(pause_s=0.05)
    async with proxy.http.post(f"{proxy.url}/chat/completions", json=chat(stream=True)) as got:
        await got.content.readuntil(b"[DONE]\n\n")
        got.close()
    await until(lambda: bool(proxy.events("request")))
    (line,) = proxy.events("request")

    assert (line.get("reason"), line["stored"]) == (None, True)
    assert line["completion_tokens"] > 0


async def test_a_joiner_saves_what_the_first_one_paid(
    proxy: Served, origin: ScriptedOrigin
) -> None:
    """Coalesced tokens are saved tokens."""
    gate = Gate()
    origin.then(before=gate)
    async with asyncio.TaskGroup() as group:
        for _ in range(2):
            group.create_task(proxy.post(chat()))
        await gate.reached()
        await until(lambda: sum(len(f._seats) for f in proxy.runtime.flights._calls) == 2)
        gate.open()
    lines = {line["result"]: line for line in proxy.events("request")}

    assert lines["COALESCED"]["saved_usd"] > 0
    assert "saved_usd" not in lines["MISS"]


@pytest.mark.parametrize(
    ("stream", "body"),
    [
        (True, b"7"),
        (True, b"no JSON"),
        (False, b"7"),
        (False, b"no JSON"),
    ],
)
async def test_what_is_kept_and_is_no_answer_breaks_none(
    proxy: Served, body: bytes, stream: bool
) -> None:
    """However it came into the store: who meets it is answered by the origin, and that is kept."""
    asked = chat(stream=stream)
    await proxy.post(asked)
    await proxy.runtime.store.idle(Deadline(10))
    pages = proxy.runtime.archive.pages(Selector(ALL_TENANTS, everything=True))
    [entry] = [entry async for page in pages for entry in page]
    answer = replace(entry.answer, body=body, frames=())
    await proxy.runtime.shared.put(replace(entry, answer=answer))
    got = [await proxy.post(asked, x_session_id=name) for name in ("one", "two")]

    assert [(one.status, one.cache, one.tier) for one in got] == [
        (200, "MISS", None),
        (200, "HIT", "shared"),
    ]
    assert got[0].body.endswith(b"[DONE]\n\n" if stream else b"}")
    assert [line["tier"] for line in proxy.events("entry_unreadable")] == ["shared"]
    assert proxy.events("request_crashed") == []
