"""A veto over time and change: what is, what used to be, what is becoming and what has become."""

from itertools import pairwise
from typing import Final

from proxy.core.judgement.reading import Reading
from proxy.core.judgement.residue import differences
from proxy.core.judgement.stems import stem
from proxy.core.judgement.words import closed

CHANGING: Final = closed("getting growing")
WORSE: Final = closed("worse better")
"""Comparatives that do not end like one."""
CHANGE: Final = frozenset(map(stem, CHANGING | {"used", "becoming"}))
BE: Final = closed("be is are was were been being am get gets got")
"""`Is used to` says what for, or what one is accustomed to, not what once was."""

BEING: Final = (("is",), ("are",))
"""How a question begins that asks whether something is so."""
WAS: Final = closed("was were did formerly previously")
PERFECT: Final = closed("has have")


def aspect(new: Reading, old: Reading) -> str | None:
    """`Is`, `used to be`, `is becoming` and `has become`, where nothing else differs."""
    kinds = (("past", _has_past), ("change", _has_change))
    marks = [(kind, has(new), has(old)) for kind, has in kinds]
    told = next(((kind, here) for kind, here, there in marks if here != there), None)
    if told and told[0] == "past" and not WAS.isdisjoint((old if told[1] else new).words):
        return None  # `used to be` is `was`
    apart = _apart(new, old) or _apart(old, new)
    if not (told or apart) or differences(new, old) - CHANGE:
        return None
    if told:
        return f"aspect: {told[0]} only in the {'new' if told[1] else 'cached'} question"
    return f"aspect: {new.words[0]} != {old.words[0]}"


def _has_past(reading: Reading) -> bool:
    for at, (word, after) in enumerate(pairwise(reading.words)):
        if after == "to" and (word == "used" or (word == "use" and "did" in reading.words[:at])):
            return BE.isdisjoint(reading.words[:at])
    return False


def _has_change(reading: Reading) -> bool:
    if "becoming" in reading.words:
        return True
    return reading.words[:1] in BEING and any(
        one in CHANGING and (two.endswith("er") or two in WORSE)
        for one, two in pairwise(reading.words)
    )


def _apart(one: Reading, other: Reading) -> bool:
    """Whether the first asks whether it has happened, and the other whether it is happening."""
    done = not PERFECT.isdisjoint(one.words[:1]) and "been" not in one.words
    return done and other.words[:1] in BEING and any(w.endswith("ing") for w in other.words)
