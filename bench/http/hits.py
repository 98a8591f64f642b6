"""A repeat, answered from memory: the proxy beside nginx's cache and its peers."""

from contextlib import ExitStack

from bench.http import nginx, peers, traffic
from bench.http.bared import bared
from bench.http.reprise import reprise
from bench.http.rounds import Bench, Expected, Row, Target, asked

NGINX = "nginx proxy_cache"
REPRISE = "Reprise"
SAYS = ("x-cache-tier", "session")
NGINX_SAYS = ("x-cache", "HIT")


def name(connections: int) -> str:
    """Of a scenario."""
    return f"hit, {connections} at once"


def measure(bench: Bench, connections: tuple[int, ...]) -> list[Row]:
    """Rows of all targets, at each concurrency."""
    body = traffic.question()
    rows: list[Row] = []
    with ExitStack() as stack:
        directory = bench.directory
        cache = stack.enter_context(nginx.caching(bench.origin, directory / "cache"))
        proxy = stack.enter_context(reprise(bench.api, directory / "reprise"))
        plain = stack.enter_context(bared(bench.origin.url, directory / "bare"))
        targets = [
            Target(NGINX, cache, says=NGINX_SAYS),
            Target(REPRISE, proxy, says=SAYS),
            Target("bare aiohttp handler", plain),
        ]
        if bench.all_forms:
            targets += _with_logs(bench, stack)
        others, absent = stack.enter_context(peers.started(bench, name(1), caches=True))
        for count in connections:
            rows += asked(
                bench,
                name(count),
                [*targets, *others],
                body,
                connections=count,
                expected=Expected.HIT,
            )
    return rows + absent


def _with_logs(bench: Bench, stack: ExitStack) -> list[Target]:
    """A line a request, into a file."""
    directory = bench.directory / "logged"
    cache = stack.enter_context(nginx.caching(bench.origin, directory / "cache", logs=True))
    info = {"telemetry": {"log_level": "info"}}
    proxy = stack.enter_context(reprise(bench.api, directory / "reprise", info))
    return [
        Target(f"{NGINX}, access log", cache, says=NGINX_SAYS),
        Target(f"{REPRISE}, log at info", proxy, says=SAYS),
    ]
