"""`reprise calibrate`: which thresholds keep wrong answers below a share, on pairs of yours?"""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from proxy.cli.exits import EXIT_FAILED
from proxy.cli.options import (
    AsJson,
    ConfigFile,
    LeaveOut,
    exit_on_failure,
    load_or_exit,
    misused,
)
from proxy.cli.plots import MISSING, MODES, png, terminal_plot
from proxy.cli.printing import percent, print_json, print_table, progress

if TYPE_CHECKING:
    from proxy.config import Config
    from proxy.core.calibrating import Aim
    from proxy.measuring.calibration import Measured
    from proxy.measuring.evaluation import Sample

Report = dict[str, Any]

HEADS = {"unverified": "Without a verifier", "verified": "With the verifier"}

COLUMNS = ("hits", "wrong", "served", "precision", "wrong of hits", "bound")

PairFiles = Annotated[
    list[Path],
    typer.Option(
        "--pairs",
        metavar="FILE",
        help="Labelled pairs {a, b, label}, JSON lines, plain or gzipped. May be given again.",
    ),
]
TargetWrong = Annotated[
    float,
    typer.Option("--target-wrong", min=1e-6, max=0.5, help="Highest share of wrong among hits."),
]
Confidence = Annotated[
    float, typer.Option("--confidence", min=0.5, max=0.999999, help="Of the one-sided bound.")
]
BoundName = Annotated[
    str, typer.Option("--bound", metavar="NAME", help="clopper-pearson (exact) or wilson.")
]
Out = Annotated[
    Path | None, typer.Option("--out", metavar="YAML", help="Write lines for config.yaml to it.")
]
Plot = Annotated[Path | None, typer.Option("--plot", metavar="PNG", help="Draw the curves in it.")]
Limit = Annotated[
    int,
    typer.Option(
        "--limit", metavar="N", min=0, help="Take N rows of each file, evenly spaced; 0 takes all."
    ),
]


def calibrate(  # noqa: PLR0913 - an option each
    pairs: PairFiles,
    config: ConfigFile = None,
    *,
    target_wrong: TargetWrong = 0.01,
    confidence: Confidence = 0.95,
    bound: BoundName = "clopper-pearson",
    out: Out = None,
    plot: Plot = None,
    limit: Limit = 0,
    leave_out_ambiguous: LeaveOut = False,
    json: AsJson = False,
) -> None:
    """Fit threshold, floor and probability to labelled pairs; print and write the result.

    The lowest that meet the target are taken. Exit code 1 says that none does, or that a part of
    the cache does not work; 2 that an option, a file or the configuration cannot be used.
    """
    from proxy.measuring.calibration import calibrate as fitted  # noqa: PLC0415 - slow to import
    from proxy.measuring.calibration import report as reported  # noqa: PLC0415 - slow to import

    found = load_or_exit(config)
    aim = _aim(target_wrong, confidence, bound)
    for path in (out, plot):
        if path is not None and not path.absolute().parent.is_dir():
            misused(f"{path}: there is no such folder")
    samples = _samples(pairs, found, aim, limit, leave_out_ambiguous=leave_out_ambiguous)
    calibrated = fitted(samples, _measured(samples, found), aim)
    report = reported(calibrated)
    if json:
        print_json(report)
    else:
        _print(report)
    if out is not None and calibrated.is_found:
        _write(out, str(report["config"]))
    if plot is not None:
        _draw(report, plot)
    if not calibrated.is_found:
        raise typer.Exit(EXIT_FAILED)


def _aim(target: float, confidence: float, bound: str) -> "Aim":
    from proxy.core.binomial import Bound  # noqa: PLC0415 - only here
    from proxy.core.calibrating import Aim  # noqa: PLC0415 - only here

    if bound not in list(Bound):
        misused(f"--bound: {bound} is none of {', '.join(Bound)}")
    return Aim(target, confidence, Bound(bound))


