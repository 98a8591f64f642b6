"""Prove the Dockerfile without a container engine: `python -m tests.image FOLDER`.

hadolint reads it; its own steps are carried out in roots of their own under FOLDER; what they
made is started as its own user on a read-only root without a network, answers the `openai` client
before a scripted origin, ends by SIGTERM, and starts again with what it had kept. Needs root,
Debian's `debootstrap` and the package index.
"""

import os
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

import openai

from tests.image.building import Image, base, built
from tests.image.running import container, mounted, refuses_writing, size
from tests.support.commands import say
from tests.support.origin import ScriptedOrigin, started

PROJECT: Final = Path(__file__).parents[2]
ALONE: Final = "--alone"
PORT: Final = "8090"
ASKED: Final = "What does a read-only root file system protect against?"


def ask(text: str) -> tuple[str | None, str]:
    """Ask the container; returns how the cache says it answered, and by which tier."""
    client = openai.OpenAI(base_url=f"http://127.0.0.1:{PORT}/v1", api_key="sk-test", max_retries=0)
    reply = client.chat.completions.with_raw_response.create(
        model="gpt-4o", messages=[{"role": "user", "content": text}]
    )
    assert reply.parse().choices[0].message.content
    return reply.headers.get("x-cache"), reply.headers.get("x-cache-tier", "")


def started_and_asked(image: Image) -> None:
    """Start the image twice over one volume and ask it. In namespaces of this process's own."""
    subprocess.run(shlex.split("ip link set lo up"), check=True)
    origin = ScriptedOrigin()
    with tempfile.TemporaryDirectory() as name, started(origin):
        mounted(image, Path(name))
        chosen = {"OPENAI_BASE_URL": origin.url, "PORT": PORT}
        assert refuses_writing(image), "the root can be written to"
        with container(image, chosen):
            assert ask(ASKED)[0] == "MISS"
            assert ask(ASKED) == ("HIT", "session")
            assert ask(ASKED.replace("What does", "What exactly does"))[0] in {"HIT", "MISS"}
        with container(image, chosen):
            assert ask(ASKED) == ("HIT", "shared")


def main(arguments: list[str]) -> int:
    """Build, then start again in namespaces of its own; returns the exit status."""
    if arguments[0] == ALONE:
        started_and_asked(Image.read(Path(arguments[1])))
        say("The image starts, answers, ends and keeps what it has.")
        return 0
    kept = Path(arguments[0]).absolute()
    kept.mkdir(parents=True, exist_ok=True)
    if os.geteuid():
        raise SystemExit("This needs root: it makes file systems, and namespaces.")
    subprocess.run([kept / "bin" / "hadolint", PROJECT / "Dockerfile"], check=True)
    image = built(PROJECT, kept)
    made, under = size(image.root), size(base(kept))
    say(f"{made / 1e6:,.0f} MB, of which the base is {under / 1e6:,.0f} MB")
    file = kept / "image.json"
    image.write(file)
    alone = ["unshare", "--mount", "--net", "--pid", "--fork", "--kill-child"]
    again = [sys.executable, "-m", "tests.image", ALONE, str(file)]
    return subprocess.run([*alone, *again], check=False, cwd=PROJECT).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
