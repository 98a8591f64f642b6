"""The vector tier on Redis vector sets: one index that all proxies share, and none holds in memory.

Every replica folds the change log onto the same sets, so folding asks first what is there and adds
what is missing: N replicas insert once. Nobody takes turns for that. Each brings an entry to where
the log leaves it; whoever was held up may undo what a faster one did, and mends that as it reads
on. Only one that dies in between leaves a question too many, which a hit on it cleans, or one too
few, which is a miss until it is stored again.

The position is kept beside the sets, and written after what it stands for. It says "all up to here
is in", which is true whoever wrote it: a later one may be overwritten by an earlier.

When the log starts anew, the sets are not cleared under the others. What comes is added where it is
missing, and at the end what the source of truth does not know is removed.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

import numpy as np

from proxy.core.changes import Added, Changes, Forgotten, Removed
from proxy.core.model import Candidate, Neighbour, Vector
from proxy.errors import TierError, UnfitServerError
from proxy.ports import Clock
from proxy.tiers import OnEvent
from proxy.tiers.rediscluster import together
from proxy.tiers.redislink import RedisLink
from proxy.tiers.vectorsetlayout import Layout, best, scored
from proxy.tiers.vectorsetwriting import Exists, SetWriter

OLDEST: Final = (8, 2)
"""The version of Redis whose searches give attributes."""
SPARE: Final = 4
"""Neighbours asked for beyond those wanted: some may be past their time."""
MOST_OVER: Final = 1000
"""Sets of which elements past their time are noted between two folds."""
SURVEYED: Final = 8
"""Scopes that a survey asks for at once."""
COUNT_S: Final = 10.0
"""Between two counts of all entries, seconds."""
UNIT_TOLERANCE: Final = 0.01
"""How far a vector's squared length may be from 1; half-precision rounding stays within."""


@dataclass(frozen=True, slots=True)
class Shape:
    """How vectors are kept and searched.

    Attributes:
        quantisation: Bytes that a number takes: 1 (`q8`), or 4 (`noquant`).
        effort: Elements that a search looks at.
        split_at: Elements a part of a scope holds before there are twice as many parts.
    """

    quantisation: Literal["q8", "noquant"] = "q8"
    effort: int = 256
    split_at: int = 1_000_000


