"""Run the examples that need other packages: `python -m tests.examples ENVIRONMENTS`.

Each before the scripted origin, and held to what a reader is told that it prints. Ends with status
1 when one does something else.
"""

import os
import re
import subprocess
import sys
import tempfile
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.error import URLError

from tests.support.origin import scripted_origin
from tests.support.program import process, settings
from tests.support.servers import free_port
from tests.support.waiting import until_sync

EXAMPLES = Path(__file__).parents[2] / "examples"
TWICE = r"MISS - (?P<said>.+)\nHIT vector (?P=said)\n(?P<stream>.+)\n"
"""Of those that ask a question twice, in other words the second time, and then have a stream."""


def main(environments: Path) -> int:
    """Run each; returns the exit status."""
    failed = 0
    for name, example in RUN.items():
        try:
            with tempfile.TemporaryDirectory() as folder, proxy(Path(folder)) as url:
                example(environments, url)
        except AssertionError as problem:
            failed += 1
            sys.stderr.write(f"FAILED {name}: {problem}\n")
        else:
            sys.stdout.write(f"{name}: as told\n")
    return 1 if failed else 0


@contextmanager
def proxy(folder: Path) -> Iterator[str]:
    """A proxy with all tiers; yields what an SDK takes as its base URL."""
    with scripted_origin() as origin:
        config = settings(origin.url, folder, embedder={"kind": "local"})
        with process(config, folder) as running:
            yield running.url


def ended(*command: str | Path) -> str:
    """What it prints. Raises AssertionError where it fails."""
    done = subprocess.run(
        [str(word) for word in command],
        env={**os.environ, "OPENAI_API_KEY": "sk-test"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def node(environments: Path, url: str) -> None:
    """The file is copied beside `node_modules`, where Node looks for packages."""
    copy = environments / "node" / "example.mjs"
    copy.write_text((EXAMPLES / "node.mjs").read_text())
    said = ended(environments / "current" / "bin" / "node", copy, url)
    assert re.fullmatch(TWICE, said), said


def langchain(environments: Path, url: str) -> None:
    """A chain, and its stream."""
    python = environments / "current" / "bin" / "python"
    said = ended(python, EXAMPLES / "langchain_chain.py", url)
    assert re.fullmatch(TWICE, said), said


def fastapi(environments: Path, url: str) -> None:
    """The application, asked as its users ask it."""
    port = free_port()
    command = [environments / "fastapi" / "bin" / "python", "-m", "uvicorn", "fastapi_app:app"]
    command += ["--app-dir", EXAMPLES, "--port", str(port), "--log-level", "warning"]
    environ = {**os.environ, "OPENAI_BASE_URL": url, "OPENAI_API_KEY": "sk-test"}
    with subprocess.Popen([str(word) for word in command], env=environ) as app:
        try:
            until_sync(lambda: reached(port), "the application's start")
            first = asked(port, "ask", "What is a cache?", "ada")
            again = asked(port, "ask", "What's a cache?", "ada")
            other = asked(port, "ask", "What is a cache?", "bob")
            stream = asked(port, "stream", "What is a cache?", "ada")
        finally:
            app.terminate()
    states = [re.findall(r'"cache":"(\w+)"', one) for one in (first, again, other)]
    assert states == [["MISS"], ["HIT"], ["MISS"]], states
    assert stream in first, (stream, first)


def reached(port: int) -> bool:
    """Whether it listens."""
    try:
        asked(port, "openapi.json", "", "")
    except URLError:
        return False
    return True


def asked(port: int, path: str, question: str, user: str) -> str:
    """A reply's text."""
    query = urllib.parse.urlencode({"question": question, "user": user})
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/{path}?{query}", timeout=60) as reply:
        return str(reply.read().decode())


RUN: dict[str, Callable[[Path, str], None]] = {
    "fastapi_app.py": fastapi,
    "langchain_chain.py": langchain,
    "node.mjs": node,
}
"""What runs each of them, by its file."""

if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]).absolute()))
