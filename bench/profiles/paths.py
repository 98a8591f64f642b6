"""The program on each of its paths, and who asks it there."""

import itertools
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from bench.http import nginx, semantic, traffic
from bench.http.bared import bared
from bench.http.client import one_by_one
from bench.http.processes import Running
from bench.http.reprise import EXACT, NO_SESSION, ROOT, reprise
from bench.http.rounds import Expected, Target, probed
from bench.http.wrk import asking, load
from bench.profiles.sampling import Served
from tests.support.program import Json
from tests.support.servers import RedisServer

AT_ONCE = 8
"""Connections: enough that the program never waits for wrk."""

CHANGING = {"x-number": traffic.HERE}
"""A field that is another one each time, so that no request is known by its bytes."""

WORDINGS = tuple(
    f"How {verb} {who} cook a {{}} at home the way that people do it in {{}}?"
    for verb in ("can", "could", "should", "would", "might", "do")
    for who in ("I", "you", "we", "they", "people", "one")
)
"""Of `semantic.ASKED`; so many, that no question comes twice."""

FEW = 0.9
"""Share of requests on the path below which it is not what is measured.

A program that is stopped for samples is slower, and may take a tier that is well for a late one."""


class OtherPathError(Exception):
    """The program took another path than is to be measured."""


@dataclass(frozen=True)
class Site:
    """What all paths share.

    Attributes:
        origin: Of everything that is asked.
        directory: For files.
        root: Working tree of the program: this one, or an older.
    """

    origin: Running
    directory: Path
    root: Path = ROOT

    @property
    def api(self) -> str:
        """Base of the origin's API, with its version."""
        return f"{self.origin.url}/v1"


@dataclass(frozen=True)
class Exact:
    """A path without models, asked by wrk.

    Attributes:
        over: Configuration beside the exact tiers'.
        body: What is asked.
        headers: Beside the usual ones.
        tier: Which answers; empty where it is the origin.
    """

    over: Json = field(default_factory=dict)
    body: bytes = traffic.question()
    headers: Mapping[str, str] = field(default_factory=dict)
    tier: str = ""

    @contextmanager
    def __call__(self, site: Site, more: Json | None = None, api: str = "") -> Iterator[Served]:
        """Started and asked."""
        over = (EXACT, self.over, more or {})
        with reprise(api or site.api, site.directory, *over, root=site.root) as running:
            says = ("x-cache-tier", self.tier) if self.tier else ("", "")
            target = Target("", running, headers=self.headers, says=says)
            wrong = probed(target, self.body, Expected.HIT if self.tier else Expected.MISS)
            if wrong:
                raise OtherPathError(wrong)
            script = site.directory / "asking.lua"
            script.write_text(asking(self.body, target.sent))

            def ask(seconds: float) -> int:
                before = nginx.count(site.origin)
                seen = load(target.url, script, connections=AT_ONCE, seconds=seconds)
                at_origin = nginx.count(site.origin) - before - 1
                on_path = seen.answers - at_origin if self.tier else at_origin
                _held(seen.answers, (seen.answers if api else on_path) - seen.failed)
                return seen.answers

            yield Served(running.pid, ask)


def _held(answers: int, on_path: int) -> None:
    if on_path < FEW * answers:
        raise OtherPathError(f"{on_path} of {answers} on the path")


@contextmanager
def in_redis(site: Site) -> Iterator[Served]:
    """The shared tier in a Redis of its own."""
    server = RedisServer(site.directory / "redis")
    server.start()
    try:
        shared = Exact({**NO_SESSION}, tier="shared")
        with shared(site, {"cache": {"shared": {"url": server.url}}}) as served:
            yield served
    finally:
        server.kill()


@contextmanager
def streamed(site: Site) -> Iterator[Served]:
    """A new question each time, whose answer comes in 100 chunks, one every 2 ms."""
    with bared(site.origin.url, site.directory / "ticking") as ticking:
        miss = Exact(body=traffic.fresh(stream=True))
        with miss(site, api=f"{ticking.url}/ticks/v1") as served:
            yield served


@contextmanager
def reworded(site: Site, *over: Json) -> Iterator[Served]:
    """Other words for stored questions, one at a time."""
    with reprise(site.api, site.directory, NO_SESSION, *over, root=site.root) as running:
        target = Target("", running)
        pairs = list(itertools.product(semantic.DISHES, semantic.LANDS))
        semantic.store(target, pairs)
        texts = (words.format(*pair) for words, pair in itertools.product(WORDINGS, pairs))

        def ask(seconds: float) -> int:
            ends = time.monotonic() + seconds
            new = itertools.takewhile(lambda _: time.monotonic() < ends, texts)
            answers = one_by_one(target.url, target.sent, map(traffic.question, new))
            hits = sum(one.says("x-cache-tier") in semantic.SEMANTIC for one in answers)
            _held(len(answers), hits)
            return len(answers)

        yield Served(running.pid, ask)


Walk = Callable[[Site], AbstractContextManager[Served]]

ALL: dict[str, Walk] = {
    "repeat, known by its bytes": Exact(tier="session"),
    "session hit, on the full path": Exact(headers=CHANGING, tier="session"),
    "shared hit, SQLite": Exact({**NO_SESSION}, tier="shared"),
    "shared hit, Redis": in_redis,
    "semantic hit, similarity alone": lambda site: reworded(
        site, {"cache": {"judgement": {"verifier": "none"}}}
    ),
    "semantic hit, verified": reworded,
    "miss": Exact(body=traffic.fresh()),
    "streamed miss, 100 chunks": streamed,
}
