"""What the cache decides on labelled questions: sets read from files, put to the real lookup.

Nothing is imitated: the embedder, the scope, the guards, the judge and the admission rules are the
configured ones, driven through `proxy.library`. Only three things differ from serving. Entries live
in a temporary folder, and an index in Redis under a name of its own that is deleted at the end, so
that an evaluation never sees or leaves an answer. The deadline is the
longest the configuration allows, so that a busy machine changes the times and not the decisions.
And no request reaches an origin: an answer says whose it is.
"""

import asyncio
import gzip
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from time import perf_counter
from typing import Any

from proxy.config import Config
from proxy.core.canonical import loads
from proxy.core.lookup import Hit, Miss
from proxy.core.scoring import PairRow, Report, StreamRow, score_pairs, score_stream
from proxy.errors import RepriseError
from proxy.library import Cache, Json, open_cache
from proxy.measuring.apart import apart_in_its_backend
from proxy.migration import MigrationError

SUFFIXES = (".jsonl", ".jsonl.gz")


class EvaluationError(RepriseError):
    """The operator's fault: a set that cannot be read, or a cache that cannot be measured."""


class Kind(StrEnum):
    """What the rows of a set are."""

    PAIRS = "pairs"
    CONVERSATIONS = "conversations"
    STREAM = "stream"


@dataclass(frozen=True, slots=True)
class Case:
    """One row: what is asked, what is known before, and what is right.

    Attributes:
        id: The row's id.
        messages: What is asked.
        before: What was asked and answered before it, in an otherwise empty scope; None in a
            stream, whose rows meet a cache that grows.
        key: Whose answer is right. The cached answer serves a pair when both have one key.
        good: A cached answer could serve it: label 1, or a key that came before.
        category: Its category in the set; "" for none.
    """

    id: str
    messages: tuple[Json, ...]
    before: tuple[Json, ...] | None
    key: str
    good: bool
    category: str


@dataclass(frozen=True, slots=True)
class Sample:
    """A set as it is evaluated.

    Attributes:
        name: The file's name, without its suffixes.
        cases: The rows taken.
        of: Rows in the file.
        ambiguous: Rows that the set calls ambiguous, among those taken or left out.
        left_out: Whether these were left out; else they count as label 0.
    """

    name: str
    kind: Kind
    cases: tuple[Case, ...]
    of: int
    ambiguous: int = 0
    left_out: bool = False


@dataclass(frozen=True, slots=True)
class Ruling:
    """What the cache decided on a case.

    Attributes:
        served: It answered.
        right: What it answered was the case's own; False where it did not answer.
        similarity: Cosine of the neighbour served, or of the best one looked at.
        probability: What the verifier gave that neighbour; None when it was not asked.
        reason: The tier that answered, or why none did; "" when nothing was near.
        latency_s: Seconds the lookup took.
    """

    case: Case
    served: bool
    right: bool
    similarity: float | None
    reason: str
    latency_s: float
    probability: float | None = None

    def line(self, name: str) -> Json:
        """As a line of a dump."""
        return {
            "set": name,
            "id": self.case.id,
            "label": int(self.case.good),
            "served": self.served,
            "right": self.right,
            "similarity": self.similarity,
            "probability": self.probability,
            "reason": self.reason,
            "latency_s": self.latency_s,
        }


def read_set(
    path: Path, kind: Kind, *, limit: int = 0, leave_out_ambiguous: bool = False
) -> Sample:
    """Read a set of a kind.

    Args:
        path: JSON lines, plain or gzipped.
        kind: What its rows are.
        limit: Take at most so many rows, 0 for all: of pairs and conversations evenly spaced ones,
            of a stream the first, since what comes later depends on what came before.
        leave_out_ambiguous: Leave out rows marked `ambiguous`; else they count as label 0.

    Raises:
        EvaluationError: The file cannot be read, or is no set of this kind.
    """
    rows = list(_rows(path))
    if not rows:
        raise EvaluationError(f"{path}: has no rows")
    name = path.name.removesuffix(".gz").removesuffix(".jsonl")
    if kind is Kind.STREAM:
        cases = tuple(_stream(path, rows[:limit] if limit else rows))
        return Sample(name, kind, cases, of=len(rows))
    ambiguous = sum(bool(row.get("ambiguous")) for _, row in rows)
    kept = [pair for pair in rows if not (leave_out_ambiguous and pair[1].get("ambiguous"))]
    taken = _spread(kept, limit)
    if not leave_out_ambiguous:
        ambiguous = sum(bool(row.get("ambiguous")) for _, row in taken)
    cases = tuple(_pair(path, number, row, kind) for number, row in taken)
    return Sample(name, kind, cases, len(rows), ambiguous, leave_out_ambiguous)


