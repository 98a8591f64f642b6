"""`reprise warm`: send prompts through a running proxy, so that their answers are cached."""

import asyncio
import sys
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Annotated, Final

import typer

from proxy.cli.callers import ApiKey, Credential, Organization, Project
from proxy.cli.exits import EXIT_FAILED, EXIT_INTERRUPTED
from proxy.cli.operating import ProxyUrl, root_of
from proxy.cli.options import AsJson, ConfigFile, load_or_exit, misused
from proxy.cli.printing import print_json, print_table, progress_to
from proxy.cli.warming import Prompt, PromptError, StoppedError, Tally, Warming, prompts

STDIN: Final = Path("-")

File = Annotated[
    Path,
    typer.Argument(
        metavar="FILE",
        help='A question or a JSON request a line; "-" is the standard input.',
    ),
]
Model = Annotated[
    str | None,
    typer.Option("--model", metavar="NAME", help="For lines that name no model."),
]
Namespace = Annotated[
    str | None, typer.Option("--namespace", metavar="NAME", help="Keep the answers in this one.")
]
Rate = Annotated[
    float, typer.Option("--rate", min=0.001, max=10_000, help="Prompts begun in a second.")
]
Concurrency = Annotated[
    int, typer.Option("--concurrency", min=1, max=1000, help="Prompts under way at once.")
]


def warm(  # noqa: PLR0913 - each is an option
    file: File,
    config: ConfigFile = None,
    *,
    model: Model = None,
    namespace: Namespace = None,
    rate: Rate = 5.0,
    concurrency: Concurrency = 4,
    api_key: ApiKey = None,
    organization: Organization = None,
    project: Project = None,
    url: ProxyUrl = None,
    json: AsJson = False,
) -> None:
    """Send prompts through a running proxy, so that their answers are cached before anybody asks.

    What is not cached yet is asked of the origin, with the caller's key, and paid for. A line is a
    question for --model, a request's body, or `{"request": {...}, "path": "/v1/responses"}`; a log
    of past chats will do. An origin that asks for patience gets it. Ctrl-C ends it, and says what
    was done; answers that are cached stay so.
    """
    root = root_of(load_or_exit(config), url)
    lines = _lines(file)
    try:
        total = sum(1 for _ in prompts(lines, model))
    except PromptError as error:
        misused(f"{file}: {error}")
    headers = {} if namespace is None else {"x-cache-namespace": namespace}
    began = time.monotonic()
    with progress_to("prompts") as advance:
        warming = Warming(
            root,
            Credential(api_key, organization, project),
            headers,
            rate=rate,
            tell=lambda done: advance(done, total),
        )
        exit_code = _run(warming, prompts(lines, model), concurrency)
    tally = warming.tally
    _report(tally, total, time.monotonic() - began, json=json)
    if exit_code or tally.failures:
        raise typer.Exit(exit_code or EXIT_FAILED)


def _run(warming: Warming, what: Iterator[Prompt], concurrency: int) -> int:
    try:
        asyncio.run(warming.run(what, concurrency))
    except StoppedError as error:
        typer.echo(str(error), err=True)
        return EXIT_FAILED
    except KeyboardInterrupt:
        typer.echo("Stopped.", err=True)
        return EXIT_INTERRUPTED
    return 0


class _File(Iterable[bytes]):
    """A file's lines, read anew each time they are asked for."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __iter__(self) -> Iterator[bytes]:
        with self._path.open("rb") as stream:
            yield from stream


def _lines(file: Path) -> Iterable[bytes]:
    if file == STDIN:
        return sys.stdin.buffer.readlines()
    if not file.is_file():
        misused(f"{file}: cannot be read: there is no such file")
    return _File(file)


def _report(tally: Tally, total: int, seconds: float, *, json: bool) -> None:
    if json:
        print_json(
            {
                "object": "cache.warming",
                "prompts": total,
                "results": dict(tally.results),
                "failures": dict(tally.failures),
                "left": total - tally.done,
                "seconds": round(seconds, 3),
            }
        )
        return
    failed = [(f"failed: {status}", str(n)) for status, n in sorted(tally.failures.items())]
    left = total - tally.done
    rows = [
        *((result, str(count)) for result, count in sorted(tally.results.items())),
        *failed,
        *([("not asked", str(left))] if left else []),
    ]
    print_table(("what became of them", "prompts"), rows)
