"""One process that serves: start, listen, wait, drain.

`run` is all of `reprise serve` where there is one process, and `work` the life of one worker where
`proxy.supervisor` keeps several.
"""

import asyncio
import gc
import multiprocessing
import os
import signal
import sys
import time
from collections.abc import Callable, Coroutine
from contextlib import suppress
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from proxy import listening
from proxy.errors import ConfigError
from proxy.worker import Worker

if TYPE_CHECKING:
    from proxy.config import Config
    from proxy.config.loading import Source

LISTENS = "listens"

SPARE: Final = 200
"""Descriptors that a process has beside its callers' connections, calls to origins not counted."""

FULL_COLLECTION: Final = 100
"""Collections of the middle generation before one of all that is held. With Python's own 10, what
1,000 streams have just made is looked through six times while they begin, for 0.2 s at last."""

EXIT_FAILED = 1
EXIT_MISUSED = 2
"""The operator's fault, as shells and typer have it."""


Tell = Callable[["str | Config"], None]
"""Hears `LISTENS` once, and then each configuration that is followed."""


def run(
    config: "Config", source: "Source", worker: Worker | None = None, tell: Tell | None = None
) -> int:
    """Serve until SIGTERM or SIGINT; returns the exit status, its reason being on stderr.

    Args:
        config: What holds at the start.
        source: Where it is read from when it is reloaded.
        worker: Which of several processes this is; None when it is alone.
        tell: Whom to tell how it goes.
    """
    gc.disable()  # what is made until all is started stays: see `_settle`
    try:
        _run_loop(_serve(config, source, worker, tell))
    except ConfigError as error:
        sys.stderr.writelines(f"{problem}\n" for problem in error.problems)
        return EXIT_MISUSED
    except OSError as error:
        sys.stderr.write(cannot_listen(config, error))
        return EXIT_FAILED
    finally:
        gc.enable()
    return 0


def cannot_listen(config: "Config", error: OSError) -> str:
    """Why, in a line."""
    return f"cannot listen on {config.server.host}:{config.server.port}: {error}\n"


def work(config: "Config", worker: Worker, ready: Connection, path: Path | None = None) -> None:
    """A worker's process, from beginning to end.

    Args:
        config: What holds; its port is one that workers share.
        worker: Which it is.
        ready: Gets `LISTENS` once it does, and each configuration that it follows from then on.
        path: The configuration's file, where the command names one.
    """
    from proxy.config.loading import Source  # noqa: PLC0415 - slow to import

    def tell(news: "str | Config") -> None:
        with suppress(OSError):  # who listened has died: this worker is told so, and ends
            ready.send(news)

    sys.exit(run(config, Source(path, os.environ), worker, tell))


def _run_loop(serving: Coroutine[Any, Any, None]) -> None:
    if sys.platform == "win32":
        asyncio.run(serving)
        return
    import uvloop  # noqa: PLC0415 - a third off a request's cost, and not to be had on Windows

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serving)


async def _serve(
    config: "Config", source: "Source", worker: Worker | None, tell: Tell | None
) -> None:
    from proxy.reloading import By, Reloader  # noqa: PLC0415 - slow to import
    from proxy.runtime import open_live  # noqa: PLC0415 - slow to import
    from proxy.web.server import listen  # noqa: PLC0415 - slow to import

    stop, reload = _stop_signals(worker), _reload_signals()
    server, descriptors = config.server, listening.descriptors()
    sockets = listening.bound(server.host, server.port, shared=worker is not None)
    async with open_live(config, worker=worker) as live:
        reloader = Reloader(live, source.read, clock=time.time, file=source.file, told=tell)
        async with listen(reloader, sockets) as url:
            runtime = live.current
            runtime.announcer.appear(url)
            if worker is None:
                runtime.observer.event("listening", url=url)
            elif worker.restarts:
                runtime.observer.event("worker_restarted", restarts=worker.restarts)
            if descriptors is not None and descriptors < server.connections.most + SPARE:
                runtime.observer.event("few_descriptors", descriptors=descriptors)
            _settle()
            if tell is not None:
                tell(LISTENS)
            runtime.tasks.run("watch config", reloader.watch())
            runtime.tasks.run("reload", reloader.reload_at(reload, By.SIGNAL))
            await stop.wait()


def _settle() -> None:
    """Have the garbage collector look at nothing that has been made so far, and seldom at the rest.

    To look through all modules takes it 0.1 s, in which nobody is answered; through 5,000
    connections and 1,000 streams 0.2 s.
    """
    gc.freeze()
    young, middle, _ = gc.get_threshold()
    gc.set_threshold(young, middle, FULL_COLLECTION)
    gc.enable()


def _reload_signals() -> asyncio.Event:
    """Set by SIGHUP, which a worker is started with kept back, so that it cannot end it."""
    reload = asyncio.Event()
    if sys.platform != "win32":
        asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, reload.set)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGHUP})
    return reload


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
