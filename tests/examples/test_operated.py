"""What the documents tell an operator to type does what they say, against a running proxy."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any, Final

import openai
import pytest

from tests.docs.blocks import Block, blocks, session
from tests.support.origin import scripted_origin
from tests.support.program import Process, chat, process, settings

PAGES: Final = {
    "docs/access.md",
    "docs/admin.md",
    "docs/backup.md",
    "docs/explain.md",
    "docs/learning.md",
    "docs/reload.md",
    "docs/replicas.md",
}
"""Those whose commands are carried out. What others have is read alone: they build, deploy, measure
for minutes, or stand beside a command here."""

EXACT: Final = {"docs/explain.md"}
"""Those that show all that is printed, to the last number."""

ENDS: Final = {"docs/explain.md": 1}
"""Exit codes other than 0: of a question that is not answered."""

ROOT: Final = Path(__file__).parents[2]
TOKEN: Final = "0123456789abcdef0123456789abcdef"

FILES: Final[dict[str, list[Any]]] = {
    "stream.jsonl": [{"text": "What is jazz?", "key": "a"}, {"text": "What's jazz?", "key": "a"}],
    "log.jsonl": [],
}
"""What a reader has, by its name in the documents: rows."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the commands are typed."""
    folder = tmp_path_factory.mktemp("operator")
    for name, rows in FILES.items():
        (folder / name).write_text("".join(json.dumps(row) + "\n" for row in rows))
    (folder / "questions.txt").write_text("What is a queue?\nWhat is a stack?\n")
    (folder / "config.yaml").write_text("{}\n")
    (folder / ".curlrc").write_text("fail-with-body\nsilent\nshow-error\n")
    return folder


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Process]:
    """A proxy with a token, exports allowed, that answers from the cache."""
    home = tmp_path_factory.mktemp("proxy")
    with scripted_origin() as origin:
        over = {"admin": {"token": TOKEN, "allow_export": True}, "server": {"watch_config": False}}
        with process(settings(origin.url, home, **over), home) as proxy:
            yield proxy


def hit(proxy: Process) -> str:
    """The id of a request that was answered from the cache."""
    with openai.OpenAI(base_url=proxy.url, api_key="sk-test") as client:
        ask = partial(client.chat.completions.with_raw_response.create, **chat("What is a cache?"))
        ask(extra_headers={"x-cache-tags": "faq"})
        raw = ask()
    assert raw.headers["x-cache"] == "HIT"
    return raw.headers["x-request-id"]


def typed(block: Block, proxy: Process, folder: Path) -> "subprocess.CompletedProcess[str]":
    """Type it, but for starting a proxy, which runs: one command fails, and the rest is not run."""
    script = session(block.text)[0] if block.language == "console" else block.text
    script = re.sub(r"^make run.*$", "", script, flags=re.MULTILINE)
    script = re.sub(r"^export ADMIN_TOKEN=.*$", "", script, flags=re.MULTILINE)
    script = script.replace("http://127.0.0.1:8080", proxy.root).replace("req_4f...", hit(proxy))
    script = script.replace(".venv/bin/reprise", "reprise")
    script = re.sub(r"(purge(?: --tag \w+)+) +#", r"\1 --yes #", script)  # nobody can be asked here
    if shutil.which("curl") is None:
        script = f'curl() {{ {sys.executable} -m tests.support.curl "$@"; }}\n{script}'
    environ = {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "HOME": str(folder),
        "EDITOR": "true",
        "COLUMNS": "200",
        "REPRISE_URL": proxy.root,
        "ADMIN_TOKEN": TOKEN,
        "OPENAI_API_KEY": "sk-test",
    }
    return subprocess.run(
        ["bash", "-ec", script],  # noqa: S607 - whichever there is
        stdin=subprocess.DEVNULL,
        env=environ,
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )


def scripts() -> list[Block]:
    return [block for block in blocks("sh", "console") if block.page in PAGES]


@pytest.mark.parametrize("block", scripts(), ids=str)
def test_typed(block: Block, running: Process, folder: Path) -> None:
    """Every command ends well, and a reply of HTTP has the names that the page shows."""
    ended = typed(block, running, folder)

    assert ended.returncode == ENDS.get(block.page, 0), ended.stdout + ended.stderr
    if block.page in EXACT:
        said = re.sub(r"[^\x00-\x7f]", " ", ended.stdout)  # without the lines of a table
        assert said.split() == session(block.text)[1].split()
    if block.head.startswith("curl "):
        page = [one for one in blocks("json") if one.page == block.page and one.line > block.line]
        assert set(json.loads(ended.stdout)) == set(json.loads(page[0].text))
