"""The list of the entries on Redis, page by page.

A page follows the sorted set of `kept_until`: a place in it is a time and an id, and both may be
gone when the next page is asked for. An entry that is renewed meanwhile moves on, and may be told
twice.
"""

import asyncio
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from proxy.core.cataloguing import Description, Page, described, mentions
from proxy.core.changes import Selector
from proxy.ports import Clock
from proxy.tiers.codec import CodecError
from proxy.tiers.entrycodec import EntryCodec
from proxy.tiers.redis import is_meant
from proxy.tiers.redislink import Group, Groups, RedisLink, mapped
from proxy.tiers.redispurges import Purges, RedisPurges
from proxy.tiers.redisscripts import PAGE
from proxy.tiers.redissealing import RedisSealing

SCAN: Final = 500
"""Descriptions that a script looks up: the server does nothing else meanwhile."""

AT_ONCE: Final = 50
"""Entries whose bytes are fetched by one command."""

LOOKS: Final = 100
"""Scripts for one page: where little is meant, it ends with less than was asked for."""

LOOKS_INSIDE: Final = 10
"""The same where entries are fetched to look for a text in them."""

Row = tuple[bytes, bytes, bytes]
"""Of an entry: id, `kept_until`, and what a selector asks about it."""

Found = tuple[str, bytes | None]
"""An id, and the entry's bytes if it is there."""

_CURSOR: Final = re.compile(r"(\d{1,3}):(inf|[0-9.e+]{1,30}|):(.{0,512})", re.DOTALL)


@dataclass(frozen=True, slots=True)
class _At:
    """After which entry of which group; without a time, at the group's beginning."""

    group: int
    kept_until: str = ""
    entry_id: str = ""

    def __str__(self) -> str:
        return f"{self.group}:{self.kept_until}:{self.entry_id}"


class RedisCatalogue:
    """A `Catalogue` of what a `RedisTier` of the same prefix stores.

    Args:
        link: The way to Redis; started and closed with the tier.
        prefix: Begins every key.
        clock: The time now.
        sealing: As the tier's.
    """

    def __init__(
        self,
        link: RedisLink,
        *,
        prefix: str,
        clock: Clock,
        sealing: RedisSealing | None = None,
    ) -> None:
        self._link = link
        self._clock = clock
        self._groups = tuple(Groups(prefix, link.groups))
        groups = Groups(prefix, link.groups)
        self._group_of = groups.of
        self._sealing = sealing or RedisSealing(link, prefix)
        told = link.name, groups.log_channel
        self._purges = RedisPurges(link, groups, told, self._sealing.codec)

    async def page(
        self, selector: Selector, cursor: str | None, limit: int, *, text: str | None = None
    ) -> Page | None:
        """The entries that are meant, those that expire first first, group by group."""
        at = self._parsed(cursor)
        if at is None:
            return None
        items: list[Description] = []
        for _ in range(LOOKS if text is None else LOOKS_INSIDE):
            group = self._groups[at.group]
            rows = await self._rows(group, at)
            purges = await self._purges.of(group)
            meant = [row for row in rows if _is_meant(selector, purges, row)]
            found, looked = await self._described(group, meant, limit - len(items), text)
            items += found
            if looked < len(meant):
                at = _after(at, meant[looked - 1])
            elif len(rows) == SCAN:
                at = _after(at, rows[-1])
            elif at.group + 1 < len(self._groups):
                at = _At(at.group + 1)
            else:
                return Page(tuple(items), None)
            if len(items) >= limit:
                break
        return Page(tuple(items), str(at))

    def _parsed(self, cursor: str | None) -> _At | None:
        if cursor is None:
            return _At(0)
        found = _CURSOR.fullmatch(cursor)
        if found is None or int(found[1]) >= len(self._groups):
            return None
        return _At(int(found[1]), found[2], found[3])

    async def _rows(self, group: Group, at: _At) -> list[Row]:
        """Id, `kept_until` and description of the next entries."""
        keys = [group.kept, group.about]
        flat = await self._link.run(PAGE, keys, at.kept_until, at.entry_id, SCAN)
        return list(zip(flat[::3], flat[1::3], flat[2::3], strict=True))

    async def _described(
        self, group: Group, rows: Sequence[Row], limit: int, text: str | None
    ) -> tuple[list[Description], int]:
        """At most `limit` that have the text in their question, and in how many rows they were."""
        found: list[Description] = []
        looked = 0
        while looked < len(rows) and len(found) < limit:
            most = AT_ONCE if text is not None else min(AT_ONCE, limit - len(found))
            ids = [row[0].decode() for row in rows[looked : looked + most]]
            keys = [group.entry(entry_id) for entry_id in ids]
            data = await self._link.ask(keys[0], "MGET", *keys)
            read = await self._read(list(zip(ids, data, strict=True)), text)
            taken = read[: limit - len(found)]
            found += taken
            looked += len(ids) if len(taken) == len(read) else ids.index(taken[-1].id) + 1
        return found, looked

    async def find(self, entry_id: str) -> Description | None:
        """What is said of one entry; None when it is not there."""
        group = self._group_of(entry_id)
        found = await self._purges.read(group, entry_id)
        items = await self._read([(entry_id, found and found[0])])
        return items[0] if items else None

    async def _read(self, found: Sequence[Found], text: str | None = None) -> list[Description]:
        """Those that are there, whole, still kept, and have the text in their question."""
        salts = await self._sealing.salts_for(data for _, data in found)
        # In a thread, since some take a millisecond.
        return await asyncio.to_thread(
            _read, self._sealing.codec, salts, found, self._clock(), text
        )

    async def count(self) -> int:
        """How many entries there are, with those past their time or purged and not yet removed."""
        asked = [(group.about, "HLEN", group.about) for group in self._groups]
        return sum(await self._link.ask_each("hlen", asked))


def _after(at: _At, row: Row) -> _At:
    return _At(at.group, row[1].decode(), row[0].decode())


def _is_meant(selector: Selector, purges: Purges, row: Row) -> bool:
    entry_id, _, about = row
    with mapped():
        return bool(about) and is_meant(selector, purges, entry_id, about)


def _read(
    codec: EntryCodec,
    salts: Mapping[str | None, bytes],
    found: Sequence[Found],
    now: float,
    text: str | None,
) -> list[Description]:
    items = []
    for entry_id, data in found:
        if data is None:
            continue
        salt = salts.get(codec.owner_of(data))
        if text is not None and not mentions(codec.question_of(entry_id, data, salt), text):
            continue
        try:
            entry = codec.decode(entry_id, data, salt)
        except CodecError:
            continue
        if entry.kept_until > now:
            items.append(described(entry))
    return items
