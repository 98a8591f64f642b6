"""The vetoes: a table of small pure functions over two readings.

A veto says why one question's answer does not serve the other, or None. Every one is symmetric in
whether it vetoes, and none ever vetoes a question against itself. Text alone decides: a guard that
finds nothing to compare is silent, so all-lower-case or terse questions lose vetoes, never gain.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from proxy.core.judgement.arrangement import direction, order, voice
from proxy.core.judgement.reading import Reading
from proxy.core.judgement.residue import differences, replaced, residue, shown
from proxy.core.judgement.stems import stem
from proxy.core.judgement.words import closed

Veto = Callable[[Reading, Reading], str | None]


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
    return _conflict("number", faint_ours, faint_theirs) or _conflict(
        "operator", new.operators, old.operators
    )


def unit(new: Reading, old: Reading) -> str | None:
    """Each side measures in something the other does not."""
    return _conflict("unit", new.units, old.units)


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
    spoken = frozenset(lang for role, lang in new.roles if role == "in") & new.languages
    other = frozenset(lang for role, lang in old.roles if role == "in") & old.languages
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


def _flip(new: Reading, old: Reading) -> tuple[str, str] | None:
    """Two words, each in one question alone, that sit on different poles of one axis."""
    theirs = {
        place: key for key, places in old.poles.items() if key not in new.poles for place in places
    }
    if not theirs:
        return None
    for key, places in new.poles.items():
        if key not in old.poles:
            for axis, pole in places:
                if (axis, OTHER_POLE - pole) in theirs:
                    return key, theirs[axis, OTHER_POLE - pole]
    return None


OTHER_POLE: Final = 3
"""Poles are 1 and 2: this less one is the other."""


def _odd(one: Reading, other: Reading) -> bool:
    """Whether one question negates an odd number of times.

    `unsafe` counts where the other speaks of `safe`, or negates by itself; against `dangerous` it
    is a word like any other.
    """
    against = len(other.negations) % 2
    count = sum(1 for base in one.unmade if against or base in other.near)
    return (len(one.negations) + count) % 2 == 1


def negation(new: Reading, old: Reading) -> str | None:
    """One side negates an odd number of times, the other does not, and no opposite makes up."""
    odd = _odd(new, old)
    if odd == _odd(old, new) or _flip(new, old):
        return None
    side, reading = ("new", new) if odd else ("cached", old)
    word_ = next(iter((*reading.negations, *reading.unmade.values())))
    return f'negation: "{word_}" only in the {side} question'


def opposite(new: Reading, old: Reading) -> str | None:
    """Opposites, and no negation that turns one of them round: `enable`, `disable`."""
    if _odd(new, old) != _odd(old, new) or (words := _flip(new, old)) is None:
        return None
    ours, theirs = (shown(k, r).replace("_", " ") for k, r in zip(words, (new, old), strict=True))
    return f"opposite {ours} != {theirs}"


def asks(new: Reading, old: Reading) -> str | None:
    """`When`, `where`, `who`, `why`, `how many`: each side asks what the other does not."""
    return _conflict("asks", new.asks, old.asks)


EXTENTS: Final = tuple(
    frozenset(words.split())
    for words in (
        "all every each entire whole everything everyone full",
        "first initial opening",
        "last final latest recent newest",
        "none no nothing",
        "single one",
        "middle second",
        "next following upcoming",
        "previous prior former",
    )
)


def scope(new: Reading, old: Reading) -> str | None:
    """All against first, last, none: each side names an extent that the other does not."""
    mine, other = set(new.words), set(old.words)
    ours = frozenset(min(e & mine) for e in EXTENTS if e & mine and not e & other)
    theirs = frozenset(min(e & other) for e in EXTENTS if e & other and not e & mine)
    return _conflict("scope", ours, theirs)


ANYBODY: Final = frozenset({"my", "your", "our", "its", "one", "someon", "somebody", "other"})
"""Who asks, or people in general: `your CV` and `my CV` are one question."""


def owner(new: Reading, old: Reading) -> str | None:
    """My against his: each side has a possessor that the other does not."""
    if reason := _conflict("owner", new.owners - ANYBODY, old.owners - ANYBODY):
        return reason
    he, she = frozenset({"he", "him"}), frozenset({"she", "her"})
    mine, other = frozenset(new.words), frozenset(old.words)
    return _conflict("person", (he | she) & mine - other, (he | she) & other - mine)


def aspect(new: Reading, old: Reading) -> str | None:
    """`Is`, `used to be` and `is becoming`, where nothing else differs, are three questions."""
    for kind, has in (("past", _has_past), ("change", _has_change)):
        here, there = has(new), has(old)
        if here != there and not (differences(new, old) - BECOMING):
            return f"aspect: {kind} only in the {'new' if here else 'cached'} question"
    return None


BECOMING: Final = frozenset({stem("becoming"), stem("used")})
BE: Final = closed("be is are was were been being am get gets got")
"""`Is used to` says what for, or what one is accustomed to, not what once was."""


def _has_past(reading: Reading) -> bool:
    for at, (word, after) in enumerate(pairwise(reading.words)):
        if after == "to" and (word == "used" or (word == "use" and "did" in reading.words[:at])):
            return BE.isdisjoint(reading.words[:at])
    return False


def _has_change(reading: Reading) -> bool:
    return "becoming" in reading.words


def word(new: Reading, old: Reading) -> str | None:
    """A word or two of content replaced by others in a frame that is otherwise the same."""
    spans = replaced(new.sequence, old.sequence)
    if spans is None:
        return None
    ours = residue((k for k in spans[0] if k in new.content), new, old)
    theirs = residue((k for k in spans[1] if k in old.content), old, new)
    if ours and theirs:
        return f"word {shown(ours[0], new)} != {shown(theirs[0], old)}"
    return None


ALL: Final[Sequence[Guard]] = (
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
    Guard("word", word),
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
