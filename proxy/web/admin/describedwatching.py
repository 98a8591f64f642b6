"""What happened lately, and explanations, in the OpenAPI document."""

from typing import Final

from proxy.core.model import Result, Tier
from proxy.errors import BadRequestError, TooLargeError
from proxy.telemetry.history import QUANTILES, SOURCES
from proxy.web.admin.describedparts import COUNT, COUNTS, TEXT, TIME, USD, operation, query
from proxy.web.admin.explaining import Explained
from proxy.web.admin.routes import DECISIONS, EVENTS, EXPLAIN, HISTORY, REQUESTS
from proxy.web.admin.watching import Back, Decided, Requests
from proxy.web.openapi_parts import JSON, Json, closed, ref

UNREACHED: Final[Json] = {**COUNT, "description": "Workers of this port that did not answer."}
SHARE: Final[Json] = {"type": ["number", "null"]}
BINS: Final[Json] = {
    "type": "array",
    "description": "The lower edge of each bin that is not empty, and how many are in it.",
    "items": {"type": "array", "prefixItems": [{"type": "number"}, COUNT], "minItems": 2},
}
_TEXT_OR_NULL: Final[Json] = {"type": ["string", "null"]}
_FLAG_OR_NULL: Final[Json] = {"type": ["boolean", "null"]}


def paths() -> Json:
    """Every path, and what it takes and tells."""
    return {
        REQUESTS: {
            "get": operation(
                "The last requests",
                "Newest first; each worker remembers a thousand.",
                "Requests",
                BadRequestError,
                parameters=query(Requests),
            )
        },
        DECISIONS: {
            "get": operation(
                "What was decided of neighbours",
                "Similarities and probabilities by what was decided; and what decides now.",
                "Decisions",
                BadRequestError,
                parameters=query(Decided),
            )
        },
        HISTORY: {
            "get": operation(
                "What happened when",
                "Requests, latencies and savings in steps of time, for charts.",
                "History",
                BadRequestError,
                parameters=query(Back),
            )
        },
        EVENTS: {"get": _events()},
        EXPLAIN: {"post": _explain()},
    }


def schemas() -> Json:
    """The bodies."""
    cursor = {**_TEXT_OR_NULL, "description": "The next page's `cursor`; null at the end."}
    requests = {"type": "array", "items": ref("schemas", "Request")}
    return {
        "Request": _request(),
        "Requests": closed(
            {
                "object": {"const": "list"},
                "data": requests,
                "next_cursor": cursor,
                "unreached_workers": UNREACHED,
            }
        ),
        "Decisions": _decisions(),
        "History": closed(
            {
                "object": {"const": "cache.history"},
                "step_s": {"enum": [10, 60], "description": "Seconds from point to point."},
                "points": {"type": "array", "items": _point()},
                "unreached_workers": UNREACHED,
            }
        ),
        "Events": {**TEXT, "description": "Messages as in WHATWG HTML, 9.2; see docs/admin.md."},
        "Explained": Explained.model_json_schema(),
        "Explanation": _explanation(),
    }


def wrong_hits() -> Json:
    """The estimate, by namespace."""
    share = {"type": "number", "minimum": 0, "maximum": 1}
    one = {
        "namespace": TEXT,
        "audited": {**COUNT, "description": "Hits compared with a fresh answer."},
        "wrong": COUNT,
        "rate": {**SHARE, "description": "Null where nothing was compared."},
        "low": {**share, "description": "Of the interval: at 95 % the share is above."},
        "high": {**share, "description": "At 95 % it is below."},
    }
    return {"type": "array", "description": "Where hits are audited.", "items": closed(one)}


