"""The vector tier in this process: FAISS, searched inside one scope at a time.

One flat index holds every vector in a slot. A scope is its list of slots, and a search compares
those alone (`IDSelectorArray`), so it costs what the scope holds and not what the index does.
Taking a vector out of a flat index would rewrite it: a slot is given back instead, and used again.
"""

import asyncio
import os
import threading
from array import array
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import faiss
import numpy as np
import numpy.typing as npt
import orjson

from proxy.core.model import Added, Candidate, Changes, Vector
from proxy.errors import TierError
from proxy.ports import Clock
from proxy.tiers import OnEvent

MAGIC = b"RPRSIDX1"
INLINE_SLOTS = 2000
"""A scope up to this size is searched on the loop: under 0.1 ms, less than a thread's hop."""

# Two OpenMP threads on busy cores make a flat search slower, and its tail far worse.
faiss.omp_set_num_threads(1)


@dataclass(frozen=True, slots=True)
class _Row:
    """What is known of a slot."""

    id: str
    scope: str
    question: str
    kept_until: float


class FaissTier:
    """A `VectorTier` in this process.

    Args:
        path: The snapshot's file; None keeps none.
        embedder: Whose vectors are taken; others are passed over.
        dimension: Their length.
        max_entries: Most vectors held; the oldest goes first.
        clock: The time now.
        on_event: Hears `snapshot_refused` and `index_full`.
    """

    def __init__(
        self,
        path: Path | None,
        *,
        embedder: str,
        dimension: int,
        max_entries: int,
        clock: Clock,
        on_event: OnEvent,
    ) -> None:
        self._path = path
        self._embedder = embedder
        self._dimension = dimension
        self._max_entries = max_entries
        self._clock = clock
        self._on_event = on_event
        self._lock = threading.Lock()
        self._worker = ThreadPoolExecutor(1, thread_name_prefix="faiss")
        self._clear()

    def _clear(self) -> None:
        self._index = faiss.IndexFlatIP(self._dimension)
        self._rows: list[_Row | None] = []
        self._slots: dict[str, int] = {}
        self._scopes: dict[str, array[int]] = {}
        self._free: list[int] = []
        self._position: str | None = None

    @property
    def position(self) -> str | None:
        """Where in the change log this index stands; None when it is empty and new."""
        return self._position

    async def start(self) -> None:
        """Load the snapshot if it is whole and of this embedder, else start empty."""
        if self._path is not None:
            await self._in_thread(self._load, self._path)

    async def close(self) -> None:
        """End the worker."""
        self._worker.shutdown(wait=True, cancel_futures=True)

    async def _in_thread(self, work: object, *args: object) -> None:
        await asyncio.get_running_loop().run_in_executor(self._worker, work, *args)  # type: ignore[arg-type]

    async def apply(self, changes: Changes) -> None:
        """Fold a stretch of the log."""
        with self._lock:
            if changes.reset:
                self._clear()
            for change in changes.items:
                self._remove(change.id)
                if isinstance(change, Added) and self._wants(change):
                    self._add(change)
            self._position = changes.position

    def _wants(self, added: Added) -> bool:
        return (
            added.embedder == self._embedder
            and added.vector.shape == (self._dimension,)
            and added.kept_until > self._clock()
        )

    def _add(self, added: Added) -> None:
        if len(self._slots) >= self._max_entries:
            self._remove(next(iter(self._slots)))
            self._on_event("index_full", max_entries=self._max_entries)
        row = _Row(added.id, added.scope, added.question, added.kept_until)
        vector = np.ascontiguousarray(added.vector, dtype=np.float32)
        if self._free:
            slot = self._free.pop()
            self._vectors()[slot] = vector
            self._rows[slot] = row
        else:
            slot = len(self._rows)
            self._index.add(vector[np.newaxis])
            self._rows.append(row)
        self._slots[row.id] = slot
        self._scopes.setdefault(row.scope, array("q")).append(slot)

    def _remove(self, entry_id: str) -> None:
        slot = self._slots.pop(entry_id, None)
        if slot is None:
            return
        row = self._rows[slot]
        self._rows[slot] = None
        self._free.append(slot)
        if row is not None:
            slots = self._scopes[row.scope]
            slots.remove(slot)
            if not slots:
                del self._scopes[row.scope]

    def _vectors(self) -> npt.NDArray[np.float32]:
        """A view of the index's own memory: shape (slots, dimension)."""
        flat = faiss.rev_swig_ptr(self._index.get_xb(), len(self._rows) * self._dimension)
        view: npt.NDArray[np.float32] = flat.reshape(len(self._rows), self._dimension)
        return view

    async def search(self, scope: str, vector: Vector, k: int) -> Sequence[Candidate]:
        """At most k neighbours inside the scope, best first."""
        if vector.shape != (self._dimension,):
            raise TierError(f"a vector of {vector.shape}, not of {self._dimension}")
        slots = self._scopes.get(scope)
        if slots is None:
            return ()
        if len(slots) <= INLINE_SLOTS:
            return self._search(scope, vector, k)
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._worker, self._search, scope, vector, k)

    def _search(self, scope: str, vector: Vector, k: int) -> Sequence[Candidate]:
        with self._lock:
            slots = self._scopes.get(scope)
            if slots is None:
                return ()
            wanted = np.array(slots, dtype=np.int64)
            selector = faiss.IDSelectorArray(len(wanted), faiss.swig_ptr(wanted))
            query = np.ascontiguousarray(vector, dtype=np.float32)[np.newaxis]
            scores, found = self._index.search(
                query,
                min(k, len(wanted)),
                params=faiss.SearchParameters(sel=selector),  # type: ignore[call-arg]
            )
            rows = [self._rows[slot] for slot in found[0] if slot >= 0]
        now = self._clock()
        return [
            Candidate(row.id, float(np.clip(score, -1.0, 1.0)), row.question)
            for row, score in zip(rows, scores[0], strict=False)
            if row is not None and row.kept_until > now
        ]

    def stats(self) -> Mapping[str, float]:
        """Gauges: entries, scopes, bytes."""
        entries = len(self._slots)
        size = len(self._rows) * self._dimension * 4
        return {"entries": entries, "scopes": len(self._scopes), "bytes": size}

    async def save(self) -> None:
        """Write a snapshot, atomically."""
        if self._path is not None:
            await self._in_thread(self._save, self._path)

    def _save(self, path: Path) -> None:
        with self._lock:
            slots = list(self._slots.values())
            rows = [row for slot in slots if (row := self._rows[slot]) is not None]
            vectors = self._vectors()[slots].tobytes() if slots else b""
            position = self._position
        head = orjson.dumps(
            {
                "embedder": self._embedder,
                "dimension": self._dimension,
                "position": position,
                "rows": [[row.id, row.scope, row.question, row.kept_until] for row in rows],
            }
        )
        payload = len(head).to_bytes(8, "little") + head + vectors
        try:
            _replace(path, MAGIC + sha256(payload).digest() + payload)
        except OSError as error:
            raise TierError(f"the snapshot cannot be written: {error}") from error

    def _load(self, path: Path) -> None:
        try:
            data = path.read_bytes()
        except FileNotFoundError:
            return
        except OSError as error:
            self._on_event("snapshot_refused", reason=str(error))
            return
        reason = self._restore(data)
        if reason is not None:
            self._clear()
            self._on_event("snapshot_refused", reason=reason)

    def _restore(self, data: bytes) -> str | None:
        """Take a snapshot in; returns why it cannot be."""
        if not data.startswith(MAGIC):
            return "not a snapshot of this version"
        payload = memoryview(data)[len(MAGIC) + 32 :]
        if sha256(payload).digest() != data[len(MAGIC) : len(MAGIC) + 32]:
            return "damaged"
        size = int.from_bytes(payload[:8], "little")
        head = orjson.loads(payload[8 : 8 + size])
        if (head["embedder"], head["dimension"]) != (self._embedder, self._dimension):
            return f"of the embedder {head['embedder']}"
        vectors = np.frombuffer(payload[8 + size :], dtype=np.float32)
        vectors = vectors.reshape(-1, self._dimension)
        with self._lock:
            self._clear()
            if len(vectors):
                self._index.add(np.ascontiguousarray(vectors))
            for slot, (entry_id, scope, question, kept_until) in enumerate(head["rows"]):
                self._rows.append(_Row(entry_id, scope, question, kept_until))
                self._slots[entry_id] = slot
                self._scopes.setdefault(scope, array("q")).append(slot)
            self._position = head["position"]
        return None


def _replace(path: Path, data: bytes) -> None:
    """Write beside the file, make it durable, and move it into place: whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f"{path.name}.{os.getpid()}.new")
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    beside.replace(path)
