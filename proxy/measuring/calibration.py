"""Calibrate a configuration: measure labelled pairs, fit, and write the result as configuration.

The pairs go through `proxy.measuring.evaluation`, that is, through the lookup that serves requests,
with every threshold opened: what is then not served was vetoed, and what is served tells its
similarity and probability. Whatever would make the outcome depend on more than the pair (exploring,
auditing, a judge elsewhere) is switched off.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from proxy.config import Config
from proxy.core.calibrating import (
    PROBABILITIES,
    SIMILARITIES,
    Aim,
    Failure,
    Fit,
    Fitter,
    HeldOut,
    Report,
    Scored,
    Setting,
    fit_threshold,
    fit_zone,
    grouped,
    held_out,
    table,
)
from proxy.core.judgement.base import read
from proxy.library import Json
from proxy.measuring.evaluation import EvaluationError, Ruling, Sample, evaluate
from proxy.parts.semantic import ids

OPEN_PROBABILITY: Final = 1e-9
"""Whatever the verifier says is enough; 0 would mean that it cannot read the pair."""

SHOWN_SIMILARITIES: Final = SIMILARITIES[::4]
SHOWN_PROBABILITIES: Final = (*PROBABILITIES[:90:5], 0.95, 0.98, 0.99, 0.995, 0.999)


@dataclass(frozen=True, slots=True)
class Measured:
    """What the cache said on labelled pairs.

    Attributes:
        embedder: Its id.
        verifier: Its id; None where none is configured.
        rows: The pairs that thresholds decide on.
        same: Pairs left out: both questions are the same text, which is served in any case.
    """

    embedder: str
    verifier: str | None
    rows: tuple[Scored, ...]
    same: int


def check(samples: Sequence[Sample], config: Config, aim: Aim) -> None:
    """Say what can be said before anything is measured.

    Raises:
        EvaluationError: Nothing to fit: no embedder, no label 1 or no label 0, or too few rows.
    """
    if config.embedder.kind == "none" or not config.cache.vector.enabled:
        raise EvaluationError("no embedder is configured: there is nothing to calibrate")
    labels = [case.good for sample in samples for case in sample.cases]
    names = ", ".join(sample.name for sample in samples)
    for label in (True, False):
        if label not in labels:
            raise EvaluationError(f"{names}: no row has label {label:d}; a fit needs both labels")
    if len(labels) < aim.least_hits:
        raise EvaluationError(
            f"{names}: {len(labels)} rows; to show {aim.target:.2%} wrong at {aim.confidence:.0%} "
            f"takes at least {aim.least_hits} that are served, without a wrong one"
        )


def measure(
    samples: Sequence[Sample],
    config: Config,
    progress: Callable[[], None] = lambda: None,
) -> Measured:
    """Put the pairs to the configured embedder, guards and verifier.

    Raises:
        EvaluationError: A part of the cache does not work.
        ConfigError: The configuration names something that does not exist.
    """
    opened = _opened(config)
    rows, same = [], 0
    for sample in samples:
        for ruling in evaluate(sample, opened, progress):
            scored = _scored(sample.name, ruling)
            if scored is None:
                same += 1
            else:
                rows.append(scored)
    embedder, verifier = ids(config)
    return Measured(embedder, verifier, tuple(rows), same)


def _opened(config: Config) -> Config:
    """The configuration, with a judge that lets everything through but what a guard vetoes."""
    chosen = config.cache
    judgement = {"verifier": chosen.judgement.verifier, "min_probability": OPEN_PROBABILITY}
    cache = {
        "vector": chosen.vector.model_copy(update={"threshold": 0.0, "floor": 0.0}),
        "judgement": type(chosen.judgement).model_validate(judgement),
    }
    return config.model_copy(update={"cache": chosen.model_copy(update=cache)})


def _scored(name: str, ruling: Ruling) -> Scored | None:
    """A pair as it is fitted; None when both questions are the same text."""
    case = ruling.case
    cached, asked = (str(turns[-1]["content"]) for turns in (case.before or (), case.messages))
    if read(cached).plain == read(asked).plain:
        return None
    return Scored(
        question=cached,
        set=name,
        category=case.category,
        good=case.good,
        similarity=ruling.similarity,
        is_vetoed=not ruling.served and ruling.probability is None,
        probability=ruling.probability,
    )


@dataclass(frozen=True, slots=True)
class Fitted:
    """One of the two fits, over all pairs, and over their halves."""

    fitter: Fitter
    fit: Fit
    held_out: HeldOut


@dataclass(frozen=True, slots=True)
class Calibrated:
    """What came of it.

    Attributes:
        unverified: Where nothing verifies: the threshold.
        verified: With the verifier: floor and probability. None where none is configured.
    """

    samples: tuple[Sample, ...]
    measured: Measured
    aim: Aim
    unverified: Fitted
    verified: Fitted | None

    @property
    def is_found(self) -> bool:
        """Whether the fit that the configuration would use met the aim."""
        return isinstance((self.verified or self.unverified).fit, Setting)


def calibrate(samples: Sequence[Sample], measured: Measured, aim: Aim) -> Calibrated:
    """Fit what was measured."""

    def fitted(fitter: Fitter) -> Fitted:
        rows = measured.rows
        return Fitted(fitter, fitter(rows, aim), held_out(rows, aim, fitter))

    verified = fitted(fit_zone) if measured.verifier is not None else None
    return Calibrated(tuple(samples), measured, aim, fitted(fit_threshold), verified)


def report(found: Calibrated) -> Json:
    """Everything, ready for JSON: docs/calibration.md says what each field means."""
    measured, aim = found.measured, found.aim
    return {
        "embedder": measured.embedder,
        "verifier": measured.verifier,
        "sets": [_set_report(sample) for sample in found.samples],
        "rows": len(measured.rows),
        "same_question": measured.same,
        "not_compared": sum(row.similarity is None for row in measured.rows),
        "vetoed": sum(row.is_vetoed and row.similarity is not None for row in measured.rows),
        "aim": {
            "wrong_share": aim.target,
            "confidence": aim.confidence,
            "bound": aim.bound.value,
            "least_hits": aim.least_hits,
        },
        "unverified": _fit_report(found, found.unverified),
        "verified": _fit_report(found, found.verified) if found.verified else None,
        "config": as_yaml(found),
    }


def _set_report(sample: Sample) -> Report:
    return {
        "set": sample.name,
        "rows": len(sample.cases),
        "of_rows": sample.of,
        "good": sum(case.good for case in sample.cases),
        "ambiguous": sample.ambiguous,
        "ambiguous_treatment": "left_out" if sample.left_out else "counted_as_0",
    }


def _fit_report(found: Calibrated, fitted: Fitted) -> Report:
    rows, aim = found.measured.rows, found.aim
    by_set = grouped(rows, lambda row: row.set)
    by_category = grouped(rows, lambda row: row.category and f"{row.set}: {row.category}")
    return {
        **_setting_report(fitted.fit, rows, aim),
        "held_out": {
            **fitted.held_out.count.report(aim),
            "halves": [
                _keys(fit) if isinstance(fit, Setting) else None for fit in fitted.held_out.fits
            ],
        },
        "table": [
            {**_keys(setting), **count.report(aim)} for setting, count in table(rows, shown(fitted))
        ],
        "by_set": {name: _group_report(fitted, group, aim) for name, group in by_set.items()},
        "by_category": {
            name: _group_report(fitted, group, aim) for name, group in by_category.items()
        },
    }


def shown(fitted: Fitted) -> list[Setting]:
    """The settings of the printed table, from loose to strict; the chosen one among them."""
    fit = fitted.fit
    if fitted.fitter is fit_threshold:
        chosen = {fit.similarity} if isinstance(fit, Setting) else set()
        return [Setting(step) for step in sorted(chosen.union(SHOWN_SIMILARITIES))]
    floor, probability = SIMILARITIES[0], None
    if isinstance(fit, Setting):
        floor, probability = fit.similarity, fit.probability
    steps = {*SHOWN_PROBABILITIES, probability or SHOWN_PROBABILITIES[0]}
    return [Setting(floor, step) for step in sorted(steps)]


def _group_report(fitted: Fitted, rows: Sequence[Scored], aim: Aim) -> Report:
    """A part of the rows: its own fit, and what the fit over all rows does on it."""
    own = _setting_report(fitted.fitter(rows, aim), rows, aim)
    overall = fitted.fit.count(rows).report(aim) if isinstance(fitted.fit, Setting) else None
    return {"rows": len(rows), **own, "overall": overall}


def _setting_report(fit: Fit, rows: Sequence[Scored], aim: Aim) -> Report:
    if isinstance(fit, Failure):
        return {"setting": None, "reason": fit.reason, "fitted": None}
    return {"setting": _keys(fit), "reason": None, "fitted": fit.count(rows).report(aim)}


def _keys(setting: Setting) -> dict[str, float]:
    """The configuration's keys for a setting."""
    if setting.probability is None:
        return {"threshold": setting.similarity}
    return {"floor": setting.similarity, "min_probability": setting.probability}


