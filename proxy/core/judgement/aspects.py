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
    told, is_new = _told(new, old)
    if not told or differences(new, old) - CHANGE:
        return None
    if told == "done":
        return f"aspect: {new.words[0]} != {old.words[0]}"
    return f"aspect: {told} only in the {'new' if is_new else 'cached'} question"


def _told(new: Reading, old: Reading) -> tuple[str, bool]:
    """What one question says of time or change and the other does not, and whether the new does."""
    past = _has_past(new)
    if past != _has_past(old) and WAS.isdisjoint((old if past else new).words):
        return "past", past  # and where it was, `used to be` says the same
    change = _has_change(new)
    if change != _has_change(old):
        return "change", change
    return "done" if _apart(new, old) or _apart(old, new) else "", False


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
