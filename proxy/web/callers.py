"""Who asks, and by whose leave: the caller's headers, for the cache and for the origin."""

from collections.abc import Mapping

from aiohttp import web

from proxy.config import Config
from proxy.core import credentials, directives
from proxy.core.access import Key, Keys
from proxy.core.model import Caller
from proxy.web.keys import TRACED

EVERYBODY = "everybody"
"""The tenant when `cache.tenancy` is `shared`; no digest is this long a word."""

KEYED = ("openai-beta", "anthropic-beta", "anthropic-version", "azureml-model-deployment")
"""Headers that change what an origin answers, and are therefore part of the key."""


OURS = directives.NAMES | {"host", "content-length", "expect"}
"""Headers that the origin does not get: meant for this proxy, or true of this request alone."""


def lowered(request: web.Request) -> dict[str, str]:
    """The request's headers by lower-case name; repeated ones are joined (RFC 9110, 5.3)."""
    found: dict[str, str] = {}
    for name, value in request.headers.items():
        key = name.lower()
        found[key] = f"{found[key]}, {value}" if key in found else value
    return found


def caller(headers: Mapping[str, str], config: Config, keys: Keys) -> Caller:
    """Who asks.

    Raises:
        BadRequestError: A header of ours cannot be read.
        UnauthorizedError: A key of ours is asked for, and it has none.
    """
    key = keys.holder(headers)
    who = principal(headers, config, key)
    tenant = EVERYBODY if config.cache.tenancy == "shared" else who
    return Caller(tenant, directives.session(headers), who)


def principal(headers: Mapping[str, str], config: Config, key: Key | None) -> str:
    """Who asks, whoever shares answers with whom.

    Args:
        headers: By lower-case name.
        config: Says whether a front is trusted.
        key: The caller's, where keys are asked for.
    """
    trusted = config.server.trusted_tenant_header
    secret = config.cache.tenant_secret
    if key is not None:
        return credentials.tenant_named(key.tenant, secret, headers)
    if trusted is not None and (name := headers.get(trusted.lower())):
        return credentials.tenant_named(name, secret)
    return credentials.digest_of(headers, secret)


def keyed(request: web.Request, headers: Mapping[str, str], config: Config) -> dict[str, str]:
    """What else must match: the query string, and headers that change the answer."""
    extra = headers_keyed(headers, config)
    if request.query_string:
        extra["query"] = request.query_string
    return extra


def headers_keyed(headers: Mapping[str, str], config: Config) -> dict[str, str]:
    """Headers that change the answer: those that are known, and those that the operator names."""
    extra = {name: headers[name] for name in KEYED if name in headers}
    for name in map(str.lower, config.cache.key_headers):
        if name in headers:
            extra[f"header {name}"] = headers[name]
    return extra


def for_origin(request: web.Request, config: Config) -> list[tuple[str, str]]:
    """The caller's headers as the origin gets them: end-to-end, without those meant for us."""
    ours = OURS
    if (trusted := config.server.trusted_tenant_header) is not None:
        ours = ours | {trusted.lower()}
    if config.access.keys:
        ours = ours.union(credentials.KEYS)
    traced = request.get(TRACED, {})
    if traced:  # what the caller's headers say of the trace would leave our own spans out
        ours = ours | {"traceparent", "tracestate"}
    pairs = [(name.lower(), value) for name, value in request.headers.items()]
    return [*(pair for pair in pairs if pair[0] not in ours), *traced.items()]