def as_yaml(found: Calibrated) -> str:
    """Lines for config.yaml: the keys that were fitted, after what they rest on.

    A key whose fit failed is a comment that says why, and keeps its default.
    """
    measured, aim = found.measured, found.aim
    lines = [
        "# Calibrated by `reprise calibrate`. Right for this embedder and this verifier only.",
        f"# embedder: {measured.embedder}",
        f"# verifier: {measured.verifier or 'none'}",
        *(f"# data: {sample.name}, {len(sample.cases)} rows" for sample in found.samples),
        f"# aim: at most {aim.target:.2%} of hits wrong",
        f"# bound: {aim.bound.value}, one-sided, at {aim.confidence:.2%}",
        "cache:",
    ]
    zone = found.verified.fit if found.verified else None
    vector = _yaml_of("threshold", found.unverified, found)
    if isinstance(zone, Setting):
        vector.append(f"floor: {zone.similarity:g}")
    sections = {"vector": vector}
    if found.verified:
        sections["judgement"] = _yaml_of("min_probability", found.verified, found)
    for name, body in sections.items():
        is_empty = all(line.startswith("#") for line in body)
        lines.append(f"  {name}:{' {}' if is_empty else ''}")
        lines += [f"    {line}" for line in body]
    return "\n".join(lines) + "\n"


def _yaml_of(key: str, fitted: Fitted, found: Calibrated) -> list[str]:
    fit, aim = fitted.fit, found.aim
    if isinstance(fit, Failure):
        return [f"# {key}: none. {fit.reason}"]
    here, there = fit.count(found.measured.rows), fitted.held_out.count
    return [
        f"# fitted: {here.summary(aim)}",
        f"# held out: {there.summary(aim)}",
        f"{key}: {fit.least:g}",
    ]
