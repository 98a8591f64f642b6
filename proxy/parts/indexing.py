"""Builds the index of questions, on the backend that is chosen.

A part of the composition root, apart because it is also built without a proxy: to be moved.
"""

import time
from collections.abc import Sequence
from typing import assert_never

from proxy.config import Config
from proxy.core.changes import ALL_TENANTS, Selector
from proxy.parts import sealing
from proxy.ports import Embedder, Index, Observer, SharedTier


def build(config: Config, embedder: Embedder, shared: SharedTier, observer: Observer) -> Index:
    """The index.

    Args:
        config: What the operator chose.
        embedder: Whose vectors it holds.
        shared: The source of truth.
        observer: Hears what happens to it.
    """
    match config.cache.vector.backend:
        case "faiss":
            return _faiss(config, embedder, observer)
        case "redis":
            return _vector_sets(config, embedder, shared, observer)
        case other:
            assert_never(other)


def _faiss(config: Config, embedder: Embedder, observer: Observer) -> Index:
    from proxy.tiers.faiss import FaissTier  # noqa: PLC0415 - only where it is configured

    vector = config.cache.vector
    return FaissTier(
        vector.snapshot,
        embedder=embedder.id,
        dimension=embedder.dimension,
        max_entries=vector.max_entries,
        exact_up_to=vector.exact_up_to,
        clock=time.time,
        on_event=observer.event,
        ring=sealing.keyring(config),
        keeps_questions=config.cache.store_questions,
    )


def _vector_sets(
    config: Config, embedder: Embedder, shared: SharedTier, observer: Observer
) -> Index:
    from proxy.parts import reaching  # noqa: PLC0415 - the same
    from proxy.tiers.vectorsets import Shape, VectorSetTier  # noqa: PLC0415 - the same

    async def exists(ids: Sequence[str]) -> Sequence[str]:
        return await shared.purge(Selector(ALL_TENANTS, ids=tuple(ids)), dry_run=True)

    chosen, entries = config.cache.vector.redis, config.cache.shared
    return VectorSetTier(
        reaching.link(entries, *config.cache.index_server),
        prefix=chosen.key_prefix or entries.key_prefix,
        embedder=embedder.id,
        dimension=embedder.dimension,
        exists=exists,
        clock=time.time,
        on_event=observer.event,
        shape=Shape(chosen.quantisation, chosen.effort, chosen.split_at),
    )
