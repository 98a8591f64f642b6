"""Every code block of the README and of docs/ works: it runs, or is read by what it is meant for.

A block that does neither stands in a table here, with the reason.
"""

import ast
import json
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import pytest
import typer
import yaml
from yarl import URL

from proxy.cli import main
from proxy.config import load
from proxy.web.app import make_app
from tests.docs.blocks import ROOT, Block, blocks, commands, session
from tests.support.origin import scripted_origin
from tests.support.program import Served, process, settings

LANGUAGES: Final = {"python", "sh", "console", "yaml", "json", ""}

SHOWN: Final = {
    "docs/admin.md: id: 0-1764271234567890": "an event of a stream; tests/web reads real ones",
    "docs/conversations.md: What is the importance of the Mona Lisa?": "an example of a talk",
    "docs/conversations.md: user       What is the water cycle?": "an example of a talk",
    "docs/tuning.md: 1304 hits and 1096 near misses were compared": "of comparisons of weeks",
}
"""Blocks without a language that are only shown, by their page and first line."""

OTHERS_YAML: Final = {"docs/monitoring.md": ["scrape_configs", "rule_files"]}
"""Pages whose YAML is for another program, and the keys that it holds there."""

ENVIRON: Final = {
    "ADA_DIGEST": "0" * 64,
    "CI_DIGEST": "1" * 64,
    "ANTHROPIC_API_KEY": "sk-ant",
    "CACHE_KEY_2026": "A" * 43 + "=",
    "CACHE_TENANT_KEY": "B" * 43 + "=",
    "OPENAI_API_KEY": "sk-test",
}
"""What the configurations of the documents take from the environment."""

PYTHON: Final = """
from proxy.config import Config
config = Config()
request = cached = {"model": "gpt-4o", "messages": [{"role": "user", "content": "Why?"}]}
async def origin(request):
    message = {"role": "assistant", "content": "Because."}
    choice = {"index": 0, "message": message, "finish_reason": "stop"}
    return {"id": "1", "object": "chat.completion", "created": 1, "model": "m", "choices": [choice]}
"""
"""What a reader of an `await` has already."""


