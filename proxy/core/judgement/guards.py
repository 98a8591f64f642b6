"""The vetoes: a table of small pure functions over two readings.

A veto says why one question's answer does not serve the other, or None. Every one is symmetric in
whether it vetoes, and none ever vetoes a question against itself. Text alone decides: a guard that
finds nothing to compare is silent, so all-lower-case or terse questions lose vetoes, never gain.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from proxy.core.judgement.addition import addition
from proxy.core.judgement.arrangement import direction, voice
from proxy.core.judgement.asking import ROOTS
from proxy.core.judgement.aspects import aspect
from proxy.core.judgement.foreign import foreign
from proxy.core.judgement.measures import POUNDS
from proxy.core.judgement.polarity import made_up, negation, opposite
from proxy.core.judgement.reading import Reading
from proxy.core.judgement.residue import elsewhere, replaced, residue, shown
from proxy.core.judgement.sentence import JOIN
from proxy.core.judgement.standing import errand, moment
from proxy.core.judgement.stems import stem
from proxy.core.judgement.wordorder import order
from proxy.core.judgement.words import AUXILIARIES, PRONOUNS, closed

Veto = Callable[[Reading, Reading], str | None]


NONE: Final[frozenset[str]] = frozenset()


@dataclass(frozen=True, slots=True)
class Guard:
    """One veto and the name it has in the configuration."""

    name: str
    veto: Veto


def _first(items: Iterable[str]) -> str:
    return min(items)


def _conflict(kind: str, new: frozenset[str], old: frozenset[str]) -> str | None:
    """A reason when each side has something that the other lacks."""
    ours, theirs = new - old, old - new
    return f"{kind} {_first(ours)} != {_first(theirs)}" if ours and theirs else None


def _differ(kind: str, new: frozenset[str], old: frozenset[str]) -> str | None:
    """A reason when the two sets are not equal."""
    if new == old:
        return None
    if both := _conflict(kind, new, old):
        return both
    side = "new" if new - old else "cached"
    return f"{kind} {_first(new ^ old)} only in the {side} question"


def identifier(new: Reading, old: Reading) -> str | None:
    """Codes, ids, links: all must agree. Files, flags and paths only count against one another."""
    ours = frozenset(shown(i, new) for i in new.identifiers if i not in old.near)
    theirs = frozenset(shown(i, old) for i in old.identifiers if i not in new.near)
    if ours or theirs:
        return _differ("identifier", ours, theirs)
    return _conflict("identifier", new.faint_identifiers, old.faint_identifiers)


def _explained(value: str, identifiers: frozenset[str]) -> bool:
    """Whether the number is the end of an identifier there: `gpt 4` and `gpt-4`."""
    return any(i.endswith(value) and not i.removesuffix(value)[-1:].isdigit() for i in identifiers)


def number(new: Reading, old: Reading) -> str | None:
    """Numbers must agree as sets; a faint one (`one`, `first`) counts only against another."""
    ours = new.numbers - old.numbers - old.faint_numbers
    theirs = old.numbers - new.numbers - new.faint_numbers
    ours = frozenset(n for n in ours if not _explained(n, old.identifiers))
    theirs = frozenset(n for n in theirs if not _explained(n, new.identifiers))
    faint_ours = new.faint_numbers - old.numbers - old.faint_numbers
    faint_theirs = old.faint_numbers - new.numbers - new.faint_numbers
    if ours or theirs:
        return _differ("number", ours or faint_ours, theirs or faint_theirs)
    return _conflict("number", faint_ours, faint_theirs) or _operator(new, old)


def _operator(new: Reading, old: Reading) -> str | None:
    """Something else is done to the numbers, or the same the other way round: `8 - 3`, `3 - 8`."""
    if not (new.operations and old.operations):
        return None
    ours, theirs = new.operations - old.operations, old.operations - new.operations
    done = {(left, right): sign for left, sign, right in theirs}
    for left, sign, right in sorted(ours):
        if sign not in COMMUTING and (right, sign, left) in theirs:
            return f"operator {left} {sign} {right} != {right} {sign} {left}"
        if (left, right) in done:
            return f"operator {left} {sign} {right} != {left} {done[left, right]} {right}"
    return _conflict("operator", new.operators, old.operators)


COMMUTING: Final = frozenset({"+", "*", "=", "==", "!="})


def unit(new: Reading, old: Reading) -> str | None:
    """Each side measures in something the other does not, or the same number in another unit."""
    alike = POUNDS if "pound" in new.units ^ old.units else NONE
    if not (alike & new.units and alike & old.units):
        alike = NONE
    if reason := _conflict("unit", new.units - alike, old.units - alike):
        return reason
    for value, ours in sorted(new.measures - old.measures):
        for other, theirs in sorted(old.measures - new.measures):
            if value == other and not alike.issuperset({ours, theirs}):
                return f"unit {value} {ours} != {value} {theirs}"
    return None


def date(new: Reading, old: Reading) -> str | None:
    """Months, weekdays, times of day and `next week` must agree; seasons only against others."""
    if new.calendar != old.calendar:
        whole_new, whole_old = new.faint_calendar, old.faint_calendar
        return _differ(
            "date",
            new.calendar - old.calendar or whole_new - whole_old,
            old.calendar - new.calendar,
        )
    return _conflict("date", new.faint_calendar, old.faint_calendar)


def language(new: Reading, old: Reading) -> str | None:
    """Programming languages must agree; so must a natural language that is asked for."""
    ours = new.code_languages - old.code_languages - old.near
    theirs = old.code_languages - new.code_languages - new.near
    if reason := _differ("language", ours, theirs):
        return reason
    spoken = new.roles.get("in", NONE) & new.languages
    other = old.roles.get("in", NONE) & old.languages
    if spoken - old.languages or other - new.languages:
        return _differ("language", spoken, other)
    return _conflict("language", new.languages, old.languages)


def name(new: Reading, old: Reading) -> str | None:
    """Each side names somebody or something the other does not."""
    if reason := _conflict("name", new.nations, old.nations):
        return reason
    ours = residue(sorted(new.names), new, old)
    theirs = residue(sorted(old.names), old, new)
    if ours and theirs:
        return f"name {shown(ours[0], new)} != {shown(theirs[0], old)}"
    return None


def asks(new: Reading, old: Reading) -> str | None:
    """`When`, `where`, `how many`, `which city`: each side asks for what the other does not."""
    ours, theirs = new.asks - old.asks, old.asks - new.asks
    if not ours or not theirs:
        return None
    return f"asks {min(ours - ROOTS or ours)} != {min(theirs - ROOTS or theirs)}"


EXTENTS: Final = {
    word: extent
    for extent, words in {
        "all": "all every each entire whole everything everyone full",
        "none": "none no nothing",
        "single": "single one",
        "first": "first initial opening",
        "last": "last final latest recent newest",
        "middle": "middle second",
        "next": "next upcoming",
        "previous": "previous prior former",
        "both": "both",
        "either": "either",
    }.items()
    for word in words.split()
}
"""Word to the extent that it names."""

RIVALS: Final = {
    "single": frozenset({"all", "none"}),
    "both": frozenset({"either"}),
    "either": frozenset({"both"}),
}
"""Extents that stand against these alone: `one` and `the first` may be the same."""


def scope(new: Reading, old: Reading) -> str | None:
    """All against first, last, none: each side names an extent that the other does not."""
    ours = {EXTENTS[word]: word for word in new.words if word in EXTENTS}
    theirs = {EXTENTS[word]: word for word in old.words if word in EXTENTS}
    for extent in ours.keys() - theirs.keys():
        for other in theirs.keys() - ours.keys():
            if other in RIVALS.get(extent, {other}) and extent in RIVALS.get(other, {extent}):
                return f"scope {ours[extent]} != {theirs[other]}"
    some, others = _share(new), _share(old)
    if some and others and SHARES[some] != SHARES[others]:
        return f"scope {some} != {others}"
    return None


SHARES: Final = {
    word: share
    for share, words in enumerate(("all every each", "most", "some many several", "few", "no"))
    for word in words.split()
}
"""Word to how many of all it speaks of."""


def _share(reading: Reading) -> str:
    """Of how many it asks whether it is so: `do most birds fly`."""
    asked = AUXILIARIES.issuperset(reading.words[:1]) and reading.words[1:2]
    return asked[0] if asked and asked[0] in SHARES else ""


ANYBODY: Final = frozenset({"my", "your", "our", "its", "one", "someon", "somebody", "other"})
"""Who asks, or people in general: `your CV` and `my CV` are one question."""


def owner(new: Reading, old: Reading) -> str | None:
    """My against his: each side has a possessor that the other does not."""
    ours = frozenset(who for who in new.owners - ANYBODY if not _meant(who, old))
    theirs = frozenset(who for who in old.owners - ANYBODY if not _meant(who, new))
    if reason := _conflict("owner", ours, theirs):
        return reason
    mine, other = set(new.words), set(old.words)
    for one, two in ((HE, SHE), (SHE, HE)):
        if reason := _conflict("person", one & mine - other, two & other - mine):
            return reason
    return _relative(new, old) or _relative(old, new)


def _relative(one: Reading, other: Reading) -> str | None:
    """What is my neighbour's in the one, and mine in the other."""
    if PERSONS.isdisjoint(one.owners):
        return None
    mine = {(who, what) for who, what in other.holdings if who in OWN}
    for who, what in sorted(one.holdings - other.holdings - other.links):
        if who not in PERSONS:
            continue
        ours = [me for me in OWN if (me, who) in one.holdings]
        if ours and any((me, what) in mine for me in OWN) and (ours[0], what) not in one.holdings:
            return f"owner {shown(who, one)} != {ours[0]}"
    return None


