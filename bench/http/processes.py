"""Programs under measurement: started, watched, ended."""

import os
import re
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

TICKS = os.sysconf("SC_CLK_TCK")

PATIENCE_S = 120.0
"""The slowest peer starts in a quarter of it."""


class NotStartedError(Exception):
    """A program ended, or never answered."""


@dataclass(frozen=True)
class Running:
    """A program that answers.

    Attributes:
        pid: Of the process that was started; see `family`.
        port: On the loopback.
        ready_s: Seconds from its start to its first good answer.
    """

    pid: int
    port: int
    ready_s: float

    @property
    def url(self) -> str:
        """Its root."""
        return f"http://127.0.0.1:{self.port}"


@contextmanager
def program(
    command: Sequence[str],
    port: int,
    directory: Path,
    *,
    ready: str,
    environ: Mapping[str, str] | None = None,
) -> Iterator[Running]:
    """Start it, wait until it answers, and end it with the block.

    Args:
        command: What to run.
        port: Where it will listen.
        directory: Its own, made here: it runs there, and `log` has what it says.
        ready: Path that answers 200 once it serves.
        environ: Variables beside those of this process.

    Raises:
        NotStartedError: It ended, or did not answer in time.
    """
    directory.mkdir(parents=True, exist_ok=True)
    began = time.perf_counter()
    with (directory / "log").open("wb") as log:
        child = subprocess.Popen(
            command,
            cwd=directory,
            env={**os.environ, **(environ or {})},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )
    try:
        _wait(child, f"http://127.0.0.1:{port}{ready}", directory / "log", began)
        yield Running(child.pid, port, time.perf_counter() - began)
    finally:
        _end(child)


def _wait(child: "subprocess.Popen[bytes]", url: str, log: Path, began: float) -> None:
    while not answers(url):
        if child.poll() is not None or time.perf_counter() - began > PATIENCE_S:
            said = log.read_text(errors="replace")[-800:]
            raise NotStartedError(f"{child.args!r} does not serve: {said}")
        time.sleep(0.002)


def _end(child: "subprocess.Popen[bytes]") -> None:
    child.terminate()
    with suppress(subprocess.TimeoutExpired):
        child.wait(5)
        return
    child.kill()
    child.wait()


def answers(url: str) -> bool:
    """Whether it says 200."""
    try:
        with urllib.request.urlopen(url, timeout=5) as got:  # noqa: S310 - our own address
            return bool(got.status == 200)  # noqa: PLR2004 - it reads best
    except OSError:
        return False


def family(pid: int) -> list[int]:
    """The process, and all that it has started."""
    found = [pid]
    for one in found:
        with suppress(FileNotFoundError):
            children = Path(f"/proc/{one}/task/{one}/children").read_text()
            found += [int(child) for child in children.split()]
    return found


def cpu_s(pids: Sequence[int]) -> float:
    """Processor time so far, seconds; the kernel's work for them is in it."""
    stats = [Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split() for pid in pids]
    return sum(int(stat[11]) + int(stat[12]) for stat in stats) / TICKS


def memory_mib(pids: Sequence[int]) -> float:
    """What the processes would free by ending: their proportional set size."""
    rollups = [Path(f"/proc/{pid}/smaps_rollup").read_text() for pid in pids]
    return sum(int(re.findall(r"(?m)^Pss:\s+(\d+)", one)[0]) for one in rollups) / 1024
