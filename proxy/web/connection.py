"""aiohttp's connection, bounded: in number, in size, and in time.

Who sends the head of a request too slowly, or does not read his answer, is let go. What aiohttp
cannot read is answered in OpenAI's shape, as every error is.
"""

import asyncio
from collections.abc import Callable
from typing import Any, Final

import orjson
from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError, LineTooLong
from aiohttp.web_protocol import RequestHandler
from aiohttp.web_server import Server

from proxy.config.connections import Connections
from proxy.errors import (
    ApiError,
    BadRequestError,
    HeadersTooLargeError,
    OverloadedError,
    TooLongError,
    TooSlowError,
)
from proxy.runtime import Runtime

TOO_MANY_HEADERS: Final = "Too many headers"
"""How aiohttp begins to say so: it has no error of its own for that."""


class Connection(RequestHandler):
    """A connection of a caller.

    Args:
        manager: aiohttp's server.
        current: The runtime that holds now.
        options: aiohttp's own.
    """

    __slots__ = ("_answered", "_current", "_head_timer", "_send_timer")

    def __init__(
        self,
        manager: Server,
        current: Callable[[], Runtime],
        **options: Any,  # noqa: ANN401 - aiohttp's own
    ) -> None:
        super().__init__(manager, **options)
        self._current = current
        self._answered = 0  # requests whose reply has left
        self._head_timer: asyncio.TimerHandle | None = None
        self._send_timer: asyncio.TimerHandle | None = None

    @property
    def _bounds(self) -> Connections:
        return self._current().config.server.connections

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A caller has come."""
        super().connection_made(transport)
        if self._manager is not None and len(self._manager.connections) > self._bounds.most:
            problem = OverloadedError(
                "Too many connections are open. Try again soon.",
                code="too_many_connections",
                headers={"retry-after": "1"},
            )
            self._dismiss(problem)

    def data_received(self, data: bytes) -> None:
        """Some bytes have come, which may be the beginning of a head."""
        super().data_received(data)
        self._watch_head(is_begun=bool(data) and self._has_nothing_to_do())

    def _has_nothing_to_do(self) -> bool:
        """Whether all requests that have come have been answered."""
        return self._answered == self._request_count

    def _watch_head(self, *, is_begun: bool, within_s: float | None = None) -> None:
        """A head has begun to come, or none has; None gives it what is configured."""
        if not is_begun:
            if self._head_timer is not None:
                self._head_timer.cancel()
                self._head_timer = None
        elif self._head_timer is None and not (self._close or self._force_close):
            seconds = self._bounds.head_timeout_s if within_s is None else within_s
            self._head_timer = self._loop.call_later(seconds, self._head_is_late)

    def _head_is_late(self) -> None:
        self._head_timer = None
        if self._has_nothing_to_do():
            self._dismiss(TooSlowError("The request took too long to come.", code="head_too_slow"))

    def _dismiss(self, problem: ApiError) -> None:
        """Tell the caller why, and close."""
        self._tell(problem)
        if self.transport is not None and not self.transport.is_closing():
            self.transport.write(_written(problem))
        self.force_close()

    def _tell(self, problem: ApiError) -> None:
        self._current().observer.event(
            "connection_dropped", reason=problem.code, status=problem.status
        )

    async def finish_response(
        self, request: web.BaseRequest, resp: web.StreamResponse, start_time: float | None
    ) -> tuple[web.StreamResponse, bool]:
        """A reply has left."""
        done = await super().finish_response(request, resp, start_time)
        self._answered += 1
        return done

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """What a request gets that cannot be read; whatever else fails is aiohttp's to tell."""
        if not isinstance(exc, HttpProcessingError) or request.writer.output_size > 0:
            return super().handle_error(request, status, exc, message)
        problem = _unreadable(exc)
        self._tell(problem)
        reply = web.Response(
            status=problem.status,
            body=orjson.dumps(problem.body()),
            content_type="application/json",
        )
        reply.force_close()
        return reply

    def pause_writing(self) -> None:
        """The caller takes his answer more slowly than it comes."""
        super().pause_writing()
        self._watch_sending()

    def resume_writing(self) -> None:
        """He has taken what was there."""
        super().resume_writing()
        self._watch_no_more()

    def _watch_sending(self) -> None:
        if self.transport is not None:
            unsent = self.transport.get_write_buffer_size()
            seconds = self._bounds.send_timeout_s
            self._send_timer = self._loop.call_later(
                seconds, self._look_at_sending, self.transport, unsent
            )

    def _look_at_sending(self, transport: asyncio.Transport, unsent: int) -> None:
        if transport.get_write_buffer_size() < unsent:
            self._watch_sending()
            return
        self._send_timer = None
        self._current().observer.event("connection_dropped", reason="reader_too_slow", status=200)
        transport.abort()

    def _watch_no_more(self) -> None:
        if self._send_timer is not None:
            self._send_timer.cancel()
            self._send_timer = None

    def connection_lost(self, exc: BaseException | None) -> None:
        """The caller has left, or was let go."""
        super().connection_lost(exc)
        self._watch_no_more()
        self._watch_head(is_begun=False)


def _unreadable(error: HttpProcessingError) -> ApiError:
    if isinstance(error, LineTooLong):
        # A URL is told from a header by its beginning: both are lines to aiohttp.
        if bytes(error.args[0])[:1] == b"/":
            return TooLongError("The URL is too long.", code="url_too_long")
        return HeadersTooLargeError("A header is too long.", code="headers_too_large")
    if error.message.startswith(TOO_MANY_HEADERS):
        return HeadersTooLargeError("There are too many headers.", code="headers_too_large")
    return BadRequestError("This is no HTTP that can be read.", code="unreadable_request")


def _written(problem: ApiError) -> bytes:
    """An error as it goes over the wire, the last thing there."""
    body = orjson.dumps(problem.body())
    fields = {
        **problem.headers,
        "content-type": "application/json",
        "content-length": str(len(body)),
        "connection": "close",
    }
    head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    return f"HTTP/1.1 {problem.status} \r\n{head}\r\n".encode() + body
