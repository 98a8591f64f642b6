"""Requests that may be read in two ways: nobody gets what was meant for another."""

import asyncio
import json
import re
from collections.abc import AsyncIterator
from contextlib import suppress

import pytest

from tests.support.lines import PATH, line_to, raw
from tests.support.origin import ScriptedOrigin
from tests.support.program import KEY, Served, Serving, chat

BODY = json.dumps(chat("Mine?")).encode()
COMMON = f"host: x\r\nauthorization: Bearer {KEY}\r\ncontent-type: application/json\r\n".encode()
HIDDEN = raw(PATH, chat("Hidden?"))
LENGTH = b"content-length: %d\r\n" % len(BODY)
CHUNKED = b"transfer-encoding: chunked\r\n"
CHUNKS = b"%x\r\n%b\r\n0\r\n\r\n" % (len(BODY), BODY)


@pytest.fixture
async def proxy(serving: Serving) -> AsyncIterator[Served]:
    async with serving(server={"connections": {"body_timeout_s": 1.0}}) as one:
        yield one


def asked(fields: bytes, body: bytes = BODY, line: str = f"POST {PATH} HTTP/1.1") -> bytes:
    """A request with these lines in its head."""
    return line.encode() + b"\r\n" + COMMON + fields + b"\r\n" + body


async def all_told(proxy: Served, sent: bytes) -> bytes:
    """What comes back until the proxy closes, after a last request that has it close."""
    async with line_to(proxy) as line:
        line.writer.write(sent + asked(b"connection: close\r\n", b"", "GET /healthz HTTP/1.1"))
        with suppress(ConnectionError):
            async with asyncio.timeout(10):
                return await line.reader.read()
    return b""


def statuses(told: bytes) -> list[int]:
    """Of all replies."""
    return [int(status) for status in re.findall(rb"HTTP/1\.[01] (\d{3}) ", told)]


@pytest.mark.parametrize(
    "sent",
    [
        asked(LENGTH + CHUNKED, CHUNKS),
        asked(CHUNKED + LENGTH, CHUNKS),
        asked(LENGTH + b"content-length: 0\r\n"),
        asked(b"content-length: +%d\r\n" % len(BODY)),
        asked(b"content-length: -1\r\n"),
        asked(b"content-length: 0x10\r\n"),
        asked(b"content-length: 1_0\r\n"),
        asked(b"content-length: %d, %d\r\n" % (len(BODY), len(BODY))),
        asked(b"content-length: \r\n"),
        asked(b"content-length: " + b"9" * 40 + b"\r\n"),
        asked(b"content-length : %d\r\n" % len(BODY)),
        asked(b" content-length: %d\r\n" % len(BODY)),
        asked(b"transfer-encoding: xchunked\r\n", CHUNKS),
        asked(b"transfer-encoding: chunked, identity\r\n", CHUNKS),
        asked(b"transfer-encoding:\x0bchunked\r\n", CHUNKS),
        asked(b"transfer-encoding\x00: chunked\r\n", CHUNKS),
        asked(CHUNKED, b"fffffffffffffffff\r\n" + BODY),
        asked(CHUNKED, b"-1\r\n" + BODY),
        asked(CHUNKED, b"0x10\r\n" + BODY),
        asked(CHUNKED, b"%x \x00\r\n" % len(BODY) + BODY + b"\r\n0\r\n\r\n"),
        asked(b"x: a\x00b\r\n" + LENGTH),
        asked(b"x: a\rb\r\n" + LENGTH),
        asked(b"x\r\n" + LENGTH),
        asked(b": x\r\n" + LENGTH),
        asked(LENGTH, line=f"POST {PATH} HTTP/1.1 "),
        asked(LENGTH, line=f"POST {PATH} HTTP/2.0"),
        asked(LENGTH, line=f"P()T {PATH} HTTP/1.1"),
        asked(LENGTH, line=f"POST {PATH}"),
    ],
    ids=lambda sent: repr(sent.replace(COMMON, b"").replace(BODY, b""))[:90],
)
async def test_what_is_no_clear_request_is_refused(
    proxy: Served, origin: ScriptedOrigin, sent: bytes
) -> None:
    """With an error, the connection's last word: what stands behind it is never a request."""
    told = await all_told(proxy, sent + HIDDEN)

    assert statuses(told) == [400]
    assert json.loads(told.partition(b"\r\n\r\n")[2])["error"]["code"]
    assert origin.calls == 0
    assert "Traceback" not in proxy.log.getvalue()


