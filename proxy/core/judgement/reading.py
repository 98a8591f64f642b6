"""Reading a question once, so that judging it against several neighbours is cheap."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from proxy.core.judgement.measures import UNITS
from proxy.core.judgement.names import CODE_LANGUAGES, FAINT_CODE, FILE_EXTENSIONS
from proxy.core.judgement.names import (
    LANGUAGES,
    LONG_NATIONS,
    NATIONS,
    SHORT_NATIONS,
    SPOKEN_ELSEWHERE,
)
from proxy.core.judgement.opposites import AXES, GRADED, FEW, PARTICLE_VERBS, PARTICLES
from proxy.core.judgement.quantities import Scan
from proxy.core.judgement.stems import degrees, stem
from proxy.core.judgement.synonyms import ALIASES, SYNONYMS
from proxy.core.judgement.tokens import Token, clean, plain, spell_out, tokens
from proxy.core.judgement.words import (
    COURTESIES,
    NEGATORS,
    POSITIVE_OF,
    REQUESTS,
    STOP,
)

IDENTIFIER_KINDS: Final = frozenset({"link", "mail", "uuid", "hex", "code", "plan", "version"})
FAINT_IDENTIFIER_KINDS: Final = frozenset({"path", "flag", "snake"})

ROLES: Final = {
    "from": "from",
    "to": "to",
    "into": "to",
    "onto": "to",
    "by": "by",
    "than": "than",
    "over": "over",
    "before": "before",
    "after": "after",
    "against": "against",
    "for": "for",
    "with": "with",
    "of": "of",
    "in": "in",
    "on": "on",
    "at": "at",
}
"""Prepositions and the role they give to what follows."""

UNIT_NAMES: Final = frozenset(UNITS.values())
DOMAINS: Final = frozenset(
    "com org net io edu gov mil int co uk ac eu de fr es it nl jp cn in au ca dev app ai".split()
)
"""Ends of host names. Others are read as words, since people forget the space after a full stop."""

OWNERS: Final = frozenset("my our your his her their its".split())
MOSTLY_CAPITALS: Final = 0.6
"""Above this share of capitals a question is in title case, and a capital says nothing."""


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
                    poles.setdefault(word if "_" in word else stem(word), []).append((axis, sign))
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
        content: Stems of the words that carry the meaning, in order.
        stems: Every word's stem.
        near: Stems, their synonyms, and the other forms of names: what this question covers.
        shown: Stem to the word as asked, for reasons.
        numbers, faint_numbers, units, calendar, faint_calendar, operators: See `quantities`.
        identifiers, faint_identifiers: Codes, ids, links; and flags, files, paths.
        languages, code_languages, nations, names: Closed sets first, then other capitalised words.
        negations: How many words negate by themselves.
        unmade: Stems that a prefix negates: `safe` for `unsafe`.
        poles: Stem, or verb with particle, to the axes of opposites it sits on, and its pole.
        roles: (role, stem) for the word a preposition governs.
        asks: Interrogatives, by kind.
        owners: Possessive pronouns and possessors.
        words: Every word, lower case.
    """

    text: str
    plain: str
    sequence: tuple[str, ...]
    content: tuple[str, ...]
    stems: frozenset[str]
    near: frozenset[str]
    shown: Mapping[str, str]
    numbers: frozenset[str]
    faint_numbers: frozenset[str]
    units: frozenset[str]
    calendar: frozenset[str]
    faint_calendar: frozenset[str]
    operators: frozenset[str]
    identifiers: frozenset[str]
    faint_identifiers: frozenset[str]
    languages: frozenset[str]
    code_languages: frozenset[str]
    nations: frozenset[str]
    names: frozenset[str]
    negations: int
    unmade: tuple[str, ...]
    poles: Mapping[str, tuple[tuple[int, int], ...]]
    roles: frozenset[tuple[str, str]]
    asks: frozenset[str]
    owners: frozenset[str]
    words: tuple[str, ...]


