"""Several processes on one port, and one that keeps them: it starts, watches and stops the workers.

It holds no cache and answers nobody. The kernel spreads connections over the workers, each of which
has a listening socket of its own. A worker that dies takes only its own requests with it: its
connections are gone, the others get the new ones, and another process takes its number.
"""

import asyncio
import multiprocessing
import os
import signal
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path
from time import monotonic
from typing import Final

from proxy import listening
from proxy.config import Config
from proxy.errors import ConfigError
from proxy.serving import EXIT_FAILED, EXIT_MISUSED, cannot_listen, work
from proxy.telemetry.logs import Logs, open_logs
from proxy.worker import Worker

STEADY_S: Final = 30.0
"""A worker that lived so long had not failed at its start."""

PAUSES_S: Final = (0.0, 0.0, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0)
"""Before a worker is started again, by how many short lives it has had in a row."""

PATIENCE_S: Final = 30.0
"""What a worker may take to end beyond what it gives its requests: the index is saved then."""

Target = Callable[[Config, Worker, Connection], None]
_Process = multiprocessing.context.SpawnProcess


def pause_s(deaths: int) -> float:
    """How long to wait before a worker is started again, after so many short lives in a row."""
    return PAUSES_S[min(deaths, len(PAUSES_S) - 1)]


def supervise(config: Config, path: Path | None = None) -> int:
    """Serve with `server.workers` processes until SIGTERM or SIGINT; returns the exit status.

    Args:
        config: What holds at the start.
        path: The configuration's file, where the command names one.

    Raises:
        ConfigError: This system cannot have several processes on one port.
    """
    host, port = config.server.host, config.server.port
    try:
        listening.is_free(host, port)
        # Held, and never listening: the port stays ours whichever workers are there.
        held = listening.bound(host, port, shared=True)
    except listening.UnshareableError as error:
        raise ConfigError([f"server.workers: must be 1 here: {error}"]) from error
    except OSError as error:
        sys.stderr.write(cannot_listen(config, error))
        return EXIT_FAILED
    known = config.server.model_copy(update={"port": held[0].getsockname()[1]})
    try:
        with _meeting_place() as directory:
            shared = config.model_copy(update={"server": known})
            return asyncio.run(Supervisor(shared, directory, partial(work, path=path)).run())
    finally:
        listening.close(held)


@contextmanager
def _meeting_place() -> Iterator[Path]:
    """A directory for the workers' sockets, and for this user only."""
    with ExitStack() as stack:
        try:
            # A worker that was killed may have left it in any state.
            place = tempfile.TemporaryDirectory(prefix="reprise-", ignore_cleanup_errors=True)
            directory = Path(stack.enter_context(place))
            listening.can_meet(directory)
        except OSError as error:
            problem = f"server.workers: no room for sockets in TMPDIR: {error}"
            raise ConfigError([problem]) from error
        yield directory


