"""Which embedder's vectors the stored entries shall have, where several are or were in use.

Vectors of two embedders never meet, so that an entry is found by rewordings only where the asking
proxy's embedder has made its vector. While replicas change from one embedder to another, both are
in use, and only one may make vectors anew, or entries would go to and fro between them: the one
that came into use last. One that comes back after it was out of use comes into use anew, so that a
step back is followed as well as a step forward.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import orjson

FORGOTTEN_S: Final = 300.0
"""An embedder of which no proxy has said a word for so long is out of use."""


@dataclass(frozen=True, slots=True)
class InUse:
    """An embedder that proxies use.

    Attributes:
        embedder: Its id.
        since: When the first of them said so.
        seen: When the last of them did.
        has_all: Every entry has had its vector from this one, since no other came into use.
    """

    embedder: str
    since: float
    seen: float
    has_all: bool = False


Known = tuple[InUse, ...]
"""All that are in use."""


@dataclass(frozen=True, slots=True)
class Standing:
    """What a proxy needs to know.

    Attributes:
        is_chosen: Entries shall have vectors of its embedder.
        has_all: They have.
        is_alone: No other embedder is in use: no entry with another's vector will be stored.
    """

    is_chosen: bool
    has_all: bool
    is_alone: bool


def announced(
    known: Sequence[InUse], embedder: str, now: float, *, has_all: bool
) -> tuple[InUse, ...]:
    """What is known after a proxy has said that it uses this embedder.

    Args:
        known: What was known.
        embedder: Its id.
        now: Seconds since the epoch.
        has_all: All entries have their vector from it, says this proxy.
    """
    last = max(known, key=_order, default=None)
    mine = next((one for one in known if one.embedder == embedder), None)
    others = [one for one in known if one is not mine]
    if mine is None or (mine is not last and now - mine.seen > FORGOTTEN_S):
        mine = InUse(embedder, since=now, seen=now)
        others = [replace(one, has_all=False) for one in others]
    mine = replace(mine, seen=now)
    in_use = (*(one for one in others if now - one.seen <= FORGOTTEN_S), mine)
    if has_all and max(in_use, key=_order) is mine:
        in_use = (*in_use[:-1], replace(mine, has_all=True))
    return in_use


def doubted(known: Sequence[InUse]) -> tuple[InUse, ...]:
    """What is known after entries have come with vectors of whatever embedder."""
    return tuple(replace(one, has_all=False) for one in known)


def standing(known: Sequence[InUse], embedder: str) -> Standing:
    """What that means for a proxy that has just said so."""
    chosen = max(known, key=_order)
    is_chosen = chosen.embedder == embedder
    return Standing(is_chosen, is_chosen and chosen.has_all, is_alone=len(known) == 1)


def _order(one: InUse) -> tuple[float, str]:
    return one.since, one.embedder


def dumps(known: Sequence[InUse]) -> bytes:
    """As a shared tier keeps it."""
    return orjson.dumps([[one.embedder, one.since, one.seen, one.has_all] for one in known])


def loads(record: bytes | None) -> tuple[InUse, ...]:
    """Read it again; nothing of what another version of the program wrote otherwise."""
    try:
        return tuple(InUse(*one) for one in orjson.loads(record or b"[]"))
    except (ValueError, TypeError):
        return ()
