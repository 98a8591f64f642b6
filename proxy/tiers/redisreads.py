"""Reads that leave for Redis together: what is asked in one turn of the loop is one piece.

Whoever reads through redis-py's pool takes a connection from it, gives it back, and pays for
time-outs of his own. Here all share one connection, which redis-py opens, logs in and encrypts.
From then on answers are told as they arrive, in the order in which they were asked for, with no
task or stream between: half of what a lookup costs.

To read twice does no harm: what a lost connection leaves unanswered is asked again.
"""

import asyncio
from collections import deque
from collections.abc import Sequence
from math import inf
from typing import Any, Final

import hiredis
from redis.asyncio import Redis
from redis.asyncio.connection import AbstractConnection
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

UNTRUSTED_S: Final = 30.0
"""Seconds of silence after which a connection may be dead without a word: it is made anew."""

Answer = asyncio.Future[Any]


class Reads:
    """The reads of one server. Raises RedisError or OSError.

    Args:
        redis: A client of that server: its pool makes the connection, and does not count it.
    """

    def __init__(self, redis: Redis) -> None:
        self._pool = redis.connection_pool
        self._line: _Line | None = None
        self._opening = asyncio.Lock()
        self._failures = 0
        self._failure: Exception | None = None
        self._is_closed = False

    async def ask(self, *command: Any) -> Any:  # noqa: ANN401 - as Redis answers
        """The answer to a command that changes nothing."""
        line = self._line
        if line is not None and line.is_fit(self._pool):
            try:
                return await line.ask(command)
            except RedisConnectionError as error:
                return await self._ask_again(command, error)
        return await (await self._opened()).ask(command)

    async def _ask_again(self, command: Sequence[Any], error: Exception) -> Any:  # noqa: ANN401
        """Once the connection was lost, as often as the pool's policy has it."""
        errors = [error]

        async def answer() -> Any:  # noqa: ANN401 - as Redis answers
            if errors:
                raise errors.pop()
            return await (await self._opened()).ask(command)

        retry = self._pool.connection_kwargs["retry"]
        return await retry.call_with_retry(answer, lambda _: asyncio.sleep(0))

    async def _opened(self) -> "_Line":
        """The connection, made anew where it has to be, by one for all who wait."""
        failures = self._failures
        async with self._opening:
            if self._is_closed:
                raise RedisConnectionError("closed")
            line = self._line
            if line is not None and line.is_fit(self._pool):
                return line
            if self._failure is not None and self._failures > failures:
                raise self._failure
            await self._let_go()
            connection = self._pool.make_connection()  # type: ignore[no-untyped-call]
            try:
                await connection.connect()
            except BaseException as error:
                if isinstance(error, Exception):
                    self._failures, self._failure = self._failures + 1, error
                await connection.disconnect(nowait=True)
                raise
            self._line = _Line(connection)
            return self._line

    async def close(self) -> None:
        """End the connection; who waits is told so."""
        self._is_closed = True
        await self._let_go()

    async def _let_go(self) -> None:
        line, self._line = self._line, None
        if line is not None:
            await line.close()


class _Line(asyncio.Protocol):
    """A connection that is open, taken over from redis-py's streams.

    Args:
        connection: It, logged in.
    """

    def __init__(self, connection: AbstractConnection) -> None:
        self._connection = connection
        self._loop = asyncio.get_running_loop()
        self._timeout_s = connection.socket_timeout or inf
        writer: Any = connection._writer  # noqa: SLF001 - there is no other way
        self._transport = writer.transport
        self._streams = self._transport.get_protocol()
        self._reader = hiredis.Reader(
            protocolError=RedisConnectionError,
            replyError=connection._parser.parse_error,  # noqa: SLF001 - the same
        )
        self._unsent: list[bytes] = []
        self._waiting: deque[tuple[float, Answer]] = deque()
        self._heard = self._loop.time()
        self._timer: asyncio.TimerHandle | None = None
        self._is_lost = False
        self._transport.set_protocol(self)

    def is_fit(self, pool: Any) -> bool:  # noqa: ANN401 - of whatever kind
        """Whether it is open, not too old, and leads where the pool's own connections do."""
        if self._is_lost or self._loop.time() - self._heard > UNTRUSTED_S:
            return False
        master = getattr(pool, "master_address", None)  # by Sentinel's word
        at: Any = self._connection
        return master is None or bool(master == (at.host, at.port))

    def ask(self, command: Sequence[Any]) -> Answer:
        """The answer to come."""
        answer: Answer = self._loop.create_future()
        if self._is_lost:
            answer.set_exception(RedisConnectionError("Connection lost"))
            return answer
        if not self._unsent:
            self._loop.call_soon(self._send)
        self._unsent += self._connection.pack_command(*command)
        now = self._loop.time()
        self._waiting.append((now, answer))
        if self._timer is None and self._timeout_s < inf:
            self._timer = self._loop.call_at(now + self._timeout_s, self._look)
        return answer

    def _send(self) -> None:
        unsent, self._unsent = self._unsent, []
        if not self._is_lost:
            self._transport.write(b"".join(unsent))

    def _look(self) -> None:
        """Whether the oldest question has waited for too long: then nothing more is believed."""
        self._timer = None
        if not self._waiting:
            return
        ends = self._waiting[0][0] + self._timeout_s
        if ends > self._loop.time():
            self._timer = self._loop.call_at(ends, self._look)
        else:
            self._lose(RedisTimeoutError("Timeout reading from socket"))

    def data_received(self, data: bytes) -> None:
        """Some answers."""
        self._heard = self._loop.time()
        try:
            self._reader.feed(data)
            while (told := self._reader.gets()) is not False and self._waiting:
                _tell(self._waiting.popleft()[1], told)
        except RedisConnectionError as error:  # what came is not Redis's protocol
            self._lose(error)

    def connection_lost(self, exc: Exception | None) -> None:
        """The other side has closed it, or it broke."""
        self._lose(RedisConnectionError(f"Connection lost: {exc}" if exc else "Connection lost"))
        self._streams.connection_lost(exc)

    def _lose(self, error: Exception) -> None:
        self._is_lost = True
        self._transport.abort()
        if self._timer is not None:
            self._timer.cancel()
        waiting, self._waiting = self._waiting, deque()
        for _, answer in waiting:
            _tell(answer, error)

    async def close(self) -> None:
        """End it."""
        self._lose(RedisConnectionError("closed"))
        await self._connection.disconnect()


def _tell(answer: Answer, told: Any) -> None:  # noqa: ANN401 - as Redis answers
    if answer.done():
        return  # who asked has left
    if isinstance(told, Exception):
        answer.set_exception(told)
    else:
        answer.set_result(told)
