"""Options that several commands have, and how a problem with the configuration ends a command."""

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from proxy.errors import ConfigError

if TYPE_CHECKING:
    from proxy.config import Config

EXIT_MISUSED = 2
"""The operator's fault, as shells and typer have it."""

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
