"""Bodies that nobody should send: refused in OpenAI's shape, or the origin's to judge."""

import gzip
import json
import zlib
from collections.abc import AsyncIterator

import pytest

from proxy.core.canonical import dumps
from tests.support.access import guarded, key
from tests.support.origin import ScriptedOrigin
from tests.support.program import Served, Serving, chat


@pytest.fixture
async def proxy(serving: Serving) -> AsyncIterator[Served]:
    async with serving() as one:
        yield one


def holding(value: str) -> bytes:
    """A request with this value of a parameter that nobody knows."""
    return dumps(chat()).replace(b"{", b'{"odd":' + value.encode() + b",", 1)


def asking(content: bytes) -> bytes:
    """A request with this content."""
    return b'{"model":"m","messages":[{"role":"user","content":%b}]}' % content


DEEP = 100_000


@pytest.mark.parametrize(
    "body",
    [
        holding("[" * DEEP + "]" * DEEP),
        holding('{"a":' * DEEP + "1" + "}" * DEEP),
        b"[" * DEEP,
        holding("1" * 10_000_000),
        holding("NaN"),
        holding("-Infinity"),
        asking(b'"\xff\xfe"'),
        asking(b'"\xed\xa0\xbd"'),
        json.dumps(chat()).encode("utf-16"),
        b"",
        b"[]",
        b"\0",
        dumps(chat()) + b"{}",
    ],
    ids=lambda body: f"{body[:20]!r}",
)
async def test_what_is_no_json_is_refused(
    proxy: Served, origin: ScriptedOrigin, body: bytes
) -> None:
    """At once, with 400: what cannot be read cannot be keyed, and no origin can answer it."""
    got = await proxy.post(body)

    assert (got.status, got.code) == (400, "invalid_json")
    assert origin.calls == 0
    assert "Traceback" not in proxy.log.getvalue()


@pytest.mark.parametrize(
    "body",
    [
        holding("[" * 900 + "]" * 900),
        holding("1e999"),
        holding("-1e400000000"),
        asking(rb'"\ud83d"'),
        asking(b"[" * 900 + b"]" * 900),
        b'{"model":"a","model":"b",' + dumps(chat())[1:],
        asking(b'"a","content":"b"'),
        asking(rb'"a","c\u006fntent" : "b"'),
    ],
    ids=lambda body: f"{body[:20]!r}",
)
async def test_what_is_read_in_two_ways_is_the_origins(
    proxy: Served, origin: ScriptedOrigin, body: bytes
) -> None:
    """It is asked each time, with the very bytes: the cache keys nothing that has two meanings."""
    for _ in range(2):
        origin.then(body=b'{"choices":[]}')
        got = await proxy.post(body)

        assert (got.status, got.cache) == (200, "BYPASS")
    assert [bytes(one.body) for one in origin.requests] == [body, body]
    assert "Traceback" not in proxy.log.getvalue()


@pytest.mark.parametrize("repeated", [b'"input":"a","input":"b"', b'"model":"n","input":"a"'])
async def test_nor_is_an_embedding_with_two_meanings_kept(
    proxy: Served, origin: ScriptedOrigin, repeated: bytes
) -> None:
    """The same for embeddings."""
    body = b'{"model":"m",%b}' % repeated
    for _ in range(2):
        got = await proxy.post(body, to="/embeddings")

        assert (got.status, got.cache) == (200, "BYPASS")
    assert [bytes(one.body) for one in origin.requests] == [body, body]


async def test_large_numbers_are_told_apart(proxy: Served, origin: ScriptedOrigin) -> None:
    """An integer over 64 bits is not the double that is nearest to it, nor its neighbour."""
    numbers = ("18446744073709551616", "18446744073709551617", "18446744073709551616.0")
    got = [(await proxy.post(holding(number))).cache for number in numbers * 2]

    assert got == ["MISS"] * 3 + ["HIT"] * 3
    assert origin.calls == 3


@pytest.mark.parametrize("path", ["/chat/completions", "/embeddings"])
@pytest.mark.parametrize("odd", ["[" * 985 + "]" * 985, "1e999"])
async def test_what_cannot_be_asked_as_it_was_read(
    serving: Serving, origin: ScriptedOrigin, path: str, odd: str
) -> None:
    """It is refused to who may ask some models only: the origin shall be asked what was checked."""
    body = holding(odd).replace(b"gpt-4o", b"m").replace(b'{"odd"', b'{"input":"a","odd"')
    async with serving(**guarded(key("sk-m", models=["m"]))) as proxy:
        got = await proxy.post(body, "sk-m", to=path)
        log = proxy.log.getvalue()

    assert got.status in {200, 400}
    assert origin.calls == (got.status == 200)
    assert all(bytes(one.body).count(odd.encode()) for one in origin.requests)
    assert "Traceback" not in log


PLAIN = b" " * (32 << 20)
DEFLATED = zlib.compress(PLAIN)


@pytest.mark.parametrize(
    ("encoding", "body"),
    [
        ("gzip", gzip.compress(PLAIN)),
        ("gzip, gzip", gzip.compress(gzip.compress(PLAIN))),
        ("deflate", DEFLATED),
        ("deflate", DEFLATED[2:]),
        ("br", b"\x00\x01\x02"),
        ("zstd", b"\x28\xb5\x2f\xfd\x00"),
        ("gzip", b"no gzip"),
        ("identity, odd", b"{}"),
    ],
)
async def test_a_bomb_is_the_origins(
    proxy: Served, origin: ScriptedOrigin, encoding: str, body: bytes
) -> None:
    """Whatever it would become, or does not: it goes on as it came, and nothing is unpacked."""
    origin.then(body=b"{}")
    got = await proxy.post(body, content_encoding=encoding)

    assert (got.status, got.cache) == (200, "BYPASS")
    assert bytes(origin.requests[0].body) == body
    assert "Traceback" not in proxy.log.getvalue()
