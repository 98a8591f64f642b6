"""The configuration of origins: where answers come from, which request goes where, and what then.

A request whose path begins with an upstream's `path_prefix` goes there; else it goes to the first
upstream one of whose `models` it names; else to `upstream`.
"""

from typing import Annotated, Literal

from pydantic import Field, SecretStr
from pydantic_core import PydanticCustomError

from proxy.config.section import HttpUrl, Section

Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]+$", max_length=64)]
Glob = Annotated[str, Field(min_length=1, max_length=256)]
"""A name, or a pattern with `*`, `?` and `[...]`; case matters."""

RESERVED = ("/v1", "/healthz", "/readyz", "/metrics", "/admin", "/dashboard", "/openapi.json")
"""Paths of our own: no prefix may hide them."""


class Upstream(Section):
    """The origin: where answers come from."""

    base_url: HttpUrl = "https://api.openai.com/v1"
    """Base of the origin's API, with its version: any OpenAI-compatible server."""

    api_key: SecretStr | None = None
    """Key sent to the origin in place of the caller's; null passes the caller's through."""

    api_key_header: Literal["authorization", "api-key", "x-api-key"] = "authorization"
    """Header that carries `api_key`: `authorization` (as a bearer token) for most, `api-key` for
    Azure, `x-api-key` for Anthropic.
    """

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

    fallbacks: tuple[Name, ...] = ()
    """Upstreams asked in turn, before the first byte has come, when this one cannot be reached, is
    overloaded (429) or fails (5xx); and at once for as long as it has asked to be left alone by
    `retry-after`. Each gets its own `api_key` or none: a caller's key stays where it was meant for.
    """


class NamedUpstream(Upstream):
    """A further origin."""

    name: Name
    """What `fallbacks`, logs and metrics call it."""

    models: tuple[Glob, ...] = ()
    """Models asked there: names or patterns such as `claude-*`."""

    path_prefix: Annotated[str, Field(pattern=r"^/[A-Za-z0-9_.-]+$", max_length=64)] | None = None
    """Beginning of the paths that go there: with `/ollama`, callers set their base URL to
    `http://this-proxy/ollama/v1`. The rest of the path, without a leading `/v1`, follows
    `base_url`.
    """

    send_model: str | None = Field(default=None, min_length=1, max_length=256)
    """Model named to this upstream in place of the caller's. An answer of a fallback that was asked
    for another model is passed on but not stored.
    """


Upstreams = tuple[NamedUpstream, ...]


def check(default: Upstream, others: Upstreams) -> None:
    """Raises PydanticCustomError, with the key at fault, when they do not fit together."""
    names = [one.name for one in others]
    prefixes = [one.path_prefix for one in others if one.path_prefix is not None]
    fallen_back_to = {name for one in (default, *others) for name in one.fallbacks}
    for at, one in enumerate(others):
        if names.index(one.name) != at:
            raise _problem(f"{one.name!r} is the name of another upstream", at, "name")
        if one.path_prefix is not None:
            if one.path_prefix in RESERVED:
                raise _problem(f"{one.path_prefix} is this proxy's own", at, "path_prefix")
            if prefixes.count(one.path_prefix) > 1:
                raise _problem(f"{one.path_prefix} is another's as well", at, "path_prefix")
        if not (one.models or one.path_prefix or one.name in fallen_back_to):
            raise _problem("is never asked: give it models or a path_prefix", at)
        _check_fallbacks(one, names, "upstreams", at)
    _check_fallbacks(default, names, "upstream")


def _check_fallbacks(one: Upstream, names: list[str], *at: str | int) -> None:
    for number, name in enumerate(one.fallbacks):
        if name not in names or name == getattr(one, "name", None):
            raise PydanticCustomError(
                "no_fallback",
                "{name} is no other upstream's name",
                {"name": repr(name), "at": (*at, "fallbacks", number)},
            )


def _problem(text: str, *at: str | int) -> PydanticCustomError:
    return PydanticCustomError("upstreams", "{text}", {"text": text, "at": ("upstreams", *at)})
