"""`reprise tune`: which thresholds and lifetime does what was compared bear out?"""

import asyncio
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from proxy.cli.exits import EXIT_FAILED
from proxy.cli.operating import ProxyError, ProxyUrl, proxy_of
from proxy.cli.options import AsJson, ConfigFile, exit_with, load_or_exit, misused
from proxy.cli.printing import percent, print_json, print_table
from proxy.errors import ConfigError, TierError

if TYPE_CHECKING:
    from proxy.config import Config
    from proxy.measuring.tuning import Record, Traffic, Tuned
    from proxy.parts.inforce import InForce

Report = dict[str, Any]

Target = Annotated[
    float | None,
    typer.Option(
        "--target-wrong",
        min=1e-6,
        max=0.5,
        help="Highest share of wrong among hits; without it cache.judgement.max_error.",
    ),
]
Confidence = Annotated[
    float,
    typer.Option("--confidence", min=0.5, max=0.999999, help="With which the target is shown."),
]
Write = Annotated[
    bool, typer.Option("--write", help="Change the file, and keep what it was beside it.")
]


def tune(
    config: ConfigFile = None,
    *,
    target_wrong: Target = None,
    confidence: Confidence = 0.95,
    write: Write = False,
    url: ProxyUrl = None,
    json: AsJson = False,
) -> None:
    """Propose thresholds, floor and lifetime, as a diff of the configuration, and say why.

    It reads the comparisons that a proxy with this configuration has kept, and asks it for its
    traffic where admin.token is set. Where too little was compared it says how much is missing, and
    proposes nothing. Exit code 1: the record or a model cannot be read; 2: an option, the
    configuration or the file cannot be used.
    """
    from proxy.core.calibrating import Aim  # noqa: PLC0415 - slow to import
    from proxy.measuring.tuning import report as reported  # noqa: PLC0415 - slow to import
    from proxy.measuring.tuning import tune as tuned  # noqa: PLC0415 - slow to import

    chosen = load_or_exit(config)
    file = config or (Path(named) if (named := os.environ.get("CONFIG")) else None)
    if write and file is None:
        misused("--write needs the file to change: name it with --config.")
    holds, record = _read(chosen)
    aim = Aim(target_wrong or chosen.cache.judgement.max_error, confidence)
    found = tuned(chosen, holds, record, aim, _traffic(chosen, url))
    text = _edited(file, found)
    diff = _diff(file, found, text)
    told = reported(found, holds, diff)
    told["written"] = _write(file, text) if write and file is not None and text else None
    if json:
        print_json(told)
    else:
        _print(told)


def _read(config: "Config") -> "tuple[InForce, Record]":
    from proxy.measuring.tuning import read_record  # noqa: PLC0415 - slow to import
    from proxy.parts.inforce import in_force  # noqa: PLC0415 - slow to import

    try:
        holds = in_force(config)
        if holds is None:
            misused("Only exact repeats are answered: there is nothing to tune.")
        return holds, read_record(config, holds.scorer)
    except TierError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(EXIT_FAILED) from error


def _traffic(config: "Config", url: str | None) -> "Traffic | None":
    """What the running proxy counts; None where it cannot be asked, which stderr says."""
    from proxy.measuring.tuning import Traffic  # noqa: PLC0415 - slow to import

    is_known = url is not None or config.server.port != 0
    if config.admin.token is None or not is_known:
        return None
    try:
        told = asyncio.run(proxy_of(config, url).ask("GET", "decisions"))
    except ProxyError as error:
        typer.echo(f"{error} Its traffic is not taken into account.", err=True)
        return None
    hits = sum(count for _, count in told["similarity"]["hits"])
    return Traffic(told["looked"], hits, max(0.0, time.time() - told["since"]))


def _edited(file: Path | None, found: "Tuned") -> str:
    """The file's new text; "" where there is no file, or nothing to change."""
    from proxy.config.editing import edited  # noqa: PLC0415 - pydantic is slow to import

    if file is None or not found.values:
        return ""
    try:
        return edited(file, found.values, os.environ)
    except ConfigError as error:
        exit_with(error)
    except OSError as error:
        misused(f"{file}: {error.strerror}")


def _diff(file: Path | None, found: "Tuned", text: str) -> str:
    from proxy.config.editing import difference, text_of, with_values  # noqa: PLC0415 - slow to import

    if not found.values:
        return ""
    if file is None:  # the defaults hold: a file that has nothing else
        return difference("", with_values("", found.values), "config.yaml")
    return difference(text_of(file), text, str(file))


def _write(file: Path, text: str) -> str:
    from proxy.config.editing import replace_file  # noqa: PLC0415 - pydantic is slow to import

    try:
        return str(replace_file(file, text, time.strftime(".%Y%m%d-%H%M%S.bak")))
    except OSError as error:
        misused(f"{file}: {error.strerror}")


def _print(told: Report) -> None:
    compared = told["compared"]
    left_out = ", ".join(f"{count} {why}" for why, count in compared["left_out"].items())
    typer.echo(f"scores by {told['scorer']}")
    typer.echo(
        f"{compared['hits']} hits and {compared['near_misses']} near misses were compared"
        + (f"; left out: {left_out}" if left_out else "")
    )
    rows = [_row(one) for one in told["proposals"]]
    head = ("key", "now", "proposed", "compared", "wrong", "at most", "then at most", "hits then")
    note = (
        f"at most: the share of wrong hits, at {told['confidence']:.2%}; the target is "
        f"{told['target']:.2%}. hits then: as a share of those there are now."
    )
    print_table(head, rows, note)
    for one in told["proposals"]:
        typer.echo(f"{one['key']}: {one['reason']}.")
        if one["hit_rate"] and one["hit_rate"]["then"]:
            now, then = one["hit_rate"]["now"], one["hit_rate"]["then"]
            typer.echo(
                f"  answered of the lookups that meet a neighbour: {percent(now['estimate'])}, "
                f"then {percent(then['estimate'])} ({_ends(then)})"
            )
    if told["advice"]:
        typer.echo(told["advice"])
    typer.echo(f"\n{told['diff']}" if told["diff"] else "Nothing to change.", nl=not told["diff"])
    if told["written"]:
        typer.echo(f"Written. What it was is in {told['written']}.")


def _row(one: Report) -> list[str]:
    now, then, hits = one["now"], one["then"], one["hits"]
    return [
        one["key"],
        f"{one['current']:g}",
        "-" if one["proposed"] is None else f"{one['proposed']:g}",
        str(now["compared"]),
        str(now["wrong"]),
        percent(now["high"], 2),
        "-" if then is None else percent(then["high"], 2),
        "-" if hits is None else f"{percent(hits['estimate'])} ({_ends(hits)})",
    ]


def _ends(interval: Report) -> str:
    return f"{percent(interval['low'])} to {percent(interval['high'])}"
