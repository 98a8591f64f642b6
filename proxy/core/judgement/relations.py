"""Links between words, and the relations that hold both ways round."""

from itertools import pairwise
from typing import Final

from proxy.core.judgement.sentence import BOUND, JOIN
from proxy.core.judgement.stems import stem
from proxy.core.judgement.words import (
    ARTICLES,
    AUXILIARIES,
    CONJUNCTIONS,
    DETERMINERS,
    INTERROGATIVES,
    PREPOSITIONS,
    PRONOUNS,
    closed,
)

Chain = tuple[str, ...]
Link = tuple[str, str]
Links = frozenset[Link]

_FRAME: Final = (
    ARTICLES | AUXILIARIES | CONJUNCTIONS | DETERMINERS | INTERROGATIVES | PREPOSITIONS | PRONOUNS
) - closed("do does did have has had")
FRAME: Final = frozenset(map(stem, _FRAME)) | {BOUND, JOIN}
"""Words that say nothing by changing places with one another. `Do` and `have` may be full verbs."""


def _stems(words: str) -> frozenset[str]:
    return frozenset(map(stem, words.split()))


SYMMETRIC: Final = _stems(
    "between differ difference different same similar equal equivalent marry near close related "
    "relationship compare comparison versus distance apart friend sibling cousin connect identical "
    "compatible compatibility parallel adjacent engaged divorce neighbour partner correlation "
    "correlate cooperate fight argue acquaintance colleague roommate classmate teammate twin meet "
    "dating"
)
"""Stems of relations that hold both ways round."""

COMMUTATIVE: Final = SYMMETRIC | _stems("both mix combine multiply multiplication product add sum")
"""The same, and operations whose operands may change places."""

BRIEF: Final = 2
"""Words of content that may stand between the two ends: `the prices near`."""


def symmetric(chain: Chain, one: Link, two: Link) -> bool:
    """Whether what these links begin or end are both ends of a symmetric relation."""
    links = list(pairwise(chain))
    if FRAME.isdisjoint(one + two) or one not in links or two not in links:
        return False  # whose attribute is whose is never free
    first, last = sorted((links.index(one), links.index(two)))
    sides = (one[0], two[0]), (one[1], two[1])
    ends = {word for side in sides if FRAME.isdisjoint(side) for word in side}
    between = [w for w in chain[first + 1 : last + 1] if w in COMMUTATIVE or w not in FRAME]
    between = [word for word in between if word not in ends]
    if between:
        return len(between) <= BRIEF and not COMMUTATIVE.isdisjoint(between)
    start = max(at for at in range(first + 1) if chain[at] == BOUND)
    return not COMMUTATIVE.isdisjoint(chain[start : first + 1])


def together(chain: Chain, pair: Link) -> bool:
    """Whether both stand in one run of content: `the playlist Best of Jazz`."""
    run: set[str] = set()
    for word in chain:
        if word in FRAME:
            run = set()
        run.add(word)
        if run.issuperset(pair):
            return True
    return False
