"""`reprise explain`, as a person runs it."""

import json
from pathlib import Path
from typing import Any

import openai

from tests.cli.test_check import run
from tests.support.origin import ScriptedOrigin
from tests.support.program import KEY, Process, chat, process, settings

QUESTION, REWORDED = "How do I reset my password?", "how can I reset my password"
ENABLE, DISABLE = "How do I enable 2FA in 7 minutes?", "How do I disable 2FA in 5 minutes?"
Json = dict[str, Any]


def write(path: Path, body: object) -> str:
    path.write_text(json.dumps(body))
    return str(path)


# Two questions


def test_two_questions_that_share_an_answer() -> None:
    """A table of every stage's word, the decision, and exit code 0."""
    ended = run("explain", REWORDED, QUESTION)

    assert (ended.returncode, ended.stderr) == (0, "")
    for said in (REWORDED, QUESTION, "similarity", "guards", "verifier", "passes"):
        assert said in ended.stdout
    assert "answered by the vector tier: verifier" in ended.stdout


def test_two_questions_that_do_not() -> None:
    """Every veto is named, not the first alone, and the exit code is 1."""
    ended = run("explain", ENABLE, DISABLE)

    assert (ended.returncode, ended.stderr) == (1, "")
    assert "number 7 != 5; opposite enable != disable" in ended.stdout
    assert ended.stdout.endswith("not answered: number 7 != 5\n")


def test_json() -> None:
    """`--json` says the same to a program, with the numbers."""
    ended = run("explain", ENABLE, DISABLE, "--json")
    report = json.loads(ended.stdout)

    assert ended.returncode == 1
    assert report["decision"] == {"served": False, "tier": None, "reason": "number 7 != 5"}
    assert [veto["guard"] for veto in report["pair"]["vetoes"]] == ["number", "opposite"]
    assert 0 < report["pair"]["similarity"] < 1
    assert 0 <= report["pair"]["probability"] < report["pair"]["min_probability"]
    assert report["key"]["differs"] == []


def test_configuration_decides(tmp_path: Path) -> None:
    """Thresholds, guards and verifier are the configured ones."""
    file = tmp_path / "c.yaml"
    file.write_text("cache: {vector: {threshold: 0.999}, judgement: {verifier: none}}")
    ended = run("explain", REWORDED, QUESTION, "--config", str(file))

    assert ended.returncode == 1
    assert "< 0.999" in ended.stdout


def test_markup_is_not_read() -> None:
    """A question is shown as it is, and cannot write in colours of its own."""
    ended = run("explain", "[red]Why?[/red]", "[bold]Why?[/bold]")

    assert "[red]Why?[/red]" in ended.stdout


# Two requests


def test_two_requests(tmp_path: Path) -> None:
    """The parts of the key that differ are named; the questions are compared all the same."""
    new = write(tmp_path / "a.json", chat(REWORDED, temperature=0.1, model="gpt-4o-mini"))
    cached = write(tmp_path / "b.json", chat(QUESTION, response_format={"type": "json_object"}))
    ended = run("explain", "--request", new, "--against", cached, "--json")
    report = json.loads(ended.stdout)

    assert ended.returncode == 1
    assert report["decision"]["reason"] == "key differs: model, sampling, format"
    assert report["pair"]["served"]


def test_headers_are_the_requests(tmp_path: Path) -> None:
    """What a caller would send with the request counts."""
    file = write(tmp_path / "a.json", chat(QUESTION))
    plain = run("explain", "--request", file, "--against", file)
    exact = run("explain", REWORDED, QUESTION, "--header", "X-Cache-Mode: exact", "--json")

    assert plain.returncode == 0
    assert "the same request" in plain.stdout
    assert json.loads(exact.stdout)["decision"]["reason"] == (
        "exact repeats only: x-cache-mode: exact"
    )


# A running cache


def served(directory: Path, origin: ScriptedOrigin) -> tuple[Json, str]:
    """A configuration with all tiers, and its file."""
    config = settings(origin.url, directory, embedder={"kind": "local"})
    return config, write(directory / "explain.yaml", config)


def ask(proxy: Process, text: str) -> None:
    client = openai.OpenAI(base_url=proxy.url, api_key=KEY, max_retries=0)
    with client:
        client.chat.completions.create(**chat(text))


def test_a_request_against_the_running_cache(origin: ScriptedOrigin, tmp_path: Path) -> None:
    """What its caller would get now, and why, while the proxy goes on."""
    config, file = served(tmp_path, origin)
    new = write(tmp_path / "new.json", chat(REWORDED))
    with process(config, tmp_path) as proxy:
        ask(proxy, QUESTION)
        mine = run("explain", "--request", new, "--config", file, "--json", OPENAI_API_KEY=KEY)
        theirs = run("explain", "--request", new, "--config", file, OPENAI_API_KEY="sk-other")
        ask(proxy, QUESTION)
        assert origin.calls == 1
        assert proxy.stop() == 0
    after = run("explain", "--request", new, "--config", file, "--key-env", "MY_KEY", MY_KEY=KEY)
    report = json.loads(mine.stdout)

    assert (mine.returncode, mine.stderr) == (0, "")
    assert report["decision"]["tier"] == "vector"
    assert [near["pair"]["question"] for near in report["neighbours"]] == [QUESTION]
    assert theirs.returncode == 1
    assert "not answered: nothing is near" in theirs.stdout
    assert after.returncode == 0
    assert QUESTION in after.stdout


# Misuse


def test_misused(tmp_path: Path) -> None:
    """What cannot be explained is told on stderr, with exit code 2."""
    good = write(tmp_path / "good.json", chat())
    bad = write(tmp_path / "bad.json", {"model": "m"})
    words = tmp_path / "words.json"
    words.write_text("hello")
    listed = write(tmp_path / "list.json", [])
    for arguments, said in (
        ([], "Give two questions"),
        (["one"], "Give two questions"),
        (["one", "two", "three"], "Give two questions"),
        (["one", "two", "--request", good], "Give two questions"),
        (["--against", good], "Give two questions"),
        (["--request", str(tmp_path / "no.json"), "--against", good], "No such file"),
        (["--request", str(words), "--against", good], "not JSON"),
        (["--request", listed, "--against", good], "not a JSON object"),
        (["--request", bad, "--against", good], "not a chat completion request"),
        (["one", "two", "--header", "nonsense"], "is not NAME:VALUE"),
        (["one", "two", "--header", "x-cache-ttl: soon"], "x-cache-ttl"),
    ):
        ended = run("explain", *arguments)

        assert (ended.returncode, ended.stdout) == (2, ""), arguments
        assert said in ended.stderr


def test_no_cache_yet(tmp_path: Path) -> None:
    """Asking about a cache that was never filled makes none."""
    database = tmp_path / "no" / "reprise.db"
    config = write(tmp_path / "c.yaml", {"cache": {"shared": {"url": f"sqlite:///{database}"}}})
    good = write(tmp_path / "good.json", chat())
    ended = run("explain", "--request", good, "--config", config)

    assert ended.returncode == 2
    assert "there is no cache yet" in ended.stderr
    assert not database.parent.exists()


def test_a_part_that_fails(tmp_path: Path) -> None:
    """A cache whose embedder is away has nothing to explain."""
    config = tmp_path / "c.yaml"
    config.write_text('embedder: {kind: openai, openai: {base_url: "http://127.0.0.1:9/v1"}}')
    ended = run("explain", QUESTION, REWORDED, "--config", str(config))

    assert (ended.returncode, ended.stdout) == (2, "")
    assert "the cache's embedder does not work" in ended.stderr
