"""Where the program meets its adapters.

A port has at most seven methods. None can read without a scope or a caller's session: isolation is
in the signature, not in a filter somebody must remember. An adapter raises `TierError` for a fault
of its own and nothing else; "not there" is None, never an error.
"""

from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from proxy.core.cataloguing import Description, Page
from proxy.core.changes import Changes, Selector
from proxy.core.conversation.turns import Turn
from proxy.core.labels import Kept, Mark
from proxy.core.model import Caller, Candidate, Entry, Lease, Outcome, Vector


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
        """The entry of this key if it is in this scope and not past `kept_until`."""
        ...

    async def put(self, entry: Entry, lease: Lease | None = None) -> bool:
        """Store and log it atomically, replacing an entry of the same id. Durable on return.

        False, and nothing changed, when the lease it was made under has passed to somebody else.
        """
        ...

    async def purge(self, selector: Selector, *, dry_run: bool = False) -> Sequence[str]:
        """Delete and log what the selector means; returns the ids. A dry run only counts."""
        ...

    async def expire(self, now: float) -> int:
        """Delete and log entries past `kept_until`, in batches. Returns how many."""
        ...

    async def changes(self, after: str | None, limit: int) -> Changes:
        """The log after a position. None, or a position no longer held, starts from all entries."""
        ...


class Catalogue(Protocol):
    """The list of what the shared tier has, for operators: nobody is answered from it."""

    async def page(self, selector: Selector, cursor: str | None, limit: int) -> Page | None:
        """At most `limit` of the entries that are meant, after a cursor.

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


class Leases(Protocol):
    """Who of all replicas asks the origin for a key.

    A lease lapses by itself: who dies holds up nobody for longer. Its token fences: tokens of a key
    only grow, so a holder who was held up and comes back late has a lesser one than his successor
    (Kleppmann, *Designing Data-Intensive Applications*, ch. 8). A key is an entry's id, a colon,
    and whose call it is; it is kept where the entry is.
    """

    async def take(self, key: str, seconds: float) -> Lease | None:
        """The right to ask, for so long; None while somebody else has it."""
        ...

    async def renew(self, lease: Lease, seconds: float) -> bool:
        """Hold it for so long from now; False when it has passed to somebody else, or lapsed."""
        ...

    async def release(self, lease: Lease) -> None:
        """Give it back, and wake who waits; one that has lapsed is a no-op."""
        ...

    async def wait(self, key: str, seconds: float) -> bool:
        """Wait for the key's release by its holder. True once he has given it back.

        False when it lapses, so that somebody else may take it; when nobody has it; or when it is
        still held after so long.
        """
        ...


class LogWatch(Protocol):
    """Says that other processes have added to the change log.

    A hint, the log is the truth: one that cannot be had is no error, it takes the whole time.
    """

    async def wait(self, seconds: float) -> bool:
        """Return as soon as something was added since the last call; False after so long."""
        ...


class VectorTier(Protocol):
    """A fold of the shared tier's change log that finds neighbours inside one scope."""

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
        """Fold a stretch of the log. Applying one twice, or removing what is not there: no-op."""
        ...

    async def search(self, scope: str, vector: Vector, k: int) -> Sequence[Candidate]:
        """At most k neighbours inside the scope, best first; an unknown scope has none."""
        ...

    async def save(self) -> None:
        """Write a snapshot, atomically."""
        ...

    def stats(self) -> Mapping[str, float]:
        """Gauges: entries, and scopes and bytes where they are known."""
        ...


class Embedder(Protocol):
    """Text to vector."""

    @property
    def id(self) -> str:
        """Names model, weights and quantisation; vectors of two ids never meet."""
        ...

    @property
    def dimension(self) -> int:
        """Length of a vector."""
        ...

    async def start(self) -> None:
        """Load it. Raises TierError when it cannot be used; may be called again later."""
        ...

    async def close(self) -> None:
        """Release everything."""
        ...

    async def embed(self, text: str) -> Vector | None:
        """The text's vector; None when it is empty or longer than the model reads.

        A text cut short would look equal to every other text with the same beginning, and be
        answered with its answer. So it is not cut: it is not embedded.
        """
        ...


