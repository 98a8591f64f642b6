"""What the OpenAPI document's operations share: headers, parameters, bodies and errors.

Names, statuses and parameters come from the code that reads and writes them; what is said of each
is here.
"""

from collections.abc import Iterable
from typing import Any, Final

from proxy import errors
from proxy.core.credentials import KEYS
from proxy.core.dialects.parameters import Parameter, Part, Table
from proxy.core.model import Result, Tier
from proxy.feedback import Verdict
from proxy.web.feedback import IDS, MAX_ID_CHARS

Json = dict[str, Any]

JSON: Final = "application/json"
EVENTS: Final = "text/event-stream"

_NAME: Final = "[A-Za-z0-9_.:/@-]{1,128}"

CACHE_CONTROL: Final[dict[str, str]] = {
    "no-store": "neither looked up nor stored",
    "no-cache": "the origin is asked, and its answer replaces what was stored",
    "only-if-cached": "a hit, or 504; the origin is never asked",
    "private": "the answer is kept in the session tier alone",
    "max-age": "no entry older than so many seconds",
    "min-fresh": "only an entry that stays fresh for so many seconds more",
    "max-stale": "an entry that has expired, at most so many seconds ago where a number is given",
    "stale-if-error": "such an entry only when the origin fails",
}
"""Directives of `cache-control` that a request may use (RFC 9111, 5.2.1; RFC 5861, 4)."""

DIRECTIVES: Final[dict[str, tuple[str, Json]]] = {
    "cache-control": (
        "RFC 9111. Unknown directives are ignored. "
        + "; ".join(f"`{name}`: {effect}" for name, effect in CACHE_CONTROL.items())
        + ".",
        {"type": "string", "examples": ["no-cache", "max-age=60, stale-if-error=600"]},
    ),
    "x-cache-mode": (
        (
            "`semantic`: all tiers. `exact`: only the same request is answered. `shadow`: looked "
            "up and reported, but answered by the origin. `off`: as `cache-control: no-store`."
        ),
        {"type": "string", "enum": ["semantic", "exact", "shadow", "off"], "default": "semantic"},
    ),
    "x-cache-namespace": (
        "A partition of the caller's entries: nothing is shared across it.",
        {"type": "string", "pattern": f"^{_NAME}$"},
    ),
    "x-cache-tags": (
        "Labels for lifetimes and invalidation, at most 32.",
        {"type": "string", "pattern": f"^{_NAME}( *, *{_NAME}){{0,31}}$"},
    ),
    "x-cache-threshold": (
        "The least cosine similarity of another question whose answer may serve.",
        {"type": "string", "pattern": r"^(0(\.[0-9]{1,9})?|1(\.0{1,9})?)$"},
    ),
    "x-cache-ttl": (
        "The entry's lifetime in seconds, above 0.",
        {"type": "string", "pattern": r"^[1-9][0-9]{0,9}(\.[0-9]{1,3})?$"},
    ),
    "x-session-id": (
        "Which session tier is meant; without it the caller's default one.",
        {"type": "string", "pattern": "^[!-~]{1,256}$"},
    ),
}
"""Request headers that steer the cache: (what they do, schema)."""

RESPONSE_HEADERS: Final[dict[str, tuple[str, Json]]] = {
    "x-cache": (
        "How the cache answered.",
        {"type": "string", "enum": [result.value for result in Result]},
    ),
    "x-cache-tier": (
        "Which tier the answer is from; only on one from the cache.",
        {"type": "string", "enum": [tier.value for tier in Tier]},
    ),
    "x-cache-similarity": (
        "Cosine similarity of the neighbour served, else of the nearest.",
        {"type": "string", "pattern": r"^-?[0-9]\.[0-9]{4}$"},
    ),
    "x-cache-probability": (
        "The verifier's probability that one answer serves both questions.",
        {"type": "string", "pattern": r"^[01]\.[0-9]{4}$"},
    ),
    "x-cache-entry": ("Id of the entry served, or stored.", {"type": "string"}),
    "x-cache-items": (
        "Of an embeddings request: how many of how many inputs came from the cache.",
        {"type": "string", "pattern": "^[0-9]+/[0-9]+$"},
    ),
    "x-cache-saved-tokens": (
        "Tokens of the answer that the origin was not asked for.",
        {"type": "string", "pattern": "^[0-9]+$"},
    ),
    "x-cache-saved-usd": (
        "What they would have cost, where the model has a price.",
        {"type": "string", "pattern": r"^[0-9]+(\.[0-9]+)?$"},
    ),
    "age": (
        "Seconds since the answer was stored (RFC 9111, 5.1).",
        {"type": "string", "pattern": "^[0-9]+$"},
    ),
    "cache-status": (
        (
            "RFC 9211: `hit` or `fwd`, `fwd-status`, `ttl`, `stored`, `collapsed`, and in `detail` "
            "the tier or the reason."
        ),
        {"type": "string"},
    ),
    "x-request-id": ("The origin's, or ours where it sent none.", {"type": "string"}),
}
"""Response headers of ours: (meaning, schema)."""


