"""Calls of a running proxy's admin API, and how one that fails ends a command."""

import asyncio
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

from proxy.cli.options import misused

if TYPE_CHECKING:
    from collections.abc import Mapping

    from proxy.config import Config

Json = dict[str, Any]

EXIT_FAILED = 1
"""The proxy cannot be reached, or cannot do it now."""

REFUSED = (HTTPStatus.BAD_REQUEST, HTTPStatus.UNAUTHORIZED)

TIMEOUT_S = 120.0
"""Far more than forgetting a million entries takes."""

ProxyUrl = Annotated[
    str | None,
    typer.Option(
        "--url",
        metavar="URL",
        envvar="REPRISE_URL",
        help="Where the proxy listens; without it server.host and server.port say.",
    ),
]


@dataclass(frozen=True, slots=True)
class Proxy:
    """A running proxy, as an operator reaches it.

    Attributes:
        root: Its URL, without a slash at the end.
        token: The admin API's.
    """

    root: str
    token: str

    def call(
        self,
        method: str,
        path: str,
        *,
        query: "Mapping[str, str] | None" = None,
        body: Json | None = None,
    ) -> Json:
        """What it answers; ends the command where that is an error.

        Exit code 1 says that the proxy cannot be reached, cannot do it, or has no such entry; 2
        that it does not take the token, or does not understand what is asked.
        """
        try:
            status, said = asyncio.run(_call(self, method, path, query, body))
        except (OSError, TimeoutError, ValueError) as error:
            _fail(f"{self.root} cannot be reached: {str(error) or type(error).__name__}")
        if status != HTTPStatus.OK or "object" not in said:
            self._refused(status, said)
        return said

    def _refused(self, status: int, said: Json) -> NoReturn:
        problem = said.get("error")
        if not isinstance(problem, dict) or "message" not in problem:
            _fail(f"{self.root} is no Reprise proxy: it answered {status}.")
        if status in REFUSED or problem.get("code") == "admin_is_off":
            misused(f"{self.root}: {problem['message']}")
        _fail(f"{self.root}: {problem['message']}")


def proxy_of(config: "Config", url: str | None) -> Proxy:
    """The proxy that is meant; ends the command where the configuration does not say enough.

    Args:
        config: Has the token, and where the proxy listens.
        url: Where it listens, if elsewhere.
    """
    if config.admin.token is None:
        misused("admin.token is not set: give the proxy's own, in the file or as ADMIN_TOKEN.")
    token = config.admin.token.get_secret_value()
    if url is None:
        return Proxy(_own(config), token)
    if not url.startswith(("http://", "https://")):
        misused(f"--url {url}: is not a URL such as http://127.0.0.1:8080")
    return Proxy(url.rstrip("/").removesuffix("/v1"), token)


def _own(config: "Config") -> str:
    from proxy import listening  # noqa: PLC0415 - slow to import
    from proxy.config.schema import WILDCARDS  # noqa: PLC0415 - slow to import

    server = config.server
    if server.port == 0:
        misused("server.port is 0, which may be any: say --url.")
    host = "127.0.0.1" if server.host in WILDCARDS else server.host
    return listening.url(host, server.port).removesuffix("/v1")


def _fail(problem: str) -> NoReturn:
    typer.echo(problem, err=True)
    raise typer.Exit(EXIT_FAILED)


async def _call(
    proxy: Proxy, method: str, path: str, query: "Mapping[str, str] | None", body: Json | None
) -> tuple[int, Json]:
    """(status, the reply's object). Raises OSError, TimeoutError or ValueError without one."""
    import aiohttp  # noqa: PLC0415 - slow to import
    import orjson  # noqa: PLC0415 - slow to import

    headers = {"authorization": f"Bearer {proxy.token}"}
    url = f"{proxy.root}/admin/v1/{path}"
    try:
        async with (
            aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(TIMEOUT_S)) as http,
            # Not redirected: the token is for this proxy.
            http.request(
                method, url, params=query, json=body, headers=headers, allow_redirects=False
            ) as got,
        ):
            raw = await got.read()
            status = got.status
    except aiohttp.ClientError as error:
        raise OSError(str(error)) from error
    try:
        said = orjson.loads(raw)
    except orjson.JSONDecodeError:
        said = {}
    return status, said if isinstance(said, dict) else {}
