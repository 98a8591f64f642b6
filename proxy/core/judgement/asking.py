"""What a question asks for: a person or a team, a city or a country, when or how old."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Final

from proxy.core.judgement.words import ARTICLES, AUXILIARIES, INTERROGATIVES, PREPOSITIONS, closed

_WHO: Final = {
    "person": "person man woman guy individual people men women",
    "person actor": "actor actress actors actresses",
    "person singer": "singer singers vocalist",
    "person writer": "writer author writers authors songwriter",
    "person player": "player players athlete athletes",
    "person leader": "leader commander general ruler king queen president",
    "person director": "director",
    "character": "character characters",
    "group": "group groups",
    "group band": "band bands",
    "group team": "team teams club",
    "group army": "army navy",
    "organization": "organization organisation agency institution",
    "organization company": "company companies corporation manufacturer firm",
    "where country group team": "country countries nation nations",
}
_WHEN: Final = {
    "date": "date dates day days",
    "year": "year years",
    "month": "month months",
    "hour": "time hour",
    "season": "season seasons",
    "episode": "episode episodes",
    "chapter": "chapter chapters",
    "century": "century",
    "era": "era eras",
}
_WHERE: Final = {
    "city": "city cities town towns village",
    "country": "country countries nation nations",
    "state": "state states",
    "county": "county counties",
    "region": "region regions area areas",
    "continent": "continent continents",
    "river": "river rivers",
    "street": "street road address",
}

ROOTS: Final = frozenset({"who", "when", "where"})
"""The wide ones, which a reason names only for want of a narrower."""


def _nouns() -> dict[str, frozenset[str]]:
    nouns: dict[str, set[str]] = {}
    for root, kinds in (("who", _WHO), ("when", _WHEN), ("where", _WHERE)):
        for kind, words in kinds.items():
            for word in words.split():
                nouns.setdefault(word, {root}).update(kind.split())
    return {word: frozenset(kinds) for word, kinds in nouns.items()}


NOUNS: Final = _nouns()
"""A noun that is asked for, to all it may be taken for: `which city` is also `where`.

So a wider question never stands against a narrower one, but two narrow ones may.
"""

PRONOUNS: Final = {
    "when": "when",
    "where": "where",
    "who": "who",
    "whom": "who",
    "whose": "who",
    "why": "why",
}
MEASURED: Final = closed("many long old far often tall")
LASTING: Final = closed(
    "second seconds minute minutes hour hours day days week weeks month months year years"
)
"""`How many days` is also `how long`."""
POINTS: Final = closed("best good right ideal perfect exact current local same")
"""Before `time` these leave it a time of day; `boiling time` may be how long."""
DURATION: Final = frozenset({"when", "hour", "how long"})

FIRST: Final = 3
"""An interrogative further on is a relative pronoun."""

RUN: Final = 4
"""Words within which the noun follows its interrogative."""

BEFORE_A_NOUN: Final = ARTICLES | closed("is was are were name of")


def asks(words: Sequence[str]) -> frozenset[str]:
    """What is asked for, by all the names that it may have."""
    kinds = {PRONOUNS[word] for word in words[:FIRST] if word in PRONOUNS}
    for place, (how, what) in enumerate(pairwise(words)):
        if how == "how" and what in MEASURED:
            kinds.add(f"how {what}")
            if what == "many" and not LASTING.isdisjoint(words[place + 2 : place + 3]):
                kinds.add("how long")
    at = next(
        (at for at, word in enumerate(words[:FIRST]) if word in {"what", "which", "who"}), None
    )
    return frozenset(kinds if at is None else kinds | _noun(words[at + 1 :]))


def _noun(words: Sequence[str]) -> frozenset[str]:
    rest = list(words)
    while rest and rest[0] in BEFORE_A_NOUN:
        rest.pop(0)
    found: frozenset[str] = frozenset()
    before = ""
    for word in rest[:RUN]:
        if word in STOPPING:
            break
        found = NOUNS.get(word, found)
        if word == "time" and before and before not in POINTS:
            found = DURATION
        before = word
    return found


STOPPING: Final = (
    AUXILIARIES
    | PREPOSITIONS
    | INTERROGATIVES
    | closed("that makes make causes cause keeps leads drives attracts helps lets turns happens")
)
"""After these comes no noun that is asked for: `what makes people ...`."""
