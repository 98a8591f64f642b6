"""What stands before a body: headers that steer, headers that say who asks, whole heads."""

import asyncio
from math import isfinite

from aiohttp.base_protocol import BaseProtocol
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.http_parser import HttpRequestParser
from aiohttp.streams import EMPTY_PAYLOAD

from proxy.core import credentials, directives
from proxy.core.access import presented
from proxy.core.routing import Route, Routes
from proxy.errors import BadRequestError
from proxy.web.protocol import missing
from tests.fuzz.target import Target

ROUTES = Routes((Route("a", ("gpt-*",)), Route("b", (), "/b")))
LOOP = asyncio.new_event_loop()
"""aiohttp's parser wants one, and does not run it."""
LIMITS = directives.Limits(0.9)


def _fields(data: bytes) -> dict[str, str]:
    """A head's lines as aiohttp gives them."""
    lines = (line.partition(b":") for line in data.split(b"\n"))
    return {
        name.decode("utf-8", "surrogateescape").lower().strip(): value.decode(
            "utf-8", "surrogateescape"
        ).strip()
        for name, _, value in lines
    }


def _directives(data: bytes) -> None:
    fields = _fields(data)
    directives.session(fields)
    asked = directives.parse(fields, LIMITS)

    assert asked.ttl is None or 0 < asked.ttl <= directives.MAX_DELTA_S
    assert asked.threshold is None or 0.9 <= asked.threshold <= 1
    assert all(0 <= s <= directives.MAX_DELTA_S for s in (asked.max_age, asked.min_fresh) if s)
    assert asked.stale_if_error is None or isfinite(asked.stale_if_error)


def _credentials(data: bytes) -> None:
    fields = _fields(data)
    tenant = credentials.digest_of(fields, b"secret")
    presented(fields)
    for name in fields:
        credentials.is_personal(name)
    for name in (*credentials.KEYS, *credentials.ACCOUNTS):
        assert (
            credentials.digest_of({**fields, name: fields.get(name, "") + "x"}, b"secret") != tenant
        )
        assert credentials.tenant_named("a", b"secret", {**fields, name: "x"}) != tenant


def _routes(data: bytes) -> None:
    path = "/" + data.decode("latin-1")
    to = ROUTES.of(path)
    assert path.endswith(to.path)
    ROUTES.for_model(to, path)


def _head(data: bytes) -> None:
    """What the lane takes for one whole request, aiohttp reads as that very one."""
    if missing(data) != 0:
        return
    parser = HttpRequestParser(BaseProtocol(LOOP), LOOP, 2**16)
    try:
        messages, is_upgraded, rest = parser.feed_data(data)
    except HttpProcessingError:
        return  # the lane learns of what aiohttp has answered, and of nothing else
    assert (len(messages), is_upgraded, rest) == (1, False, b"")
    message, payload = messages[0]
    assert not message.chunked
    assert message.version == (1, 1)
    body = data.partition(b"\r\n\r\n")[2]
    if body or payload is not EMPTY_PAYLOAD:
        assert payload.is_eof()
        assert (payload.read_nowait(-1) if payload.total_bytes else b"") == body


TARGETS = (
    Target(
        "directives",
        _directives,
        (BadRequestError,),
        (
            *(name.encode() + b": " for name in sorted(directives.NAMES)),
            *(b"cache-control: ", b"max-age=", b"no-store", b",", b'"', b"\\", b"1e9"),
        ),
    ),
    Target(
        "credentials",
        _credentials,
        (),
        (b"authorization: Bearer ", b"x-api-key: ", b"openai-project: ", b"helicone-auth: "),
    ),
    Target("routes", _routes, (), (b"/v1", b"/b", b"%2f", b"..", b"//", b"?", b"gpt-")),
    Target(
        "head",
        _head,
        (),
        (
            b"POST /v1/chat/completions HTTP/1.1\r\n",
            b"Content-Length: 2\r\n",
            b"Transfer-Encoding: chunked\r\n",
            b"Host: x\r\n",
            b"Connection: upgrade\r\n",
            b"\r\n",
            b"\r\n\r\n",
            b"{}",
            b"\t",
            b" ",
            b"GET ",
        ),
    ),
)