class Supervisor:
    """Keeps the workers.

    Args:
        config: What holds, with the port that is to be shared.
        directory: Where the workers meet.
        target: A worker's life; its process ends with it.
    """

    def __init__(self, config: Config, directory: Path, target: Target = work) -> None:
        telemetry = config.telemetry
        self._observer = Logs(open_logs(telemetry.log_format, telemetry.log_level, sys.stderr))
        self._config = config
        self._directory = directory
        self._target = target
        self._processes: dict[int, _Process] = {}
        self._listening: set[int] = set()
        self._stopping = asyncio.Event()
        self._status = 0

    async def run(self) -> int:
        """Until told to stop, or until a worker cannot even start; returns the exit status."""
        loop = asyncio.get_running_loop()
        for name in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(name, self._told)
        loop.add_signal_handler(signal.SIGHUP, self._pass_on)
        async with asyncio.TaskGroup() as group:
            numbers = range(1, self._config.server.workers + 1)
            keeping = [group.create_task(self._keep(number)) for number in numbers]
            group.create_task(self._lose_patience(keeping))
        return self._status

    def _told(self) -> None:
        """The first time, let them end; the second time, end them."""
        if self._stopping.is_set():
            self._kill()
        self._stop()

    def _stop(self) -> None:
        self._stopping.set()
        for process in self._processes.values():
            process.terminate()

    def _pass_on(self) -> None:
        """Have every worker reload: it knows the file."""
        for process in self._processes.values():
            if process.pid is not None and process.is_alive():
                os.kill(process.pid, signal.SIGHUP)

    def _kill(self) -> None:
        for number, process in self._processes.items():
            self._observer.event("worker_killed", worker=number, pid=process.pid)
            self._status = EXIT_FAILED
            process.kill()

    async def _lose_patience(self, keeping: "list[asyncio.Task[None]]") -> None:
        await self._stopping.wait()
        # A worker gives its requests this long, and then as long what it has promised to write.
        _, late = await asyncio.wait(keeping, timeout=2 * self._config.server.drain_s + PATIENCE_S)
        if late:
            self._kill()

    async def _keep(self, number: int) -> None:
        worker = Worker(number, self._config.server.workers, 0, self._directory)
        deaths = 0
        while not self._stopping.is_set():
            began = monotonic()
            has_listened, status = await self._live(worker)
            if self._stopping.is_set():
                self._ended(status)
                break
            if not (has_listened or worker.restarts):
                self._give_up(number, status)
                break
            deaths = 0 if monotonic() - began > STEADY_S else deaths + 1
            pause = pause_s(deaths)
            self._observer.event("worker_died", worker=number, status=status, pause_s=pause)
            await self._wait(pause)
            worker = replace(worker, restarts=worker.restarts + 1)

    def _ended(self, status: int) -> None:
        if status not in (0, -signal.SIGTERM):  # which ends one that does not listen yet
            self._status = self._status or EXIT_FAILED

    def _give_up(self, number: int, status: int) -> None:
        """What keeps a worker from its first start keeps all of them, and will the next time."""
        self._observer.event("worker_failed", worker=number, status=status)
        self._status = status if status in (EXIT_FAILED, EXIT_MISUSED) else EXIT_FAILED
        self._stop()

    async def _wait(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._stopping.wait()
        except TimeoutError:
            return

    async def _live(self, worker: Worker) -> tuple[bool, int]:
        """A worker's whole life: whether it ever listened, and its exit status."""
        try:
            process, ready = self._start(worker)
        except OSError as error:  # no memory, or too many processes: that may pass
            self._observer.event("worker_not_started", worker=worker.number, reason=str(error))
            return False, EXIT_FAILED
        self._processes[worker.number] = process
        self._observer.event("worker_started", worker=worker.number, pid=process.pid)
        try:
            has_listened = await self._listen_to(ready, worker.number)
            await _readable(process.sentinel)
            process.join()
        finally:
            del self._processes[worker.number]
            ready.close()
        return has_listened, process.exitcode or 0

    async def _listen_to(self, ready: Connection, number: int) -> bool:
        """Take what a worker tells until it ends; whether it has listened."""
        has_listened = False
        while True:
            await _readable(ready.fileno())
            match _news(ready):
                case Config() as config:
                    self._follow(config)
                case None:
                    return has_listened
                case _:
                    has_listened = True
                    self._count(number)

    def _follow(self, config: Config) -> None:
        """What a worker follows holds for whoever is started from now on, and for this log."""
        self._config, telemetry = config, config.telemetry
        self._observer.adapt(open_logs(telemetry.log_format, telemetry.log_level, sys.stderr))

    def _start(self, worker: Worker) -> tuple[_Process, Connection]:
        context = multiprocessing.get_context("spawn")
        ready, tell = context.Pipe(duplex=False)
        arguments = (self._config, worker, tell)
        process = context.Process(target=self._target, args=arguments, daemon=True)
        # A terminal's SIGINT reaches every process; it is for this one to say who ends when. SIGHUP
        # waits until it is heeded: it would end a worker that is just starting.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGHUP})
        try:
            process.start()
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
            tell.close()
        return process, ready

    def _count(self, number: int) -> None:
        """Say so once all of them listen."""
        server = self._config.server
        was_complete = len(self._listening) == server.workers
        self._listening.add(number)
        if len(self._listening) == server.workers and not was_complete:
            is_secure = server.tls.certificate is not None
            url = listening.url(server.host, server.port, is_secure=is_secure)
            self._observer.event("listening", url=url, workers=server.workers)


def _news(ready: Connection) -> str | Config | None:
    """What a worker says: that it listens, or which configuration it follows; None at its end."""
    try:
        news: str | Config = ready.recv()
    except (EOFError, OSError):
        return None
    return news


async def _readable(file: int) -> None:
    loop = asyncio.get_running_loop()
    found = loop.create_future()
    loop.add_reader(file, found.set_result, None)
    try:
        await found
    finally:
        loop.remove_reader(file)
