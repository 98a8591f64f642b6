"""The origin over HTTP.

One connection pool, two views of it. Cached endpoints read *decoded* bodies, since they must
understand them; passthrough relays bodies as they are, compression and all. A header that
describes the connection or the encoding of a body we did not forward is never forwarded
(RFC 9110, 7.6.1).
"""

import asyncio
import io
from collections.abc import (
    AsyncGenerator,
    AsyncIterator,
    Awaitable,
    Iterable,
    Iterator,
    Sequence,
)
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import lru_cache
from types import SimpleNamespace

import aiohttp
from multidict import CIMultiDict
from yarl import URL

from proxy.errors import BrokenStreamError, UnreachableError, UpstreamTimeoutError
from proxy.ports import OriginRequest
from proxy.upstream.patience import Patience

HOP_BY_HOP = frozenset(
    {
        "connection",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)
"""RFC 9110, 7.6.1, and what older senders still say."""

ABOUT_THE_BODY = frozenset({"content-encoding", "content-length"})
"""True of the bytes the origin sent, not of the decoded ones."""

AT_ONCE_BYTES = 64 << 10
"""A body up to this is written in one go: about what a socket's buffer takes."""

Headers = Sequence[tuple[str, str]]


class _RedirectedError(Exception):
    """The origin sends a WebSocket elsewhere."""


async def _refuse(
    session: aiohttp.ClientSession,  # noqa: ARG001 - as aiohttp calls it
    context: SimpleNamespace,  # noqa: ARG001 - likewise
    redirect: aiohttp.TraceRequestRedirectParams,
) -> None:
    """Follow no redirect: the caller's key would go to a host that nobody has named.

    For a WebSocket aiohttp knows no other way to say so.
    """
    redirect.response.close()
    raise _RedirectedError


def end_to_end(headers: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    """Headers meant for the far end: names in lower case, hop-by-hop ones gone."""
    pairs = [(name.lower(), value) for name, value in headers]
    named = {
        token.strip().lower()
        for name, value in pairs
        if name == "connection"
        for token in value.split(",")
    }
    return [pair for pair in pairs if pair[0] not in HOP_BY_HOP and pair[0] not in named]


def _payload(
    body: bytes | AsyncIterator[bytes],
) -> bytes | io.BytesIO | AsyncIterator[bytes] | None:
    """A body as aiohttp takes it: whole bytes it would write in one go, however many they are."""
    if not isinstance(body, bytes):
        return body
    if len(body) > AT_ONCE_BYTES:
        return io.BytesIO(body)
    return body or None


class HttpReply:
    """The origin's answer, as it arrives.

    Args:
        response: aiohttp's.
        decoded: Its body comes decoded.
        idle_timeout_s: Between two pieces of it, seconds.
    """

    def __init__(
        self, response: aiohttp.ClientResponse, *, decoded: bool, idle_timeout_s: float
    ) -> None:
        self._response = response
        self._idle_timeout_s = idle_timeout_s
        self.status = response.status
        headers = end_to_end(response.headers.items())
        if decoded:
            headers = [pair for pair in headers if pair[0] not in ABOUT_THE_BODY]
        self.headers: Headers = headers

    async def chunks(self) -> AsyncGenerator[bytes]:
        """The body as it comes. Raises BrokenStreamError when it breaks off."""
        content = self._response.content
        try:
            with Patience(self._idle_timeout_s, self._give_up) as patience:
                patience.begin()
                while chunk := await content.readany():
                    patience.over()
                    yield chunk
                    patience.begin()
        except TimeoutError as error:
            raise BrokenStreamError("the origin fell silent") from error
        except (aiohttp.ClientError, OSError) as error:
            raise BrokenStreamError(f"the origin's answer broke off: {error}") from error

    def _give_up(self) -> None:
        self._response.content.set_exception(TimeoutError())

    async def close(self) -> None:
        """Give the connection back when the body was read to its end, else drop it."""
        if self._response.content.at_eof():
            self._response.release()
        else:
            self._response.close()


class HttpOrigin:
    """An origin at a base URL.

    Args:
        base_url: Where `/chat/completions` and its sisters are; ends in `/v1` for most.
        api_key: Sent in place of the caller's credential, when given.
        api_key_header: Where; in `authorization` as a bearer token.
        connect_timeout_s: To a connection, seconds.
        first_byte_timeout_s: From the request to the headers, seconds.
        idle_timeout_s: Between two pieces of a body, seconds.
        max_connections: At once; 0 for no limit.
    """

    def __init__(
        self,
        base_url: str,
        *,
        api_key: str | None = None,
        api_key_header: str = "authorization",
        connect_timeout_s: float = 5.0,
        first_byte_timeout_s: float = 600.0,
        idle_timeout_s: float = 600.0,
        max_connections: int = 0,
    ) -> None:
        self._base = URL(base_url.rstrip("/"))
        self._url = lru_cache(maxsize=64)(self._below_base)
        self._api_key = api_key
        self._api_key_header = api_key_header
        self._connect_timeout_s = connect_timeout_s
        self._first_byte_timeout_s = first_byte_timeout_s
        self._idle_timeout_s = idle_timeout_s
        self._max_connections = max_connections
        self._connector: aiohttp.TCPConnector | None = None
        self._sessions: dict[bool, aiohttp.ClientSession] = {}
        self._sockets: aiohttp.ClientSession | None = None

    async def start(self) -> None:
        """Open the pool; no connection is made yet."""
        self._connector = aiohttp.TCPConnector(limit=self._max_connections, keepalive_timeout=30)
        self._sessions = {decoded: self._session(decoded=decoded) for decoded in (True, False)}
        no_redirects = aiohttp.TraceConfig()
        no_redirects.on_request_redirect.append(_refuse)
        # A session of their own: aiohttp tells a trace of every step of every request.
        self._sockets = self._session(
            decoded=True, traces=[no_redirects], idle_timeout_s=self._idle_timeout_s
        )

    def _session(
        self,
        *,
        decoded: bool,
        traces: Sequence[aiohttp.TraceConfig] = (),
        idle_timeout_s: float | None = None,
    ) -> aiohttp.ClientSession:
        timeout = aiohttp.ClientTimeout(
            total=None, sock_connect=self._connect_timeout_s, sock_read=idle_timeout_s
        )
        return aiohttp.ClientSession(
            connector=self._connector,
            connector_owner=False,
            auto_decompress=decoded,
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=timeout,
            skip_auto_headers=("User-Agent", "Accept", "Accept-Encoding", "Content-Type"),
            trace_configs=list(traces),
        )

    async def close(self) -> None:
        """Close the pool and every connection in it."""
        for session in (*self._sessions.values(), self._sockets):
            if session is not None:
                await session.close()
        if self._connector is not None:
            await self._connector.close()

    async def send(self, request: OriginRequest) -> HttpReply:
        """Ask, for a decoded body. Raises UnreachableError or UpstreamTimeoutError."""
        return await self._ask(request, decoded=True)

    async def relay(self, request: OriginRequest) -> HttpReply:
        """Ask, for the body as it is. Raises UnreachableError or UpstreamTimeoutError."""
        return await self._ask(request, decoded=False)

    @property
    def raw(self) -> "RawOrigin":
        """The same origin, whose bodies come as they are."""
        return RawOrigin(self)

    async def talk(
        self, path: str, headers: Headers, protocols: Sequence[str]
    ) -> aiohttp.ClientWebSocketResponse | None:
        """Open a WebSocket (RFC 6455); None when the origin answers, but opens none there.

        Pings and pongs are for whoever holds the socket to pass on. Raises UnreachableError or
        UpstreamTimeoutError.
        """
        if self._sockets is None:
            raise UnreachableError("The pool is not open.", code="upstream_unreachable")
        with self._mapped(), suppress(aiohttp.WSServerHandshakeError, _RedirectedError):
            async with asyncio.timeout(self._first_byte_timeout_s):
                return await self._sockets.ws_connect(
                    self._url(path),
                    headers=self._headers(headers),
                    protocols=protocols,
                    autoping=False,
                    autoclose=False,
                    max_msg_size=0,
                )
        return None

    async def _ask(self, request: OriginRequest, *, decoded: bool) -> HttpReply:
        with self._mapped():
            async with asyncio.timeout(self._first_byte_timeout_s):
                response = await self._call(self._sessions[decoded], request)
        return HttpReply(response, decoded=decoded, idle_timeout_s=self._idle_timeout_s)

    @contextmanager
    def _mapped(self) -> Iterator[None]:
        """The client's errors, and that the first byte came too late, as ours."""
        try:
            yield
        except TimeoutError as error:
            raise UpstreamTimeoutError(
                f"The origin at {self._base.host} did not answer in time.", code="upstream_timeout"
            ) from error
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise UnreachableError(
                f"The origin at {self._base.host} cannot be reached: {error}",
                code="upstream_unreachable",
            ) from error

    async def _call(
        self, session: aiohttp.ClientSession, request: OriginRequest
    ) -> aiohttp.ClientResponse:
        """One call; tried anew when the origin had closed an idle connection under it.

        Every keep-alive client meets this race (RFC 9112, 9.3.1). aiohttp tries again only for
        idempotent methods, which would turn each such POST into the caller's error.
        """

        def ask() -> Awaitable[aiohttp.ClientResponse]:
            return session.request(
                request.method,
                self._url(request.path),
                headers=self._headers(request.headers),
                data=_payload(request.body),
                allow_redirects=False,
            )

        try:
            return await ask()
        except (aiohttp.ServerDisconnectedError, ConnectionResetError):
            if not isinstance(request.body, bytes):
                raise
            return await ask()

    def _below_base(self, path: str) -> URL:
        """The caller's path, byte for byte, below the base: only the operator names the host."""
        return URL(f"{self._base}{path}", encoded=True)

    def _headers(self, headers: Headers) -> CIMultiDict[str]:
        sent = CIMultiDict(headers)
        if self._api_key is not None:
            for name in ("authorization", "api-key", "x-api-key"):
                sent.popall(name, None)
            is_bearer = self._api_key_header == "authorization"
            sent[self._api_key_header] = f"Bearer {self._api_key}" if is_bearer else self._api_key
        return sent


@dataclass(frozen=True, slots=True)
class RawOrigin:
    """An `Origin` whose bodies come as they are, compression and all."""

    origin: HttpOrigin

    async def send(self, request: OriginRequest) -> HttpReply:
        """Ask. Raises UnreachableError or UpstreamTimeoutError."""
        return await self.origin.relay(request)
