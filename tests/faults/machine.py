"""What can become of the machine's clock and memory, of the program's processes and its file."""

import resource
import signal
from pathlib import Path

from tests.faults.fault import Fault, Step
from tests.faults.place import Place

DAY_S = 86400.0
SPARE_BYTES = 64 << 20


def _jump(seconds: float) -> Step:
    async def jump(place: Place) -> None:
        place.set_clock_wrong_by(seconds)

    return jump


def _write(text: str) -> Step:
    async def write(place: Place) -> None:
        place.config_file.write_text(text)
        place.signal(signal.SIGHUP)

    return write


async def _remove_config(place: Place) -> None:
    place.config_file.unlink()
    place.signal(signal.SIGHUP)


async def _forbid_config(place: Place) -> None:
    place.config_file.chmod(0)
    place.signal(signal.SIGHUP)


async def _write_config(place: Place) -> None:
    place.config_file.unlink(missing_ok=True)
    place.write_config()
    place.signal(signal.SIGHUP)


async def _kill_worker(place: Place) -> None:
    place.signal(signal.SIGKILL, worker=2)


def _used(pid: int) -> int:
    """Bytes of address space."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[0]) * resource.getpagesize()


async def _limit_memory(place: Place) -> None:
    pid = place.program.child.pid
    limits = (_used(pid) + SPARE_BYTES, resource.RLIM_INFINITY)
    resource.prlimit(pid, resource.RLIMIT_AS, limits)


async def _free_memory(place: Place) -> None:
    limits = (resource.RLIM_INFINITY, resource.RLIM_INFINITY)
    resource.prlimit(place.program.child.pid, resource.RLIMIT_AS, limits)


FILE = (
    Fault(
        name="the configuration is half-written",
        begin=_write("cache: {deadline_ms: "),
        end=_write_config,
        events=frozenset({"config_reload_failed"}),
        recovers="what held holds on; the whole file is read when it is there",
    ),
    Fault(
        name="the configuration is deleted",
        begin=_remove_config,
        end=_write_config,
        events=frozenset({"config_reload_failed"}),
        recovers="what held holds on; the file is read when it is there again",
    ),
    Fault(
        name="the configuration may not be read",
        begin=_forbid_config,
        end=_write_config,
        events=frozenset({"config_reload_failed"}),
        recovers="what held holds on; the file is read when it may be",
    ),
)
CLOCK = (
    Fault(
        name="the clock jumps an hour ahead, and back",
        begin=_jump(3600.0),
        end=_jump(0.0),
        recovers="nothing has to",
    ),
    Fault(
        name="the clock jumps an hour back, and ahead",
        begin=_jump(-3600.0),
        end=_jump(0.0),
        recovers="nothing has to",
    ),
    Fault(
        name="the clock jumps three days ahead, and back",
        begin=_jump(3 * DAY_S),
        end=_jump(0.0),
        hits=frozenset(),
        recovers="what has expired meanwhile may be gone; it is asked for anew",
        loses=True,
    ),
)
MEMORY = (
    Fault(
        name="no more than 64 MiB are left of the address space",
        begin=_limit_memory,
        end=_free_memory,
        recovers="nothing has to: what is kept in memory is bounded",
    ),
)
FAULTS = (*FILE, *CLOCK, *MEMORY)
WORKERS = (
    Fault(
        name="one of two workers is killed",
        begin=_kill_worker,
        events=frozenset({"worker_restarted"}),
        recovers="another takes its place; what it had on its way breaks off",
        breaks=True,
    ),
)
