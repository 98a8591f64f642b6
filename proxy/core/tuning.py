"""Which least score, and which floor, the comparisons of a running cache bear out.

A comparison says of a neighbour at some score whether its answer was right. Of a least score the
share that is wrong among all that it serves is in question, and the target must hold at a stated
confidence although many settings are tried on the same comparisons. So they are tried in an order
that does not depend on who was right, and a walk ends at the first that fails (fixed sequence
testing; Angelopoulos and others, *Learn then Test*, arXiv 2110.01052): that one of the settings it
has passed breaks the target happens with the chance that a single test has. Two walks, each with
half of that chance: from the setting in force, and from a strict one that still serves enough to
show something. The lowest that either reaches is proposed.

Requests are compared with different chances: a hit by `audit_share`, one that is not proven in any
case. `thinned` leaves as many of each as if all had had the same chance.
"""

from bisect import bisect_left
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Final

from proxy.core.binomial import is_certain, least_hits, lower, upper
from proxy.core.calibrating import Aim

PLENTY: Final = 2
"""The strict walk begins where a few wrong ones are allowed: at so many times the least hits."""

WORTHWHILE: Final = 0.01
"""More hits, as a share of those there are, for which a looser setting is proposed."""

LOST: Final = 0.01
"""Of the right hits, the share that a higher floor may lose."""

SPARED: Final = 0.05
"""Fewer calls of the verifier, as a share, for which a higher floor is proposed."""

MOST_FORESEEN: Final = 1_000_000
"""Comparisons beyond which nobody waits for more."""


@dataclass(frozen=True, slots=True)
class Compared:
    """A neighbour whose answer was compared with a fresh one, and whether it was right.

    Attributes:
        score: What decides: the verifier's probability, or the similarity where nothing verifies.
        right: The two answers agree.
        share: The chance with which such a request is compared, above 0, at most 1.
        lot: A number from 0 to 1 that this comparison keeps: it says whether thinning leaves it.
        similarity: Of the two questions; None where it is not known.
        age: Seconds since the cached answer was stored.
        is_near: It was no hit: the verifier did not vouch for it.
        namespace, model: What was asked.
    """

    score: float
    right: bool
    share: float
    lot: float
    similarity: float | None = None
    age: float = 0.0
    is_near: bool = False
    namespace: str = ""
    model: str = ""


def thinned(pairs: Sequence[Compared]) -> list[Compared]:
    """As many of each as if all had been compared with the least of their chances."""
    least = min((pair.share for pair in pairs), default=1.0)
    return [replace(pair, share=least) for pair in pairs if pair.lot * pair.share < least]


@dataclass(frozen=True, slots=True)
class Evidence:
    """Wrong ones among those compared, and between which ends their true share lies.

    Attributes:
        compared, wrong: As counted.
        low, high: Each is passed by the true share with a chance of 1 - confidence at most
            (Clopper and Pearson).
    """

    compared: int
    wrong: int
    low: float
    high: float

    @property
    def share(self) -> float | None:
        """The share counted; None of nothing."""
        return self.wrong / self.compared if self.compared else None


def evidence(pairs: Iterable[Compared], confidence: float) -> Evidence:
    """What these comparisons say."""
    right = [pair.right for pair in pairs]
    wrong, compared = len(right) - sum(right), len(right)
    low, high = lower(wrong, compared, confidence), upper(wrong, compared, confidence)
    return Evidence(compared, wrong, low, high)


@dataclass(frozen=True, slots=True)
class Change:
    """Hits on reworded questions with another setting, as a multiple of those there are now."""

    estimate: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Proposal:
    """What is proposed for one key of the configuration, and what it rests on.

    Attributes:
        key: Its name.
        current: The value in force.
        proposed: The value to set; None to leave it.
        reason: Why, for people.
        now: Of what is served now.
        then: Of what would be served; None where nothing is proposed.
        hits: How many hits there would be; None where nothing is proposed.
        missing: Comparisons that would show the value in force to be right, were they like those
            there are; 0 where it is shown, or will not be.
    """

    key: str
    current: float
    proposed: float | None
    reason: str
    now: Evidence
    then: Evidence | None = None
    hits: Change | None = None
    missing: int = 0


def tune_least(
    key: str, pairs: Sequence[Compared], current: float, steps: Iterable[float], aim: Aim
) -> Proposal:
    """The lowest least score whose share of wrong hits is shown to meet the aim.

    Without near misses among the pairs nothing is known of what is not served now, so that only a
    stricter setting can be proposed.

    Args:
        key: The key of the configuration.
        pairs: Thinned.
        current: The least score in force.
        steps: Settings to try, fixed in advance.
        aim: The target, and the confidence with which it must be met.
    """
    knows_less = any(pair.is_near for pair in pairs)
    tried = sorted({current, *(step for step in steps if knows_less or step > current)})
    counts = _counts(pairs, tried)
    now = evidence((pair for pair in pairs if pair.score >= current), aim.confidence)
    at = tried.index(current)
    found = _lowest(counts, at, aim)
    if found is None:
        return _unshown(key, current, now, aim)
    while found < at and counts[found] == counts[found + 1]:
        found += 1  # lower would serve the same pairs: nothing speaks for it
    proposed = tried[found]
    change = _change(counts[at][1], counts[found][1], aim.confidence)
    if proposed == current or (proposed < current and change.estimate < 1 + WORTHWHILE):
        return Proposal(key, current, None, "the value in force is shown to hold", now)
    then = evidence((pair for pair in pairs if pair.score >= proposed), aim.confidence)
    reason = (
        "more hits, and still at most the target wrong"
        if proposed < current
        else "the value in force is not shown to hold, and this one is"
    )
    return Proposal(key, current, proposed, reason, now, then, change)


