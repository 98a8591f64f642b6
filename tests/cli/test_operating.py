"""`reprise stats`, `entries` and `purge`, as a person runs them against a running proxy."""

import asyncio
import json
import os
import pty
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import pytest

from proxy.cli.printing import duration
from proxy.cli.purge import age
from proxy.resilience import Deadline
from tests.cli.test_check import run
from tests.support.program import Json, Served, Serving, chat
from tests.support.waiting import PATIENCE_S

TOKEN = "operators-token-of-32-characters"
Ended = subprocess.CompletedProcess[str]


@dataclass(frozen=True)
class Operator:
    """Somebody with the token, at a shell; and the proxy."""

    proxy: Served

    async def run(self, *arguments: str, token: str = TOKEN) -> Ended:
        return await asyncio.to_thread(
            run, *arguments, ADMIN_TOKEN=token, REPRISE_URL=self.proxy.root
        )

    async def json(self, *arguments: str) -> Json:
        ended = await self.run(*arguments, "--json")
        assert (ended.returncode, ended.stderr) == (0, "")
        found: Json = json.loads(ended.stdout)
        return found

    async def ask(self, text: str, **headers: Any) -> str:
        """The id of the entry, which is stored."""
        got = await self.proxy.post(chat(text), **headers)
        await self.proxy.runtime.store.idle(Deadline(PATIENCE_S))
        return got.headers["x-cache-entry"]

    async def is_cached(self, text: str) -> bool:
        got = await self.proxy.post(chat(text), cache_control="only-if-cached")
        return got.status == 200


@pytest.fixture
async def operator(serving: Serving) -> AsyncIterator[Operator]:
    async with serving(admin={"token": TOKEN, "show_questions": True}) as proxy:
        yield Operator(proxy)


async def test_stats(operator: Operator) -> None:
    """What was saved, for a person and for a program."""
    await operator.ask("One?")
    await operator.ask("One?")
    told = await operator.json("stats")
    shown = await operator.run("stats")

    assert told["requests"]["by_result"]["HIT"] == 1
    assert (shown.returncode, shown.stderr) == (0, "")
    cells = [line.strip("│").split("│") for line in shown.stdout.splitlines()]
    found = {row[0].strip(): row[1].strip() for row in cells if len(row) == 2}
    assert found["requests"] == "2"
    assert found["answered from the cache"] == "50.0%"
    assert found["entries in the shared tier"] == "1"
    assert "All parts of the cache are well." in shown.stdout


async def test_entries(operator: Operator) -> None:
    """A table, a page for a program, and all about one of them."""
    one = await operator.ask("One?", x_cache_tags="a")
    two = await operator.ask("Two?")
    shown = await operator.run("entries")
    listed = await operator.json("entries", "--tag", "a")
    first = await operator.json("entries", "--limit", "1")
    alone = await operator.json("entries", two)
    unknown = await operator.run("entries", "nobody's/id")

    assert one in shown.stdout
    assert two in shown.stdout
    assert "Two?" in shown.stdout
    assert [entry["id"] for entry in listed["data"]] == [one]
    assert (listed["has_more"], first["has_more"], len(first["data"])) == (False, True, 1)
    assert (alone["id"], alone["question"]) == (two, "Two?")
    assert (unknown.returncode, unknown.stdout) == (1, "")
    assert "There is no entry nobody's/id." in unknown.stderr


async def test_purge(operator: Operator) -> None:
    """What is named goes, at once with `--yes`; a dry run only counts."""
    await operator.ask("One?", x_cache_tags="a")
    await operator.ask("Two?")
    counted = await operator.run("purge", "--everything", "--dry-run")
    assert await operator.is_cached("One?")
    young = await operator.json("purge", "--older-than", "1h", "--yes")
    done = await operator.run("purge", "--tag", "a", "--yes")

    assert (counted.returncode, counted.stdout) == (0, "2 entries would be forgotten.\n")
    assert young["count"] == 0
    assert (done.returncode, done.stdout) == (0, "1 entry forgotten.\n")
    assert not await operator.is_cached("One?")
    assert await operator.is_cached("Two?")

    other = await operator.run("purge", "--namespace", "", "--tenant", "nobody", "--yes")

    assert other.stdout == "The whole namespace of nobody is forgotten.\n"
    assert await operator.is_cached("Two?")

    whole = await operator.run("purge", "--namespace", "", "--yes")

    assert (whole.returncode, whole.stdout) == (0, "The whole namespace is forgotten.\n")
    assert not await operator.is_cached("Two?")


