"""Reading a question once, so that judging it against several neighbours is cheap."""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from proxy.core.judgement.asking import asks
from proxy.core.judgement.names import (
    LANGUAGES,
    LONG_NATIONS,
    NATIONS,
    SHORT_NATIONS,
    SPOKEN_ELSEWHERE,
)
from proxy.core.judgement.opposites import AXES, GRADED
from proxy.core.judgement.sentence import Words
from proxy.core.judgement.stems import degrees, stem
from proxy.core.judgement.synonyms import ALIASES, SYNONYMS
from proxy.core.judgement.tokens import Token, plain
from proxy.core.judgement.words import NEGATORS, POSITIVE_OF


def _near() -> Mapping[str, frozenset[str]]:
    near: dict[str, set[str]] = {}
    for word, others in SYNONYMS.items():
        near.setdefault(stem(word), set()).update(map(stem, others))
        if word in GRADED:
            graded = [degrees(other) for other in others if other in GRADED]
            for form, forms in zip(degrees(word), zip(*graded, strict=True), strict=True):
                near.setdefault(stem(form), set()).update(map(stem, forms))
    return {word: frozenset(others) for word, others in near.items()}


NEAR: Final = _near()
"""Stem to the stems of its synonyms."""


def _poles() -> Mapping[str, tuple[tuple[int, int], ...]]:
    poles: dict[str, list[tuple[int, int]]] = {}
    for axis, pair in enumerate(AXES):
        for sign, pole in zip((1, 2), pair, strict=True):
            for word in pole:
                if word not in NEGATORS and word not in POSITIVE_OF:
                    verb, joined, particle = word.partition("_")
                    poles.setdefault(stem(verb) + joined + particle, []).append((axis, sign))
    return {word: tuple(places) for word, places in poles.items()}


POLES: Final = _poles()
"""Stem to the axes it sits on, and on which pole: 1 or 2."""


@dataclass(frozen=True, slots=True)
class Reading:
    """One question, read. Sets hold canonical forms; a `faint` one only counts against another.

    Attributes:
        text: As asked.
        plain: Without case, spacing and final punctuation: equal means the same question.
        sequence: Every word and number in order, by stem.
        chain: The same for the order's sake: without articles, every join `&`, every end `.`.
        links: What follows what in the chain.
        content: Stems of the words that carry the meaning, in order.
        stems: Every word's stem.
        near: Stems, their synonyms, and the other forms of names: what this question covers.
        shown: Stem to the word as asked, for reasons.
        measures: Each number with its unit.
        numbers, faint_numbers, units, calendar, faint_calendar, operators: See `quantities`.
        operations: Each operator between what stands on its sides.
        identifiers, faint_identifiers: Codes, ids, links; and flags, files, paths.
        languages, code_languages, nations, names: Closed sets first, then other capitalised words.
        negations: The words that negate by themselves.
        unmade: Stems that a prefix negates, with their words: `safe` of `unsafe`.
        poles: Stem, or verb with particle, to the axes of opposites it sits on, and its pole.
        roles: Role to the stems of the words that its prepositions govern.
        asks: What is asked for, by all the names that it may have.
        owners: Possessive pronouns and possessors.
        holdings: Each possessor with what it possesses, by stem.
        words: Every word, lower case.
    """

    text: str
    plain: str
    sequence: tuple[str, ...]
    chain: tuple[str, ...]
    links: frozenset[tuple[str, str]]
    content: tuple[str, ...]
    stems: frozenset[str]
    near: frozenset[str]
    shown: Mapping[str, str]
    numbers: frozenset[str]
    faint_numbers: frozenset[str]
    units: frozenset[str]
    measures: frozenset[tuple[str, str]]
    calendar: frozenset[str]
    faint_calendar: frozenset[str]
    operators: frozenset[str]
    operations: frozenset[tuple[str, str, str]]
    identifiers: frozenset[str]
    faint_identifiers: frozenset[str]
    languages: frozenset[str]
    code_languages: frozenset[str]
    nations: frozenset[str]
    names: frozenset[str]
    negations: tuple[str, ...]
    unmade: Mapping[str, str]
    poles: Mapping[str, tuple[tuple[int, int], ...]]
    roles: Mapping[str, frozenset[str]]
    asks: frozenset[str]
    owners: frozenset[str]
    holdings: frozenset[tuple[str, str]]
    words: tuple[str, ...]


