"""`POST /v1/cache/feedback`: a caller says whether an answer from the cache was any good."""

from typing import Any, Final

import orjson
from aiohttp import web

from proxy.core.canonical import loads
from proxy.errors import BadRequestError, NotAllowedError, NotFoundError
from proxy.feedback import Verdict, give, remembers
from proxy.web import bodies, callers
from proxy.web.keys import PEERS, REQUEST_ID, RUNTIME

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
    raw = await bodies.read(request)
    said = _understood(request, raw)
    if PEERS in request.app and not remembers(request[RUNTIME], *said[:3]):
        told = await request.app[PEERS].take_feedback(raw, _between_workers(request))
        if told is not None:
            return _answer(request, told[1], told[0])
    return await _take(request, *said)


async def handle_known(request: web.Request) -> web.Response:
    """The same from another worker, which does not know the answer that is meant."""
    said = _understood(request, await bodies.read(request))
    if not remembers(request[RUNTIME], *said[:3]):
        raise NotFoundError("This worker gave no such answer.", code="unknown_request")
    return await _take(request, *said)


def _between_workers(request: web.Request) -> dict[str, str]:
    """The headers that say who asks."""
    own = {"host", "connection", "content-length", "transfer-encoding", "expect"}
    return {name: v for name, v in callers.lowered(request).items() if name not in own}


def _understood(request: web.Request, raw: bytes) -> tuple[str, str, str, Verdict]:
    """(tenant, which id, its value, the verdict)."""
    name, value, verdict = read(raw)
    runtime = request[RUNTIME]
    caller = callers.caller(callers.lowered(request), runtime.config, runtime.keys)
    return caller.tenant, name, value, verdict


async def _take(
    request: web.Request, tenant: str, name: str, value: str, verdict: Verdict
) -> web.Response:
    runtime = request[RUNTIME]
    done = await give(runtime, tenant, name, value, verdict)
    if PEERS in request.app and verdict is Verdict.BAD:
        await request.app[PEERS].complain(tenant, done.entry_id, done.pair)
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
    return _answer(request, orjson.dumps(said))


def _answer(request: web.Request, body: bytes, status: int = 200) -> web.Response:
    headers = {"x-request-id": request[REQUEST_ID]}
    return web.Response(body=body, status=status, content_type="application/json", headers=headers)


def read(raw: bytes) -> tuple[str, str, Verdict]:
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
