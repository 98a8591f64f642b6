"""From nothing to the first answer."""

import json
import subprocess
import sys
import time
import urllib.request
from collections.abc import Mapping

from bench.http.processes import answers, family, memory_mib
from bench.http.reprise import EXACT, ROOT, reprise
from bench.http.rounds import Bench, Row, turned

NAME = "cold start"
EXACT_ONLY = "Reprise, exact tiers"
SEMANTIC = "Reprise, as shipped"
IMPORT = "importing it"


def measure(bench: Bench) -> list[Row]:
    """Seconds to `/readyz`, to every part being well, and of importing alone."""
    bench.say(NAME)
    made: dict[str, Mapping[str, object]] = {EXACT_ONLY: EXACT, SEMANTIC: {}}
    found: dict[str, list[dict[str, float]]] = {name: [] for name in (*made, IMPORT)}
    for number in range(bench.rounds + 1):
        for name, over in made.items():
            values = _started(bench, f"start-{number}-{len(over)}", over)
            if number:  # the first one reads files that are not in memory yet
                found[name].append(values)
        if number:
            found[IMPORT].append(
                {
                    "start_s": _seconds(
                        "import proxy.cli, proxy.config, proxy.runtime, proxy.web.server"
                    )
                    - _seconds("pass")
                }
            )
    return [Row(NAME, name, turned(rounds)) for name, rounds in found.items()]


def _started(bench: Bench, folder: str, over: Mapping[str, object]) -> dict[str, float]:
    began = time.perf_counter()
    with reprise(bench.api, bench.directory / folder, over) as running:
        while not is_well(f"{running.url}/readyz"):
            time.sleep(0.002)
        return {
            "start_s": running.ready_s,
            "well_s": time.perf_counter() - began,
            "memory_mib": memory_mib(family(running.pid)),
        }


def is_well(url: str) -> bool:
    """Whether every part is, models and all."""
    if not answers(url):
        return False
    with urllib.request.urlopen(url, timeout=5) as got:  # noqa: S310 - our own address
        return bool(json.loads(got.read())["status"] == "ready")


def _seconds(code: str) -> float:
    began = time.perf_counter()
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)
    return time.perf_counter() - began
