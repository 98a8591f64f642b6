"""Put the program under load, and say what it bore: `python -m tests.load [--minutes M] [--soak]`.

Without `--soak` a part of the time goes to each plan, and at the end come idle connections and
streams by the thousand. A soak is one plan all the time. The status is 1 where a bar is missed.
"""

import argparse
import asyncio
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import aiohttp

from tests.faults.traffic import Traffic
from tests.load import crowd
from tests.load.callers import Tally, drive
from tests.load.origin import apart
from tests.load.probing import Probed, probing
from tests.load.report import tell
from tests.load.shapes import Plan
from tests.load.verdicts import Verdict, below, flat, none, quantile, within
from tests.load.watching import Watch, opened, watching
from tests.support.program import Json, process, settings
from tests.support.waiting import until

IDLE: Final = 5000
STREAMS: Final = 1000
LAG_MS: Final = 20.0
WARM_SHARE: Final = 0.3
"""Of a soak's time: until the tiers are full, and what is made once has been made."""

SOAK_EVERY_S: Final = 2.0
REST_S: Final = 60.0
FEW: Final = 6
"""Descriptors that the first requests leave open for good, such as the store's."""

FEWER: Final = 1_000_000
"""Than so many requests has every part."""

BOUNDS: Json = {
    "cache": {
        "deadline_ms": 250,
        "ttl": {"default_s": 60, "stale_s": 0},
        "session": {"max_entries": 400, "max_bytes": 300_000},
        "shared": {"expire_every_s": 5, "max_backlog": 100},
        "vector": {"max_entries": 800, "snapshot_every_s": 20},
    },
    "embedder": {"kind": "local", "local": {"memo_entries": 500}},
}
"""So tight that everything is full, and gives up entries, within a minute."""


def plans(rate: float) -> list[Plan]:
    """What a load is made of, each with its share of the time."""
    return [
        Plan("steady", rate),
        Plan("burst", rate, burst=int(4 * rate)),
        Plan("slow callers", rate, slow=50),
        Plan("with 200-token questions", rate, long_rate=10),
    ]


@dataclass(slots=True)
class Run:
    """What is measured of one program."""

    traffic: Traffic
    watch: Watch = field(default_factory=Watch)
    tallies: dict[str, Tally] = field(default_factory=dict)
    probed: dict[str, Probed] = field(default_factory=dict)

    @property
    def pid(self) -> int:
        """Of the program."""
        return self.traffic.program.child.pid

    @property
    def port(self) -> int:
        """Where the program is."""
        return int(self.traffic.program.root.rpartition(":")[2])


@asynccontextmanager
async def running(folder: Path) -> AsyncIterator[Run]:
    """The program with tight bounds, before an origin that is a process of its own."""
    with apart() as origin, process(settings(origin, folder, **BOUNDS), folder) as program:
        connector = aiohttp.TCPConnector(limit=0)
        async with aiohttp.ClientSession(connector=connector) as http:
            yield Run(Traffic(program, http))


async def load(run: Run, minutes: float, rate: float) -> list[Verdict]:
    """Every plan, then the crowd."""
    async with watching(run.traffic, 1.0, run.watch):
        await part(run, Plan("warm", rate), 5)
        for plan in plans(rate):
            await part(run, plan, 60 * minutes / len(plans(rate)))
    return [*judged(run), *await gathered(run)]


async def soak(run: Run, minutes: float, rate: float) -> list[Verdict]:
    """One plan for all the time; what the first part of it takes is not judged."""
    plan, before = Plan("soak", rate, burst=5, long_rate=2, slow=5), opened(run.pid)
    async with watching(run.traffic, SOAK_EVERY_S, run.watch):
        await part(run, plan, 60 * minutes)
    kept = run.watch.readings[int(WARM_SHARE * len(run.watch.readings)) :]
    at = [one.at for one in kept]
    return [
        *judged(run),
        flat("memory (PSS)", "MiB", at, [one.pss_mib for one in kept]),
        flat("memory (RSS)", "MiB", at, [one.rss_mib for one in kept]),
        flat("memory (heap)", "MiB", at, [one.anonymous_mib for one in kept]),
        flat("threads", "", at, [float(one.threads) for one in kept]),
        await rested(run, before),
    ]


