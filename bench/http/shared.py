"""A repeat that another process has stored: the shared tier beside Redis alone."""

import asyncio
import socket
import statistics
import time
from contextlib import ExitStack

import redis.asyncio

from bench.http import traffic
from bench.http.reprise import EXACT, NO_SESSION, reprise
from bench.http.rounds import Bench, Expected, Row, Target, asked
from tests.support.servers import RedisServer

SESSION = "Reprise, session tier"
SQLITE = "Reprise, SQLite"
REDIS = "Reprise, Redis"
GET = "redis-py, GET"
RAW = "raw socket, GET"
PIPELINED = "raw socket, 32 GETs in a pipeline"

GETS = 2000
IN_PIPELINE = 32
BYTES = 1500
"""About what an entry takes in Redis, encoded."""


def name(connections: int) -> str:
    """Of a scenario."""
    return f"shared hit, {connections} at once"


def measure(bench: Bench, connections: tuple[int, ...]) -> list[Row]:
    """Rows of each tier, and of Redis alone."""
    rows: list[Row] = []
    with ExitStack() as stack:
        server = RedisServer(bench.directory / "redis")
        server.start()
        stack.callback(server.kill)
        in_redis = {"cache": {"shared": {"url": server.url}}}
        made = {
            SESSION: (EXACT,),
            SQLITE: (EXACT, NO_SESSION),
            REDIS: (EXACT, NO_SESSION, in_redis),
        }
        targets = []
        for number, (one, over) in enumerate(made.items()):
            directory = bench.directory / f"shared{number}"
            running = stack.enter_context(reprise(bench.api, directory, *over))
            tier = "session" if one is SESSION else "shared"
            targets.append(Target(one, running, says=("x-cache-tier", tier)))
        rows += bare(bench, server.port)
        for count in connections:
            rows += asked(
                bench,
                name(count),
                targets,
                traffic.question(),
                connections=count,
                expected=Expected.HIT,
            )
    return rows


def bare(bench: Bench, port: int) -> list[Row]:
    """Redis alone, round by round."""
    found: dict[str, list[float]] = {GET: [], RAW: [], PIPELINED: []}
    for _ in range(bench.rounds):
        found[GET].append(asyncio.run(_by_library(port)))
        found[RAW].append(_by_socket(port, 1))
        found[PIPELINED].append(_by_socket(port, IN_PIPELINE) / IN_PIPELINE)
    return [Row(name(1), one, {"p50_us": numbers}) for one, numbers in found.items()]


async def _by_library(port: int) -> float:
    """Half of the GETs through redis-py took no longer, microseconds."""
    async with redis.asyncio.Redis(port=port) as client:
        await client.set("bare", b"x" * BYTES)
        taken = []
        for _ in range(GETS):
            began = time.perf_counter()
            await client.get("bare")
            taken.append(time.perf_counter() - began)
    return 1e6 * statistics.median(taken)


def _by_socket(port: int, count: int) -> float:
    """The same of so many GETs in one piece, through a plain socket."""
    asks = b"*2\r\n$3\r\nGET\r\n$4\r\nbare\r\n" * count
    awaited = count * len(f"${BYTES}\r\n\r\n".encode() + bytes(BYTES))
    taken = []
    with socket.create_connection(("127.0.0.1", port)) as connection:
        for _ in range(GETS // count):
            began = time.perf_counter()
            connection.sendall(asks)
            left = awaited
            while left:
                left -= len(connection.recv(left))
            taken.append(time.perf_counter() - began)
    return 1e6 * statistics.median(taken)
