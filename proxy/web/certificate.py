"""The certificate by which callers know this proxy, which follows its files.

Whoever renews certificates writes files; connections that are made from then on get the new one,
and those that are open go on. Files that do not fit together change nothing. What is in use is
replaced as one, never filled anew: a handshake between certificate and key would fail.
"""

import asyncio
import ssl
from hashlib import sha256
from pathlib import Path
from typing import Final

from proxy.config.listener import ServerTls
from proxy.errors import ConfigError
from proxy.ports import Observer

LOOK_S: Final = 0.5
"""Between two looks at the files; they must be the same at two."""


class Certificate:
    """A certificate, in use.

    Args:
        tls: Names the files; reading them here blocks.

    Raises:
        ConfigError: They cannot be used.
    """

    def __init__(self, tls: ServerTls) -> None:
        self._tls = tls
        for name in ("certificate", "key", "client_ca"):
            _check(name, getattr(tls, name))
        self._seen = self._digests()
        try:
            self.context = self._newest = _context(tls)
        except (OSError, ValueError) as error:
            raise ConfigError([f"server.tls: {_why(error)}"]) from error
        self.context.sni_callback = self._use_newest

    def _use_newest(
        self, connection: ssl.SSLObject, _name: str | None, _context: ssl.SSLContext
    ) -> None:
        """At the beginning of every handshake, whether or not the caller names a host."""
        connection.context = self._newest

    async def follow(self, observer: Observer) -> None:
        """Use what is in the files, whenever that is new and can be used, for ever."""
        before = self._seen
        while True:
            await asyncio.sleep(LOOK_S)
            found = await asyncio.to_thread(self._digests)
            is_steady, before = found == before, found
            if is_steady and found != self._seen:
                self._seen = found
                await self._renew(observer)

    async def _renew(self, observer: Observer) -> None:
        try:
            self._newest = await asyncio.to_thread(_context, self._tls)
        except (OSError, ValueError) as error:
            observer.event("certificate_refused", reason=_why(error))
        else:
            observer.event("certificate_renewed")

    def _digests(self) -> tuple[bytes | None, ...]:
        return tuple(_digest(file) for file in (self._tls.certificate, self._tls.key))


def _context(tls: ServerTls) -> ssl.SSLContext:
    """A key that is locked by a password cannot be used: nobody is there to be asked for it."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    if tls.certificate is not None:
        context.load_cert_chain(tls.certificate, tls.key, password="")
    if tls.client_ca is not None:
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(tls.client_ca)
    return context


def _check(name: str, file: Path | None) -> None:
    """Raise ConfigError where a file cannot be read: OpenSSL does not say which it is."""
    try:
        if file is not None:
            file.read_bytes()
    except OSError as error:
        raise ConfigError([f"server.tls.{name}: {file}: {error.strerror}"]) from error


def _digest(file: Path | None) -> bytes | None:
    try:
        return None if file is None else sha256(file.read_bytes()).digest()
    except OSError:
        return None


def _why(error: Exception) -> str:
    """In a line; the name of the file is in the configuration."""
    if isinstance(error, ssl.SSLError):
        return f"the certificate and its key cannot be used: {error.reason or error}"
    return str(error)
