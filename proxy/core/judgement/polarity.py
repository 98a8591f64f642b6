"""Vetoes over what a question affirms: negation, and opposites that turn it round."""

from typing import Final

from proxy.core.judgement.reading import Reading
from proxy.core.judgement.residue import shown
from proxy.core.judgement.stems import stem
from proxy.core.judgement.words import AUXILIARIES, AVOIDING, PREVENTING, PRONOUNS, closed

OTHER_POLE: Final = 3
"""Poles are 1 and 2: this less one is the other."""

PREVENTING_STEMS: Final = frozenset(map(stem, PREVENTING))

FAILING: Final = frozenset(
    map(
        stem,
        closed(
            "stop cease quit fail failure break crash freeze stuck trouble problem issue error "
            "difficulty struggle refuse"
        ),
    )
)
PRONOUN_STEMS: Final = frozenset(map(stem, PRONOUNS))
SELECTING: Final = closed("which who whose list name")
"""Who picks out some of many wants to know what all these lack: `which do not`."""


def negation(new: Reading, old: Reading) -> str | None:
    """One side negates an odd number of times, the other does not, and no opposite makes up."""
    odd = _odd(new, old)
    if odd == _odd(old, new) or flip(new, old) or _unable(new, old) or _unable(old, new):
        return None
    side, reading = ("new", new) if odd else ("cached", old)
    word = next(iter((*reading.negations, *reading.unmade.values())))
    return f'negation: "{word}" only in the {side} question'


def opposite(new: Reading, old: Reading) -> str | None:
    """Opposites, and nothing that turns one of them round: `enable`, `disable`."""
    words = flip(new, old)
    if words is None or _odd(new, old) != _odd(old, new) or turned(new, old):
        return None
    ours, theirs = (_said(key, reading) for key, reading in zip(words, (new, old), strict=True))
    return f"opposite {ours} != {theirs}"


def _said(key: str, reading: Reading) -> str:
    """A word as asked; of a verb with its particle both."""
    verb, _, particle = key.partition("_")
    return f"{shown(verb, reading)} {particle}".rstrip()


def flip(new: Reading, old: Reading) -> tuple[str, str] | None:
    """Two words, each in one question alone, that sit on different poles of one axis.

    A question that has words on both poles says neither: `refuse to accept` is no opposite of
    `reject`.
    """
    theirs = {
        place: key for key, places in old.poles.items() if key not in new.poles for place in places
    }
    if not theirs:
        return None
    for key, places in new.poles.items():
        if key not in old.poles:
            for axis, pole in places:
                other = theirs.get((axis, OTHER_POLE - pole))
                if other and not (_at(old, axis, pole) or _at(new, axis, OTHER_POLE - pole)):
                    return key, other
    return None


def _at(reading: Reading, axis: int, pole: int) -> bool:
    return any((axis, pole) in places for places in reading.poles.values())


def made_up(new: Reading, old: Reading) -> bool:
    """Whether one side's negation is the other's opposite: `forgot`, `do not remember`."""
    return _odd(new, old) != _odd(old, new) and flip(new, old) is not None


def turned(new: Reading, old: Reading) -> bool:
    """Whether two comparisons name their ends the other way round: `A over B`, `B under A`."""
    if "than" not in new.roles or "than" not in old.roles:
        return False
    ours, theirs = new.roles["than"], old.roles["than"]
    return bool((ours - theirs) & old.stems) and bool((theirs - ours) & new.stems)


def _odd(one: Reading, other: Reading) -> bool:
    """Whether one question negates an odd number of times.

    `unsafe` counts where the other speaks of `safe`, or negates by itself; against `dangerous` it
    is a word like any other. So is `avoid` against `prevent`, and in what is to be answered yes or
    no `free` against `contain`: `is it sugar free`, `does it contain sugar`.
    """
    against = len(other.negations) % 2
    count = sum(1 for base in one.unmade if against or base in other.near)
    meant = PREVENTING_STEMS.isdisjoint(other.stems)
    said = [word for word in one.negations if meant or word not in AVOIDING]
    if said == ["free"] and not other.negations and AUXILIARIES.issuperset(one.words[:1]):
        said = []
    return (len(said) + count) % 2 == 1


def _unable(one: Reading, other: Reading) -> bool:
    """Whether what is not done in the one fails in the other: `does not load`, `stops loading`."""
    if one.unmade or one.negations != ("not",) or other.negations:
        return False
    picks = not SELECTING.isdisjoint(one.words[:2] + other.words[:2])
    if picks or not FAILING.isdisjoint(one.stems) or FAILING.isdisjoint(other.stems):
        return False
    denied = map(stem, one.words[one.words.index("not") + 1 :]) if "not" in one.words else ()
    return next((key for key in denied if key not in PRONOUN_STEMS), "") in other.stems
