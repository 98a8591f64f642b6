"""How callers' connections are made: over TLS, and from browsers."""

from pathlib import Path
from typing import Annotated

from pydantic import Field
from pydantic_core import PydanticCustomError

from proxy.config.section import Section

Origin = Annotated[str, Field(pattern=r"^(\*|[a-z][a-z0-9+.-]*://[A-Za-z0-9.\[\]:-]+)$")]
"""A web page's origin as browsers send it (RFC 6454, 6.2); `*` is every one."""


class ServerTls(Section):
    """TLS for callers, 1.2 or later. Its files are read again when they have changed."""

    certificate: Path | None = None
    """File with the certificate (PEM), and those between it and its authority; null: plain HTTP."""

    key: Path | None = None
    """File with its private key (PEM); null when it is in the same file."""

    client_ca: Path | None = None
    """File with the certificates (PEM) of who may vouch for callers, who then must show one; null
    asks for none.
    """


class Cors(Section):
    """What web pages of other origins may do, by their browsers."""

    origins: tuple[Origin, ...] = ()
    """Origins such as `https://app.example` whose pages may ask and read; `*` is every one."""


def check(tls: ServerTls) -> None:
    """Raises PydanticCustomError, with the key at fault, when something is missing."""
    for name in ("key", "client_ca"):
        if getattr(tls, name) is not None and tls.certificate is None:
            raise PydanticCustomError(
                "no_certificate",
                "needs server.tls.certificate",
                {"at": ("server", "tls", name)},
            )
