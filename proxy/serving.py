"""One process that serves: start, listen, wait, drain.

`run` is all of `reprise serve` where there is one process, and `work` the life of one worker where
`proxy.supervisor` keeps several.
"""

import asyncio
import multiprocessing
import signal
import sys
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import TYPE_CHECKING

from proxy import listening
from proxy.errors import ConfigError
from proxy.worker import Worker

if TYPE_CHECKING:
    from proxy.config import Config

LISTENS = "listens"

EXIT_FAILED = 1
EXIT_MISUSED = 2
"""The operator's fault, as shells and typer have it."""


def run(
    config: "Config", worker: Worker | None = None, tell: Callable[[], None] | None = None
) -> int:
    """Serve until SIGTERM or SIGINT; returns the exit status, its reason being on stderr.

    Args:
        config: What holds.
        worker: Which of several processes this is; None when it is alone.
        tell: Called once it listens.
    """
    try:
        _run_loop(config, worker, tell)
    except ConfigError as error:
        sys.stderr.writelines(f"{problem}\n" for problem in error.problems)
        return EXIT_MISUSED
    except OSError as error:
        sys.stderr.write(cannot_listen(config, error))
        return EXIT_FAILED
    return 0


def cannot_listen(config: "Config", error: OSError) -> str:
    """Why, in a line."""
    return f"cannot listen on {config.server.host}:{config.server.port}: {error}\n"


def work(config: "Config", worker: Worker, ready: Connection) -> None:
    """A worker's process, from beginning to end.

    Args:
        config: What holds; its port is one that workers share.
        worker: Which it is.
        ready: Gets `LISTENS` once it does.
    """
    sys.exit(run(config, worker, lambda: ready.send(LISTENS)))


def _run_loop(config: "Config", worker: Worker | None, tell: Callable[[], None] | None) -> None:
    if sys.platform == "win32":
        asyncio.run(_serve(config, worker, tell))
        return
    import uvloop  # noqa: PLC0415 - a third off a request's cost, and not to be had on Windows

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_serve(config, worker, tell))


async def _serve(config: "Config", worker: Worker | None, tell: Callable[[], None] | None) -> None:
    from proxy.runtime import open_runtime  # noqa: PLC0415 - slow to import
    from proxy.web.server import listen  # noqa: PLC0415 - slow to import

    stop = _stop_signals(worker)
    server = config.server
    sockets = listening.bound(server.host, server.port, shared=worker is not None)
    async with open_runtime(config, worker=worker) as runtime, listen(runtime, sockets) as url:
        if worker is None:
            runtime.observer.event("listening", url=url)
        elif worker.restarts:
            runtime.observer.event("worker_restarted", restarts=worker.restarts)
        if tell is not None:
            tell()
        await stop.wait()


def _stop_signals(worker: Worker | None) -> asyncio.Event:
    """Set by SIGTERM and SIGINT, and for a worker by the end of who started it."""
    stop, loop = asyncio.Event(), asyncio.get_running_loop()
    for name in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(name, stop.set)
    parent = multiprocessing.parent_process()
    if worker is not None and parent is not None:

        def orphaned() -> None:
            loop.remove_reader(parent.sentinel)
            stop.set()

        loop.add_reader(parent.sentinel, orphaned)
    return stop
