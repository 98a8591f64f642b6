"""An operator's calls of the admin API."""

from typing import Any

from tests.support.program import Got, Json, Served

TOKEN = "operators-token-of-32-characters"
ADMIN: Json = {"token": TOKEN}
INVALIDATE = "/admin/v1/invalidate"


async def call(
    proxy: Served, method: str, path: str, token: str | None = TOKEN, **more: Any
) -> Got:
    """One call; `more` is as aiohttp's `request` takes it."""
    headers = {} if token is None else {"authorization": f"Bearer {token}"}
    url = proxy.root + path
    async with proxy.http.request(method, url, headers=headers, **more) as got:
        return Got(got.status, got.headers, await got.read())


async def invalidate(proxy: Served, **selector: Any) -> Got:
    """Have entries forgotten."""
    return await call(proxy, "POST", INVALIDATE, json=selector)
