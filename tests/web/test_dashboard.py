"""The dashboard is served, to nobody else's scripts, and asks nobody but this proxy."""

import base64
import hashlib
import json
import re
from collections.abc import AsyncIterator
from html.parser import HTMLParser
from pathlib import Path, PurePosixPath
from typing import Any

import pytest

from proxy.web.dashboard.page import FILES, PAGE, PATH
from tests.support.program import Served, Serving
from tests.web.admin.calling import ADMIN, TOKEN, call

STATIC = Path(__file__).parents[2] / "proxy" / "web" / "dashboard" / "static"
VENDORED = STATIC / "vendor" / "uplot"
OWN = sorted(name for name in FILES if not name.startswith("vendor/"))
SVG_NAMESPACE = "http://www.w3.org"
"""A name in the icon: nothing is there to be loaded."""

SCRIPTS = [name for name in OWN if name.endswith(".js")]


class Elements(HTMLParser):
    """Every element of a page, as (tag, attributes)."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))

    def values(self, attribute: str) -> list[str]:
        """What the elements have there."""
        return [value for _, attrs in self.found if (value := attrs.get(attribute))]


def text_of(name: str) -> str:
    return FILES[name].body.decode()


PAGE_ELEMENTS = Elements(text_of(PAGE))


@pytest.fixture
async def watched(serving: Serving) -> AsyncIterator[Served]:
    """A proxy whose admin API is switched on."""
    async with serving(admin=ADMIN) as running:
        yield running


async def test_the_page_needs_no_token(watched: Served) -> None:
    """Whoever opens it gets the page, in which the token is asked for; no figure is in it."""
    got = await call(watched, "GET", PATH, token=None)

    assert (got.status, got.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert b'id="token"' in got.body
    assert TOKEN.encode() not in got.body


async def test_every_file_of_the_page_is_served(watched: Served) -> None:
    """Scripts, style sheets and the icon come with their media types."""
    links = [*PAGE_ELEMENTS.values("src"), *PAGE_ELEMENTS.values("href")]
    files = sorted({link for link in links if not link.startswith("#")})
    served = [await watched.get(f"/{name}") for name in files]

    assert len(files) >= 4
    assert {one.status for one in served} == {200}
    assert {one.headers["content-type"].partition(";")[0] for one in served} == {
        "text/javascript",
        "text/css",
        "image/svg+xml",
    }


@pytest.mark.parametrize("script", SCRIPTS)
def test_what_a_script_imports_is_there(script: str) -> None:
    """No module of the page is missing from the program."""
    imported = re.findall(r'\bfrom "(\./[^"]+)";', text_of(script))
    names = [str(PurePosixPath(script).parent / name) for name in imported]

    assert [name for name in names if name not in FILES] == []


@pytest.mark.parametrize("script", SCRIPTS)
def test_the_page_has_what_a_script_looks_for(script: str) -> None:
    """Every element that a script asks for by its id stands in the page."""
    asked = set(re.findall(r'byId\("([^"]+)"\)', text_of(script)))

    assert asked - set(PAGE_ELEMENTS.values("id")) == set()


async def test_a_browser_may_load_and_ask_nothing_else(watched: Served) -> None:
    """The policy forbids other hosts, inline scripts and styles, frames, and forms."""
    for path in (PATH, f"{PATH}/main.js"):
        got = await watched.get(path)
        policy = got.headers["content-security-policy"]
        allowed = dict(part.split(" ", 1) for part in policy.split("; "))

        assert allowed["default-src"] == allowed["frame-ancestors"] == "'none'"
        assert {allowed[f"{kind}-src"] for kind in ("script", "style", "connect")} == {"'self'"}
        assert "unsafe" not in policy
        assert got.headers["x-content-type-options"] == "nosniff"
        assert got.headers["referrer-policy"] == "no-referrer"


def test_nothing_in_the_page_is_inline() -> None:
    """No script, style or handler stands in the page, where the policy would forbid it."""
    assert "style" not in {tag for tag, _ in PAGE_ELEMENTS.found}
    assert all(attrs.get("src") for tag, attrs in PAGE_ELEMENTS.found if tag == "script")
    names = {name for _, attrs in PAGE_ELEMENTS.found for name in attrs}
    assert [name for name in names if name == "style" or name.startswith("on")] == []


@pytest.mark.parametrize("name", OWN)
def test_no_file_names_another_host(name: str) -> None:
    """The page works where there is no internet, and tells nobody that it was opened."""
    links = re.findall(r"(?:https?:)?//[a-z0-9.-]+\.[a-z]+", text_of(name))

    assert [one for one in links if one != SVG_NAMESPACE] == []


def test_every_control_of_the_page_has_a_name() -> None:
    """Fields have labels and sections titles, for those who do not see them."""
    labelled = set(PAGE_ELEMENTS.values("for"))
    ids = set(PAGE_ELEMENTS.values("id"))
    fields = [
        attrs
        for tag, attrs in PAGE_ELEMENTS.found
        if tag in {"input", "select", "textarea"} and "hidden" not in attrs
    ]
    nameless = [attrs for attrs in fields if attrs.get("id") not in labelled | {"theme"}]

    assert len(fields) > 20
    assert nameless == []
    assert [name for name in PAGE_ELEMENTS.values("aria-labelledby") if name not in ids] == []


async def test_a_page_that_is_known_is_not_sent_again(watched: Served) -> None:
    """A browser asks whether a file has changed, by its etag."""
    first = await watched.get(f"{PATH}/main.js")
    again = await watched.get(f"{PATH}/main.js", if_none_match=first.headers["etag"])
    other = await watched.get(f"{PATH}/main.js", if_none_match='"other"')

    assert first.headers["cache-control"] == "no-cache"
    assert (again.status, again.body) == (304, b"")
    assert again.headers["etag"] == first.headers["etag"]
    assert (other.status, other.body) == (200, first.body)


async def test_only_files_of_the_page_are_served(watched: Served) -> None:
    """No path leads to another file of the program or the machine."""
    for name in ("page.py", "../page.py", "%2e%2e/page.py", "vendor/uplot/LICENSE", "vendor"):
        got = await watched.get(f"{PATH}/{name}")

        assert (got.status, got.code) in {(404, "unknown_file"), (404, "not_found")}


async def test_a_slash_at_the_end_leads_to_the_page(watched: Served) -> None:
    """Also behind a front that gives the page a path of its own: the way there is relative."""
    url = f"{watched.root}{PATH}/"
    async with watched.http.get(url, allow_redirects=False) as got:
        told = (got.status, got.headers["location"])
    async with watched.http.get(url) as got:
        arrived = (got.status, got.url.path)

    assert told == (308, "../dashboard")
    assert arrived == (200, PATH)


async def test_there_is_no_dashboard_without_a_token(proxy: Served) -> None:
    """Where the admin API is off its page is too."""
    for path in (PATH, f"{PATH}/main.js"):
        got = await proxy.get(path)

        assert (got.status, got.code) == (404, "admin_is_off")


def _digest(file: Path) -> str:
    return "sha512-" + base64.b64encode(hashlib.sha512(file.read_bytes()).digest()).decode()


def test_the_chart_library_is_what_its_makers_released() -> None:
    """Its files have the digests of those in the package, whose own integrity is noted too."""
    noted: dict[str, Any] = json.loads((VENDORED / "vendored.json").read_text())
    files = {name.rsplit("/", 1)[-1]: digest for name, digest in noted["files"].items()}
    shipped = {file.name for file in VENDORED.iterdir()} - {"vendored.json"}

    assert set(files) == shipped
    assert {name: _digest(VENDORED / name) for name in files} == files
    assert noted["integrity"].startswith("sha512-")
    assert "MIT" in (VENDORED / "LICENSE").read_text()
