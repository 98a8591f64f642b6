"""Reads a request that has not come: one that is to be explained, as if its caller had sent it."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from proxy.config import Config
from proxy.core import directives
from proxy.core.dialects.base import Dialect
from proxy.core.model import Caller
from proxy.core.reading import Understood, understand
from proxy.errors import BadRequestError
from proxy.runtime import Runtime
from proxy.web import callers, endpoints
from proxy.web.cached import keyed, named

TAKEN: Final = directives.NAMES | {"cache-control", *callers.KEYED}
"""Headers that it may have: no credential is among them."""


def read(
    runtime: Runtime,
    body: dict[str, Any],
    *,
    path: str,
    headers: Mapping[str, str],
    tenant: str | None = None,
) -> tuple[Dialect, Understood]:
    """In which API it is asked, and what.

    Args:
        runtime: What would answer it.
        body: Its JSON.
        path: Where it would be sent, with its query.
        headers: By any case; of `TAKEN` and `cache.key_headers` only.
        tenant: Whose it is, by the digest; None for a caller without a credential.

    Raises:
        BadRequestError: A path or a header that it cannot have.
    """
    config = runtime.config
    lowered = {name.lower(): value for name, value in headers.items()}
    taken = TAKEN.union(map(str.lower, config.cache.key_headers))
    if others := set(lowered) - taken:
        raise _bad("headers", f"{min(others)} is none of {', '.join(sorted(taken))}")
    to = runtime.origins.routes.of(path)
    endpoint = endpoints.endpoint_at(to.path, endpoints.DIALECTS) if to.by_path else path
    dialect = endpoints.DIALECTS.get((endpoint or "").partition("?")[0])
    if dialect is None:
        raise _bad("path", f"{path} is none of {', '.join(endpoints.DIALECTS)}")
    extra = callers.headers_keyed(lowered, config)
    if query := path.partition("?")[2]:
        extra["query"] = query
    understood = understand(
        dialect,
        named(body, to),
        caller=_caller(lowered, tenant, config),
        asked=directives.parse(lowered, runtime.limits),
        admission=runtime.admission,
        extra=extra | keyed(to),
        rewrite=config.cache.context == "rewrite",
        by_model=config.cache.judgement.llm.rewrite,
    )
    ruled = runtime.store.ruled(understood.request, dialect.path)
    return dialect, replace(understood, request=ruled)


def _caller(headers: Mapping[str, str], tenant: str | None, config: Config) -> Caller:
    """Whose request it is; of a caller without a credential nobody knows who he is."""
    nobody = callers.principal({}, config, None)
    is_shared = config.cache.tenancy == "shared"
    told = callers.EVERYBODY if is_shared else tenant or nobody
    return Caller(told, directives.session(headers), tenant or "")


def _bad(param: str, problem: str) -> BadRequestError:
    return BadRequestError(f"{param}: {problem}.", param=param, code="invalid_request")