class VectorSetTier:
    """An `Index` on a Redis 8.2 or newer.

    Args:
        link: Reaches the server; closed with the tier.
        prefix: Begins every key.
        embedder: Id of the embedder whose vectors are held; others' are passed over.
        dimension: Their length.
        exists: Asks the source of truth, after the log has started anew.
        clock: The time now.
        on_event: Hears `index_lost` when what was folded is gone from the server, and
            `scope_split`.
        shape: How vectors are kept and searched.
    """

    def __init__(
        self,
        link: RedisLink,
        *,
        prefix: str,
        embedder: str,
        dimension: int,
        exists: Exists,
        clock: Clock,
        on_event: OnEvent,
        shape: Shape = Shape(),
    ) -> None:
        self._link = link
        self._embedder = embedder
        self._dimension = dimension
        self._effort = shape.effort
        self._exists = exists
        self._clock = clock
        self._on_event = on_event
        self._layout = Layout(prefix, f"{embedder}/{dimension}/{shape.quantisation}")
        self._writer = SetWriter(
            link,
            self._layout,
            quantisation=shape.quantisation.upper(),
            split_at=shape.split_at,
            on_event=on_event,
        )
        self._is_started = False
        self._position: str | None = None
        self._must_sweep = False
        self._over: dict[str, dict[str, bytes]] = {}
        self._entries = 0
        self._counted_at = 0.0
        self._ignored = 0

    @property
    def position(self) -> str | None:
        """Where in the change log this index stands; None when it is empty and new."""
        return self._position

    async def start(self) -> None:
        """Connect, or prove that the server answers and has the index as it was left.

        Raises:
            UnfitServerError: It answers, and has no vector sets.
            TierError: It does not answer.
        """
        await self._link.start()
        _refuse_unfit(await self._link.ask(self._layout.state, "HELLO"))
        position, sweep = await self._state("HMGET", "position", "sweep")
        await self._writer.read_splits()
        await self._count()
        self._is_started = True
        if self._position is None or position is None:
            self._position = position.decode() if position else None
        self._must_sweep = self._must_sweep or sweep is not None

    async def close(self) -> None:
        """Close all connections; a tier never started is a no-op."""
        self._is_started = False
        await self._link.close()

    async def search(self, scope: str, vector: Vector, k: int) -> Sequence[Candidate]:
        """At most k neighbours inside the scope, best first; an unknown scope has none.

        Raises:
            TierError: The vector is of another dimension, or the server does not answer.
        """
        self._refuse_closed()
        self._refuse_misfit(vector)
        if k < 1 or not np.isfinite(vector).all():
            return ()
        data = np.ascontiguousarray(vector, "<f4").tobytes()
        parts = self._writer.parts(scope)
        count = k + SPARE
        while True:
            answers = await together([self._near(key, data, count) for key in parts])
            found = self._alive(parts, answers)
            if len(found) >= k or all(len(answer) < 3 * count for answer in answers):
                return found[:k]
            count *= 4  # so many are past their time

    async def near(
        self, vector: Vector, at_least: float, limit: int | None = None
    ) -> Sequence[Neighbour]:
        """The questions of all scopes at least this similar, best first; see `Survey`.

        Raises:
            TierError: The vector is of another dimension, or the server does not answer.
        """
        self._refuse_closed()
        self._refuse_misfit(vector)
        data = np.ascontiguousarray(vector, "<f4").tobytes()
        scopes = sorted(await self._writer.scopes())
        found: list[Neighbour] = []
        for at in range(0, len(scopes), SURVEYED):
            some = scopes[at : at + SURVEYED]
            for near in await together([self._near_in(one, data, at_least) for one in some]):
                found += near
        return sorted(found, key=lambda one: -one.similarity)[:limit]

    async def _near_in(self, scope: str, data: bytes, at_least: float) -> Sequence[Neighbour]:
        """All of one scope: `TRUTH` compares every vector, on a thread of the server's."""
        parts = self._writer.parts(scope)
        count = 64
        while True:
            exact = ("WITHSCORES", "WITHATTRIBS", "COUNT", count, "TRUTH")
            answers = await together(
                [self._link.ask(key, "VSIM", key, "FP32", data, *exact) for key in parts]
            )
            rows = [scored(answer) for answer in answers]
            if all(len(one) < count or _cosine(one[-1][1]) < at_least for one in rows):
                break
            count *= 4
        now = self._clock()
        return [
            Neighbour(at, scope, _cosine(score), about.question)
            for at, score, about in best(rows)
            if about is not None and about.kept_until > now and _cosine(score) >= at_least
        ]

    async def apply(self, changes: Changes) -> None:
        """Fold a stretch of the log: add what is missing, remove what is there still.

        Raises:
            TierError: It could not be written, or only in part; or the server has lost what was
                folded before, and the index stands at the log's beginning again.
        """
        self._refuse_closed()
        told = [item for item in changes.items if not isinstance(item, Forgotten)]
        wanted = {item.id: self._wanted(item) for item in told}
        is_due = wanted or self._over or changes.reset or self._must_sweep
        if not is_due and changes.position == self._position:
            return
        await self._refuse_lost()
        if changes.reset:
            self._must_sweep = True
            await self._state("HSET", "sweep", 1)
        over, self._over = self._over, {}
        await self._writer.drop(over)
        self._entries += await self._writer.settle(wanted)
        if self._must_sweep and not changes.more:
            await self._writer.sweep(self._exists)
            await self._state("HDEL", "sweep")
            self._must_sweep = False
            await self._count()
        await self._state("HSET", "position", changes.position)
        self._position = changes.position
        if self._clock() >= self._counted_at + COUNT_S:
            await self._count()

    async def save(self) -> None:
        """A no-op: what was folded is on the server."""
        self._refuse_closed()

    async def clear(self) -> None:
        """Delete the index, whoever uses it. Raises TierError when that fails."""
        await self._writer.clear()
        self._position, self._must_sweep, self._entries = None, False, 0

    def stats(self) -> Mapping[str, float]:
        """Gauges `entries`, counted now and then, and `split_scopes`; count `ignored`."""
        return {
            "entries": self._entries,
            "split_scopes": len(self._writer.splits),
            "ignored": self._ignored,
        }

    async def _count(self) -> None:
        """Others add and remove entries too."""
        self._entries, self._counted_at = await self._writer.count(), self._clock()

    async def _near(self, key: str, data: bytes, count: int) -> Sequence[bytes]:
        effort = max(self._effort, count)
        options = ("WITHSCORES", "WITHATTRIBS", "COUNT", count, "EF", effort)
        answer: Sequence[bytes] = await self._link.ask(key, "VSIM", key, "FP32", data, *options)
        return answer

    def _alive(self, parts: Sequence[str], answers: Sequence[Sequence[bytes]]) -> list[Candidate]:
        """What is not past its time; what is, the next fold removes."""
        now = self._clock()
        for key, answer in zip(parts, answers, strict=True):
            rows = zip(scored(answer), answer[2::3], strict=True)
            over = {at: data for (at, _, about), data in rows if about and about.kept_until <= now}
            if over and len(self._over) < MOST_OVER:
                self._over.setdefault(key, {}).update(over)
        return [
            Candidate(at, _cosine(score), about.question)
            for at, score, about in best([scored(answer) for answer in answers])
            if about is not None and about.kept_until > now
        ]

    def _wanted(self, item: Added | Removed) -> Added | None:
        """What the index shall hold of this entry."""
        if isinstance(item, Removed) or item.kept_until <= self._clock():
            return None
        if not self._is_ours(item):
            self._ignored += 1
            return None
        return item

    def _is_ours(self, item: Added) -> bool:
        """Of this embedder, and of unit length: the server would make any other one so."""
        return (
            item.embedder == self._embedder
            and item.vector.shape == (self._dimension,)
            and abs(float(item.vector @ item.vector) - 1.0) <= UNIT_TOLERANCE
        )

    async def _refuse_lost(self) -> None:
        """A server that was emptied has no position either: all must be folded again."""
        if self._position is not None and await self._state("HGET", "position") is None:
            self._position = None
            self._on_event("index_lost")
            raise TierError("redis: the index is gone from the server, and is built anew")

    def _refuse_misfit(self, vector: Vector) -> None:
        if vector.shape != (self._dimension,):
            raise TierError(f"redis: a vector of shape {vector.shape}, not ({self._dimension},)")

    def _refuse_closed(self) -> None:
        if not self._is_started:
            raise TierError("redis: not started")

    async def _state(self, command: str, *args: Any) -> Any:  # noqa: ANN401 - as Redis answers
        return await self._link.ask(self._layout.state, command, self._layout.state, *args)


def _cosine(score: float) -> float:
    return min(1.0, max(-1.0, 2 * score - 1))


def _refuse_unfit(hello: Sequence[Any]) -> None:
    """Raises UnfitServerError unless it is a Redis with vector sets whose searches can do all."""
    told = dict(zip(hello[0::2], hello[1::2], strict=True))
    name, version = _text(told[b"server"]), _text(told[b"version"])
    modules = [dict(zip(one[0::2], one[1::2], strict=True)) for one in told[b"modules"]]
    has_sets = any(one.get(b"name") == b"vectorset" for one in modules)
    numbers = tuple(int(part) for part in version.split(".")[:2] if part.isdecimal())
    if not has_sets or numbers < OLDEST:
        oldest = ".".join(map(str, OLDEST))
        raise UnfitServerError(
            f"needs Redis {oldest} or newer, for its vector sets: this server is {name} {version}"
        )


def _text(data: bytes | str) -> str:
    return data.decode() if isinstance(data, bytes) else data
