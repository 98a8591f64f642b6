"""What the program is held to, each as a number from one run.

A ratio is taken round by round, of what was measured one after the other, and its median held to
the bar. Redis's, the models' and the peers' numbers are of the same run.
"""

import statistics
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from bench.http import crowd, hits, misses, peers, scaling, semantic, shared, starting, streams
from bench.http.rounds import Row

Reference = tuple[str, str, str]
"""Scenario, target, measure."""


@dataclass(frozen=True)
class Bar:
    """One of them.

    Attributes:
        what: In words.
        of: What it is computed from.
        how: From one number of each, what is held to the limit.
        limit: In `unit`.
        least: The limit is the least that will do; else the most.
        unit: Of the result.
    """

    what: str
    of: Sequence[Reference]
    how: Callable[..., float]
    limit: float
    least: bool = False
    unit: str = "x"


@dataclass(frozen=True)
class Held:
    """What was measured for a bar: median, least and most over the rounds."""

    bar: Bar
    measured: float
    low: float
    high: float

    @property
    def is_met(self) -> bool:
        """By the median."""
        within = self.measured <= self.bar.limit
        return self.measured >= self.bar.limit if self.bar.least else within


def _ratio(ours: float, other: float) -> float:
    return ours / other if other else float("nan")


def _added(ours: float, direct: float, other: float) -> float:
    return (ours - direct) / max(1.0, other - direct)


def _of_hits() -> Iterable[Bar]:
    for count in (32, 128):
        pair = [(hits.name(count), name, "per_s") for name in (hits.REPRISE, hits.NGINX)]
        what = f"hit, {count} at once: requests/s beside nginx proxy_cache"
        yield Bar(what, pair, _ratio, 1.2, least=True)
    for measure, count, limit in (("cpu_us", 32, 0.85), ("p50_us", 1, 1.1)):
        pair = [(hits.name(count), name, measure) for name in (hits.REPRISE, hits.NGINX)]
        said = {"cpu_us": "CPU a request", "p50_us": "p50"}[measure]
        what = f"hit, {count} at once: {said} beside nginx proxy_cache"
        yield Bar(what, pair, _ratio, limit)


def _of_tiers() -> Iterable[Bar]:
    scenario = shared.name(1)
    session, sqlite, redis, get = (
        (scenario, name, "p50_us")
        for name in (shared.SESSION, shared.SQLITE, shared.REDIS, shared.GET)
    )
    yield Bar(
        "shared hit in Redis: p50 above a session hit's, in bare GETs",
        [redis, session, get],
        lambda ours, memory, bare: (ours - memory) / bare,
        1.5,
    )
    yield Bar(
        "shared hit in SQLite: p50 above a session hit's",
        [sqlite, session],
        lambda ours, memory: ours - memory,
        150,
        unit="us",
    )


def _of_semantic() -> Iterable[Bar]:
    embeds, verifies, bare, verified, embeds_paced, both_paced = (
        (semantic.NAME, name, "p50_us")
        for name in (
            semantic.EMBEDS,
            semantic.VERIFIES,
            semantic.BARE,
            semantic.VERIFIED,
            semantic.EMBEDS_PACED,
            semantic.BOTH_PACED,
        )
    )
    by_similarity, by_verifier = "semantic hit by similarity", "semantic hit with the verifier"
    for what, of in (
        (f"{by_similarity}: p50 above the embedding alone", [bare, embeds]),
        (f"{by_similarity}: p50 above the embedding at its pace", [bare, embeds_paced]),
        (f"{by_verifier}: p50 above both models alone", [verified, embeds, verifies]),
        (f"{by_verifier}: p50 above both models at its pace", [verified, both_paced]),
    ):
        yield Bar(what, of, lambda ours, *models: ours - sum(models), 500, unit="us")


