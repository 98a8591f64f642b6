"""What was decided of the nearest neighbours: how similar they were, and what forbade them."""

from collections import Counter, deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from proxy.core.model import Judged, Outcome

Json = dict[str, Any]
Bins = list[tuple[float, int]]
"""The lower edge of a bin, and how many are in it; bins with none are left out."""

KEPT: Final = 5000
"""Decisions that a process remembers."""

SIMILARITY_BIN: Final = 0.005
PROBABILITY_BIN: Final = 0.05

NAMES: Final = {
    Judged.ACCEPTED: "hits",
    Judged.UNSURE: "unsure",
    Judged.VETOED: "vetoes",
    Judged.BELOW: "near",
}
"""What the report calls each."""

VERIFIED: Final = ("hits", "unsure")
"""Those that a verifier may have read."""


class Decision(NamedTuple):
    """One of them, and when: seconds since the epoch. The rest is as an `Outcome` has it."""

    at: float
    namespace: str
    judged: Judged
    similarity: float
    probability: float | None
    guard: str


@dataclass(frozen=True, slots=True)
class Report:
    """Decisions, counted.

    Attributes:
        since: From when on all decisions are counted, seconds since the epoch.
        looked: How many.
        similarity: By what was decided, a name of `NAMES`.
        vetoes: By guard.
        probability: The same as `similarity`, of those that a verifier read.
    """

    since: float
    looked: int
    similarity: dict[str, Bins]
    vetoes: dict[str, int]
    probability: dict[str, Bins]


class Decisions:
    """The last decisions of this process.

    Args:
        since: When it began to remember, seconds since the epoch.
    """

    def __init__(self, since: float, kept: int = KEPT) -> None:
        self._since = since
        self._made: deque[Decision] = deque(maxlen=kept)

    def add(self, at: float, outcome: Outcome) -> None:
        """Remember what was decided for this request, if a neighbour was looked at."""
        judged, similarity = outcome.judged, outcome.similarity
        if judged is not None and similarity is not None:
            self._made.append(
                Decision(
                    at,
                    outcome.namespace,
                    judged,
                    similarity,
                    outcome.probability,
                    outcome.guard,
                )
            )

    def clear(self, since: float) -> None:
        """Forget them, and begin anew."""
        self._since = since
        self._made.clear()

    def report(self, namespace: str | None = None) -> Report:
        """All of them, or those of one namespace, counted. Half a millisecond for a thousand."""
        made = tuple(self._made)
        since = made[0].at if len(made) == self._made.maxlen else self._since
        meant = [one for one in made if namespace in (None, one.namespace)]
        by_name = {name: [one for one in meant if NAMES[one.judged] == name] for name in names()}
        return Report(
            since=since,
            looked=len(meant),
            similarity={
                name: _bins((one.similarity for one in found), SIMILARITY_BIN)
                for name, found in by_name.items()
            },
            vetoes=dict(Counter(one.guard for one in by_name["vetoes"])),
            probability={
                name: _bins(_known(one.probability for one in by_name[name]), PROBABILITY_BIN)
                for name in VERIFIED
            },
        )


def names() -> Iterator[str]:
    """What can be decided, in the order of `NAMES`."""
    yield from NAMES.values()


def together(reports: Sequence[Report]) -> Report:
    """Of several processes, at least one: what all of them counted, since all of them count."""
    return Report(
        since=max(one.since for one in reports),
        looked=sum(one.looked for one in reports),
        similarity={
            name: _merged(one.similarity.get(name, []) for one in reports) for name in names()
        },
        vetoes=dict(sum((Counter(one.vetoes) for one in reports), Counter())),
        probability={
            name: _merged(one.probability.get(name, []) for one in reports) for name in VERIFIED
        },
    )


def _known(values: Iterable[float | None]) -> Iterator[float]:
    return (value for value in values if value is not None)


def _bins(values: Iterable[float], width: float) -> Bins:
    # The nudge keeps a value that is an edge, such as 0.93, out of the bin below.
    counts = Counter(int((value + 1) / width + 1e-6) for value in values)
    return [(round(number * width - 1, 6), counts[number]) for number in sorted(counts)]


def _merged(parts: Iterable[Bins]) -> Bins:
    counts: Counter[float] = Counter()
    for part in parts:
        for edge, count in part:
            counts[edge] += count
    return sorted(counts.items())
