"""The passive voice: `was quickly built by Ann`."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from proxy.core.judgement.stems import stem
from proxy.core.judgement.words import AUXILIARIES, IRREGULAR, closed

BE: Final = closed("am is are was were be been being get gets got gotten")
"""What a participle makes a passive with."""

UNCHANGED: Final = closed("left hurt hit put cut set let shut read beat cast spread split upset")
"""Participles that look like their verb."""

NO_PARTICIPLES: Final = closed("red bed need feed speed seed indeed hundred embed exceed shed")
"""They only end like one."""

NO_VERBS: Final = AUXILIARIES | closed(
    "child man woman person mouse tooth life wife leaf analysis index matrix"
)
"""Bases of irregular forms that are no participles."""

NEAR: Final = 4
"""Words within which a participle follows its form of be: `was not very often asked`."""


@dataclass(frozen=True, slots=True)
class Passive:
    """Who is acted upon, the act, and who acts, by stem."""

    patient: str
    act: str
    agent: str


def _is_participle(word: str, after: str) -> bool:
    if word == "used":
        return after != "to"
    if word.endswith("ed"):
        return word not in NO_PARTICIPLES
    return word in UNCHANGED or IRREGULAR.get(word, "be") not in NO_VERBS


def _participles(words: tuple[str, ...]) -> Iterator[tuple[int, int]]:
    """Places of a form of be and of its participle."""
    for at, word in enumerate(words):
        if word in BE:
            ahead = enumerate(pairwise((*words[at + 1 : at + 2 + NEAR], "")), at + 1)
            found = next((place for place, pair in ahead if _is_participle(*pair)), None)
            if found is not None:
                yield at, found


def acts(words: tuple[str, ...]) -> frozenset[str]:
    """Stems of what is done in the passive."""
    return frozenset(stem(words[place]) for _, place in _participles(words))


def passive(words: tuple[str, ...], content: frozenset[str]) -> Passive | None:
    """The passive that names its agent, if there is one.

    Args:
        words: Every word, lower case.
        content: Stems of the words that carry the meaning.
    """
    for at, place in _participles(words):
        by = next(
            (n for n in range(place + 1, min(place + NEAR, len(words))) if words[n] == "by"), 0
        )
        if not by:
            continue
        before = [stem(w) for w in (*words[:at], *words[at + 1 : place]) if stem(w) in content]
        agent = next((w for w in words[by + 1 :] if stem(w) in content), "")
        if before and agent and not agent.endswith("ing"):
            return Passive(before[-1], stem(words[place]), stem(agent))
    return None
