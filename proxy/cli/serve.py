"""`reprise serve`: run the proxy until it is told to stop."""

import asyncio
import signal
import sys
from typing import TYPE_CHECKING

from proxy.cli.options import ConfigFile, exit_with, load_or_exit
from proxy.errors import ConfigError

if TYPE_CHECKING:
    from proxy.config import Config


def serve(config: ConfigFile = None) -> None:
    """Run the proxy until SIGTERM or SIGINT; requests in flight get time to end."""
    found = load_or_exit(config)
    try:
        _run(found)
    except ConfigError as error:
        exit_with(error)
    except OSError as error:
        sys.stderr.write(f"cannot listen on {found.server.host}:{found.server.port}: {error}\n")
        sys.exit(1)


def _run(config: "Config") -> None:
    if sys.platform == "win32":
        asyncio.run(_serve(config))
        return
    import uvloop  # noqa: PLC0415 - a third off a request's cost, and not to be had on Windows

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_serve(config))


async def _serve(config: "Config") -> None:
    from aiohttp import web  # noqa: PLC0415 - slow to import

    from proxy.runtime import open_runtime  # noqa: PLC0415 - slow to import
    from proxy.web.app import make_runner  # noqa: PLC0415 - slow to import

    stop = asyncio.Event()
    for name in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(name, stop.set)
    async with open_runtime(config) as runtime:
        runner = make_runner(runtime)
        await runner.setup()
        try:
            await web.TCPSite(runner, config.server.host, config.server.port).start()
            host, port = runner.addresses[0][:2]
            runtime.observer.event("listening", url=f"http://{host}:{port}/v1")
            await stop.wait()
        finally:
            await runner.cleanup()
