"""A veto over word order: two parts of a question have changed places.

A question is read as a chain: `.` stands for the ends of sentences, `&` for every join. What
follows what is a link. A part moved as a whole (`in Rust, how ...`, `how ... in Rust`) breaks three
links and makes three, in a ring. Two parts exchanged leave another mark: of `old man, young dog`
the links old-man and young-dog are gone, and old-dog and young-man have come. That mark is looked
for, so that questions may otherwise be worded and ordered as they like.
"""

from collections import Counter
from collections.abc import Iterator
from itertools import pairwise
from typing import Final

from proxy.core.judgement.joined import reordered
from proxy.core.judgement.passive import acts
from proxy.core.judgement.polarity import flip, turned
from proxy.core.judgement.reading import NEAR, Reading
from proxy.core.judgement.relations import FRAME, Chain, Link, Links, symmetric
from proxy.core.judgement.residue import residue, shown
from proxy.core.judgement.sentence import BOUND, JOIN
from proxy.core.judgement.stems import stem
from proxy.core.judgement.words import (
    AUXILIARIES,
    INTERROGATIVES,
    NEGATORS,
    PREPOSITIONS,
    PRONOUNS,
    closed,
)

Trade = tuple[Link, Link]
"""Two links of one question that have exchanged their ends in the other."""

ALIKE: Final = 2
"""At most this much content may be one question's alone where its order is compared."""

PREPOSITION_STEMS: Final = frozenset(map(stem, PREPOSITIONS))
STANDARD: Final = closed("compared relative")
"""`A compared to B` asks of A, and takes B for its measure."""


def order(new: Reading, old: Reading) -> str | None:
    """Two parts exchanged, unless they are joined, alike, or ends of a symmetric relation."""
    if new.chain == old.chain:
        return None
    # Whatever is tried first must not depend on which question is the new one.
    one, other = sorted((new, old), key=lambda reading: reading.chain)
    traded = next(_trades(one.links - other.links, other.links - one.links), None)
    if not (traded or _same_words(one, other)) or not _same_matter(one, other):
        return None
    if turned(one, other) and flip(one, other):
        return None
    ordered = "respectively" in one.words
    chain = one.chain if ordered else reordered(one.chain, other.chain)
    return None if chain == other.chain else _exchange(chain, one, other)


def _exchange(chain: Chain, one: Reading, other: Reading) -> str | None:
    """What is still exchanged when the joined parts of the one stand as in the other."""
    links = frozenset(pairwise(chain))
    trades = list(_trades(links - other.links, other.links - links))
    for (u, x), (v, y) in sorted(trades, key=_frame):
        if not _free(one, other, (u, x), (v, y)):
            ours, theirs = ((u, x), (v, y)), ((u, y), (v, x))
            return f"order: {_say(ours, one)} != {_say(theirs, other)}"
    moved = _moved(chain, other.chain) if sorted(one.content) == sorted(other.content) else None
    if moved:
        return f"order: {_say(moved[:1], one)} != {_say(moved[1:], other)}"
    if trades or not _same_words(one, other) or _is_fragment(one):
        return None
    return _far(chain, other.chain, one)


def _say(links: tuple[Link, ...], reading: Reading) -> str:
    said = (" ".join(shown(w, reading) for w in link if w not in {BOUND, JOIN}) for link in links)
    return ", ".join(said)


def _same_matter(one: Reading, other: Reading) -> bool:
    ours, theirs = residue(one.content, one, other), residue(other.content, other, one)
    return len(ours) + len(theirs) <= ALIKE


def _same_words(one: Reading, other: Reading) -> bool:
    return len(one.chain) == len(other.chain) and sorted(one.chain) == sorted(other.chain)


def _trades(lost: Links, come: Links) -> Iterator[Trade]:
    """Two links that have exchanged their ends, in a fixed order."""
    if not lost or not come:
        return
    after: dict[str, list[str]] = {}
    before: dict[str, list[str]] = {}
    for u, y in sorted(come):
        after.setdefault(u, []).append(y)
        before.setdefault(y, []).append(u)
    for u, x in sorted(lost):
        for y in after.get(u, ()):
            for v in before.get(x, ()):
                if x < y and (v, y) in lost and _weighs((x, y), (u, v)):
                    yield (u, x), (v, y)


def _frame(trade: Trade) -> int:
    """How many of its words carry no meaning: a reason is best given without them."""
    return sum(1 for link in trade for word in link if word in FRAME)


def _weighs(ends: Link, starts: Link) -> bool:
    return FRAME.isdisjoint(ends) or FRAME.isdisjoint(starts)


