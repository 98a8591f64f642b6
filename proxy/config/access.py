"""Who may use the proxy, and how much of it: keys of its own, and limits."""

from typing import Annotated, Final

from pydantic import Field
from pydantic_core import PydanticCustomError

from proxy.config.section import Section
from proxy.config.upstream import Name, Upstream, Upstreams

Pattern = Annotated[str, Field(max_length=256)]
"""A name, or a pattern with `*`, `?` and `[...]`; case matters. "" is what has no name."""

MOST_KEYS: Final = 10_000
MOST: Final = 1_000_000


class Key(Section):
    """A key of the proxy's own."""

    name: Name
    """What logs call it."""

    digest: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$", examples=["0" * 64])]
    """SHA-256 of the key, in hex: `reprise key` makes a key and says it."""

    tenant: Name | None = None
    """Whose entries and whose quota it uses; null: those of its name. Several keys may have one
    tenant, so that a new key can take the place of an old one.
    """

    namespaces: tuple[Pattern, ...] = ("*",)
    """Namespaces that it may use: names or patterns; `""` is that of requests which name none."""

    models: tuple[Pattern, ...] = ("*",)
    """Models that it may ask: names or patterns. A key that may not ask every one may only use
    endpoints that name their model where the proxy reads it.
    """

    requests_per_minute: float | None = Field(default=None, gt=0, le=MOST)
    """In place of `limits.requests_per_minute`."""

    concurrent_requests: int | None = Field(default=None, ge=1, le=MOST)
    """In place of `limits.concurrent_requests`."""


class Access(Section):
    """Who may use the proxy."""

    keys: Annotated[tuple[Key, ...], Field(max_length=MOST_KEYS)] = ()
    """Keys of the proxy's own, one of which a caller must give where there are any: the origins get
    their `api_key`, and never a caller's.
    """


class Limits(Section):
    """How much callers may use of the proxy: each process counts for itself."""

    requests_per_minute: float | None = Field(default=None, gt=0, le=MOST)
    """Requests a minute of one tenant; those beyond get 429. Null sets no limit."""

    burst: int | None = Field(default=None, ge=1, le=MOST)
    """Requests of that which may come at once; null: a minute's worth."""

    count_hits: bool = True
    """Count answers from the cache, too; else only requests that the origin is asked for."""

    concurrent_requests: int | None = Field(default=None, ge=1, le=MOST)
    """Requests of one tenant under way at once; those beyond get 429. Null sets no limit."""

    asking: int = Field(default=5000, ge=1, le=MOST)
    """Requests to origins under way at once, of all callers; those beyond get 503, or an expired
    answer where that may stand in, while hits are answered as ever.
    """

    in_flight: int = Field(default=10_000, ge=1, le=MOST)
    """Requests under way at once, of whatever kind; those beyond get 503."""


def check(access: Access, default: Upstream, others: Upstreams, front: str | None) -> None:
    """Raises PydanticCustomError, with the key at fault, when they do not fit together.

    Args:
        access: Has the keys.
        default: The origin.
        others: Further ones.
        front: `server.trusted_tenant_header`.
    """
    names: set[str] = set()
    digests: set[str] = set()
    for number, key in enumerate(access.keys):
        if key.name in names:
            raise _problem(f"{key.name!r} is the name of another key", number, "name")
        if key.digest in digests:
            raise _problem("is another key's as well", number, "digest")
        names.add(key.name)
        digests.add(key.digest)
    if not access.keys:
        return
    if front is not None:
        raise PydanticCustomError(
            "one_who_names",
            "cannot be used with access.keys: it is the key that names the tenant",
            {"at": ("server", "trusted_tenant_header")},
        )
    if default.api_key is None:
        raise _lacking("upstream")
    for number, one in enumerate(others):
        if one.api_key is None:
            raise _lacking("upstreams", number)


def _problem(text: str, number: int, field: str) -> PydanticCustomError:
    return PydanticCustomError(
        "access", "{text}", {"text": text, "at": ("access", "keys", number, field)}
    )


def _lacking(*at: str | int) -> PydanticCustomError:
    return PydanticCustomError(
        "own_key",
        "is needed with access.keys, as no caller's key is sent on; any text will do for an origin "
        "that asks for none",
        {"at": (*at, "api_key")},
    )