class _Reader:
    """Collects a reading token by token."""

    def __init__(self, question: str) -> None:
        self.text = clean(question)
        self.tokens = tokens(self.text)
        self.lower = [token.text.casefold() for token in self.tokens]
        self.scan = Scan(self.tokens, self.lower)
        self.words: list[str] = []
        self.sequence: list[str] = []
        self.content: list[str] = []
        self.shown: dict[str, str] = {}
        self.identifiers: set[str] = set()
        self.faint_identifiers: set[str] = set()
        self.names: set[str] = set()
        self.code: set[str] = set()
        self.owners: set[str] = set()
        self.capitals = self._capitals_tell()

    def _capitals_tell(self) -> bool:
        words = [t.text for t in self.tokens if t.kind == "word" and len(t.text) > 1]
        capital = sum(1 for w in words if w[0].isupper())
        return capital <= max(MOSTLY_CAPITALS * len(words), 1)

    def run(self) -> None:
        """Walks the tokens once."""
        at = 0
        while at < len(self.tokens):
            token = self.tokens[at]
            used = self.scan.take(at)
            if used:
                self.sequence.extend(UNITS.get(w, w) for w in self.lower[at : at + used])
                self.words.extend(w for w in self.lower[at : at + used] if w.isalnum())
                at += used
                continue
            self._token(at, token)
            at += 1

    def _token(self, at: int, token: Token) -> None:
        low = self.lower[at]
        if token.kind in {"word", "dotted"}:
            self._word(at, token)
        elif token.kind in IDENTIFIER_KINDS:
            self._identifier(low.rstrip(".,;:!?)"), token.kind)
        elif token.kind in FAINT_IDENTIFIER_KINDS:
            self.faint_identifiers.add(low.rstrip("."))
            self.sequence.append(low)
        elif token.kind == "mark":
            self.scan.operator(at)

    def _identifier(self, low: str, kind: str) -> None:
        bare = low.replace("-", "").replace("(", "").replace(")", "").replace(" ", "")
        if kind == "version":
            bare = low.lstrip("v. ")
            if bare.count(".") <= 1:
                self.scan.found.numbers.add(f"{float(bare):g}" if len(bare) < 15 else bare)
                return
        self.identifiers.add(bare if kind != "link" else low.rstrip("/"))
        self.shown.setdefault(bare, low)
        self.sequence.append(low)
        self.words.append(bare)

    def _word(self, at: int, token: Token) -> None:
        self.scan.operator(at)
        low = self.lower[at]
        if token.kind == "dotted":
            self._dotted(low)
            return
        if self._is_code(at, token):
            self.code.add(CODE_LANGUAGES[low])
            self._add(low, token.text)
            return
        words, owner = spell_out(low)
        if owner:
            self.owners.add(stem(owner))
        for word in words:
            if word in OWNERS:
                self.owners.add(word)
            self._add(word, token.text)
        if self._is_name(token, words[0]):
            self.names.add(stem(words[0]))

    def _dotted(self, low: str) -> None:
        parts = low.split(".")
        if all(len(part) == 1 for part in parts):
            self._add("".join(parts), low)
        elif parts[-1] == "js" or parts[-1] not in FILE_EXTENSIONS | DOMAINS:
            for part in parts if parts[-1] != "js" else parts[:-1]:
                self._add(part, part)
        else:
            self.faint_identifiers.add(low)
            self.sequence.append(low)

    def _is_code(self, at: int, token: Token) -> bool:
        low = self.lower[at]
        if low not in CODE_LANGUAGES:
            return False
        if low not in FAINT_CODE:
            return True
        before = self.lower[at - 1] if at else ""
        capital = token.text[0].isupper() and self.capitals
        if low in {"go", "r", "c"}:
            verb = low == "go" and self.lower[at + 1 : at + 2] in (["to"], ["on"], ["back"])
            return capital and not verb or before in {"in", "using", "with"}
        titled = self.lower[at + 1 : at + 2] in ([":"], ["code"])
        return capital and (titled or not token.starts) or before in {"in", "using", "with"}

    def _is_name(self, token: Token, word: str) -> bool:
        if not self.capitals or token.starts or not token.text[0].isupper():
            return False
        return word not in STOP and word not in REQUESTS and word not in COURTESIES

    def _add(self, word: str, shown: str) -> None:
        self.words.append(word)
        word = POSITIVE_OF.get(word, word)
        key = stem(word)
        self.sequence.append(key)
        self.shown.setdefault(key, shown)
        if word not in STOP and word not in REQUESTS and word not in NEGATORS:
            self.content.append(key)

    def phrasal(self) -> set[str]:
        """Verbs joined with their particles."""
        found = set()
        for at, word in enumerate(self.words):
            if (base := stem(word)) in PARTICLE_VERBS or word in PARTICLE_VERBS:
                for particle in self.words[at + 1 : at + 1 + FEW]:
                    if particle in PARTICLES:
                        found.add(f"{base}_{particle}")
                        break
        return found

    def negations(self) -> int:
        """Words that negate; `whether or not`, `not only` and `No. 5` do not."""
        count = 0
        for at, word in enumerate(self.words):
            before = self.words[max(at - 2, 0) : at]
            after = self.words[at + 1] if at + 1 < len(self.words) else ""
            answers = word == "no" and at == 0
            if word in NEGATORS and not answers and "or" not in before and after != "only":
                count += not (word == "no" and after.isdigit())
        return count

    def roles(self, content: set[str]) -> set[tuple[str, str]]:
        """What each preposition governs: the next word of content."""
        found, role = set(), ""
        for key in self.sequence:
            if key in ROLES:
                role = role if role == "than" else ROLES[key]
            elif role and (key in content or key in UNIT_NAMES or key[0].isdigit()):
                found.add((role, key))
                role = ""
        return found