def _by_opening() -> Mapping[str, tuple[tuple[str, tuple[str, ...]], ...]]:
    opening: dict[str, list[tuple[str, tuple[str, ...]]]] = {}
    for short, longs in ALIASES.items():
        for long in longs:
            opening.setdefault(long[0], []).append((short, long))
    return {word: tuple(forms) for word, forms in opening.items()}


LONG_FORMS: Final = _by_opening()
"""The long forms of names by their first word, each with its short form."""


def _aliases(words: list[str]) -> set[str]:
    """Other forms of names, and what two words become when written as one."""
    forms = {one + other for one, other in pairwise(words)}
    for at, word in enumerate(words):
        for long in ALIASES.get(word, ()):
            forms.update(map(stem, long))
        for short, long in LONG_FORMS.get(word, ()):
            if tuple(words[at : at + len(long)]) == long:
                forms.add(short)
    return forms


def _initials(tokens_: list[Token]) -> set[str]:
    """Acronyms of runs of capitalised words: `New York City` is also `nyc`."""
    found: set[str] = set()
    run = ""
    for token in [*tokens_, Token("mark", ".", starts=False, glued=False)]:
        if token.kind == "word" and token.text[0].isupper():
            run += token.text[0].lower()
        else:
            found.update(run[at:] for at in range(len(run) - 1))
            run = ""
    return found


def read(question: str) -> Reading:
    """Reads a question. Never fails, whatever the text."""
    reader = Words(question)
    reader.run()
    content = tuple(reader.content)
    stems = set(reader.sequence)
    near = stems | set(reader.words) | _aliases(reader.words) | _initials(reader.tokens)
    near.update(*(NEAR[key] for key in content if key in NEAR))
    found = reader.scan.found
    words = reader.words
    nations = _nations(words)
    near.update(*(FORMS[nation] for nation in nations if nation in FORMS))
    return Reading(
        text=question,
        plain=plain(reader.text),
        sequence=tuple(reader.sequence),
        chain=tuple(reader.chain),
        links=frozenset(pairwise(reader.chain)),
        content=content,
        stems=frozenset(stems),
        near=frozenset(near),
        shown=reader.shown,
        numbers=frozenset(found.numbers),
        faint_numbers=frozenset(found.faint - found.numbers),
        units=frozenset(found.units),
        measures=frozenset(found.measures),
        calendar=frozenset(found.calendar),
        faint_calendar=frozenset(found.faint_calendar),
        operators=frozenset(found.operators),
        operations=frozenset(found.operations),
        identifiers=frozenset(reader.identifiers | found.long),
        faint_identifiers=frozenset(reader.faint_identifiers),
        languages=frozenset(SPOKEN_ELSEWHERE.get(w, w) for w in words if w in LANGUAGES),
        code_languages=frozenset(reader.code),
        nations=nations,
        names=frozenset(reader.names),
        negations=reader.negations(),
        unmade={stem(POSITIVE_OF[w]): w for w in words if w in POSITIVE_OF},
        poles={key: POLES[key] for key in stems | reader.phrasal() if key in POLES},
        roles=reader.roles(set(content)),
        asks=asks(words),
        owners=frozenset(reader.owners),
        holdings=frozenset(reader.holdings),
        words=tuple(words),
    )


def _forms() -> Mapping[str, frozenset[str]]:
    forms: dict[str, set[str]] = {}
    for form, nation in (NATIONS | SHORT_NATIONS).items():
        forms.setdefault(nation, set()).add(stem(form))
    return {nation: frozenset(stems) for nation, stems in forms.items()}


FORMS: Final = _forms()
"""Nation to the stems that name it: who speaks of France covers `French`."""


def _nations(words: list[str]) -> frozenset[str]:
    found = {NATIONS[word] for word in words if word in NATIONS}
    for one, other in pairwise(words):
        found |= {LONG_NATIONS[one, other]} if (one, other) in LONG_NATIONS else set()
    found |= {SHORT_NATIONS[word] for word in words if word in SHORT_NATIONS}
    return frozenset(found)
