"""No caller can choose whom the proxy asks: only the configuration names hosts."""

import pytest

from tests.support.lines import line_to
from tests.support.origin import ScriptedOrigin, scripted_origin
from tests.support.program import Serving

TRIES = [
    "http://127.0.0.1:{evil}/v1/models",
    "http://127.0.0.1:{evil}/",
    "//127.0.0.1:{evil}/v1/models",
    "/v1//127.0.0.1:{evil}/models",
    "/v1/@127.0.0.1:{evil}/models",
    "/v1@127.0.0.1:{evil}/models",
    "/v1:{evil}/models",
    "/v1/http://127.0.0.1:{evil}/models",
    "/v1/%2f%2f127.0.0.1:{evil}/models",
    "/v1/\\\\127.0.0.1:{evil}/models",
    "/v1/..//127.0.0.1:{evil}/models",
    "/v1/models?url=http://127.0.0.1:{evil}/",
    "/v1/models#@127.0.0.1:{evil}/",
    "/other@127.0.0.1:{evil}/v1/models",
    "/other//127.0.0.1:{evil}/v1/models",
    "/other/@127.0.0.1:{evil}/v1/models",
    "/other:{evil}/v1/models",
    "http://user@127.0.0.1:{evil}/v1/models",
    "/v1/%0d%0ahost:%20127.0.0.1:{evil}",
]


@pytest.mark.parametrize("target", TRIES)
@pytest.mark.parametrize("upgrade", ["", "connection: upgrade\r\nupgrade: websocket\r\n"])
async def test_the_host_stays(
    serving: Serving, origin: ScriptedOrigin, target: str, upgrade: str
) -> None:
    """Whatever the request line and the host header say, plain or as a WebSocket."""
    with scripted_origin() as evil:
        other = {"name": "other", "path_prefix": "/other", "base_url": origin.url}
        async with serving(upstreams=[other]) as proxy, line_to(proxy) as line:
            line.writer.write(
                f"GET {target.format(evil=evil.port)} HTTP/1.1\r\n"
                f"host: 127.0.0.1:{evil.port}\r\n"
                f"x-forwarded-host: 127.0.0.1:{evil.port}\r\n{upgrade}"
                "connection: close\r\n\r\n".encode()
            )
            reply = await line.reader.read(-1)

    assert reply.startswith(b"HTTP/1.")
    assert evil.calls == 0
    for request in origin.requests:
        assert request.header("host") == f"127.0.0.1:{origin.port}"


CLIMBING = [
    "/v1/../admin",
    "/v1/models/../../admin",
    "/v1/%2e%2e/admin",
    "/v1/.%2E/admin",
    "/v1/..%2fadmin",
    "/v1/..%5cadmin",
    "/v1/..\\admin",
    "/v1/x%2f..%2f..%2fadmin",
    "/v1/..;/admin",
    "/v1/..;a=b/admin",
    "/v1/..%3b/admin",
    "/v1/..",
    "/other/..",
    "/other/v1/../../admin",
    "http://x/v1/../admin",
]


@pytest.mark.parametrize("target", CLIMBING)
async def test_no_path_leads_out(serving: Serving, origin: ScriptedOrigin, target: str) -> None:
    """What climbs above the origin's base is refused, however it is written."""
    other = {"name": "other", "path_prefix": "/other", "base_url": origin.url}
    async with serving(upstreams=[other]) as proxy, line_to(proxy) as line:
        line.writer.write(f"GET {target} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n".encode())
        reply = await line.reader.read(-1)

    assert reply[9:12] in {b"400", b"404"}
    assert origin.calls == 0


async def test_redirects_are_the_caller_s_to_follow(
    serving: Serving, origin: ScriptedOrigin
) -> None:
    """One of the origin is passed on: nobody else is asked with its key."""
    with scripted_origin() as evil:
        origin.then(status=307, headers=(("location", f"{evil.url}/models"),))
        async with (
            serving(upstream={"api_key": "sk-own"}) as proxy,
            proxy.http.get(f"{proxy.url}/models", allow_redirects=False) as got,
        ):
            status = got.status

    assert status == 307
    assert evil.calls == 0