def _request() -> Json:
    milliseconds = {"type": ["number", "null"], "description": "Milliseconds."}
    texts = ("id", "api", "model", "tenant", "namespace", "reason")
    fields: Json = {
        "object": {"const": "cache.request"},
        **dict.fromkeys(texts, TEXT),
        "at": {**TIME, "description": "When it was over, seconds since the epoch."},
        "result": {"enum": [result.value for result in Result]},
        "tier": {"enum": [*(tier.value for tier in Tier), None]},
        "entry": _TEXT_OR_NULL,
        "similarity": SHARE,
        "probability": SHARE,
        "status": {"type": "integer"},
        "stream": {"type": "boolean"},
        "age": {**SHARE, "description": "Of the entry served, seconds."},
        "duration_ms": milliseconds,
        "upstream_ms": milliseconds,
        "tokens_saved": COUNT,
        "saved_usd": USD,
        "stored": _FLAG_OR_NULL,
    }
    told = closed(fields)
    question = {**TEXT, "description": "Only with `admin.show_questions: true`."}
    return {**told, "properties": {**fields, "question": question}}


def _decisions() -> Json:
    numbers = dict.fromkeys(("floor", "threshold", "min_probability"), SHARE)
    ids = dict.fromkeys(("embedder", "verifier"), _TEXT_OR_NULL)
    bins = dict.fromkeys(("hits", "unsure", "vetoes", "near"), BINS)
    return closed(
        {
            "object": {"const": "cache.decisions"},
            "since": {**TIME, "description": "All decisions from then on are counted."},
            "looked": {**COUNT, "description": "Decisions."},
            "in_force": closed({**numbers, **ids}, "What decides now; null where nothing does."),
            "bin": {"type": "number", "description": "The width of a bin of similarities."},
            "similarity": closed(bins),
            "vetoes_by_reason": COUNTS,
            "probability": closed(dict.fromkeys(("hits", "unsure"), BINS), "In bins of 0.05."),
            "unreached_workers": UNREACHED,
        }
    )


def _point() -> Json:
    quantiles = closed({name: {"type": "number"} for name in QUANTILES})
    return closed(
        {
            "at": {**TIME, "description": "When the step began."},
            "requests": {**COUNTS, "description": "By result, where there were any."},
            "tiers": {**COUNTS, "description": "By the tier that answered."},
            "latency_ms": {
                "description": "By who gave the answer; within five per cent.",
                "type": "object",
                "properties": dict.fromkeys(SOURCES.values(), quantiles),
                "additionalProperties": False,
            },
            "tokens_saved": COUNT,
            "saved_usd": USD,
            "errors": {**COUNT, "description": "Answers with a status from 500 up."},
        }
    )


def _events() -> Json:
    last = {
        "name": "last-event-id",
        "in": "header",
        "description": "The id of the last message that was read: go on after it.",
        "schema": TEXT,
    }
    return operation(
        "Follow what happens",
        "Requests and events of all workers of this port, as they happen.",
        "Events",
        BadRequestError,
        media_type="text/event-stream",
        parameters=[last],
    )


def _explain() -> Json:
    example = {"question": "How do I reset my password?", "model": "gpt-4o-mini"}
    body = {"schema": ref("schemas", "Explained"), "example": example}
    return operation(
        "Explain a request",
        "What would answer it now, or why nothing would. Nothing is counted, stored or moved.",
        "Explanation",
        BadRequestError,
        TooLargeError,
        requestBody={"required": True, "content": {JSON: body}},
    )


def _explanation() -> Json:
    decision = {"served": {"type": "boolean"}, "tier": _TEXT_OR_NULL, "reason": TEXT}
    neighbour = {
        "entry": TEXT,
        "steps": {
            "type": "array",
            "items": closed(dict.fromkeys(("stage", "word", "detail"), TEXT)),
        },
        "pair": {"type": "object"},
    }
    return closed(
        {
            "object": {"const": "cache.explanation"},
            "decision": closed(decision),
            "key": {"type": "object", "additionalProperties": TEXT},
            "new": {"type": "object", "description": "The request, read: docs/explain.md."},
            "neighbours": {"type": "array", "items": closed(neighbour)},
        }
    )
