"""What happened when: counts and latencies in steps of time, for charts.

The newest hour is kept in steps of ten seconds and the newest day in steps of a minute, so that it
takes bounded memory however much happens. Latencies are counted in buckets that grow by a tenth: a
quantile read from them is within five per cent.
"""

from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from math import ceil, floor, log
from typing import Any, Final

import orjson

from proxy.core.model import Outcome
from proxy.core.repetition import Repetition
from proxy.telemetry.metrics import source_of

Json = dict[str, Any]

FINE_S: Final = 10
COARSE_S: Final = 60
FINE_MINUTES: Final = 60
"""How long a history may be in fine steps."""

MINUTES: Final = 1440
"""How long it may be at all."""

GROWTH: Final = 1.1
_PER_LOG: Final = 1 / log(GROWTH)
LEAST_S: Final = 1e-6
"""What takes less counts as this."""

SOURCES: Final = {
    "session": "session",
    "shared": "shared",
    "vector": "vector",
    "upstream": "origin",
    "coalesced": "origin",
}
"""Whose latency an answer's is, by who gave it; an error of our own is nobody's."""

QUANTILES: Final = {"p50": 0.5, "p99": 0.99}
SERVER_ERROR: Final = 500


@dataclass(slots=True)
class Step:
    """What happened in one step of time.

    Attributes:
        at: When it began, seconds since the epoch.
        requests: By result.
        tiers: By the tier that answered.
        latency: By source, requests in each bucket of `bucket_of`.
        tokens_saved, saved_usd: What the cache saved.
        errors: Answers with a status from 500 up.
    """

    at: int
    requests: dict[str, int] = field(default_factory=dict)
    tiers: dict[str, int] = field(default_factory=dict)
    latency: dict[str, dict[int, int]] = field(default_factory=dict)
    tokens_saved: int = 0
    saved_usd: float = 0.0
    errors: int = 0

    def count(self, outcome: Outcome, took: Sequence[float | None]) -> None:
        """More requests that were answered in this way: one for each time that one took."""
        times, result = len(took), outcome.result.value
        self.requests[result] = self.requests.get(result, 0) + times
        if outcome.tier is not None:
            tier = outcome.tier.value
            self.tiers[tier] = self.tiers.get(tier, 0) + times
        if (source := SOURCES.get(source_of(outcome))) is not None:
            counts = self.latency.setdefault(source, {})
            for seconds in took:
                if seconds is not None:
                    bucket = bucket_of(seconds)
                    counts[bucket] = counts.get(bucket, 0) + 1
        if outcome.saved is not None:
            self.tokens_saved += times * outcome.saved.total
            self.saved_usd += times * (outcome.saved_usd or 0.0)
        if outcome.status >= SERVER_ERROR:
            self.errors += times

    def add(self, other: "Step") -> None:
        """What another one counted, too."""
        self.requests = _summed(self.requests, other.requests)
        self.tiers = _summed(self.tiers, other.tiers)
        for source, counts in other.latency.items():
            self.latency[source] = _summed(self.latency.get(source, {}), counts)
        self.tokens_saved += other.tokens_saved
        self.saved_usd += other.saved_usd
        self.errors += other.errors

    def told(self) -> Json:
        """For a chart; latencies as quantiles, in milliseconds."""
        return {
            "at": self.at,
            "requests": self.requests,
            "tiers": self.tiers,
            "latency_ms": {
                source: {name: quantile_ms(counts, share) for name, share in QUANTILES.items()}
                for source, counts in self.latency.items()
            },
            "tokens_saved": self.tokens_saved,
            "saved_usd": round(self.saved_usd, 9),
            "errors": self.errors,
        }


