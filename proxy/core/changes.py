"""What happens to entries: the change log's records, and who is meant by an invalidation."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from proxy.core.model import Entry, Vector


@dataclass(frozen=True, slots=True)
class Traits:
    """What a selector asks about an entry, or about one that a call under way may become.

    Attributes:
        created_at: When it was stored; of a call, when it began.
        vector: Of the question; None where there is none, or none is known yet.
        generation: As `Entry.generation`, of one that is stored.
        principal: By whose credential the origin was asked, or is.
    """

    id: str
    scope: str
    tenant: str
    namespace: str
    model: str
    created_at: float
    tags: tuple[str, ...] = ()
    vector: Vector | None = field(default=None, repr=False, compare=False)
    embedder: str = ""
    generation: int = 0
    principal: str = ""


@dataclass(frozen=True, slots=True)
class Likeness:
    """Questions that are like a text: the cosine of their vectors is at least `at_least`."""

    vector: Vector = field(repr=False)
    at_least: float
    embedder: str

    def meets(self, other: Entry | Traits) -> bool:
        """Whether it has a vector that is as near; those of two embedders are never near.

        Nor is one of another length, as an import may bring it.
        """
        if other.vector is None or other.embedder != self.embedder:
            return False
        if other.vector.shape != self.vector.shape:
            return False
        return float(self.vector @ other.vector) >= self.at_least


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
        principal: Made by this caller's credential, whoever shares the answers.
        like: Whose question is like this one. An index finds those that are stored.
        everything: Says that no other field is meant; without it an empty selector is refused.
    """

    tenant: str
    ids: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    scope: str | None = None
    model: str | None = None
    namespace: str | None = None
    older_than: float | None = None
    principal: str | None = None
    like: Likeness | None = field(default=None, compare=False)
    everything: bool = False

    def __post_init__(self) -> None:
        if not (self.everything or self._narrows or self.namespace is not None):
            raise ValueError("an empty selector would drop everything: say everything=True")

    @property
    def _narrows(self) -> bool:
        """By more than tenant and namespace."""
        found = self.ids or self.tags or self.scope or self.model or self.principal or self.like
        return bool(found) or self.older_than is not None

    @property
    def is_namespace(self) -> bool:
        """Whether it means a whole namespace, of one tenant or of all."""
        return self.namespace is not None and not self._narrows

    @property
    def is_tenant(self) -> bool:
        """Whether it means all of a tenant, or of all tenants."""
        return self.namespace is None and not self._narrows

    def overtakes(self, call: Traits) -> bool:
        """Whether the answer that this call brings is meant: what is not known of it yet may be."""
        return self._matches(call) and (
            self.like is None
            or call.vector is None
            or call.embedder != self.like.embedder
            or self.like.meets(call)
        )

    def matches(self, entry: Entry | Traits) -> bool:
        """Whether this entry is meant."""
        return self._matches(entry) and (self.like is None or self.like.meets(entry))

    def _matches(self, entry: Entry | Traits) -> bool:
        return (
            self.tenant in (ALL_TENANTS, entry.tenant)
            and (not self.ids or entry.id in self.ids)
            and (not self.tags or not set(self.tags).isdisjoint(entry.tags))
            and self.scope in (None, entry.scope)
            and self.model in (None, entry.model)
            and self.namespace in (None, entry.namespace)
            and self.principal in (None, entry.principal)
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

    @classmethod
    def of(cls, entry: Entry | None) -> Added | None:
        """What the log tells of an entry; None of one that is gone, or has no vector."""
        if entry is None or entry.vector is None:
            return None
        return cls(
            entry.id,
            entry.scope,
            entry.question,
            entry.vector,
            entry.embedder,
            entry.kept_until,
            entry.created_at,
        )


@dataclass(frozen=True, slots=True)
class Removed:
    """A change: nobody may serve this entry any more."""

    id: str


@dataclass(frozen=True, slots=True)
class Forgotten:
    """A change: somebody has this forgotten, be it stored, about to be, or under way.

    It comes before the `Removed` of what was stored. What merely expires or is replaced has none:
    that makes nothing untrue which the origin was asked before.
    """

    selector: Selector


Change = Added | Removed | Forgotten


@dataclass(frozen=True, slots=True)
class Changes:
    """A stretch of the change log.

    Attributes:
        items: In the order they happened.
        position: Where to read on; opaque, and durable across restarts.
        reset: The reader's position is no longer in the log: forget all, these items start anew.
        more: There is more to read at once.
    """

    items: tuple[Change, ...]
    position: str
    reset: bool = False
    more: bool = False
