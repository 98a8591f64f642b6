"""The command line program `llm`; the result is what it prints."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

from driver import CHAT, SCHEMA, Call, serve

LLM = str(Path(sys.executable).parent / "llm")
FUNCTION = """
def look_up(question: str, number: int) -> str:
    "Look facts up."
    return f"{number}: {question}"
"""


def run(call: Call, *arguments: str) -> str:
    environ = {**os.environ, "OPENAI_BASE_URL": call.url, "OPENAI_API_KEY": call.key}
    ended = subprocess.run(
        [LLM, *arguments],
        env=environ,
        capture_output=True,
        text=True,
        check=False,
        stdin=subprocess.DEVNULL,
    )
    if ended.returncode:
        raise RuntimeError(ended.stderr)
    return ended.stdout


def prompt(*options: str) -> Callable[[Call], str]:
    def use(call: Call) -> str:
        endpoint = ["openai", "endpoint", call.url, call.question, "--model", CHAT]
        return run(call, *endpoint, "--key", call.key, *options)

    return use


def structured(*options: str) -> Callable[[Call], Any]:
    return lambda call: json.loads(prompt("--schema", json.dumps(SCHEMA), *options)(call))


def embeddings(call: Call) -> Any:
    return json.loads(run(call, "embed", "--model", "3-small", "--content", call.question))


TOOL = ("--functions", FUNCTION, "--td")

if __name__ == "__main__":
    serve(
        version("llm"),
        {
            "chat/plain": prompt("--no-stream"),
            "chat/stream": prompt(),
            "chat/tools": prompt("--no-stream", *TOOL),
            "chat/tools stream": prompt(*TOOL),
            "chat/structured": structured("--no-stream"),
            "responses/plain": prompt("--responses", "--no-stream"),
            "responses/stream": prompt("--responses"),
            "responses/tools": prompt("--responses", "--no-stream", *TOOL),
            "responses/tools stream": prompt("--responses", *TOOL),
            "responses/structured": structured("--responses", "--no-stream"),
            "embeddings/plain": embeddings,
        },
    )
