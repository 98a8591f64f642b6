"""What can be watched: `reprise top`, `reprise stats --watch`, and `reprise replicas`."""

import asyncio
import json
import os
import pty
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

import pytest

from proxy.cli.top import Seen, _columns, _rates
from tests.cli.test_operating import TOKEN, Operator
from tests.support.origin import ScriptedOrigin
from tests.support.program import Json, Serving
from tests.support.waiting import until


@pytest.fixture
async def operator(serving: Serving) -> AsyncIterator[Operator]:
    async with serving(admin={"token": TOKEN, "show_questions": True}) as proxy:
        yield Operator(proxy)


@dataclass
class Watched:
    """A command that goes on, and what it has said."""

    child: "subprocess.Popen[bytes]"
    said: bytearray
    problems: bytearray

    @property
    def lines(self) -> list[Json]:
        whole = self.said.rpartition(b"\n")[0]
        return [json.loads(line) for line in whole.splitlines()]

    def interrupt(self) -> int:
        """Ctrl-C; returns the exit status."""
        self.child.send_signal(signal.SIGINT)
        return self.child.wait(20)


@contextmanager
def watching(root: str, *arguments: str, at_terminal: bool = False) -> Iterator[Watched]:
    """Run a command that does not end by itself."""
    ours, theirs = pty.openpty() if at_terminal else os.pipe()
    errors, theirs_errors = os.pipe()
    child = subprocess.Popen(
        [sys.executable, "-m", "proxy", *arguments],
        env={**os.environ, "ADMIN_TOKEN": TOKEN, "REPRISE_URL": root, "COLUMNS": "200"},
        stdout=theirs,
        stderr=theirs_errors,
    )
    for file in (theirs, theirs_errors):
        os.close(file)
    watched = Watched(child, bytearray(), bytearray())
    loop = asyncio.get_running_loop()

    def read(file: int, into: bytearray) -> None:
        piece = b""
        with suppress(OSError):  # a terminal whose other end is closed
            piece = os.read(file, 65536)
        into += piece
        if not piece:
            loop.remove_reader(file)

    loop.add_reader(ours, read, ours, watched.said)
    loop.add_reader(errors, read, errors, watched.problems)
    try:
        yield watched
    finally:
        if child.poll() is None:
            child.kill()
            child.wait()
        for file in (ours, errors):
            loop.remove_reader(file)
            os.close(file)


async def test_top_once(operator: Operator) -> None:
    """What there is, for a person and for a program; and then it ends."""
    await operator.ask("One?")
    await operator.ask("One?")
    shown = await operator.run("top", "--once")
    ended = await operator.run("top", "--once", "--json", "--rows", "1")

    assert (shown.returncode, shown.stderr) == (0, "")
    assert shown.stdout.index("HIT") < shown.stdout.index("MISS")
    assert "One?" in shown.stdout
    told = json.loads(ended.stdout)
    assert [one["result"] for one in told["requests"]] == ["HIT"]


async def test_callers_do_not_write_on_the_operators_terminal(operator: Operator) -> None:
    """A question or a model that would clear the screen or set its title is shown as written."""
    await operator.ask("\x1b]0;owned\x07\x1b[2J?")
    shown = await operator.run("top", "--once")
    listed = await operator.run("entries")
    asked = await operator.run("explain", "--model", "gpt-4o", "--running", "\x1b[2J?")

    assert "\x1b" not in shown.stdout + listed.stdout + asked.stdout
    assert all("\\x1b[2J?" in one.stdout for one in (shown, listed, asked))


async def test_top_as_it_happens(operator: Operator) -> None:
    """Each request is a line as soon as it is over, and Ctrl-C is no failure."""
    with watching(operator.proxy.root, "top", "--json") as top:

        async def ask_until_heard() -> None:
            number = 0
            while not top.lines:  # it may not listen yet
                number += 1
                await operator.ask(f"Question {number}?")
                await asyncio.sleep(0.05)

        async with asyncio.timeout(30):
            await ask_until_heard()
        await operator.ask("The last one?")
        await until(lambda: any("last one" in str(line) for line in top.lines), "the request")
        status = await asyncio.to_thread(top.interrupt)
        requests = [line["data"] for line in top.lines if line["event"] == "request"]

        assert (status, bytes(top.problems)) == (0, b"")
        assert requests[-1]["question"] == "The last one?"


