"""An outcome as response headers: `Cache-Status` (RFC 9211), `Age` (RFC 9111, 5.1), and ours."""

import re
from typing import Final

from proxy.core.model import Outcome, Result, Tier

CACHE_NAME: Final = "Reprise"
NOT_FORWARDED: Final = "not_cached"
"""The reason of an `only-if-cached` request that found nothing: `fwd` would claim a call."""

OURS: Final = frozenset(
    {
        "x-cache",
        "x-cache-entry",
        "x-cache-items",
        "x-cache-probability",
        "x-cache-saved-tokens",
        "x-cache-saved-usd",
        "x-cache-similarity",
        "x-cache-tier",
    }
)
"""Headers that say what this cache did: another cache behind it may have sent its own."""

_TOKEN = re.compile(r"[A-Za-z*][A-Za-z0-9!#$%&'*+.^_`|~:/-]*")
_DETAIL: Final = {Tier.SESSION: "session", Tier.SHARED: "shared", Tier.VECTOR: "semantic"}


def headers(outcome: Outcome, *, expose: bool = True) -> list[tuple[str, str]]:
    """The cache's own response headers.

    Args:
        outcome: What is known when the headers leave.
        expose: Tell the caller about the cache; else only the request's id.
    """
    request_id = ("x-request-id", outcome.request_id)
    if not expose:
        return [request_id]
    fields: list[tuple[str, str]] = [
        ("cache-status", cache_status(outcome)),
        ("x-cache", outcome.result.value),
    ]
    if outcome.tier is not None:
        fields.append(("age", str(int(outcome.age or 0))))
        fields.append(("x-cache-tier", outcome.tier.value))
    if outcome.similarity is not None:
        fields.append(("x-cache-similarity", f"{outcome.similarity:.4f}"))
    if outcome.probability is not None:
        fields.append(("x-cache-probability", f"{outcome.probability:.4f}"))
    if outcome.entry is not None:
        fields.append(("x-cache-entry", outcome.entry))
    if outcome.items is not None:
        fields.append(("x-cache-items", "{}/{}".format(*outcome.items)))
    if outcome.saved is not None:
        fields.append(("x-cache-saved-tokens", str(outcome.saved.total)))
    if outcome.saved_usd is not None:
        fields.append(("x-cache-saved-usd", f"{outcome.saved_usd:.9f}".rstrip("0").rstrip(".")))
    return [*fields, request_id]


def cache_status(outcome: Outcome) -> str:
    """The `Cache-Status` member of this cache (RFC 9211, 2)."""
    parameters = list(_parameters(outcome))
    return "; ".join([CACHE_NAME, *parameters])


def _parameters(outcome: Outcome) -> list[str]:
    if outcome.result in {Result.HIT, Result.STALE}:
        return _served(outcome)
    was_asked = outcome.reason != NOT_FORWARDED
    found = [f"fwd={_why_forwarded(outcome)}"] if was_asked else []
    if outcome.upstream_status is not None:
        found.append(f"fwd-status={outcome.upstream_status}")
    if outcome.stored:
        found.append("stored")
    if outcome.result is Result.COALESCED:
        found.append("collapsed")
    if outcome.reason:
        found.append(f"detail={_value(outcome.reason)}")
    return found


def _served(outcome: Outcome) -> list[str]:
    found = ["hit"] if outcome.upstream_status is None else ["fwd=stale"]
    if outcome.upstream_status is not None:
        found.append(f"fwd-status={outcome.upstream_status}")
    if outcome.ttl is not None:
        found.append(f"ttl={int(outcome.ttl)}")
    if outcome.tier is not None:
        found.append(f"detail={_DETAIL[outcome.tier]}")
    return found


def _why_forwarded(outcome: Outcome) -> str:
    if outcome.result is Result.BYPASS:
        return "bypass"
    match outcome.reason:
        case "no-cache" | "not fresh enough":
            return "request"
        case "expired":
            return "stale"
        case _:
            return "partial" if outcome.items is not None and outcome.items[0] else "miss"


def _value(text: str) -> str:
    """A token where it can be one, else a quoted string (RFC 9651, 3.3.3): ASCII, no controls."""
    if _TOKEN.fullmatch(text):
        return text
    plain = re.sub(r"[^ -~]", "?", text)[:120]
    escaped = plain.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
