"""What `server.workers` gains and costs: `python -m bench.workers [seconds]`. Needs `wrk`.

The real program answers hits of the session tier, asked by wrk (https://github.com/wg/wrk) over 32
connections that are kept alive. The load generator shares the machine's processors with what it
measures: where there are few, more workers than processors left over for them gain nothing.
"""

import os
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.http.processes import cpu_s, family, memory_mib
from bench.http.rounds import CHAT
from bench.http.traffic import question
from bench.http.wrk import asking, load
from tests.support.origin import scripted_origin
from tests.support.program import KEY, Process, process, settings
from tests.support.waiting import until_sync

CONNECTIONS = 32
COUNTS = (1, 2, 4)


@contextmanager
def served(workers: int, directory: Path, url: str) -> Iterator[Process]:
    """The program with all tiers."""
    config = settings(url, directory, server={"workers": workers}, embedder={"kind": "local"})
    with process(config, directory) as running:
        yield running


def restart_s(running: Process) -> float:
    """From a worker's death to another one in its place."""
    started = next(line for line in running.lines if line["event"] == "worker_started")
    began = time.monotonic()
    os.kill(started["pid"], signal.SIGKILL)
    until_sync(
        lambda: any(line["event"] == "worker_restarted" for line in running.lines), "another worker"
    )
    return time.monotonic() - began


def measure(workers: int, seconds: int) -> None:
    """One row."""
    body = question("What is a cache?")
    with tempfile.TemporaryDirectory() as name, scripted_origin() as origin:
        directory = Path(name)
        script = directory / "ask.lua"
        headers = {"authorization": f"Bearer {KEY}", "content-type": "application/json"}
        script.write_text(asking(body, headers))
        with served(workers, directory, origin.url) as running:
            url = f"{running.root}{CHAT}"
            load(url, script, connections=CONNECTIONS, seconds=2)
            pids = family(running.child.pid)
            before = cpu_s(pids)
            found = load(url, script, connections=CONNECTIONS, seconds=seconds)
            spent = cpu_s(pids) - before
            memory = [memory_mib([pid]) for pid in pids]
            mended = f"{restart_s(running):.2f}" if workers > 1 else "-"
            running.stop()
    print(
        f"{workers:7d} {found.per_s:10.0f} {found.p50_us:8.0f} {found.p99_us:8.0f} "
        f"{1e6 * spent / found.answers:12.0f} {spent / seconds:8.2f} "
        f"{memory[0]:10.0f} {max(memory):11.0f} {mended:>9s} {found.failed:7d}"
    )


def main() -> None:
    if shutil.which("wrk") is None:
        sys.exit("wrk is not on the PATH: apt-get install wrk")
    seconds = int(sys.argv[1]) if len(sys.argv) > 1 else 10
    print(f"session hits, {CONNECTIONS} connections, {os.cpu_count()} processors, shared with wrk")
    print(
        "workers requests/s   p50 us   p99 us us CPU/answer CPUs used "
        "first MiB largest MiB restart s  failed"
    )
    for workers in COUNTS:
        measure(workers, seconds)


if __name__ == "__main__":
    main()