def _of_misses() -> Iterable[Bar]:
    one = [
        (misses.name(1), name, "p50_us") for name in (misses.REPRISE, misses.DIRECT, misses.NGINX)
    ]
    what = "miss, 1 at once: p50 added to the origin's, beside what nginx proxy_pass adds"
    yield Bar(what, one, _added, 4)
    many = [(misses.name(32), name, "per_s") for name in (misses.REPRISE, misses.NGINX)]
    what = "miss, 32 at once: requests/s beside nginx proxy_pass"
    yield Bar(what, many, _ratio, 0.2, least=True)
    for scenario in (misses.DOWN, misses.UP):
        pair = [(scenario, name, "per_s") for name in (misses.REPRISE, misses.NGINX)]
        yield Bar(f"{scenario}: throughput beside nginx", pair, _ratio, 0.6, least=True)


def _of_streams() -> Iterable[Bar]:
    yield Bar(
        "stream miss: first byte later than direct",
        [(streams.FIRST, name, "first_us") for name in (streams.REPRISE, streams.DIRECT)],
        lambda ours, direct: ours - direct,
        500,
        unit="us",
    )
    yield Bar(
        "stream miss: CPU a chunk above a bare aiohttp relay's",
        [(streams.TICKS, name, "chunk_us") for name in (streams.REPRISE, streams.AIOHTTP)],
        lambda ours, bare: ours - bare,
        20,
        unit="us",
    )
    for measure, limit, said in (
        ("lag_p99_us", 20_000, "p99 of a probe's time"),
        ("kb_a_stream", 64, "memory a stream"),
    ):
        of = [(crowd.NAME, crowd.REPRISE, measure)]
        unit = "us" if measure.endswith("us") else "KB"
        yield Bar(f"{crowd.NAME}: {said}", of, float, limit, unit=unit)


def _of_the_process() -> Iterable[Bar]:
    pair = [(scaling.WORKERS, f"{hits.REPRISE}, {count} of them", "per_s") for count in (2, 1)]
    yield Bar("two workers: requests/s beside one", pair, _ratio, 1.8, least=True)
    cpu = [(scenario, name, "cpu_us") for scenario, name, _ in pair]
    yield Bar("two workers: else CPU a request beside one's", cpu, _ratio, 1.05)
    for name, measure, limit in (
        (starting.EXACT_ONLY, "start_s", 1.0),
        (starting.SEMANTIC, "well_s", 3.0),
    ):
        of = [(starting.NAME, name, measure)]
        yield Bar(f"cold start, {name}: ready", of, float, limit, unit="s")


def _of_peers() -> Iterable[Bar]:
    for name in peers.ALL:
        compiled = name == "ferrogw"
        pair = [(hits.name(32), one, "per_s") for one in (hits.REPRISE, name)]
        what = f"hit, 32 at once: requests/s beside {name}"
        yield Bar(what, pair, _ratio, 5 if compiled else 15, least=True)
        if compiled:
            pair = [(misses.name(32), one, "per_s") for one in (misses.REPRISE, name)]
            what = f"miss, 32 at once: requests/s beside {name}"
            yield Bar(what, pair, _ratio, 1, least=True)
        else:
            three = [
                (misses.name(1), one, "p50_us") for one in (misses.REPRISE, misses.DIRECT, name)
            ]
            what = f"miss, 1 at once: p50 added to the origin's, beside {name}"
            yield Bar(what, three, _added, 0.25)


def all_bars() -> list[Bar]:
    """In the order of their paths."""
    parts = (
        _of_hits,
        _of_tiers,
        _of_semantic,
        _of_misses,
        _of_streams,
        _of_the_process,
        _of_peers,
    )
    return [bar for part in parts for bar in part()]


def held(rows: Sequence[Row]) -> list[Held]:
    """The bars that these rows say something about; rows with trouble say nothing."""
    known = {
        (row.scenario, row.target, measure): numbers
        for row in rows
        if not row.trouble
        for measure, numbers in row.values.items()
    }
    found = []
    for bar in all_bars():
        if all(known.get(one) for one in bar.of):
            numbers = [bar.how(*of) for of in zip(*(known[one] for one in bar.of), strict=False)]
            middle = statistics.median(numbers)
            found.append(Held(bar, middle, min(numbers), max(numbers)))
    return found
