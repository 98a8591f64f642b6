"""Vetoes over the same words in another arrangement: who does what to whom."""

from typing import Final

from proxy.core.judgement.reading import Reading
from proxy.core.judgement.residue import residue, shown
from proxy.core.judgement.stems import stem
from proxy.core.judgement.words import ARTICLES, closed

OPPOSED_ROLES: Final = (("from", "to"), ("before", "after"))
EXCHANGED_ROLES: Final = closed("than from to by over before after against")

COORDINATORS: Final = frozenset({"and", "or", "vs", "versus", "nor", "&"})
SYMMETRIC: Final = frozenset(
    map(
        stem,
        [
            "between",
            "differ",
            "difference",
            "same",
            "similar",
            "equal",
            "equivalent",
            "marry",
            "near",
            "close",
            "related",
            "relationship",
            "compare",
            "comparison",
            "versus",
            "vs",
            "distance",
            "apart",
            "together",
            "both",
            "mix",
            "combine",
            "friend",
            "sibling",
            "cousin",
            "connect",
            "identical",
            "compatible",
            "compatibility",
            "parallel",
            "adjacent",
            "engaged",
            "divorce",
            "neighbour",
            "partner",
            "correlation",
            "correlate",
            "multiply",
            "multiplication",
            "product",
            "add",
            "sum",
            "plus",
            "cooperate",
            "fight",
            "argue",
        ],
    )
)
"""Stems of relations that hold both ways round."""

ALIKE: Final = 1
"""At most this much content may be one question's alone where its order is compared."""


def direction(new: Reading, old: Reading) -> str | None:
    """`From X to Y` against `from Y to X`; `than X` against `than Y` with both in both."""
    for one, other in OPPOSED_ROLES:
        if _crossed(new, old, one, other):
            return f"direction: {one} and {other} exchanged"
        for here, there in ((one, other), (other, one)):
            keys = _only(new, here, there) & _only(old, there, here)
            if keys and _same_matter(new, old):
                key = min(keys)
                return f"direction: {here} {shown(key, new)} != {there} {shown(key, old)}"
    return _exchanged(new, old)


def _only(reading: Reading, role: str, other: str) -> set[str]:
    """What stands in one role and not in the other."""
    return {k for r, k in reading.roles if r == role} - {k for r, k in reading.roles if r == other}


def _crossed(new: Reading, old: Reading, one: str, other: str) -> bool:
    """Whether both ends are named in both questions, and each stands at the other end."""
    ends = [
        {key for role, key in reading.roles if role == end}
        for reading in (new, old)
        for end in (one, other)
    ]
    start, goal, old_start, old_goal = ends
    return bool((start & old_goal) - old_start) and bool((goal & old_start) - old_goal)


def _same_matter(new: Reading, old: Reading) -> bool:
    """Whether the two speak of the same things, so that their order can be told apart."""
    return (
        len(residue(new.content, new, old)) <= ALIKE
        and len(residue(old.content, old, new)) <= ALIKE
    )


def _exchanged(new: Reading, old: Reading) -> str | None:
    if not (SYMMETRIC.isdisjoint(new.stems) or SYMMETRIC.isdisjoint(old.stems)):
        return None
    for role in EXCHANGED_ROLES:
        ours = {key for name, key in new.roles if name == role}
        theirs = {key for name, key in old.roles if name == role}
        gone = sorted((ours - theirs) & old.stems)
        come = sorted((theirs - ours) & new.stems)
        if gone and come and _same_matter(new, old):
            return f"direction: {role} {shown(gone[0], new)} != {role} {shown(come[0], old)}"
    return None


def order(new: Reading, old: Reading) -> str | None:
    """Two parts of a sentence exchanged, everything else in its place."""
    one, other = new.sequence, old.sequence
    if len(one) != len(other) or one == other or sorted(one) != sorted(other):
        return None
    start = 0
    while one[start] == other[start]:
        start += 1
    end = len(one)
    while one[end - 1] == other[end - 1]:
        end -= 1
    parts = _swap(one[start:end], other[start:end])
    if parts is None:
        return None
    left, middle, right = parts
    if not middle or _both_ways(one[:start], middle):
        return None
    return f"order: {' '.join(left)} before {' '.join(right)}"


def _swap(
    one: tuple[str, ...], other: tuple[str, ...]
) -> tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]] | None:
    """Splits `X M Y` against `Y M X`, with the longest middle."""
    for left in range(1, len(one)):
        if other[-left:] != one[:left]:
            continue
        for right in range(1, len(one) - left + 1):
            middle = one[left : len(one) - right]
            if (
                other[:right] == one[len(one) - right :]
                and other[right : len(one) - left] == middle
            ):
                return one[:left], middle, one[len(one) - right :]
    return None


def _both_ways(before: tuple[str, ...], middle: tuple[str, ...]) -> bool:
    linking = set(middle) - ARTICLES
    if linking and COORDINATORS.issuperset(linking):
        return True
    return not SYMMETRIC.isdisjoint(before + middle)


def voice(new: Reading, old: Reading) -> str | None:
    """Active against passive with the wrong agent: `did A see B`, `was A seen by B`."""
    for active, passive in ((new, old), (old, new)):
        agents = {key for role, key in passive.roles if role == "by"}
        if len(agents) != 1 or not passive.content or any(role == "by" for role, _ in active.roles):
            continue
        (agent,) = agents
        patient = passive.content[0]
        if agent == patient or agent not in active.content or patient not in active.content:
            continue
        backwards = active.content.index(agent) > active.content.index(patient)
        if backwards and _same_matter(new, old):
            return f"voice: {shown(patient, active)} acts, or {shown(agent, passive)}"
    return None
