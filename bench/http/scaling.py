"""How a hit's cost grows: with workers, connections and the size of a request."""

from contextlib import ExitStack
from dataclasses import replace

from bench.http import nginx, traffic
from bench.http.bared import bared
from bench.http.hits import NGINX, REPRISE, SAYS
from bench.http.reprise import EXACT, reprise
from bench.http.rounds import Bench, Expected, Row, Target, asked

WORKERS = "hit, 64 at once, by workers"
CONNECTIONS = (1, 4, 16, 64, 256, 1000)
SIZES = (1_000, 10_000, 100_000, 1_000_000)
BARE = "bare aiohttp handler"


def workers(bench: Bench) -> list[Row]:
    """One and two, asked by as many threads of wrk, for one is full with one worker."""
    with ExitStack() as stack:
        targets = []
        for count in (1, 2):
            over = {"server": {"workers": count}}
            directory = bench.directory / f"workers{count}"
            running = stack.enter_context(reprise(bench.api, directory, EXACT, over))
            targets.append(Target(f"{REPRISE}, {count} of them", running))
        body = traffic.question()
        return asked(
            replace(bench, threads=2), WORKERS, targets, body, connections=64, expected=Expected.HIT
        )


def of_connections(count: int) -> str:
    """Name of a scenario."""
    return f"hit by connections: {count:,}"


def of_size(size: int) -> str:
    """Name of a scenario."""
    return f"hit by bytes of the request: {size:,}"


def growth(bench: Bench) -> list[Row]:
    """By connections beside nginx, and by size; one round each."""
    once = replace(bench, rounds=1)
    rows: list[Row] = []
    with ExitStack() as stack:
        directory = bench.directory
        cache = stack.enter_context(nginx.caching(bench.origin, directory / "grow-cache"))
        proxy = stack.enter_context(reprise(bench.api, directory / "grow", EXACT))
        plain = stack.enter_context(bared(bench.origin.url, directory / "grow-bare"))
        ours = Target(REPRISE, proxy, says=SAYS)
        for count in CONNECTIONS:
            rows += asked(
                once,
                of_connections(count),
                [Target(NGINX, cache), ours],
                traffic.question(),
                connections=count,
                expected=Expected.HIT,
            )
        for size in SIZES:  # nginx does not keep an answer whose key is so long
            rows += asked(
                once,
                of_size(size),
                [Target(BARE, plain), ours],
                traffic.sized(size),
                connections=8,
                expected=Expected.HIT,
            )
    return rows