class Verifier(Protocol):
    """Reads two questions and says whether one answer serves both."""

    @property
    def id(self) -> str:
        """Names model, weights and quantisation; a calibration holds for one id."""
        ...

    async def start(self) -> None:
        """Load it. Raises TierError when it cannot be used; may be called again later."""
        ...

    async def close(self) -> None:
        """Release everything."""
        ...

    async def verify(self, question: str, candidates: Sequence[str]) -> Sequence[float]:
        """P(one answer serves both), 0 to 1, for each candidate in order; 0 for the unreadable.

        Each candidate may cost a run: where the first that serves is enough, ask best first. It
        ends before a candidate that nobody decided: neither that one nor the rest is vouched for.
        """
        ...


class Writer(Protocol):
    """Writes the last turn of a conversation as a question that stands alone."""

    async def write(self, talk: Sequence[Turn]) -> str | None:
        """The question; None when there is none, or none in time. Never raises."""
        ...


class LabelStore(Protocol):
    """Keeps comparisons and marked pairs across restarts, the newest of each."""

    async def load(self) -> tuple[Sequence[Kept], Sequence[Mark]]:
        """What is kept, the oldest first; nothing is made where there is nothing."""
        ...

    async def add(self, kept: Kept) -> None:
        """Keep one more. Durable on return, but for a power cut."""
        ...

    async def mark(self, mark: Mark) -> None:
        """Keep one more, or a known one anew. Durable on return."""
        ...

    async def close(self) -> None:
        """Release everything; a store never used is a no-op."""
        ...


@dataclass(frozen=True, slots=True)
class OriginRequest:
    """One call to the origin.

    Attributes:
        path: Starts at the base URL and carries the query string.
        body: As the caller sent it.
        with_usage: The body asking for usage as well, for an origin that may be asked so; None
            where there is nothing to ask.
    """

    method: str
    path: str
    headers: Sequence[tuple[str, str]]
    body: bytes | AsyncIterator[bytes]
    with_usage: bytes | None = None


class OriginReply(Protocol):
    """The origin's answer, as it arrives. Header names are lower case, hop-by-hop removed."""

    @property
    def status(self) -> int:
        """The status code."""
        ...

    @property
    def headers(self) -> Sequence[tuple[str, str]]:
        """Name and value pairs."""
        ...

    def chunks(self) -> AsyncGenerator[bytes]:
        """The body as it comes. Raises BrokenStreamError when it breaks off."""
        ...

    async def close(self) -> None:
        """Give the connection back, or drop it when the body was not read to its end."""
        ...


class Origin(Protocol):
    """Where answers come from."""

    async def send(self, request: OriginRequest) -> OriginReply:
        """Ask; returns at the headers. Raises UnreachableError or UpstreamTimeoutError."""
        ...


class Observer(Protocol):
    """Hears what happened; never raises."""

    def notice(self, outcome: Outcome) -> None:
        """One request is over."""
        ...

    def event(self, name: str, **fields: str | float | bool | None) -> None:
        """Something worth a log line and a count: a failed stage, an opened breaker."""
        ...


class Tracing(Observer, Protocol):
    """Hears when a request comes, too, and so what trace it belongs to."""

    def begin(
        self, request_id: str, *, method: str, route: str, path: str, headers: Mapping[str, str]
    ) -> Mapping[str, str]:
        """A request has come; returns the headers that take its trace on to the origin.

        Args:
            request_id: As its outcome will have it.
            method: GET, POST.
            route: Its path with what varies left out; "" where there is none.
            path: Without the query string.
            headers: The caller's, by lower-case name.
        """
        ...

    def drop(self, request_id: str) -> None:
        """It is over; one whose outcome nobody told, such as a health check, leaves nothing."""
        ...
