"""A Redis Cluster as a client: which master has a key, and what to do when it has moved.

Each node is a client of its own with the pool, deadlines and retries of a single server. What is
added is the map from slots to masters (Redis Cluster specification, "Redirection and resharding"):

- `MOVED` corrects the map, and the command goes to the node it names;
- `ASK` sends this one command there, after `ASKING` on the same connection;
- `TRYAGAIN`, a slot under way between two nodes, is tried again after short pauses;
- a node that refuses or is late fails the call, once the map has been read anew from another node
  and still names it: a replica that has taken over is asked at once.

The map is read by one call at a time and not more often than every `REFRESH_S`, however many calls
fail, so that a lost node does not bring a storm on the others.

redis-py's own cluster client is not used: it sends `ASKING` on another connection than the command,
cannot follow an `ASK` to a node without slots, fails when its pool is full instead of waiting, and
closes every connection when a caller leaves while it reads the map.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from time import monotonic
from typing import Any, Final, Protocol, TypeVar

from redis.asyncio import ConnectionPool, Redis
from redis.crc import REDIS_CLUSTER_HASH_SLOTS, key_slot
from redis.exceptions import (
    AskError,
    ClusterError,
    MovedError,
    RedisError,
    TryAgainError,
)
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

from proxy.tiers.redisreads import Reads

Address = tuple[str, int]
T = TypeVar("T")

_Send = Callable[[Address, Sequence[Any]], Awaitable[Any]]
"""Has a node answer a command."""

HOPS: Final = 5
"""Redirections of one command: a cluster that has settled needs one."""
PAUSES_S: Final = (0.02, 0.05, 0.1)
"""Before a command is tried again on a slot that is under way."""
REFRESH_S: Final = 0.5


class Connect(Protocol):
    """Makes a client of one node that has not connected yet."""

    def __call__(self, host: str, port: int, max_connections: int | None = None) -> Redis:
        """The client; None takes the configured number of connections."""
        ...


class Cluster:
    """Asks whichever master has a key. Raises RedisError or OSError.

    Args:
        seeds: Hosts and ports of some nodes.
        connect: Makes a node's client.
        faults: How many connections were refused or lost so far.
    """

    def __init__(
        self, seeds: Sequence[Address], connect: Connect, *, faults: Callable[[], int]
    ) -> None:
        self._seeds = tuple(seeds)
        self._connect = connect
        self._faults = faults
        self._nodes: dict[Address, Redis] = {}
        self._reads: dict[Address, Reads] = {}
        self._masters: list[Address | None] = [None] * REDIS_CLUSTER_HASH_SLOTS
        self._mapping = asyncio.Lock()
        self._mapped_at = float("-inf")
        self._redirected = 0
        self._mapped = 0

    async def ask(self, key: str, *command: Any) -> Any:  # noqa: ANN401 - as Redis answers
        """The answer to a command whose keys all are in this key's slot."""
        return await self._ask(key, command, self._send)

    async def read(self, key: str, *command: Any) -> Any:  # noqa: ANN401 - as Redis answers
        """The same for a command that changes nothing: many at once are one round trip a master."""
        return await self._ask(key, command, self._read)

    async def _ask(self, key: str, command: Sequence[Any], send: "_Send") -> Any:  # noqa: ANN401 - as Redis answers
        slot = key_slot(key.encode())
        if self._masters[slot] is None:
            await self._map()
        address, asking = self._master(slot), False
        pauses = iter(PAUSES_S)
        for _ in range(HOPS + len(PAUSES_S)):
            try:
                return await (self._send_asking if asking else send)(address, command)
            except AskError as error:  # and MovedError, which is one
                self._redirected += 1
                asking = not isinstance(error, MovedError)
                address = (error.host or address[0], error.port)
                if not asking:
                    self._masters[slot] = address
            except TryAgainError:
                pause = next(pauses, None)
                if pause is None:
                    raise
                await asyncio.sleep(pause * random.uniform(0.5, 1))  # noqa: S311 - a pause
                address, asking = self._master(slot), False
            except (RedisConnectionError, RedisTimeoutError, OSError):
                await self._map(without=address)
                if self._master(slot) == address:
                    raise
                address, asking = self._master(slot), False
        raise ClusterError("redirected too often")

    def _master(self, slot: int) -> Address:
        address = self._masters[slot]
        if address is None:
            raise ClusterError("no node of the cluster has the key's slot")
        return address

    async def _send(self, address: Address, command: Sequence[Any]) -> Any:  # noqa: ANN401 - as Redis answers
        return await self._node(address).execute_command(*command)  # type: ignore[no-untyped-call]

    async def _read(self, address: Address, command: Sequence[Any]) -> Any:  # noqa: ANN401 - as Redis answers
        if address not in self._reads:
            self._reads[address] = Reads(self._node(address))
        return await self._reads[address].ask(*command)

    async def _send_asking(self, address: Address, command: Sequence[Any]) -> Any:  # noqa: ANN401 - as Redis answers
        answer = (await pipelined(self._node(address), [("ASKING",), command]))[1]
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def ask_each(self, asked: Sequence[tuple[Any, ...]]) -> list[Any]:
        """The answers to several commands, each after its key: one round trip a master.

        What a master does not answer, because it has moved or for another reason, is asked alone.
        """
        if None in (self._masters[key_slot(key.encode())] for key, *_ in asked):
            await self._map()
        parts: dict[Address, list[int]] = {}
        for number, (key, *_) in enumerate(asked):
            parts.setdefault(self._master(key_slot(key.encode())), []).append(number)
        answers: list[Any] = [None] * len(asked)

        async def ask_one(address: Address, numbers: list[int]) -> None:
            try:
                told = await pipelined(self._node(address), [asked[at][1:] for at in numbers])
            except (RedisConnectionError, RedisTimeoutError, OSError) as error:
                told = [error] * len(numbers)
            for at, answer in zip(numbers, told, strict=True):
                is_fault = isinstance(answer, Exception)
                answers[at] = await self.ask(*asked[at]) if is_fault else answer

        await together([ask_one(*part) for part in parts.items()])
        return answers

    def _node(self, address: Address) -> Redis:
        if address not in self._nodes:
            self._nodes[address] = self._connect(*address)
        return self._nodes[address]

    async def _map(self, *, without: Address | None = None, at_once: bool = False) -> None:
        """Read the map anew, unless that has just been done."""
        began = monotonic()
        async with self._mapping:
            if self._mapped_at > began or not (at_once or began - self._mapped_at >= REFRESH_S):
                return
            known = [address for address in self._nodes if address != without]
            random.shuffle(known)
            error: Exception | None = None
            for address in dict.fromkeys([*known, *self._seeds]):
                try:
                    ranges = await self._node(address).execute_command(  # type: ignore[no-untyped-call]
                        "CLUSTER", "SLOTS"
                    )
                except (RedisError, OSError) as failure:
                    error = error or failure
                    continue
                await self._take(address, ranges)
                return
            self._mapped_at = monotonic()
            if error is not None:
                raise error

    async def _take(self, told_by: Address, ranges: Sequence[Any]) -> None:
        masters: list[Address | None] = [None] * REDIS_CLUSTER_HASH_SLOTS
        for first, last, master, *_ in ranges:
            host = master[0].decode() if master[0] else ""
            named = host if host not in {"", "?"} else told_by[0]  # a node may not know its name
            masters[first : last + 1] = [(named, int(master[1]))] * (last + 1 - first)
        self._masters = masters
        self._mapped_at = monotonic()
        self._mapped += 1
        left = set(masters)
        for address in [known for known in self._nodes if known not in left]:
            await self._nodes.pop(address).aclose()
        for address in [known for known in self._reads if known not in left]:
            await self._reads.pop(address).close()

    async def prove(self) -> None:
        """Return when the map was read, covers all slots, and every master in it answers."""
        await self._map(at_once=True)
        masters = {self._master(slot) for slot in range(REDIS_CLUSTER_HASH_SLOTS)}
        await together([self._send(address, ("PING",)) for address in masters])

    def listener(self) -> Redis:
        """A client of one connection to any node, for messages: a cluster passes them on to all."""
        address = random.choice([*self._nodes] or [*self._seeds])  # noqa: S311 - any will do
        return self._connect(*address, max_connections=1)

    def pools(self) -> Iterable[ConnectionPool]:
        """The pools of all nodes."""
        return [node.connection_pool for node in self._nodes.values()]

    def stats(self) -> Mapping[str, float]:
        """Redirections followed, and times the map was read."""
        return {
            "faults": self._faults(),
            "redirected": self._redirected,
            "mapped": self._mapped,
        }

    async def close(self) -> None:
        """Close all connections."""
        nodes, self._nodes = list(self._nodes.values()), {}
        reads, self._reads = list(self._reads.values()), {}
        for one in reads:
            await one.close()
        for node in nodes:
            await node.aclose()


async def pipelined(redis: Redis, commands: Sequence[Sequence[Any]]) -> list[Any]:
    """The answers to several commands in one round trip, errors among them."""
    async with redis.pipeline(transaction=False) as pipe:
        for command in commands:
            pipe.execute_command(*command)
        # Raised by the pipeline, an error's text would quote the command.
        return await pipe.execute(raise_on_error=False)


async def together(works: Sequence[Awaitable[T]]) -> list[T]:
    """All results, in order, once all have ended; raises the first error, if there is one."""
    found = await asyncio.gather(*works, return_exceptions=True)
    results: list[T] = []
    for one in found:
        if isinstance(one, BaseException):
            raise one
        results.append(one)
    return results
