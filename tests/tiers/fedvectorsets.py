"""Vector sets as the suites use them."""

from collections.abc import Sequence
from typing import Any

from proxy.core.changes import Added, Changes, Removed
from proxy.tiers.redisclient import Access
from proxy.tiers.redislink import RedisLink
from proxy.tiers.vectorsets import Shape, VectorSetTier
from tests.tiers.builders import DIMENSION, EMBEDDER, Events, FakeClock


class FedVectorSets(VectorSetTier):
    """Its source of truth has what the log says."""

    def __init__(self, link: RedisLink, **options: Any) -> None:
        self.held: set[str] = set()
        super().__init__(link, exists=self._held_of, **options)

    async def apply(self, changes: Changes) -> None:
        if changes.reset:
            self.held.clear()
        for item in changes.items:
            if isinstance(item, Added):
                self.held.add(item.id)
            elif isinstance(item, Removed):
                self.held.discard(item.id)
        await super().apply(changes)

    async def _held_of(self, ids: Sequence[str]) -> Sequence[str]:
        return [at for at in ids if at in self.held]


def vector_sets(
    url: str,
    clock: FakeClock,
    events: Events,
    shape: Shape = Shape("noquant"),  # noqa: B008 - it is frozen
    access: Access = Access(),  # noqa: B008 - it is frozen
    **options: Any,
) -> FedVectorSets:
    """One that is not started; two of the same prefix are replicas."""
    plain = {"prefix": "reprise", "embedder": EMBEDDER, "dimension": DIMENSION}
    link = RedisLink(url, timeout_s=1, access=access)
    return FedVectorSets(link, clock=clock, on_event=events, shape=shape, **{**plain, **options})
