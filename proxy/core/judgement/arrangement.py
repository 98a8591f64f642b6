"""Vetoes over who does what to whom: from where to where, and by whom."""

from collections.abc import Mapping
from typing import Final

from proxy.core.judgement.joined import reordered
from proxy.core.judgement.passive import passive
from proxy.core.judgement.polarity import flip, turned
from proxy.core.judgement.reading import Reading
from proxy.core.judgement.relations import SYMMETRIC, together
from proxy.core.judgement.residue import residue, shown
from proxy.core.judgement.words import STOP, closed

OPPOSED_ROLES: Final = (("from", "to"), ("before", "after"))
EXCHANGED_ROLES: Final = ("than", "from", "to", "by", "over", "before", "after", "against")

ALIKE: Final = 1
"""At most this much content may be one question's alone where its arrangement is compared."""

CROSSED: Final = 2
"""The same, where each question names in one role what the other names elsewhere."""


Roles = Mapping[str, frozenset[str]]


def direction(new: Reading, old: Reading) -> str | None:
    """`From X to Y` against `from Y to X`; `than X` against `than Y` with both in both."""
    if new.roles == old.roles or (turned(new, old) and flip(new, old)):
        return None  # `A is heavier than B`, `B is lighter than A`
    ours, theirs = new.roles, old.roles
    for one, other in OPPOSED_ROLES:
        if _crossed(ours, theirs, one, other):
            return f"direction: {one} and {other} exchanged"
        for here, there in ((one, other), (other, one)):
            keys = _only(ours, here, there) & _only(theirs, there, here)
            if keys and _same_matter(new, old, ALIKE):
                key = min(keys)
                return f"direction: {here} {shown(key, new)} != {there} {shown(key, old)}"
    return _exchanged(new, old)


def _only(roles: Roles, role: str, other: str) -> frozenset[str]:
    """What stands in one role and not in the other."""
    return roles.get(role, NOTHING) - roles.get(other, NOTHING)


NOTHING: Final[frozenset[str]] = frozenset()


def _crossed(ours: Roles, theirs: Roles, one: str, other: str) -> bool:
    """Whether both ends are named in both questions, and each stands at the other end."""
    if not (one in ours and one in theirs and other in ours and other in theirs):
        return False
    starts = (ours[one] & theirs[other]) - theirs[one]
    return bool(starts) and bool((ours[other] & theirs[one]) - theirs[other])


def _same_matter(new: Reading, old: Reading, alike: int) -> bool:
    """Whether the two speak of the same things, so that their arrangement can be told apart."""
    return (
        len(residue(new.content, new, old)) <= alike
        and len(residue(old.content, old, new)) <= alike
    )


def _exchanged(new: Reading, old: Reading) -> str | None:
    if not (SYMMETRIC.isdisjoint(new.stems) or SYMMETRIC.isdisjoint(old.stems)):
        return None
    for role in EXCHANGED_ROLES:
        if role not in new.roles or role not in old.roles:
            continue
        ours, theirs = new.roles[role], old.roles[role]
        gone = sorted((ours - theirs) & old.stems)
        come = sorted((theirs - ours) & new.stems)
        if gone and come and _same_matter(new, old, CROSSED):
            one, other = sorted((new.chain, old.chain))
            pair = gone[0], come[0]
            if reordered(one, other) == other or (together(one, pair) and together(other, pair)):
                return None
            return f"direction: {role} {shown(gone[0], new)} != {role} {shown(come[0], old)}"
    return None


def voice(new: Reading, old: Reading) -> str | None:
    """Who acts: `did A see B`, `was A seen by B`; `who saw A`, `who did A see`."""
    return _agent(new, old) or _agent(old, new) or _subject(new, old) or _subject(old, new)


def _agent(active: Reading, other: Reading) -> str | None:
    found = passive(other.words, frozenset(other.content))
    if found is None or "by" in active.roles:
        return None
    agent, patient = found.agent, found.patient
    if agent == patient or not {agent, patient}.issubset(active.content):
        return None
    backwards = active.content.index(agent) > active.content.index(patient)
    if backwards and _same_matter(active, other, ALIKE):
        return f"voice: {shown(patient, active)} acts, or {shown(agent, other)}"
    return None


def _subject(one: Reading, other: Reading) -> str | None:
    """Whether the first asks to whom it is done, and the other who does it."""
    opens, helps = one.words[:1], one.words[1:2]
    if not (opens and opens == other.words[:1] and WHO.issuperset(opens) and DO.issuperset(helps)):
        return None
    rest, whole = [opens[0], *one.sequence[2:]], list(other.sequence)
    if STOP.isdisjoint(other.words[1:2]) and rest != whole and sorted(rest) == sorted(whole):
        return f"voice: {' '.join(one.words[2:3])} acts, or {opens[0]}"
    return None


WHO: Final = closed("who what")
DO: Final = closed("do does did")
