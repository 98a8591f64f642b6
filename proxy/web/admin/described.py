"""The admin API's part of the OpenAPI document."""

from proxy.core.model import Result
from proxy.core.spending import Part
from proxy.errors import BadRequestError, ForbiddenError, TooLargeError, UnavailableError
from proxy.reloading import By
from proxy.web.admin import describedreplicas, describedtransfers, describedwatching
from proxy.web.admin.asked import Invalidation
from proxy.web.admin.describedparts import (
    COUNT,
    COUNTS,
    NEVER,
    TEXT,
    TIME,
    UNREACHED,
    USD,
    operation,
    query,
)
from proxy.web.admin.entries import Listing
from proxy.web.admin.routes import CONFIG, ENTRIES, ENTRY, INVALIDATE, RELOAD, STATS
from proxy.web.openapi_parts import JSON, Json, closed, ref


def scheme() -> Json:
    """How an operator proves to be one."""
    return {"type": "http", "scheme": "bearer", "description": "The proxy's `admin.token`."}


def paths() -> Json:
    """Every path, and what it takes and tells."""
    return {
        INVALIDATE: {"post": _invalidate()},
        STATS: {
            "get": operation(
                "What the cache has done",
                "Since the start, by all workers of this port; and how its parts are.",
                "Stats",
            )
        },
        CONFIG: {
            "get": operation(
                "The configuration as it holds",
                "Every key, secrets hidden; and what came of the last reload.",
                "Settings",
            )
        },
        RELOAD: {
            "post": operation(
                "Reload the configuration",
                "All workers of this port read it anew and follow it. One that cannot be used "
                "changes nothing: 400 with `invalid_config`, a problem a line.",
                "Reloaded",
                BadRequestError,
            )
        },
        **describedreplicas.paths(),
        ENTRIES: {"get": _list()},
        ENTRY: {"parameters": [_entry_id()], "get": _show(), "delete": _delete()},
        **describedtransfers.paths(),
        **describedwatching.paths(),
    }


def schemas() -> Json:
    """The bodies."""
    return {
        "Invalidation": Invalidation.model_json_schema(),
        "Invalidated": _invalidated(),
        "Stats": _stats(),
        "Settings": closed(
            {
                "object": {"const": "cache.config"},
                "config": {"type": "object"},
                "file": {"type": ["string", "null"], "description": "Null where there is none."},
                "reload": {"oneOf": [{"type": "null"}, closed(_reload())]},
            }
        ),
        "Reloaded": closed({**_reload(), "unreached_workers": COUNT}),
        **describedreplicas.schemas(),
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
        **describedtransfers.schemas(),
        **describedwatching.schemas(),
        "EntryDeleted": closed(
            {
                "object": {"const": "cache.entry.deleted"},
                "id": TEXT,
                "deleted": {"const": True},
                "unreached_workers": UNREACHED,
            }
        ),
    }


def _invalidated() -> Json:
    return closed(
        {
            "object": {"const": "cache.invalidation"},
            "dry_run": {"type": "boolean"},
            "count": {
                "type": ["integer", "null"],
                "minimum": 0,
                "description": "Entries forgotten, or that would be; null of a whole namespace.",
            },
            "ids": {"type": "array", "items": TEXT, "description": "Of them; the first ones."},
            "has_more_ids": {"type": "boolean"},
            "generation": {
                "type": ["integer", "null"],
                "description": "The number of a whole namespace's purge; null of any other.",
            },
            "unreached_workers": UNREACHED,
        }
    )