def ids(found: list[Block]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("block", found, ids=str)


def test_every_block_is_tested() -> None:
    """Each has a language that is tested below, and of the exempted ones each is there."""
    plain = {f"{block.page}: {block.head}" for block in blocks("")}

    assert {block.language for block in blocks()} <= LANGUAGES
    assert set(SHOWN) <= plain


# Python.


@pytest.fixture(scope="module")
def proxy_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A running program's, with the exact tiers only."""
    folder = tmp_path_factory.mktemp("proxy")
    with scripted_origin() as origin, process(settings(origin.url, folder), folder) as running:
        yield running.url


@ids(blocks("python"))
def test_python(block: Block, proxy_url: str, tmp_path: Path) -> None:
    """It runs as it stands, against a running proxy where it asks one."""
    text = block.text.replace("http://127.0.0.1:8080/v1", proxy_url)
    tree = compile(text, str(block), "exec", ast.PyCF_ONLY_AST | ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    waits = any(isinstance(node, ast.AsyncWith | ast.Await) for node in ast.walk(tree))
    runner = (
        "import asyncio, inspect, sys\n"
        + (PYTHON if waits else "")
        + (
            f"done = eval(compile(sys.stdin.read(), {str(block)!r}, 'exec',"
            f" {ast.PyCF_ALLOW_TOP_LEVEL_AWAIT}))\n"
            "if inspect.iscoroutine(done): asyncio.run(done)\n"
        )
    )
    ended = subprocess.run(
        [sys.executable, "-c", runner],
        input=text,
        env={**os.environ, "OPENAI_API_KEY": "sk-test"},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert ended.returncode == 0, ended.stderr
    assert ended.stdout


# YAML and JSON.


@ids(blocks("yaml"))
def test_yaml(block: Block, tmp_path: Path) -> None:
    """It is a configuration of the proxy, or for another program that its page names."""
    if block.page in OTHERS_YAML:
        assert list(yaml.safe_load(block.text)) == OTHERS_YAML[block.page]
        return
    file = tmp_path / "config.yaml"
    file.write_text(block.text)

    assert load(file, ENVIRON) != load(None, {})


@ids(blocks("json"))
def test_json(block: Block) -> None:
    """It is JSON: values one after another."""
    decoder, rest = json.JSONDecoder(), block.text.strip()
    while rest:
        _, end = decoder.raw_decode(rest)
        rest = rest[end:].strip()


# For a shell.


@ids([*blocks("sh"), *(b for b in blocks("console") if b.page != "docs/cli.md")])
async def test_commands(block: Block, proxy: Served) -> None:
    """Every command is there, takes its options and arguments, and the files it names exist."""
    script = block.text if block.language == "sh" else session(block.text)[0]
    subprocess.run(["bash", "-n"], input=script, text=True, check=True)  # noqa: ASYNC221, S607
    given = commands(script)

    assert given
    paths = {r.resource.canonical for r in make_app(proxy.reloader).router.routes() if r.resource}
    for words in given:
        if words[0] == "curl":
            asked = next(URL(word).path for word in words if word.startswith("http"))
            assert asked in paths
            continue
        assert words[0] in PROGRAMS, f"what checks {words[0]}?"
        PROGRAMS[words[0]](words)


def reprise(words: list[str]) -> None:
    """The command's own parser takes it."""
    command: Any = typer.main.get_command(main)
    rest = words[1:]
    while rest and hasattr(command, "commands"):
        word, rest = rest[0], rest[1:]
        command = command.commands[word]
    if not hasattr(command, "commands"):
        command.make_context("reprise", list(rest))


def make(words: list[str]) -> None:
    targets = re.findall(r"^([a-z-]+):.*##", (ROOT / "Makefile").read_text(), re.MULTILINE)
    named = [word for word in words[1:] if "=" not in word]

    assert named
    assert set(named) <= set(targets)


def python(words: list[str]) -> None:
    """A script or a module of this repository, whose source has the options."""
    if words[1] == "your_application.py":
        return
    name = words[2].replace(".", "/") + ".py" if words[1] == "-m" else words[1]
    file = ROOT / name if (ROOT / name).exists() else ROOT / name[:-3] / "__main__.py"
    source = "".join(one.read_text() for one in file.parent.glob("*.py"))

    assert file.exists()
    assert [word for word in words if word.startswith("--") and f'"{word}"' not in source] == []


def pip(words: list[str]) -> None:
    """Extras that the project has."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]

    assert words[1] == "install"
    for extras in re.findall(r"\[(.*?)\]", " ".join(words)):
        assert set(extras.split(",")) <= set(project["optional-dependencies"])


def named_files(words: list[str]) -> None:
    """Of a program that is not here (Docker, Kubernetes) or that changes nothing: what it names."""
    files = [word for word in words[1:] if re.match(r"(deploy|examples|tests)/|config\.yaml", word)]

    assert [file for file in files if not (ROOT / file).exists()] == []


def helm(words: list[str]) -> None:
    """The chart is there, and has the values that are set."""
    named_files(words)
    values = yaml.safe_load((ROOT / "deploy" / "helm" / "reprise" / "values.yaml").read_text())
    for name, value in pairwise(words):
        found = values
        for key in value.partition("=")[0].split(".") if name == "--set" else ():
            assert key in found
            found = found[key]


PROGRAMS: Final[dict[str, Callable[[list[str]], None]]] = {
    "reprise": reprise,
    ".venv/bin/reprise": reprise,
    "make": make,
    "python": python,
    ".venv/bin/python": python,
    "pip": pip,
    "helm": helm,
    "cd": named_files,
    "docker": named_files,
    "export": named_files,
    "kubectl": named_files,
    "$EDITOR": named_files,
}
"""What checks a command, by its first word."""


# What is shown.


@ids([block for block in blocks("") if f"{block.page}: {block.head}" not in SHOWN])
def test_plain(block: Block) -> None:
    """Lines of the header, with the parameters of RFC 9211."""
    member = r"hit|stored|(ttl|fwd-status)=\d+|fwd=[a-z-]+|detail=([a-z-]+|\"[^\"]+\")"

    for line in block.text.splitlines():
        assert re.fullmatch(rf"cache-status: Reprise(; ({member}))+", line)