def said(told: bytes) -> list[str]:
    """The question that each completion answers, in order."""
    return re.findall(r"to: (\w+\?)", told.decode())


@pytest.mark.parametrize(
    "sent",
    [
        asked(CHUNKED, CHUNKS),
        asked(CHUNKED, b"%x;a=b;c\r\n%b\r\n0;d\r\n\r\n" % (len(BODY), BODY)),
        asked(CHUNKED, b"%x\r\n%b\r\n0\r\nx-trailer: y\r\n\r\n" % (len(BODY), BODY)),
        asked(CHUNKED, b"000%X\r\n%b\r\n000\r\n\r\n" % (len(BODY), BODY)),
        asked(LENGTH + b"expect: 100-continue\r\n"),
        asked(LENGTH, line=f"POST http://elsewhere.example{PATH} HTTP/1.1"),
        asked(LENGTH + b"connection: keep-alive, x-odd\r\n"),
        asked(LENGTH, line=f"POST  {PATH} HTTP/1.1"),
        b"\r\n" + asked(LENGTH),
    ],
    ids=lambda sent: repr(sent.replace(COMMON, b"").replace(BODY, b""))[:90],
)
async def test_what_is_pipelined_is_answered_in_turn(
    proxy: Served, origin: ScriptedOrigin, sent: bytes
) -> None:
    """Each request gets its own answer, hit or miss, whatever stands before it."""
    told = b"".join([await all_told(proxy, (sent + HIDDEN) * 2) for _ in range(2)])

    assert [status for status in statuses(told) if status != 100] == [200] * 10
    assert said(told) == ["Mine?", "Hidden?"] * 4
    assert {one.path for one in origin.requests} == {PATH}
    assert origin.calls == 2
    assert "Traceback" not in proxy.log.getvalue()


@pytest.mark.parametrize(
    "target", ["*", "//elsewhere.example/v1/models", "/v1/../../admin", "/v1/%00", "/v1/models#x"]
)
async def test_odd_targets_are_no_way_elsewhere(
    proxy: Served, origin: ScriptedOrigin, target: str
) -> None:
    """They are refused, or a path below the origin's base."""
    told = await all_told(proxy, asked(b"", b"", f"GET {target} HTTP/1.1"))

    assert statuses(told)[0] < 500
    assert all(".." not in one.path for one in origin.requests)
    assert "Traceback" not in proxy.log.getvalue()


@pytest.mark.parametrize("known", [False, True])
async def test_who_closes_his_half_gets_his_own_or_nothing(proxy: Served, known: bool) -> None:
    """To close a half of the connection is to leave: an answer under way may be lost, not mixed."""
    if known:
        await all_told(proxy, asked(LENGTH) * 2)
    async with line_to(proxy) as line:
        line.writer.write(asked(LENGTH))
        line.writer.write_eof()
        async with asyncio.timeout(10):
            told = await line.reader.read()

    assert statuses(told) in ([200], [])
    assert said(told) in (["Mine?"], [])
    assert said(await all_told(proxy, asked(LENGTH) + HIDDEN)) == ["Mine?", "Hidden?"]
    assert "Traceback" not in proxy.log.getvalue()


async def test_half_a_body_is_no_request(proxy: Served, origin: ScriptedOrigin) -> None:
    """Who closes in the middle of his request has asked nothing."""
    async with line_to(proxy) as line:
        line.writer.write(asked(LENGTH)[:-5])
        line.writer.write_eof()
        async with asyncio.timeout(10):
            told = await line.reader.read()

    assert statuses(told) in ([], [400], [408])
    assert origin.calls == 0
    assert "Traceback" not in proxy.log.getvalue()
