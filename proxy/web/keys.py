"""Names of what the application carries, typed (aiohttp's `AppKey` and `RequestKey`)."""

import asyncio
from typing import TYPE_CHECKING

from aiohttp import web

from proxy.reloading import Reloader
from proxy.runtime import Runtime

if TYPE_CHECKING:
    from collections.abc import Mapping

    from proxy.web.peers import Peers

RELOADER = web.AppKey("reloader", Reloader)
"""Has the runtime that holds now; a request uses its own, `RUNTIME`."""

STOPPING = web.AppKey("stopping", asyncio.Event)
"""Set once the server takes no more connections."""

PEERS: "web.AppKey[Peers]" = web.AppKey("peers")
"""Only where there are several workers."""

RUNTIME = web.RequestKey("runtime", Runtime)
"""What answers this request, from its beginning to its end, whatever is reloaded meanwhile."""

GUARDED = web.AppKey("guarded", bool)
"""Whether callers of this application are asked for keys, and limited."""

REQUEST_ID = web.RequestKey("request_id", str)

TRACED: "web.RequestKey[Mapping[str, str]]" = web.RequestKey("traced")
"""Headers that take the request's trace on to the origin; only where requests are traced."""
