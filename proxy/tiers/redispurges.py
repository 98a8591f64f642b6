"""Purges of whole namespaces on Redis: one number in every group of keys, whatever they hold.

An entry's description has the newest number that was known when the origin was asked for it.
Where its namespace has a newer one nobody is answered with it, and `sweep` removes it. A purge is
numbered in the first group, then copied to the others, and told of in the log at last: who reads of
it and empties his session tier finds nothing any more that he would take back into it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import orjson

from proxy.core.changes import ALL_TENANTS, Selector, Traits
from proxy.tiers.entrycodec import EntryCodec
from proxy.tiers.rediscluster import together
from proxy.tiers.redislink import Group, Groups, RedisLink, SplitError, mapped
from proxy.tiers.redisscripts import FORGET, GET, NUMBER, OUTDATED, RENUMBER, SWEEP, SWEPT

NEWEST: Final = ""
"""Field: the newest number of all."""
UNTIL: Final = "swept"
"""Field: all that purges up to this number mean has been removed."""
SCAN: Final = 500
"""Descriptions that a script reads: about a millisecond, in which the server does nothing else."""
REMEMBERED_S: Final = 7 * 86400.0
"""How long a purged namespace's number is kept: no call to the origin is under way for longer."""


def field_of(tenant: str, namespace: str) -> str:
    """Under which a namespace's number is kept; no tenant's name has a line break."""
    return f"{tenant}\n{namespace}"


def described(entry_id: bytes, about: bytes) -> Traits:
    """What the description of an entry says. Raises ValueError where it is none."""
    scope, tenant, namespace, model, created_at, tags, *more = orjson.loads(about)
    return Traits(
        id=entry_id.decode(),
        scope=scope,
        tenant=tenant,
        namespace=namespace,
        model=model,
        created_at=created_at,
        tags=tuple(tags),
        generation=int(*more[:1]),  # earlier versions wrote less
        principal=str(*more[1:]),
    )


@dataclass(frozen=True, slots=True)
class Purges:
    """All purges, as one group of keys has them."""

    numbers: Mapping[bytes, bytes]

    def mean(self, entry: Traits) -> bool:
        """Whether one of them means this entry."""
        fields = (field_of(tenant, entry.namespace) for tenant in (ALL_TENANTS, entry.tenant))
        return any(
            int(self.numbers.get(field.encode(), b"0")) > entry.generation for field in fields
        )


class RedisPurges:
    """The purges of a deployment.

    Args:
        link: The way to Redis.
        groups: Where it keeps what.
        told: Who says that the log has grown, and on which channel.
        codec: Writes what the log keeps of a purge.
    """

    def __init__(
        self, link: RedisLink, groups: Groups, told: tuple[str, str], codec: EntryCodec
    ) -> None:
        self._link = link
        self._groups = groups
        self._told = told
        self._codec = codec
        self.newest = 0
        """The newest that this process knows of; 0 for none."""

    async def learn(self) -> None:
        """Look for the newest."""
        first = next(iter(self._groups)).purges
        found = await self._link.ask(first, "HGET", first, NEWEST)
        self.newest = max(self.newest, int(found or 0))

    async def of(self, group: Group) -> Purges:
        """All of them."""
        return Purges(await self._link.ask(group.purges, "HGETALL", group.purges))

    async def read(self, group: Group, entry_id: str) -> tuple[bytes, int] | None:
        """An entry's bytes and its generation; None where it is not there, or was purged."""
        keys = [group.entry(entry_id), group.about, group.purges]
        try:
            found = await self._link.read(GET, keys, entry_id)
        except SplitError:
            return await self._read_apart(group, entry_id)
        return None if found is None else (found[0], int(found[1]))

    async def _read_apart(self, group: Group, entry_id: str) -> tuple[bytes, int] | None:
        """The same, key by key: an older description than the bytes', and all purges since."""
        name = group.entry(entry_id)
        about = await self._link.ask(group.about, "HGET", group.about, entry_id)
        data = await self._link.ask(name, "GET", name)
        purges = await self.of(group)
        if data is None or about is None:
            return None
        with mapped():
            entry = described(entry_id.encode(), about)
        return None if purges.mean(entry) else (data, entry.generation)

    async def purge(self, namespace: str, tenant: str) -> int:
        """Forget a namespace, of one tenant or of all. Returns the purge's number."""
        first, *others = self._groups
        field = field_of(tenant, namespace)
        told = self._codec.written(Selector(tenant, namespace=namespace))
        number = await self._link.run(NUMBER, [first.purges], field)
        await together([self._link.run(RENUMBER, [one.purges], field, number) for one in others])
        await self._link.run(FORGET, [first.log], *self._told, told)
        self.newest = max(self.newest, int(number))
        return int(number)

    async def sweep(self, group: Group, indexes: Sequence[str], now: float) -> int:
        """Remove and log what purges mean, if it was not done yet. Returns how many that were."""
        newest, until = await self._link.ask(group.purges, "HMGET", group.purges, NEWEST, UNTIL)
        if newest is None or int(until or 0) >= int(newest):
            return 0
        removed, cursor = 0, b"0"
        while True:
            keys = [group.about, group.purges]
            cursor, ids = await self._link.run(OUTDATED, keys, cursor, SCAN)
            if ids:
                names = [group.entry(entry_id.decode()) for entry_id in ids]
                keys = [*indexes, group.purges, *names]
                removed += int(await self._link.run(SWEEP, keys, *self._told, *ids))
            if int(cursor) == 0:
                break
        long_ago = int((now - REMEMBERED_S) * 1e6)
        await self._link.run(SWEPT, [group.purges], newest, long_ago)
        return removed
