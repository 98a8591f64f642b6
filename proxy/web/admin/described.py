"""The admin API's part of the OpenAPI document."""

from typing import Final

from proxy.core.model import Result
from proxy.errors import (
    ApiError,
    BadRequestError,
    NotAllowedError,
    NotFoundError,
    TooLargeError,
    UnauthorizedError,
    UnavailableError,
)
from proxy.web.admin.asked import Invalidation
from proxy.web.admin.entries import Listing
from proxy.web.admin.routes import CONFIG, ENTRIES, ENTRY, INVALIDATE, STATS
from proxy.web.openapi_parts import JSON, Json, closed, failures, headers, ref

SCHEME: Final = "adminToken"
"""The name of the security scheme."""

TAG: Final[Json] = {
    "name": "admin",
    "description": "For operators: see what is cached, and have it forgotten. Off without a token.",
}

_TEXT: Final[Json] = {"type": "string"}
_COUNT: Final[Json] = {"type": "integer", "minimum": 0}
_COUNTS: Final[Json] = {"type": "object", "additionalProperties": _COUNT}
_TIME: Final[Json] = {"type": "number", "description": "Seconds since the epoch."}
_NEVER: Final[Json] = {
    "type": ["number", "null"],
    "description": "Seconds since the epoch; null for never.",
}
_UNREACHED: Final[Json] = {
    **_COUNT,
    "description": "Workers of this port that may still have private answers.",
}


def scheme() -> Json:
    """How an operator proves to be one."""
    return {"type": "http", "scheme": "bearer", "description": "The proxy's `admin.token`."}


def paths() -> Json:
    """Every path, and what it takes and tells."""
    return {
        INVALIDATE: {"post": _invalidate()},
        STATS: {
            "get": _operation(
                "What the cache has done",
                "Since the start, by all workers of this port; and how its parts are.",
                "Stats",
            )
        },
        CONFIG: {
            "get": _operation(
                "The configuration as it holds", "Every key; secrets are hidden.", "Settings"
            )
        },
        ENTRIES: {"get": _list()},
        ENTRY: {"parameters": [_entry_id()], "get": _show(), "delete": _delete()},
    }


def schemas() -> Json:
    """The bodies."""
    return {
        "Invalidation": Invalidation.model_json_schema(),
        "Invalidated": closed(
            {
                "object": {"const": "cache.invalidation"},
                "dry_run": {"type": "boolean"},
                "count": {**_COUNT, "description": "Entries forgotten, or that would be."},
                "ids": {"type": "array", "items": _TEXT, "description": "Of them; the first ones."},
                "has_more_ids": {"type": "boolean"},
                "unreached_workers": _UNREACHED,
            }
        ),
        "Stats": _stats(),
        "Settings": closed({"object": {"const": "cache.config"}, "config": {"type": "object"}}),
        "Entry": _entry(),
        "Entries": closed(
            {
                "object": {"const": "list"},
                "data": {"type": "array", "items": ref("schemas", "Entry")},
                "next_cursor": {
                    "type": ["string", "null"],
                    "description": "The next page's `cursor`; null at the end.",
                },
            }
        ),
        "EntryDeleted": closed(
            {
                "object": {"const": "cache.entry.deleted"},
                "id": _TEXT,
                "deleted": {"const": True},
                "unreached_workers": _UNREACHED,
            }
        ),
    }


def _stats() -> Json:
    results = closed({result.value: _COUNT for result in Result})
    ratio = {"type": ["number", "null"], "description": "Of the requests that were looked up."}
    requests = {"total": _COUNT, "by_result": results, "by_tier": _COUNTS, "by_api": _COUNTS}
    tokens = ("saved", "prompt_saved", "completion_saved", "from_origin")
    backlog = {"entries": _COUNT, "bytes": _COUNT, "drained": _COUNT, "dropped": _COUNTS}
    return closed(
        {
            "object": {"const": "cache.stats"},
            "version": _TEXT,
            "since": {"type": ["number", "null"], "description": "When counting began."},
            "uptime_s": {"type": ["number", "null"], "description": "Seconds since then."},
            "workers": {"type": ["integer", "null"], "description": "That answered; null: one."},
            "requests": closed({**requests, "hit_ratio": ratio}),
            "tokens": closed(dict.fromkeys(tokens, _COUNT)),
            "saved_usd": {"type": "number", "minimum": 0},
            "entries": {
                "description": "By tier; null where the tier does not say.",
                "type": "object",
                "additionalProperties": {"type": ["integer", "null"], "minimum": 0},
            },
            "backlog": closed(backlog, "What waits for the shared tier."),
            "parts": {
                "description": "`ok`, or what is wrong with that part of the cache.",
                "type": "object",
                "additionalProperties": _TEXT,
            },
        }
    )


def _entry() -> Json:
    fields: Json = {
        "object": {"const": "cache.entry"},
        **dict.fromkeys(("id", "scope", "tenant", "namespace", "model"), _TEXT),
        "tags": {"type": "array", "items": _TEXT},
        "created_at": _TIME,
        "expires_at": _NEVER,
        "kept_until": _NEVER,
        "size": {**_COUNT, "description": "Bytes of the answer."},
        "is_indexed": {"type": "boolean", "description": "Another question may find it."},
    }
    told = closed(fields)
    question = {**_TEXT, "description": "Only with `admin.show_questions: true`."}
    return {**told, "properties": {**fields, "question": question}}


def _operation(
    summary: str, said: str, answer: str, *refusals: type[ApiError], **more: object
) -> Json:
    """One call.

    Args:
        summary: What it is called.
        said: The same in a sentence.
        answer: The schema of what it tells.
        refusals: The proxy's own errors beside those that every call may meet.
        more: Further fields of the operation.
    """
    own = headers(["x-request-id"])
    content = {JSON: {"schema": ref("schemas", answer)}}
    told = {"description": "What was asked for.", "headers": own, "content": content}
    always = (UnauthorizedError, NotFoundError, NotAllowedError)
    return {
        "tags": [TAG["name"]],
        "summary": summary,
        "description": said,
        "responses": {"200": told, **failures(*always, *refusals)},
        "security": [{SCHEME: []}],
        **more,
    }


def _invalidate() -> Json:
    body = {
        "schema": ref("schemas", "Invalidation"),
        "example": {"tags": ["faq"], "dry_run": True},
    }
    return _operation(
        "Forget entries",
        "In every tier and every replica, for good. All fields that are given must hold.",
        "Invalidated",
        BadRequestError,
        TooLargeError,
        UnavailableError,
        requestBody={"required": True, "content": {JSON: body}},
    )


def _list() -> Json:
    properties: Json = Listing.model_json_schema()["properties"]
    return _operation(
        "List entries",
        "In pages; one may have fewer than asked for, or none, although more follow.",
        "Entries",
        BadRequestError,
        UnavailableError,
        parameters=[
            {
                "name": name,
                "in": "query",
                "description": schema.pop("description"),
                "schema": schema,
            }
            for name, schema in properties.items()
        ],
    )


def _entry_id() -> Json:
    said = "As `x-cache-entry` has it."
    return {"name": "id", "in": "path", "required": True, "description": said, "schema": _TEXT}


def _show() -> Json:
    return _operation("One entry", "All that is said of it.", "Entry", UnavailableError)


def _delete() -> Json:
    said = "Everywhere, and for good; a private one too, of which no list tells."
    refusals = (BadRequestError, UnavailableError)
    return _operation("Forget one entry", said, "EntryDeleted", *refusals)
