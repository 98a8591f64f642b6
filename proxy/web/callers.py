"""Who asks, and by whose leave: the caller's headers, for the cache and for the origin."""

from collections.abc import Mapping

from aiohttp import web

from proxy.config import Config
from proxy.core import credentials, directives
from proxy.core.model import Caller
from proxy.web.keys import TRACED

EVERYBODY = "everybody"
"""The tenant when `cache.tenancy` is `shared`; no digest is this long a word."""

KEYED = ("openai-beta", "anthropic-beta", "anthropic-version", "azureml-model-deployment")
"""Headers that change what an origin answers, and are therefore part of the key."""


def lowered(request: web.Request) -> dict[str, str]:
    """The request's headers by lower-case name; repeated ones are joined (RFC 9110, 5.3)."""
    found: dict[str, str] = {}
    for name, value in request.headers.items():
        key = name.lower()
        found[key] = f"{found[key]}, {value}" if key in found else value
    return found


def caller(headers: Mapping[str, str], config: Config) -> Caller:
    """Who asks. Raises BadRequestError when a header of ours cannot be read."""
    who = _principal(headers, config)
    tenant = EVERYBODY if config.cache.tenancy == "shared" else who
    return Caller(tenant, directives.session(headers), who)


def _principal(headers: Mapping[str, str], config: Config) -> str:
    trusted = config.server.trusted_tenant_header
    if trusted is not None and (name := headers.get(trusted.lower())):
        return credentials.tenant_named(name, config.cache.tenant_secret)
    return credentials.digest_of(headers, config.cache.tenant_secret)


def keyed(request: web.Request, headers: Mapping[str, str]) -> dict[str, str]:
    """What else must match: the query string, and headers that change the answer."""
    extra = {name: headers[name] for name in KEYED if name in headers}
    if request.query_string:
        extra["query"] = request.query_string
    return extra


def for_origin(request: web.Request, config: Config) -> list[tuple[str, str]]:
    """The caller's headers as the origin gets them: end-to-end, without those meant for us."""
    ours = directives.NAMES | {"host", "content-length", "expect"}
    if (trusted := config.server.trusted_tenant_header) is not None:
        ours = ours | {trusted.lower()}
    traced = request.get(TRACED, {})
    if traced:  # what the caller's headers say of the trace would leave our own spans out
        ours = ours | {"traceparent", "tracestate"}
    pairs = [(name.lower(), value) for name, value in request.headers.items()]
    return [*(pair for pair in pairs if pair[0] not in ours), *traced.items()]
