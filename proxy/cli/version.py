"""`reprise version`."""

from importlib.metadata import version as installed

import typer


def version() -> None:
    """Print the program's version."""
    typer.echo(installed("reprise"))
