"""`reprise probe`: is the proxy here alive? For health checks of containers."""

import ssl
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from typing import Annotated
from urllib.parse import urlsplit

import typer

from proxy.cli.operating import fail, root_of
from proxy.cli.options import AsJson, ConfigFile, load_or_exit
from proxy.cli.printing import print_json


def probe(
    config: ConfigFile = None,
    *,
    timeout: Annotated[
        float, typer.Option("--timeout", metavar="SECONDS", help="Longest wait.", min=0.1)
    ] = 2.0,
    json: AsJson = False,
) -> None:
    """Ask the proxy on this machine whether it is alive: exit code 0, or 1 with the reason.

    It is found by `server.host`, `server.port` and `server.tls`. Its certificate is not checked, as
    this asks itself; where callers must show one, whoever speaks TLS there is taken for it.
    """
    loaded = load_or_exit(config)
    root = root_of(loaded, None)
    try:
        status = _asked(root, timeout, asks_callers=loaded.server.tls.client_ca is not None)
    except (OSError, HTTPException) as error:
        fail(f"{root}: {error}")
    if status != HTTPStatus.OK:
        fail(f"{root}/healthz: {status}")
    if json:
        print_json({"url": root, "is_alive": True})


def _asked(root: str, timeout: float, *, asks_callers: bool) -> int:
    """The status of `/healthz`. Raises OSError or HTTPException where there is no answer."""
    where = urlsplit(root)
    host = where.hostname or ""
    if where.scheme == "http":
        connection = HTTPConnection(host, where.port, timeout=timeout)
    else:
        connection = HTTPSConnection(host, where.port, timeout=timeout, context=_trusting())
    try:
        connection.connect()
        if asks_callers:
            return HTTPStatus.OK
        connection.request("GET", "/healthz")
        return connection.getresponse().status
    except ssl.SSLError:
        if asks_callers:
            return HTTPStatus.OK
        raise
    finally:
        connection.close()


def _trusting() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context