async def rested(run: Run, before: int) -> Verdict:
    """Descriptors are given back once nobody asks; until then connections are kept for more."""
    await run.traffic.http.close()
    with suppress(AssertionError):
        await until(lambda: opened(run.pid) <= before + FEW, patience_s=REST_S)
    after = opened(run.pid)
    told = f"{after} after, {before} before"
    return Verdict("descriptors at rest", told, f"<= {FEW} more", after <= before + FEW)


async def part(run: Run, plan: Plan, seconds: float) -> None:
    """One plan, probed meanwhile."""
    tally, first = Tally(), FEWER * len(run.tallies)
    with probing(run.port) as probed:
        await drive(run.traffic, plan, seconds, tally, first)
    run.tallies[plan.name] = tally
    run.probed[plan.name] = probed


async def gathered(run: Run) -> list[Verdict]:
    """Idle connections and streams by the thousand."""
    tally = Tally()
    async with crowd.idle(run.port, IDLE) as idle:
        with probing(run.port) as probed:
            await crowd.streams(run.traffic, STREAMS, tally)
        again = await idle.ask_all()
    name = f"{IDLE:,} idle, {STREAMS:,} streams"
    return [
        none(f"{name}: idle ones lost", idle.faults, again),
        none(f"{name}: streams failed", tally.failed + tally.wrong, tally.asked),
        lag(name, probed),
    ]


def judged(run: Run) -> list[Verdict]:
    """What holds of any run."""
    watch, cache = run.watch, BOUNDS["cache"]
    verdicts = [lag(name, probed) for name, probed in run.probed.items()]
    for name, tally in run.tallies.items():
        verdicts.append(none(f"{name}: failed", tally.failed, tally.asked))
        verdicts.append(none(f"{name}: wrong answers", tally.wrong, tally.asked))
    bounds = {
        'reprise_tier_entries{tier="session"}': cache["session"]["max_entries"],
        'reprise_tier_bytes{tier="session"}': cache["session"]["max_bytes"],
        'reprise_tier_entries{tier="vector"}': cache["vector"]["max_entries"],
        "reprise_backlog_entries": cache["shared"]["max_backlog"],
    }
    verdicts += [within(name, watch.values(name), most) for name, most in bounds.items()]
    defects = [
        name
        for name in ("task_failed", "request_crashed")
        if watch.last(f'reprise_events_total{{event="{name}"')
    ]
    return [*verdicts, none("defects", defects, len(watch.readings))]


def lag(name: str, probed: Probed) -> Verdict:
    """How late the event loop is; what the machine is late is told beside it."""
    machine = quantile(probed.machine_ms, 99)
    return below(
        f"{name}: loop's lag, p99 (machine's own {machine:.1f} ms)",
        "ms",
        quantile(probed.program_ms, 99),
        LAG_MS,
    )


async def _main(options: argparse.Namespace) -> bool:
    with tempfile.TemporaryDirectory() as folder:
        async with running(Path(folder)) as run:
            doing = soak if options.soak else load
            verdicts = await doing(run, options.minutes, options.rate)
    for name, tally in run.tallies.items():
        tiers = ", ".join(f"{tier or 'origin'} {n:,}" for tier, n in tally.tiers.most_common())
        p50, p99 = (quantile(tally.ms, percent) for percent in (50, 99))
        sys.stdout.write(f"{name}: {tally.asked:,} asked ({tiers}), {p50:.1f}/{p99:.1f} ms\n")
    tell(verdicts, run.watch, options.out, "soak" if options.soak else "load")
    return all(one.is_met for one in verdicts)


def main() -> None:
    """Of the command line."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--minutes", type=float, default=2)
    parser.add_argument("--rate", type=float, default=50, help="requests a second")
    parser.add_argument("--soak", action="store_true")
    parser.add_argument("--out", type=Path, default=Path("build/load"))
    sys.exit(0 if asyncio.run(_main(parser.parse_args())) else 1)


if __name__ == "__main__":
    main()