async def test_purge_asks_first(operator: Operator) -> None:
    """At a terminal it says how many, and takes no for an answer; elsewhere nobody can say yes."""
    await operator.ask("One?")
    no = await asyncio.to_thread(answering, operator.proxy.root, "n\n")
    assert await operator.is_cached("One?")
    yes = await asyncio.to_thread(answering, operator.proxy.root, "y\n")
    nobody = await operator.run("purge", "--everything")

    assert no[0] == 1
    assert "Forget 1 entry at" in no[1]
    assert (yes[0], not await operator.is_cached("One?")) == (0, True)
    assert nobody.returncode == 2
    assert "say --yes" in nobody.stderr


def answering(root: str, answer: str) -> tuple[int, str]:
    """(exit code, what is said) of a purge at a terminal."""
    ours, theirs = pty.openpty()
    environ = {**os.environ, "ADMIN_TOKEN": TOKEN, "REPRISE_URL": root}
    command = [sys.executable, "-m", "proxy", "purge", "--everything"]
    os.write(ours, answer.encode())  # the terminal keeps it until it is read
    try:
        ended = subprocess.run(
            command, stdin=theirs, capture_output=True, env=environ, timeout=60, check=False
        )
    finally:
        with suppress(OSError):
            os.close(theirs)
        os.close(ours)
    return ended.returncode, (ended.stdout + ended.stderr).decode()


async def test_what_is_misused_says_how_to_mend_it(operator: Operator) -> None:
    """Exit code 2, a line on stderr that names what is wrong, and nothing forgotten."""
    await operator.ask("One?")
    ended = [
        await operator.run("purge", "--yes"),
        await operator.run("purge", "--older-than", "soon", "--yes"),
        await operator.run("purge", "--like", "One?", "--yes"),
        await operator.run("purge", "--like", "One?", "--at-least", "0.1", "--yes"),
        await operator.run("purge", "--everything", "--tag", "a", "--yes"),
        await operator.run("purge", "--everything", "--yes", token="another-token-of-the-kind"),
        await operator.run("stats", token=""),
        await operator.run("stats", "--url", "localhost"),
    ]
    said = [
        "--everything",
        "--older-than",
        "--at-least",
        "at_least",
        "contradict",
        "not the admin token",
        "ADMIN_TOKEN",
        "URL",
    ]

    for one, words in zip(ended, said, strict=True):
        assert (one.returncode, one.stdout) == (2, "")
        assert words in one.stderr
        assert len(one.stderr.splitlines()) == 1
    assert await operator.is_cached("One?")


async def test_a_proxy_that_cannot_be_asked(proxy: Served) -> None:
    """Exit code 1 where nobody listens, or somebody else does; 2 where the API is switched off."""
    operator = Operator(proxy)
    ended = [
        await operator.run("stats", "--url", "http://127.0.0.1:9"),
        await operator.run("stats", "--url", proxy.runtime.config.upstream.base_url),
        await operator.run("stats"),
    ]

    assert [one.returncode for one in ended] == [1, 1, 2]
    assert "http://127.0.0.1:9 cannot be reached" in ended[0].stderr
    assert "is no Reprise proxy" in ended[1].stderr
    assert "switched off" in ended[2].stderr


@pytest.mark.parametrize(
    ("text", "seconds"), [("90", 90), ("90s", 90), ("15m", 900), ("2h", 7200), ("1w", 604800)]
)
def test_ages(text: str, seconds: float) -> None:
    """A number with its unit, or seconds."""
    assert age(text) == seconds


def test_how_long_it_is_up() -> None:
    """In the two largest units that say something."""
    found: Callable[[float | None], str] = duration

    assert [found(s) for s in (None, 0.4, 59, 60, 3700, 90000, 86400)] == [
        "-",
        "0 s",
        "59 s",
        "1 min 0 s",
        "1 h 1 min",
        "1 d 1 h",
        "1 d 0 h",
    ]
