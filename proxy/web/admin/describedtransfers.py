"""Export and import, in the OpenAPI document."""

from proxy.errors import BadRequestError, ForbiddenError, UnavailableError
from proxy.web.admin.asked import Filter
from proxy.web.admin.describedparts import COUNT, COUNTS, TEXT, operation, query
from proxy.web.admin.exporting import CONTENT_TYPE
from proxy.web.admin.routes import EXPORT, IMPORT
from proxy.web.openapi_parts import Json, closed


def paths() -> Json:
    """Every path, and what it takes and tells."""
    lines = {CONTENT_TYPE: {"schema": {**TEXT, "description": "Lines of JSON: docs/backup.md."}}}
    return {
        EXPORT: {
            "get": operation(
                "Export entries",
                "Whole, in the order of their ids: the same entries are the same bytes. A reply "
                "without its last line, `cache.export.end`, was cut short.",
                "Export",
                BadRequestError,
                ForbiddenError,
                UnavailableError,
                media_type=CONTENT_TYPE,
                parameters=query(Filter),
            )
        },
        IMPORT: {
            "post": operation(
                "Import entries",
                "Of an export, or past chats. A line that is no good is reported and left out; an "
                "answer here that is as new stays.",
                "Imported",
                BadRequestError,
                UnavailableError,
                requestBody={"required": True, "content": lines},
            )
        },
    }


def schemas() -> Json:
    """The bodies."""
    skipped = {
        "expired": {**COUNT, "description": "Their time is over."},
        "newer_here": {**COUNT, "description": "An answer as new or newer is here."},
    }
    problem = closed({"line": {"type": "integer", "minimum": 1}, "message": TEXT})
    return {
        "Export": {**TEXT, "description": "An entry a line, as JSON; see docs/backup.md."},
        "Imported": closed(
            {
                "object": {"const": "cache.import"},
                "imported": {**COUNT, "description": "Entries that are stored now."},
                "skipped": closed(skipped),
                "refused": {**COUNTS, "description": "Chats that the rules keep out, by reason."},
                "failed": {**COUNT, "description": "Lines that are no good."},
                "problems": {
                    "description": "The first of them.",
                    "type": "array",
                    "items": problem,
                },
            }
        ),
    }
