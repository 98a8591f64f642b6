"""What happened lately: requests one by one, what was decided of neighbours, and a history.

Each worker of this port remembers its own. Any of them answers for all, and says how many of the
others did not answer in time.
"""

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Annotated, Final, TypeVar

import orjson
from aiohttp import web
from pydantic import Field, WithJsonSchema

from proxy.core.model import Result
from proxy.errors import BadRequestError, TierError
from proxy.runtime import Runtime
from proxy.telemetry import decisions, history
from proxy.telemetry.decisions import Report
from proxy.telemetry.history import MINUTES
from proxy.telemetry.recent import Place, request_told
from proxy.web.admin.acting import Json, Told
from proxy.web.admin.asked import Asked, Word, once, read
from proxy.web.keys import PEERS, RUNTIME

T = TypeVar("T")

OWN_REQUESTS: Final = "/requests"
OWN_DECISIONS: Final = "/decisions"
OWN_HISTORY: Final = "/history"
"""Where workers ask one another."""

Namespace = Annotated[str, Field(max_length=256)]
Answered = Annotated[Result, WithJsonSchema({"enum": [result.value for result in Result]})]


class Requests(Asked):
    """Which requests shall be listed: all parameters that are given must hold."""

    namespace: Namespace | None = None
    """Of this namespace; an empty one is that of requests that name none."""

    result: Answered | None = None
    """Answered this way, as `x-cache` has it."""

    limit: Annotated[int, Field(ge=1, le=1000)] = 100
    """The most requests in one page."""

    cursor: Word | None = None
    """Where to go on: `next_cursor` of the page before."""

    @property
    def after(self) -> Place | None:
        """The cursor, read. Raises BadRequestError when it is of no such list."""
        if self.cursor is None:
            return None
        at, _, request_id = self.cursor.partition(":")
        try:
            return float(at), request_id
        except ValueError:
            raise BadRequestError(
                "cursor is not one of this list's.", param="cursor", code="invalid_cursor"
            ) from None


class Decided(Asked):
    """Which decisions shall be counted."""

    namespace: Namespace | None = None
    """Of this namespace; an empty one is that of requests that name none."""


class Back(Asked):
    """How far back a history goes."""

    minutes: Annotated[int, Field(ge=1, le=MINUTES)] = 60
    """So many minutes, up to a day; more than an hour comes in steps of a minute."""


async def handle_requests(request: web.Request) -> Told:
    """The last requests, newest first."""
    asked = read(lambda: Requests.model_validate(once(request.query)))
    own = _own_requests(request[RUNTIME], asked)
    parts, unreached = await _all(request, OWN_REQUESTS, own, orjson.loads)
    found = sorted((one for part in parts for one in part), key=_place, reverse=True)
    page = found[: asked.limit]
    is_more = len(found) > len(page) or any(len(part) == asked.limit for part in parts)
    body = {
        "object": "list",
        "data": page,
        "next_cursor": "{!r}:{}".format(*_place(page[-1])) if page and is_more else None,
        "unreached_workers": unreached,
    }
    return Told(body, len(page))


async def handle_decisions(request: web.Request) -> Told:
    """What was decided of the neighbours that lookups found, and by which rules one decides now."""
    asked = read(lambda: Decided.model_validate(once(request.query)))
    runtime = request[RUNTIME]
    own = runtime.watch.decisions.report(asked.namespace)
    parts, unreached = await _all(request, OWN_DECISIONS, own, _report)
    found = decisions.together(parts)
    body = {
        "object": "cache.decisions",
        "since": found.since,
        "looked": found.looked,
        "in_force": in_force(runtime),
        "bin": decisions.SIMILARITY_BIN,
        "similarity": found.similarity,
        "vetoes_by_reason": found.vetoes,
        "probability": found.probability,
        "unreached_workers": unreached,
    }
    return Told(body, found.looked)


async def handle_history(request: web.Request) -> Told:
    """Counts and latencies of the last minutes, in steps."""
    asked = read(lambda: Back.model_validate(once(request.query)))
    now = time.time()
    own = request[RUNTIME].watch.history.steps(asked.minutes, now)
    parts, unreached = await _all(request, OWN_HISTORY, own, history.loads)
    steps = [one for part in parts for one in part]
    body = {
        "object": "cache.history",
        "step_s": history.step_s(asked.minutes),
        "points": await asyncio.to_thread(history.points, steps, asked.minutes, now),
        "unreached_workers": unreached,
    }
    return Told(body)


def in_force(runtime: Runtime) -> Json:
    """The numbers that decide about a neighbour now; null where nothing does."""
    semantic, least = runtime.semantic, runtime.limits.threshold
    if semantic is None:
        return dict.fromkeys(("floor", "threshold", "min_probability", "embedder", "verifier"))
    verification = semantic.verification
    return {
        "floor": least,
        "threshold": least if verification is None else None,
        "min_probability": verification.min_probability if verification else None,
        "embedder": _id(lambda: semantic.embedder.id),
        "verifier": _id(lambda: verification.verifier.id) if verification else None,
    }


def _id(say: Callable[[], str]) -> str:
    try:
        return say()
    except TierError:
        return "unknown"  # its files cannot be read: its stage says so


def add_own(router: web.UrlDispatcher) -> None:
    """Have an application that only other workers reach tell what this one knows."""
    router.add_get(OWN_REQUESTS, _tell_requests)
    router.add_get(OWN_DECISIONS, _tell_decisions)
    router.add_get(OWN_HISTORY, _tell_history)


async def _tell_requests(request: web.Request) -> web.Response:
    asked = Requests.model_validate(dict(request.query))
    return web.Response(body=orjson.dumps(_own_requests(request[RUNTIME], asked)))


async def _tell_decisions(request: web.Request) -> web.Response:
    asked = Decided.model_validate(dict(request.query))
    report = request[RUNTIME].watch.decisions.report(asked.namespace)
    return web.Response(body=orjson.dumps(asdict(report)))


async def _tell_history(request: web.Request) -> web.Response:
    asked = Back.model_validate(dict(request.query))
    steps = request[RUNTIME].watch.history.steps(asked.minutes, time.time())
    return web.Response(body=await asyncio.to_thread(history.dumps, steps))


async def _all(
    request: web.Request, path: str, own: T, loads: Callable[[bytes], T]
) -> tuple[list[T], int]:
    """What all workers say, this one first; and how many said nothing.

    Args:
        request: The operator's, whose query the others are asked with.
        path: Where they are asked.
        own: What this one says.
        loads: Reads what another one said.
    """
    if PEERS not in request.app:
        return [own], 0
    replies = await request.app[PEERS].each(path, request.query)
    told = [loads(reply) for reply in replies if reply is not None]
    return [own, *told], len(replies) - len(told)


def _own_requests(runtime: Runtime, asked: Requests) -> list[Json]:
    with_question = runtime.config.admin.show_questions
    found = runtime.watch.recent.page(
        asked.limit, after=asked.after, namespace=asked.namespace, result=asked.result
    )
    return [request_told(one.at, one.outcome, with_question=with_question) for one in found]


def _place(told: Mapping[str, object]) -> Place:
    """As `proxy.telemetry.recent.place_of`, of a request that was told."""
    return float(str(told["at"])), str(told["id"])


def _report(said: bytes) -> Report:
    return Report(**orjson.loads(said))