def _stats() -> Json:
    results = closed({result.value: COUNT for result in Result})
    ratio = {"type": ["number", "null"], "description": "Of the requests that were looked up."}
    requests = {"total": COUNT, "by_result": results, "by_tier": COUNTS, "by_api": COUNTS}
    tokens = ("saved", "prompt_saved", "completion_saved", "from_origin")
    backlog = {"entries": COUNT, "bytes": COUNT, "drained": COUNT, "dropped": COUNTS}
    return closed(
        {
            "object": {"const": "cache.stats"},
            "version": TEXT,
            "since": {"type": ["number", "null"], "description": "When counting began."},
            "uptime_s": {"type": ["number", "null"], "description": "Seconds since then."},
            "workers": {"type": ["integer", "null"], "description": "That answered; null: one."},
            "requests": closed({**requests, "hit_ratio": ratio}),
            "tokens": closed(dict.fromkeys(tokens, COUNT)),
            "saved_usd": USD,
            "cost": closed(
                {
                    "saved_usd": USD,
                    "spent_usd": closed({part.value: USD for part in Part}, "By part."),
                    "net_usd": {"type": "number"},
                },
                "What is saved, and what the cache itself spends at servers that bill.",
            ),
            "wrong_hits": describedwatching.wrong_hits(),
            "entries": {
                "description": "By tier; null where the tier does not say.",
                "type": "object",
                "additionalProperties": {"type": ["integer", "null"], "minimum": 0},
            },
            "backlog": closed(backlog, "What waits for the shared tier."),
            "reembedding": {
                "description": "Entries that are yet to be given a vector; null: none are.",
                "oneOf": [closed({"left": COUNT, "done": COUNT}), {"type": "null"}],
            },
            "parts": {
                "description": "`ok`, or what is wrong with that part of the cache.",
                "type": "object",
                "additionalProperties": TEXT,
            },
        }
    )


def _entry() -> Json:
    fields: Json = {
        "object": {"const": "cache.entry"},
        **dict.fromkeys(("id", "scope", "tenant", "namespace", "model"), TEXT),
        "tags": {"type": "array", "items": TEXT},
        "created_at": TIME,
        "expires_at": NEVER,
        "kept_until": NEVER,
        "size": {**COUNT, "description": "Bytes of the answer."},
        "is_indexed": {"type": "boolean", "description": "Another question may find it."},
        "principal": {**TEXT, "description": "By whose credential the origin was asked."},
        "confirmed": {"type": "boolean", "description": "Somebody else's answer has agreed."},
    }
    told = closed(fields)
    more = {
        "question": {**TEXT, "description": "Only with `admin.show_questions: true`."},
        "similarity": {"type": "number", "description": "Only in a search by `like`."},
    }
    return {**told, "properties": {**fields, **more}}


def _reload() -> Json:
    keys = {"type": "array", "items": TEXT}
    return {
        "object": {"const": "cache.reload"},
        "ok": {"type": "boolean"},
        "at": TIME,
        "by": {"enum": [by.value for by in By]},
        "changed": {**keys, "description": "Keys that now have another value."},
        "needs_restart": {**keys, "description": "Keys whose new value only a restart follows."},
        "problems": {**keys, "description": "Why nothing was changed."},
    }


def _invalidate() -> Json:
    body = {
        "schema": ref("schemas", "Invalidation"),
        "example": {"tags": ["faq"], "dry_run": True},
    }
    return operation(
        "Forget entries",
        "In every tier and every replica, for good. All fields that are given must hold.",
        "Invalidated",
        BadRequestError,
        TooLargeError,
        UnavailableError,
        requestBody={"required": True, "content": {JSON: body}},
    )


def _list() -> Json:
    return operation(
        "List entries",
        "In pages; one may have fewer than asked for, or none, although more follow.",
        "Entries",
        BadRequestError,
        ForbiddenError,
        UnavailableError,
        parameters=query(Listing),
    )


def _entry_id() -> Json:
    said = "As `x-cache-entry` has it."
    return {"name": "id", "in": "path", "required": True, "description": said, "schema": TEXT}


def _show() -> Json:
    return operation("One entry", "All that is said of it.", "Entry", UnavailableError)


def _delete() -> Json:
    said = "Everywhere, and for good; a private one too, of which no list tells."
    refusals = (BadRequestError, UnavailableError)
    return operation("Forget one entry", said, "EntryDeleted", *refusals)
