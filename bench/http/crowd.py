"""A thousand streams at once: what one takes of memory, and how late the proxy gets."""

import json
import statistics
import subprocess
import sys
import time
import urllib.request
from collections.abc import Sequence
from contextlib import ExitStack
from typing import IO, cast

from bench.http import nginx, traffic
from bench.http.processes import Running, cpu_s, family, memory_mib
from bench.http.reprise import EXACT, ROOT, reprise
from bench.http.rounds import CHAT, Bench, Row

COUNT = 1000
NAME = f"{COUNT:,} streams at once"
NGINX = "nginx proxy_pass, unbuffered"
REPRISE = "Reprise"

PROBES = 250
PAUSE_S = 0.02


def measure(bench: Bench) -> list[Row]:
    """nginx and the proxy, one after the other; one round."""
    bench.say(NAME)
    with ExitStack() as stack:
        directory = bench.directory
        slow = f"{bench.origin.url}/slow/v1"
        passing = stack.enter_context(nginx.passing(bench.origin, directory / "crowd-pass"))
        proxy = stack.enter_context(reprise(slow, directory / "crowd", EXACT))
        return [
            _row(NGINX, passing, f"/slow{CHAT}", "/alive"),
            _row(REPRISE, proxy, CHAT, "/healthz"),
        ]


def _row(name: str, running: Running, path: str, alive: str) -> Row:
    pids = family(running.pid)
    _crowd(running, path, 50)  # connections, buffers, code: what is taken once
    idle, quiet = memory_mib(pids), probes(f"{running.url}{alive}")
    before = cpu_s(pids)
    with _started(running, path, COUNT) as client:
        said_by = cast("IO[bytes]", client.stdout)
        said_by.readline()  # all have begun
        late, busy = probes(f"{running.url}{alive}"), memory_mib(pids)
        said = json.loads(said_by.read().splitlines()[-1])
    spent = cpu_s(pids) - before
    values = {
        "lag_p50_us": [statistics.median(late)],
        "lag_p99_us": [statistics.quantiles(late, n=100)[-1]],
        "idle_p99_us": [statistics.quantiles(quiet, n=100)[-1]],
        "kb_a_stream": [1024 * (busy - idle) / COUNT],
        "chunk_us": [1e6 * spent / COUNT / traffic.CHUNKS],
        "seconds": [said["seconds"]],
    }
    failed = COUNT - int(said["well"])
    return Row(NAME, name, values, f"{failed} of {COUNT} failed" if failed else "")


def probes(url: str) -> Sequence[float]:
    """Microseconds that a request takes which asks for nothing, again and again."""
    taken = []
    for _ in range(PROBES):
        began = time.perf_counter()
        with urllib.request.urlopen(url, timeout=30) as got:  # noqa: S310 - our own address
            got.read()
        taken.append(1e6 * (time.perf_counter() - began))
        time.sleep(PAUSE_S)
    return taken


def _started(running: Running, path: str, count: int) -> "subprocess.Popen[bytes]":
    command = [sys.executable, "-m", "bench.http.client", f"{running.url}{path}", traffic.KEY]
    return subprocess.Popen([*command, str(count)], cwd=ROOT, stdout=subprocess.PIPE)


def _crowd(running: Running, path: str, count: int) -> None:
    with _started(running, path, count) as client:
        client.communicate()
