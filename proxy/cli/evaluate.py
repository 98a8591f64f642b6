"""`reprise eval`: how many questions does the cache serve, and how many of them wrongly?"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from proxy.cli.options import (
    AsJson,
    ConfigFile,
    LeaveOut,
    exit_on_failure,
    load_or_exit,
    misused,
)
from proxy.cli.printing import percent, print_json, print_table, progress

if TYPE_CHECKING:
    from proxy.config import Config
    from proxy.measuring.evaluation import Ruling, Sample

evaluate = typer.Typer(
    help="Put labelled questions to the cache's own lookup, and count right and wrong answers.",
    no_args_is_help=True,
)

SAMPLE_ROWS = 2000
"""Rows taken of each set by `eval all`: enough for half a percentage point, in seconds."""

SetFile = Annotated[
    Path, typer.Argument(metavar="FILE", help="JSON lines, plain or gzipped (.jsonl, .jsonl.gz).")
]
Dump = Annotated[
    Path | None,
    typer.Option("--dump", metavar="OUT", help="Write every decision to OUT, one JSON line a row."),
]
Limit = Annotated[
    int,
    typer.Option(
        "--limit",
        metavar="N",
        min=0,
        help="Take at most N rows: evenly spaced ones, or a stream's first. 0 takes all.",
    ),
]


@evaluate.command()
def pairs(
    file: SetFile,
    config: ConfigFile = None,
    *,
    json: AsJson = False,
    dump: Dump = None,
    limit: Limit = 0,
    leave_out_ambiguous: LeaveOut = False,
) -> None:
    """Rows {a, b, label}: is b served with a's answer? Label 1 says it should be, 0 not."""
    _one(file, "pairs", config, json, dump, limit, leave_out_ambiguous)


@evaluate.command()
def conversations(
    file: SetFile,
    config: ConfigFile = None,
    *,
    json: AsJson = False,
    dump: Dump = None,
    limit: Limit = 0,
    leave_out_ambiguous: LeaveOut = False,
) -> None:
    """Rows {a, b, label} of two conversations: is b's last turn served with the answer to a's?"""
    _one(file, "conversations", config, json, dump, limit, leave_out_ambiguous)


@evaluate.command()
def stream(
    file: SetFile,
    config: ConfigFile = None,
    *,
    json: AsJson = False,
    dump: Dump = None,
    limit: Limit = 0,
) -> None:
    """Rows {text, key} in order, into one growing cache: does what is served belong to the key?"""
    _one(file, "stream", config, json, dump, limit)


@evaluate.command("all")
def every(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Where the sets are.")],
    config: ConfigFile = None,
    *,
    json: AsJson = False,
    dump: Dump = None,
    limit: Limit = SAMPLE_ROWS,
    leave_out_ambiguous: LeaveOut = False,
) -> None:
    """Every labelled set in DIR: files named pairs_*, conv_* and stream_*."""
    from proxy.measuring.evaluation import EvaluationError, read_set, sets_in  # noqa: PLC0415 - slow

    found = load_or_exit(config)
    sets = sets_in(folder) if folder.is_dir() else []
    if not sets:
        typer.echo(f"Nothing is evaluated: there are no sets in {folder}.", err=True)
        return
    samples = []
    for path, kind in sets:
        try:
            sample = read_set(path, kind, limit=limit, leave_out_ambiguous=leave_out_ambiguous)
        except EvaluationError as error:
            typer.echo(f"Skipped: {error}", err=True)
        else:
            samples.append(sample)
    reports = _evaluated(samples, found, dump)
    if json:
        print_json({"sets": reports})
    else:
        _print_tables(reports)


def _one(
    file: Path,
    kind: str,
    config: Path | None,
    json: bool,
    dump: Path | None,
    limit: int,
    leave_out_ambiguous: bool = False,
) -> None:
    from proxy.measuring.evaluation import EvaluationError, Kind, read_set  # noqa: PLC0415 - slow to import

    found = load_or_exit(config)
    try:
        sample = read_set(file, Kind(kind), limit=limit, leave_out_ambiguous=leave_out_ambiguous)
    except EvaluationError as error:
        misused(str(error))
    [report] = _evaluated([sample], found, dump)
    if json:
        print_json(report)
    else:
        _print_tables([report])
        _print_categories(report)


def _evaluated(
    samples: "Sequence[Sample]", config: "Config", dump: Path | None
) -> list[dict[str, Any]]:
    """The samples' reports, one after the other; a part that does not work ends the command."""
    from proxy.measuring.evaluation import evaluate, score  # noqa: PLC0415 - slow to import

    reports = []
    with _dumping(dump) as write:
        for sample in samples:
            with exit_on_failure(), progress(sample.name, len(sample.cases)) as advance:
                rulings = evaluate(sample, config, advance)
            write(sample.name, rulings)
            reports.append(score(sample, rulings))
    return reports


@contextmanager
def _dumping(path: Path | None) -> "Iterator[Callable[[str, Sequence[Ruling]], None]]":
    from proxy.core.canonical import dumps  # noqa: PLC0415 - slow to import

    if path is None:
        yield lambda _name, _rulings: None
        return
    try:
        file = path.open("wb")
    except OSError as error:
        misused(f"{path}: {error.strerror}")
    with file:
        yield lambda name, rulings: file.writelines(
            dumps(ruling.line(name)) + b"\n" for ruling in rulings
        )


def _rows(report: dict[str, Any]) -> str:
    rows, of = report["rows"], report.get("of_rows", report["rows"])
    return f"{rows}" if rows == of else f"{rows} of {of}"


def _count(number: int | None) -> str:
    return "-" if number is None else str(number)


def _ms(number: float | None) -> str:
    return "-" if number is None else f"{number:.1f}"


COLUMNS: dict[str, Callable[[dict[str, Any]], str]] = {
    "rows": _rows,
    "served": lambda report: percent(report["served_share"]),
    "wrong": lambda report: percent(report["wrong_share"]),
    "hits": lambda report: percent(report["hit_rate"]),
    "wrong of hits": lambda report: percent(report["wrong_hit_share"]),
    "first served": lambda report: _count(report["first_served"]),
    "p50 ms": lambda report: _ms(report["latency_ms"]["p50"]),
    "p99 ms": lambda report: _ms(report["latency_ms"]["p99"]),
}
"""A table's columns, after the name."""

NOTES: dict[str, str] = {
    "pairs": "served: of label 1. wrong: of label 0.",
    "conversations": "served: of label 1. wrong: of label 0.",
    "stream": "served: of repeats, rightly. wrong: of all rows. first served: rows that nothing "
    "could answer, and yet were answered.",
}


def _print_tables(reports: Sequence[dict[str, Any]]) -> None:
    """One table a kind of set: a column means another thing in each."""
    for note in dict.fromkeys(NOTES.values()):
        here = [report for report in reports if NOTES[report["kind"]] == note]
        if here:
            _print_table("set", [(report["set"], report) for report in here], note)
    for report in reports:
        if report["ambiguous"]["rows"]:
            treatment = report["ambiguous"]["treatment"].replace("_", " ")
            rows = report["ambiguous"]["rows"]
            typer.echo(f"{report['set']}: {rows} ambiguous rows {treatment}")


def _print_categories(report: dict[str, Any]) -> None:
    if report["by_category"]:
        _print_table("category", list(report["by_category"].items()), "")


def _print_table(head: str, rows: Sequence[tuple[str, dict[str, Any]]], note: str) -> None:
    cells = [[name, *(cell(report) for cell in COLUMNS.values())] for name, report in rows]
    print_table((head, *COLUMNS), cells, note)