class History:
    """What happened in this process."""

    def __init__(self) -> None:
        self._fine: deque[Step] = deque(maxlen=60 * FINE_MINUTES // FINE_S)
        self._coarse: deque[Step] = deque(maxlen=60 * MINUTES // COARSE_S)

    def count(
        self, at: float, outcome: Outcome, repetitions: Sequence[Repetition] | None = None
    ) -> None:
        """One more request, which was over then, or several that were answered as this one."""
        began = int(at) // FINE_S * FINE_S
        fine = self._fine
        if not fine or fine[-1].at != began:
            self._turn(began)
        if repetitions is None:
            fine[-1].count(outcome, (outcome.timings.get("total"),))
        else:
            fine[-1].count(outcome, [one.total_s for one in repetitions])

    def clear(self) -> None:
        """Forget it."""
        self._fine.clear()
        self._coarse.clear()

    def steps(self, minutes: int, now: float) -> list[Step]:
        """Those in which something happened, of the last minutes; none changes any more."""
        is_fine, under_way = step_s(minutes) == FINE_S, list(self._fine)[-1:]
        done = list(self._fine)[:-1] if is_fine else list(self._coarse)
        if not is_fine and under_way:
            under_way = [*done[-1:], replace(under_way[0], at=_minute(under_way[0]))]
            done = done[:-1]
        first = starts(minutes, now)[0]
        return [one for one in (*done, *merged(under_way)) if one.at >= first]

    def _turn(self, began: int) -> None:
        """A new fine step begins; the last one joins its minute."""
        if self._fine:
            last = self._fine[-1]
            minute = _minute(last)
            if not self._coarse or self._coarse[-1].at != minute:
                self._coarse.append(Step(minute))
            self._coarse[-1].add(last)
        self._fine.append(Step(began))


def _minute(step: Step) -> int:
    """When its minute began."""
    return step.at // COARSE_S * COARSE_S


def step_s(minutes: int) -> int:
    """How long the steps of a history of so many minutes are."""
    return FINE_S if minutes <= FINE_MINUTES else COARSE_S


def starts(minutes: int, now: float) -> range:
    """When its steps begin: as many as fit, the one under way the last."""
    step = step_s(minutes)
    last = int(now) // step * step
    return range(last - minutes * 60 + step, last + step, step)


def merged(steps: Iterable[Step]) -> list[Step]:
    """Those of one time made one; oldest first."""
    found: dict[int, Step] = {}
    for one in steps:
        found.setdefault(one.at, Step(one.at)).add(one)
    return [found[at] for at in sorted(found)]


def points(steps: Iterable[Step], minutes: int, now: float) -> list[Json]:
    """A point for every step of that time, also for those in which nothing happened.

    Args:
        steps: Of one or several processes.
        minutes: How far back.
        now: Seconds since the epoch.
    """
    known: dict[int, Step] = {}
    for one in steps:
        held = known.get(one.at)
        known[one.at] = one if held is None else merged([held, one])[0]
    return [known.get(at, Step(at)).told() for at in starts(minutes, now)]


def bucket_of(seconds: float) -> int:
    """The bucket that so long is in."""
    return floor(log(max(seconds, LEAST_S)) * _PER_LOG)


def quantile_ms(counts: Mapping[int, int], share: float) -> float:
    """What so large a share took at most, in milliseconds: the middle of its bucket."""
    wanted, seen, middle = ceil(share * sum(counts.values())), 0, 0.0
    for bucket in sorted(counts):
        seen += counts[bucket]
        middle = 1000 * GROWTH ** (bucket + 0.5)
        if seen >= wanted:
            break
    return float(f"{middle:.3g}")


def _summed(one: Mapping[Any, int], other: Mapping[Any, int]) -> dict[Any, int]:
    found = dict(one)
    for name, count in other.items():
        found[name] = found.get(name, 0) + count
    return found


def dumps(steps: Iterable[Step]) -> bytes:
    """For another worker of the same version."""
    return orjson.dumps([asdict(one) for one in steps], option=orjson.OPT_NON_STR_KEYS)


def loads(data: bytes) -> list[Step]:
    """What `dumps` wrote."""
    return [
        Step(
            **{
                **one,
                "latency": {
                    source: {int(bucket): count for bucket, count in counts.items()}
                    for source, counts in one["latency"].items()
                },
            }
        )
        for one in orjson.loads(data)
    ]
