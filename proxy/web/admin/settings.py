"""`GET /admin/v1/config`: the configuration as it holds, with its secrets hidden."""

from aiohttp import web

from proxy.config import effective
from proxy.web.admin.acting import Told
from proxy.web.keys import RUNTIME


async def handle(request: web.Request) -> Told:
    """Every key, as `reprise check` shows it."""
    config = request.app[RUNTIME].config
    return Told({"object": "cache.config", "config": effective(config)})
