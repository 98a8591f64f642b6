"""What a list of entries says of each: everything but the answer and the vector."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from proxy.core.model import Entry


@dataclass(frozen=True, slots=True)
class Description:
    """An entry, for people.

    Attributes:
        id, scope, tenant, namespace, model, question, tags: As the entry has them.
        created_at, expires_at, kept_until: The same.
        size: Bytes of its answer.
        is_indexed: Another question may find it.
        principal: By whose credential the origin was asked; "" where nobody knows.
        confirmed: An answer to somebody else's question has agreed with it.
    """

    id: str
    scope: str
    tenant: str
    namespace: str
    model: str
    question: str = field(repr=False)
    tags: tuple[str, ...]
    created_at: float
    expires_at: float
    kept_until: float
    size: int
    is_indexed: bool
    principal: str = ""
    confirmed: bool = False


@dataclass(frozen=True, slots=True)
class Page:
    """A stretch of a list.

    Attributes:
        items: The entries; there may be none although more follow.
        cursor: Where to go on, opaque; None at the end.
    """

    items: tuple[Description, ...]
    cursor: str | None


def mentions(question: str, text: str) -> bool:
    """Whether the text is anywhere in the question, in capitals or not."""
    return text.casefold() in question.casefold()


def described(entry: Entry) -> Description:
    """What is said of an entry."""
    return Description(
        id=entry.id,
        scope=entry.scope,
        tenant=entry.tenant,
        namespace=entry.namespace,
        model=entry.model,
        question=entry.question,
        tags=entry.tags,
        created_at=entry.created_at,
        expires_at=entry.expires_at,
        kept_until=entry.kept_until,
        size=entry.answer.size,
        is_indexed=entry.vector is not None,
        principal=entry.principal,
        confirmed=entry.confirmed,
    )
