"""What a fault is: how it is made, what goes on meanwhile, and how all comes back.

Each field is either something that `trial` demands of the running program, or words of the page
that is written from them.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Final

from tests.faults.place import Place

EVERY: Final = frozenset({"session", "shared", "vector"})
BROKEN: Final = frozenset({"stage_failed", "breaker_opened"})
"""What is counted when a part fails requests, and is left alone."""

Step = Callable[[Place], Awaitable[None]]


async def nothing(_place: Place) -> None:
    """It ends by itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One fault of a part of the cache, or of what the program stands on.

    Attributes:
        name: What fails, and how.
        begin, end: Make it, and end it.
        part: Which part `GET /readyz` says is degraded meanwhile; None for none.
        events: What is told and counted meanwhile.
        hits: Tiers that go on answering: `session`, `shared`, `vector`.
        recovers: How all comes back, in words.
        loses: What was cached before is gone afterwards.
        breaks: Connections break, as the process dies that holds them.
    """

    name: str
    begin: Step
    end: Step = nothing
    part: str | None = None
    events: frozenset[str] = frozenset()
    hits: frozenset[str] = EVERY
    recovers: str
    loses: bool = False
    breaks: bool = False


shared_is_away = partial(Fault, part="shared", events=BROKEN, hits=frozenset({"session"}))
"""One by which the shared tier fails, and is left alone: sessions alone have hits meanwhile."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OriginFault:
    """One fault of the origin: what it says is its callers' affair, and nothing of it is kept.

    Attributes:
        name: What it does.
        begin, end: Make it, and end it.
        says: What a miss gets, in words.
        statuses: The statuses a miss may get; a stream may break off instead where `cuts`.
        codes: The codes of errors that are the proxy's own; none where the origin's answer passes.
        body: What the origin says, where it passes unchanged.
        restated: Who asked for a stream gets it as one.
        cuts: A stream that began is cut, so that its reader sees it.
        hits: Tiers that go on answering.
    """

    name: str
    begin: Step
    end: Step
    says: str
    statuses: frozenset[int] = frozenset()
    codes: frozenset[str] = field(default=frozenset())
    body: bytes | None = None
    restated: bool = False
    cuts: bool = False
    hits: frozenset[str] = EVERY
