"""Streamed answers: when the first piece comes, and what a chunk costs."""

import statistics
import time
from collections.abc import Sequence
from contextlib import ExitStack

from bench.http import nginx, traffic
from bench.http.bared import bared
from bench.http.client import one_by_one
from bench.http.processes import Running
from bench.http.reprise import EXACT, reprise
from bench.http.rounds import CHAT, Bench, Expected, Row, Target, asked, turned

FIRST = "stream miss, one at a time"
TICKS = f"stream miss, {traffic.CHUNKS} chunks one by one, 8 at once"
HIT = "stream hit, 32 at once"
DIRECT = "direct"
NGINX = "nginx proxy_pass, unbuffered"
AIOHTTP = "bare aiohttp relay"
REPRISE = "Reprise"

A_ROUND = 200
"""Streams of a round, one at a time."""


def measure(bench: Bench) -> list[Row]:
    """First byte, cost of a chunk, and hits."""
    with ExitStack() as stack:
        directory = bench.directory
        url = bench.origin.url
        quick = {
            DIRECT: bench.origin,
            NGINX: stack.enter_context(nginx.passing(bench.origin, directory / "stream-pass")),
            AIOHTTP: stack.enter_context(bared(url, directory / "stream-relay")),
            REPRISE: stack.enter_context(reprise(f"{url}/stream/v1", directory / "stream", EXACT)),
        }
        rows = first_bytes(bench, _targets(quick, "/stream"))
        rows += hits(bench, _targets(quick, "/stream"))
    return rows + ticks(bench)


def _targets(named: dict[str, Running], prefix: str) -> list[Target]:
    """All but the proxy itself keep the path."""
    return [
        Target(name, running, path=CHAT if name == REPRISE else f"{prefix}{CHAT}")
        for name, running in named.items()
    ]


def first_bytes(bench: Bench, targets: Sequence[Target]) -> list[Row]:
    """A new question each time, over one connection."""
    bench.say(FIRST)
    found: dict[str, list[dict[str, float]]] = {target.name: [] for target in targets}
    body = traffic.fresh(stream=True)
    for _ in range(bench.rounds):
        for target in targets:
            stamp = time.time_ns()
            bodies = [
                body.replace(traffic.HERE.encode(), b"%d" % (stamp + number))
                for number in range(A_ROUND)
            ]
            answers = one_by_one(target.url, target.sent, bodies)
            found[target.name].append(
                {
                    "first_us": statistics.median(one.first_us for one in answers),
                    "p50_us": statistics.median(one.whole_us for one in answers),
                }
            )
    return [Row(FIRST, name, turned(rounds)) for name, rounds in found.items()]


def ticks(bench: Bench) -> list[Row]:
    """Chunks that come one by one; the origin is a program of ours, whose time is not counted."""
    with ExitStack() as stack:
        directory = bench.directory
        origin = stack.enter_context(bared(bench.origin.url, directory / "ticking"))
        url = origin.url
        named = {
            NGINX: stack.enter_context(nginx.passing(origin, directory / "tick-pass")),
            AIOHTTP: stack.enter_context(bared(url, directory / "tick-relay")),
            REPRISE: stack.enter_context(reprise(f"{url}/ticks/v1", directory / "tick", EXACT)),
        }
        targets = [
            Target(one.name, one.running, f"/pass{one.path}" if one.name == AIOHTTP else one.path)
            for one in _targets(named, "/ticks")
        ]
        body = traffic.fresh(stream=True)
        rows = asked(bench, TICKS, targets, body, connections=8, expected=Expected.ANY)
    return [_by_chunk(row) for row in rows]


def _by_chunk(row: Row) -> Row:
    cost = [number / traffic.CHUNKS for number in row.values.get("cpu_us", ())]
    return Row(row.scenario, row.target, {**row.values, "chunk_us": cost}, row.trouble)


def hits(bench: Bench, targets: Sequence[Target]) -> list[Row]:
    """A repeat, streamed from memory; beside the origin itself."""
    body = traffic.question(stream=True)
    [proxy] = [one for one in targets if one.name == REPRISE]
    [direct] = [one for one in targets if one.name == DIRECT]
    rows = asked(bench, HIT, [direct], body, connections=32, expected=Expected.MISS)
    return rows + asked(bench, HIT, [proxy], body, connections=32, expected=Expected.HIT)
