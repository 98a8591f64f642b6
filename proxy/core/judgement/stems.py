"""When two spellings are one word.

A stem is only a key: `capitalised` and `capitalizing` must meet, and nothing reads the key itself.
`akin` is the looser test, for the few words left over after stems and synonyms: a slip of the
finger, or one word derived from the other. It lifts vetoes, so it may err by one lost veto.
"""

from functools import lru_cache
from itertools import takewhile
from typing import Final

from proxy.core.judgement.words import IRREGULAR, closed

REMEMBERED: Final = 16_384
"""Words whose stem is kept; a day's traffic has about as many."""

SHORTEST: Final = 3
"""A suffix is cut only where this much is left."""

UNINFLECTED: Final = closed(
    "https css aws dns sms gps ios macos news series species mathematics physics economics "
    "politics "
    "always perhaps gas lens canvas atlas kubernetes redis jenkins postgres pandas keras windows "
    "dating"
)
"""Not forms of another word, though they end like one."""

_VOWELS: Final = frozenset("aeiouy")
_SIBILANTS: Final = ("sses", "xes", "ches", "shes", "zzes")


def _singular(word: str) -> str:
    if word in UNINFLECTED:
        return word
    if word.endswith("ies") and len(word) > SHORTEST + 1:
        return word[:-3] + "y"
    if word.endswith(_SIBILANTS):
        return word[:-2]
    if word.endswith("s") and not word.endswith(("ss", "us", "is")) and len(word) > SHORTEST:
        return word[:-1]
    return word


def _infinitive(word: str) -> str:
    if word.endswith("ied") and len(word) > SHORTEST + 1:
        return word[:-3] + "y"
    if word in UNINFLECTED:
        return word
    for suffix in ("ing", "ed"):
        rest = word[: -len(suffix)]
        if word.endswith(suffix) and len(rest) >= SHORTEST and not _VOWELS.isdisjoint(rest):
            return rest
    return word


def _spelling(word: str) -> str:
    """Folds British and American spelling, a silent e and a doubled last consonant."""
    if len(word) <= SHORTEST:
        return word
    if word.endswith("tre"):
        word = word[:-2] + "er"
    word = word.removesuffix("e").replace("our", "or")
    if len(word) > SHORTEST and word[-1] == word[-2]:
        word = word[:-1]
    if word.endswith(("is", "ys")) and len(word) > SHORTEST + 1:
        word = word[:-1] + "z"
    if word.endswith("enc"):
        word = word[:-1] + "s"
    return word


@lru_cache(maxsize=REMEMBERED)
def stem(word: str) -> str:
    """A key equal for the forms of one word. `word` is lower case."""
    word = IRREGULAR.get(word, word)
    return _spelling(_infinitive(_singular(word)))


def degrees(word: str) -> tuple[str, str]:
    """An adjective's comparative and superlative: `bigger`, `biggest`."""
    if word.endswith("y"):
        word = word[:-1] + "i"
    word = word.removesuffix("e")
    if len(word) == SHORTEST and word[-1] not in _VOWELS | {"w", "x"} and word[-2] in _VOWELS:
        word += word[-1]
    return word + "er", word + "est"


LONG_ENOUGH: Final = 5
"""In shorter words one letter makes another word: `cat`, `car`."""

FAMILY: Final = 5
"""Letters that two derived forms share at least: `migrate`, `migration`."""

FAMILY_SHARE: Final = 0.6
"""And that is at least this share of the longer one."""


def _shared(one: str, other: str) -> int:
    """How many letters both begin with."""
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(one, other, strict=False)))


def _slip(one: str, other: str) -> bool:
    """Whether one dropped, doubled or swapped letter turns one into the other, or `f` for `ph`.

    A replaced letter is not counted: that is how names and codes differ.
    """
    if one[0] != other[0]:
        return False
    if one.replace("ph", "f") == other.replace("ph", "f"):
        return True
    start = sum(
        1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(one, other, strict=False))
    )
    a, b = one[start:], other[start:]
    if len(a) == len(b):
        return len(a) > 1 and a[0] == b[1] and a[1] == b[0] and a[2:] == b[2:]
    longer, shorter = (a, b) if len(a) > len(b) else (b, a)
    return longer[1:] == shorter


def _derived(shorter: str, longer: str) -> bool:
    """Whether the longer is a comparison or an adverb of the shorter, or that its abbreviation."""
    if len(shorter) < SHORTEST:
        return False
    return longer[len(shorter) :] in {"er", "est", "r", "st", "ly"} or len(longer) > 2 * len(
        shorter
    )


def akin(one: str, other: str) -> bool:
    """Whether two stems are one word misspelt, or of one family. Symmetric."""
    if one == other:
        return True
    shorter, longer = sorted((one, other), key=len)
    if longer.startswith(shorter) and _derived(shorter, longer):
        return True
    longest = max(len(one), len(other))
    if min(len(one), len(other)) < LONG_ENOUGH:
        return False
    shared = _shared(one, other)
    return (shared >= FAMILY and shared >= FAMILY_SHARE * longest) or _slip(one, other)
