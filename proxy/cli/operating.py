"""Calls of a running proxy's admin API, and how one that fails ends a command."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Annotated, Any, NoReturn
from urllib.parse import urlsplit

import typer

from proxy.cli.exits import EXIT_FAILED, EXIT_MISUSED
from proxy.cli.options import misused

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aiohttp import ClientResponse

    from proxy.config import Config

Json = dict[str, Any]

REFUSED = (HTTPStatus.BAD_REQUEST, HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN)

HOW_TO = (
    "Set it for both: `export ADMIN_TOKEN=$(openssl rand -hex 24)` before `reprise serve`, and the "
    "same here."
)
"""What to do about a token that is not there."""

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


class ProxyError(Exception):
    """A call that failed.

    Args:
        problem: Why, in a line.
        code: What a command ends with for it.
        status: Of the answer; None where there was none.
    """

    def __init__(self, problem: str, code: int = EXIT_FAILED, status: int | None = None) -> None:
        super().__init__(problem)
        self.code = code
        self.status = status


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
        with exit_on_refusal():
            return asyncio.run(self.ask(method, path, query=query, body=body))

    async def ask(
        self,
        method: str,
        path: str,
        *,
        query: "Mapping[str, str] | None" = None,
        body: Json | None = None,
    ) -> Json:
        """What it answers. Raises ProxyError where that is an error."""
        import aiohttp  # noqa: PLC0415 - slow to import

        timeout = aiohttp.ClientTimeout(TIMEOUT_S)
        async with self.opened(method, path, timeout=timeout, params=query, json=body) as got:
            status, said = got.status, read_object(await got.read())
        if status != HTTPStatus.OK or "object" not in said:
            raise self.refusal(status, said)
        return said

    @asynccontextmanager
    async def opened(
        self,
        method: str,
        path: str,
        **more: Any,  # noqa: ANN401 - as aiohttp takes it
    ) -> "AsyncIterator[ClientResponse]":
        """Its reply, at the headers. Raises ProxyError where it cannot be reached, or breaks off.

        Args:
            method: GET, POST.
            path: After `/admin/v1/`.
            more: As `aiohttp.ClientSession.request` takes it.
        """
        import aiohttp  # noqa: PLC0415 - slow to import

        headers = {"authorization": f"Bearer {self.token}"}
        url = f"{self.root}/admin/v1/{path}"
        try:
            async with (
                aiohttp.ClientSession(headers=headers) as http,
                # Not redirected: the token is for this proxy.
                http.request(method, url, allow_redirects=False, **more) as got,
            ):
                yield got
        except (aiohttp.ClientError, TimeoutError) as error:
            why = str(error) or type(error).__name__
            raise ProxyError(
                f"{self.root} cannot be reached: {why}. Is it running? `reprise serve` starts a "
                "proxy; --url or REPRISE_URL names another."
            ) from error

    def refused(self, status: int, said: Json) -> NoReturn:
        """End the command: this answer is an error, or no answer of a proxy's."""
        with exit_on_refusal():
            raise self.refusal(status, said)

    def refusal(self, status: int, said: Json) -> ProxyError:
        """What an answer that is an error comes to."""
        problem = said.get("error")
        if not isinstance(problem, dict) or "message" not in problem:
            return ProxyError(f"{self.root} is no Reprise proxy: it answered {status}.")
        if problem.get("code") == "admin_is_off":
            return ProxyError(f"{self.root}: {problem['message']} {HOW_TO}", EXIT_MISUSED, status)
        code = EXIT_MISUSED if status in REFUSED else EXIT_FAILED
        return ProxyError(f"{self.root}: {problem['message']}", code, status)


@contextmanager
def exit_on_refusal() -> Iterator[None]:
    """End the command where a call fails: the problem on stderr, and its exit code."""
    try:
        yield
    except ProxyError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(error.code) from error


def read_object(raw: bytes) -> Json:
    """A JSON object; an empty one where it is none."""
    import orjson  # noqa: PLC0415 - slow to import

    try:
        said = orjson.loads(raw)
    except orjson.JSONDecodeError:
        return {}
    return said if isinstance(said, dict) else {}


def proxy_of(config: "Config", url: str | None) -> Proxy:
    """The proxy that is meant; ends the command where the configuration does not say enough.

    Args:
        config: Has the token, and where the proxy listens.
        url: Where it listens, if elsewhere.
    """
    if config.admin.token is None:
        misused(f"admin.token is not set: give the proxy's own. {HOW_TO}")
    return Proxy(root_of(config, url), config.admin.token.get_secret_value())


def root_of(config: "Config", url: str | None) -> str:
    """The proxy's URL, without a slash at the end; ends the command where there is none.

    Args:
        config: Says where the proxy listens.
        url: Where it listens, if elsewhere.
    """
    if url is None:
        return _own(config)
    try:
        is_url = url.startswith(("http://", "https://")) and urlsplit(url).port != 0
    except ValueError:  # its port is none
        is_url = False
    if not is_url:
        misused(f"--url {url}: is not a URL such as http://127.0.0.1:8080")
    return url.rstrip("/").removesuffix("/v1")


def _own(config: "Config") -> str:
    from proxy import listening  # noqa: PLC0415 - slow to import
    from proxy.config.schema import WILDCARDS  # noqa: PLC0415 - slow to import

    server = config.server
    if server.port == 0:
        misused("server.port is 0, which may be any: say --url.")
    host = "127.0.0.1" if server.host in WILDCARDS else server.host
    is_secure = server.tls.certificate is not None
    return listening.url(host, server.port, is_secure=is_secure).removesuffix("/v1")


def fail(problem: str) -> NoReturn:
    """End the command: the problem on stderr, and exit code 1."""
    typer.echo(problem, err=True)
    raise typer.Exit(EXIT_FAILED)
