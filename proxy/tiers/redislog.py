"""The change log on Redis: one stream for each group of keys, read as one.

A position names for each group the stream id of the last record read. The record is still there, or
what follows it may not be: a reader of whom one record was trimmed, or flushed with the server,
starts anew with all groups. While a group's entries are being given, `/` and the last id given
follow, nothing after it at the beginning. An entry is in one group, so the order of its changes is
the log's; between groups there is none.
"""

import re
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from proxy.core.changes import Added, Change, Changes, Forgotten, Removed
from proxy.core.model import Entry
from proxy.tiers.entrycodec import EntryCodec
from proxy.tiers.rediscluster import together
from proxy.tiers.redislink import Group, Groups, RedisLink
from proxy.tiers.redisscripts import HEAD

READ_AT_ONCE: Final = 32
"""Entries fetched together: reading a long one takes 0.1 ms, and the loop does nothing else."""

_AT: Final = re.compile(r"(\d{1,19}-\d{1,19})(?:/(.*))?", re.DOTALL)

Decode = Callable[[str, bytes | None], Awaitable[Entry | None]]
"""From an id and its bytes to the entry; None when there is none, or none to be served."""


@dataclass(frozen=True, slots=True)
class _At:
    """Where a reader is in one group: a record, and which ids it was given; None when all were."""

    record: str
    last_id: str | None

    def __str__(self) -> str:
        return self.record if self.last_id is None else f"{self.record}/{self.last_id}"


@dataclass(frozen=True, slots=True)
class _Stretch:
    """What a read of one group gave: the changes, where it ended, and whether there is more."""

    items: Sequence[Change]
    at: _At
    more: bool


class RedisLog:
    """Reads the streams of all groups.

    Args:
        link: The way to Redis.
        groups: Whose streams these are.
        decode: Reads an entry.
        codec: Reads what is forgotten.
    """

    def __init__(self, link: RedisLink, groups: Groups, decode: Decode, codec: EntryCodec) -> None:
        self._link = link
        self._groups = groups
        self._decode = decode
        self._codec = codec

    async def changes(self, after: str | None, limit: int) -> Changes:
        """The log after a position, at most `limit` records or entries at once.

        While a reader that starts anew is being given all entries, its position is the head of the
        log when it began and the last id it was given: what changes under it comes after the head.
        """
        where = self._parsed(after or "")
        records: list[list[Any] | None] = await self._records(where, limit) if where else []
        is_reset = where is None or None in records
        if where is None or is_reset:
            where = [_At(head, "") for head in await self._heads()]
            records = [[] for _ in where]
        items: list[Change] = []
        more = False
        for number, (group, at, found) in enumerate(zip(self._groups, where, records, strict=True)):
            stretch = await self._stretch(group, at, found or [], limit - len(items))
            items += stretch.items
            where[number] = stretch.at
            more = more or stretch.more
        return Changes(tuple(items), ",".join(map(str, where)), reset=is_reset, more=more)

    def _parsed(self, after: str) -> list[_At] | None:
        matches = [_AT.fullmatch(part) for part in after.split(",")]
        if len(matches) != len(self._groups) or None in matches:
            return None
        return [_At(*match.groups()) for match in matches if match is not None]

    async def _heads(self) -> list[str]:
        heads = await together([self._link.run(HEAD, [group.log]) for group in self._groups])
        return [head.decode() for head in heads]

    async def _records(self, where: Sequence[_At], limit: int) -> list[list[Any] | None]:
        """Of each group what follows its position; None where the position is not in the log."""
        asked = []
        for group, at in zip(self._groups, where, strict=True):
            # The position's own record comes first; one more than asked says if there is more.
            most = 1 if at.last_id is not None else limit + 2
            asked += [(group.log, "XRANGE", group.log, at.record, "+", "COUNT", most)]
        found = await self._link.ask_each("xrange", asked)
        return [
            records[1:] if records and records[0][0].decode() == at.record else None
            for at, records in zip(where, found, strict=True)
        ]

    async def _stretch(self, group: Group, at: _At, records: list[Any], limit: int) -> _Stretch:
        if limit <= 0:
            return _Stretch((), at, more=bool(records) or at.last_id is not None)
        if at.last_id is not None:
            return await self._scan(group, at, limit)
        if not records:
            return _Stretch((), at, more=False)
        return await self._tail(group, records, limit)

    async def _scan(self, group: Group, at: _At, limit: int) -> _Stretch:
        after = f"({at.last_id}" if at.last_id else "-"
        ids = await self._link.ask(
            group.vectors, "ZRANGE", group.vectors, after, "+", "BYLEX", "LIMIT", 0, limit
        )
        found = await self._added(group, ids)
        items = [item for item in found.values() if item is not None]
        last_id = ids[-1].decode() if len(ids) == limit else None
        return _Stretch(items, replace(at, last_id=last_id), more=True)  # at least what came since

    async def _tail(self, group: Group, records: list[Any], limit: int) -> _Stretch:
        taken = records[:limit]
        ids = [fields[b"id"] for _, fields in taken if fields[b"op"] == b"+"]
        added = await self._added(group, ids)
        items: list[Change] = []
        for _, fields in taken:
            item = self._change(fields, added)
            items += [item] if item else []
        return _Stretch(items, _At(taken[-1][0].decode(), None), more=len(records) > limit)

    def _change(
        self, fields: dict[bytes, bytes], added: dict[bytes, Added | None]
    ) -> Change | None:
        if fields[b"op"] == b"-":
            return Removed(fields[b"id"].decode())
        if fields[b"op"] == b"f":
            return Forgotten(self._codec.read(fields[b"selector"]))
        # None: the log's first record; or an entry that is gone, as told further on.
        return added.get(fields.get(b"id", b""))

    async def _added(self, group: Group, ids: Sequence[bytes]) -> dict[bytes, Added | None]:
        added: dict[bytes, Added | None] = {}
        for at in range(0, len(ids), READ_AT_ONCE):
            some = ids[at : at + READ_AT_ONCE]
            keys = [group.entry(entry_id.decode()) for entry_id in some]
            found = await self._link.ask(keys[0], "MGET", *keys)
            for entry_id, data in zip(some, found, strict=True):
                added[entry_id] = Added.of(await self._decode(entry_id.decode(), data))
        return added
