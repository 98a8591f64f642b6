"""Builds what replicas share: the tier that holds every entry, and what waits to get there.

A part of the composition root, apart for its size. Building has no side effects: `proxy.runtime`
starts what is built, and closes it.
"""

import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from proxy.backlog import Backlog
from proxy.coalescing import Turns
from proxy.config import Config
from proxy.ports import Catalogue, Leases, LogWatch, Observer, SharedTier
from proxy.resilience import Pace, Stage, StageOf, Tasks
from proxy.tiers.session import size_of
from proxy.tiers.sqlite import SqliteTier
from proxy.tiers.sqlitecatalogue import SqliteCatalogue
from proxy.tiers.sqlitewaiting import SqliteLeases, SqliteLogWatch

if TYPE_CHECKING:
    from proxy.tiers.redislink import RedisLink

Shared = tuple[SharedTier, Leases, LogWatch, Catalogue, "RedisLink | None"]

WRITE_S = 30.0
"""How long storing one answer may take: nobody waits for it."""

LOOKUP_SHARE = 0.5
"""Of the deadline, that a lookup waits for the shared tier: a miss must not pay for all of it."""


@dataclass(frozen=True, slots=True)
class Sharing:
    """What was built.

    Attributes:
        tier, stage: Every entry.
        backlog: Answers that the tier could not take.
        turns: Which replica asks the origin for a key.
        watch: Says that another replica has changed something.
        catalogue: The list of every entry.
        link: The way to Redis; None without one.
    """

    tier: SharedTier
    stage: Stage
    backlog: Backlog
    turns: Turns
    watch: LogWatch
    catalogue: Catalogue
    link: "RedisLink | None" = None


def tier_of(config: Config, observer: Observer) -> SharedTier:
    """The shared tier alone, for who looks at its entries and serves nobody."""
    path = config.cache.shared.sqlite_path
    tier, *_ = _sqlite(path, config, observer) if path else _redis(config, observer)
    return tier


def build(config: Config, stage_of: StageOf, tasks: Tasks, observer: Observer) -> Sharing:
    """The parts, as configured."""
    path = config.cache.shared.sqlite_path
    made = _sqlite(path, config, observer) if path else _redis(config, observer)
    tier, leases, watch, catalogue, link = made
    deadline_s = config.cache.deadline_ms / 1000
    stage = stage_of("shared", tier.start, _pace(tier, deadline_s))
    turns = Turns(
        leases,
        (tier, stage),
        tasks=tasks,
        clock=time.time,
        deadline_s=deadline_s,
        wait_s=config.cache.coalesce_wait_s,
    )
    return Sharing(tier, stage, _backlog(config, observer), turns, watch, catalogue, link)


def _sqlite(path: Path, config: Config, observer: Observer) -> Shared:
    tier = SqliteTier(
        path,
        clock=time.time,
        on_event=observer.event,
        log_records=config.cache.shared.max_log_records,
    )
    leases = SqliteLeases(tier, clock=time.time)
    catalogue = SqliteCatalogue(tier, clock=time.time)
    return tier, leases, SqliteLogWatch(tier), catalogue, None


def _redis(config: Config, observer: Observer) -> Shared:
    chosen = config.cache.shared
    from proxy.parts import reaching  # noqa: PLC0415 - only where Redis is configured
    from proxy.tiers.redis import RedisTier  # noqa: PLC0415 - the same
    from proxy.tiers.rediscatalogue import RedisCatalogue  # noqa: PLC0415 - the same
    from proxy.tiers.redisleases import RedisLeases  # noqa: PLC0415 - the same
    from proxy.tiers.redisnews import RedisLogWatch, RedisNews  # noqa: PLC0415 - the same

    link = reaching.link(chosen, chosen.url, chosen.tls)
    news = RedisNews(link, prefix=chosen.key_prefix, observer=observer)
    tier = RedisTier(
        link,
        prefix=chosen.key_prefix,
        clock=time.time,
        on_event=observer.event,
        log_records=chosen.max_log_records,
    )
    leases = RedisLeases(link, news, prefix=chosen.key_prefix)
    catalogue = RedisCatalogue(link, prefix=chosen.key_prefix, clock=time.time)
    return tier, leases, RedisLogWatch(news), catalogue, link


def _pace(tier: SharedTier, deadline_s: float) -> Pace:
    return Pace(lambda: tier.get("", "probe"), deadline_s * LOOKUP_SHARE, LOOKUP_SHARE)


def _backlog(config: Config, observer: Observer) -> Backlog:
    chosen = config.cache.shared
    return Backlog(
        max_entries=chosen.max_backlog,
        max_bytes=chosen.max_backlog_bytes,
        size_of=size_of,
        observer=observer,
    )
