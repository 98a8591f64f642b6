"""`reprise check`: is the configuration usable, and what holds?"""

from typing import TYPE_CHECKING, Annotated

import typer

from proxy.cli.exits import EXIT_FAILED
from proxy.cli.options import ConfigFile, exit_with, load_or_exit
from proxy.cli.printing import print_json
from proxy.errors import ConfigError

if TYPE_CHECKING:
    from proxy.config import Config


IN_CLEAR = (
    "note: cache.encryption.keys seals what is stored from now on. What is there in clear is not "
    "read any more, and removed at the next start, within cache.shared.expire_every_s."
)

UNKEYED = (
    "note: cache.tenant_key is not set. Tenants stand in clear beside what is sealed, as digests "
    "of their credentials that who reads the store can compare with credentials he has."
)


def check(
    config: ConfigFile = None,
    *,
    connect: Annotated[
        bool,
        typer.Option(
            "--connect", help="Connect to Redis too, and ask whether it can hold the index."
        ),
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="Print JSON instead of YAML.")] = False,
) -> None:
    """Check the configuration, and print what holds with its secrets hidden.

    What it means for entries that are there is said on stderr. Nothing is opened or connected,
    unless asked for. Problems go to stderr, one a line, with exit code 2; a server that does not
    answer is exit code 1.
    """
    found = load_or_exit(config)
    if found.cache.encryption.keys:
        typer.echo(IN_CLEAR, err=True)
        if found.cache.tenant_key is None:
            typer.echo(UNKEYED, err=True)
    if connect:
        _connect(found)
    from proxy.config import effective, effective_yaml  # noqa: PLC0415 - pydantic is slow to import

    if json:
        print_json(effective(found))
    else:
        typer.echo(effective_yaml(found), nl=False)


def _connect(config: "Config") -> None:
    from proxy.migration import MigrationError, reach  # noqa: PLC0415 - slow to import

    try:
        reach(config)
    except ConfigError as error:
        exit_with(error)
    except MigrationError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(EXIT_FAILED) from error
