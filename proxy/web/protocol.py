"""aiohttp's connection, with the lane before it.

Bytes go to the lane between requests only, where each has come whole; what it leaves goes on to
aiohttp as it came. While the lane seeks an answer, what comes after the request waits. What is
private to aiohttp and relied on here is in `RELIED_ON`: where a version has it no longer,
connections are aiohttp's own.
"""

import asyncio
import re
from functools import partial
from typing import Any, Final

from aiohttp import web
from aiohttp.web_protocol import RequestHandler
from aiohttp.web_server import Server

from proxy.repeats import Repeat
from proxy.runtime import Runtime
from proxy.web.connection import Connection
from proxy.web.entrance import Visitor
from proxy.web.lane import LARGEST, Lane, Sought

RELIED_ON: Final = (
    "_close",
    "_force_close",
    "_keepalive_timeout",
    "_manager",
    "_next_keepalive_close_time",
    "_paused",
    "_request_count",
)

HOLD_S: Final = 1.0
"""How long a head that is known may wait here for its body; then aiohttp waits for it instead."""

_LAST: Final = b"\r\nconnection: close\r\n\r\n"
"""Ends the head of a connection's last reply."""

_HEAD: Final = re.compile(
    rb"(?:GET|POST|HEAD|PUT|PATCH|DELETE|OPTIONS) [!-~]+ HTTP/1\.1\r\n"
    rb"((?:[!#$%&'*+.^_`|~0-9A-Za-z-]+:[^\x00\r\n]*\r\n)+)\r\n"
)
"""A head as nearly all write it, which nobody can read in two ways (RFC 9112, 3 and 5)."""

_LENGTH: Final = re.compile(rb"(?im)^content-length:[ \t]*([0-9]{1,9})[ \t]*\r$")
_UNUSUAL: Final = re.compile(rb"(?im)^(?:transfer-encoding|expect|upgrade|connection:.*close)")


def missing(data: bytes) -> int | None:
    """How many bytes of one request, that these begin with, are still to come.

    None where that is not to be told at a glance, or more than one request is there. A request
    that names no length has no body (RFC 9112, 6.3).
    """
    head = _HEAD.match(data)
    if head is None or _UNUSUAL.search(head[1]) is not None:
        return None
    lengths = _LENGTH.findall(head[1])
    if len(lengths) > 1 or (not lengths and b"content-length" in head[1].lower()):
        return None
    left = head.end() + int(lengths[0] if lengths else 0) - len(data)
    return left if left >= 0 else None


