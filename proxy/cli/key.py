"""`reprise key`: make a key of the proxy's own."""

import secrets
from hashlib import sha256
from typing import Annotated

import typer

from proxy.cli.options import AsJson
from proxy.cli.printing import print_json

PREFIX = "rp-"
"""By which scanners for lost secrets can know it."""

BYTES = 32


def key(
    name: Annotated[str, typer.Argument(metavar="NAME", help="What logs shall call it.")],
    *,
    json: AsJson = False,
) -> None:
    """Make a key for a caller, and print it with its line for `access.keys`.

    The key is printed this once and kept nowhere: the proxy knows only its digest.
    """
    made = PREFIX + secrets.token_urlsafe(BYTES)
    digest = sha256(made.encode()).hexdigest()
    if json:
        print_json({"key": made, "name": name, "digest": digest})
        return
    typer.echo(f"key: {made}")
    typer.echo(f"for access.keys: - {{ name: {name}, digest: {digest} }}")
