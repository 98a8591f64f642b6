"""Joined parts may stand in any order: `A or B`, `B or A`."""

from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Final

from proxy.core.judgement.relations import Chain, Links
from proxy.core.judgement.sentence import BOUND, JOIN

MOST_JOINS: Final = 12
"""A text with more is left as it is: what takes apart a question must not take apart a story."""

MOST_STEPS: Final = 4
"""Exchanges that are looked for, one after another."""

GAPS: Final = frozenset({BOUND, JOIN})
"""After a part, the end of a sentence and another join are alike."""

LONGEST_PART: Final = 9
"""Words that a joined part may have."""


def reordered(chain: Chain, goal: Chain) -> Chain:
    """The chain with its joined parts in the order that they have in the goal."""
    wanted = frozenset(pairwise(goal))
    away = _distance(chain, goal, wanted)
    for _ in range(MOST_STEPS):
        tried = ((_distance(c, goal, wanted), c) for c in _regrouped(chain, wanted))
        nearest = min(tried, default=(away, chain))
        if nearest[0] >= away:
            return chain
        away, chain = nearest
    return chain


def _distance(chain: Chain, goal: Chain, wanted: Links) -> tuple[int, int]:
    """Links that are still missing, and places that are not yet right."""
    missing = len(wanted.difference(pairwise(chain)))
    return missing, sum(1 for one, other in zip(chain, goal, strict=False) if one != other)


def _regrouped(chain: Chain, wanted: Links) -> Iterator[Chain]:
    """The chain with two joined parts exchanged, where both ends then fit."""
    joins = [at for at, word in enumerate(chain) if word == JOIN]
    if len(joins) > MOST_JOINS:
        return
    fits = _fitting(chain, wanted)
    for at, first in enumerate(joins):
        for start in _part(chain, range(first - 1, first - 1 - LONGEST_PART, -1)):
            for second in joins[at:]:
                if not fits(chain[start - 1], chain[second + 1]):
                    continue
                for end in _part(chain, range(second + 1, second + 1 + LONGEST_PART)):
                    if fits(chain[first - 1], chain[end + 1]):
                        yield _exchanged(chain, (start, first), (second + 1, end + 1))


def _fitting(chain: Chain, wanted: Links) -> Callable[[str, str], bool]:
    """Whether a link is wanted, or cannot be told for a word that only one of the chains has."""
    ours, theirs = frozenset(chain), {word for link in wanted for word in link}
    begun_anew = {other for one, other in wanted if one not in ours}
    ended_anew = {one for one, other in wanted if other not in ours}
    ended = {one for one, other in wanted if other in GAPS}

    def fits(one: str, other: str) -> bool:
        if (one, other) in wanted or one in ended_anew or other in begun_anew:
            return True
        return one not in theirs or other not in theirs or (other in GAPS and one in ended)

    return fits


def _exchanged(chain: Chain, left: tuple[int, int], right: tuple[int, int]) -> Chain:
    (start, first), (second, end) = left, right
    middle = chain[first:second]
    return chain[:start] + chain[second:end] + middle + chain[start:first] + chain[end:]


def _part(chain: Chain, places: range) -> Iterator[int]:
    """The places up to a sentence's end."""
    for at in places:
        if chain[at] == BOUND:
            return
        yield at
