"""Explanations as steps for people, and as JSON for programs: docs/explain.md lists the fields."""

from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from typing import Any

from proxy.core.explaining import (
    PARTS,
    Comparison,
    Explanation,
    Pair,
    Rules,
    why_exact,
    why_unindexed,
    why_unread,
    why_unstored,
)
from proxy.core.reading import Understood

Json = dict[str, Any]


class Word(StrEnum):
    """What a stage says of a pair."""

    PASSES = "passes"
    STOPS = "stops"
    SILENT = "-"
    """It has no say here."""


@dataclass(frozen=True, slots=True)
class Step:
    """One stage's word, and why, in a few words."""

    stage: str
    word: Word
    detail: str


def comparison_steps(found: Comparison) -> list[Step]:
    """Every stage's word in the order of the lookup, also after one has stopped the pair."""
    steps = [
        _unless("read", why_unread(found.new), "may be answered from the cache"),
        _unless("stored", why_unstored(found.cached), "the other's answer may be stored"),
        _unless("key", _differing(found), "nothing differs"),
    ]
    if found.is_same:
        return [*steps, Step("exact", Word.PASSES, "the same request")]
    steps.append(Step("exact", Word.SILENT, "not the same request"))
    exact = why_exact(found.new) or why_unindexed(found.cached)
    if exact is not None:
        steps.append(Step("reworded", Word.STOPS, f"exact repeats only: {exact}"))
    return steps if found.pair is None else steps + pair_steps(found.pair, found.rules)


def _differing(found: Comparison) -> str | None:
    if not found.differs:
        return None
    kept = found.new.kept or found.cached.kept if "context" in found.differs else ""
    why = f"; earlier turns must be the same: {kept}" if kept else ""
    return f"differs: {', '.join(found.differs)}{why}"


def pair_steps(pair: Pair, rules: Rules) -> list[Step]:
    """The judgement's stages; of the same text nothing but that is asked."""
    if pair.same_text:
        text = Step("text", Word.PASSES, "the same question: what follows has no say")
    else:
        text = Step("text", Word.SILENT, "other words")
    return [text, _similarity(pair), _guards(pair, rules), _verifier(pair, rules)]


def _unless(stage: str, trouble: str | None, well: str) -> Step:
    return Step(stage, Word.PASSES if trouble is None else Word.STOPS, trouble or well)


def _least(stage: str, value: float, least: float) -> Step:
    if value >= least:
        return Step(stage, Word.PASSES, f"{value:.4f} >= {least:.3f}")
    return Step(stage, Word.STOPS, f"{value:.4f} < {least:.3f}")


def _similarity(pair: Pair) -> Step:
    if pair.similarity is None:
        return Step("similarity", Word.STOPS, "not embedded: empty, or more than the model reads")
    return _least("similarity", pair.similarity, pair.least)


def _guards(pair: Pair, rules: Rules) -> Step:
    vetoes = "; ".join(reason for _, reason in pair.vetoes)
    return _unless("guards", vetoes or None, f"none of {len(rules.guards)} objects")


def _verifier(pair: Pair, rules: Rules) -> Step:
    if rules.min_probability is None:
        return Step("verifier", Word.SILENT, "none: similarity and guards decide")
    if pair.probability is None:
        return Step("verifier", Word.STOPS, "no answer")
    return _least("verifier", pair.probability, rules.min_probability)


def comparison_report(found: Comparison) -> Json:
    """Everything, ready for JSON."""
    return {
        "decision": asdict(found.decision),
        "steps": [asdict(step) for step in comparison_steps(found)],
        "key": {
            "same": found.is_same,
            "differs": list(found.differs),
            "new": _key(found.new),
            "cached": _key(found.cached),
        },
        "new": _asked(found.new),
        "cached": _asked(found.cached),
        "pair": _pair(found.pair, found.rules) if found.pair else None,
    }


def unquoted(found: Explanation) -> Explanation:
    """The same without a word of cached questions: of a veto, which quotes them, only the guard."""
    guards = {reason: name for near in found.neighbours for name, reason in near.pair.vetoes}

    def bare(pair: Pair) -> Pair:
        vetoes = tuple((name, name) for name, _ in pair.vetoes)
        reason = guards.get(pair.reason, pair.reason)
        return replace(pair, question="", vetoes=vetoes, reason=reason)

    why = found.decision.reason
    return replace(
        found,
        decision=replace(found.decision, reason=guards.get(why, why)),
        neighbours=tuple(replace(near, pair=bare(near.pair)) for near in found.neighbours),
    )


def explanation_report(found: Explanation) -> Json:
    """Everything, ready for JSON."""
    return {
        "decision": asdict(found.decision),
        "key": _key(found.asked),
        "new": _asked(found.asked),
        "neighbours": [
            {
                "entry": near.entry,
                "steps": [asdict(step) for step in pair_steps(near.pair, found.rules)],
                "pair": _pair(near.pair, found.rules),
            }
            for near in found.neighbours
        ],
    }


def _key(asked: Understood) -> Json:
    scope = asked.request.scope
    return {part: getattr(scope, part) for part in PARTS}


def _asked(asked: Understood) -> Json:
    return {
        "question": asked.request.question,
        "key": asked.request.key,
        "not_read": why_unread(asked),
        "not_stored": why_unstored(asked),
        "exact_only": why_exact(asked),
        "exact_turns": asked.kept or None,
    }


def _pair(pair: Pair, rules: Rules) -> Json:
    return {
        **asdict(pair),
        "vetoes": [{"guard": name, "reason": reason} for name, reason in pair.vetoes],
        "verifier": rules.verifier,
        "min_probability": rules.min_probability,
    }
