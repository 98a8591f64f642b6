"""What one question says that another does not."""

from collections.abc import Iterable
from typing import Final

from proxy.core.judgement.reading import NEAR, Reading
from proxy.core.judgement.stems import akin
from proxy.core.judgement.words import ARTICLES, DETERMINERS, PREPOSITIONS, PRONOUNS


def residue(keys: Iterable[str], reading: Reading, other: Reading) -> list[str]:
    """The stems of one that the other covers neither by itself, a synonym nor a near spelling."""
    left = [key for key in dict.fromkeys(keys) if key not in other.near]
    return [key for key in left if not _misspelt(key, reading, other)] if left else left


def _misspelt(key: str, reading: Reading, other: Reading) -> bool:
    if any(akin(key, known) for known in other.stems):
        return True
    word = shown(key, reading).casefold()
    return word != key and any(akin(word, known) for known in other.words)


def shown(key: str, reading: Reading) -> str:
    """A stem as its question wrote it."""
    return reading.shown.get(key, key)


def differences(one: Reading, other: Reading) -> set[str]:
    """Both residues together."""
    return {*residue(one.content, one, other), *residue(other.content, other, one)}


OPENS_AN_OBJECT: Final = ARTICLES | PRONOUNS | PREPOSITIONS | DETERMINERS
"""After one of these the first word was a verb."""

WIDEST: Final = 3
"""Words that may be replaced in one place; a longer stretch is a rewording, not a replacement."""

Span = tuple[str, ...]


def replaced(one: Span, other: Span) -> tuple[Span, Span] | None:
    """The stretch that differs when all before and after it is equal.

    None when the two are equal, when the stretch is empty on a side or too long, or when it is
    the verb that opens the sentence: `explain the`, `describe the` ask for the same.
    """
    shorter = min(len(one), len(other))
    start = 0
    while start < shorter and one[start] == other[start]:
        start += 1
    end = 0
    while end < shorter - start and one[-1 - end] == other[-1 - end]:
        end += 1
    ours, theirs = one[start : len(one) - end], other[start : len(other) - end]
    opens = not start and (not end or one[-end] in OPENS_AN_OBJECT)
    if not opens and 0 < len(ours) <= WIDEST and 0 < len(theirs) <= WIDEST:
        return ours, theirs
    return None


def elsewhere(span: Span, instead: Span, reading: Reading) -> list[str]:
    """What one stretch says in place of the other, though both questions speak of it elsewhere.

    `Tom gives Ann two. How many has Tom?` speaks of Ann as well, and still does not ask for her.
    """
    keys = (k for k in span if k in reading.content and reading.sequence.count(k) > 1)
    return [key for key in keys if not any(_alike(key, other) for other in instead)]


def _alike(one: str, other: str) -> bool:
    return other in NEAR.get(one, ()) or one in NEAR.get(other, ()) or akin(one, other)
