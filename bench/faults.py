"""What a Redis in trouble costs callers, and how soon all is back: `python -m bench.faults [name]`.

Two real proxies on the shipped timings, embedder off, so that the shared tier is the one part
measured. The first is asked new questions at a steady rate, well and then in trouble; the origin
answers at once. Times are the proxy's own, from its log: what a request spent in the shared tier,
and in the proxy at all (its total without the origin). A request belongs to the fault's first ones
if it began before the breaker opened. Load generator, origin, Redis and both proxies share the
machine's cores: compare the columns of a row, and little else.
"""

import asyncio
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from http import HTTPStatus
from itertools import pairwise
from pathlib import Path

import aiohttp
import numpy as np

from tests.support.origin import scripted_origin
from tests.support.program import KEY, Json, Process, chat, process, settings
from tests.support.servers import RedisServer
from tests.support.waiting import until, until_async
from tests.support.wire import Wire, wire_before
from tests.tiers.test_redis_sentinel import Watched

RATE = 100
"""Requests a second."""
SECONDS = 6.0
"""Of each phase."""
PERSISTENT = ("--appendonly", "yes", "--appendfsync", "always")

Step = Callable[[], Awaitable[object]]


@dataclass(frozen=True)
class Trouble:
    """A Redis, how it fails, and what makes it well again: back when that returns.

    Attributes:
        heals_itself: It is waited for from the beginning of the trouble, not made to come back.
        other_url: The second proxy's way, where it is another.
    """

    url: str
    begin: Step
    end: Step
    heals_itself: bool = False
    other_url: str = ""


@dataclass(frozen=True)
class Request:
    """One request, by the log: seconds since the epoch, and milliseconds."""

    began: float
    shared: float
    own: float


def stamp(line: Json) -> float:
    return datetime.fromisoformat(line["timestamp"]).timestamp()


def requests_of(lines: list[Json]) -> list[Request]:
    told = ((line, line["ms"]) for line in lines if line["event"] == "request")
    return [
        Request(
            stamp(line) - ms["total"] / 1000,
            ms.get("shared", 0.0),
            ms["total"] - ms.get("upstream", 0.0),
        )
        for line, ms in told
    ]


def first(lines: list[Json], event: str, since: float) -> float:
    """When this first happened after that, or the end of time."""
    found = (stamp(line) for line in lines if line["event"] == event)
    return next((at for at in found if at >= since), float("inf"))


class Load:
    """New questions at the rate, whoever is still waiting."""

    def __init__(self, http: aiohttp.ClientSession, url: str) -> None:
        self.http, self.url = http, f"{url}/chat/completions"
        self.failed = 0

    async def run(self, name: str) -> None:
        start = time.perf_counter()
        async with asyncio.TaskGroup() as group:
            for number in range(int(RATE * SECONDS)):
                await asyncio.sleep(max(0.0, start + number / RATE - time.perf_counter()))
                group.create_task(self._one(f"{name} {number}?"))

    async def _one(self, text: str) -> None:
        async with self.http.post(self.url, json=chat(text)) as got:
            await got.read()
        self.failed += got.status != HTTPStatus.OK


async def measure(name: str, trouble: Trouble, directory: Path) -> None:
    with scripted_origin() as origin:
        first_one, second = (
            settings(
                origin.url,
                directory / who,
                cache={
                    "deadline_ms": 250,
                    "shared": {"url": url, "poll_s": 1},
                    "breaker": {"retry_s": 1},
                },
            )
            for who, url in (("one", trouble.url), ("other", trouble.other_url or trouble.url))
        )
        with (
            process(first_one, directory, "one") as one,
            process(second, directory, "other") as other,
        ):
            headers = {"authorization": f"Bearer {KEY}"}
            connector = aiohttp.TCPConnector(limit=0)
            async with aiohttp.ClientSession(connector=connector, headers=headers) as http:
                await run(name, trouble, Load(http, one.url), one, other)


async def run(name: str, trouble: Trouble, load: Load, one: Process, other: Process) -> None:
    async def is_ready() -> bool:
        async with load.http.get(f"{one.root}/readyz") as got:
            return (await got.json())["status"] == "ready"

    async def is_empty() -> bool:
        async with load.http.get(f"{one.root}/metrics") as got:
            return "reprise_backlog_entries 0.0" in (await got.text()).splitlines()

    async def is_served() -> bool:
        only = {"cache-control": "only-if-cached"}
        url = f"{other.url}/chat/completions"
        async with load.http.post(url, json=chat(f"ill {RATE}?"), headers=only) as got:
            return got.headers.get("x-cache") == "HIT"

    async def heal() -> tuple[float, float]:
        await trouble.end()
        back = time.time()
        await until_async(is_served, "an answer given meanwhile at the other proxy")
        return back, time.time() - back

    await load.run("warm")
    phases = [time.time()]
    await load.run("well")
    await until_async(is_ready, "a breaker that is closed")
    phases.append(time.time())
    await trouble.begin()
    if trouble.heals_itself:
        _, (back, elsewhere) = await asyncio.gather(load.run("ill"), heal())
    else:
        await load.run("ill")
        back, elsewhere = await heal()
    await until(lambda: first(one.lines, "breaker_closed", phases[1]) < np.inf)
    await until_async(is_empty, "the writing of all that waited")
    tell(name, load.failed, one.lines, phases, back, elsewhere)


