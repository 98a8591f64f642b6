"""`reprise index`: move the index of questions to another backend, or delete it there."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from proxy.cli.exits import EXIT_FAILED, EXIT_INTERRUPTED
from proxy.cli.options import AsJson, ConfigFile, exit_with, load_or_exit
from proxy.cli.printing import print_json, progress_to
from proxy.errors import ConfigError

if TYPE_CHECKING:
    from proxy.migration import Progress

index = typer.Typer(help="Move the index of questions, or delete it.", no_args_is_help=True)


class Backend(StrEnum):
    """Where an index can be: `proxy.config.vector.Backend`, which is slow to import."""

    FAISS = "faiss"
    REDIS = "redis"


@index.command()
def migrate(
    to: Annotated[Backend, typer.Option("--to", help="Where the index shall be.")],
    config: ConfigFile = None,
    *,
    anew: Annotated[
        bool,
        typer.Option(
            "--anew", help="Look at every entry: mends an index that has lost or kept too much."
        ),
    ] = False,
    json: AsJson = False,
) -> None:
    """Build the index on another backend, from the entries of the shared tier.

    The proxies may serve meanwhile. A move that is stopped goes on where it was when the same
    command is given again. Afterwards set `cache.vector.backend` and restart the proxies. Exit code
    1 says that a tier does not work, 2 that the configuration does not fit.
    """
    found = load_or_exit(config)
    from proxy.migration import migrate as move  # noqa: PLC0415 - slow to import

    with _explained(), progress_to("questions") as advance:

        def tell(progress: "Progress") -> None:
            advance(progress.done, progress.total)

        moved = move(found, to.value, anew=anew, tell=tell)
    if json:
        print_json(asdict(moved))
        return
    rate = f", {moved.added / moved.seconds:.0f} a second" if moved.seconds >= 1 else ""
    typer.echo(
        f"{moved.entries} questions are in {moved.backend}: {moved.added} read{rate}, "
        f"{moved.removed} removed."
    )
    if found.cache.vector.backend != to.value:
        typer.echo(f"Now set cache.vector.backend to {to.value} and restart the proxies.")


@index.command()
def clear(config: ConfigFile = None, *, json: AsJson = False) -> None:
    """Delete the index that is in Redis, for the embedder that is configured.

    For after a move to FAISS. Proxies that use the index lose it, and build it anew.
    """
    found = load_or_exit(config)
    from proxy.migration import clear as delete  # noqa: PLC0415 - slow to import

    with _explained():
        held = delete(found)
    if json:
        print_json({"deleted": held})
    else:
        typer.echo(f"{held} questions are deleted from redis.")


@contextmanager
def _explained() -> Iterator[None]:
    """A problem on stderr, and its exit code."""
    from proxy.migration import MigrationError  # noqa: PLC0415 - slow to import

    try:
        yield
    except ConfigError as error:
        exit_with(error)
    except MigrationError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(EXIT_FAILED) from error
    except KeyboardInterrupt:
        typer.echo("Stopped. The same command goes on from here.", err=True)
        raise typer.Exit(EXIT_INTERRUPTED) from None
