"""`reprise simulate`: what would a bound on wrong hits cost, on a stream of yours?"""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from proxy.cli.options import AsJson, ConfigFile, exit_on_failure, load_or_exit, misused
from proxy.cli.printing import percent, print_json, print_table, progress

if TYPE_CHECKING:
    from proxy.config import Config
    from proxy.measuring.evaluation import Sample
    from proxy.measuring.simulation import Plan, Report

HEAD = (
    "policy",
    "max_error",
    "hit rate",
    "neighbours",
    "explored",
    "wrong/request",
    "wrong/hit",
    "interval",
    "worst",
)

NOTE = (
    "static: all that the judge lets through. published: vCache's rule. own: with a bound per "
    "hit. verified: that, with labels pooled, which is what serves. neighbours: of all rows, "
    "answered as reworded. explored: of all rows, asked upstream to be compared. wrong/hit: of "
    "those neighbours, with its interval at 95 % and the worst replay."
)

StreamFiles = Annotated[
    list[Path],
    typer.Argument(metavar="FILE...", help="Streams {text, key}, JSON lines, plain or gzipped."),
]
MaxErrors = Annotated[
    list[float],
    typer.Option(
        "--max-error",
        metavar="SHARE",
        min=0.001,
        max=0.5,
        help="Share of hits on reworded questions that may be wrong. May be given again.",
    ),
]
Seeds = Annotated[
    int,
    typer.Option("--seeds", min=1, help="Replays of each: one in order, the others shuffled."),
]
Rounds = Annotated[
    int,
    typer.Option("--rounds", min=1, help="Times through the stream, each with an emptied cache."),
]
Noise = Annotated[
    float,
    typer.Option("--noise", min=0.0, max=0.5, help="Share of comparisons that come out wrong."),
]


def simulate(
    files: StreamFiles,
    config: ConfigFile = None,
    *,
    max_error: MaxErrors = [0.01, 0.02, 0.05],  # noqa: B006 - typer copies it
    seeds: Seeds = 3,
    rounds: Rounds = 1,
    noise: Noise = 0.0,
    json: AsJson = False,
) -> None:
    """Replay labelled streams with and without a bound on wrong hits, and count.

    Exit code 1 says that a part of the cache does not work; 2 that an option, a file or the
    configuration cannot be used.
    """
    from proxy.measuring.simulation import Plan  # noqa: PLC0415 - slow to import

    found = load_or_exit(config)
    share = found.cache.judgement.explore_share
    plan = Plan(tuple(sorted(set(max_error))), seeds, rounds, share, noise)
    runs = [(sample, _run(sample, found, plan)) for sample in _samples(files)]
    if json:
        streams = [
            {"stream": sample.name, "rows": len(sample.cases), "policies": reports}
            for sample, reports in runs
        ]
        print_json({"seeds": seeds, "rounds": rounds, "noise": noise, "streams": streams})
        return
    for sample, reports in runs:
        typer.echo(f"\n{sample.name}, {len(sample.cases)} rows")
        print_table(HEAD, [_row(report) for report in reports], NOTE)


def _samples(files: list[Path]) -> "list[Sample]":
    from proxy.measuring.evaluation import EvaluationError, Kind, read_set  # noqa: PLC0415 - slow to import

    try:
        return [read_set(file, Kind.STREAM) for file in files]
    except EvaluationError as error:
        misused(str(error))


def _run(sample: "Sample", config: "Config", plan: "Plan") -> "list[Report]":
    from proxy.measuring.simulation import simulate as simulated  # noqa: PLC0415 - slow to import

    replays = plan.seeds * len(list(plan.variants()))
    with exit_on_failure(), progress(sample.name, replays) as advance:
        return simulated(sample, config, plan, advance)


def _row(report: "Report") -> list[str]:
    low, high = report["wrong_per_hit_low"], report["wrong_per_hit_high"]
    return [
        str(report["policy"]),
        percent(report["max_error"]),
        percent(report["hit_rate"]),
        percent(report["neighbour_hit_rate"]),
        percent(report["explored_share"]),
        percent(report["wrong_per_request"], 2),
        percent(report["wrong_per_hit"], 2),
        "-" if low is None else f"{low:.2%} - {high:.2%}",
        percent(report["worst"], 2),
    ]
