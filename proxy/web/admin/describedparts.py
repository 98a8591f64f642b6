"""What the descriptions of the admin API's calls share: schemas of values, the shape of a call."""

from typing import Final

from pydantic import BaseModel

from proxy.errors import ApiError, NotAllowedError, NotFoundError, UnauthorizedError
from proxy.web.openapi_parts import JSON, Json, failures, headers, ref

SCHEME: Final = "adminToken"
"""The name of the security scheme."""

TAG: Final[Json] = {
    "name": "admin",
    "description": "For operators: see what is cached, and have it forgotten. Off without a token.",
}

TEXT: Final[Json] = {"type": "string"}
COUNT: Final[Json] = {"type": "integer", "minimum": 0}
USD: Final[Json] = {"type": "number", "minimum": 0}
COUNTS: Final[Json] = {"type": "object", "additionalProperties": COUNT}
TIME: Final[Json] = {"type": "number", "description": "Seconds since the epoch."}
NEVER: Final[Json] = {
    "type": ["number", "null"],
    "description": "Seconds since the epoch; null for never.",
}
UNREACHED: Final[Json] = {
    **COUNT,
    "description": "Workers of this port that may still have private answers.",
}


def operation(
    summary: str,
    said: str,
    answer: str,
    *refusals: type[ApiError],
    media_type: str = JSON,
    **more: object,
) -> Json:
    """One call.

    Args:
        summary: What it is called.
        said: The same in a sentence.
        answer: The schema of what it tells.
        refusals: The proxy's own errors beside those that every call may meet.
        media_type: Of what it tells.
        more: Further fields of the operation.
    """
    own = headers(["x-request-id"])
    content = {media_type: {"schema": ref("schemas", answer)}}
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


def query(model: type[BaseModel]) -> list[Json]:
    """The parameters of a query string that is read as this model."""
    properties: Json = model.model_json_schema()["properties"]
    return [
        {"name": name, "in": "query", "description": schema.pop("description"), "schema": schema}
        for name, schema in properties.items()
    ]
