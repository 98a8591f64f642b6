"""The shared tier on Redis: for several replicas.

Every write is one Lua script, so entry, indexes and log record change together or not at all, and
so is a read, which asks whether the entry's namespace was purged. Keys, of which `redislink.Group`
has the names::

    <prefix>:{0}:e:<id>    the entry's bytes; expires by itself
    <prefix>:{0}:about     hash: id -> what a selector asks about it
    <prefix>:{0}:kept      sorted set: id by `kept_until`; `expire` follows it
    <prefix>:{0}:vectors   sorted set, all scores 0: ids that have a vector, to be paged by id
    <prefix>:{0}:log       stream: the change log
    <prefix>:{0}:purges    hash: the number of each namespace's last purge
    <prefix>:{0}:l:<id>    hash: who may ask the origin for it
    <prefix>:{0}:salts     hash: what sealed entries are read with, by tenant

A cluster has them sixteen times, `{0}` to `{15}`, but for the salts. Whoever adds to a log
publishes `<its own name> <id>` on `<prefix>:log`.

The server must not evict keys that have no lifetime (`noeviction` or a `volatile-` policy): indexes
and log have none. What a crash of the server costs is its own persistence's business.
"""

from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from typing import Final

import orjson

from proxy.core.changes import Changes, Selector
from proxy.core.model import Entry, Lease
from proxy.ports import UNTOLD, Clock
from proxy.tiers import OnEvent
from proxy.tiers.codec import CodecError
from proxy.tiers.redislink import Group, Groups, RedisLink, mapped
from proxy.tiers.redislog import RedisLog
from proxy.tiers.redispurges import Purges, RedisPurges, described
from proxy.tiers.redisscripts import CLEAR, EXPIRE, FORGET, PURGE, PUT
from proxy.tiers.redissealing import RedisSealing
from proxy.tiers.sealed import MAGIC
from proxy.tiers.selectors import ANYTHING

PAGE: Final = 256
"""Entries a script removes: the server does nothing else meanwhile."""
SCAN: Final = 1000
LAST_MS: Final = 253_402_300_799_000
"""The year 9999: what is kept longer does not expire by itself."""


