"""From a body, a caller and directives to a `CacheRequest`: all that is decided before any tier.

The rules only narrow: what the dialect finds unfit for rewording, and what the operator's admission
rules restrict, is taken from what the caller asked for.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from proxy.core.admission import Admission
from proxy.core.dialects.base import Dialect, Json
from proxy.core.model import CacheRequest, Caller, Directives


@dataclass(frozen=True, slots=True)
class Understood:
    """A request, read.

    Attributes:
        request: What is looked up.
        bypass: Why the cache must not touch it; None when it may.
        reason: Why the directives were narrowed; "" when they were not.
    """

    request: CacheRequest
    bypass: str | None
    reason: str


def understand(
    dialect: Dialect,
    body: Json,
    *,
    caller: Caller,
    asked: Directives,
    admission: Admission,
    extra: Mapping[str, str],
) -> Understood:
    """Read a request of this dialect.

    Args:
        dialect: The API's.
        body: The request's JSON.
        caller: Who asks.
        asked: What it asks of the cache.
        admission: The operator's rules.
        extra: What else must match: query string, beta headers.
    """
    reading = dialect.read(body, tenant=caller.tenant, namespace=asked.namespace, extra=extra)
    directives, reason = admission.narrow(
        asked,
        question=reading.question,
        temperature=body.get("temperature"),
        has_tools=bool(reading.scope.tools),
    )
    if reading.exact_only is not None:
        directives = replace(directives, semantic=False)
    bypass = reading.bypass
    if bypass is None and not (directives.read or directives.write):
        bypass = reason or "no-store"
    request = CacheRequest(
        scope=reading.scope,
        caller=caller,
        directives=directives,
        question=reading.question,
        key=reading.scope.key(reading.question),
        stream=reading.stream,
        include_usage=reading.include_usage,
        body=body,
    )
    return Understood(request, bypass, reason)
