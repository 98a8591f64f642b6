"""Targets asked in turn, round after round, and whether each did what its row says.

The machine's speed drifts: so targets take turns (A B C A B C ...), and a bar compares what was
measured in the same round.
"""

import json
import statistics
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path

from bench.http import nginx, traffic
from bench.http.processes import Running, cpu_s, family, memory_mib
from bench.http.wrk import Load, asking, load

CHAT = "/v1/chat/completions"

PROBES = 5
PROBE_EVERY_S = 0.1

SLACK = 0.01
"""Share of a round's requests that may be answered otherwise than its row says."""


@dataclass(frozen=True)
class Row:
    """One target in one scenario.

    Attributes:
        values: By measure, one number a round: see `report.MEASURES`.
        trouble: Why it is not what it says, or what failed; empty when all went well.
    """

    scenario: str
    target: str
    values: Mapping[str, Sequence[float]] = field(default_factory=dict)
    trouble: str = ""

    def median(self, measure: str) -> float | None:
        """Over the rounds; None when it was not measured."""
        numbers = self.values.get(measure)
        return statistics.median(numbers) if numbers else None


@dataclass(frozen=True)
class Target:
    """What is asked.

    Attributes:
        name: In the tables.
        running: The program.
        path: What is asked of it.
        headers: Beside the usual ones; an `authorization` here takes the place of the usual.
        says: Header, and a word in it, by which it names a hit; empty where it names none.
    """

    name: str
    running: Running
    path: str = CHAT
    headers: Mapping[str, str] = field(default_factory=dict)
    says: tuple[str, str] = ("", "")

    @property
    def url(self) -> str:
        """With the path."""
        return f"{self.running.url}{self.path}"

    @property
    def sent(self) -> dict[str, str]:
        """Headers of a request."""
        usual = {"authorization": f"Bearer {traffic.KEY}", "content-type": "application/json"}
        return {**usual, **self.headers}


class Expected(Enum):
    """What a target is to do with a request."""

    HIT = "hit"
    MISS = "miss"
    ANY = "any"


@dataclass(frozen=True)
class Bench:
    """What all scenarios share.

    Attributes:
        origin: Of everything that is asked.
        directory: For files.
        peers: Folder that peers are installed in; None measures none.
        seconds: Of a round.
        rounds: Of each target.
        warm_s: Seconds of load before the first round.
        all_forms: Measure each program in every form; else in its plainest alone.
        threads: Of wrk, where there are as many connections.
    """

    origin: Running
    directory: Path
    peers: Path | None
    seconds: float
    rounds: int
    warm_s: float = 1.0
    all_forms: bool = True
    threads: int = 1
    say: Callable[[str], None] = print

    @property
    def api(self) -> str:
        """Base of the origin's API, with its version."""
        return f"{self.origin.url}/v1"


def asked(
    bench: Bench,
    scenario: str,
    targets: Sequence[Target],
    body: bytes,
    *,
    connections: int,
    expected: Expected,
    method: str = "POST",
) -> list[Row]:
    """Load on each target in turn."""
    bench.say(f"{scenario}: {', '.join(target.name for target in targets)}")
    found: dict[str, list[dict[str, float]]] = {target.name: [] for target in targets}
    troubles: dict[str, str] = {}
    for number in range(bench.rounds + 1):
        for target in targets:
            if target.name in troubles:
                continue
            if number == 0:
                trouble = probed(target, body, expected) if method == "POST" else ""
            else:
                trouble = ""
            seconds = bench.seconds if number else bench.warm_s
            script = bench.directory / "asking.lua"
            script.write_text(asking(body, target.sent, method))
            try:
                values, seen = _round(bench, target, script, connections, seconds, expected)
            except (OSError, subprocess.CalledProcessError) as error:
                troubles[target.name] = trouble or f"it ended, or does not listen: {error}"
                continue
            if number:
                found[target.name].append(values)
                trouble = trouble or seen
            if trouble:
                troubles[target.name] = trouble
    return [
        Row(scenario, name, turned(rounds), troubles.get(name, ""))
        for name, rounds in found.items()
    ]


def turned(rounds: Sequence[Mapping[str, float]]) -> dict[str, list[float]]:
    """By measure, one number a round."""
    return {name: [one[name] for one in rounds] for name in rounds[0]} if rounds else {}


def _round(
    bench: Bench,
    target: Target,
    script: Path,
    connections: int,
    seconds: float,
    expected: Expected,
) -> tuple[dict[str, float], str]:
    pids = family(target.running.pid)
    before, asked_before = cpu_s(pids), nginx.count(bench.origin)
    threads = min(bench.threads, connections)
    seen = load(target.url, script, connections=connections, seconds=seconds, threads=threads)
    spent = cpu_s(pids) - before
    at_origin = nginx.count(bench.origin) - asked_before - 1
    values = {
        "per_s": seen.per_s,
        "p50_us": seen.p50_us,
        "p99_us": seen.p99_us,
        "cpu_us": 1e6 * spent / max(1, seen.answers),
        "memory_mib": memory_mib(pids),
        "start_s": target.running.ready_s,
    }
    return values, _trouble(seen, at_origin, expected)


def _trouble(seen: Load, at_origin: int, expected: Expected) -> str:
    """Why a round is not what its row says."""
    if not seen.answers:
        return "no answer"
    if seen.failed:
        return f"{seen.failed} of {seen.answers} failed"
    if expected is Expected.HIT and at_origin > SLACK * seen.answers:
        return f"no hits: the origin saw {at_origin} of {seen.answers}"
    if expected is Expected.MISS and at_origin < (1 - SLACK) * seen.answers:
        return f"no misses: the origin saw {at_origin} of {seen.answers}"
    return ""


def probed(target: Target, body: bytes, expected: Expected) -> str:
    """Ask twice and read the answer; returns what is wrong with it.

    A hit may be late: an answer is stored once its caller has it.
    """
    name, word = target.says
    raw = body.replace(traffic.HERE.encode(), b"0")
    head: Mapping[str, str] = {}
    for number in range(PROBES):
        request = urllib.request.Request(  # noqa: S310 - our own address
            target.url, data=raw, headers=target.sent
        )
        try:
            with urllib.request.urlopen(request, timeout=60) as got:  # noqa: S310
                said, head = got.read(), got.headers
        except urllib.error.HTTPError as error:
            return f"says {error.code}: {error.read()[:160]!r}"
        except OSError as error:
            return f"does not answer: {error}"
        if not _is_the_answer(said):
            return f"says something else: {said[:80]!r}"
        if number and (expected is not Expected.HIT or word in (head.get(name) or "")):
            return ""
        time.sleep(PROBE_EVERY_S * number)
    return f"no hit: {name} says {head.get(name)}"


def _is_the_answer(said: bytes) -> bool:
    if b"data:" in said[:40]:
        return b"[DONE]" in said
    try:
        content = json.loads(said)["choices"][0]["message"]["content"]
    except (ValueError, KeyError, TypeError):
        return False
    return bool(content == traffic.TEXT)
