"""Load by wrk (https://github.com/wg/wrk): as many requests as are answered."""

import re
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from bench.http.traffic import HERE

UNITS = {"us": 1.0, "ms": 1e3, "s": 1e6, "m": 6e7}


@dataclass(frozen=True)
class Load:
    """What wrk says of one run.

    Attributes:
        answers: How many came whole.
        per_s: The same, a second.
        p50_us: Half of the answers took no longer, microseconds.
        p99_us: All but a hundredth took no longer.
        failed: Answers that were no 2xx or 3xx, and connections that broke.
    """

    answers: int
    per_s: float
    p50_us: float
    p99_us: float
    failed: int


def load(url: str, script: Path, *, connections: int, seconds: float, threads: int = 1) -> Load:
    """Ask as fast as answers come.

    Args:
        url: What is asked.
        script: How, in Lua: see `asking`.
        connections: Kept alive, each with one request under way.
        seconds: For how long, a whole number.
        threads: Of wrk; one asks 84,000 times a second at most.
    """
    command = ["wrk", f"-t{threads}", f"-c{connections}", f"-d{seconds:.0f}s", "--timeout", "30s"]
    said = subprocess.run(
        [*command, "--latency", "-s", str(script), url], capture_output=True, text=True, check=True
    ).stdout
    errors = re.findall(r"(?:connect|read|write|timeout|responses:) (\d+)", said)
    return Load(
        int(_found(said, r"(\d+) requests in")),
        float(_found(said, r"Requests/sec:\s+(\S+)")),
        _us(_found(said, r"(?m)^\s+50%\s+(\S+)")),
        _us(_found(said, r"(?m)^\s+99%\s+(\S+)")),
        sum(map(int, errors)),
    )


def asking(body: bytes, headers: Mapping[str, str], method: str = "POST") -> str:
    """A script that sends this; where it has `HERE`, with another number in each."""
    text = body.decode()
    fields = {name: f"wrk.headers[ {_lua(name)} ] = {_lua(headers[name])}\n" for name in headers}
    same = "".join(fields[name] for name in headers if HERE not in headers[name])
    other = "".join(fields[name] for name in headers if HERE in headers[name])
    if HERE not in text and not other:
        return f"wrk.method = {_lua(method)}\nwrk.body = {_lua(text)}\n{same}"
    return (
        f"{same}"
        "local n = os.time() * 1000000\n"
        "request = function()\n"
        "  n = n + 1\n"
        f"  {other}"
        f"  return wrk.format({_lua(method)}, nil, nil, {_lua(text)})\n"
        "end\n"
    )


def _lua(text: str) -> str:
    """As Lua writes it; where it has `HERE`, with the number of the request."""
    return " .. string.format('%d', n) .. ".join(f"[==[{part}]==]" for part in text.split(HERE))


def _found(said: str, pattern: str) -> str:
    match = re.search(pattern, said)
    return match[1] if match else "0"


def _us(text: str) -> float:
    number, unit = re.findall(r"([\d.]+)(\D*)", text)[0]
    return float(number) * UNITS.get(unit, 1.0)
