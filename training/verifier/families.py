"""Pairs of our own: families of questions with slots, and what tells their answers apart.

A file of `families/` has one question a line, its wordings parted by ` | `; lines that stand
together are siblings: near in words, apart in answer. A `~` opens a question whose numbered slots
may change places. `slots.txt` has the values a slot may take, each with its other spellings after
`=`.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

HERE = Path(__file__).parent
SLOT = re.compile(r"\{(\w+)\}")

Value = tuple[str, ...]
"""One value in all its spellings."""


@dataclass(frozen=True, slots=True)
class Question:
    """One question in its wordings, all with the same answer."""

    family: int
    wordings: tuple[str, ...]
    is_symmetric: bool

    @property
    def slots(self) -> tuple[str, ...]:
        return tuple(sorted({slot for wording in self.wordings for slot in SLOT.findall(wording)}))


@dataclass(frozen=True, slots=True)
class Pair:
    """Two texts, whether one answer serves both, and how they came about."""

    a: str
    b: str
    label: int
    kind: str


def listed(text: str, mark: str | None = None) -> list[str]:
    """The parts of a list written as one text, whatever its line breaks; blanks part by default."""
    return (
        [part for part in text.replace("\n", "").split(mark) if part.strip()]
        if mark
        else text.split()
    )


def kind_of(slot: str) -> str:
    """`city` of `city2`."""
    return slot.rstrip("0123456789")


def read_slots(path: Path = HERE / "slots.txt") -> dict[str, list[Value]]:
    """Values by kind of slot."""
    slots = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        name, _, values = line.partition(":")
        slots[name] = [
            tuple(form.strip() for form in value.split("=")) for value in values.split(" | ")
        ]
    return slots


def read_families(folder: Path = HERE / "families") -> list[list[Question]]:
    """Siblings together, from every file of the folder."""
    families: list[list[Question]] = []
    texts = [path.read_text(encoding="utf-8").strip() for path in sorted(folder.glob("*.txt"))]
    for number, block in enumerate("\n\n".join(texts).split("\n\n")):
        families.append(
            [
                Question(
                    number,
                    tuple(part.strip() for part in line.removeprefix("~ ").split(" | ")),
                    line.startswith("~ "),
                )
                for line in block.splitlines()
            ]
        )
    return families


class Maker:
    """Draws pairs from families.

    Args:
        families: Siblings together.
        slots: Values by kind of slot.
        rng: Decides everything.
    """

    def __init__(
        self,
        families: list[list[Question]],
        slots: dict[str, list[Value]],
        rng: np.random.Generator,
    ) -> None:
        self._families = families
        self._slots = slots
        self._rng = rng
        self._has_twins = any(q.slots and "1" in "".join(q.slots) for f in families for q in f)
        sizes = np.array([len(f) ** 0.9 for f in families])
        self._odds = sizes / sizes.sum()

    def pick(self, items: "list[Value] | tuple[str, ...] | list[str]") -> "Value | str":
        return items[int(self._rng.integers(len(items)))]

    def _values(self, question: Question) -> dict[str, Value]:
        taken: dict[str, Value] = {}
        for slot in question.slots:
            taken[slot] = self._other(kind_of(slot), set(taken.values()))
        return taken

    def _other(self, kind: str, not_these: set[Value]) -> Value:
        while (value := self.pick(self._slots[kind])) in not_these:
            pass
        return value  # type: ignore[return-value]

    def render(self, wording: str, values: dict[str, Value], *, plain: bool = False) -> str:
        """The wording with its slots filled, each in one of its spellings."""

        def fill(match: re.Match[str]) -> str:
            forms = values[match[1]]
            return forms[0] if plain or self._rng.random() < 0.6 else str(self.pick(forms))

        text = SLOT.sub(fill, wording)
        return re.sub(r"\ba (?=[aeiou])", "an ", text)

    def pairs(self) -> Iterator[Pair]:
        """Endless."""
        makers = (
            (self._reworded, 0.36),
            (self._respelled, 0.05),
            (self._other_value, 0.22),
            (self._sibling, 0.25),
            (self._exchanged, 0.10),
            (self._stranger, 0.02),
        )
        odds = np.array([share for _, share in makers])
        while True:
            maker = makers[int(self._rng.choice(len(makers), p=odds / odds.sum()))][0]
            family, question = self._question()
            while (
                maker == self._exchanged and self._has_twins and "1" not in "".join(question.slots)
            ):
                family, question = self._question()
            pair = maker(question, family)
            if pair is not None and pair.a != pair.b:
                yield pair

    def _question(self) -> tuple[list[Question], Question]:
        family = self._families[int(self._rng.choice(len(self._families), p=self._odds))]
        return family, family[int(self._rng.integers(len(family)))]

    def _two(self, question: Question, *, same: float) -> tuple[str, str]:
        one = str(self.pick(question.wordings))
        if self._rng.random() < same:
            return one, one
        return one, str(self.pick(question.wordings))

    def _reworded(self, question: Question, _: list[Question]) -> Pair:
        values = self._values(question)
        one, other = self._two(question, same=0)
        return Pair(self.render(one, values), self.render(other, values), 1, "reworded")

    def _respelled(self, question: Question, _: list[Question]) -> Pair:
        values = self._values(question)
        one, _other = self._two(question, same=1)
        return Pair(self.render(one, values), self.render(one, values), 1, "respelled")

    def _other_value(self, question: Question, _: list[Question]) -> Pair | None:
        values = self._values(question)
        if not values:
            return None
        slot = str(self.pick(list(values)))
        changed = values | {slot: self._other(kind_of(slot), set(values.values()))}
        one, other = self._two(question, same=0.55)
        return self._unless_gone(one, other, slot, values, changed)

    def _unless_gone(
        self, one: str, other: str, slot: str, values: dict[str, Value], changed: dict[str, Value]
    ) -> Pair | None:
        if f"{{{slot}}}" not in one or f"{{{slot}}}" not in other:
            return None
        return Pair(self.render(one, values), self.render(other, changed), 0, "value")

    def _sibling(self, question: Question, family: list[Question]) -> Pair | None:
        at = family.index(question)
        others = [q for q in family[max(at - 3, 0) : at + 4] if q is not question]
        if not others:
            return None
        alike = [q for q in others if q.slots == question.slots] or others
        near = alike if self._rng.random() < 0.8 else others
        other = near[int(self._rng.integers(len(near)))]
        values = self._values(question)
        theirs = self._values(other) | {s: values[s] for s in other.slots if s in values}
        at = int(self._rng.integers(min(len(question.wordings), len(other.wordings))))
        if self._rng.random() < 0.5:
            one, two = question.wordings[at], other.wordings[at]
        else:
            one, two = str(self.pick(question.wordings)), str(self.pick(other.wordings))
        return Pair(self.render(one, values), self.render(two, theirs), 0, "sibling")

    def _exchanged(self, question: Question, _: list[Question]) -> Pair | None:
        twins = [slot for slot in question.slots if slot.endswith("1")]
        if not twins:
            return None
        first = str(self.pick(twins))
        second = f"{first[:-1]}2"
        values = self._values(question)
        turned = values | {first: values[second], second: values[first]}
        one, other = self._two(question, same=0.4)
        if any(f"{{{s}}}" not in w for s in (first, second) for w in (one, other)):
            return None
        label = int(question.is_symmetric)
        return Pair(self.render(one, values), self.render(other, turned), label, "exchanged")

    def _stranger(self, question: Question, _: list[Question]) -> Pair:
        family = self._families[int(self._rng.integers(len(self._families)))]
        other = family[int(self._rng.integers(len(family)))]
        label = int(other is question)
        values = self._values(question)
        theirs = values if label else self._values(other)
        one, two = str(self.pick(question.wordings)), str(self.pick(other.wordings))
        return Pair(self.render(one, values), self.render(two, theirs), label, "stranger")
