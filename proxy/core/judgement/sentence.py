"""The words of a question: what each token is, and what it does in the sentence."""

import re
from collections.abc import Mapping
from typing import Final

from proxy.core.judgement.measures import UNITS
from proxy.core.judgement.names import CODE_LANGUAGES, FAINT_CODE, FILE_EXTENSIONS
from proxy.core.judgement.opposites import FEW, PARTICLE_VERBS, PARTICLES
from proxy.core.judgement.quantities import LONGEST_NUMBER, Scan, numeral
from proxy.core.judgement.stems import stem
from proxy.core.judgement.tokens import Token, clean, spell_out, tokens, unaccented
from proxy.core.judgement.words import (
    ARTICLES,
    AUXILIARIES,
    COURTESIES,
    GREETINGS,
    LACKED,
    NEGATORS,
    POSITIVE_OF,
    REQUESTS,
    STOP,
    closed,
)

CAMEL: Final = re.compile(r"[a-z]{2,}[A-Z][a-z]")
"""How names in programs begin that are made of words; `iPhone` and `macOS` do not."""
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

NOT_TOWARDS: Final = frozenset(
    map(
        stem,
        closed(
            "listen according due thanks prior similar equal related relative respect regard used "
            "want need going have able how way best good easy possible like used command step tool "
            "script method function formula order ability time place try hope plan decide start "
            "begin learn refuse fail manage afford allowed"
        ),
    )
)
"""After one of these, `to` leads nowhere: `listen to`, `want to`."""
DOING: Final = frozenset(map(stem, AUXILIARIES | REQUESTS - closed("list name code function")))
"""After `to` these are infinitives."""

EXCHANGING: Final = {
    stem(verb): ("from", "to") for verb in closed("swap exchange trade replace ditch")
}
EXCHANGING[stem("substitute")] = ("to", "from")
"""Verbs whose object is given for another: `swap X for Y` leads from X to Y."""
GIVING: Final = closed("for with by")
REACH: Final = 8
"""Words within which it is said what for."""

SAYING: Final = closed("say says said saying")

UNIT_NAMES: Final = frozenset(UNITS.values())
DOMAINS: Final = closed(
    "com org net io edu gov mil int co uk ac eu de fr es it nl jp cn in au ca dev app ai"
)
"""Ends of host names. Others are read as words, since people forget the space after a full stop."""

OWNERS: Final = closed("my our your his her their its")
HELD: Final = 2
"""Words after a possessor that may be what is possessed: `my old car`."""
NAMED_US: Final = {"US": "usa"}
"""In capitals it is no pronoun."""

EITHER_WAY: Final = {"+": ("+", "plus"), "*": ("*", "x", stem("times"), "\N{MULTIPLICATION SIGN}")}
"""Operators whose operands may change places, where there is no other, as a chain has them."""

BOUND: Final = "."
"""A chain's link for the ends of the text and of each sentence in it."""
JOIN: Final = "&"
"""A chain's link for all that puts parts side by side."""
JOINS: Final = closed("and or nor vs versus & , ; / ( )")
ENDS: Final = frozenset(".!?:")
NO_CONTENT: Final = STOP | REQUESTS | NEGATORS | GREETINGS
UNLINKED: Final = ARTICLES | GREETINGS | closed("st nd rd th") | {'"', "-"}
"""No links of a chain: they stand anywhere, and say nothing of order."""
SHOWN_WHOLE: Final = JOINS | UNLINKED
"""What a chain has by itself, not by its stem."""

MOSTLY_CAPITALS: Final = 0.6
"""Above this share of capitals a question is in title case, and a capital says nothing."""


