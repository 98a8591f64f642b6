"""`reprise check`: is the configuration usable, and what holds?"""

from typing import Annotated

import typer

from proxy.cli.options import ConfigFile, load_or_exit
from proxy.cli.printing import print_json


def check(
    config: ConfigFile = None,
    *,
    json: Annotated[bool, typer.Option("--json", help="Print JSON instead of YAML.")] = False,
) -> None:
    """Check the configuration, and print what holds with its secrets hidden.

    Nothing is opened or connected. Problems go to stderr, one a line, with exit code 2.
    """
    found = load_or_exit(config)
    from proxy.config import effective, effective_yaml  # noqa: PLC0415 - pydantic is slow to import

    if json:
        print_json(effective(found))
    else:
        typer.echo(effective_yaml(found), nl=False)
