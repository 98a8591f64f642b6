"""`reprise import`: entries of an export, or past chats, into a running proxy's cache."""

import asyncio
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, BinaryIO, Final

import typer

from proxy.cli.callers import ApiKey, Credential, Organization, Project
from proxy.cli.exits import EXIT_FAILED, EXIT_INTERRUPTED
from proxy.cli.operating import ProxyUrl, proxy_of
from proxy.cli.options import AsJson, ConfigFile, load_or_exit, misused
from proxy.cli.printing import print_json, progress_to
from proxy.cli.transferring import upload
from proxy.errors import UnauthorizedError

if TYPE_CHECKING:
    from proxy.config import Config

Json = dict[str, Any]

STDIN: Final = Path("-")
PIECE: Final = 256 << 10
CHATS_PATH: Final = "/v1/chat/completions"

File = Annotated[Path, typer.Argument(metavar="FILE", help='What; "-" is the standard input.')]
Chats = Annotated[
    bool,
    typer.Option("--chats", help="The file has past chats: a request and its response a line."),
]
Tenant = Annotated[
    str | None,
    typer.Option(
        "--tenant",
        metavar="DIGEST",
        help="With --chats: who shall find them, as log lines show it, in place of a key.",
    ),
]
Prepare = Callable[[bytes], bytes]
"""What is sent for a line."""


def import_entries(
    file: File,
    config: ConfigFile = None,
    *,
    chats: Chats = False,
    api_key: ApiKey = None,
    organization: Organization = None,
    project: Project = None,
    tenant: Tenant = None,
    url: ProxyUrl = None,
    json: AsJson = False,
) -> None:
    """Put entries of `reprise export`, or past chats, into a running proxy's cache.

    An entry whose time is over is left out, and so is one of which an answer as new or newer is
    there: the same import again changes nothing. With --chats each line is `{"request": {...},
    "response": {...}}`; the caller whose key is given will find them, and the key itself is not
    sent. It needs `admin.token`, in the configuration or as ADMIN_TOKEN.
    """
    chosen = load_or_exit(config)
    proxy = proxy_of(chosen, url)
    prepare: Prepare | None = None
    if chats:
        caller = Credential(api_key, organization, project)
        prepare = partial(as_chat, caller=caller, config=chosen, tenant=tenant)
    elif tenant is not None:
        misused("--tenant goes with --chats: an entry has its tenant.")
    proxy.call("GET", "config")  # before all is sent: is this a proxy, and the token its own?
    with _opened(file) as (stream, size), progress_to("bytes") as advance, _stopped():
        pieces = _pieces(stream, prepare, lambda done: advance(done, size))
        done = asyncio.run(upload(proxy, "import", pieces))
    if json:
        print_json(done)
    else:
        _report(done)
    if done["failed"]:
        raise typer.Exit(EXIT_FAILED)


def as_chat(line: bytes, *, caller: Credential, config: "Config", tenant: str | None) -> bytes:
    """A line of a log as the proxy takes it; one that is no object is sent as it is, to be told."""
    from proxy.core.canonical import dumps, loads  # noqa: PLC0415 - slow to import

    try:
        told = loads(line)
    except ValueError:
        return line
    if not isinstance(told, dict):
        return line
    path = told.get("path", CHATS_PATH)
    if tenant is None and caller.key is not None:
        try:
            tenant = caller.tenant(path if isinstance(path, str) else CHATS_PATH, config)
        except UnauthorizedError as error:
            misused(f"--api-key: {error.message}")
    named = {} if tenant is None else {"tenant": tenant}
    return dumps({"object": "chat", **named, **told}) + b"\n"


async def _pieces(
    stream: BinaryIO, prepare: Prepare | None, advance: Callable[[int], None]
) -> AsyncIterator[bytes]:
    """What is sent; at most a piece, or a line, is held."""
    done = 0
    while piece := stream.read(PIECE) if prepare is None else stream.readline():
        done += len(piece)
        advance(done)
        # An empty piece would end the body.
        yield piece if prepare is None or not piece.strip() else prepare(piece)


@contextmanager
def _opened(file: Path) -> Iterator[tuple[BinaryIO, int | None]]:
    """The file and its length; None where it is not known."""
    if file == STDIN:
        yield sys.stdin.buffer, None
        return
    try:
        stream = file.open("rb")
    except OSError as error:
        misused(f"{file}: cannot be read: {error.strerror}")
    with stream:
        yield stream, file.stat().st_size


@contextmanager
def _stopped() -> Iterator[None]:
    try:
        yield
    except KeyboardInterrupt:
        typer.echo(
            "Stopped. Part of it is imported; the same command again does the rest.", err=True
        )
        raise typer.Exit(EXIT_INTERRUPTED) from None


def _report(done: Json) -> None:
    skipped = done["skipped"]
    said = [
        (done["imported"], "imported"),
        (skipped["newer_here"], "left out: an answer as new or newer is there"),
        (skipped["expired"], "left out: their time is over"),
        *((count, f"kept out: {reason}") for reason, count in sorted(done["refused"].items())),
        (done["failed"], "no good"),
    ]
    for count, what in said:
        if count or what == "imported":
            typer.echo(f"{count} {what}")
    for problem in done["problems"]:
        typer.echo(f"line {problem['line']}: {problem['message']}", err=True)
    if (more := done["failed"] - len(done["problems"])) > 0:
        typer.echo(f"and {more} more.", err=True)