def _rows(path: Path) -> Iterator[tuple[int, Json]]:
    """Line numbers, from 1, and the objects on them; empty lines are no rows."""
    try:
        raw = path.read_bytes()
        text = (gzip.decompress(raw) if path.suffix == ".gz" else raw).decode()
    except (OSError, EOFError, UnicodeDecodeError) as error:
        raise EvaluationError(f"{path}: {getattr(error, 'strerror', None) or error}") from error
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        try:
            row = loads(line.encode())
        except ValueError as error:
            raise EvaluationError(f"{path}:{number}: not JSON: {error}") from error
        if not isinstance(row, dict):
            raise EvaluationError(f"{path}:{number}: not an object")
        yield number, row


def _spread(rows: Sequence[tuple[int, Json]], limit: int) -> Sequence[tuple[int, Json]]:
    """At most `limit` rows from the whole file, evenly spaced, the same ones every time."""
    if not limit or len(rows) <= limit:
        return rows
    return [rows[index * len(rows) // limit] for index in range(limit)]


def _pair(path: Path, number: int, row: Json, kind: Kind) -> Case:
    label = row.get("label")
    if label not in (0, 1) or isinstance(label, float):
        found = "no label" if label is None else f"label {label!r}"
        raise EvaluationError(f"{path}:{number}: {found}; a row needs 0 or 1 to be judged by")
    good = label == 1 and not row.get("ambiguous")
    read = _question if kind is Kind.PAIRS else _messages
    return Case(
        id=str(row.get("id", number)),
        messages=read(path, number, row, "b"),
        before=read(path, number, row, "a"),
        key=str(number),
        good=good,
        category=str(row.get("category") or ""),
    )


def _stream(path: Path, rows: Iterable[tuple[int, Json]]) -> Iterator[Case]:
    """A stream's rows; what is first of its key is worked out, so that a part of one is right."""
    known: set[str] = set()
    for number, row in rows:
        if not isinstance(key := row.get("key"), str):
            raise EvaluationError(f"{path}:{number}: no key; a stream's rows say whose answer fits")
        yield Case(
            id=str(row.get("i", number)),
            messages=_question(path, number, row, "text"),
            before=None,
            key=key,
            good=key in known,
            category=str(row.get("src") or ""),
        )
        known.add(key)


def _question(path: Path, number: int, row: Json, field: str) -> tuple[Json, ...]:
    if not isinstance(text := row.get(field), str):
        raise EvaluationError(f"{path}:{number}: `{field}` is not text")
    return ({"role": "user", "content": text},)


def _messages(path: Path, number: int, row: Json, field: str) -> tuple[Json, ...]:
    messages = row.get(field)
    if not isinstance(messages, list) or not all(isinstance(turn, dict) for turn in messages):
        raise EvaluationError(f"{path}:{number}: `{field}` is not a list of messages")
    return tuple(messages)


def evaluate(
    sample: Sample, config: Config, progress: Callable[[], None] = lambda: None
) -> list[Ruling]:
    """Put a set to a cache of its own, in a loop of its own.

    Args:
        sample: The set.
        config: What the proxy would be started with.
        progress: Called after each case.

    Raises:
        EvaluationError: A part of the cache does not work, so that nothing would be measured.
        ConfigError: The configuration names something that does not exist.
    """
    with tempfile.TemporaryDirectory(prefix="reprise-eval-") as folder:
        try:
            with apart_in_its_backend(config, Path(folder)) as mine:
                return asyncio.run(_evaluate(sample, mine, progress))
        except MigrationError as error:
            raise EvaluationError(f"the index in Redis cannot be deleted: {error}") from error


async def _evaluate(sample: Sample, config: Config, progress: Callable[[], None]) -> list[Ruling]:
    """What goes wrong in the cache is said on stderr."""
    rule = _rule_in_stream if sample.kind is Kind.STREAM else _rule_on_pair
    rulings = []
    async with open_cache(config, sys.stderr) as cache:
        refuse_trouble(cache)
        for number, case in enumerate(sample.cases):
            rulings.append(await rule(cache, case, f"row {number}"))
            progress()
        refuse_trouble(cache)
    return rulings


def refuse_trouble(cache: Cache) -> None:
    """Raises EvaluationError when a part does not work: what is measured then is something else."""
    for part, reason in cache.runtime.trouble().items():
        if reason is not None:
            raise EvaluationError(f"the cache's {part} does not work: {reason}")


async def _rule_on_pair(cache: Cache, case: Case, tenant: str) -> Ruling:
    """In a scope of its own, so that nothing but the row's first question can answer."""
    kept = await cache.store(_request(case.before or ()), _answer(case.key), tenant=tenant)
    ruling = await _rule(cache, case, tenant)
    if kept is None and not ruling.served:
        return replace(ruling, reason=ruling.reason or "the first question was not stored")
    return replace(ruling, right=ruling.right and case.good)


async def _rule_in_stream(cache: Cache, case: Case, _: str) -> Ruling:
    ruling = await _rule(cache, case, "")
    if not ruling.served:
        await cache.store(_request(case.messages), _answer(case.key))
    return ruling


async def _rule(cache: Cache, case: Case, tenant: str) -> Ruling:
    began = perf_counter()
    found = await cache.decide(_request(case.messages), tenant=tenant)
    return _ruling(case, found, perf_counter() - began)


def _ruling(case: Case, found: Hit | Miss, latency_s: float) -> Ruling:
    if isinstance(found, Miss):
        return Ruling(
            case,
            served=False,
            right=False,
            similarity=found.seen.similarity,
            reason=found.seen.reason,
            latency_s=latency_s,
            probability=found.seen.probability,
        )
    return Ruling(
        case,
        served=True,
        right=_key_of(loads(found.entry.answer.body)) == case.key,
        similarity=found.similarity,
        reason=found.tier.value,
        latency_s=latency_s,
        probability=found.probability,
    )


def _request(messages: Sequence[Json]) -> Json:
    return {"model": "evaluation", "messages": list(messages)}


def _answer(key: str) -> Json:
    """An answer that says whose it is."""
    return {
        "id": "chatcmpl-evaluation",
        "object": "chat.completion",
        "created": 0,
        "model": "evaluation",
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": key},
                "finish_reason": "stop",
            }
        ],
        "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2},
    }


