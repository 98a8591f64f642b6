"""Names of what the application carries, typed (aiohttp's `AppKey` and `RequestKey`)."""

from aiohttp import web

from proxy.runtime import Runtime

RUNTIME = web.AppKey("runtime", Runtime)
REQUEST_ID = web.RequestKey("request_id", str)
