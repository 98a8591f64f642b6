"""`GET /admin/v1/replicas`: which processes there are over the shared tier, and how they are."""

from dataclasses import asdict

from aiohttp import web

from proxy.web.admin.acting import Told
from proxy.web.admin.asked import away
from proxy.web.keys import RUNTIME


async def handle(request: web.Request) -> Told:
    """All that have said in time that they are there, those that started first first."""
    announcer = request[RUNTIME].announcer
    with away():
        found = await announcer.present()
    data = [
        {"object": "cache.replica", **asdict(one), "is_self": one.id == announcer.id}
        for one in found
    ]
    return Told({"object": "list", "data": data}, len(data))
