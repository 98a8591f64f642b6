"""`POST /v1/cache/feedback`: a caller says whether an answer from the cache was any good."""

from typing import Any, Final

import orjson
from aiohttp import web

from proxy.core.canonical import loads
from proxy.errors import BadRequestError, NotAllowedError
from proxy.feedback import Verdict, give
from proxy.web import callers
from proxy.web.keys import REQUEST_ID, RUNTIME

PATH: Final = "/v1/cache/feedback"

IDS: Final = ("entry_id", "request_id")
KNOWN: Final = frozenset({*IDS, "verdict"})
MAX_ID_CHARS: Final = 256


async def handle(request: web.Request) -> web.Response:
    """Take a verdict, and say what was done."""
    if request.method != "POST":
        raise NotAllowedError(
            f"{PATH} does not take {request.method}.",
            code="method_not_allowed",
            headers={"allow": "POST"},
        )
    runtime = request.app[RUNTIME]
    name, value, verdict = _read(await request.read())
    tenant = callers.caller(callers.lowered(request), runtime.config).tenant
    done = await give(runtime, tenant, name, value, verdict)
    runtime.observer.event(
        "feedback", tenant=tenant, entry=done.entry_id, verdict=verdict.value, removed=done.removed
    )
    said = {
        "object": "cache.feedback",
        "entry_id": done.entry_id,
        "verdict": verdict.value,
        "removed": done.removed,
        "marked": done.marked,
        "remembered": done.remembered,
        "learned": done.learned,
    }
    headers = {"x-request-id": request[REQUEST_ID]}
    return web.Response(body=orjson.dumps(said), content_type="application/json", headers=headers)


def _read(raw: bytes) -> tuple[str, str, Verdict]:
    """(which id, its value, the verdict). Raises BadRequestError naming the field."""
    body = _parsed(raw)
    for name in body:
        if name not in KNOWN:
            raise _bad(f"There is no field {name!r}; there are {', '.join(sorted(KNOWN))}.", name)
    given = [name for name in IDS if body.get(name) is not None]
    if len(given) != 1:
        raise _bad("Give one of entry_id and request_id.", given[-1] if given else IDS[0])
    (name,) = given
    value = body[name]
    if not isinstance(value, str) or not 0 < len(value) <= MAX_ID_CHARS:
        raise _bad(f"{name} must be a text of 1 to {MAX_ID_CHARS} characters.", name)
    verdict = body.get("verdict")
    if verdict not in list(Verdict):
        raise _bad("verdict must be good or bad.", "verdict")
    return name, value, Verdict(verdict)


def _parsed(raw: bytes) -> dict[str, Any]:
    try:
        body = loads(raw)
    except ValueError as error:
        raise BadRequestError(f"The body is not JSON: {error}", code="invalid_json") from error
    if not isinstance(body, dict):
        raise BadRequestError("The body is not a JSON object.", code="invalid_json")
    return body


def _bad(message: str, param: str) -> BadRequestError:
    return BadRequestError(message, param=param, code="invalid_feedback")
