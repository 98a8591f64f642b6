"""Forget on purpose: what a selector means, in every tier and by every replica.

Whatever is meant is told in the change log first and removed after that. So an answer that is
stored meanwhile is either found by the removal, or stored by somebody who then reads in the log
that it must not stay. A whole namespace is forgotten by one number: see `Namespaces`.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from proxy.backlog import Backlog
from proxy.core.changes import Likeness, Selector
from proxy.errors import UnavailableError
from proxy.ports import Embedder, Namespaces, SharedTier, Survey
from proxy.resilience import Deadline
from proxy.storing import Writing
from proxy.upkeep import Upkeep

AT_ONCE: Final = 1000
"""Similar entries that are removed by one purge."""


@dataclass(frozen=True, slots=True)
class Purged:
    """What was forgotten.

    Attributes:
        ids: Entries of the shared tier, or on their way there; none of a whole namespace.
        held: Answers that session tiers of this process had; private ones are nowhere else.
        generation: The number of a whole namespace's purge; None of any other.
    """

    ids: tuple[str, ...]
    held: int = 0
    generation: int | None = None

    @property
    def count(self) -> int | None:
        """How many entries; None where nobody has counted them."""
        return None if self.generation is not None else len(self.ids)


class Forgetting:
    """Forgets.

    Args:
        shared, namespaces: The shared tier.
        backlog: Answers that it could not take.
        writing: Answers that are just being stored.
        upkeep: Follows the change log.
        index: Who makes vectors, and the index of them; None where only exact repeats are answered.
    """

    def __init__(
        self,
        shared: SharedTier,
        namespaces: Namespaces,
        *,
        backlog: Backlog,
        writing: Writing,
        upkeep: Upkeep,
        index: tuple[Embedder, Survey] | None,
    ) -> None:
        self._shared = shared
        self._namespaces = namespaces
        self._backlog = backlog
        self._writing = writing
        self._upkeep = upkeep
        self._index = index

    async def likeness(self, text: str, at_least: float) -> Likeness | None:
        """Questions like this text; None when it is longer than the embedder reads, or blank.

        Raises:
            UnavailableError: Nothing is indexed here.
            TierError: The embedder cannot be used.
        """
        embedder, _ = self._survey()
        vector = await embedder.embed(text)
        return None if vector is None else Likeness(vector, at_least, embedder.id)

    async def forget(self, selector: Selector, *, dry_run: bool = False) -> Purged:
        """Forget what is meant, or only say what that is.

        Answers that are there are written first, to be found and told of; calls under way are
        overtaken. When it returns, all tiers of this process have forgotten, and all replicas will.

        Raises:
            TierError: The shared tier or the index cannot be reached. What was forgotten by then
                is not said; try again.
            UnavailableError: Nothing is indexed, or the index is behind, and it was asked for.
        """
        await self._writing.idle(self._deadline())
        if dry_run:
            found = await self._meant(selector)
            return Purged(_all(found, self._backlog.matching(selector)))
        with self._backlog.held():
            waiting = self._backlog.matching(selector)
            held = self._upkeep.forget(selector)
            await self._writing.idle(self._deadline())
            await self._backlog.settled()
            done = await self._purge(selector)
        await self._upkeep.catch_up()
        return replace(done, ids=_all(done.ids, waiting), held=held)

    def _deadline(self) -> Deadline:
        return Deadline(self._writing.within_s)

    async def _meant(self, selector: Selector) -> Sequence[str]:
        if selector.like is None:
            return await self._shared.purge(selector, dry_run=True)
        return await self._like(selector, selector.like, dry_run=True)

    async def _purge(self, selector: Selector) -> Purged:
        if selector.is_namespace:
            namespace, tenant = selector.namespace or "", selector.tenant
            number = await self._namespaces.forget(namespace, tenant)
            self._upkeep.expire_soon()
            return Purged((), generation=number)
        found = await self._shared.purge(selector)
        if selector.like is not None:
            found = await self._like(selector, selector.like, dry_run=False)
        return Purged(tuple(found))

    async def _like(self, selector: Selector, like: Likeness, *, dry_run: bool) -> Sequence[str]:
        """Purge what the index has, once it has all that was stored so far."""
        _, survey = self._survey()
        await self._upkeep.catch_up()
        if not self._upkeep.is_in_step:
            raise UnavailableError(
                "The index of questions has not yet followed the change log; try again.",
                code="index_behind",
            )
        near = [one.entry_id for one in await survey.near(like.vector, like.at_least)]
        found: list[str] = []
        for at in range(0, len(near), AT_ONCE):
            some = replace(selector, like=None, ids=tuple(near[at : at + AT_ONCE]))
            found += await self._shared.purge(some, dry_run=dry_run)
        return found

    def _survey(self) -> tuple[Embedder, Survey]:
        if self._index is None:
            raise UnavailableError(
                "Questions are not indexed here: cache.vector is off, or there is no embedder.",
                code="no_semantic_tier",
            )
        return self._index

    async def forget_here(self, selector: Selector | None, *, dry_run: bool = False) -> Purged:
        """Forget what this process alone has, while another forgets what they share.

        `selector` is None where only the change log says what is meant. Raises TierError when that
        cannot be read.
        """
        waiting = self._backlog.matching(selector) if selector is not None else ()
        if dry_run:
            return Purged(tuple(waiting))
        held = self._upkeep.forget(selector) if selector is not None else 0
        await self._upkeep.catch_up()
        return Purged(tuple(waiting), held)


def _all(*found: Sequence[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(one for some in found for one in some))
