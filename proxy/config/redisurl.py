"""The URL of the shared tier, in parts.

A Redis that Sentinel looks after is named by its sentinels, as other clients write it::

    redis+sentinel://user:password@host:26379,host:26379/service/0
    rediss+sentinel://...    the same over TLS, to sentinels and Redis alike

User and password are those of Redis; what the sentinels ask for is configured beside the URL.

A Redis Cluster is named by some of its nodes, which know the others::

    redis+cluster://user:password@host:6379,host:6379
    rediss+cluster://...     the same over TLS
"""

import re
from dataclasses import dataclass
from typing import Final
from urllib.parse import unquote

from proxy.config.section import split_url

SCHEMES: Final = ("sqlite", "redis", "rediss", "unix")
TLS_SCHEMES: Final = ("rediss", "rediss+sentinel", "rediss+cluster")
SENTINEL_PORT: Final = 26379
REDIS_PORT: Final = 6379
LAST_PORT: Final = 65535

_SENTINEL = re.compile(
    r"rediss?\+sentinel://(?:(?P<login>[^/?#]*)@)?(?P<hosts>[^@/?#]+)"
    r"/(?P<service>[A-Za-z0-9._-]+)(?:/(?P<database>\d{1,5}))?/?",
    re.IGNORECASE,
)
_CLUSTER = re.compile(
    r"rediss?\+cluster://(?:(?P<login>[^/?#]*)@)?(?P<hosts>[^@/?#]+)/?", re.IGNORECASE
)
_HOST = re.compile(r"(?P<host>\[[0-9A-Fa-f:.]+\]|[^\s:\[\]]+)(?::(?P<port>\d{1,5}))?")


@dataclass(frozen=True, slots=True)
class SentinelUrl:
    """Where the sentinels are, and what of theirs is asked for."""

    hosts: tuple[tuple[str, int], ...]
    service: str
    database: int
    user: str | None
    password: str | None


@dataclass(frozen=True, slots=True)
class ClusterUrl:
    """Some nodes of a cluster, and the login that all its nodes take."""

    hosts: tuple[tuple[str, int], ...]
    user: str | None
    password: str | None


def scheme_of(url: str) -> str:
    """The part before `://`, in small letters; empty when there is none."""
    scheme, found, _ = url.partition("://")
    return scheme.lower() if found else ""


def sentinel_url(url: str) -> SentinelUrl:
    """The parts of a Sentinel URL. Raises ValueError, without quoting it, when it is none."""
    whole = _SENTINEL.fullmatch(url)
    hosts = _hosts(whole["hosts"], SENTINEL_PORT) if whole else None
    if whole is None or hosts is None:
        raise ValueError("must be redis+sentinel://host:26379,host:26379/service/0")
    user, password = _login(whole["login"])
    return SentinelUrl(hosts, whole["service"], int(whole["database"] or 0), user, password)


def cluster_url(url: str) -> ClusterUrl:
    """The parts of a cluster's URL. Raises ValueError, without quoting it, when it is none."""
    whole = _CLUSTER.fullmatch(url)
    hosts = _hosts(whole["hosts"], REDIS_PORT) if whole else None
    if whole is None or hosts is None:
        raise ValueError("must be redis+cluster://host:6379,host:6379, without a database")
    return ClusterUrl(hosts, *_login(whole["login"]))


def _hosts(text: str, port: int) -> tuple[tuple[str, int], ...] | None:
    """Hosts and ports of a list; None when one of them is none."""
    found = [_HOST.fullmatch(host) for host in text.split(",")]
    named = [(host["host"].strip("[]"), int(host["port"] or port)) for host in found if host]
    if len(named) < len(found) or any(port > LAST_PORT for _, port in named):
        return None
    return tuple(named)


def _login(text: str | None) -> tuple[str | None, str | None]:
    user, _, password = (text or "").partition(":")
    return unquote(user) or None, unquote(password) or None


def check(url: str) -> None:
    """Raises ValueError, without quoting the URL, when it names no shared tier."""
    scheme = scheme_of(url)
    if scheme.endswith("+sentinel"):
        sentinel_url(url)
        return
    if scheme.endswith("+cluster"):
        cluster_url(url)
        return
    parts = split_url(url)
    if parts.scheme not in SCHEMES:
        raise ValueError(
            "must start with sqlite:///, unix://, or redis:// (+sentinel://, +cluster://)"
        )
    if parts.scheme == "sqlite" and (parts.netloc or len(parts.path) <= 1):
        raise ValueError("must be sqlite:///relative/file or sqlite:////absolute/file")
    if parts.scheme == "unix" and len(parts.path) <= 1:
        raise ValueError("must be unix:///path/to/socket")
    if parts.scheme in {"redis", "rediss"} and not parts.hostname:
        raise ValueError("must name a host, as in redis://host:6379/0")