class LaneProtocol(Connection):
    """A connection.

    Args:
        lane: Answers what it knows.
        stopping: Set once the server stops: from then on every reply has to say so.
    """

    __slots__ = (
        "_held",
        "_is_plain",
        "_lane",
        "_left",
        "_next",
        "_sought",
        "_stopping",
        "_taken",
    )

    def __init__(
        self,
        manager: Server,
        lane: Lane,
        stopping: asyncio.Event,
        **options: Any,  # noqa: ANN401 - aiohttp's own
    ) -> None:
        super().__init__(manager, lane.current, **options)
        self._lane = lane
        self._stopping = stopping
        self._is_plain = True  # all that was passed on was requests that came one by one
        self._held = b""  # of a request that the lane may know, and whose body has not come yet
        self._left = 0  # bytes still to come of the one that was passed on last
        self._taken: bytes | None = None  # that one, as far as it has come, for the lane to learn
        self._sought: Sought | None = None  # the answer that the lane seeks just now
        self._next = b""  # what has come meanwhile

    def learn(self, runtime: Runtime, repeat: Repeat, visitor: Visitor | None) -> None:
        """Have the lane know the request that is just being answered here."""
        if self._taken is not None and not self._left:
            self._lane.learn(self._taken, runtime, repeat, visitor)

    def data_received(self, data: bytes) -> None:
        """Some bytes have come: a repeat is answered here and now, or soon."""
        if self._sought is not None:
            self._wait(data)
        elif not (data and self._is_plain):
            self._lane.settle()
            super().data_received(data)
        elif self._left:
            self._go_on(data)
        else:
            self._begin(self._held + data if self._held else data)

    def _begin(self, data: bytes) -> None:
        """A request has come, or a part of one."""
        self._held = b""
        is_idle = self._is_idle()
        reply = self._lane.reply(data) if is_idle else None
        if reply is None:
            self._pass_on(data, is_idle=is_idle)
            return
        if self._head_timer is not None:
            self._watch_head(is_begun=False)
        if isinstance(reply, bytes):
            self._answer(reply)
        else:
            self._sought = reply
            self._stay_alive()
            reply.add_done_callback(partial(self._told, data))

    def _answer(self, reply: bytes) -> None:
        if self.transport is None or self._manager is None:
            return
        self._manager.requests_count += 1
        self.transport.write(reply)
        self._stay_alive()

    def _stay_alive(self) -> None:
        """The time that a silent connection gets begins anew."""
        self._next_keepalive_close_time = self._loop.time() + self._keepalive_timeout

    def _wait(self, data: bytes) -> None:
        """More has come than the request whose answer is sought: no more than this is read."""
        if self.transport is not None and not self._next:
            self.transport.pause_reading()
        self._next += data

    def _told(self, data: bytes, sought: Sought) -> None:
        """The lane has found the answer to these bytes, or leaves them to aiohttp."""
        self._sought = None
        more, self._next = self._next, b""
        if self.transport is None:
            return
        if more:
            self.transport.resume_reading()
        reply = None if sought.cancelled() or sought.exception() else sought.result()
        if reply is None:
            self._pass_on(data, is_idle=True)
        elif self._stopping.is_set():
            self._answer(reply.replace(b"\r\n\r\n", _LAST, 1))
            self.force_close()
        else:
            self._answer(reply)
        if more:
            self.data_received(more)

    def connection_lost(self, exc: BaseException | None) -> None:
        """The caller has left, whose answer may just be sought."""
        super().connection_lost(exc)
        if self._sought is not None:
            self._sought.cancel()

    async def shutdown(self, timeout: float | None = 15.0) -> None:  # noqa: ASYNC109 - aiohttp's own
        """End, once an answer that is sought has been given."""
        if self._sought is not None:
            await asyncio.wait([self._sought])
        await super().shutdown(timeout)

    def _is_idle(self) -> bool:
        """Whether nothing is under way here, and an answer would leave at once."""
        # Not whether aiohttp waits for more: on a busy loop the next request is there before that.
        is_open = not (self._paused or self._close or self._force_close)
        return self._has_nothing_to_do() and is_open and not self._stopping.is_set()

    async def finish_response(
        self, request: web.BaseRequest, resp: web.StreamResponse, start_time: float | None
    ) -> tuple[web.StreamResponse, bool]:
        """A reply has left; one that is the connection's last ends the lane here."""
        done = await super().finish_response(request, resp, start_time)
        self._is_plain = self._is_plain and bool(resp.keep_alive)
        return done

    def _pass_on(self, data: bytes, *, is_idle: bool) -> None:
        """To aiohttp, unless the lane may know it once its body has come."""
        left = missing(data)
        if is_idle and left and self._lane.expects(data):
            self._held = data
            self._watch_head(is_begun=True, within_s=HOLD_S)
            return
        self._lane.settle()
        before = self._request_count
        self._left = left or 0
        self._taken = data if is_idle and left is not None and left <= LARGEST else None
        super().data_received(data)
        if left is None or self._request_count != before + 1:
            self._is_plain = False
            self._taken = None

    def _head_is_late(self) -> None:
        """A head that is held is whole: only its body is late, which has a time of its own."""
        if not self._held:
            super()._head_is_late()
            return
        self._head_timer = None
        held, self._held = self._held, b""
        self._pass_on(held, is_idle=False)

    def _go_on(self, data: bytes) -> None:
        """More of a request's body."""
        self._left -= len(data)
        if self._left < 0:  # and the beginning of another one
            self._is_plain = False
            self._taken = None
        elif self._taken is not None:
            self._taken += data
        super().data_received(data)


class LaneServer(Server):
    """Makes such connections.

    Args:
        server: aiohttp's, whose options hold.
        lane, stopping: See `LaneProtocol`.
    """

    def __init__(self, server: Server, lane: Lane, stopping: asyncio.Event) -> None:
        super().__init__(
            server.request_handler,
            request_factory=server.request_factory,
            handler_cancellation=server.handler_cancellation,
            loop=asyncio.get_running_loop(),
            **server._kwargs,  # noqa: SLF001 - aiohttp has no other way to make a server like it
        )
        self._lane = lane
        self._stopping = stopping

    def __call__(self) -> RequestHandler:
        """A connection has come."""
        return LaneProtocol(self, self._lane, self._stopping, loop=self._loop, **self._kwargs)


class LaneRunner(web.AppRunner):
    """aiohttp's runner, whose server has a lane.

    Args:
        lane, stopping: See `LaneProtocol`.
    """

    __slots__ = ("_stopping", "lane")

    def __init__(
        self,
        app: web.Application,
        lane: Lane,
        stopping: asyncio.Event,
        **options: Any,  # noqa: ANN401 - aiohttp's own
    ) -> None:
        super().__init__(app, **options)
        self.lane = lane
        self._stopping = stopping

    async def _make_server(self) -> Server:
        server = await super()._make_server()
        is_as_known = all(hasattr(RequestHandler, name) for name in RELIED_ON)
        return LaneServer(server, self.lane, self._stopping) if is_as_known else server
