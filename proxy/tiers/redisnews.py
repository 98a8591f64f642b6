"""What other processes say over Redis: that the change log has grown, that a lease is given back.

Two channels, `<prefix>:log` and `<prefix>:lease`, on one connection. On a cluster they are plain
channels, not sharded ones: a message of any node reaches every node's listeners, so that one
connection hears all groups and stays where it is while slots move. A message is a hint: it can be
lost with the connection, and then everybody who waits looks for himself.
"""

import asyncio
import random
from collections.abc import AsyncGenerator, Iterator
from contextlib import contextmanager
from typing import Any, Final

from redis.asyncio.client import PubSub

from proxy.errors import TierError
from proxy.ports import Observer
from proxy.resilience import Tasks
from proxy.tiers.redislink import Groups, RedisLink, mapped

QUIET_S: Final = 5.0
"""Silence after which the connection is asked for a sign of life."""
PAUSE_S: Final = 0.5
"""Longest pause before listening is tried again."""


class RedisNews:
    """One subscription, made when somebody first waits and again whenever it was lost.

    Args:
        link: The way to Redis; closing it ends the subscription.
        prefix: Begins the channels' names.
        observer: Hears `redis_news_lost`, once until it is heard again.
    """

    def __init__(self, link: RedisLink, *, prefix: str, observer: Observer) -> None:
        self._link = link
        groups = Groups(prefix, link.groups)
        self._log, self._leases = groups.log_channel, groups.lease_channel
        self._observer = observer
        self._tasks = Tasks(observer)
        self._listening: asyncio.Task[None] | None = None
        self._grown = asyncio.Event()
        self._waiting: dict[str, set[asyncio.Future[bool]]] = {}
        link.before_close(self._tasks.close)

    def listen(self) -> None:
        """Begin to listen, unless that has been done."""
        if self._listening is None or self._listening.done():
            self._listening = self._tasks.start("redis news", self._keep_listening())

    async def grown(self) -> None:
        """Return once the log has grown, by another process, since this returned the last time."""
        self.listen()
        await self._grown.wait()
        self._grown.clear()

    @contextmanager
    def freed(self, key: str) -> Iterator["asyncio.Future[bool]"]:
        """A future for a key's lease: True when it was given back, False when it may have ended."""
        self.listen()
        future: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        waiting = self._waiting.setdefault(key, set())
        waiting.add(future)
        try:
            yield future
        finally:
            waiting.discard(future)
            if not waiting:
                self._waiting.pop(key, None)

    async def _keep_listening(self) -> None:
        told = False
        while True:
            try:
                async for _ in self._hear():
                    told = False
            except TierError as error:
                if not told:
                    self._observer.event("redis_news_lost", reason=str(error))
                told = True
            await asyncio.sleep(PAUSE_S * random.uniform(0.5, 1))  # noqa: S311 - a pause

    async def _hear(self) -> AsyncGenerator[None]:
        """Listen until the connection is lost; yields at each word. Raises TierError then."""
        with mapped():
            listener = self._link.listener()
            try:
                async with listener.pubsub() as words:
                    await words.subscribe(self._log, self._leases)
                    while not _is_cancelled():
                        self._understand(await self._word(words))
                        yield
                    raise asyncio.CancelledError
            finally:
                self._link.is_heard = False
                await listener.aclose()

    async def _word(self, words: PubSub) -> dict[str, Any]:
        word: dict[str, Any] | None = await words.get_message(timeout=QUIET_S)
        if word is None:
            await words.ping()
            word = await words.get_message(timeout=self._link.timeout_s)
        if word is None:
            raise TierError("redis: the subscription is silent")
        return word

    def _understand(self, word: dict[str, Any]) -> None:
        kind, channel, said = word["type"], _text(word["channel"]), _text(word["data"])
        if kind == "subscribe":  # what was said before went unheard
            self._link.is_heard = True
            self._grown.set()
            for key in tuple(self._waiting):
                self._wake(key, is_free=False)
        elif kind == "message" and channel == self._leases:
            what, _, key = said.partition(" ")
            self._wake(key, is_free=what == "free")
        elif kind == "message" and said.partition(" ")[0] != self._link.name:
            self._grown.set()

    def _wake(self, key: str, *, is_free: bool) -> None:
        for future in self._waiting.get(key, ()):
            if not future.done():
                future.set_result(is_free)


class RedisLogWatch:
    """A `LogWatch` on Redis. Without a subscription it says nothing: who waits looks in time."""

    def __init__(self, news: RedisNews) -> None:
        self._news = news

    async def wait(self, seconds: float) -> bool:
        """Return as soon as something was added since the last call; False after so long."""
        try:
            async with asyncio.timeout(seconds):
                await self._news.grown()
        except TimeoutError:
            return False
        return True


def _is_cancelled() -> bool:
    """Whether this task is to end: the library swallows that while it connects."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


def _text(data: Any) -> str:  # noqa: ANN401 - bytes, or a count of channels
    return data.decode() if isinstance(data, bytes) else str(data)