def components() -> Json:
    """The document's reusable parts."""
    return {
        "schemas": {
            "Error": _error(),
            "AnthropicError": _anthropic_error(),
            "Feedback": _feedback(),
            "FeedbackTaken": _feedback_taken(),
            "Readiness": _readiness(),
        },
        "headers": {
            name: {"description": said, "schema": schema}
            for name, (said, schema) in RESPONSE_HEADERS.items()
        },
        "parameters": {
            name: {"name": name, "in": "header", "description": said, "schema": schema}
            for name, (said, schema) in DIRECTIVES.items()
        },
        "securitySchemes": {
            name: {"type": "apiKey", "in": "header", "name": name} for name in KEYS
        },
    }


def ref(kind: str, name: str) -> Json:
    """A reference to one of them."""
    return {"$ref": f"#/components/{kind}/{name}"}


def headers(names: Iterable[str]) -> Json:
    """Response headers, by reference."""
    return {name: ref("headers", name) for name in names}


def failures(*kinds: type[errors.ApiError]) -> Json:
    """The responses of errors that the proxy itself makes, by status."""
    described: dict[int, list[str]] = {}
    for kind in kinds:
        described.setdefault(kind.status, []).append((kind.__doc__ or "").partition("\n")[0])
    return {
        str(status): {
            "description": " ".join(words),
            "headers": headers(["x-request-id"]),
            "content": {JSON: {"schema": ref("schemas", "Error")}},
        }
        for status, words in described.items()
    }


def body_of(table: Table) -> Json:
    """A request body: every parameter that the cache knows, and what it is to the cache.

    Types are the origin's business: what is not of the shape expected is passed on to it.
    """
    properties = {name: {"description": _to_the_cache(row)} for name, row in table.items()}
    return {"type": "object", "properties": properties, "additionalProperties": True}


def _to_the_cache(row: Parameter) -> str:
    where = "Not in the key" if row.part is Part.NOT_IN_KEY else f"In the key ({row.part.value})"
    return f"{where}: {row.why}." if row.why else f"{where}."


def _kinds() -> list[str]:
    classes: list[type[errors.ApiError]] = [errors.ApiError, *errors.ApiError.__subclasses__()]
    return sorted({one.kind for one in classes})


def _error() -> Json:
    text, text_or_null = {"type": "string"}, {"type": ["string", "null"]}
    fields = {
        "message": text,
        "type": {"type": "string", "enum": _kinds()},
        "param": text_or_null,
        "code": text_or_null,
    }
    return closed({"error": closed(fields)}, "An error of the proxy's own, in OpenAI's shape.")


def _anthropic_error() -> Json:
    text = {"type": "string"}
    fields = {
        "type": {"const": "error"},
        "error": closed({"type": text, "message": text}),
        "request_id": text,
    }
    return closed(fields, "The same for whoever sends `anthropic-version`, in Anthropic's shape.")


def closed(fields: Json, said: str | None = None) -> Json:
    """An object that has all these fields and no others."""
    found = {
        "type": "object",
        "properties": fields,
        "required": list(fields),
        "additionalProperties": False,
    }
    return found if said is None else {"description": said, **found}


def _feedback() -> Json:
    word = {"type": ["string", "null"], "minLength": 1, "maxLength": MAX_ID_CHARS}
    return {
        "description": "A verdict on an answer, named by one of two ids.",
        "type": "object",
        "properties": {
            **dict.fromkeys(IDS, word),
            "verdict": {"type": "string", "enum": [verdict.value for verdict in Verdict]},
        },
        "required": ["verdict"],
        "additionalProperties": False,
        "oneOf": [
            {
                "required": [name],
                "properties": {one: {"type": "string" if one == name else "null"} for one in IDS},
            }
            for name in IDS
        ],
    }


def _feedback_taken() -> Json:
    done = {
        "removed": "The entry was there, and was removed everywhere.",
        "marked": "Its question and the request's will not be matched again.",
        "remembered": "And that survives a restart.",
        "learned": "The verdict became a label.",
    }
    return closed(
        {
            "object": {"const": "cache.feedback"},
            "entry_id": {"type": "string"},
            "verdict": {"type": "string", "enum": [verdict.value for verdict in Verdict]},
            **{name: {"type": "boolean", "description": said} for name, said in done.items()},
        }
    )


def _readiness() -> Json:
    return {
        "type": "object",
        "properties": {
            "status": {"type": "string", "enum": ["ready", "degraded"]},
            "parts": {
                "description": "`ok`, or what is wrong with that part of the cache.",
                "type": "object",
                "additionalProperties": {"type": "string"},
            },
            "redis": {"description": "How the connections fare.", "type": "object"},
            "worker": {"description": "Which of several processes.", "type": "integer"},
            "of": {"description": "How many there are.", "type": "integer"},
        },
        "required": ["status", "parts"],
        "additionalProperties": False,
    }