def _free(one: Reading, other: Reading, first: Link, second: Link) -> bool:
    """Whether this exchange leaves the meaning as it is."""
    (u, x), (v, y) = first, second
    if any(b in NEAR.get(a, ()) for a, b in ((x, y), (u, v)) if FRAME.isdisjoint((a, b))):
        return True
    passive = acts(one.words) ^ acts(other.words)
    if passive and (BOUND in first + second or not passive.isdisjoint(first + second)):
        return True  # the object of the one is the subject of the other
    if _asks_late(one) != _asks_late(other) or _phrases(one, other, first, second):
        return True
    if _is_fragment(one) or _is_fragment(other):
        return PREPOSITION_STEMS.isdisjoint((u, v))
    if not STANDARD.isdisjoint(one.words + other.words):
        return False
    return symmetric(one.chain, first, second) or symmetric(other.chain, (u, y), (v, x))


def _phrases(one: Reading, other: Reading, first: Link, second: Link) -> bool:
    """Whether two whole phrases have changed places: `in Oslo in June`, `of June in Oslo`."""
    (u, x), (v, y) = first, second
    if BOUND not in (x, y) or PREPOSITION_STEMS.isdisjoint((x, y)):
        return False
    return all(
        any(two == word and before in PREPOSITION_STEMS for before, two in links)
        for links in (one.links, other.links)
        for word in (u, v)
    )


def _asks_late(reading: Reading) -> bool:
    """Whether it puts its question at the end: `a mile is how many feet`."""
    places = (at for at, word in enumerate(reading.words) if word in ASKING)
    return next(places, 0) > 1


ASKING: Final = closed("what which how who")


def _is_fragment(reading: Reading) -> bool:
    """Whether it is a heap of nouns, as typed into a search box."""
    return SENTENCE.isdisjoint(reading.words)


SENTENCE: Final = AUXILIARIES | INTERROGATIVES | PRONOUNS
"""One of these makes a sentence of what else is a fragment."""


def _moved(chain: Chain, other: Chain) -> tuple[Link, Link] | None:
    """A word that stands beside another than it did, where both are in both, and apart.

    `A new house for old people`, `a house for new old people`.
    """
    ours, theirs = _runs(chain), _runs(other)
    mine, their = _pairs(ours), _pairs(theirs)
    for a, b in sorted(mine - their):
        for c, d in sorted(their - mine):
            moved = (a, b, d) if a == c else (b, a, c) if b == d else None
            if moved and _apart(ours, theirs, *moved):
                return (a, b), (c, d)
    return None


def _runs(chain: Chain) -> list[Chain]:
    """The stretches of words that carry meaning."""
    runs: list[list[str]] = [[]]
    for word in chain:
        if word in BETWEEN_RUNS:
            runs.append([])
        else:
            runs[-1].append(word)
    return [tuple(run) for run in runs if run]


BETWEEN_RUNS: Final = FRAME | {stem("do"), stem("have")}


def _pairs(runs: list[Chain]) -> Links:
    return frozenset(link for run in runs for link in pairwise(run))


def _apart(ours: list[Chain], theirs: list[Chain], word: str, was: str, now: str) -> bool:
    """Whether each neighbour has company in the other question too, and never this word's.

    A word that stands alone has moved as a whole, unless it is a negation that left it.
    """
    least = 1 if word in NEGATORS else 2
    before = [run for run in ours if now in run and len(run) >= least]
    after = [run for run in theirs if was in run and len(run) >= least]
    return bool(before) and bool(after) and not any(word in run for run in (*before, *after))


def _far(one: Chain, other: Chain, reading: Reading) -> str | None:
    """Two parts exchanged whose neighbours are alike: `the worst in A and the best in B`."""
    if _parts(one) == _parts(other):
        return None
    start = 0
    while one[start] == other[start]:
        start += 1
    end = len(one)
    while one[end - 1] == other[end - 1]:
        end -= 1
    swapped = _swap(one[start:end], other[start:end])
    if swapped is None:
        return None
    left, middle, right = swapped
    meet = not middle and one[start - 1] in QUANTIFIERS and one[end] == BOUND
    if {BOUND, JOIN}.issuperset(middle) and not meet:
        return None
    if right[0] in NEAR.get(left[0], ()):
        return None
    before, after = (" ".join(shown(word, reading) for word in part) for part in (left, right))
    return f"order: {before} before {after}"


QUANTIFIERS: Final = frozenset(map(stem, ("all", "every", "each", "most", "no")))
"""Between these and the end of a sentence subject and predicate meet: `all squares rectangles`."""


def _parts(chain: Chain) -> Counter[str]:
    """What stands between joins and ends."""
    return Counter(" ".join(chain).replace(JOIN, BOUND).split(f" {BOUND} "))


def _swap(one: Chain, other: Chain) -> tuple[Chain, Chain, Chain] | None:
    """Splits `X M Y` against `Y M X`, with the longest middle."""
    for left in range(1, len(one)):
        if other[-left:] != one[:left]:
            continue
        for right in range(1, len(one) - left + 1):
            middle = one[left : len(one) - right]
            if (
                other[:right] == one[len(one) - right :]
                and other[right : len(one) - left] == middle
            ):
                return one[:left], middle, one[len(one) - right :]
    return None
