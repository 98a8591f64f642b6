"""The shared tier's configuration: where every entry is kept, and how it is reached."""

from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, Field, SecretStr, model_validator
from pydantic_core import PydanticCustomError

from proxy.config.redisurl import TLS_SCHEMES, check, scheme_of
from proxy.config.section import SecretUrl, Section, split_url

MIB = 1024 * 1024
DAY_S = 86_400


def _shared_url(url: SecretUrl) -> SecretUrl:
    check(url.get_secret_value())
    return url


class Tls(Section):
    """How Redis is reached over TLS: `rediss://`, `rediss+sentinel://` or `rediss+cluster://`."""

    ca: Path | None = None
    """File with the certificates (PEM) of who may vouch for the server; null takes the system's."""

    certificate: Path | None = None
    """File with this proxy's own certificate (PEM), where the server asks for one."""

    key: Path | None = None
    """File with the private key of that certificate (PEM); null when it is in the same file."""

    check_hostname: bool = True
    """Refuse a certificate that is not for the host that was asked for."""


class SharedTier(Section):
    """The second tier: every entry, durable, shared by all replicas."""

    url: Annotated[SecretUrl, AfterValidator(_shared_url)] = SecretUrl("sqlite:///data/reprise.db")
    """Where entries are kept. `sqlite:///file` for one machine, or Redis for several:
    `redis://user:password@host:6379/0`, `rediss://` for TLS, `unix:///socket`,
    `redis+sentinel://user:password@host:26379,host:26379/service/0` for a Redis under Sentinel,
    `redis+cluster://user:password@host:6379,host:6379` for a Redis Cluster. A relative file is
    relative to the working directory.
    """

    tls: Tls = Tls()
    """How Redis is reached over TLS."""

    sentinel_user: str | None = None
    """User the sentinels ask for; null where they ask for a password alone, or for nothing."""

    sentinel_password: SecretStr | None = None
    """Password the sentinels ask for; that of Redis itself stands in `url`."""

    client_name: Annotated[str, Field(pattern=r"^[!-~]+$", max_length=64)] = "reprise"
    """Name under which Redis lists this proxy's connections."""

    timeout_ms: float = Field(default=1000, ge=10, le=600_000)
    """Longest wait for Redis outside a lookup, milliseconds; a lookup has `cache.deadline_ms`."""

    max_connections: int = Field(default=64, ge=1, le=10_000)
    """Connections to Redis at once, to each master of a cluster; further calls wait for one."""

    max_log_records: int = Field(default=100_000, ge=1000)
    """Records kept of the change log that replicas follow; those further behind start anew."""

    poll_s: float = Field(default=1, ge=0.05, le=3600)
    """Seconds between looks at the change log for what other replicas did."""

    expire_every_s: float = Field(default=60, ge=1, le=DAY_S)
    """Seconds between rounds that delete entries past their time."""

    announce_every_s: float = Field(default=5, ge=0.05, le=3600)
    """Seconds between this process's words that it is there; silent for three times as long, it is
    gone from `GET /admin/v1/replicas`.
    """

    max_backlog: int = Field(default=10_000, ge=0, le=10_000_000)
    """Most answers kept in memory while this tier cannot take them, to be written once it can; the
    oldest go first. 0 keeps none.
    """

    max_backlog_bytes: int = Field(default=64 * MIB, ge=1024)
    """Most bytes of such answers."""

    key_prefix: Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]+$", max_length=64)] = "reprise"
    """Beginning of every key in Redis, so that deployments can share a server."""

    @property
    def sqlite_path(self) -> Path | None:
        """The database file, or None when the tier is Redis."""
        url = self.url.get_secret_value()
        return Path(split_url(url).path[1:]) if scheme_of(url) == "sqlite" else None

    @model_validator(mode="after")
    def _no_use_without(self) -> "SharedTier":
        """A key that would be without effect is a mistake: the connection is not what it seems."""
        url = self.url.get_secret_value()
        if self.tls != Tls() and scheme_of(url) not in TLS_SCHEMES:
            raise PydanticCustomError("no_tls", "needs a url with rediss://", {"at": ("tls",)})
        if self.tls != Tls() and "ssl_" in url.partition("?")[2]:
            raise PydanticCustomError("two_tls", "excludes ssl_ options in url", {"at": ("tls",)})
        if self.tls.key is not None and self.tls.certificate is None:
            raise PydanticCustomError("no_cert", "needs certificate", {"at": ("tls", "key")})
        for name in ("sentinel_user", "sentinel_password"):
            if getattr(self, name) is not None and not scheme_of(url).endswith("+sentinel"):
                raise PydanticCustomError(
                    "no_sentinel", "needs a url with redis+sentinel://", {"at": (name,)}
                )
        return self
