"""`GET /dashboard`: the page, and the files it is made of.

The page holds no figures and no secrets. Whoever opens it gives the admin token there, and the page
asks `/admin/v1/` with it. The files ship with the program and are read once, when it starts.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Final

from aiohttp import web

from proxy.errors import NotFoundError
from proxy.web.keys import REQUEST_ID, RUNTIME

PATH: Final = "/dashboard"
ASSETS: Final = f"{PATH}/{{asset}}"
_ROUTE: Final = f"{PATH}/{{asset:.*}}"

PAGE: Final = "index.html"

TYPES: Final[Mapping[str, str]] = {
    ".css": "text/css",
    ".html": "text/html",
    ".js": "text/javascript",
    ".svg": "image/svg+xml",
}
"""The kinds of files that are served; what else lies beside them, such as a licence, is not."""

_ALLOWED: Final[Mapping[str, str]] = {
    "default-src": "'none'",
    "script-src": "'self'",
    "style-src": "'self'",
    "connect-src": "'self'",
    "img-src": "'self'",
    "base-uri": "'none'",
    "form-action": "'none'",
    "frame-ancestors": "'none'",
    "require-trusted-types-for": "'script'",
}

POLICY: Final = "; ".join(f"{name} {value}" for name, value in _ALLOWED.items())
"""What a browser may do for the page: load files of this server, and ask it. Nothing else."""

HEADERS: Final[Mapping[str, str]] = {
    "content-security-policy": POLICY,
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    # Asked about each time, so that all files of a page are of one version of the program.
    "cache-control": "no-cache",
}


@dataclass(frozen=True, slots=True)
class Asset:
    """A file of the page."""

    body: bytes
    media_type: str
    etag: str


def _read(folder: Traversable, prefix: str = "") -> dict[str, Asset]:
    """Every file that is served, by its path below the folder."""
    found: dict[str, Asset] = {}
    for one in folder.iterdir():
        name = f"{prefix}{one.name}"
        if one.is_dir():
            found |= _read(one, f"{name}/")
        elif (media_type := TYPES.get(name[name.rfind(".") :])) is not None:
            body = one.read_bytes()
            found[name] = Asset(body, media_type, sha256(body).hexdigest()[:32])
    return found


FILES: Final = _read(files(__package__) / "static")


def add(router: web.UrlDispatcher) -> None:
    """Have an application answer them."""
    router.add_get(PATH, handle)
    router.add_get(_ROUTE, handle)


async def handle(request: web.Request) -> web.Response:
    """The page or one of its files. Raises NotFoundError where the admin API is off."""
    if request[RUNTIME].config.admin.token is None:
        raise NotFoundError(
            "The dashboard is switched off: admin.token is not set.", code="admin_is_off"
        )
    name = request.match_info.get("asset", PAGE)
    if name == "":  # the page's own links would lead elsewhere, and a front may have moved it
        return web.Response(status=308, headers={"location": f"..{PATH}"})
    found = FILES.get(name)
    if found is None:
        raise NotFoundError(f"The dashboard has no file {name}.", code="unknown_file")
    return _reply(request, found)


def _reply(request: web.Request, found: Asset) -> web.Response:
    response = web.Response(headers={**HEADERS, "x-request-id": request[REQUEST_ID]})
    response.etag = found.etag
    known = request.if_none_match or ()
    if any(one.value in {found.etag, "*"} for one in known):
        response.set_status(304)
        return response
    response.content_type, response.charset = found.media_type, "utf-8"
    response.body = found.body
    return response
