"""`reprise export`: a running proxy's entries, whole, into a file."""

import asyncio
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from proxy.cli.entries import ModelName, NamespaceName, TagName, TenantName
from proxy.cli.exits import EXIT_INTERRUPTED
from proxy.cli.operating import ProxyUrl, fail, proxy_of
from proxy.cli.options import AsJson, ConfigFile, load_or_exit, misused
from proxy.cli.printing import print_json, progress_to
from proxy.cli.transferring import download

Json = dict[str, Any]

STDOUT: Final = Path("-")

LAST: Final = 4096
"""Bytes that the last line is in: it is far shorter."""

File = Annotated[Path, typer.Argument(metavar="FILE", help='Where to; "-" is the standard output.')]


def export(
    file: File = STDOUT,
    config: ConfigFile = None,
    *,
    tenant: TenantName = None,
    model: ModelName = None,
    namespace: NamespaceName = None,
    tag: TagName = None,
    url: ProxyUrl = None,
    json: AsJson = False,
) -> None:
    """Write a running proxy's entries to a file, for `reprise import`.

    All options that are given must hold. A file is there whole or not at all, for you alone to
    read: it has everybody's questions and answers. It needs `admin.allow_export: true`, and
    `admin.token`, in the configuration or as ADMIN_TOKEN.
    """
    if json and file == STDOUT:
        misused("--json: the standard output has the entries; name a FILE.")
    proxy = proxy_of(load_or_exit(config), url)
    asked = {"tenant": tenant, "model": model, "namespace": namespace, "tag": tag}
    query = {name: value for name, value in asked.items() if value is not None}
    with _stopped(), progress_to("entries") as advance, _opened(file) as write:
        sink = Sink(write, advance)
        asyncio.run(download(proxy, "export", query, sink.take))
        count = sink.close()
    if json:
        told = {"object": "cache.export.done", "file": str(file)}
        print_json({**told, "entries": count, "bytes": sink.size})
    else:
        said = "1 entry" if count == 1 else f"{count} entries"
        typer.echo(f"{said}, {sink.size} bytes.", err=file == STDOUT)


class Sink:
    """Passes an export on, and sees that it is whole.

    Args:
        write: Takes each piece.
        advance: Hears how many lines there are so far.
    """

    def __init__(
        self, write: Callable[[bytes], object], advance: Callable[[int, None], None]
    ) -> None:
        self._write = write
        self._advance = advance
        self._lines = 0
        self._end = b""
        self.size = 0

    def take(self, piece: bytes) -> None:
        """The next piece."""
        self._write(piece)
        self.size += len(piece)
        self._lines += piece.count(b"\n")
        self._end = (self._end + piece)[-LAST:]
        self._advance(max(0, self._lines - 1), None)

    def close(self) -> int:
        """How many entries came; ends the command where the last line is missing."""
        from proxy.core.entrylines import End, LineError, read  # noqa: PLC0415 - slow to import

        try:
            last = read(self._end.rstrip(b"\n").rpartition(b"\n")[2])
        except LineError:
            last = None
        if not isinstance(last, End):
            fail("The export was cut short.")
        return last.entries


@contextmanager
def _stopped() -> Iterator[None]:
    try:
        yield
    except KeyboardInterrupt:
        typer.echo("Stopped.", err=True)
        raise typer.Exit(EXIT_INTERRUPTED) from None


@contextmanager
def _opened(file: Path) -> Iterator[Callable[[bytes], object]]:
    """Where to write to; a file takes its name at the end, when all of it is on the disk."""
    if file == STDOUT:
        yield sys.stdout.buffer.write
        sys.stdout.buffer.flush()
        return
    part = file.with_name(f".{file.name}.{os.getpid()}.part")
    try:
        number = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    except OSError as error:
        misused(f"{file}: cannot be written: {error.strerror}")
    try:
        with os.fdopen(number, "wb") as stream:
            yield stream.write
            stream.flush()
            os.fsync(number)
        part.replace(file)
    except OSError as error:
        fail(f"{file}: cannot be written: {error.strerror}")
    finally:
        part.unlink(missing_ok=True)
