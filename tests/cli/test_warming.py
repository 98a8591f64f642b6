"""`reprise warm`, and how it paces what it sends."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from proxy.cli.callers import Credential
from proxy.cli.warming import CHATS_PATH, Prompt, PromptError, Warming, pause_of, prompts
from tests.support.origin import ScriptedOrigin
from tests.support.program import Json, Served, chat
from tests.support.waiting import PATIENCE_S, until_sync

Ended = subprocess.CompletedProcess[str]


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "proxy", "warm", *arguments]


def environ(proxy: Served) -> dict[str, str]:
    return {**os.environ, "REPRISE_URL": proxy.root, "OPENAI_API_KEY": "sk-test"}


async def run(proxy: Served, *arguments: str, given: str = "") -> Ended:
    return await asyncio.to_thread(
        subprocess.run,
        command(*arguments),
        env=environ(proxy),
        input=given,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )


def put(file: Path, text: str) -> None:
    file.write_text(text)


def started(proxy: Served, *arguments: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        command(*arguments),
        env=environ(proxy),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "prompts.txt"


async def test_questions_are_cached(proxy: Served, origin: ScriptedOrigin, file: Path) -> None:
    """Each is asked once, with the caller's key; who asks later gets a hit."""
    put(file, "One?\n\nTwo?\nOne?\n")
    ended = await run(
        proxy, str(file), "--model", "gpt-4o", "--concurrency", "1", "--rate", "1000", "--json"
    )
    told = json.loads(ended.stdout)

    assert (ended.returncode, ended.stderr) == (0, "")
    assert told["object"] == "cache.warming"
    assert (told["prompts"], told["left"], told["failures"]) == (3, 0, {})
    assert told["results"] == {"MISS": 2, "HIT": 1}
    assert (await proxy.post(chat("Two?"))).cache == "HIT"
    assert origin.calls == 2
    assert {call.header("authorization") for call in origin.requests} == {"Bearer sk-test"}


async def test_requests_of_any_api(proxy: Served, origin: ScriptedOrigin) -> None:
    """A line may be a body, or name its path, as a log of past chats does."""
    lines = [
        chat("One?", model="other"),
        {"path": "/v1/responses", "request": {"input": "Two?"}, "response": {}},
    ]
    given = "\n".join(map(json.dumps, lines))
    ended = await run(proxy, "-", "--model", "gpt-4o", "--namespace", "n", given=given)
    found = await proxy.post(chat("One?", model="other"), x_cache_namespace="n")

    assert (ended.returncode, ended.stderr) == (0, "")
    assert "MISS" in ended.stdout
    assert found.cache == "HIT"
    assert sorted(call.path for call in origin.requests) == [
        "/v1/chat/completions",
        "/v1/responses",
    ]
    assert {call.json["model"] for call in origin.requests} == {"other", "gpt-4o"}


async def test_patience_and_failures(proxy: Served, origin: ScriptedOrigin, file: Path) -> None:
    """What the origin puts off is asked again when it says; what it refuses is counted."""
    origin.then(status=429, headers=(("retry-after", "0"),), body=b'{"error": {"message": "x"}}')
    origin.then()
    origin.then(status=400, body=b'{"error": {"message": "x"}}')
    put(file, "One?\nTwo?\n")
    ended = await run(proxy, str(file), "--model", "m", "--concurrency", "1", "--json")
    told = json.loads(ended.stdout)

    assert ended.returncode == 1
    assert (told["results"], told["failures"]) == ({"MISS": 1}, {"400": 1})
    assert origin.calls == 3


async def test_a_key_that_is_no_good_ends_it(
    proxy: Served, origin: ScriptedOrigin, file: Path
) -> None:
    """All the others would fail too; what was not asked is told."""
    origin.then(status=401, body=b'{"error": {"message": "x"}}')
    put(file, "One?\nTwo?\nThree?\n")
    ended = await run(proxy, str(file), "--model", "m", "--concurrency", "1", "--json")

    assert ended.returncode == 1
    assert "--api-key" in ended.stderr
    assert "sk-test" not in ended.stdout + ended.stderr
    assert json.loads(ended.stdout)["left"] == 2
    assert origin.calls == 1