def _meant(who: str, other: Reading) -> bool:
    """Whether the other question's pronoun can only be this person: it names nobody else."""
    if who in PRONOUNS or who not in other.stems or other.names - {who}:
        return False
    return (who, JOIN) not in other.links and (JOIN, who) not in other.links


PERSONS: Final = frozenset(
    map(
        stem,
        closed(
            "mother mom mum mommy mummy father dad daddy parent wife husband spouse partner son "
            "daughter child kid baby toddler teenager brother sister sibling twin uncle aunt "
            "nephew niece cousin grandmother grandma grandfather grandpa grandson granddaughter "
            "fiance girlfriend boyfriend friend ex neighbor neighbour boss manager colleague "
            "coworker roommate flatmate landlord tenant teacher student doctor patient lawyer "
            "client customer employer employee guest host dog cat puppy kitten horse pet"
        ),
    )
)
"""Whose things are not their own people's."""
OWN: Final = ("my", "our", "your")
HE: Final = frozenset({"he", "him"})
SHE: Final = frozenset({"she", "her"})


def word(new: Reading, old: Reading) -> str | None:
    """A word or two of content replaced by others in a frame that is otherwise the same."""
    spans = replaced(new.sequence, old.sequence)
    if spans is None:
        return None
    ours = residue((k for k in spans[0] if k in new.content), new, old)
    theirs = residue((k for k in spans[1] if k in old.content), old, new)
    if new.names.issuperset(ours) and old.names.issuperset(theirs):
        ours = ours or elsewhere(spans[0], spans[1], new)
        theirs = theirs or elsewhere(spans[1], spans[0], old)
    if ours and theirs and not made_up(new, old):
        return f"word {shown(ours[0], new)} != {shown(theirs[0], old)}"
    return None


ALL: Final[Sequence[Guard]] = (
    Guard("foreign", foreign),
    Guard("identifier", identifier),
    Guard("number", number),
    Guard("unit", unit),
    Guard("date", date),
    Guard("language", language),
    Guard("name", name),
    Guard("negation", negation),
    Guard("opposite", opposite),
    Guard("direction", direction),
    Guard("order", order),
    Guard("voice", voice),
    Guard("asks", asks),
    Guard("scope", scope),
    Guard("owner", owner),
    Guard("aspect", aspect),
    Guard("moment", moment),
    Guard("errand", errand),
    Guard("word", word),
    Guard("addition", addition),
)
"""In the order they are asked: the cheap and the certain first."""


def select(names: Iterable[str]) -> tuple[Guard, ...]:
    """The guards of these names, in the table's order.

    Raises:
        ValueError: A name is not a guard's; the message names those that are.
    """
    wanted = set(names)
    known = [guard.name for guard in ALL]
    if unknown := sorted(wanted.difference(known)):
        raise ValueError(f"no guard {', '.join(unknown)}; there are {', '.join(known)}")
    return tuple(guard for guard in ALL if guard.name in wanted)
