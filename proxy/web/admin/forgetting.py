"""`POST /admin/v1/invalidate`: have entries forgotten, in every tier and by every replica.

A caller reaches one of several workers. Each has answers that no other knows: private ones, and
those that wait for the shared tier. So all are told, and each forgets what it has.
"""

from dataclasses import dataclass
from typing import Final

from aiohttp import web

from proxy.runtime import Runtime
from proxy.web.admin.acting import Told
from proxy.web.admin.asked import Invalidation, away, read
from proxy.web.keys import PEERS, RUNTIME

MAX_TOLD: Final = 1000
"""Ids that a reply names; the count is of all."""


@dataclass(frozen=True, slots=True)
class Forgotten:
    """What was forgotten.

    Attributes:
        ids: In the shared tier, or on their way there.
        held: Copies in session tiers; private answers are nowhere else.
        unreached: Workers of this port that did not say in time that they have forgotten, too.
    """

    ids: tuple[str, ...]
    held: int = 0
    unreached: int = 0


async def handle(request: web.Request) -> Told:
    """Forget what is chosen, or count it."""
    raw = await request.read()
    asked = read(lambda: Invalidation.model_validate_json(raw))
    done = await everywhere(request, asked)
    body = {
        "object": "cache.invalidation",
        "dry_run": asked.dry_run,
        "count": len(done.ids),
        "ids": done.ids[:MAX_TOLD],
        "has_more_ids": len(done.ids) > MAX_TOLD,
        "unreached_workers": done.unreached,
    }
    by = ",".join(asked.named) or "everything"
    return Told(body, len(done.ids), {"by": by, "dry_run": asked.dry_run})


async def everywhere(request: web.Request, asked: Invalidation) -> Forgotten:
    """The same as `here`, and by the other workers of this port too."""
    done = await here(request.app[RUNTIME], asked)
    if PEERS not in request.app:
        return done
    others = await request.app[PEERS].forget(asked)
    told = [one for one in others if one is not None]
    ids = dict.fromkeys((*done.ids, *(key for one in told for key in one.ids)))
    held = done.held + sum(one.held for one in told)
    return Forgotten(tuple(ids), held, unreached=len(others) - len(told))


async def here(runtime: Runtime, asked: Invalidation) -> Forgotten:
    """In this process, and in all that replicas share.

    Raises:
        BadRequestError: Nothing is chosen.
        UnavailableError: The shared tier cannot be reached.
    """
    selector = asked.selector()
    held = 0 if asked.dry_run else runtime.session.purge(selector)
    with away():
        ids = await runtime.invalidate(selector, dry_run=asked.dry_run)
    return Forgotten(tuple(ids), held)
