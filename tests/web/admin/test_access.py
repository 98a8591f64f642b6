"""Who may use the admin API."""

from typing import Any

import pytest

from tests.support.lines import line_to
from tests.support.origin import ScriptedOrigin
from tests.support.program import KEY, Served, chat
from tests.support.waiting import until
from tests.web.admin.calling import INVALIDATE, TOKEN, call, invalidate


async def test_without_a_token_there_is_no_admin_api(proxy: Served) -> None:
    """Switched off by default: nobody can be let in, whatever they say."""
    for token in (None, "", TOKEN, "None"):
        got = await call(proxy, "POST", INVALIDATE, token, json={"everything": True})
        assert (got.status, got.code) == (404, "admin_is_off")


@pytest.mark.parametrize(
    "token", ["", "wrong", TOKEN[:-1], TOKEN + "x", TOKEN.upper(), KEY, "\u00e9"]
)
async def test_a_wrong_token_is_refused(
    watched: Served, origin: ScriptedOrigin, token: str
) -> None:
    """401 with a challenge (RFC 6750, 3); nothing is forgotten, and no API key will do."""
    await watched.post(chat())
    got = await call(watched, "POST", INVALIDATE, token, json={"everything": True})

    assert (got.status, got.code) == (401, "invalid_admin_token")
    challenge = 'Bearer realm="reprise admin", error="invalid_token"'
    assert got.headers["www-authenticate"] == challenge
    assert (await watched.post(chat())).cache == "HIT"
    assert origin.calls == 1


@pytest.mark.parametrize(
    "headers",
    [{}, {"authorization": f"Basic {TOKEN}"}, {"authorization": TOKEN}, {"x-api-key": TOKEN}],
    ids=str,
)
async def test_a_missing_token_is_asked_for(watched: Served, headers: dict[str, str]) -> None:
    """Without a bearer token the challenge names no error (RFC 6750, 3.1)."""
    url = watched.root + INVALIDATE
    async with watched.http.post(url, json={"everything": True}, headers=headers) as got:
        assert got.status == 401
        assert got.headers["www-authenticate"] == 'Bearer realm="reprise admin"'
        assert (await got.json())["error"]["code"] == "missing_admin_token"


async def test_every_act_is_logged(watched: Served) -> None:
    """Who, by a digest, from where, what, and how many: a line a call, also of what was refused."""
    await watched.post(chat(), x_cache_tags="secret-tag")
    await invalidate(watched, tags=["secret-tag"], dry_run=True)
    await invalidate(watched, tags=["secret-tag"])
    await invalidate(watched)
    await call(watched, "POST", INVALIDATE, "wrong", json={})
    acts: list[dict[str, Any]] = watched.events("admin_act")

    assert [one["status"] for one in acts] == [200, 200, 400]
    assert [one.get("count") for one in acts] == [1, 1, None]
    assert [one.get("dry_run") for one in acts] == [True, False, None]
    assert {one["act"] for one in acts} == {"invalidate"}
    assert {one.get("by") for one in acts} == {"tags", None}
    assert len({one["who"] for one in acts}) == 1
    assert {one["remote"] for one in [*acts, *watched.events("admin_refused")]} == {"127.0.0.1"}
    assert [one["reason"] for one in watched.events("admin_refused")] == ["invalid_admin_token"]
    assert TOKEN not in watched.log.getvalue()
    assert "secret-tag" not in watched.log.getvalue()


async def test_an_act_whose_caller_leaves_is_logged(watched: Served) -> None:
    """A part of it may be done, and nobody is told how much: the log says who began it."""
    async with line_to(watched) as line:
        head = f"POST {INVALIDATE} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {TOKEN}\r\n"
        line.writer.write(f"{head}content-length: 20\r\n\r\n{{".encode())
        await watched.get("/healthz")  # by then it is being read
    await until(lambda: bool(watched.events("admin_act")), "a line of the log")
    (act,) = watched.events("admin_act")

    assert (act["act"], act["status"], act["error"]) == ("invalidate", 499, "caller_left")
    assert act["who"]


async def test_the_scheme_may_be_written_as_one_likes(watched: Served) -> None:
    """`bearer` is the same scheme (RFC 9110, 11.1)."""
    url = watched.root + INVALIDATE
    headers = {"authorization": f"bearer {TOKEN}"}
    async with watched.http.post(url, json={"everything": True}, headers=headers) as got:
        assert got.status == 200
        assert got.headers["cache-control"] == "no-store"
