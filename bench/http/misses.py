"""A new question every time, and bodies that are only passed on."""

from contextlib import ExitStack

from bench.http import nginx, peers, traffic
from bench.http.bared import bared
from bench.http.reprise import EXACT, reprise
from bench.http.rounds import CHAT, Bench, Expected, Row, Target, asked

DIRECT = "direct"
NGINX = "nginx proxy_pass"
REPRISE = "Reprise"
DOWN = "passthrough, 10 MB down"
UP = "passthrough, 10 MB up"
LARGE_AT_ONCE = 4


def name(connections: int) -> str:
    """Of a scenario."""
    return f"miss, {connections} at once"


def measure(bench: Bench, connections: tuple[int, ...]) -> list[Row]:
    """Rows of all targets, at each concurrency."""
    rows: list[Row] = []
    with ExitStack() as stack:
        directory = bench.directory
        passing = stack.enter_context(nginx.passing(bench.origin, directory / "pass"))
        exact = stack.enter_context(reprise(bench.api, directory / "miss", EXACT))
        plain = stack.enter_context(bared(bench.origin.url, directory / "relay"))
        targets = [
            Target(DIRECT, bench.origin),
            Target(NGINX, passing),
            Target(REPRISE, exact),
            Target("bare aiohttp relay", plain, path=f"/pass{CHAT}"),
        ]
        if bench.all_forms:
            info = {"telemetry": {"log_level": "info"}}
            telling = stack.enter_context(reprise(bench.api, directory / "miss-info", EXACT, info))
            semantic = stack.enter_context(reprise(bench.api, directory / "miss-semantic"))
            targets += [
                Target(f"{REPRISE}, log at info", telling),
                Target(f"{REPRISE}, with the semantic tier", semantic),
            ]
        others, absent = stack.enter_context(peers.started(bench, name(1), caches=False))
        for count in connections:
            rows += asked(
                bench,
                name(count),
                [*targets, *others],
                traffic.fresh(),
                connections=count,
                expected=Expected.MISS,
            )
    return rows + absent


def passthrough(bench: Bench) -> list[Row]:
    """Ten megabytes each way."""
    with ExitStack() as stack:
        directory = bench.directory
        passing = stack.enter_context(nginx.passing(bench.origin, directory / "large-pass"))
        proxy = stack.enter_context(reprise(bench.api, directory / "large", EXACT))
        named = {DIRECT: bench.origin, NGINX: passing, REPRISE: proxy}
        large = "/v1/files/large/body.bin"
        down = [Target(one, running, path=large) for one, running in named.items()]
        up = [Target(one, running, path="/v1/files") for one, running in named.items()]
        expected, count = Expected.MISS, LARGE_AT_ONCE
        gets = asked(bench, DOWN, down, b"", connections=count, expected=expected, method="GET")
        body = b"x" * nginx.LARGE
        return gets + asked(bench, UP, up, body, connections=count, expected=expected)