ASK_KINDS: Final = {
    "when": "when",
    "where": "where",
    "who": "who",
    "whom": "who",
    "whose": "who",
    "why": "why",
}
MEASURED_HOW: Final = frozenset("many long old far often tall".split())


def _asks(words: list[str]) -> frozenset[str]:
    kinds = {ASK_KINDS[word] for word in words[:FIRST_WORDS] if word in ASK_KINDS}
    for how, what in pairwise(words):
        if how == "how" and what in MEASURED_HOW:
            kinds.add(f"how {what}")
    return frozenset(kinds)


FIRST_WORDS: Final = 3
"""An interrogative further on is a relative pronoun."""


def _aliases(words: list[str]) -> set[str]:
    """Other forms of names, and what two or more words become when written as one."""
    joined = {one + other for one, other in pairwise(words)}
    present = set(words)
    for short, longs in ALIASES.items():
        for long in longs:
            if short in present:
                joined.update(map(stem, long))
            elif len(long) == 1 and long[0] in present:
                joined.add(short)
            elif long[0] in present and " ".join(long) in " ".join(words):
                joined.add(short)
    return joined


def _initials(tokens_: list[Token]) -> set[str]:
    """Acronyms of runs of capitalised words: `New York City` is also `nyc`."""
    found, run = set(), ""
    for token in [*tokens_, Token("mark", ".", starts=False, glued=False)]:
        if token.kind == "word" and token.text[0].isupper():
            run += token.text[0].lower()
        else:
            found.update(run[at:] for at in range(len(run) - 1))
            run = ""
    return found


def read(question: str) -> Reading:
    """Reads a question. Never fails, whatever the text."""
    reader = _Reader(question)
    reader.run()
    content = tuple(reader.content)
    stems = set(reader.sequence)
    near = stems | set(reader.words) | _aliases(reader.words) | _initials(reader.tokens)
    near.update(*(NEAR[key] for key in content if key in NEAR))
    found = reader.scan.found
    words = reader.words
    return Reading(
        text=question,
        plain=plain(reader.text),
        sequence=tuple(reader.sequence),
        content=content,
        stems=frozenset(stems),
        near=frozenset(near),
        shown=reader.shown,
        numbers=frozenset(found.numbers),
        faint_numbers=frozenset(found.faint - found.numbers),
        units=frozenset(found.units),
        calendar=frozenset(found.calendar),
        faint_calendar=frozenset(found.faint_calendar),
        operators=frozenset(found.operators),
        identifiers=frozenset(reader.identifiers | found.long),
        faint_identifiers=frozenset(reader.faint_identifiers),
        languages=frozenset(SPOKEN_ELSEWHERE.get(w, w) for w in words if w in LANGUAGES),
        code_languages=frozenset(reader.code),
        nations=_nations(words),
        names=frozenset(reader.names),
        negations=reader.negations(),
        unmade=tuple(stem(POSITIVE_OF[w]) for w in words if w in POSITIVE_OF),
        poles={key: POLES[key] for key in stems | reader.phrasal() if key in POLES},
        roles=frozenset(reader.roles(set(content))),
        asks=_asks(words),
        owners=frozenset(reader.owners),
        words=tuple(words),
    )


def _nations(words: list[str]) -> frozenset[str]:
    found = {NATIONS[word] for word in words if word in NATIONS}
    for one, other in pairwise(words):
        found |= {LONG_NATIONS[one, other]} if (one, other) in LONG_NATIONS else set()
    found |= {SHORT_NATIONS[word] for word in words if word in SHORT_NATIONS}
    return frozenset(found)
