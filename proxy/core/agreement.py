"""Whether two answers to a question say the same, as far as rules and a verifier can tell.

What is asked is not whether they are good, but whether a caller who got the one instead of the
other was told something else. Rules of the file:

- Equal is equal: the same words, or the same JSON.
- Where both are JSON, or call a tool, anything else differs: there is nothing to interpret.
- Short texts differ where a guard finds a fact in which they do: a number, a name, a negation.
- The shipped verifier was taught with questions. It is believed when it is sure, and only of texts
  that it can read whole. All else is `UNSURE`: a language model has to compare it, or nobody.
"""

from collections.abc import Sequence
from enum import StrEnum
from typing import Any, Final

from proxy.core.canonical import UncanonicalError, fingerprint, loads
from proxy.core.judgement.base import read
from proxy.core.judgement.guards import select

SURE: Final = 0.9
"""Least probability, by a verifier that was taught with questions, at which answers agree."""

SURELY_NOT: Final = 0.1
"""Highest at which they differ."""

READABLE_WORDS: Final = 90
"""Words of both texts together, up to which a guard and the verifier see the whole of them."""

READABLE_CHARS: Final = 1000
"""The same in characters: some languages put no spaces between words, and some texts have none."""

FACTS: Final = select(
    ["identifier", "number", "unit", "date", "language", "name", "negation", "opposite"]
)
"""The guards that speak of facts; the others speak of what a question asks."""

Said = Sequence[str] | None
"""An answer's text, choice by choice; None when it calls a tool."""


class Agreement(StrEnum):
    """What came of a comparison."""

    SAME = "same"
    OTHER = "other"
    UNSURE = "unsure"


def by_rule(old: Said, new: Said) -> Agreement | None:
    """What can be told without reading; None when the texts have to be read."""
    if old is None or new is None or len(old) != len(new):
        return Agreement.OTHER
    ruled = {_one_by_rule(a, b) for a, b in zip(old, new, strict=True)}
    if Agreement.OTHER in ruled:
        return Agreement.OTHER
    return None if None in ruled else Agreement.SAME


def _one_by_rule(old: str, new: str) -> Agreement | None:
    if _plain(old) == _plain(new):
        return Agreement.SAME
    ours, theirs = _json(new), _json(old)
    if ours is None or theirs is None:
        return None
    return Agreement.SAME if ours == theirs else Agreement.OTHER


def _plain(text: str) -> str:
    return " ".join(text.casefold().split()).rstrip(".!")


def _json(text: str) -> str | None:
    """A JSON object's or list's canonical form; None for what is none."""
    if not text.lstrip().startswith(("{", "[")):
        return None
    try:
        value: Any = loads(text.encode())
        return fingerprint(value)
    except (ValueError, UncanonicalError):
        return None


def is_readable(old: str, new: str) -> bool:
    """Whether guards and verifier can be asked about these texts."""
    if len(old) + len(new) > READABLE_CHARS:
        return False
    return 0 < len(old.split()) + len(new.split()) <= READABLE_WORDS


def by_fact(old: str, new: str) -> str | None:
    """Why two readable texts differ, for people: `number 30 != 14`; None when no guard knows."""
    ours, theirs = read(new), read(old)
    for guard in FACTS:
        if (reason := guard.veto(ours, theirs)) is not None:
            return reason
    return None


def by_probability(probability: float) -> Agreement:
    """What a verifier's probability is worth for answers; 0 says that it could not read them."""
    if probability == 0:
        return Agreement.UNSURE
    if probability >= SURE:
        return Agreement.SAME
    return Agreement.OTHER if probability <= SURELY_NOT else Agreement.UNSURE
