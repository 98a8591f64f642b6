"""What is kept of comparisons and feedback: scores and digests, nobody's words."""

from dataclasses import dataclass, replace
from typing import Final

from proxy.core.judgement.base import read
from proxy.core.model import digest
from proxy.core.trusting import Lesson

LABELS: Final = 20_000
"""Comparisons kept: ten categories' pools, read in a moment at the start."""

MARKS: Final = 100_000
"""Marked pairs kept."""


@dataclass(frozen=True, slots=True)
class Kept:
    """One comparison, as it is kept.

    Attributes:
        tenant, namespace, model: What it is pooled in. Never across tenants: labels are made of
            answers, and one tenant's must not loosen what another is served.
        stands: It stands for a hit, picked at random, and came out clearly: an audit counts it.
        lesson: What was learned.
        scorer: Who gave the score: another one's scores mean something else.
        max_error: The bound under which the rules proposed: under another they propose otherwise.
        at: When.
    """

    tenant: str
    namespace: str
    model: str
    stands: bool
    lesson: Lesson
    scorer: str
    max_error: float
    at: float

    def under(self, scorer: str, max_error: float) -> "Kept | None":
        """What of it still holds: nothing of another scorer's, no proposal of another bound's."""
        if self.scorer != scorer:
            return None
        if self.max_error == max_error:
            return self
        return replace(self, lesson=replace(self.lesson, proposed=frozenset()))


@dataclass(frozen=True, slots=True)
class Mark:
    """Two questions of a scope, one of whose answers was called wrong for the other.

    Attributes:
        scope: `Scope.id`.
        pair: Digest of both; see `pair_of`.
        at: When.
    """

    scope: str
    pair: str
    at: float


def pair_of(scope: str, question: str, cached: str) -> str:
    """Digest of two questions in a scope, in either order, whatever their case and punctuation."""
    first, second = sorted((read(question).plain, read(cached).plain))
    return digest(scope.encode(), first.encode(), second.encode())