@pytest.mark.parametrize(
    ("lines", "problem"),
    [
        ("What?\n", "line 1: is a question; say --model"),
        ('\n{"model": \n', "line 2: is not JSON"),
        ('{"path": 7}\n', "line 1: path must be a path"),
        ('{"request": 7}\n', "line 1: path must be a path"),
    ],
)
async def test_a_file_that_is_no_good(
    proxy: Served, origin: ScriptedOrigin, file: Path, lines: str, problem: str
) -> None:
    """It is read to its end first: nothing is asked, and paid for, of a file with a slip."""
    put(file, lines)
    ended = await run(proxy, str(file))

    assert ended.returncode == 2
    assert problem in ended.stderr
    assert origin.calls == 0


async def test_a_proxy_that_is_away(proxy: Served, file: Path) -> None:
    """It is said, and nothing is counted as asked."""
    put(file, "One?\n")
    ended = await run(proxy, str(file), "--model", "m", "--url", "http://127.0.0.1:1")

    assert ended.returncode == 1
    assert "cannot be reached" in ended.stderr


async def test_ctrl_c_says_what_was_done(proxy: Served, origin: ScriptedOrigin, file: Path) -> None:
    """Answers that are cached stay so, and the rest is counted as not asked."""
    put(file, "".join(f"{number}?\n" for number in range(1000)))
    child = started(proxy, str(file), "--model", "m", "--rate", "20", "--json")

    def stop() -> tuple[str, str]:
        until_sync(lambda: origin.calls >= 2, "some prompts")
        child.send_signal(signal.SIGINT)
        return child.communicate(timeout=PATIENCE_S)

    stdout, stderr = await asyncio.to_thread(stop)
    told: Json = json.loads(stdout)

    assert child.returncode == 130
    assert "Stopped." in stderr
    assert 0 < told["left"] < 1000
    assert told["left"] + sum(told["results"].values()) == 1000


async def test_no_faster_than_is_allowed(proxy: Served, origin: ScriptedOrigin) -> None:
    """Prompts begin as far apart as the rate says, however many may be under way."""
    begun: list[int] = []
    warming = Warming(proxy.root, Credential("sk-test"), {}, rate=50, tell=begun.append)
    began = time.monotonic()
    await warming.run((Prompt(CHATS_PATH, chat(f"{n}?")) for n in range(10)), concurrency=10)

    assert time.monotonic() - began >= 9 / 50
    assert len(begun) == origin.calls == 10


def test_how_long_the_origin_wants_to_be_left_alone() -> None:
    """Seconds or a date, in bounds; without a word twice as long each time."""
    assert pause_of({"retry-after": "7"}, 0, 0.0) == 7
    assert pause_of({"retry-after": "Thu, 01 Jan 1970 00:01:40 GMT"}, 0, 90.0) == 10
    assert pause_of({"retry-after": "Thu, 01 Jan 1970 00:01:40 GMT"}, 0, 900.0) == 0
    assert [pause_of({}, attempt, 0.0) for attempt in range(3)] == [1, 2, 4]
    assert pause_of({"retry-after": "99999"}, 0, 0.0) == pause_of({}, 60, 0.0) == 120


def test_what_a_prompt_is() -> None:
    """The model of the command is for those that name none."""
    told = list(prompts([b'{"messages": []}', b'{"model": "a", "messages": []}', b" Hi \n"], "m"))

    assert [prompt.body["model"] for prompt in told] == ["m", "a", "m"]
    assert told[2].body["messages"] == [{"role": "user", "content": "Hi"}]
    with pytest.raises(PromptError, match="line 2: is not UTF-8"):
        list(prompts([b"a", b"\xff"], "m"))
