"""Looks at a running program from outside: what it holds, and what it says of itself."""

import asyncio
import re
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.faults.traffic import Traffic

_SERIES = re.compile(r"^(reprise_[a-z_]+(?:\{[^}]*\})?) ([-+.e\d]+)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Reading:
    """One look.

    Attributes:
        at: Seconds since the first.
        pss_mib, rss_mib: Memory: proportional, and with all that is shared with other programs.
        anonymous_mib: Of that, what no file stands behind: the heap.
        descriptors, threads: Open, running.
        series: The program's own metrics.
    """

    at: float
    pss_mib: float
    rss_mib: float
    anonymous_mib: float
    descriptors: int
    threads: int
    series: dict[str, float]


@dataclass(slots=True)
class Watch:
    """All looks so far."""

    readings: list[Reading] = field(default_factory=list)

    def values(self, series: str) -> list[float]:
        """Of one of the program's own series, at each look; 0 where it is not there."""
        return [reading.series.get(series, 0.0) for reading in self.readings]

    def last(self, beginning: str) -> float:
        """The sum of all series that begin so, at the last look."""
        last: Sequence[Reading] = self.readings[-1:]
        found = [series for one in last for series in one.series.items()]
        return sum(value for name, value in found if name.startswith(beginning))


def read(pid: int, series: str, at: float) -> Reading:
    """One process, as `/proc` has it (proc(5)), beside a text of metrics."""
    process = Path(f"/proc/{pid}")
    rollup = dict(re.findall(r"(?m)^(\w+):\s+(\d+) kB", (process / "smaps_rollup").read_text()))
    return Reading(
        at=at,
        pss_mib=int(rollup["Pss"]) / 1024,
        rss_mib=int(rollup["Rss"]) / 1024,
        anonymous_mib=int(rollup["Anonymous"]) / 1024,
        descriptors=_count(process / "fd"),
        threads=_count(process / "task"),
        series={name: float(value) for name, value in _SERIES.findall(series)},
    )


def opened(pid: int) -> int:
    """Descriptors of a process."""
    return _count(Path(f"/proc/{pid}/fd"))


def _count(folder: Path) -> int:
    return sum(1 for _ in folder.iterdir())


@asynccontextmanager
async def watching(traffic: Traffic, every_s: float, watch: Watch) -> AsyncIterator[None]:
    """Look again and again inside the block."""
    began = time.monotonic()

    async def look() -> None:
        while True:
            async with traffic.http.get(f"{traffic.program.root}/metrics") as got:
                series = await got.text()
            pid = traffic.program.child.pid
            watch.readings.append(
                await asyncio.to_thread(read, pid, series, time.monotonic() - began)
            )
            await asyncio.sleep(every_s)

    async with asyncio.TaskGroup() as group:
        looking = group.create_task(look())
        yield
        looking.cancel()