def _counts(pairs: Sequence[Compared], steps: Sequence[float]) -> list[tuple[int, int]]:
    """(wrong, served) at each least score."""
    every = sorted(pair.score for pair in pairs)
    wrong = sorted(pair.score for pair in pairs if not pair.right)
    return [
        (len(wrong) - bisect_left(wrong, step), len(every) - bisect_left(every, step))
        for step in steps
    ]


def _lowest(counts: Sequence[tuple[int, int]], at: int, aim: Aim) -> int | None:
    """The lowest setting that a walk reaches, as its place; None where neither leaves its start."""
    starts = {at}
    halved = replace(aim, confidence=(1 + aim.confidence) / 2)
    for hits in (PLENTY * halved.least_hits, halved.least_hits):
        strict = [place for place, (_, served) in enumerate(counts) if served >= hits]
        if strict:
            starts.add(strict[-1])
            break
    each = aim if len(starts) == 1 else halved
    reached = [_walk(counts, start, each.is_met) for start in starts]
    return min((place for place in reached if place is not None), default=None)


def _walk(
    counts: Sequence[tuple[int, int]], start: int, is_met: Callable[[int, int], bool]
) -> int | None:
    passed = None
    for place in range(start, -1, -1):
        if not is_met(*counts[place]):
            break
        passed = place
    return passed


def _change(now: int, then: int, confidence: float) -> Change:
    """How many times as many hits, from how many of the compared ones each setting serves."""
    if now == 0 or then == 0:
        return Change(float(then > 0), 0.0, float("inf") if now == 0 else 1.0)
    if then <= now:
        return Change(then / now, lower(then, now, confidence), upper(then, now, confidence))
    low, high = lower(now, then, confidence), upper(now, then, confidence)
    return Change(then / now, 1 / high, 1 / low if low else float("inf"))


def _unshown(key: str, current: float, now: Evidence, aim: Aim) -> Proposal:
    if now.low > aim.target:
        reason = "more are wrong than the target allows, and no other value is shown to hold"
        return Proposal(key, current, None, reason, now)
    missing = more_needed(now.wrong, now.compared, aim)
    if missing is None:
        return Proposal(key, current, None, "too many are wrong to show that it holds", now)
    return Proposal(key, current, None, "not enough is compared yet", now, missing=missing)


def more_needed(wrong: int, compared: int, aim: Aim) -> int | None:
    """Comparisons still missing to meet the aim, were the rest as the first; None if none will do.

    Half of one that is wrong is one that is wrong.
    """
    share = wrong / compared if compared else 0.0
    if share >= aim.target:
        return None
    total = max(compared, least_hits(aim.target, aim.confidence, aim.bound))
    while not aim.is_met(round(share * total), total):
        total = total + max(1, total // 50)
        if total > MOST_FORESEEN:
            return None
    return total - compared


def tune_floor(
    key: str,
    pairs: Sequence[Compared],
    current: float,
    least: float,
    steps: Iterable[float],
    confidence: float,
) -> Proposal:
    """The highest floor below which at most `LOST` of the right hits lie, at this confidence.

    A neighbour below the floor is not put to the verifier, so that a higher one saves its runs. How
    many right ones lie below an order statistic needs no assumption (Wilks, Ann. Math. Stat. 12,
    1941). Nothing is known of neighbours below the floor in force: a lower one is never proposed.

    Args:
        key: The key of the configuration.
        pairs: Thinned.
        current: The floor in force.
        least: The least score that serves.
        steps: Floors to try.
        confidence: One-sided, above 0 and below 1.
    """
    near = [pair for pair in pairs if pair.similarity is not None]
    right = sorted(pair.similarity or 0.0 for pair in near if pair.right and pair.score >= least)
    served = evidence((pair for pair in pairs if pair.score >= least), confidence)
    needed = least_hits(LOST, confidence)
    if len(right) < needed:
        reason = f"{needed - len(right)} more right hits would have to be compared"
        return Proposal(key, current, None, reason, served, missing=needed - len(right))
    floor = _highest(right, steps, current, confidence)
    if floor is None:
        return Proposal(key, current, None, "a higher one would lose right hits", served)
    kept = [pair for pair in near if (pair.similarity or 0.0) >= floor]
    hits = sum(pair.score >= least for pair in near)
    left = sum(pair.score >= least for pair in kept)
    asked = 1 - len(kept) / len(near)
    if asked < SPARED:
        return Proposal(key, current, None, "a higher one would hardly spare the verifier", served)
    return Proposal(
        key,
        current,
        floor,
        f"the verifier is asked {asked:.0%} less often, at the loss of few hits",
        served,
        evidence((pair for pair in kept if pair.score >= least), confidence),
        _change(hits, left, confidence),
    )


def _highest(
    right: Sequence[float], steps: Iterable[float], current: float, confidence: float
) -> float | None:
    """The highest step above the current floor that loses few right hits; None for none.

    Args:
        right: Their similarities, rising; enough to show something.
        steps: Floors to try.
        current: The floor in force.
        confidence: One-sided.
    """
    lost = 0
    while is_certain(lost + 1, len(right), LOST, confidence):
        lost += 1
    return max((step for step in steps if current < step <= right[lost]), default=None)