class RedisTier:
    """A `SharedTier` on Redis, and its `Namespaces`.

    Args:
        link: The way to Redis; started and closed with the tier.
        prefix: Begins every key.
        clock: The time now.
        on_event: Hears `entry_unreadable`.
        log_records: Change log records kept, in equal parts by all groups; a reader further behind
            starts anew.
        sealing: From entries to bytes and back; None stores them in clear.
    """

    def __init__(
        self,
        link: RedisLink,
        *,
        prefix: str,
        clock: Clock,
        on_event: OnEvent,
        log_records: int = 100_000,
        sealing: RedisSealing | None = None,
    ) -> None:
        self._link = link
        self._sealing = sealing or RedisSealing(link, prefix)
        self._may_be_in_clear = self._sealing.codec.ring is not None
        self._clock = clock
        self._on_event = on_event
        self._log_records = max(2, -(-log_records // link.groups))
        self._groups = Groups(prefix, link.groups)
        self._told = (link.name, self._groups.log_channel)
        self._log = RedisLog(link, self._groups, self._decode, self._sealing.codec)
        self._purges = RedisPurges(link, self._groups, self._told, self._sealing.codec)

    async def start(self) -> None:
        """Connect, or prove that Redis answers. Raises TierError when it does not."""
        await self._link.start()
        await self._purges.learn()

    async def close(self) -> None:
        """Close all connections; a tier never started is a no-op."""
        await self._link.close()

    async def get(self, scope: str, key: str) -> Entry | None:
        """The entry of this key if it is in this scope, not past `kept_until`, and not purged."""
        group = self._groups.of(key)
        found = await self._purges.read(group, key)
        if found is None:
            return None
        data, generation = found
        entry = await self._decode(key, data)
        if entry is None or entry.scope != scope:
            return None
        return replace(entry, generation=generation)

    async def put(self, entry: Entry, lease: Lease | None = None) -> str:
        """Store and log it in one script; "" when somebody else has had the lease since.

        Raises:
            ValueError: The entry is private, or the lease is another key's.
            TierError: It could not be written.
        """
        if lease is not None and lease.entry_id != entry.id:
            raise ValueError("the lease is for another key")
        return UNTOLD if await self._put(entry, lease) else ""

    async def restore(self, entry: Entry) -> bool:
        """The same, unless an answer that is as new or newer is there."""
        return await self._put(entry, None, "newer")

    async def replace(self, entry: Entry) -> bool:
        """The same, if the answer that is there is this one, however it is described."""
        return await self._put(entry, None, "same")

    async def _put(self, entry: Entry, lease: Lease | None, condition: str = "") -> bool:
        data = await self._sealing.encoded(entry)
        expiry = entry.kept_until * 1000
        group, about = self._groups.of(entry.id), _about(entry)
        is_stored = await self._link.run(
            PUT,
            [
                group.entry(entry.id),
                *_indexes(group),
                group.lease(lease.key if lease else entry.id),
                group.purges,
            ],
            entry.id,
            data,
            max(1, int(expiry)) if expiry < LAST_MS else "",
            entry.kept_until,
            about[0],
            int(entry.vector is not None),
            self._log_records,
            *self._told,
            lease.token if lease is not None else "",
            condition,
            entry.created_at,
            "" if entry.generation is None else entry.generation,
            about[1],
        )
        return bool(is_stored)

    async def purge(self, selector: Selector, *, dry_run: bool = False) -> Sequence[str]:
        """Delete and log what the selector means; an entry refreshed under it stays."""
        purged: dict[str, None] = {}  # a scan may show an entry twice
        if not dry_run:
            await self._sealing.forget(selector)
            await self._tell(selector)
        for group in self._groups if selector.like is None else ():
            purges = await self._purges.of(group)
            async for page in self._pages(group, selector):
                with mapped():
                    meant = [pair for pair in page if is_meant(selector, purges, *pair)]
                for at in range(0, len(meant), PAGE):
                    pairs = meant[at : at + PAGE]
                    ids = [entry_id for entry_id, _ in pairs]
                    if not dry_run:
                        ids = await self._link.run(
                            PURGE,
                            [*_indexes(group), *_entries(group, ids)],
                            *self._told,
                            *(part for pair in pairs for part in pair),
                        )
                    purged.update(dict.fromkeys(entry_id.decode() for entry_id in ids))
        return list(purged)

    async def _tell(self, selector: Selector) -> None:
        """Log what is forgotten, before any of it is: in one group's log, as all are read."""
        [log, *_] = [group.log for group in self._groups]
        ids = selector.ids
        for at in range(0, max(1, len(ids)), PAGE):
            told = self._sealing.codec.written(replace(selector, ids=ids[at : at + PAGE]))
            await self._link.run(FORGET, [log], *self._told, told)

    @property
    def newest(self) -> int:
        """The newest purge of a namespace that this process knows of; 0 for none."""
        return self._purges.newest

    async def forget(self, namespace: str, tenant: str) -> int:
        """Forget a whole namespace, by one number in every group."""
        return await self._purges.purge(namespace, tenant)

    async def _pages(
        self, group: Group, selector: Selector
    ) -> AsyncIterator[list[tuple[bytes, bytes]]]:
        """Id and description of what the selector may mean in a group, page by page."""
        wanted = [entry_id for entry_id in selector.ids if self._groups.of(entry_id) is group]
        for at in range(0, len(wanted), SCAN):
            ids = wanted[at : at + SCAN]
            about = await self._link.ask(group.about, "HMGET", group.about, *ids)
            yield [
                (entry_id.encode(), found)
                for entry_id, found in zip(ids, about, strict=True)
                if found is not None
            ]
        cursor: int | None = None if selector.ids else 0
        while cursor is not None:
            after, page = await self._link.ask(
                group.about, "HSCAN", group.about, cursor, "COUNT", SCAN
            )
            cursor = int(after) or None
            yield list(page.items())

    async def expire(self, now: float) -> int:
        """Remove from indexes and log what has expired or was purged with its namespace; trim."""
        expired = 0
        for group in self._groups:
            while ids := await self._link.ask(
                group.kept, "ZRANGEBYSCORE", group.kept, "-inf", now, "LIMIT", 0, PAGE
            ):
                keys = [*_indexes(group), *_entries(group, ids)]
                expired += int(await self._link.run(EXPIRE, keys, *self._told, now, *ids))
            expired += await self._purges.sweep(group, _indexes(group), now)
            if self._may_be_in_clear:
                expired += await self._remove_clear(group)
            await self._link.ask(group.log, "XTRIM", group.log, "MAXLEN", self._log_records)
        self._may_be_in_clear = False
        return expired

    async def _remove_clear(self, group: Group) -> int:
        """Remove what was stored before there was a key ring; done once, from the start.

        Nobody is answered with it, and it may not stay where it can be read.
        """
        removed = 0
        async for page in self._pages(group, ANYTHING):
            for at in range(0, len(page), PAGE):
                ids = [entry_id for entry_id, _ in page[at : at + PAGE]]
                keys = [*_indexes(group), *_entries(group, ids)]
                removed += int(await self._link.run(CLEAR, keys, *self._told, MAGIC, *ids))
        return removed

    async def changes(self, after: str | None, limit: int) -> Changes:
        """The log after a position, at most `limit` records or entries at once."""
        changes = await self._log.changes(after, max(1, limit))
        self._sealing.heard(changes)
        await self._purges.learn()
        return changes

    async def _decode(self, key: str, data: bytes | None) -> Entry | None:
        """The entry if it is whole, this key's, and still kept; the next put mends another."""
        if data is None:
            return None
        try:
            entry = await self._sealing.decoded(key, data)
        except CodecError as error:
            self._on_event("entry_unreadable", tier="redis", reason=str(error))
            return None
        return entry if entry.kept_until > self._clock() else None


def _indexes(group: Group) -> list[str]:
    return [group.about, group.kept, group.vectors, group.log]


def _entries(group: Group, ids: Sequence[bytes]) -> list[str]:
    return [group.entry(entry_id.decode()) for entry_id in ids]


def _about(entry: Entry) -> tuple[bytes, bytes]:
    """Before and after the generation, which the script that stores it knows."""
    told = orjson.dumps(
        [entry.scope, entry.tenant, entry.namespace, entry.model, entry.created_at, entry.tags]
    )
    return told[:-1] + b",", b"," + orjson.dumps([entry.principal])[1:]


def is_meant(selector: Selector, purges: Purges, entry_id: bytes, about: bytes) -> bool:
    """Whether an entry is there, as no purge means it, and is one that a selector means.

    `Selector.matches` is the only reading of its description.
    """
    entry = described(entry_id, about)
    return selector.matches(entry) and not purges.mean(entry)
