"""Ports of what keeps entries: the tiers, and what is asked of all that they hold."""

from collections.abc import AsyncGenerator, Mapping, Sequence
from typing import Final, Protocol

from proxy.core.cataloguing import Description, Page
from proxy.core.changes import Changes, Selector
from proxy.core.model import Caller, Candidate, Entry, Lease, Neighbour, Vector

UNTOLD: Final = "?"
"""No position of a change log: who has to be up to it reads the log to its end."""


class Clock(Protocol):
    """Seconds since the epoch. Tests bring their own."""

    def __call__(self) -> float:
        """The time now."""
        ...


class SessionTier(Protocol):
    """The fastest tier, in this process. Synchronous, O(1), safe from several threads."""

    def get(self, caller: Caller, key: str) -> Entry | None:
        """The caller's session's entry, unless its `kept_until` or the tier's own TTL is over."""
        ...

    def put(self, caller: Caller, entry: Entry, read_at: float | None = None) -> None:
        """Keep it, evicting the least recently used; an entry over the byte bound is a no-op.

        `read_at` is when it began to be read from another tier: one that was dropped, purged or
        renewed since is not kept, or what was removed would come back.
        """
        ...

    def drop(self, ids: Sequence[str]) -> int:
        """Forget these entries in every session; ids not held are a no-op. Returns how many."""
        ...

    def renew(self, entry_id: str, created_at: float) -> int:
        """Forget all answers of this entry but the one of that time. Returns how many."""
        ...

    def purge(self, selector: Selector) -> int:
        """Forget what the selector means. Returns how many."""
        ...

    def stats(self) -> Mapping[str, float]:
        """Gauges: entries, bytes, and evictions so far by cause."""
        ...


class SharedTier(Protocol):
    """The source of truth: entries, and the append-only log of their changes."""

    async def start(self) -> None:
        """Open it. Raises TierError when it cannot be used; may be called again later."""
        ...

    async def close(self) -> None:
        """Release everything; a tier never started is a no-op."""
        ...

    async def get(self, scope: str, key: str) -> Entry | None:
        """The entry of this key if it is in this scope, not past `kept_until`, and not purged."""
        ...

    async def put(self, entry: Entry, lease: Lease | None = None) -> str:
        """Store and log it atomically, replacing an entry of the same id. Durable on return.

        Returns the log's position at that moment, `UNTOLD` where that is not known. "", and nothing
        changed, when the lease it was made under has passed to somebody else, or its namespace was
        purged (`Namespaces`) after the origin was asked for it.
        """
        ...

    async def purge(self, selector: Selector, *, dry_run: bool = False) -> Sequence[str]:
        """Log the selector, delete and log what it means, return the ids. A dry run only counts.

        Of a selector with `like` only what is not stored yet is forgotten, by whoever reads the
        log: an index says which stored entries are meant.
        """
        ...

    async def expire(self, now: float) -> int:
        """Delete and log entries that nobody may be answered with. Returns how many."""
        ...

    async def changes(self, after: str | None, limit: int) -> Changes:
        """The log after a position. None, or a position no longer held, starts from all entries."""
        ...


class Catalogue(Protocol):
    """The list of what the shared tier has, for operators: nobody is answered from it."""

    async def page(
        self, selector: Selector, cursor: str | None, limit: int, *, text: str | None = None
    ) -> Page | None:
        """At most `limit` of the entries that are meant, after a cursor.

        With a `text`, of those that have it in their question, in capitals or not: it reads every
        entry that is meant.

        Every entry that is there from the first page to the last is told; one that is stored or
        renewed meanwhile may be told once, twice or not at all.
        None when the cursor is not of this list.
        """
        ...

    async def find(self, entry_id: str) -> Description | None:
        """What is said of one entry; None when it is not there."""
        ...

    async def count(self) -> int:
        """How many entries there are, with those that are past their time and not yet removed."""
        ...


class Archive(Protocol):
    """Whole entries of the shared tier, for backups: nobody is answered from it."""

    def pages(self, selector: Selector) -> AsyncGenerator[Sequence[Entry]]:
        """Every entry that is meant and can be served, in the order of the ids, a few at a time.

        One that is stored meanwhile may be there or not.
        """
        ...

    async def restore(self, entries: Sequence[Entry]) -> Sequence[bool]:
        """Store and log entries as they are, each unless an answer as new or newer has its place.

        Durable on return. After a TierError some may be stored: to say it again does no harm.
        """
        ...


class Namespaces(Protocol):
    """Forgets a whole namespace in one step, whatever it holds.

    A purge has a number, and an entry the newest number that was known when the origin was asked
    for it (`Entry.generation`). Nobody is answered with an entry whose namespace has a newer one:
    not with one that is stored, and not with one that is stored later. `expire` removes them.
    """

    @property
    def newest(self) -> int:
        """The newest purge that this process knows of, of whatever namespace; 0 for none.

        It is what a call that begins now is stamped with. One that lags costs answers, no more.
        """
        ...

    async def forget(self, namespace: str, tenant: str) -> int:
        """Forget and log a namespace of one tenant, or of `ALL_TENANTS`; returns its number."""
        ...


class VectorTier(Protocol):
    """A fold of the shared tier's change log that finds neighbours inside one scope.

    Before `start` and after `close` all calls but these raise TierError. Searches go on while a
    long stretch is folded.
    """

    async def start(self) -> None:
        """Load the snapshot if it is whole and of this embedder, else start empty."""
        ...

    async def close(self) -> None:
        """Release everything, without saving."""
        ...

    @property
    def position(self) -> str | None:
        """Where in the change log this index stands; None when it is empty and new."""
        ...

    async def apply(self, changes: Changes) -> None:
        """Fold a stretch of the log. Applying one twice, or removing what is not there: no-op.

        A vector of another embedder or length, or not of unit length, is counted and passed over.
        """
        ...

    async def search(self, scope: str, vector: Vector, k: int) -> Sequence[Candidate]:
        """At most k neighbours inside the scope, best first; an unknown scope has none.

        None that is past its `kept_until`. Raises TierError for a vector of another length.
        """
        ...

    async def save(self) -> None:
        """Write a snapshot, atomically."""
        ...

    def stats(self) -> Mapping[str, float]:
        """Gauges: entries, and scopes and bytes where they are known; and `ignored` vectors."""
        ...


class Survey(Protocol):
    """Looks through an index over all scopes, for operators: nobody is answered from it."""

    async def near(
        self, vector: Vector, at_least: float, limit: int | None = None
    ) -> Sequence[Neighbour]:
        """The indexed questions at least this similar, best first; at most `limit`, None for all.

        Every one that is there all the while is told, but for those whose entry has just been
        renewed. It may take seconds: it looks at every vector.
        """
        ...


class Index(VectorTier, Survey, Protocol):
    """An index that answers requests, and that operators may look through."""
