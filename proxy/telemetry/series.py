"""One exposition of several processes' metrics.

Each worker tells the others its series as data; whoever is scraped adds them up. What counts
(counters, histograms) is summed. Of gauges, some mean something when summed; the others are told
apart by the label `worker`. prometheus_client's own multiprocess mode is no help: it knows nothing
of collectors that are asked at the scrape.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from pathlib import Path
from threading import Lock
from typing import Final

import orjson
from prometheus_client.core import Metric
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector
from prometheus_client.samples import Sample

Labels = Mapping[str, str]

WORKER: Final = "worker"
COUNTING: Final = frozenset({"counter", "histogram"})
CREATED: Final = "_created"
"""Ends the name of a series that says since when another one counts."""

EQUAL: Final = frozenset({"reprise_build_info"})
"""Gauges that every worker shows alike."""

SUMMED: Final = frozenset(
    {
        *("reprise_backlog_entries", "reprise_backlog_bytes", "reprise_redis_connections"),
        *("reprise_requests_in_flight", "reprise_calls_in_flight"),
    }
)
"""Gauges whose sum means something. So does a session tier's: each worker holds its own entries.

An index does not, although each worker has one: it is the same one.
"""


class Rule(Enum):
    """What becomes of one series that several workers have."""

    SUM = auto()
    LEAST = auto()
    ONE = auto()
    APART = auto()


@dataclass(frozen=True, slots=True)
class Family:
    """The series of one name.

    Attributes:
        name, documentation, kind: As in the exposition; the kind is its `TYPE`.
        samples: Name, labels and value of each.
    """

    name: str
    documentation: str
    kind: str
    samples: Sequence[tuple[str, Labels, float]]


class Tally:
    """What this worker counts, and what those that had its number before it have counted.

    Everything told is written down first, so that it outlives this process: whoever takes its place
    counts on from there, and a sum over all workers never falls.

    Args:
        registry: This process's own.
        file: Where it is written down.
    """

    def __init__(self, registry: Collector, file: Path) -> None:
        self._registry = registry
        self._file = file
        self._before = recorded(file)
        self._lock = Lock()

    def take(self) -> list[Family]:
        """The series now. Writes a file: not for an event loop. Raises OSError."""
        with self._lock:
            taken = merged([("", self._before), ("", list(families(self._registry)))])
            beside = self._file.with_suffix(".new")
            beside.write_bytes(dumps(family for family in taken if family.kind in COUNTING))
            beside.replace(self._file)
            return taken


def recorded(file: Path) -> list[Family]:
    """What a process that does not answer has counted; nothing where none has told anything."""
    try:
        return loads(file.read_bytes())
    except FileNotFoundError:
        return []


def dumps(families: Iterable[Family]) -> bytes:
    """For another worker of the same version."""
    return orjson.dumps([(one.name, one.documentation, one.kind, one.samples) for one in families])


def loads(data: bytes) -> list[Family]:
    """What `dumps` wrote. A value that was no number is left out."""
    return [
        Family(name, text, kind, [(s, labels, v) for s, labels, v in samples if v is not None])
        for name, text, kind, samples in orjson.loads(data)
    ]


def merged(parts: Sequence[tuple[str, Sequence[Family]]]) -> list[Family]:
    """The series of all parts: counts summed, gauges by the rules of this file.

    Args:
        parts: A worker's name, for the label, and its series. Without a name there is no label.
    """
    found: dict[str, _Sum] = {}
    for name, families in parts:
        for family in families:
            found.setdefault(family.name, _Sum(family)).add(name, family)
    return [one.family() for one in found.values()]


def exposition(families: Iterable[Family], accept: str) -> tuple[bytes, str]:
    """The text, and its content type; OpenMetrics for who asks for it."""
    encode, content_type = choose_encoder(accept)
    return encode(_Fixed(families)), content_type


def workers(count: int) -> Family:
    """How many answered."""
    name = "reprise_workers"
    return Family(name, "Workers that answered this scrape.", "gauge", [(name, {}, float(count))])


class _Sum:
    """A family in the making."""

    def __init__(self, like: Family) -> None:
        self._like = like
        self._values: dict[tuple[str, tuple[tuple[str, str], ...]], float] = {}

    def add(self, part: str, family: Family) -> None:
        for name, labels, value in family.samples:
            rule = _rule(family, name, labels)
            is_labelled = rule is Rule.APART and part
            key = name, tuple({**labels, WORKER: part}.items() if is_labelled else labels.items())
            self._values[key] = _combined(rule, self._values.get(key), value)

    def family(self) -> Family:
        samples = [(name, dict(labels), value) for (name, labels), value in self._values.items()]
        return Family(self._like.name, self._like.documentation, self._like.kind, samples)


def _rule(family: Family, sample: str, labels: Labels) -> Rule:
    if family.kind in COUNTING:
        return Rule.LEAST if sample == family.name + CREATED else Rule.SUM
    if family.name in EQUAL:
        return Rule.ONE
    is_summed = family.name in SUMMED or labels.get("tier") == "session"
    return Rule.SUM if is_summed else Rule.APART


def _combined(rule: Rule, held: float | None, value: float) -> float:
    if held is None or rule in (Rule.ONE, Rule.APART):
        return value
    return held + value if rule is Rule.SUM else min(held, value)


class _Fixed(Collector):
    """What an encoder takes for a registry."""

    def __init__(self, families: Iterable[Family]) -> None:
        self._families = families

    def collect(self) -> Iterator[Metric]:
        for family in self._families:
            metric = Metric(family.name, family.documentation, family.kind)
            metric.samples = [Sample(name, dict(labels), v) for name, labels, v in family.samples]
            yield metric


def families(registry: Collector) -> Iterator[Family]:
    """What one process counts. Reads small files of /proc: not for an event loop."""
    for one in registry.collect():
        samples = [(found.name, found.labels, float(found.value)) for found in one.samples]
        yield Family(one.name, one.documentation, one.type, samples)
