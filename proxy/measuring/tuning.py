"""Tune a configuration by what its own proxy has compared: read the record, propose, and edit.

The record is the file `cache.judgement.labels`; how many requests there are is asked of the running
proxy, where it answers. What follows from them is decided in `proxy.core.tuning` and `ageing`.
"""

import asyncio
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from fnmatch import fnmatchcase
from hashlib import sha256
from math import ceil
from pathlib import Path
from typing import Any, Final

from proxy.config import Config
from proxy.core.ageing import by_age, tune_lifetime
from proxy.core.binomial import lower, upper
from proxy.core.calibrating import PROBABILITIES, SIMILARITIES, Aim
from proxy.core.labels import Kept, Kind
from proxy.core.tuning import (
    Compared,
    Evidence,
    Proposal,
    evidence,
    thinned,
    tune_floor,
    tune_least,
)
from proxy.parts.inforce import FLOOR, LEAST, InForce
from proxy.tiers.labels import LabelFile

Json = dict[str, Any]

LIFETIME: Final = "cache.ttl.default_s"

WEEK_S: Final = 7 * 86_400.0
"""How long it should take to compare what is missing."""

SHARES: Final = (0.01, 0.5)
"""The least and the most that is advised of hits to audit."""

FIRST_SHARE: Final = 0.02
"""What is advised where nothing is known of the traffic."""

MOST_NAMESPACES: Final = 20
"""Namespaces that are told apart."""


@dataclass(frozen=True, slots=True)
class Record:
    """What was compared, as far as it speaks of the configuration.

    Attributes:
        pairs: All of them, of this scorer; those that came out clearly.
        left_out: Comparisons that say nothing here, by why.
        first, last: When the first and the last was made, seconds since the epoch; None of none.
    """

    pairs: tuple[Compared, ...]
    left_out: dict[str, int]
    first: float | None
    last: float | None


@dataclass(frozen=True, slots=True)
class Traffic:
    """Lookups that met a neighbour, as the running proxy counts them.

    Attributes:
        looked: How many.
        hits: Of these, those that were found good enough to serve.
        seconds: In what time.
    """

    looked: int
    hits: int
    seconds: float


def read_record(config: Config, scorer: str) -> Record:
    """What is kept in the labels file. Raises TierError when it cannot be read."""
    return record_of(asyncio.run(_compared(config.cache.judgement.labels)), scorer)


async def _compared(path: Path) -> Sequence[Kept]:
    file = LabelFile(path)
    try:
        return await file.compared()
    finally:
        await file.close()


def record_of(kept: Sequence[Kept], scorer: str) -> Record:
    """The comparisons that speak: drawn, clear, and scored by this scorer."""
    left_out: Counter[str] = Counter()
    pairs, times = [], []
    for one in kept:
        why = _why_left_out(one, scorer)
        if why:
            left_out[why] += 1
        else:
            pairs.append(_pair(one))
            times.append(one.at)
    return Record(tuple(pairs), dict(left_out), min(times, default=None), max(times, default=None))


def _why_left_out(kept: Kept, scorer: str) -> str:
    if not kept.lesson.drawn:
        return "feedback"
    if kept.sample is None:
        return "of an earlier version"
    if kept.scorer != scorer:
        return "of another model"
    return "" if kept.sample.is_clear else "unclear"


def _pair(kept: Kept) -> Compared:
    lesson, sample = kept.lesson, kept.sample
    assert sample is not None  # noqa: S101 - `_why_left_out` has seen to it
    drawn = sha256(f"{kept.tenant} {lesson.entry} {kept.at!r} {lesson.score!r}".encode()).digest()
    return Compared(
        score=lesson.score,
        right=lesson.right,
        share=sample.share,
        lot=int.from_bytes(drawn[:6], "big") / 2**48,
        similarity=sample.similarity,
        age=sample.age,
        is_near=sample.kind is Kind.NEAR,
        namespace=kept.namespace,
        model=kept.model,
    )


@dataclass(frozen=True, slots=True)
class Tuned:
    """What came of it.

    Attributes:
        aim: What had to be shown.
        record: What it rests on; `used` is what thinning left of it.
        proposals: One a key.
        traffic: Of the running proxy; None where it was not asked, or did not answer.
        advice: What to compare, for people; "" where enough is.
    """

    aim: Aim
    record: Record
    used: tuple[Compared, ...]
    proposals: tuple[Proposal, ...]
    traffic: Traffic | None
    advice: str

    @property
    def values(self) -> dict[str, float]:
        """The keys that are to be set."""
        return {one.key: one.proposed for one in self.proposals if one.proposed is not None}


