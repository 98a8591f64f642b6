"""What a path costs, told by the system, and where in the program, told by py-spy.

Sampling stops the program again and again, so the cost is taken before, and the samples only say
how it is shared out.
"""

import os
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.http.processes import TICKS
from bench.profiles.account import Account, account

RATE = 500
"""Samples a second."""


class NotProfiledError(Exception):
    """py-spy did not tell."""


@dataclass(frozen=True)
class Served:
    """A program under load.

    Attributes:
        pid: Of its process.
        ask: Ask for so many seconds; how many answers came.
    """

    pid: int
    ask: Callable[[float], int]


def times(pid: int) -> dict[int, tuple[float, float]]:
    """Processor time so far, by thread: in all, and the kernel's part; seconds."""
    found = {}
    for task in Path(f"/proc/{pid}/task").iterdir():
        stat = (task / "stat").read_text().rpartition(")")[2].split()
        user, kernel = int(stat[11]) / TICKS, int(stat[12]) / TICKS
        found[int(task.name)] = (user + kernel, kernel)
    return found


def profiled(served: Served, seconds: float, tool: Path) -> Account:
    """Cost first, then as long with samples."""
    served.ask(1)
    before = times(served.pid)
    answers = served.ask(seconds)
    after = times(served.pid)
    a_second = 1e6 / answers
    threads = {
        thread: a_second * (spent - before.get(thread, (0.0, 0.0))[0])
        for thread, (spent, _) in after.items()
    }
    kernel = a_second * (_kernel(after) - _kernel(before))
    with sampled(["--pid", str(served.pid)], seconds, tool) as raw:
        served.ask(seconds + 1)
        return account(raw(), threads, kernel)


def _kernel(spent: Mapping[int, tuple[float, float]]) -> float:
    return sum(seconds for _, seconds in spent.values())


@contextmanager
def sampled(
    what: Sequence[str], seconds: float, tool: Path, environ: Mapping[str, str] | None = None
) -> Iterator[Callable[[], str]]:
    """Stacks of a program meanwhile.

    Args:
        what: Arguments that say of which: `--pid N`, or `--` and a command, which is started.
        seconds: For how long.
        tool: py-spy.
        environ: Variables beside those of this process.

    Yields:
        What waits for the end, and returns py-spy's raw format.
    """
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "raw"
        how = ["--duration", f"{seconds:.0f}", "--rate", str(RATE), "--threads", "--format", "raw"]
        child = subprocess.Popen(
            [str(tool), "record", *how, "--output", str(file), *what],
            env={**os.environ, **(environ or {})},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

        def raw() -> str:
            said, _ = child.communicate(timeout=seconds + 60)
            if not file.exists():
                raise NotProfiledError(f"py-spy says: {said[-400:]}")
            return file.read_text()

        try:
            yield raw
        finally:
            child.kill()
            child.wait()
