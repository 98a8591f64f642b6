"""What the configuration decides, and what a reload builds anew: how requests are answered.

It holds no state that would be missed, so that the old one can go as soon as its last request is
over. A part of the composition root, apart for its size.
"""

import time
from dataclasses import dataclass, replace

from proxy.asking import Asker, Confirm
from proxy.batchcalls import BatchCalls
from proxy.batching import Batcher
from proxy.coalescing import Turns
from proxy.config import Config
from proxy.core.access import Keys
from proxy.core.admission import Admission
from proxy.core.directives import Limits
from proxy.core.model import Entry
from proxy.core.quotas import Terms
from proxy.gateway import Gateway
from proxy.parts import rules
from proxy.parts.semantic import semantic_of
from proxy.parts.sharing import WRITE_S
from proxy.parts.standing import Standing
from proxy.resilience import Deadline
from proxy.searching import Search, Semantic
from proxy.storing import Store
from proxy.upstream.origins import Origins


@dataclass(frozen=True, kw_only=True, eq=False)
class Replaceable:
    """What answers requests as one configuration says.

    Attributes:
        semantic: What finds reworded questions; None where only exact repeats are answered.
        origins: Started by who built this, and closed after its last request.
        keys: One of which callers must have; none where anybody may come.
        terms: How much a caller may use of the proxy.
    """

    gateway: Gateway
    batcher: Batcher
    search: Search
    store: Store
    semantic: Semantic | None
    origins: Origins
    admission: Admission
    limits: Limits
    keys: Keys
    terms: Terms


def build(config: Config, standing: Standing, origins: Origins | None = None) -> Replaceable:
    """All of it, over what stands.

    Args:
        config: What the operator chose.
        standing: What it is applied to.
        origins: Those to go on with; None for new ones.

    Raises:
        ConfigError: Something that is configured does not exist.
    """
    meaning, observer = standing.meaning, standing.observer
    semantic, least = None, None
    if meaning is not None:
        semantic, least = semantic_of(config, meaning, observer)
    store = _store(config, standing)
    search = Search(
        standing.session,
        (standing.shared, standing.shared_stage),
        semantic,
        store,
        deadline_s=config.cache.deadline_ms / 1000,
        clock=time.time,
        forbids=standing.experience.marks.forbids,
        gone=standing.upkeep.gone,
    )
    return Replaceable(
        gateway=_gateway(config, standing, search, store),
        batcher=_batcher(config, standing, search, store),
        search=search,
        store=store,
        semantic=semantic,
        origins=origins or Origins(config, observer),
        admission=rules.admission(config),
        limits=rules.limits(config, least),
        keys=rules.keys(config),
        terms=rules.terms(config),
    )


def _store(config: Config, standing: Standing) -> Store:
    meaning = standing.meaning
    return Store(
        standing.session,
        (standing.shared, standing.shared_stage),
        (meaning.embedder, meaning.embed_stage, standing.owe) if meaning else None,
        rules=rules.of_entries(config),
        clock=time.time,
        publish=standing.upkeep.catch_up,
        count=standing.counter.usage,
        backlog=standing.backlog,
        writing=standing.writing,
    )


def _turns(config: Config, standing: Standing) -> Turns:
    return Turns(
        standing.sharing.leases,
        (standing.shared, standing.shared_stage),
        tasks=standing.tasks,
        clock=time.time,
        deadline_s=config.cache.deadline_ms / 1000,
        wait_s=config.cache.coalesce_wait_s,
    )


def _confirming(standing: Standing) -> Confirm:
    describe_anew, stage = standing.sharing.embedders.replace, standing.shared_stage

    async def confirm(entry: Entry) -> None:
        confirmed = replace(entry, confirmed=True)
        await stage.tell(lambda: describe_anew(confirmed), Deadline(WRITE_S))

    return confirm


def _gateway(config: Config, standing: Standing, search: Search, store: Store) -> Gateway:
    cache, experience = config.cache, standing.experience
    asker = Asker(
        standing.flights,
        _turns(config, standing),
        store,
        experience.learning,
        ledger=standing.spending,
        refreshes=standing.refreshes,
        max_entry_bytes=cache.max_entry_bytes,
        confirm=_confirming(standing),
    )
    return Gateway(
        search,
        store,
        asker=asker,
        learning=experience.learning,
        hits=experience.hits,
        clock=time.time,
        observer=standing.observer,
        price=rules.prices(config).usd,
        tokens_per_s=cache.replay.tokens_per_s if cache.replay.pace == "tokens" else None,
    )


def _batcher(config: Config, standing: Standing, search: Search, store: Store) -> Batcher:
    calls = BatchCalls(standing.flights, store, max_entry_bytes=config.cache.max_entry_bytes)
    return Batcher(
        search,
        store,
        calls,
        clock=time.time,
        observer=standing.observer,
        price=rules.prices(config).usd,
    )
