"""Builds what replicas share: the tier that holds every entry, and what waits to get there.

A part of the composition root, apart for its size. Building has no side effects: `proxy.runtime`
starts what is built, and closes it.
"""

import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from proxy.announcing import MISSED
from proxy.backlog import Backlog
from proxy.config import Config
from proxy.parts import sealing
from proxy.ports import (
    Archive,
    Catalogue,
    Embedders,
    Leases,
    LogWatch,
    Namespaces,
    Observer,
    Presence,
    SharedTier,
)
from proxy.resilience import Pace, Stage, StageOf
from proxy.tiers.session import size_of
from proxy.tiers.sqlite import SqliteTier
from proxy.tiers.sqlitearchive import SqliteArchive
from proxy.tiers.sqlitecatalogue import SqliteCatalogue
from proxy.tiers.sqliteembedders import SqliteEmbedders
from proxy.tiers.sqlitepresence import SqlitePresence
from proxy.tiers.sqlitewaiting import SqliteLeases, SqliteLogWatch

if TYPE_CHECKING:
    from proxy.tiers.redislink import RedisLink


class _Made(NamedTuple):
    """What is in one place: entries, and all that replicas know of each other there."""

    tier: SharedTier
    namespaces: Namespaces
    leases: Leases
    watch: LogWatch
    catalogue: Catalogue
    archive: Archive
    presence: Presence
    embedders: Embedders
    link: "RedisLink | None" = None


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
        namespaces: Forgets a whole namespace of them.
        leases: Which replica asks the origin for a key.
        watch: Says that another replica has changed something.
        catalogue: The list of every entry.
        archive: The entries themselves, for backups.
        presence: Which processes there are.
        embedders: Which embedders they use.
        link: The way to Redis; None without one.
    """

    tier: SharedTier
    stage: Stage
    backlog: Backlog
    namespaces: Namespaces
    leases: Leases
    watch: LogWatch
    catalogue: Catalogue
    archive: Archive
    presence: Presence
    embedders: Embedders
    link: "RedisLink | None" = None


def tier_of(config: Config, observer: Observer) -> SharedTier:
    """The shared tier alone, for who looks at its entries and serves nobody."""
    path = config.cache.shared.sqlite_path
    return (_sqlite(path, config, observer) if path else _redis(config, observer)).tier


def build(config: Config, stage_of: StageOf, observer: Observer) -> Sharing:
    """The parts, as configured."""
    path = config.cache.shared.sqlite_path
    made = _sqlite(path, config, observer) if path else _redis(config, observer)
    pace = _pace(made.tier, config.cache.deadline_ms / 1000)
    stage = stage_of("shared", made.tier.start, pace)
    return Sharing(stage=stage, backlog=_backlog(config, observer), **made._asdict())


def _sqlite(path: Path, config: Config, observer: Observer) -> _Made:
    tier = SqliteTier(
        path,
        clock=time.time,
        on_event=observer.event,
        log_records=config.cache.shared.max_log_records,
        codec=sealing.codec(config),
    )
    silent_s = MISSED * config.cache.shared.announce_every_s
    watch = SqliteLogWatch(tier, silent_s=silent_s)
    leases = SqliteLeases(tier, clock=time.time, watch=watch)
    catalogue = SqliteCatalogue(tier, clock=time.time)
    presence = SqlitePresence(tier, clock=time.time)
    archive = SqliteArchive(tier, clock=time.time)
    embedders = SqliteEmbedders(tier, clock=time.time)
    return _Made(tier, tier, leases, watch, catalogue, archive, presence, embedders)


def _redis(config: Config, observer: Observer) -> _Made:
    chosen = config.cache.shared
    from proxy.parts import reaching  # noqa: PLC0415 - only where Redis is configured
    from proxy.tiers.redis import RedisTier  # noqa: PLC0415 - the same
    from proxy.tiers.redisarchive import RedisArchive  # noqa: PLC0415 - the same
    from proxy.tiers.rediscatalogue import RedisCatalogue  # noqa: PLC0415 - the same
    from proxy.tiers.redisembedders import RedisEmbedders  # noqa: PLC0415 - the same
    from proxy.tiers.redisleases import RedisLeases  # noqa: PLC0415 - the same
    from proxy.tiers.redisnews import RedisLogWatch, RedisNews  # noqa: PLC0415 - the same
    from proxy.tiers.redispresence import RedisPresence  # noqa: PLC0415 - the same
    from proxy.tiers.redissealing import RedisSealing  # noqa: PLC0415 - the same

    link = reaching.link(chosen, chosen.url, chosen.tls)
    news = RedisNews(link, prefix=chosen.key_prefix, observer=observer)
    sealed = RedisSealing(link, chosen.key_prefix, sealing.codec(config))
    tier = RedisTier(
        link,
        prefix=chosen.key_prefix,
        clock=time.time,
        on_event=observer.event,
        log_records=chosen.max_log_records,
        sealing=sealed,
    )
    leases = RedisLeases(tier, link, news, prefix=chosen.key_prefix)
    catalogue = RedisCatalogue(link, prefix=chosen.key_prefix, clock=time.time, sealing=sealed)
    presence = RedisPresence(link, prefix=chosen.key_prefix, clock=time.time)
    archive = RedisArchive(tier, link, prefix=chosen.key_prefix, clock=time.time, sealing=sealed)
    embedders = RedisEmbedders(tier, link, prefix=chosen.key_prefix, clock=time.time)
    watch = RedisLogWatch(news)
    return _Made(tier, tier, leases, watch, catalogue, archive, presence, embedders, link)


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
