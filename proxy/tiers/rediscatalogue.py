"""The list of the entries on Redis, page by page.

A page follows the sorted set of `kept_until`: a place in it is a time and an id, and both may be
gone when the next page is asked for. An entry that is renewed meanwhile moves on, and may be told
twice.
"""

import asyncio
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from proxy.core.cataloguing import Description, Page, described
from proxy.core.changes import Selector
from proxy.ports import Clock
from proxy.tiers.codec import CodecError, decode
from proxy.tiers.redis import selectable
from proxy.tiers.redislink import Group, Groups, RedisLink, mapped
from proxy.tiers.redisscripts import PAGE

SCAN: Final = 500
"""Descriptions that a script looks up: the server does nothing else meanwhile."""

AT_ONCE: Final = 50
"""Entries whose bytes are fetched by one command."""

LOOKS: Final = 100
"""Scripts for one page: where little is meant, it ends with less than was asked for."""

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
    """

    def __init__(self, link: RedisLink, *, prefix: str, clock: Clock) -> None:
        self._link = link
        self._clock = clock
        self._groups = tuple(Groups(prefix, link.groups))
        self._group_of = Groups(prefix, link.groups).of

    async def page(self, selector: Selector, cursor: str | None, limit: int) -> Page | None:
        """The entries that are meant, those that expire first first, group by group."""
        at = self._parsed(cursor)
        if at is None:
            return None
        items: list[Description] = []
        for _ in range(LOOKS):
            group = self._groups[at.group]
            rows = await self._rows(group, at)
            meant = [row for row in rows if _is_meant(selector, row)]
            taken = meant[: limit - len(items)]
            items += await self._descriptions(group, [row[0] for row in taken])
            if len(taken) < len(meant):
                at = _after(at, taken[-1])
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

    async def _rows(self, group: Group, at: _At) -> list[tuple[bytes, bytes, bytes]]:
        """Id, `kept_until` and description of the next entries."""
        keys = [group.kept, group.about]
        flat = await self._link.run(PAGE, keys, at.kept_until, at.entry_id, SCAN)
        return list(zip(flat[::3], flat[1::3], flat[2::3], strict=True))

    async def _descriptions(self, group: Group, ids: Sequence[bytes]) -> list[Description]:
        found: list[Description] = []
        for start in range(0, len(ids), AT_ONCE):
            keys = [group.entry(entry_id.decode()) for entry_id in ids[start : start + AT_ONCE]]
            data = await self._link.ask(keys[0], "MGET", *keys)
            found += await asyncio.to_thread(_read, data, self._clock())  # some take a millisecond
        return found

    async def find(self, entry_id: str) -> Description | None:
        """What is said of one entry; None when it is not there."""
        group = self._group_of(entry_id)
        return next(iter(await self._descriptions(group, [entry_id.encode()])), None)

    async def count(self) -> int:
        """How many entries there are, with those that are past their time and not yet removed."""
        asked = [(group.about, "HLEN", group.about) for group in self._groups]
        return sum(await self._link.ask_each("hlen", asked))


def _after(at: _At, row: tuple[bytes, bytes, bytes]) -> _At:
    return _At(at.group, row[1].decode(), row[0].decode())


def _is_meant(selector: Selector, row: tuple[bytes, bytes, bytes]) -> bool:
    entry_id, _, about = row
    with mapped():
        return bool(about) and selector.matches(selectable(entry_id, about))


def _read(found: Sequence[bytes | None], now: float) -> list[Description]:
    """Those that are there, whole, and still kept."""
    items = []
    for data in found:
        try:
            entry = None if data is None else decode(data)
        except CodecError:
            continue
        if entry is not None and entry.kept_until > now:
            items.append(described(entry))
    return items
