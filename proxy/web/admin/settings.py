"""`GET /admin/v1/config` and `POST /admin/v1/config/reload`: what holds, and reading it anew."""

from collections.abc import Iterable
from dataclasses import asdict
from typing import Any

from aiohttp import web

from proxy.config import effective
from proxy.errors import BadRequestError
from proxy.reloading import By, Reload
from proxy.web.admin.acting import Told
from proxy.web.keys import PEERS, RELOADER, RUNTIME

Json = dict[str, Any]


async def handle(request: web.Request) -> Told:
    """Every key, as `reprise check` shows it, and what came of the last reload."""
    config, reloader = request[RUNTIME].config, request.app[RELOADER]
    file, last = reloader.file, reloader.last
    body = {
        "object": "cache.config",
        "config": effective(config),
        "file": None if file is None else str(file),
        "reload": None if last is None else _told(last),
    }
    return Told(body)


async def handle_reload(request: web.Request) -> Told:
    """Have every worker of this port read the configuration anew, and follow it.

    Raises:
        BadRequestError: It cannot be used, and nothing has changed.
    """
    own = await request.app[RELOADER].reload(By.API)
    if own.problems:
        raise _invalid(own.problems)
    others = await request.app[PEERS].reload() if PEERS in request.app else []
    answered = [one for one in others if one is not None]
    if problems := _once(problem for one in answered for problem in one.problems):
        raise _invalid(problems)
    return Told({**_told(own), "unreached_workers": len(others) - len(answered)})


def _told(done: Reload) -> Json:
    return {"object": "cache.reload", "ok": done.ok, **asdict(done)}


def _once(problems: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(problems))


def _invalid(problems: tuple[str, ...]) -> BadRequestError:
    return BadRequestError("\n".join(problems), code="invalid_config")
