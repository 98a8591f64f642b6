"""`reprise entries --text/--like` and `reprise explain --running`, against a running proxy."""

import asyncio
import json
from collections.abc import AsyncIterator

import pytest

from tests.cli.test_check import run
from tests.cli.test_operating import TOKEN, Ended, Operator
from tests.support.program import KEY, Json, Serving

QUESTION, REWORDED = "How do I reset my password?", "how can I reset my password"
MOON = "How far away is the moon?"


@pytest.fixture
async def operator(serving: Serving) -> AsyncIterator[Operator]:
    admin: Json = {"token": TOKEN, "show_questions": True}
    async with serving(admin=admin, embedder={"kind": "local"}) as proxy:
        yield Operator(proxy)


async def test_entries_are_searched(operator: Operator) -> None:
    """By a text in the question, or by likeness, the nearest first, with how near it is."""
    await operator.ask(MOON)
    password = await operator.ask(QUESTION)
    by_text = await operator.json("entries", "--text", "PASSWORD")
    by_like = await operator.run("entries", "--like", REWORDED, "--at-least", "0.7")
    too_many = await operator.run("entries", "--like", REWORDED, "--limit", "1000")

    assert [one["id"] for one in by_text["data"]] == [password]
    assert (by_like.returncode, by_like.stderr) == (0, "")
    assert "similarity" in by_like.stdout
    assert QUESTION in by_like.stdout
    assert MOON not in by_like.stdout
    assert too_many.returncode == 2


async def test_the_running_proxy_explains(operator: Operator) -> None:
    """To whom a key belongs, without being told the key; exit codes are as without it.

    Where the proxy is says not that it is asked: two questions are compared wherever one is.
    """
    entry = await operator.ask(QUESTION)
    root = operator.proxy.root
    asked = ("explain", REWORDED, "--model", "gpt-4o", "--running")

    async def explained(*arguments: str, key: str = KEY) -> Ended:
        env = {"ADMIN_TOKEN": TOKEN, "REPRISE_URL": root, "OPENAI_API_KEY": key}
        return await asyncio.to_thread(run, *arguments, **env)

    shown = await explained(*asked)
    told = await explained(*asked, "--json")
    theirs = await explained(*asked, key="sk-other")
    heeded = await explained(*asked, "--header", "x-cache-namespace: two words")
    both = await explained("explain", QUESTION, REWORDED, "--running")
    elsewhere = await explained("explain", QUESTION, REWORDED, "--url", root)
    alone = await explained("explain", QUESTION, REWORDED)

    assert (shown.returncode, shown.stderr) == (0, "")
    assert f"entry   {entry}" in shown.stdout
    assert QUESTION in shown.stdout
    assert "answered by the vector tier" in shown.stdout.splitlines()[-1]
    assert json.loads(told.stdout)["decision"]["tier"] == "vector"
    assert theirs.returncode == 1
    assert "not answered: nothing is near" in theirs.stdout
    assert (heeded.returncode, heeded.stdout) == (2, "")
    assert "x-cache-namespace" in heeded.stderr
    assert (both.returncode, elsewhere.returncode, alone.returncode) == (2, 2, 0)
    assert KEY not in operator.proxy.log.getvalue()
