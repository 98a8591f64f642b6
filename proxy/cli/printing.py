"""How commands print what they measured: tables, JSON, and a bar while somebody waits."""

import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

import typer

from proxy.core.printable import printable

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

PIPE_WIDTH = 160
"""A pipe has no width to fit into: a number cut short would be a wrong one."""

EVERY_S = 10.0
"""Between two lines about work under way, where nobody sees a bar."""


def print_json(report: object) -> None:
    """A report, for a program."""
    import orjson  # noqa: PLC0415 - slow to import

    typer.echo(orjson.dumps(report, option=orjson.OPT_INDENT_2))


def print_json_line(report: object) -> None:
    """One of many, each on a line of its own; it is out at once, also into a pipe."""
    import orjson  # noqa: PLC0415 - slow to import

    typer.echo(orjson.dumps(report))
    sys.stdout.flush()


def percent(share: float | None, digits: int = 1) -> str:
    """A share of 0 to 1, or "-" where there is none."""
    return "-" if share is None else f"{share:.{digits}%}"


def duration(seconds: float | None) -> str:
    """`3 d 4 h`, or the two largest units of whatever it is; "-" where it is not known."""
    if seconds is None:
        return "-"
    left = int(seconds)
    parts: list[str] = []
    for name, size in (("d", 86400), ("h", 3600), ("min", 60), ("s", 1)):
        count, left = divmod(left, size)
        if count or (parts and len(parts) < 2):  # noqa: PLR2004 - two units
            parts.append(f"{count} {name}")
    return " ".join(parts[:2]) or "0 s"


def print_table(
    head: Sequence[str],
    rows: Sequence[Sequence[str]],
    note: str = "",
    *,
    is_text: bool = False,
) -> None:
    """A table; all columns but the first are numbers, unless they are text."""
    screen().print(table_of(head, rows, note, is_text=is_text), markup=False)


def screen() -> "Console":
    """Where tables go."""
    from rich.console import Console  # noqa: PLC0415 - slow to import

    return Console(width=None if sys.stdout.isatty() else PIPE_WIDTH)


def table_of(
    head: Sequence[str],
    rows: Sequence[Sequence[str]],
    note: str = "",
    *,
    is_text: bool = False,
) -> "Table":
    """The same, to be printed with others or again and again."""
    from rich.table import Table  # noqa: PLC0415 - slow to import
    from rich.text import Text  # noqa: PLC0415 - slow to import

    table = Table(caption=note or None, caption_justify="left")
    for number, column in enumerate(head):
        is_number = bool(number) and not is_text
        table.add_column(column, justify="right" if is_number else "left", no_wrap=is_number)
    for row in rows:
        table.add_row(*(Text(printable(cell)) for cell in row))  # nobody's words are markup
    return table


@contextmanager
def progress_to(name: str) -> Iterator[Callable[[int, int | None], None]]:
    """The same for work that says how much is done, and of how much, with the time it still needs.

    Off a terminal a line every `EVERY_S` says it. Of how much may be None: not known.
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


def _sparsely(name: str) -> Callable[[int, int | None], None]:
    said = time.monotonic()

    def say(done: int, total: int | None) -> None:
        nonlocal said
        if time.monotonic() - said >= EVERY_S:
            said = time.monotonic()
            of = "" if total is None else f" of {total}"
            typer.echo(f"{name}: {done}{of}", err=True)

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
