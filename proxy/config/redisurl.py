"""The URL of the shared tier, in parts.

A Redis that Sentinel looks after is named by its sentinels, as other clients write it::

    redis+sentinel://user:password@host:26379,host:26379/service/0
    rediss+sentinel://...    the same over TLS, to sentinels and Redis alike

User and password are those of Redis; what the sentinels ask for is configured beside the URL.
"""

import re
from dataclasses import dataclass
from typing import Final
from urllib.parse import unquote

from proxy.config.section import split_url

SCHEMES: Final = ("sqlite", "redis", "rediss", "unix", "redis+sentinel", "rediss+sentinel")
TLS_SCHEMES: Final = ("rediss", "rediss+sentinel")
SENTINEL_PORT: Final = 26379
LAST_PORT: Final = 65535

_SENTINEL = re.compile(
    r"rediss?\+sentinel://(?:(?P<login>[^/?#]*)@)?(?P<hosts>[^@/?#]+)"
    r"/(?P<service>[A-Za-z0-9._-]+)(?:/(?P<database>\d{1,5}))?/?",
    re.IGNORECASE,
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


def scheme_of(url: str) -> str:
    """The part before `://`, in small letters; empty when there is none."""
    scheme, found, _ = url.partition("://")
    return scheme.lower() if found else ""


def sentinel_url(url: str) -> SentinelUrl:
    """The parts of a Sentinel URL. Raises ValueError, without quoting it, when it is none."""
    whole = _SENTINEL.fullmatch(url)
    hosts = [_HOST.fullmatch(host) for host in whole["hosts"].split(",")] if whole else [None]
    named = [
        (host["host"].strip("[]"), int(host["port"] or SENTINEL_PORT)) for host in hosts if host
    ]
    if whole is None or len(named) < len(hosts) or any(port > LAST_PORT for _, port in named):
        raise ValueError("must be redis+sentinel://host:26379,host:26379/service/0")
    user, _, password = (whole["login"] or "").partition(":")
    return SentinelUrl(
        hosts=tuple(named),
        service=whole["service"],
        database=int(whole["database"] or 0),
        user=unquote(user) or None,
        password=unquote(password) or None,
    )


def check(url: str) -> None:
    """Raises ValueError, without quoting the URL, when it names no shared tier."""
    scheme = scheme_of(url)
    if scheme.endswith("+sentinel"):
        sentinel_url(url)
        return
    parts = split_url(url)
    if parts.scheme not in SCHEMES:
        raise ValueError("must start with sqlite:///, redis://, redis+sentinel:// or unix://")
    if parts.scheme == "sqlite" and (parts.netloc or len(parts.path) <= 1):
        raise ValueError("must be sqlite:///relative/file or sqlite:////absolute/file")
    if parts.scheme == "unix" and len(parts.path) <= 1:
        raise ValueError("must be unix:///path/to/socket")
    if parts.scheme in {"redis", "rediss"} and not parts.hostname:
        raise ValueError("must name a host, as in redis://host:6379/0")