def tell(
    name: str, failed: int, lines: list[Json], phases: list[float], back: float, elsewhere: float
) -> None:
    opened = first(lines, "breaker_opened", phases[1])
    closed = first(lines, "breaker_closed", opened)
    drained = max((stamp(one) for one in lines if one["event"] == "backlog_drained"), default=back)
    edges = [*phases, opened, closed]
    well, early, rest = (
        [one for one in requests_of(lines) if since <= one.began < until]
        for since, until in pairwise(edges)
    )
    cells = [
        name,
        f"{failed}",
        f"{len(early)}",
        f"{max((one.shared for one in early), default=0):.0f}",
        f"{len(rest)}",
        *(percentiles([one.shared for one in part]) for part in (well, rest)),
        *(percentiles([one.own for one in part]) for part in (well, rest)),
        " / ".join(f"{max(0.0, at):.1f}" for at in (closed - back, drained - back, elsewhere)),
    ]
    print(f"| {' | '.join(cells)} |", flush=True)


def percentiles(values: list[float]) -> str:
    return "{:.2f} / {:.2f}".format(*np.percentile(values, [50, 99])) if values else "-"


@asynccontextmanager
async def plain(directory: Path, name: str) -> AsyncIterator[Trouble]:
    """Troubles of one server."""
    server = RedisServer(directory / "redis")
    options = PERSISTENT if name == "restarted with data" else ()
    server.start(*options)
    user = "ACL SETUSER reprise on >right ~* +@all"
    server.ask(user)

    async def stop() -> None:
        server.pause()

    async def resume() -> None:
        server.resume()

    async def kill() -> None:
        server.kill()

    async def start() -> None:
        await asyncio.to_thread(server.start, *options)

    async def refuse() -> None:
        server.ask("ACL SETUSER reprise resetpass >changed")
        server.ask("CLIENT KILL TYPE normal SKIPME yes")

    async def allow() -> None:
        server.ask(f"{user} resetpass >right")

    login = server.url.replace("//", "//reprise:right@")
    try:
        if name == "stopped":
            yield Trouble(server.url, stop, resume)
        elif name == "refusing our login":
            yield Trouble(login, refuse, allow, other_url=server.url)
        else:
            yield Trouble(server.url, kill, start)
    finally:
        server.kill()


@asynccontextmanager
async def wired(directory: Path, name: str) -> AsyncIterator[Trouble]:
    """Troubles of the network between."""
    async with plain(directory, "") as behind:
        port = int(behind.url.rpartition(":")[2].partition("/")[0])
        async with wire_before(port) as wire:
            ways: dict[str, tuple[Callable[[Wire], None], Callable[[Wire], None]]] = {
                "slow by 200 ms": (lambda w: _delay(w, 0.2), lambda w: _delay(w, 0.0)),
                "connections cut": (Wire.cut, Wire.mend),
            }
            begin, end = ways[name]

            async def to_begin() -> None:
                begin(wire)

            async def to_end() -> None:
                end(wire)

            yield Trouble(
                f"redis://127.0.0.1:{wire.port}/0", to_begin, to_end, other_url=behind.url
            )


def _delay(wire: Wire, seconds: float) -> None:
    wire.delay_s = seconds


@asynccontextmanager
async def watched(directory: Path, name: str) -> AsyncIterator[Trouble]:
    """A failover by three sentinels; service is back once they have named another master."""
    servers = Watched(directory / "watched")
    await asyncio.to_thread(servers.start)
    await until(servers.is_ready, "a watched master")

    async def begin() -> None:
        if name.endswith("hangs"):
            servers.master.pause()
        else:
            servers.master.kill()

    async def promoted() -> None:
        await until(
            lambda: b"role:master" in servers.replica.ask("INFO replication"), "another master"
        )

    try:
        yield Trouble(servers.url, begin, promoted, heals_itself=True)
    finally:
        servers.kill()


FAULTS = {
    "stopped": plain,
    "killed, restarted empty": plain,
    "restarted with data": plain,
    "refusing our login": plain,
    "slow by 200 ms": wired,
    "connections cut": wired,
    "failing over: master killed": watched,
    "failing over: master hangs": watched,
}


async def main(names: list[str]) -> None:
    print(
        "| fault | errors | first requests | the longest of them in the tier, ms "
        "| further requests in trouble | in the tier, well, p50 / p99 ms | in trouble "
        "| in the proxy, well, p50 / p99 ms | in trouble "
        "| breaker closed / backlog written / served elsewhere, s |\n"
        "|---|---|---|---|---|---|---|---|---|---|"
    )
    for name in names or FAULTS:
        async with AsyncExitStack() as stack:
            directory = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            trouble = await stack.enter_async_context(FAULTS[name](directory, name))
            await measure(name, trouble, directory)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1:]))
