"""The words of a question: what each token is, and what it does in the sentence."""

from typing import Final

from proxy.core.judgement.measures import UNITS
from proxy.core.judgement.names import CODE_LANGUAGES, FAINT_CODE, FILE_EXTENSIONS
from proxy.core.judgement.opposites import FEW, PARTICLE_VERBS, PARTICLES
from proxy.core.judgement.quantities import LONGEST_NUMBER, Scan, numeral
from proxy.core.judgement.stems import stem
from proxy.core.judgement.tokens import Token, clean, spell_out, tokens
from proxy.core.judgement.words import COURTESIES, NEGATORS, POSITIVE_OF, REQUESTS, STOP, closed

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
DOMAINS: Final = closed(
    "com org net io edu gov mil int co uk ac eu de fr es it nl jp cn in au ca dev app ai"
)
"""Ends of host names. Others are read as words, since people forget the space after a full stop."""

OWNERS: Final = closed("my our your his her their its")
NAMED_US: Final = {"US": "usa"}
"""In capitals it is no pronoun."""

MOSTLY_CAPITALS: Final = 0.6
"""Above this share of capitals a question is in title case, and a capital says nothing."""


class Words:
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
        words = [t.text for t in self.tokens if t.kind == "word" and not t.starts]
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
            self._identifier(token.text.rstrip(".,;:!?"), token.kind)
        elif token.kind in FAINT_IDENTIFIER_KINDS:
            self.faint_identifiers.add(low.rstrip("."))
            self.sequence.append(low)
        elif token.kind == "mark":
            self.scan.operator(at)

    def _identifier(self, asked: str, kind: str) -> None:
        low = asked.casefold()
        bare = low.replace("-", "").replace("(", "").replace(")", "").replace(" ", "")
        if kind == "version":
            bare = low.lstrip("v. ")
            if bare.count(".") <= 1:
                exact = len(bare) <= LONGEST_NUMBER
                self.scan.found.numbers.add(numeral(float(bare)) if exact else bare)
                return
        if kind == "link":
            bare = low.rstrip("/")
        self.identifiers.add(bare)
        self.shown.setdefault(bare, asked)
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
        if self.capitals and token.text in NAMED_US:
            low = NAMED_US[token.text]
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
            self._add(NAMED_US.get("".join(parts).upper(), "".join(parts)), low)
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
            return (capital and not verb) or before in {"in", "using", "with"}
        titled = self.lower[at + 1 : at + 2] in ([":"], ["code"])
        return (capital and (titled or not token.starts)) or before in {"in", "using", "with"}

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

    def negations(self) -> tuple[str, ...]:
        """Words that negate; `whether or not`, `not only`, `No. 5` and the answer `No,` do not."""
        found = []
        for at, word in enumerate(self.words):
            if word not in NEGATORS or "or" in self.words[max(at - 2, 0) : at]:
                continue
            after = self.words[at + 1] if at + 1 < len(self.words) else ""
            if after != "only" and not (word == "no" and (at == 0 or after.isdigit())):
                found.append(word)
        return tuple(found)

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
