"""Whether a neighbour that the judge would serve is served, by what was learned of its kind.

A label comes from asking upstream although a cached answer was at hand, and comparing the two. Two
rules turn labels into proposals, each by a curve of `proxy.core.learning`:

- `own`: by the labels of this very entry, once there are `LEAST_LABELS` of them;
- `pool`: by the labels of the whole category (a tenant's namespace and model), so that the long
  tail of entries, each seldom asked for, need not learn alone. It does not speak for an entry that
  was itself wrong at this score or above.

A rule proposes an answer when its curve assures that the chance of being wrong is at most
`max_error` at this score: for each hit, not only for the average over requests. But a curve may be
the wrong shape: one that saw 31 right labels and none that is wrong believes in perfection. So a
proposal counts only by the rule's record: how often were answers wrong that the rule had proposed
before it could know? Only while the upper bound of that share is within `max_error` is the rule
trusted. The record needs no curve to be right, which is why pooling cannot break the bound: what
the pool proposes for many entries is judged by what came of it on many entries.

Feedback bends curves but enters no record: a record is a share, and people do not report at random.
"""

from collections import OrderedDict, deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from proxy.core.binomial import is_certain, least_hits, upper
from proxy.core.learning import LEAST_LABELS, Curve, Label, assurance, fit

CONFIDENCE: Final = 0.95
"""Of a record's upper bound, one-sided: at 1 % it takes 299 right proposals and none wrong."""

POOLED: Final = 2000
"""Labels of a category that its curve is fitted to, the newest."""

OWN: Final = 32
"""Labels of an entry, the newest."""

ENTRIES: Final = 5000
"""Entries of a category whose labels are held; the longest untouched go first."""

RECORDED: Final = 1000
"""Proposals in a record, the newest: a world that has changed is forgotten."""

PROOFS: Final = 2
"""A small bound needs a longer record: this many times what proves it when nothing is wrong."""

REFIT: Final = 20
"""The pool's curve is fitted anew after a twentieth more labels: it moves no more between."""


class Rule(StrEnum):
    """Who proposes to serve."""

    OWN = "own"
    POOL = "pool"


@dataclass(frozen=True, slots=True)
class Lesson:
    """One comparison of a cached answer with a fresh one.

    Attributes:
        entry: The cached answer's entry.
        score: What the last that decided said: the verifier's probability, else the similarity.
        right: The cached answer said what the fresh one does.
        drawn: The request was picked at random; else somebody told us.
        proposed: The rules that would have served it, as they stood before.
    """

    entry: str
    score: float
    right: bool
    drawn: bool = True
    proposed: frozenset[Rule] = frozenset()


@dataclass(frozen=True, slots=True)
class Advice:
    """What the rules say of one neighbour.

    Attributes:
        proposed: Those that would serve it.
        trusted: Those of them whose record allows it: one is enough.
    """

    proposed: frozenset[Rule]
    trusted: frozenset[Rule]

    def serves(self, draw: float, explore_share: float) -> bool:
        """Whether to serve; a trusted one is explored now and then too, or its record would age.

        Args:
            draw: 0 to 1, at random.
            explore_share: The share of trusted ones to explore.
        """
        return bool(self.trusted) and draw >= explore_share


class Record:
    """How often a rule's proposals were wrong, among the newest that were compared.

    Args:
        max_error: The share of wrong ones that it is to tell from a larger one.
    """

    def __init__(self, max_error: float) -> None:
        most = max(RECORDED, PROOFS * least_hits(max_error, CONFIDENCE))
        self._right: deque[bool] = deque(maxlen=most)

    def add(self, *, right: bool) -> None:
        """One more proposal was compared."""
        self._right.append(right)

    @property
    def wrong(self) -> int:
        """How many were wrong."""
        return len(self._right) - sum(self._right)

    @property
    def count(self) -> int:
        """How many were compared."""
        return len(self._right)

    @property
    def bound(self) -> float:
        """The largest share of wrong ones that fits the record."""
        return upper(self.wrong, self.count, CONFIDENCE)

    def allows(self, max_error: float) -> bool:
        """Whether the share of wrong ones is at most this, as far as can be told."""
        return is_certain(self.wrong, self.count, max_error, CONFIDENCE)


@dataclass(slots=True)
class _Entry:
    labels: deque[Label] = field(default_factory=lambda: deque(maxlen=OWN))
    curve: Curve | None = None


class Category:
    """What is known of the entries of one kind; it forgets the oldest of everything.

    Args:
        max_error: The share of hits that may be wrong.
        rules: Those that may propose.
    """

    def __init__(self, max_error: float, rules: Iterable[Rule] = Rule) -> None:
        self._max_error = max_error
        self._rules = frozenset(rules)
        self._least_pooled = max(LEAST_LABELS, round(1 / max_error))
        self._pool: deque[Label] = deque(maxlen=POOLED)
        self._curve: Curve | None = None
        self._unfitted = 0
        self._entries: OrderedDict[str, _Entry] = OrderedDict()
        self.records = {rule: Record(max_error) for rule in self._rules}

    def advise(self, entry: str, score: float) -> Advice:
        """What the rules say of serving this entry at this score."""
        least = 1 - self._max_error
        proposed = frozenset(r for r in self._rules if self.assured(r, entry, score) >= least)
        trusted = frozenset(r for r in proposed if self.records[r].allows(self._max_error))
        return Advice(proposed, trusted)

    def assured(self, rule: Rule, entry: str, score: float) -> float:
        """P(right) that this rule's curve vouches for; 0 where it has none."""
        curve = self._curve_of(rule, entry, score)
        return 0.0 if curve is None else assurance(curve, score)

    def _curve_of(self, rule: Rule, entry: str, score: float) -> Curve | None:
        known = self._entries.get(entry)
        if rule is Rule.POOL:
            ripe = len(self._pool) >= self._least_pooled
            return self._curve if ripe and not _was_wrong(known, score) else None
        if known is None or len(known.labels) < LEAST_LABELS:
            return None
        if known.curve is None:
            known.curve = fit(known.labels)
        return known.curve

    def learn(self, *lessons: Lesson) -> None:
        """Take comparisons in, in their order; many at once cost one fit."""
        for lesson in lessons:
            self._take(lesson)
        if self._unfitted * REFIT >= len(self._pool):
            self._curve, self._unfitted = fit(self._pool), 0

    def _take(self, lesson: Lesson) -> None:
        label = Label(lesson.score, lesson.right)
        known = self._entries.setdefault(lesson.entry, _Entry())
        self._entries.move_to_end(lesson.entry)
        if len(self._entries) > ENTRIES:
            self._entries.popitem(last=False)
        known.labels.append(label)
        known.curve = None
        self._pool.append(label)
        self._unfitted += 1
        if lesson.drawn:
            for rule in lesson.proposed & self._rules:
                self.records[rule].add(right=lesson.right)


def _was_wrong(known: _Entry | None, score: float) -> bool:
    return known is not None and any(
        not label.right and label.score >= score for label in known.labels
    )
