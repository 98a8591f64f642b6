"""Watch hits and misses: the real proxy in front of a scripted origin, asked by the OpenAI SDK.

    make demo

No key and no network are needed. Every request says beforehand what should happen; the program
ends with 1 when something else did.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from openai import OpenAI
from rich.console import Console
from rich.table import Table

HERE = Path(__file__).parent
TOOL = {
    "type": "function",
    "function": {"name": "get_weather", "parameters": {"type": "object", "properties": {}}},
}
PASSWORD = "How do I reset my password?"  # noqa: S105 - a question


@dataclass(frozen=True)
class Step:
    """One request, and what should become of it.

    `like` names the earlier step whose answer is expected; a miss expects an answer of its own.
    """

    title: str
    question: str
    expect: str
    like: str = ""
    system: str = ""
    key: str = "sk-one"
    stream: bool = False
    tools: bool = False
    headers: dict[str, str] = field(default_factory=dict)


FIRST = [
    Step("a first question", PASSWORD, "MISS"),
    Step("the same again", PASSWORD, "HIT session", like="a first question"),
    Step(
        "the same, reworded", "How can I reset my password?", "HIT vector", like="a first question"
    ),
    Step(
        "in quite other words",
        "I forgot my password, how do I get a new one?",
        "HIT vector",
        like="a first question",
    ),
    Step("another question", "How do I enable dark mode?", "MISS"),
    Step("trap: the opposite", "How do I disable dark mode?", "MISS"),
    Step("another question", "How do I convert miles to kilometres?", "MISS"),
    Step("trap: the other way round", "How do I convert kilometres to miles?", "MISS"),
    Step("another question", "Which foods are safe for a dog?", "MISS"),
    Step("trap: a negation", "Which foods are not safe for a dog?", "MISS"),
    Step("another question", "What does a heart surgeon do?", "MISS"),
    Step("trap: what only a reader sees", "What does a heart surgeon earn?", "MISS"),
    Step("a stream", "How many days are in a leap year?", "MISS", stream=True),
    Step(
        "the stream, replayed",
        "What is the number of days in a leap year?",
        "HIT vector",
        like="a stream",
        stream=True,
    ),
    Step("its answer, whole", "How many days are in a leap year?", "HIT session", like="a stream"),
    Step("another system prompt", PASSWORD, "MISS", system="You are a pirate."),
    Step("another caller's key", PASSWORD, "MISS", key="sk-two"),
    Step("with tools", "Will it rain in Oslo?", "MISS", tools=True),
    Step("with tools, the same", "Will it rain in Oslo?", "HIT session", "with tools", tools=True),
    Step("with tools, reworded", "Is it going to rain in Oslo?", "MISS", tools=True),
    Step("asks about the present", "What is in the news today?", "BYPASS"),
    Step("told not to use the cache", PASSWORD, "BYPASS", headers={"cache-control": "no-store"}),
]
AFTER_RESTART = [
    Step("after a restart", PASSWORD, "HIT shared", like="a first question"),
    Step(
        "after it, reworded", "How can I reset my password?", "HIT vector", like="a first question"
    ),
]


@dataclass(frozen=True)
class Seen:
    """What came back."""

    happened: str
    similarity: str
    detail: str
    answer: str
    ms: float
    probability: str = ""


def main() -> int:
    answers: dict[str, str] = {}
    rows: list[tuple[Step, Seen, str]] = []
    with tempfile.TemporaryDirectory(prefix="reprise-demo-") as name, origin() as upstream:
        for steps in (FIRST, AFTER_RESTART):
            with proxy(Path(name), upstream) as url:
                for step in steps:
                    seen = ask(url, step)
                    rows.append((step, seen, problem(step, seen, answers)))
                    answers.setdefault(step.title, seen.answer)
    Console(width=None if sys.stdout.isatty() else 150).print(table(rows))
    wrong = sum(bool(trouble) for _, _, trouble in rows)
    print(f"{len(rows)} requests, {wrong} not as expected.")
    return 1 if wrong else 0


def problem(step: Step, seen: Seen, answers: dict[str, str]) -> str:
    """What is not as it should be; "" when all is."""
    if seen.happened != step.expect:
        return f"expected {step.expect}"
    if step.like and seen.answer != answers[step.like]:
        return f"expected the answer of `{step.like}`, got {seen.answer!r}"
    if not step.like and seen.answer in answers.values():
        return f"expected an answer of its own, got {seen.answer!r}"
    return ""


def ask(url: str, step: Step) -> Seen:
    messages: list[Any] = [{"role": "user", "content": step.question}]
    if step.system:
        messages.insert(0, {"role": "system", "content": step.system})
    more: dict[str, Any] = {"tools": [TOOL]} if step.tools else {}
    with OpenAI(base_url=url, api_key=step.key, max_retries=0) as client:
        began = time.perf_counter()
        raw = client.chat.completions.with_raw_response.create(
            model="demo",
            messages=messages,
            stream=step.stream,
            extra_headers=step.headers,
            **more,
        )
        answer = said(raw.parse(), is_stream=step.stream)
        took = time.perf_counter() - began
    tier = raw.headers.get("x-cache-tier", "")
    return Seen(
        happened=f"{raw.headers['x-cache']} {tier}".strip(),
        similarity=raw.headers.get("x-cache-similarity", ""),
        detail=raw.headers["cache-status"].partition("detail=")[2].strip('"').replace('\\"', '"'),
        answer=answer,
        ms=took * 1000,
        probability=raw.headers.get("x-cache-probability", ""),
    )


def said(reply: Any, *, is_stream: bool) -> str:  # noqa: ANN401 - a completion or a stream of them
    if is_stream:
        return "".join(chunk.choices[0].delta.content or "" for chunk in reply if chunk.choices)
    message = reply.choices[0].message
    if message.tool_calls:
        return str(json.loads(message.tool_calls[0].function.arguments)["said"])
    return str(message.content)


def table(rows: list[tuple[Step, Seen, str]]) -> Table:
    shown = Table("request", "question", "x-cache", "tier", "similarity", "verifier", "detail")
    shown.add_column("ms", justify="right")
    for step, seen, trouble in rows:
        result, _, tier = seen.happened.partition(" ")
        colour = {"HIT": "green", "MISS": "yellow"}.get(result, "cyan")
        detail = f"[red]{trouble}[/red]" if trouble else seen.detail
        shown.add_row(
            step.title,
            step.question,
            f"[{colour}]{result}[/{colour}]",
            tier,
            seen.similarity,
            seen.probability,
            detail,
            f"{seen.ms:.1f}",
        )
    return shown


@contextmanager
def origin() -> Iterator[str]:
    """The scripted origin's base URL."""
    command = [sys.executable, str(HERE / "origin.py")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None  # noqa: S101 - asked for
            yield process.stdout.readline().strip()
        finally:
            process.terminate()


@contextmanager
def proxy(folder: Path, upstream: str) -> Iterator[str]:
    """The proxy's base URL; its entries and its index are kept in the folder."""
    config = {
        "server": {"host": "127.0.0.1", "port": 0},
        "upstream": {"base_url": upstream},
        "cache": {
            "shared": {"url": f"sqlite:///{(folder / 'entries.db').as_posix()}"},
            "vector": {"snapshot": str(folder / "index.snapshot")},
        },
        "telemetry": {"log_format": "json", "count_tokens": False},
    }
    file = folder / "config.yaml"  # JSON is YAML
    file.write_text(json.dumps(config))
    theirs = ("CONFIG", "HOST", "PORT", "WORKERS", "OPENAI_BASE_URL", "REDIS_URL")
    environ = {name: value for name, value in os.environ.items() if name not in theirs}
    command = [sys.executable, "-m", "proxy", "serve", "--config", str(file)]
    log = folder / "proxy.log"
    with (
        log.open("a") as lines,
        subprocess.Popen(command, stderr=lines, env=environ) as process,
    ):
        try:
            yield listening(process, log, since=log.stat().st_size)
        finally:
            process.terminate()


def listening(process: "subprocess.Popen[bytes]", log: Path, since: int) -> str:
    """The address from the proxy's log, as soon as it is there."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and process.poll() is None:
        for line in log.read_bytes()[since:].splitlines():
            if b'"listening"' in line:
                return str(json.loads(line)["url"])
        time.sleep(0.05)
    raise SystemExit(f"the proxy did not start:\n{log.read_text()}")


if __name__ == "__main__":
    sys.exit(main())
