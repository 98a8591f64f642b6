"""The configuration, whole: the root, and the two ends of the proxy."""

from typing import Annotated

from pydantic import Field, SecretStr, model_validator
from pydantic_core import PydanticCustomError

from proxy.config.cache import Cache
from proxy.config.embedder import Embedder
from proxy.config.section import HttpUrl, Section, split_url
from proxy.config.telemetry import Telemetry

MIB = 1024 * 1024

WILDCARDS = ("0.0.0.0", "::", "")  # noqa: S104 - compared with, not bound
LOOPBACKS = ("localhost", "127.0.0.1", "::1")

HeaderName = Annotated[str, Field(pattern=r"^[A-Za-z0-9!#$%&'*+.^_`|~-]+$", max_length=128)]
"""A token, as RFC 9110, 5.1 has it."""


class Server(Section):
    """Where callers connect."""

    host: str = "127.0.0.1"
    """Address to listen on; `0.0.0.0` or `::` for every interface."""

    port: int = Field(default=8080, ge=0, le=65535)
    """TCP port to listen on; 0 takes any free one."""

    max_body_bytes: int = Field(default=64 * MIB, ge=1024, le=1024 * MIB)
    """Largest request body that is read for the cache, bytes; a larger one gets 413."""

    expose_cache_headers: bool = True
    """Tell callers by `cache-status`, `age` and `x-cache-*` how they were answered.

    Switched off, a stranger cannot learn from them what others have asked.
    """

    drain_s: float = Field(default=10, ge=0, le=3600)
    """Seconds that requests in flight get to end when the proxy is told to stop."""

    trusted_tenant_header: HeaderName | None = None
    """Header in which a trusted front names the tenant; null takes the caller's credential.

    Set it only where nobody but that front can reach the proxy: it is believed as it comes.
    """


class Upstream(Section):
    """The origin: where answers come from."""

    base_url: HttpUrl = "https://api.openai.com/v1"
    """Base of the origin's API, with its version: any OpenAI-compatible server."""

    api_key: SecretStr | None = None
    """Key sent to the origin in place of the caller's; null passes the caller's through."""

    connect_timeout_s: float = Field(default=5, gt=0, le=600)
    """Seconds to get a connection."""

    first_byte_timeout_s: float = Field(default=600, gt=0, le=86400)
    """Seconds from sending the request to the head of the answer."""

    idle_timeout_s: float = Field(default=600, gt=0, le=86400)
    """Seconds of silence between two pieces of an answer's body."""

    max_connections: int = Field(default=0, ge=0, le=100_000)
    """Connections to the origin at once; 0 sets no limit."""

    request_usage: bool = True
    """Ask the origin for the usage of streamed answers, so that one entry serves all callers.

    Callers who did not ask for it do not see it.
    """


class Config(Section):
    """All that an operator can say."""

    server: Server = Server()
    """Where callers connect."""

    upstream: Upstream = Upstream()
    """Where answers come from."""

    cache: Cache = Cache()
    """What is kept, for how long, and who may be answered from it."""

    embedder: Embedder = Embedder()
    """What turns a question into a vector."""

    telemetry: Telemetry = Telemetry()
    """What the proxy says about itself."""

    @model_validator(mode="after")
    def _does_not_ask_itself(self) -> "Config":
        """`OPENAI_BASE_URL` set for the SDKs names this proxy: it would ask itself for ever."""
        origin = split_url(self.upstream.base_url)
        port = origin.port or {"http": 80, "https": 443}[origin.scheme]
        here = {self.server.host}
        if self.server.host in WILDCARDS + LOOPBACKS:
            here.update(WILDCARDS + LOOPBACKS)
        if port == self.server.port and origin.hostname in here:
            raise PydanticCustomError(
                "elsewhere", "is this proxy's own address", {"at": ("upstream", "base_url")}
            )
        return self
