"""The documents say what the program does."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from proxy.config import Config, effective
from proxy.core import directives, status
from proxy.core.model import Outcome, Result, Tier
from tests.docs import faults, modules
from tests.docs.blocks import DOCUMENTS, FENCED
from tests.docs.reference import FILE, reference

ROOT = Path(__file__).parents[2]
HEADERS = (ROOT / "docs" / "headers.md").read_text()


def test_configuration() -> None:
    """Every key stands in the reference: `python -m tests.docs.reference` writes it anew."""
    assert FILE.read_text() == reference()


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_links(document: Path) -> None:
    """What a document links to or shows is there, and has the heading that is meant."""
    prose = FENCED.sub("", document.read_text())
    links = re.findall(r"\]\((?!https?:)([^)#\s]*)(?:#([^)\s]*))?\)", prose)
    targets = [((document.parent / file).resolve(), part) for file, part in links]
    targets = [(document if file == document.parent else file, part) for file, part in targets]

    assert [file for file, _ in targets if not file.exists()] == []
    assert [(file, part) for file, part in targets if part and part not in _anchors(file)] == []


def _anchors(document: Path) -> set[str]:
    """What a heading is linked by, on the site as in a repository's browser."""
    headings = re.findall(r"^#+ (.+)$", FENCED.sub("", document.read_text()), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_modules() -> None:
    """Every file has its line: `python -m tests.docs.reference` writes them anew."""
    assert modules.FILE.read_text() == modules.page()


def test_faults() -> None:
    """Every fault that is tested has its line: `python -m tests.docs.reference` writes it."""
    assert faults.FILE.read_text() == faults.page()


def test_named_modules() -> None:
    """The files that the architecture names are there."""
    text = (ROOT / "docs" / "architecture.md").read_text()
    known = {path.name for path in (ROOT / "proxy").rglob("*.py")}
    named = re.findall(r"`(?:proxy/)?((?:[a-z]+/)*[a-z_]+\.py)`", text)

    assert named
    assert [name for name in named if name.rsplit("/", 1)[-1] not in known] == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_named_files(document: Path) -> None:
    """A file of the repository that a document names is there, and has the function it is for."""
    text = document.read_text()
    named = re.findall(r"`((?:proxy|tests|bench|examples|deploy|training)/[\w./-]+)`", text)
    within = re.findall(r"`(\w+)` (?:in|of) `(proxy/[\w/]+\.py)`", text)

    assert [name for name in named if not (ROOT / name).exists()] == []
    for name, file in within:
        assert re.search(rf"\b{name}\b", (ROOT / file).read_text()), f"{file} has no {name}"


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_keys(document: Path) -> None:
    """A key of the configuration that a document names is one that the program reads."""
    known = set(_keys(effective(Config())))
    named = re.findall(rf"`((?:{'|'.join(Config.model_fields)})\.[a-z_.]+)", document.read_text())

    assert [key for key in named if not key.endswith(".py") and key not in known] == []


def _keys(values: dict[str, Any], prefix: str = "") -> Iterator[str]:
    for key, value in values.items():
        yield prefix + key
        if isinstance(value, dict):
            yield from _keys(value, f"{prefix}{key}.")


def test_request_headers() -> None:
    """Every header that steers the cache is explained."""
    assert [name for name in directives.NAMES if f"`{name}" not in HEADERS] == []


def test_response_headers() -> None:
    """Every header the cache adds is explained."""
    outcome = Outcome(
        "req",
        Result.HIT,
        "chat",
        tier=Tier.VECTOR,
        entry="e",
        similarity=0.9,
        probability=0.8,
        age=1,
    )

    assert [name for name, _ in status.headers(outcome) if f"`{name}`" not in HEADERS] == []


def test_results() -> None:
    """Every value of `x-cache` and of `x-cache-tier` is explained."""
    words = [*Result, *Tier]

    assert [word for word in words if f"`{word.value}`" not in HEADERS] == []


def test_every_page_is_on_the_site() -> None:
    """In its navigation, which `make docs` builds."""
    site = yaml.safe_load((ROOT / "deploy" / "site" / "mkdocs.yml").read_text())
    listed = [page for group in site["nav"] for pages in group.values() for page in pages]
    docs = ROOT / "docs"

    assert sorted(listed) == sorted(
        {"index.md", *(file.relative_to(docs).as_posix() for file in docs.rglob("*.md"))}
    )
