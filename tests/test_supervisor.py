"""Processes that are kept: started, watched, replaced and stopped."""

import asyncio
import os
import signal
import sys
import threading
import time
from multiprocessing.connection import Connection
from pathlib import Path

import pytest

from proxy.config import Config
from proxy.serving import LISTENS
from proxy.supervisor import Supervisor, Target, pause_s
from proxy.worker import Worker
from tests.support.waiting import until


def config_of(workers: int = 2) -> Config:
    server = {"workers": workers, "port": 1, "drain_s": 0}
    return Config.model_validate({"server": server, "telemetry": {"log_format": "json"}})


def _note(worker: Worker, what: str = "began") -> None:
    """For the test to see, whatever becomes of this process."""
    with (worker.directory / "notes").open("a") as file:
        file.write(f"{worker.number} {worker.restarts} {what}\n")


def steady(_config: Config, worker: Worker, ready: Connection) -> None:
    """Listens, and ends when told to."""
    told = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: told.set())
    _note(worker)
    ready.send(LISTENS)
    while not told.wait(0.01):
        pass
    _note(worker, "ended")


def hopeless(_config: Config, worker: Worker, ready: Connection) -> None:
    """The second of them can never start."""
    if worker.number == 2:
        _note(worker)
        sys.exit(2)
    steady(_config, worker, ready)


def stumbling(_config: Config, worker: Worker, ready: Connection) -> None:
    """Dies once it listens, then before it does, then does well."""
    if worker.number == 1 and worker.restarts < 2:
        _note(worker)
        if worker.restarts == 0:
            ready.send(LISTENS)
        os.kill(os.getpid(), signal.SIGKILL)
    steady(_config, worker, ready)


def deaf(_config: Config, worker: Worker, ready: Connection) -> None:
    """Listens, and does not end when told to."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    _note(worker)
    ready.send(LISTENS)
    time.sleep(600)


def quieted(config: Config, worker: Worker, ready: Connection) -> None:
    """Follows a configuration that has only errors logged, and then dies once."""
    if worker.restarts == 0:
        quieter = config.telemetry.model_copy(update={"log_level": "error"})
        ready.send(LISTENS)
        ready.send(config.model_copy(update={"telemetry": quieter}))
        os.kill(os.getpid(), signal.SIGKILL)
    steady(config, worker, ready)


class Running:
    """A supervisor in this process, which is told what a signal would tell it."""

    def __init__(self, directory: Path, target: Target, workers: int = 2) -> None:
        self._notes = directory / "notes"
        self.supervisor = Supervisor(config_of(workers), directory, target)

    @property
    def notes(self) -> list[str]:
        return sorted(self._notes.read_text().splitlines()) if self._notes.exists() else []

    async def has(self, *notes: str) -> None:
        await until(lambda: set(notes) <= set(self.notes), f"{notes} of {self.notes}")


def listened(err: str) -> bool:
    return '"event":"listening"' in err


def test_pauses_grow_and_are_bounded() -> None:
    """The first death is mended at once, the next ones ever later, up to half a minute."""
    pauses = [pause_s(deaths) for deaths in range(100)]

    assert pauses[1] == 0
    assert pauses[2] > 0
    assert pauses == sorted(pauses)
    assert pauses[-1] == 30


async def test_all_end_when_told_to(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """SIGTERM reaches every worker, and the status is 0 when each has ended by itself."""
    running = Running(tmp_path, steady, workers=3)
    async with asyncio.TaskGroup() as group:
        keeping = group.create_task(running.supervisor.run())
        await running.has("1 0 began", "2 0 began", "3 0 began")
        os.kill(os.getpid(), signal.SIGTERM)
    status = keeping.result()

    assert status == 0
    assert running.notes == [f"{n} 0 {what}" for n in (1, 2, 3) for what in ("began", "ended")]
    assert listened(capsys.readouterr().err)


async def test_one_that_cannot_start_ends_all(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its status is the program's, and it is not tried again."""
    running = Running(tmp_path, hopeless)
    status = await running.supervisor.run()

    assert status == 2
    assert running.notes.count("2 0 began") == 1
    assert not listened(capsys.readouterr().err)


async def test_the_dead_are_replaced(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One that has listened once is started again, also when the next try fails at its start."""
    running = Running(tmp_path, stumbling)
    async with asyncio.TaskGroup() as group:
        keeping = group.create_task(running.supervisor.run())
        await running.has("1 0 began", "1 1 began", "1 2 began", "2 0 began")
        os.kill(os.getpid(), signal.SIGINT)
    status = keeping.result()
    died = [line for line in capsys.readouterr().err.splitlines() if '"worker_died"' in line]

    assert status == 0
    assert "2 1 began" not in running.notes
    assert [f'"status":-{signal.SIGKILL:d}' in line for line in died] == [True, True]


async def test_it_logs_as_the_workers_do(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What a reload says of the log holds for what is said of workers, too."""
    running = Running(tmp_path, quieted, workers=1)
    async with asyncio.TaskGroup() as group:
        group.create_task(running.supervisor.run())
        await running.has("1 1 began")
        os.kill(os.getpid(), signal.SIGINT)
    err = capsys.readouterr().err

    assert '"event":"worker_started"' in err
    assert '"event":"worker_died"' not in err


async def test_a_second_signal_ends_the_deaf(tmp_path: Path) -> None:
    """Nobody has to wait for a worker that does not end."""
    running = Running(tmp_path, deaf)
    async with asyncio.TaskGroup() as group:
        keeping = group.create_task(running.supervisor.run())
        await running.has("1 0 began", "2 0 began")
        os.kill(os.getpid(), signal.SIGTERM)
        await asyncio.sleep(0)
        os.kill(os.getpid(), signal.SIGTERM)

    assert keeping.result() == 1