def _key_of(answer: Mapping[str, Any]) -> object:
    return answer["choices"][0]["message"]["content"]


def score(sample: Sample, rulings: Sequence[Ruling]) -> Report:
    """The numbers of `proxy.core.scoring`, after what was evaluated.

    Returns:
        `set`, `kind`, `of_rows` (in the file) and `ambiguous` (how many rows, and whether they were
        `counted_as_0` or `left_out`), then the scores.
    """
    if sample.kind is Kind.STREAM:
        found = score_stream(
            [
                StreamRow(r.case.category, not r.case.good, r.served, r.right, r.latency_s)
                for r in rulings
            ]
        )
    else:
        found = score_pairs(
            [PairRow(r.case.category, r.case.good, r.served, r.latency_s) for r in rulings]
        )
    treatment = "left_out" if sample.left_out else "counted_as_0"
    return {
        "set": sample.name,
        "kind": sample.kind.value,
        "of_rows": sample.of,
        "ambiguous": {"rows": sample.ambiguous, "treatment": treatment},
        **found,
    }


def sets_in(folder: Path) -> list[tuple[Path, Kind]]:
    """The sets in a folder that can be evaluated, by the beginning of their names, in order."""
    kinds = {"pairs_": Kind.PAIRS, "conv_": Kind.CONVERSATIONS, "stream_": Kind.STREAM}
    return [
        (path, kind)
        for path in sorted(folder.iterdir())
        for start, kind in kinds.items()
        if path.name.startswith(start) and path.name.endswith(SUFFIXES)
    ]
