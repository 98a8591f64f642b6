"""Options that several commands have, and how a problem ends a command."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from proxy.cli.exits import EXIT_FAILED, EXIT_MISUSED
from proxy.errors import ConfigError

if TYPE_CHECKING:
    from proxy.config import Config

ConfigFile = Annotated[
    Path | None,
    typer.Option(
        "--config",
        "-c",
        metavar="FILE",
        envvar="CONFIG",
        help="The configuration file; without one the defaults and the environment hold.",
    ),
]


AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of tables.")]

LeaveOut = Annotated[
    bool,
    typer.Option(
        "--leave-out-ambiguous",
        help="Leave out rows marked `ambiguous`, which otherwise count as label 0.",
    ),
]


def load_or_exit(path: Path | None) -> "Config":
    """The configuration that holds; or its problems on stderr, one a line, and exit code 2."""
    from proxy.config import load  # noqa: PLC0415 - pydantic is slow to import

    try:
        return load(path, os.environ)
    except ConfigError as error:
        exit_with(error)


def exit_with(error: ConfigError) -> NoReturn:
    """End the command: the problems on stderr, one a line, and exit code 2."""
    sys.stderr.writelines(f"{problem}\n" for problem in error.problems)
    raise typer.Exit(EXIT_MISUSED)


def misused(problem: str) -> NoReturn:
    """End the command: what the operator can mend, on stderr, and exit code 2."""
    typer.echo(problem, err=True)
    raise typer.Exit(EXIT_MISUSED)


@contextmanager
def exit_on_failure() -> Iterator[None]:
    """End the command when a measurement cannot be had.

    Exit code 2 says that the configuration cannot be used; 1 that a part of the cache does not
    work, since all misses would be no measurement.
    """
    from proxy.measuring.evaluation import EvaluationError  # noqa: PLC0415 - slow to import

    try:
        yield
    except ConfigError as error:
        exit_with(error)
    except EvaluationError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(EXIT_FAILED) from error