class Words:
    """Collects a reading token by token."""

    def __init__(self, question: str) -> None:
        self.text = clean(question)
        self.tokens = tokens(self.text)
        self.lower = [unaccented(token.text.casefold()) for token in self.tokens]
        self.scan = Scan(self.tokens, self.lower)
        self.words: list[str] = []
        self.sequence: list[str] = []
        self.content: list[str] = []
        self.chain: list[str] = [BOUND]
        self.shown: dict[str, str] = {}
        self.identifiers: set[str] = set()
        self.faint_identifiers: set[str] = set()
        self.names: set[str] = set()
        self.code: set[str] = set()
        self.owners: set[str] = set()
        self.holdings: set[tuple[str, str]] = set()
        self._holder: tuple[str, ...] = ()
        self.lacks: list[str] = []
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
                taken = [UNITS.get(w, w) for w in self.lower[at : at + used]]
                self.sequence.extend(taken)
                for word in taken:
                    self._link(word)
                self.words.extend(w for w in self.lower[at : at + used] if w.isalnum())
                at += used
                continue
            self._token(at, token)
            at += 1
        self._link(BOUND)
        if len(self.scan.found.operators) == 1:
            either_way = [
                form for sign in self.scan.found.operators for form in EITHER_WAY.get(sign, ())
            ]
            self.chain = [JOIN if word in either_way else word for word in self.chain]

    def _link(self, word: str) -> None:
        """Lengthens the chain; joins and ends that follow one another are one."""
        chain = self.chain
        if word in ENDS:
            if chain[-1] == JOIN:
                chain.pop()
            if chain[-1] != BOUND:
                chain.append(BOUND)
        elif word in JOINS:
            if chain[-1] not in {JOIN, BOUND}:
                chain.append(JOIN)
        elif word not in UNLINKED:
            chain.append(word)

    def _token(self, at: int, token: Token) -> None:
        low = self.lower[at]
        if token.kind in {"word", "dotted"}:
            self._word(at, token)
        elif token.kind in IDENTIFIER_KINDS:
            self._identifier(token.text.rstrip(".,;:!?"), token.kind)
        elif token.kind in FAINT_IDENTIFIER_KINDS:
            self.faint_identifiers.add(low.rstrip("."))
            self.sequence.append(low)
            self._link(low)
        elif token.kind == "mark":
            self.scan.operator(at)
            self._link(low)

    def _identifier(self, asked: str, kind: str) -> None:
        low = asked.casefold()
        bare = low.replace("-", "").replace("(", "").replace(")", "").replace(" ", "")
        if kind == "version":
            bare = low.lstrip("v. ")
            if bare.count(".") <= 1:
                exact = len(bare) <= LONGEST_NUMBER
                bare = numeral(float(bare)) if exact else bare
                self.scan.found.numbers.add(bare)
                self._link(bare)
                return
        if kind == "link":
            bare = low.rstrip("/")
        self.identifiers.add(bare)
        self.shown.setdefault(bare, asked)
        self.sequence.append(low)
        self.words.append(bare)
        self._link(low)

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
        if CAMEL.match(token.text):
            self.faint_identifiers.add(low)
        if low == "free" and self._lacks(at):
            self.lacks = [low]
            self.words.append(low)
            return
        words, owner = spell_out(low)
        for word in words:
            self._add(word, token.text)
            if word in OWNERS:
                self._own(word)
        if owner:
            self._own(stem(owner))
        if self._is_name(token, words[0]):
            self.names.add(stem(words[0]))

    def _own(self, who: str) -> None:
        self.owners.add(who)
        self._holder = (who,) * HELD

    def _lacks(self, at: int) -> bool:
        """Whether this `free` says without: `sugar-free`, `free of sugar`."""
        before = self.lower[max(at - 2, 0) : at]
        if before and before[-1] == "-":
            before.pop()
        if before and before[-1] in LACKED:
            return True
        after = self.lower[at + 1 : at + 3]
        return after[:1] in (["of"], ["from"]) and not LACKED.isdisjoint(after)

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
            self._link(low)

    def _is_code(self, at: int, token: Token) -> bool:
        low = self.lower[at]
        if low not in CODE_LANGUAGES:
            return False
        if low not in FAINT_CODE:
            return True
        before = self.lower[at - 1] if at else ""
        capital = token.text[0].isupper() and self.capitals
        if low == "c" and before in {"degree", "degrees", "°"}:
            return False
        if self._beside_name(at):
            return before in {"in", "using"}
        if low in {"go", "r", "c"}:
            verb = low == "go" and self.lower[at + 1 : at + 2] in (["to"], ["on"], ["back"])
            return (capital and not verb) or before in {"in", "using", "with"}
        titled = self.lower[at + 1 : at + 2] in ([":"], ["code"])
        return (capital and (titled or not token.starts)) or before in {"in", "using", "with"}

    def _beside_name(self, at: int) -> bool:
        """Whether a capitalised word stands next to it: `Punjab Assembly`, `Ruby Smith`."""
        beside = [*self.tokens[max(at - 1, 0) : at], *self.tokens[at + 1 : at + 2]]
        return self.capitals and any(
            t.kind == "word"
            and not t.starts
            and t.text[0].isupper()
            and t.text.casefold() not in CODE_LANGUAGES
            for t in beside
        )

    def _is_name(self, token: Token, word: str) -> bool:
        if not self.capitals or token.starts or not token.text[0].isupper():
            return False
        return word not in STOP and word not in REQUESTS and word not in COURTESIES

    def _add(self, word: str, shown: str) -> None:
        self.words.append(word)
        word = POSITIVE_OF.get(word, word)
        key = stem(word)
        self.sequence.append(key)
        self._link(word if word in SHOWN_WHOLE else key)
        self.shown.setdefault(key, shown)
        if word in NO_CONTENT:
            self._holder = ()
            return
        self.content.append(key)
        if self._holder:
            self.holdings.add((self._holder[0], key))
            self._holder = self._holder[1:]

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
        found = self.lacks[:]
        for at, word in enumerate(self.words):
            if word not in NEGATORS or "or" in self.words[max(at - 2, 0) : at]:
                continue
            after = self.words[at + 1] if at + 1 < len(self.words) else ""
            before = self.words[at - 1] if at else ""
            if word == "no" and (at == 0 or after.isdigit() or before in SAYING):
                continue  # `no, ...`, `no. 5`, and to say no is to refuse
            if after != "only" and before != "if":
                found.append(word)
        return tuple(found)

    def roles(self, content: set[str]) -> Mapping[str, frozenset[str]]:
        """What each preposition governs: the next word of content."""
        found: dict[str, set[str]] = {}
        role, before, goal = "", "", ""
        for at, key in enumerate(self.sequence):
            if key in EXCHANGING and not GIVING.isdisjoint(self.sequence[at : at + REACH]):
                role, goal = EXCHANGING[key]
            elif goal and key in GIVING:
                role, goal = goal, ""
            elif before == "instead" and key == "of":
                role = "than"
            elif key in ROLES:
                towards = key != "to" or before not in NOT_TOWARDS
                role = role if role == "than" or not towards else ROLES[key]
            elif role == "to" and key in DOING:
                role = ""
            elif role and (key in content or key in UNIT_NAMES or key[0].isdigit()):
                found.setdefault(role, set()).add(key)
                role = ""
            before = key
        return {name: frozenset(keys) for name, keys in found.items()}
