"""`reprise version`."""

from importlib.metadata import version as installed

import typer

from proxy.cli.options import AsJson
from proxy.cli.printing import print_json


def version(*, json: AsJson = False) -> None:
    """Print the program's version."""
    found = installed("reprise")
    if json:
        print_json({"version": found})
    else:
        typer.echo(found)
