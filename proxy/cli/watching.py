"""Shows something again and again until it is stopped: on a terminal in place, else one below."""

import asyncio
import sys
from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager, nullcontext, suppress
from typing import TYPE_CHECKING, Annotated

import typer

from proxy.cli.operating import ProxyError, exit_on_refusal
from proxy.cli.printing import screen

if TYPE_CHECKING:
    from rich.console import RenderableType

Show = Callable[["RenderableType"], None]

Seconds = Annotated[
    float,
    typer.Option("--every", metavar="SECONDS", min=0.1, max=3600, help="Between two looks."),
]


def until_stopped(watch: Callable[[Show], Awaitable[None]], *, in_place: bool = True) -> None:
    """Run it until it ends or Ctrl-C does; a call of the proxy that fails ends the command.

    Args:
        watch: Shows what it has, each time in place of what it showed before.
        in_place: Whether it shows anything that can be shown so.
    """

    async def run() -> None:
        with _shown(in_place=in_place and sys.stdout.isatty()) as show:
            await watch(show)

    # To stop it is how it ends: that is no failure.
    with exit_on_refusal(), suppress(KeyboardInterrupt):
        asyncio.run(run())


def _shown(*, in_place: bool) -> AbstractContextManager[Show]:
    if not in_place:
        return nullcontext(lambda shown: screen().print(shown, markup=False))
    return _Live()


class _Live(AbstractContextManager[Show]):
    """A part of the terminal that is written anew each time."""

    def __init__(self) -> None:
        from rich.live import Live  # noqa: PLC0415 - slow to import

        self._live = Live(console=screen(), auto_refresh=False, vertical_overflow="crop")

    def __enter__(self) -> Show:
        self._live.start()
        return lambda shown: self._live.update(shown, refresh=True)

    def __exit__(self, *_: object) -> None:
        self._live.stop()


async def again_and_again(look: Callable[[], Awaitable[None]], every_s: float) -> None:
    """Look for ever. A look that fails is said, and the next one tried: proxies are restarted.

    Raises:
        ProxyError: The first one failed.
    """
    await look()
    await from_now_on(look, every_s)


async def from_now_on(look: Callable[[], Awaitable[None]], every_s: float) -> None:
    """The same after a first look that went well."""
    while True:
        await asyncio.sleep(every_s)
        try:
            await look()
        except ProxyError as error:
            typer.echo(str(error), err=True)
