"""`reprise explain`: why one question gets another's answer, or does not."""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from proxy.cli.options import AsJson, ConfigFile, exit_with, load_or_exit, misused
from proxy.cli.printing import print_json, print_table
from proxy.errors import ConfigError

if TYPE_CHECKING:
    from proxy.config import Config
    from proxy.core.explaining import Comparison, Explanation
    from proxy.core.telling import Step

Json = dict[str, Any]

EXIT_NOT_SERVED = 1
"""As with grep: 0 says that it would be answered, 1 that it would not."""

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


def explain(
    questions: Questions = None,
    config: ConfigFile = None,
    *,
    request: RequestFile = None,
    against: AgainstFile = None,
    header: Headers = None,
    key_env: KeyName = "OPENAI_API_KEY",
    json: AsJson = False,
) -> None:
    """Say why a question would be answered from the cache, or why it would not.

    Two questions, or two requests, are compared with nothing else in the cache. One request is
    looked up in the cache that the configuration names, as its caller would.

    Exit code 0: it would be answered; 1: it would not; 2: an option, a file, the configuration or a
    part of the cache cannot be used.
    """
    found = load_or_exit(config)
    headers = _headers(header or [], key_env)
    texts = questions or []
    if request is None and against is None and len(texts) == 2:  # noqa: PLR2004 - a pair
        new, cached = ({"model": "any", "messages": _said(text)} for text in texts)
        _compare(found, new, cached, headers, json)
    elif request is not None and not texts:
        if against is not None:
            _compare(found, _body(request), _body(against), headers, json)
        else:
            _look_up(found, _body(request), headers, json)
    else:
        misused("Give two questions, or --request FILE with or without --against FILE.")


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


def _compare(
    config: "Config", new: Json, cached: Json, headers: dict[str, str], json: bool
) -> None:
    from proxy.cli.opening import compare  # noqa: PLC0415 - slow to import
    from proxy.core.telling import comparison_report  # noqa: PLC0415 - slow to import

    with _exit_on_misuse():
        found = compare(config, new, cached, headers)
    if json:
        print_json(comparison_report(found))
    else:
        _print_comparison(found)
    _exit(served=found.decision.served)


def _look_up(config: "Config", body: Json, headers: dict[str, str], json: bool) -> None:
    from proxy.cli.opening import look_up  # noqa: PLC0415 - slow to import
    from proxy.core.telling import explanation_report  # noqa: PLC0415 - slow to import

    with _exit_on_misuse():
        found = look_up(config, body, headers)
    if json:
        print_json(explanation_report(found))
    else:
        _print_explanation(found)
    _exit(served=found.decision.served)


@contextmanager
def _exit_on_misuse() -> Iterator[None]:
    from proxy.cli.opening import ExplanationError  # noqa: PLC0415 - slow to import

    try:
        yield
    except ConfigError as error:
        exit_with(error)
    except ExplanationError as error:
        misused(str(error))


def _exit(*, served: bool) -> None:
    if not served:
        raise typer.Exit(EXIT_NOT_SERVED)


def _print_comparison(found: "Comparison") -> None:
    from proxy.core.telling import comparison_steps  # noqa: PLC0415 - slow to import

    _print_question("new", found.new.request.question)
    _print_question("cached", found.cached.request.question)
    _print_steps(comparison_steps(found))
    _print_decision(found)


def _print_explanation(found: "Explanation") -> None:
    from proxy.core.telling import pair_steps  # noqa: PLC0415 - slow to import

    _print_question("new", found.asked.request.question)
    for near in found.neighbours:
        _print_question("cached", near.pair.question)
        typer.echo(f"entry   {near.entry}")
        _print_steps(pair_steps(near.pair, found.rules))
    _print_decision(found)


def _print_question(label: str, text: str) -> None:
    typer.echo(f"{label:<7} {text}")


def _print_decision(found: "Comparison | Explanation") -> None:
    decision = found.decision
    answer = f"answered by the {decision.tier} tier" if decision.served else "not answered"
    typer.echo(f"{answer}: {decision.reason}")


def _print_steps(steps: "Sequence[Step]") -> None:
    rows = [(step.stage, step.word.value, step.detail) for step in steps]
    print_table(("stage", "says", "why"), rows, is_text=True)
