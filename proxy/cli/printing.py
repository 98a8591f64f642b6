"""How commands print what they measured: tables, JSON, and a bar while somebody waits."""

import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import typer

PIPE_WIDTH = 160
"""A pipe has no width to fit into: a number cut short would be a wrong one."""

EVERY_S = 10.0
"""Between two lines about work under way, where nobody sees a bar."""


def print_json(report: object) -> None:
    """A report, for a program."""
    import orjson  # noqa: PLC0415 - slow to import

    typer.echo(orjson.dumps(report, option=orjson.OPT_INDENT_2))


def percent(share: float | None, digits: int = 1) -> str:
    """A share of 0 to 1, or "-" where there is none."""
    return "-" if share is None else f"{share:.{digits}%}"


def print_table(
    head: Sequence[str],
    rows: Sequence[Sequence[str]],
    note: str = "",
    *,
    is_text: bool = False,
) -> None:
    """A table; all columns but the first are numbers, unless they are text."""
    from rich.console import Console  # noqa: PLC0415 - slow to import
    from rich.table import Table  # noqa: PLC0415 - slow to import

    table = Table(caption=note or None, caption_justify="left")
    for number, column in enumerate(head):
        is_number = bool(number) and not is_text
        table.add_column(column, justify="right" if is_number else "left", no_wrap=is_number)
    for row in rows:
        table.add_row(*row)
    Console(width=None if sys.stdout.isatty() else PIPE_WIDTH).print(table, markup=False)


@contextmanager
def progress_to(name: str) -> Iterator[Callable[[int, int], None]]:
    """The same for work that says how much is done, and of how much, with the time it still needs.

    Off a terminal a line every `EVERY_S` says it.
    """
    if not sys.stderr.isatty():
        yield _sparsely(name)
        return
    from rich.console import Console  # noqa: PLC0415 - slow to import
    from rich.progress import (  # noqa: PLC0415 - slow to import
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    console = Console(stderr=True)
    with Progress(*columns, TimeRemainingColumn(), console=console, transient=True) as bar:
        task = bar.add_task(name, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


def _sparsely(name: str) -> Callable[[int, int], None]:
    said = time.monotonic()

    def say(done: int, total: int) -> None:
        nonlocal said
        if time.monotonic() - said >= EVERY_S:
            said = time.monotonic()
            typer.echo(f"{name}: {done} of {total}", err=True)

    return say


@contextmanager
def progress(name: str, total: int) -> Iterator[Callable[[], None]]:
    """A line on stderr for whoever waits at a terminal."""
    if not sys.stderr.isatty():
        yield lambda: None
        return
    from rich.console import Console  # noqa: PLC0415 - slow to import
    from rich.progress import Progress  # noqa: PLC0415 - slow to import

    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(name, total=total)
        yield lambda: bar.advance(task)
