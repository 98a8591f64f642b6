"""`POST /admin/v1/invalidate`: have entries forgotten, in every tier and by every replica.

A caller reaches one of several workers. Each has answers that no other knows: private ones, and
those that wait for the shared tier. So all are told, and each forgets what it has.
"""

from dataclasses import dataclass, replace
from typing import Final

from aiohttp import web

from proxy.core.changes import Likeness
from proxy.errors import BadRequestError
from proxy.forgetting import Forgetting, Purged
from proxy.web import bodies
from proxy.web.admin.acting import Told
from proxy.web.admin.asked import Invalidation, away, read
from proxy.web.keys import PEERS, RUNTIME

MAX_TOLD: Final = 1000
"""Ids that a reply names; the count is of all."""


@dataclass(frozen=True, slots=True)
class Everywhere:
    """What was forgotten.

    Attributes:
        purged: By all workers of this port together.
        unreached: Workers of this port that did not say in time that they have forgotten, too.
    """

    purged: Purged
    unreached: int = 0


async def handle(request: web.Request) -> Told:
    """Forget what is chosen, or count it."""
    raw = await bodies.read(request)
    asked = read(lambda: Invalidation.model_validate_json(raw))
    done = await everywhere(request, asked)
    purged = done.purged
    body = {
        "object": "cache.invalidation",
        "dry_run": asked.dry_run,
        "count": purged.count,
        "ids": purged.ids[:MAX_TOLD],
        "has_more_ids": len(purged.ids) > MAX_TOLD,
        "generation": purged.generation,
        "unreached_workers": done.unreached,
    }
    by = ",".join(asked.named) or "everything"
    return Told(body, len(purged.ids), {"by": by, "dry_run": asked.dry_run})


async def everywhere(request: web.Request, asked: Invalidation) -> Everywhere:
    """In this process, in all that replicas share, and by the other workers of this port.

    Raises:
        BadRequestError: Nothing is chosen, or `like` cannot be compared.
        UnavailableError: The shared tier or the index cannot be reached.
    """
    asked.refuse_unclear()
    forgetting, peers = request[RUNTIME].forgetting, request.app.get(PEERS)
    with away():
        selector = asked.selector(await _likeness(forgetting, asked))
        # Before the log tells them: what they alone have would be gone, and counted by nobody.
        first = await peers.forget(asked) if peers is not None and not asked.dry_run else []
        done = await forgetting.forget(selector, dry_run=asked.dry_run)
    if peers is None:
        return Everywhere(done)
    others = await peers.forget(asked)
    told = [one for one in (*first, *others) if one is not None]
    ids = dict.fromkeys((*done.ids, *(key for one in told for key in one.ids)))
    held = done.held + sum(one.held for one in told)
    return Everywhere(replace(done, ids=tuple(ids), held=held), others.count(None))


async def _likeness(forgetting: Forgetting, asked: Invalidation) -> Likeness | None:
    if asked.like is None or asked.at_least is None:
        return None
    like = await forgetting.likeness(asked.like, asked.at_least)
    if like is None:
        raise BadRequestError(
            "like: is blank, or longer than the embedder reads.",
            param="like",
            code="invalid_selector",
        )
    return like


async def here(forgetting: Forgetting, asked: Invalidation) -> Purged:
    """What this worker alone has, before and after another has forgotten what they share.

    Of what is like a text it has nothing but what the change log tells of.
    """
    selector = None if asked.like is not None else asked.selector()
    with away():
        return await forgetting.forget_here(selector, dry_run=asked.dry_run)
