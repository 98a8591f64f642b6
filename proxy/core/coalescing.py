"""Whose turn it is to ask the origin, where several replicas miss the same key at once.

Who gets the key's lease asks. The others wait for his answer, which reaches them as an entry:

    Claim -> Ask        the lease is ours, or waiting would be wrong
          -> Answered   there is an answer by now
          -> Wait       somebody else asks; then claim again

A holder who stored an answer, or has none to store, gives the lease back: whoever waited finds the
entry, or asks at once and without a lease. (If he took the lease, those who wait for an answer that
may not be kept would ask one after the other.) The lease of a holder who died lapses, and of those
who waited the first to claim it takes his place.
"""

from dataclasses import dataclass

from proxy.core.freshness import may_serve
from proxy.core.model import CacheRequest, Directives, Entry, Lease


@dataclass(frozen=True, slots=True)
class Claim:
    """What the shared tier says of a key.

    Attributes:
        lease: Ours from now on; None when somebody else has it, or it was not asked for.
        entry: The answer there is by now, of whatever age.
        at: When this was asked.
    """

    lease: Lease | None
    entry: Entry | None
    at: float


@dataclass(frozen=True, slots=True)
class Ask:
    """Ask the origin: for all replicas under a lease, else for this one."""

    lease: Lease | None = None


@dataclass(frozen=True, slots=True)
class Answered:
    """Another replica has asked meanwhile, and stored this; `read_at` is when it was looked for."""

    entry: Entry
    read_at: float


@dataclass(frozen=True, slots=True)
class Wait:
    """Somebody else asks: wait for him, at most so many seconds."""

    seconds: float


Turn = Ask | Answered


def may_share(asked: Directives) -> bool:
    """Whether the call that a request makes may be joined by others, and theirs by it."""
    return asked.read and asked.write and not asked.private


def waits_its_turn(asked: Directives) -> bool:
    """Whether another replica's answer to this request would do, and ours would do for others.

    A refresh (`no-cache`) and a shadow want the origin's answer and no other; what is private, or
    is not kept, never reaches another replica.
    """
    return may_share(asked) and not asked.shadow


def call_key(request: CacheRequest, credential: str) -> str:
    """What a call is known by, in a process and to all: who share answers do not share a quota."""
    return f"{request.key}:{credential}"


def decide(
    claim: Claim | None, asked: Directives, *, left: float, is_over: bool, look_s: float
) -> Turn | Wait:
    """What to do next.

    Args:
        claim: What the shared tier says; None when it is away or late.
        asked: What the request accepts.
        left: Seconds this request may yet wait.
        is_over: He who was waited for has given the lease back.
        look_s: Longest wait before the claim is made again: a holder may have died.
    """
    if claim is None:
        return Ask()
    if claim.entry is not None and may_serve(claim.entry, asked, claim.at):
        return Answered(claim.entry, claim.at)
    if claim.lease is not None or is_over or left <= 0:
        return Ask(claim.lease)
    return Wait(min(left, look_s))
