"""`GET /admin/v1/stats`: what the cache has done since the start, and how its parts are."""

import asyncio
import time
from dataclasses import asdict
from importlib.metadata import version
from typing import Final

from aiohttp import web

from proxy.errors import TierError
from proxy.runtime import Runtime
from proxy.telemetry.summary import Summary, summary
from proxy.web.admin.acting import Json, Told
from proxy.web.keys import PEERS, RUNTIME

VERSION: Final = version("reprise")
"""Read from a file, and therefore once: not while requests wait."""

COUNT_S: Final = 5.0
"""How long counting the shared tier's entries may take."""


async def handle(request: web.Request) -> Told:
    """The numbers; any of several workers speaks for all of them."""
    runtime = request[RUNTIME]
    if PEERS in request.app:
        families = await request.app[PEERS].together()
    else:
        families = await asyncio.to_thread(runtime.metrics.families)
    found = await asyncio.to_thread(summary, families)
    return Told(_body(runtime, found, await _shared(runtime), time.time()))


async def _shared(runtime: Runtime) -> int | None:
    """How many entries replicas share; None when the tier does not say."""
    try:
        async with asyncio.timeout(COUNT_S):
            return await runtime.catalogue.count()
    except (TierError, TimeoutError):
        return None


def _body(runtime: Runtime, found: Summary, shared: int | None, now: float) -> Json:
    told = asdict(found)
    degraded, entries = told.pop("degraded"), told.pop("entries")
    uptime = None if found.since is None else round(max(0.0, now - found.since), 3)
    return {
        "object": "cache.stats",
        "version": VERSION,
        "uptime_s": uptime,
        **told,
        "entries": {"session": 0, "shared": shared, **entries},
        "parts": parts(runtime.trouble(), degraded),
    }


def parts(trouble: dict[str, str | None], degraded: dict[str, list[str]]) -> dict[str, str]:
    """Each part and `ok`, or what is wrong with it.

    Args:
        trouble: What this process says of its own.
        degraded: Of all of them, in which workers.
    """
    told = {name: reason or "ok" for name, reason in trouble.items()}
    for name, workers in degraded.items():
        if told.get(name, "ok") == "ok":
            told[name] = f"degraded in worker {', '.join(workers)}" if any(workers) else "degraded"
    return told
