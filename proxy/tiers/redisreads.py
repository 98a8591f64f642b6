"""Reads that leave for Redis together: what is asked in one turn of the loop is one piece.

Whoever reads through redis-py's pool takes a connection from it, gives it back, and pays for
time-outs of his own. Here all share one connection: what is asked while answers are awaited is the
next piece. One round trip at a time, whatever its size.

To read twice does no harm: a piece whose connection was lost is asked again, as a whole.
"""

import asyncio
from collections.abc import Sequence
from functools import partial
from typing import Any, Final, NamedTuple

from redis.asyncio import Redis
from redis.asyncio.connection import AbstractConnection
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import ResponseError
from redis.exceptions import TimeoutError as RedisTimeoutError

CANCEL_EVERY_S: Final = 1.0
"""Between two cancellations of what goes on: the library may lose one while it connects."""


class _Asked(NamedTuple):
    command: Sequence[Any]
    answer: "asyncio.Future[Any]"


class Reads:
    """The reads of one server. Raises RedisError or OSError.

    Args:
        redis: A client of that server: its pool makes the connection, and does not count it.
    """

    def __init__(self, redis: Redis) -> None:
        self._pool = redis.connection_pool
        self._connection: AbstractConnection | None = None
        self._timeout_s: float | None = None
        self._waiting: list[_Asked] = []
        self._reading: asyncio.Task[None] | None = None
        self._is_closed = False

    async def ask(self, *command: Any) -> Any:  # noqa: ANN401 - as Redis answers
        """The answer to a command that changes nothing."""
        if self._is_closed:
            raise RedisConnectionError("closed")
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[Any] = loop.create_future()
        self._waiting.append(_Asked(command, answer))
        if self._reading is None:
            # Kept here, and told of every error by way of the answers.
            self._reading = loop.create_task(self._read(), name="redis reads")
        return await answer

    async def close(self) -> None:
        """End the connection; who waits is told so."""
        self._is_closed = True
        while (reading := self._reading) is not None:
            reading.cancel()
            await asyncio.wait([reading], timeout=CANCEL_EVERY_S)
        if self._connection is not None:
            await self._connection.disconnect()

    async def _read(self) -> None:
        asked: list[_Asked] = []
        try:
            while self._waiting:
                asked = [one for one in self._waiting if not one.answer.done()]
                self._waiting = []
                if asked:
                    await self._exchange(asked)
        finally:
            self._reading = None
            left = [*asked, *self._waiting]
            self._waiting = []
            _tell(left, [RedisConnectionError("closed")] * len(left))

    async def _exchange(self, asked: Sequence[_Asked]) -> None:
        connection = self._connection
        if connection is None:
            connection = self._connection = self._pool.make_connection()  # type: ignore[no-untyped-call]
            self._timeout_s = connection.socket_timeout
        answers: Sequence[Any]
        try:
            if not await self._is_ready(connection):
                await self._connect(connection)
            answers = await connection.retry.call_with_retry(
                partial(self._answers, connection, [one.command for one in asked]),
                lambda _error: connection.disconnect(),
            )
        except Exception as error:  # noqa: BLE001 - it is the askers'
            answers = [error] * len(asked)
        _tell(asked, answers)

    async def _is_ready(self, connection: AbstractConnection) -> bool:
        """Whether it is there, silent, and leads where the pool's own connections do."""
        if not connection.is_connected or await connection.can_read():
            return False
        master = getattr(self._pool, "master_address", None)  # by Sentinel's word
        if master in {None, (getattr(connection, "host", ""), getattr(connection, "port", 0))}:
            return True
        await connection.disconnect()
        return False

    async def _connect(self, connection: AbstractConnection) -> None:
        connection.socket_timeout = self._timeout_s
        await self._pool.ensure_connection(connection)
        # The library's time-out is for each answer, and costs more than reading it.
        connection.socket_timeout = None

    async def _answers(
        self, connection: AbstractConnection, commands: Sequence[Sequence[Any]]
    ) -> list[Any]:
        """Errors that the server answers are among them."""
        if not connection.is_connected:  # it was lost, and this is tried again
            await self._connect(connection)
        try:
            async with asyncio.timeout(self._timeout_s):
                await connection.send_packed_command(connection.pack_commands(commands))
                return [await _answer(connection) for _ in commands]
        except TimeoutError as error:
            raise RedisTimeoutError("Timeout reading from socket") from error


async def _answer(connection: AbstractConnection) -> Any:  # noqa: ANN401 - as Redis answers
    try:
        return await connection.read_response()
    except ResponseError as error:
        return error


def _tell(asked: Sequence[_Asked], answers: Sequence[Any]) -> None:
    """Whoever waits yet."""
    for one, answer in zip(asked, answers, strict=True):
        if one.answer.done():
            continue
        if isinstance(answer, Exception):
            one.answer.set_exception(answer)
        else:
            one.answer.set_result(answer)
