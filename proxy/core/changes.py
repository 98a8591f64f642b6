"""What happens to entries: the change log's records, and who is meant by an invalidation."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from proxy.core.model import Entry, Vector


@dataclass(frozen=True, slots=True)
class Selector:
    """Which entries an invalidation means: all fields given must hold. An empty one is an error.

    Attributes:
        tenant: Only this tenant's; `ALL_TENANTS` for the operator's purge over everybody.
        ids: Any of these entries.
        tags: Entries that carry any of these.
        scope: This scope only.
        model, namespace: These only.
        older_than: Stored before this time.
        everything: Says that no other field is meant; without it an empty selector is refused.
    """

    tenant: str
    ids: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    scope: str | None = None
    model: str | None = None
    namespace: str | None = None
    older_than: float | None = None
    everything: bool = False

    def __post_init__(self) -> None:
        narrowed = self.ids or self.tags or self.scope or self.older_than is not None
        if not (self.everything or narrowed or self.model or self.namespace is not None):
            raise ValueError("an empty selector would drop everything: say everything=True")

    def matches(self, entry: Entry) -> bool:
        """Whether this entry is meant."""
        return (
            self.tenant in (ALL_TENANTS, entry.tenant)
            and (not self.ids or entry.id in self.ids)
            and (not self.tags or not set(self.tags).isdisjoint(entry.tags))
            and self.scope in (None, entry.scope)
            and self.model in (None, entry.model)
            and self.namespace in (None, entry.namespace)
            and (self.older_than is None or entry.created_at < self.older_than)
        )


ALL_TENANTS = "*"
"""No digest looks like it, so no caller can be it."""


@dataclass(frozen=True, slots=True)
class Added:
    """A change: the index shall hold this question. Only entries that have a vector make one.

    `created_at` is that of the answer which the entry has now, 0 where it is not known: what a
    session tier holds of another time has been replaced.
    """

    id: str
    scope: str
    question: str = field(repr=False)
    vector: Vector = field(repr=False, compare=False)
    embedder: str
    kept_until: float
    created_at: float = field(default=0.0, compare=False)


@dataclass(frozen=True, slots=True)
class Removed:
    """A change: nobody may serve this entry any more.

    `is_invalidated` says that somebody has asked for it, rather than that its time is over or that
    another answer has replaced it: what the origin was asked before must not take its place.
    """

    id: str
    is_invalidated: bool = False


@dataclass(frozen=True, slots=True)
class Changes:
    """A stretch of the change log.

    Attributes:
        items: In the order they happened.
        position: Where to read on; opaque, and durable across restarts.
        reset: The reader's position is no longer in the log: forget all, these items start anew.
        more: There is more to read at once.
    """

    items: tuple[Added | Removed, ...]
    position: str
    reset: bool = False
    more: bool = False
