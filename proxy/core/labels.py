"""What is kept of comparisons and feedback: scores and digests, nobody's words."""

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

from proxy.core.judgement.base import read
from proxy.core.model import digest
from proxy.core.trusting import Lesson

LABELS: Final = 20_000
"""Comparisons kept: ten categories' pools, read in a moment at the start.

As many beside them that teach nothing.
"""

MARKS: Final = 100_000
"""Marked pairs kept."""


class Kind(StrEnum):
    """Why a fresh answer is compared with a cached one."""

    EXPLORED = "explored"
    """The neighbour was not served, and the caller gets the fresh answer."""

    AUDITED = "audited"
    """It was served, and the origin is asked as well."""

    SHADOWED = "shadowed"
    """It would have been served, but the caller asked in shadow mode."""

    NEAR = "near"
    """The verifier did not vouch for it."""


TEACHING: Final = frozenset({Kind.EXPLORED, Kind.AUDITED})
"""What is learned from; the others only say what another setting would do."""


@dataclass(frozen=True, slots=True)
class Sample:
    """How a comparison came about: what it takes to say of how many requests it speaks.

    Attributes:
        kind: Why it was made.
        is_clear: The two answers plainly agree, or plainly do not.
        share: The chance with which a request like this one is compared, above 0, at most 1.
        similarity: Of the two questions; None where it is not known.
        age: Seconds since the cached answer was stored.
    """

    kind: Kind
    is_clear: bool
    share: float
    similarity: float | None
    age: float


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
        sample: How it came about; None where somebody told us, or an earlier version kept it.
    """

    tenant: str
    namespace: str
    model: str
    stands: bool
    lesson: Lesson
    scorer: str
    max_error: float
    at: float
    sample: Sample | None = None

    @property
    def teaches(self) -> bool:
        """Whether hits are served by it; else it only says what another setting would do."""
        return self.sample is None or self.sample.kind in TEACHING

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
