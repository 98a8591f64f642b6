"""The configuration, whole: the root, and the end where callers connect."""

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from proxy.config import access as accesses
from proxy.config import listener
from proxy.config.access import Access, Limits
from proxy.config.admin import Admin
from proxy.config.cache import Cache
from proxy.config.connections import Connections
from proxy.config.embedder import Embedder
from proxy.config.listener import Cors, ServerTls
from proxy.config.section import AtStart, HeaderName, Section, split_url
from proxy.config.telemetry import Telemetry
from proxy.config.upstream import NamedUpstream, Upstream, check

MIB = 1024 * 1024

WILDCARDS = ("0.0.0.0", "::", "")  # noqa: S104 - compared with, not bound
LOOPBACKS = ("localhost", "127.0.0.1", "::1")


class Server(Section):
    """Where callers connect."""

    host: AtStart[str] = "127.0.0.1"
    """Address to listen on; `0.0.0.0` or `::` for every interface."""

    port: AtStart[int] = Field(default=8080, ge=0, le=65535)
    """TCP port to listen on; 0 takes any free one."""

    workers: AtStart[int] = Field(default=1, ge=1, le=256)
    """Processes that answer on this port, each with a session tier, an index and connections of its
    own; more than one need an operating system that spreads connections (`SO_REUSEPORT`: Linux).
    """

    max_body_bytes: int = Field(default=64 * MIB, ge=1024, le=1024 * MIB)
    """Largest request body that is read for the cache, bytes; a larger one gets 413. A caller's
    WebSocket is closed (1009) at a larger message, unpacked.
    """

    expose_cache_headers: bool = True
    """Tell callers by `cache-status`, `age` and `x-cache-*` how they were answered.

    Switched off, a stranger cannot learn from them what others have asked.
    """

    tls: AtStart[ServerTls] = ServerTls()
    """TLS for callers, 1.2 or later. Its files are read again when they have changed."""

    cors: Cors = Cors()
    """What web pages of other origins may do, by their browsers."""

    connections: Connections = Connections()
    """What callers' connections may send, and how slow they may be."""

    hit_latency_floor_ms: float = Field(default=0, ge=0, le=600_000)
    """Milliseconds that every answer takes at least which no call was made for, so that its time
    tells no stranger what others have asked; 0 answers at once. Set it to what the origin takes.
    """

    drain_s: AtStart[float] = Field(default=10, ge=0, le=3600)
    """Seconds that requests in flight get to end when the proxy is told to stop."""

    trusted_tenant_header: HeaderName | None = None
    """Header in which a trusted front names the tenant; null takes the caller's credential.

    Set it only where nobody but that front can reach the proxy: it is believed as it comes.
    """

    watch_config: bool = True
    """Reload this file when it has changed; SIGHUP and the admin API reload it in any case."""


class Config(Section):
    """All that an operator can say."""

    server: Server = Server()
    """Where callers connect."""

    access: Access = Access()
    """Who may use the proxy."""

    limits: Limits = Limits()
    """How much callers may use of the proxy: each process counts for itself."""

    upstream: Upstream = Upstream()
    """Where answers come from."""

    upstreams: tuple[NamedUpstream, ...] = ()
    """Further origins: by path, where its beginning is an upstream's `path_prefix`; else by model,
    the first whose `models` has the one asked for; `upstream` answers all else. Requests that are
    not read, such as uploads, go by path alone.
    """

    cache: Cache = Cache()
    """What is kept, for how long, and who may be answered from it."""

    embedder: AtStart[Embedder] = Embedder()
    """What turns a question into a vector."""

    telemetry: Telemetry = Telemetry()
    """What the proxy says about itself."""

    admin: Admin = Admin()
    """The admin API under `/admin/v1/`, for operators and their tools."""

    @model_validator(mode="after")
    def _upstreams_fit_together(self) -> "Config":
        check(self.upstream, self.upstreams)
        return self

    @model_validator(mode="after")
    def _keys_stay_here(self) -> "Config":
        accesses.check(
            self.access, self.upstream, self.upstreams, self.server.trusted_tenant_header
        )
        return self

    @model_validator(mode="after")
    def _has_what_tls_needs(self) -> "Config":
        listener.check(self.server.tls)
        return self

    @model_validator(mode="after")
    def _does_not_ask_itself(self) -> "Config":
        """`OPENAI_BASE_URL` set for the SDKs names this proxy: it would ask itself for ever."""
        self._is_elsewhere(self.upstream, "upstream")
        for at, one in enumerate(self.upstreams):
            self._is_elsewhere(one, "upstreams", at)
        return self

    @model_validator(mode="after")
    def _admin_has_a_token_of_its_own(self) -> "Config":
        """Whoever is given an origin's key must not get the cache with it."""
        origins = (self.upstream, *self.upstreams)
        if self.admin.token is not None and self.admin.token in [one.api_key for one in origins]:
            raise PydanticCustomError(
                "own_token", "is an upstream's api_key as well", {"at": ("admin", "token")}
            )
        return self

    def _is_elsewhere(self, upstream: Upstream, *at: str | int) -> None:
        origin = split_url(upstream.base_url)
        port = origin.port or {"http": 80, "https": 443}[origin.scheme]
        here = {self.server.host}
        if self.server.host in WILDCARDS + LOOPBACKS:
            here.update(WILDCARDS + LOOPBACKS)
        if port == self.server.port and origin.hostname in here:
            raise PydanticCustomError(
                "elsewhere", "is this proxy's own address", {"at": (*at, "base_url")}
            )