def _samples(
    paths: Sequence[Path], config: "Config", aim: "Aim", limit: int, *, leave_out_ambiguous: bool
) -> "list[Sample]":
    from proxy.measuring.calibration import check  # noqa: PLC0415 - slow to import
    from proxy.measuring.evaluation import EvaluationError, Kind, read_set  # noqa: PLC0415 - slow to import

    try:
        samples = [
            read_set(path, Kind.PAIRS, limit=limit, leave_out_ambiguous=leave_out_ambiguous)
            for path in paths
        ]
        check(samples, config, aim)
    except EvaluationError as error:
        misused(str(error))
    return samples


def _measured(samples: "list[Sample]", config: "Config") -> "Measured":
    from proxy.measuring.calibration import measure  # noqa: PLC0415 - slow to import

    rows = sum(len(sample.cases) for sample in samples)
    with exit_on_failure(), progress("pairs", rows) as advance:
        return measure(samples, config, advance)


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text)
    except OSError as error:
        misused(f"{path}: {error.strerror}")


def _draw(report: Report, path: Path) -> None:
    try:
        png(report, path)
    except ImportError:
        typer.echo(MISSING, err=True)
    except OSError as error:
        misused(f"{path}: {error.strerror}")


def _print(report: Report) -> None:
    typer.echo(f"embedder {report['embedder']}")
    typer.echo(f"verifier {report['verifier'] or 'none'}")
    for read in report["sets"]:
        treatment = read["ambiguous_treatment"].replace("_", " ")
        ambiguous = f", {read['ambiguous']} ambiguous {treatment}" if read["ambiguous"] else ""
        typer.echo(f"{read['set']}: {read['rows']} of {read['of_rows']} rows{ambiguous}")
    typer.echo(
        f"{report['rows']} rows, {report['vetoed']} of them vetoed, {report['not_compared']} not "
        f"compared; left out: {report['same_question']} whose questions are the same text"
    )
    for name in MODES:
        if report[name] is not None:
            _print_fit(report, name)
    used = "verified" if report["verified"] else "unverified"
    _print_groups(report[used])
    drawn = terminal_plot(report[used], MODES[used])
    typer.echo(drawn or MISSING, err=drawn is None)
    typer.echo("")
    typer.echo(report["config"], nl=False)


def _print_fit(report: Report, name: str) -> None:
    fit, key = report[name], MODES[name]
    setting, aim = fit["setting"], report["aim"]
    chosen = ", ".join(f"{key} {value:g}" for key, value in (setting or {}).items())
    rows = [
        _cells(f"{row[key]:g}{' <' if setting and row[key] == setting[key] else ''}", row)
        for row in fit["table"]
    ]
    halves = " and ".join(_number(half and half[key]) for half in fit["held_out"]["halves"])
    rows.append(_cells("held out", fit["held_out"]))
    typer.echo(f"\n{HEADS[name]}: {chosen or fit['reason']}")
    print_table(
        (key, *COLUMNS),
        rows,
        f"served: of good pairs. bound: of wrong of hits, at {aim['confidence']:.2%}. "
        f"held out: fitted on one half ({halves}), counted on the other.",
    )


def _number(value: float | None) -> str:
    return "none" if value is None else f"{value:g}"


def _cells(name: str, count: Report) -> list[str]:
    shares = ("served_share", "precision", "wrong_share", "bound")
    return [
        name,
        str(count["hits"]),
        str(count["wrong"]),
        *(percent(count[key], 2) for key in shares),
    ]


def _print_groups(fit: Report) -> None:
    """What the overall fit does on each set and category, and what would be its own fit."""
    groups = {**(fit["by_set"] if len(fit["by_set"]) > 1 else {}), **fit["by_category"]}
    rows = []
    for name, group in groups.items():
        own = " / ".join(f"{value:g}" for value in (group["setting"] or {}).values())
        overall = group["overall"]
        cells = _cells(name, overall) if overall else [name, *("-" * len(COLUMNS))]
        rows.append([*cells, str(group["rows"]), own or group["reason"].partition(":")[0]])
    if rows:
        head = ("set: category", *COLUMNS, "rows", "its own fit")
        typer.echo("\nBy category, with what was fitted over all rows")
        print_table(head, rows)
