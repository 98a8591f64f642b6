"""Ports of where answers come from."""

from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class OriginRequest:
    """One call to the origin.

    Attributes:
        path: Starts at the base URL and carries the query string.
        body: As the caller sent it.
        with_usage: The body asking for usage as well, for an origin that may be asked so; None
            where there is nothing to ask.
    """

    method: str
    path: str
    headers: Sequence[tuple[str, str]]
    body: bytes | AsyncIterator[bytes]
    with_usage: bytes | None = None


class OriginReply(Protocol):
    """The origin's answer, as it arrives. Header names are lower case, hop-by-hop removed."""

    @property
    def status(self) -> int:
        """The status code."""
        ...

    @property
    def headers(self) -> Sequence[tuple[str, str]]:
        """Name and value pairs."""
        ...

    def chunks(self) -> AsyncGenerator[bytes]:
        """The body as it comes. Raises BrokenStreamError when it breaks off."""
        ...

    async def close(self) -> None:
        """Give the connection back, or drop it when the body was not read to its end."""
        ...


class Origin(Protocol):
    """Where answers come from."""

    async def send(self, request: OriginRequest) -> OriginReply:
        """Ask; returns at the headers. Raises UnreachableError or UpstreamTimeoutError."""
        ...
