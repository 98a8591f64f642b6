"""The list of processes over one shared tier, in the OpenAPI document."""

from proxy.errors import UnavailableError
from proxy.web.admin.describedparts import COUNT, COUNTS, TEXT, TIME, operation
from proxy.web.admin.routes import REPLICAS
from proxy.web.openapi_parts import Json, closed, ref


def paths() -> Json:
    """Every path, and what it takes and tells."""
    return {
        REPLICAS: {
            "get": operation(
                "Processes over the shared tier",
                "All that have said in time that they are there.",
                "Replicas",
                UnavailableError,
            )
        }
    }


def schemas() -> Json:
    """The bodies."""
    replica = {
        "object": {"const": "cache.replica"},
        **dict.fromkeys(("id", "host", "version", "config_digest"), TEXT),
        "pid": COUNT,
        "worker": {"type": ["integer", "null"], "description": "Among several on one port."},
        "url": {"type": ["string", "null"], "description": "Where callers reach it."},
        "started_at": TIME,
        "seen_at": {**TIME, "description": "When it last said so, seconds since the epoch."},
        "is_self": {"type": "boolean", "description": "It has given this reply."},
        "position_lag": {
            "type": ["integer", "null"],
            "description": "Records of the change log that it had not read then.",
        },
        "entries": {**COUNTS, "description": "In its own tiers."},
        "parts": {
            "description": "`ok`, or what is wrong with that part of its cache.",
            "type": "object",
            "additionalProperties": TEXT,
        },
    }
    items = {"type": "array", "items": ref("schemas", "Replica")}
    return {
        "Replica": closed(replica),
        "Replicas": closed({"object": {"const": "list"}, "data": items}),
    }