async def test_top_at_a_terminal(operator: Operator) -> None:
    """The table is there at once, and again with what has come since."""
    await operator.ask("Before?")
    with watching(operator.proxy.root, "top", "--every", "0.1", at_terminal=True) as top:
        await until(lambda: b"Before?" in top.said, "the first table")
        await operator.ask("Since?")
        await until(lambda: b"Since?" in top.said, "the next one")
        status = await asyncio.to_thread(top.interrupt)

        assert (status, bytes(top.problems)) == (0, b"")


async def test_stats_are_watched(operator: Operator) -> None:
    """A line each time for a program, a table for a person, until Ctrl-C."""
    root = operator.proxy.root
    watch = ("stats", "--watch", "--every", "0.1")
    with (
        watching(root, *watch, "--json") as program,
        watching(root, *watch, at_terminal=True) as person,
    ):
        await until(lambda: bool(program.lines), "the first figures")
        await operator.ask("One?")
        await until(lambda: program.lines[-1]["requests"]["total"] == 1, "the request")
        await until(lambda: b"All parts of the cache are well." in person.said, "the table")
        statuses = [await asyncio.to_thread(one.interrupt) for one in (program, person)]

        assert statuses == [0, 0]
        assert bytes(program.problems + person.problems) == b""


async def test_replicas(operator: Operator) -> None:
    """Which processes there are, and which one was asked."""
    announcer = operator.proxy.runtime.announcer
    announcer.appear(operator.proxy.url)
    await until(lambda: bool(announcer.stats()), "the announcement")
    [told] = (await operator.json("replicas"))["data"]
    shown = await operator.run("replicas")

    assert (told["pid"], told["is_self"]) == (os.getpid(), True)
    assert (shown.returncode, shown.stderr) == (0, "")
    assert operator.proxy.url in shown.stdout
    assert "(asked)" in shown.stdout


async def test_what_cannot_be_watched(operator: Operator, origin: ScriptedOrigin) -> None:
    """Nobody listens, or no proxy does: 1. The token is wrong, or missing: 2, and how to set it."""
    nobody = await operator.run("top", "--url", "http://127.0.0.1:9")
    other = await operator.run("stats", "--watch", "--url", origin.url)
    refused = await operator.run("top", token="another-token-of-the-kind")
    unset = await operator.run("replicas", token="")

    ended = (nobody, other, refused, unset)
    assert [one.returncode for one in ended] == [1, 1, 2, 2]
    assert [one.stdout for one in ended] == [""] * 4
    assert "`reprise serve` starts a proxy" in nobody.stderr
    assert "is no Reprise proxy" in other.stderr
    assert "not the admin token" in refused.stderr
    assert "export ADMIN_TOKEN=" in unset.stderr


def test_rates_are_of_whole_steps() -> None:
    """The step under way is left out: it would look like a lull."""
    empty: dict[str, Any] = {"requests": {}, "tiers": {}, "errors": 0}
    saved = {"tokens_saved": 3, "saved_usd": 0.5}
    results = {"HIT": 20, "MISS": 10, "BYPASS": 30}
    full = {"requests": results, "tiers": {"vector": 20}, "errors": 1}
    points = [{**empty, **saved}] * 6 + [{**full, **saved}] * 6 + [{**empty, **saved}]
    rates = _rates({"step_s": 10, "points": points})

    assert rates["seconds"] == 60
    assert rates["requests_per_s"] == 6
    assert rates["hit_ratio"] == pytest.approx(2 / 3)  # of those looked up, as in `stats`
    assert (rates["errors"], rates["tokens_saved"], rates["saved_usd"]) == (6, 18, 3)
    assert _rates({"step_s": 10, "points": [{**empty, **saved}]})["hit_ratio"] is None


def test_a_narrow_terminal_shows_less_of_a_request() -> None:
    """What is shown can be read: eighty columns have no room for everything."""
    told: list[Json] = [{"question": "Which?"}]

    assert _columns([], 200)[-1] == "why"
    assert _columns(told, 200)[-1] == "question"
    assert _columns(told, 80) == [
        "time",
        "result",
        "tier",
        "ms",
        "status",
        "model",
        "why",
        "question",
    ]


def test_the_newest_requests_stay() -> None:
    """In order of time, each once, however often they are told."""
    seen = Seen(rows=2)
    for at in (2, 1, 3, 3):
        seen.add([{"id": f"r{at}", "at": at}])

    assert list(seen.requests) == ["r3", "r2"]
