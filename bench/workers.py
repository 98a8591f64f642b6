"""What `server.workers` gains and costs: `python -m bench.workers [seconds]`. Needs `wrk`.

The real program answers hits of the session tier, asked by wrk (https://github.com/wg/wrk) over 32
connections that are kept alive. The load generator shares the machine's processors with what it
measures: where there are few, more workers than processors left over for them gain nothing.
"""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import openai

from tests.support.origin import scripted_origin
from tests.support.program import KEY, Process, chat, process, settings
from tests.support.waiting import until_sync

CONNECTIONS = 32
COUNTS = (1, 2, 4)
TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Load:
    """What wrk says."""

    per_s: float
    p50: str
    p99: str
    requests: int
    failed: str


def load(wrk: str, running: Process, script: Path, seconds: int) -> Load:
    """Ask as fast as answers come."""
    command = [wrk, "-t1", f"-c{CONNECTIONS}", f"-d{seconds}s", "--latency", "-s", str(script)]
    url = f"{running.url}/chat/completions"
    said = subprocess.run([*command, url], capture_output=True, text=True, check=True).stdout
    failed = re.findall(r"(?:Socket errors|Non-2xx).*", said)

    def found(pattern: str) -> str:
        match = re.search(pattern, said)
        return match[1] if match else "-"

    return Load(
        float(found(r"Requests/sec:\s+(\S+)")),
        found(r"(?m)^\s+50%\s+(\S+)"),
        found(r"(?m)^\s+99%\s+(\S+)"),
        int(found(r"(\d+) requests in")),
        "; ".join(failed) or "none",
    )


def family(running: Process) -> list[int]:
    """The process, and all it has started."""
    found = [running.child.pid]
    for pid in found:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text()
        found += [int(child) for child in children.split()]
    return found


def cpu_s(pids: list[int]) -> float:
    """Processor time so far, seconds."""
    stats = [Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split() for pid in pids]
    return sum(int(stat[11]) + int(stat[12]) for stat in stats) / TICKS


def memory_mib(pid: int) -> float:
    """What a process alone would free by ending: its proportional set size."""
    rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
    return int(re.findall(r"Pss:\s+(\d+)", rollup)[0]) / 1024


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


def measure(wrk: str, workers: int, seconds: int) -> None:
    """One row."""
    body = json.dumps(chat("What is a cache?"))
    with tempfile.TemporaryDirectory() as name, scripted_origin() as origin:
        directory = Path(name)
        script = directory / "ask.lua"
        script.write_text(
            f'wrk.method = "POST"\nwrk.body = [==[{body}]==]\n'
            f'wrk.headers["authorization"] = "Bearer {KEY}"\n'
            'wrk.headers["content-type"] = "application/json"\n'
        )
        with served(workers, directory, origin.url) as running:
            openai.OpenAI(base_url=running.url, api_key=KEY).chat.completions.create(
                **chat("What is a cache?")
            )
            load(wrk, running, script, 2)
            pids = family(running)
            before = cpu_s(pids)
            found = load(wrk, running, script, seconds)
            spent = cpu_s(pids) - before
            memory = [memory_mib(pid) for pid in pids]
            mended = f"{restart_s(running):.2f}" if workers > 1 else "-"
            running.stop()
    print(
        f"{workers:7d} {found.per_s:10.0f} {found.p50:>8s} {found.p99:>8s} "
        f"{1e6 * spent / found.requests:12.0f} {spent / seconds:8.2f} "
        f"{memory[0]:10.0f} {max(memory):11.0f} {mended:>9s}  {found.failed}"
    )


def main() -> None:
    wrk = shutil.which("wrk")
    if wrk is None:
        sys.exit("wrk is not installed: apt-get install wrk")
    seconds = int(sys.argv[1]) if len(sys.argv) > 1 else 10
    print(f"session hits, {CONNECTIONS} connections, {os.cpu_count()} processors, shared with wrk")
    print(
        "workers requests/s      p50      p99 us CPU/answer CPUs used "
        "first MiB largest MiB restart s  failed"
    )
    for workers in COUNTS:
        measure(wrk, workers, seconds)


if __name__ == "__main__":
    main()
