"""`reprise explain`: why one question gets another's answer, or does not."""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from proxy.cli.exits import EXIT_FAILED
from proxy.cli.operating import ProxyUrl, proxy_of
from proxy.cli.options import AsJson, ConfigFile, exit_with, load_or_exit, misused
from proxy.cli.printing import print_json, print_table
from proxy.core.printable import printable
from proxy.errors import ConfigError

if TYPE_CHECKING:
    from proxy.config import Config

Json = dict[str, Any]

Questions = Annotated[
    list[str] | None,
    typer.Argument(metavar="QUESTION CACHED", help="A new question, and one that was answered."),
]
RequestFile = Annotated[
    Path | None,
    typer.Option("--request", metavar="FILE", help="The new request: a chat completion body."),
]
AgainstFile = Annotated[
    Path | None,
    typer.Option(
        "--against",
        metavar="FILE",
        help="The request that was answered; without it the configured cache is looked into.",
    ),
]
Headers = Annotated[
    list[str] | None,
    typer.Option(
        "--header", metavar="NAME:VALUE", help="A header of the requests. May be given again."
    ),
]
KeyName = Annotated[
    str,
    typer.Option(
        "--key-env", metavar="NAME", help="The variable with the caller's key: whose cache it is."
    ),
]


Running = Annotated[
    bool,
    typer.Option("--running", help="Ask the running proxy by its admin API; --url says so, too."),
]
ModelName = Annotated[
    str | None,
    typer.Option("--model", metavar="NAME", help="Which model one QUESTION is asked of."),
]


def explain(  # noqa: PLR0913 - a parameter an option
    context: typer.Context,
    questions: Questions = None,
    config: ConfigFile = None,
    *,
    request: RequestFile = None,
    against: AgainstFile = None,
    model: ModelName = None,
    header: Headers = None,
    key_env: KeyName = "OPENAI_API_KEY",
    running: Running = False,
    url: ProxyUrl = None,
    json: AsJson = False,
) -> None:
    """Say why a question would be answered from the cache, or why it would not.

    Two questions, or two requests, are compared with nothing else in the cache. One request, or one
    question and a model, is looked up in the cache that the configuration names, as its caller
    would; with --running in the proxy that runs, its session tier included.

    Exit code 0: it would be answered; 1: it would not, or the proxy cannot be reached; 2: an
    option, a file, the configuration or a part of the cache cannot be used.
    """
    found = load_or_exit(config)
    headers = _headers(header or [], key_env)
    asked = _asked(questions or [], request, model)
    is_running = running or _is_typed(context, "url")
    if len(asked) == 1 and against is not None:
        asked = [*asked, _body(against)]
    if len(asked) == 1:
        report = (
            _ask(found, url, asked[0], headers)
            if is_running
            else _look_up(found, asked[0], headers)
        )
    elif is_running:
        misused("The running proxy explains one request: leave the other out.")
    else:
        report = _compare(found, asked[0], asked[1], headers)
    if json:
        print_json(report)
    else:
        _print(report)
    if not report["decision"]["served"]:
        raise typer.Exit(EXIT_FAILED)  # as of grep: there is none


def _is_typed(context: typer.Context, name: str) -> bool:
    """Whether an option stands in the command: REPRISE_URL only says where the proxy is."""
    source = context.get_parameter_source(name)
    return source is not None and source.name == "COMMANDLINE"


def _asked(texts: Sequence[str], request: Path | None, model: str | None) -> list[Json]:
    """The bodies of one request, or of two that are compared."""
    if request is not None and not texts and model is None:
        return [_body(request)]
    if request is None and len(texts) == 1 and model is not None:
        return [{"model": model, "messages": _said(texts[0])}]
    if request is None and len(texts) == 2:  # noqa: PLR2004 - a pair
        return [{"model": model or "any", "messages": _said(text)} for text in texts]
    return misused(
        "Give two questions, one and --model, or --request FILE with or without --against."
    )


def _said(text: str) -> list[Json]:
    return [{"role": "user", "content": text}]


def _headers(given: Sequence[str], key_env: str) -> dict[str, str]:
    headers = {}
    if key := os.environ.get(key_env):
        headers["authorization"] = f"Bearer {key}"
    for line in given:
        name, colon, value = line.partition(":")
        if not colon:
            misused(f"--header {line}: is not NAME:VALUE")
        headers[name.strip().lower()] = value.strip()
    return headers


def _body(path: Path) -> Json:
    from proxy.core.canonical import loads  # noqa: PLC0415 - slow to import

    try:
        body = loads(path.read_bytes())
    except OSError as error:
        misused(f"{path}: {error.strerror}")
    except ValueError as error:
        misused(f"{path}: not JSON: {error}")
    if not isinstance(body, dict):
        misused(f"{path}: not a JSON object")
    return body


def _compare(config: "Config", new: Json, cached: Json, headers: dict[str, str]) -> Json:
    from proxy.cli.opening import compare  # noqa: PLC0415 - slow to import
    from proxy.core.telling import comparison_report  # noqa: PLC0415 - slow to import

    with _exit_on_misuse():
        return comparison_report(compare(config, new, cached, headers))


def _look_up(config: "Config", body: Json, headers: dict[str, str]) -> Json:
    from proxy.cli.opening import look_up  # noqa: PLC0415 - slow to import
    from proxy.core.telling import explanation_report  # noqa: PLC0415 - slow to import

    with _exit_on_misuse():
        return explanation_report(look_up(config, body, headers))


def _ask(config: "Config", url: str | None, body: Json, headers: dict[str, str]) -> Json:
    """What the running proxy says. It is told whose request it is, not by what key."""
    from proxy.errors import ApiError  # noqa: PLC0415 - slow to import
    from proxy.parts import rules  # noqa: PLC0415 - slow to import
    from proxy.web import callers, imagined  # noqa: PLC0415 - slow to import

    proxy = proxy_of(config, url)
    try:
        tenant = callers.caller(headers, config, rules.keys(config)).tenant
    except ApiError as error:
        misused(error.message)
    heeded = {name: value for name, value in headers.items() if name in imagined.TAKEN}
    asked = {"request": body, "tenant": tenant, "headers": heeded}
    return proxy.call("POST", "explain", body=asked)


@contextmanager
def _exit_on_misuse() -> Iterator[None]:
    from proxy.cli.opening import ExplanationError  # noqa: PLC0415 - slow to import

    try:
        yield
    except ConfigError as error:
        exit_with(error)
    except ExplanationError as error:
        misused(str(error))


def _print(report: Json) -> None:
    """A comparison, or an explanation with its neighbours."""
    _print_question("new", report["new"]["question"])
    if "cached" in report:
        _print_question("cached", report["cached"]["question"])
        _print_steps(report["steps"])
    for near in report.get("neighbours", ()):
        if (question := near["pair"].get("question")) is not None:
            _print_question("cached", question)
        typer.echo(f"entry   {near['entry']}")
        _print_steps(near["steps"])
    decision = report["decision"]
    answer = f"answered by the {decision['tier']} tier" if decision["served"] else "not answered"
    typer.echo(f"{answer}: {printable(decision['reason'])}")


def _print_question(label: str, text: str) -> None:
    typer.echo(f"{label:<7} {printable(text)}")


def _print_steps(steps: Sequence[Json]) -> None:
    rows = [(step["stage"], str(step["word"]), step["detail"]) for step in steps]
    print_table(("stage", "says", "why"), rows, is_text=True)
