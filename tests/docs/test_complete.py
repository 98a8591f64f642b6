"""Nothing that an operator or a caller meets is left out of the documents.

What there is comes from the program itself, never from a list of these tests, so that what is added
tomorrow is missed here tomorrow.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml
from prometheus_client.parser import text_string_to_metric_families

from proxy.cli import main
from proxy.config.loading import OVERRIDES
from proxy.core import credentials
from proxy.core.model import Outcome, Result, Tier, Usage
from proxy.telemetry.logs import EVENT_LEVELS, request_fields
from proxy.telemetry.metrics import MAX_NAMES
from proxy.web.app import make_app
from proxy.web.callers import KEYED
from tests.deploy.metrics import metrics
from tests.docs import commands, told
from tests.docs.blocks import DOCUMENTS
from tests.support.program import Served

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
EVERYTHING = "\n".join(path.read_text() for path in DOCUMENTS)
LEVELS = {10: "debug", 20: "info", 30: "warning", 40: "error"}


def page(name: str) -> str:
    return (DOCS / name).read_text()


def code(cell: str) -> list[str]:
    """What a cell of a table has in backticks."""
    return re.findall(r"`([^`]+)`", cell)


def rows(text: str, head: str) -> Iterator[list[str]]:
    """The cells of the table that has this head."""
    table = text[text.index(head) :].partition("\n\n")[0]
    for line in table.splitlines()[2:]:
        yield [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]


# Metrics, events, log lines.


async def test_metrics() -> None:
    """Every series that a running proxy serves has its line; `/metrics` itself says which."""
    served = {
        family.name + ("_total" if family.type == "counter" else "")
        for family in text_string_to_metric_families(await metrics())
        if family.name.startswith("reprise_") and not family.name.endswith("_created")
    }
    listed = set(re.findall(r"^\| `(reprise_\w+)` \|", page("metrics.md"), re.MULTILINE))

    assert {"reprise_requests_total", "reprise_replicas"} <= served
    assert served - listed == set()


def test_events() -> None:
    """Each has its line, with its level and the fields that it is told with; and no other has."""
    known = told.events()
    listed = {
        code(name)[0]: (level, set(code(fields)))
        for name, level, fields, _ in rows(page("events.md"), "| event | level |")
    }

    assert set(listed) == set(known)
    for name, fields in known.items():
        level, documented = listed[name]
        assert level == LEVELS[EVENT_LEVELS.get(name, 20)], name
        assert fields - documented == set(), name
    assert set(EVENT_LEVELS) - set(known) == set()


def test_every_event_has_a_series_of_its_own() -> None:
    """None is counted as `other`."""
    assert len(told.events()) <= MAX_NAMES


def test_the_request_line() -> None:
    """Every field that it may have is explained."""
    outcome = Outcome(
        "id",
        Result.HIT,
        "chat",
        status=200,
        model="m",
        tier=Tier.VECTOR,
        entry="e",
        reason="why",
        similarity=0.9,
        probability=0.8,
        age=1.0,
        ttl=1.0,
        stored=True,
        stream=True,
        tenant="t",
        namespace="n",
        upstream_status=200,
        usage=Usage(1, 2, estimated=True),
        saved=Usage(1, 2),
        saved_usd=0.1,
        items=(1, 2),
    )
    listed = {
        field
        for names, _ in rows(page("events.md"), "| field | meaning |")
        for field in code(names)
    }

    assert set(request_fields(outcome)) == listed


# Headers, variables, routes.


def test_headers() -> None:
    """Every header that is read or written by its name stands on the page about headers."""
    names = told.headers() | set(credentials.KEYS) | set(credentials.ACCOUNTS) | set(KEYED)

    assert {"x-cache", "cache-control", "last-event-id"} <= names
    assert [name for name in sorted(names) if f"`{name}" not in page("headers.md")] == []


def test_variables() -> None:
    """Every variable of the environment that the program reads is named, and said what for."""
    names = told.variables() | set(OVERRIDES)

    assert {"CONFIG", "REPRISE_URL", "ADMIN_TOKEN"} <= names
    assert [name for name in sorted(names) if f"`{name}`" not in page("configuration.md")] == []


async def test_routes(proxy: Served) -> None:
    """Every path that is served stands in a document; those of the admin API on its page."""
    paths = {
        route.resource.canonical
        for route in make_app(proxy.reloader).router.routes()
        if route.resource is not None
    }
    admin = {path for path in paths if path.startswith("/admin/")}
    others = {path.partition("/{")[0] for path in paths - admin}
    named = set(re.findall(r"`(?:GET|POST|DELETE) (/admin/[^ `?]+)", page("admin.md")))

    assert admin == named
    assert [path for path in sorted(others) if f"{path}`" not in EVERYTHING] == []


# Commands.


def programs() -> Iterator[tuple[str, Any]]:
    """Every command by its whole name."""
    waiting = [("reprise", typer.main.get_command(main))]
    while waiting:
        name, command = waiting.pop()
        inner = getattr(command, "commands", {})
        waiting += [(f"{name} {word}", one) for word, one in inner.items()]
        if not inner:
            yield name, command


COMMANDS = dict(programs())


def test_commands() -> None:
    """The page says what `--help` says: `python -m tests.docs.reference` writes it anew."""
    assert commands.FILE.read_text() == commands.page()


@pytest.mark.parametrize("name", sorted(set(COMMANDS) - {"reprise version"}))
def test_every_command_is_in_the_overview(name: str) -> None:
    """A wish leads to it; to those of a group, its name does."""
    overview = commands.HEAD.partition("## ")[0]

    assert re.search(rf"`(reprise )?{name.split()[1]}[` ]", overview)


@pytest.mark.parametrize("name", sorted(set(COMMANDS) - {"reprise serve"}))
def test_every_command_speaks_to_programs(name: str) -> None:
    """All but the one that prints nothing take `--json`."""
    options = [option for one in COMMANDS[name].params for option in one.opts]

    assert "--json" in options


def spoken() -> Iterator[list[str]]:
    """Every command that a document gives, in words: in a line of its own, or between backticks."""
    lines = re.findall(r"^(?:\.venv/bin/)?reprise ([^#|\n]*)", EVERYTHING, re.MULTILINE)
    quoted = re.findall(r"`reprise ([^`]*)`", EVERYTHING)
    for said in [*lines, *quoted]:
        yield ["reprise", *said.split()]


@pytest.mark.parametrize("words", list(spoken()), ids=" ".join)
def test_commands_that_documents_give_are_there(words: list[str]) -> None:
    """Each of them, and each of its options."""
    command, depth = typer.main.get_command(main), 1
    while (inner := getattr(command, "commands", {})) and words[depth:]:
        if words[depth].startswith("-"):
            break
        assert words[depth] in inner
        command, depth = inner[words[depth]], depth + 1
    known = {option for one in command.params for option in one.opts} | {"--help"}
    given = {word.rstrip(",;:") for word in words[depth:] if re.match(r"--?[a-z]", word)}

    assert given - known == set()


# Alerts.


def test_alert_rules_name_events_that_there_are() -> None:
    """An alert on an event that nobody tells would never fire."""
    rules = (ROOT / "deploy" / "prometheus" / "alerts.yaml").read_text()
    named = {name for words in re.findall(r'event=~?"([^"]+)"', rules) for name in words.split("|")}

    assert yaml.safe_load(rules)
    assert named
    assert named - set(told.events()) == set()
