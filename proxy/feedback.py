"""What becomes of a caller's verdict on an answer it got from the cache.

Rules of the file: a caller's word counts for its own tenant only; another tenant's entry is not
there. A bad answer goes first from the match, then from the tiers: should the second fail, the
first holds.
"""

from dataclasses import dataclass
from enum import StrEnum

from proxy.core.changes import Selector
from proxy.core.trusting import Lesson
from proxy.errors import NotFoundError, TierError, UnavailableError
from proxy.marking import Served
from proxy.runtime import Runtime


class Verdict(StrEnum):
    """What a caller says of an answer."""

    GOOD = "good"
    BAD = "bad"


@dataclass(frozen=True, slots=True)
class Done:
    """What was done.

    Attributes:
        entry_id: The entry that the verdict was on.
        removed: It was there, and was removed: from every tier and every replica.
        marked: Its question and the request's will not be matched again.
        remembered: And that survives a restart.
        learned: The verdict became a label: the first on each hit does.
        pair: What is marked: the scope, and the digest of the two questions; None for nothing.
    """

    entry_id: str
    verdict: Verdict
    removed: bool = False
    marked: bool = False
    remembered: bool = False
    learned: bool = False
    pair: tuple[str, str] | None = None


def remembers(runtime: Runtime, tenant: str, name: str, value: str) -> bool:
    """Whether this process knows the answer that is meant: it gave it, and not too long ago."""
    return _served(runtime, tenant, name, value) is not None


def _served(runtime: Runtime, tenant: str, name: str, value: str) -> Served | None:
    hits = runtime.experience.hits
    if name == "request_id":
        return hits.of_request(tenant, value)
    return hits.of_entry(tenant, value)


async def give(runtime: Runtime, tenant: str, name: str, value: str, verdict: Verdict) -> Done:
    """Take a verdict.

    Args:
        runtime: The running cache.
        tenant: Whose verdict it is.
        name: `request_id` or `entry_id`.
        value: Of a request that was answered from the cache, or of an entry.
        verdict: What is said.

    Raises:
        NotFoundError: This tenant has no such entry, or no such request is remembered.
        UnavailableError: The shared tier cannot be reached.
    """
    served = _served(runtime, tenant, name, value)
    if served is None and name == "request_id":
        raise NotFoundError(
            f"No answer from the cache is remembered for the request {value}.",
            param=name,
            code="unknown_request",
        )
    entry = served.entry if served is not None else value
    if verdict is Verdict.GOOD:
        await _find(runtime, tenant, name, entry, is_known=served is not None)
        learned = await _learn(runtime, served, right=True)
        return Done(entry, verdict, learned=learned)
    pair = (served.scope.id, served.pair) if served is not None and served.pair else None
    is_remembered = pair is not None and await runtime.experience.marks.mark(*pair)
    learned = await _learn(runtime, served, right=False)
    removed = await _remove(runtime, tenant, entry)
    if not removed and served is None:
        raise _unknown(name, entry)
    return Done(entry, verdict, removed, pair is not None, is_remembered, learned, pair)


def _unknown(name: str, entry: str) -> NotFoundError:
    return NotFoundError(f"There is no entry {entry}.", param=name, code="unknown_entry")


async def _find(runtime: Runtime, tenant: str, name: str, entry: str, *, is_known: bool) -> None:
    if is_known:
        return
    if not await _selected(runtime, Selector(tenant, ids=(entry,)), dry_run=True):
        raise _unknown(name, entry)


async def _remove(runtime: Runtime, tenant: str, entry: str) -> bool:
    selector = Selector(tenant, ids=(entry,))
    return await _selected(runtime, selector, dry_run=False)


async def _selected(runtime: Runtime, selector: Selector, *, dry_run: bool) -> bool:
    try:
        done = await runtime.invalidate(selector, dry_run=dry_run)
    except TierError as error:
        raise UnavailableError(
            "The cache's shared tier cannot be reached; try again.", code="cache_unavailable"
        ) from error
    return bool(done.ids or done.held)  # a private entry is in session tiers alone


async def _learn(runtime: Runtime, served: Served | None, *, right: bool) -> bool:
    """Only a hit on a neighbour says something about scores."""
    if served is None or not served.pair or served.score is None:
        return False
    runtime.experience.hits.judged(served)
    lesson = Lesson(served.entry, served.score, right, drawn=False)
    await runtime.experience.learning.keep(served.scope, lesson, stands=False)
    return True