def tune(
    config: Config, holds: InForce, record: Record, aim: Aim, traffic: Traffic | None = None
) -> Tuned:
    """What to set, by what was compared.

    Args:
        config: What the proxy runs with.
        holds: What of it decides.
        record: What was compared.
        aim: The target, and the confidence.
        traffic: How much there is, where it is known.
    """
    used = thinned(record.pairs)
    steps = PROBABILITIES if holds.key == LEAST else SIMILARITIES
    score = tune_least(holds.key, used, holds.least, steps, aim)
    least = holds.least if score.proposed is None else score.proposed
    proposals = [score]
    if holds.floor is not None:
        proposals.append(tune_floor(FLOOR, used, holds.floor, least, SIMILARITIES, aim.confidence))
    plain = [pair for pair in used if pair.score >= least and not _has_a_rule(config, pair)]
    proposals.append(tune_lifetime(LIFETIME, plain, config.cache.ttl.default_s, aim))
    advice = _advice(config, record, score.missing, traffic)
    return Tuned(aim, record, tuple(used), tuple(proposals), traffic, advice)


def _has_a_rule(config: Config, pair: Compared) -> bool:
    """Whether a rule may have given its entry another lifetime; of its tags nothing is known."""
    return any(
        fnmatchcase(pair.model, rule.model or "*")
        and fnmatchcase(pair.namespace, rule.namespace or "*")
        for rule in config.cache.ttl.rules
    )


def _advice(config: Config, record: Record, missing: int, traffic: Traffic | None) -> str:
    """What share of hits to audit, so that what is missing is there in a week."""
    if not missing:
        return ""
    share = config.cache.judgement.audit_share
    needed = f"About {missing:,} more comparisons are needed."
    if traffic is not None and traffic.hits and traffic.seconds:
        a_week = traffic.hits / traffic.seconds * WEEK_S
        advised = _shown_share(missing / a_week)
        days = missing / (a_week / 7 * advised)
        return (
            f"{needed} With cache.judgement.audit_share: {advised:g} they take about "
            f"{days:.3g} days of this traffic; {share:g} is set."
        )
    if share > 0 and record.first is not None and record.last is not None:
        days = max(1.0, (record.last - record.first) / 86_400)
        a_day = sum(not pair.is_near for pair in record.pairs) / days
        took = f" that is {missing / a_day:.3g} days" if a_day else ""
        return f"{needed} At cache.judgement.audit_share: {share:g}{took or ' none came yet'}."
    if share > 0:
        return f"{needed} One hit in {1 / share:.3g} is compared, by cache.judgement.audit_share."
    return (
        f"{needed} None are made: set cache.judgement.audit_share, to {FIRST_SHARE:g} for "
        f"instance, and they are there after {missing / FIRST_SHARE:,.0f} hits on reworded "
        "questions."
    )


def _shown_share(share: float) -> float:
    least, most = SHARES
    return min(most, max(least, ceil(100 * share) / 100))


def report(found: Tuned, holds: InForce, diff: str) -> Json:
    """Everything, ready for JSON: docs/tuning.md says what each field means."""
    used, confidence = found.used, found.aim.confidence
    served = [pair for pair in used if pair.score >= holds.least]
    return {
        "scorer": holds.scorer,
        "target": found.aim.target,
        "confidence": confidence,
        "compared": {
            "hits": sum(not pair.is_near for pair in found.record.pairs),
            "near_misses": sum(pair.is_near for pair in found.record.pairs),
            "used": len(used),
            "left_out": found.record.left_out,
            "first": found.record.first,
            "last": found.record.last,
        },
        "proposals": [_proposal(one, found) for one in found.proposals],
        "traffic": None if found.traffic is None else asdict(found.traffic),
        "advice": found.advice,
        "by_age": [
            {"from_s": start, "to_s": end, "wrong": wrong, "compared": compared}
            for start, end, wrong, compared in by_age(served, confidence)
        ],
        "by_namespace": _by_namespace(served, confidence),
        "diff": diff,
    }


def _proposal(one: Proposal, found: Tuned) -> Json:
    told = asdict(one)
    told["now"] = _evidence(one.now)
    told["then"] = None if one.then is None else _evidence(one.then)
    told["hit_rate"] = _hit_rate(one, found)
    return told


def _evidence(seen: Evidence) -> Json:
    return {**asdict(seen), "share": seen.share}


def _hit_rate(one: Proposal, found: Tuned) -> Json | None:
    """Of the lookups that meet a neighbour, the share that is answered by it: now, and then."""
    traffic = found.traffic
    if traffic is None or not traffic.looked:
        return None
    confidence = found.aim.confidence
    now = {
        "estimate": traffic.hits / traffic.looked,
        "low": lower(traffic.hits, traffic.looked, confidence),
        "high": upper(traffic.hits, traffic.looked, confidence),
    }
    if one.hits is None:
        return {"now": now, "then": None}
    change = asdict(one.hits)
    return {"now": now, "then": {end: min(1.0, now[end] * change[end]) for end in now}}


def _by_namespace(served: Sequence[Compared], confidence: float) -> list[Json]:
    """Those with most comparisons; the default one's name is empty."""
    counted = Counter(pair.namespace for pair in served).most_common(MOST_NAMESPACES)
    told = []
    for name, _ in counted:
        seen = evidence((pair for pair in served if pair.namespace == name), confidence)
        told.append({"namespace": name, **_evidence(seen)})
    return told
