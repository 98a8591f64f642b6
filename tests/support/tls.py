"""TLS for a server that has none: a real terminator in front of it, with certificates made here."""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import trustme


@dataclass(frozen=True)
class Identity:
    """Files (PEM) of a certificate and its key."""

    certificate: Path
    key: Path


class Authority:
    """Somebody who vouches for servers and callers."""

    def __init__(self, directory: Path) -> None:
        directory.mkdir()
        self._directory = directory
        self._authority = trustme.CA()
        self.file = directory / "ca.pem"
        self._authority.cert_pem.write_to_path(str(self.file))

    def issue(self, name: str) -> Identity:
        """A certificate for a host name, an address, or a caller."""
        made = self._authority.issue_cert(name)
        identity = Identity(self._directory / f"{name}.pem", self._directory / f"{name}.key")
        for blob in made.cert_chain_pems:
            blob.write_to_path(str(identity.certificate), append=True)
        made.private_key_pem.write_to_path(str(identity.key))
        return identity


@contextlib.asynccontextmanager
async def tls_before(
    port: int, identity: Identity, *, callers: Authority | None = None
) -> AsyncIterator[int]:
    """A port that speaks TLS and passes every byte on to `port`.

    With `callers`, only those are let in who show a certificate of that authority.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(identity.certificate, identity.key)
    if callers is not None:
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(callers.file)
    open_writers: set[asyncio.StreamWriter] = set()

    async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(65536):
                writer.write(data)
                await writer.drain()
        writer.close()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        behind_reader, behind = await asyncio.open_connection("127.0.0.1", port)
        open_writers.update((writer, behind))
        await asyncio.gather(pump(reader, behind), pump(behind_reader, writer))
        open_writers.difference_update((writer, behind))

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for writer in open_writers:
            writer.transport.abort()
        await asyncio.sleep(0.05)
