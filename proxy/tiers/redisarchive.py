"""Whole entries on Redis: read in the order of their ids, and put back.

No key has the ids in order, and to have the server sort them would stop it for as long. So the ids
are scanned, and the first of them kept and sorted here, as many as `SORTED`; the next scan takes
those that follow. However many there are, no more than twice as many are held.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Mapping, Sequence
from heapq import merge
from itertools import groupby, islice
from typing import Final

from proxy.core.changes import Selector
from proxy.core.model import Entry
from proxy.ports import Clock
from proxy.tiers.codec import CodecError
from proxy.tiers.entrycodec import EntryCodec
from proxy.tiers.redis import RedisTier, is_meant
from proxy.tiers.rediscluster import together
from proxy.tiers.redislink import Groups, RedisLink, mapped
from proxy.tiers.redispurges import RedisPurges
from proxy.tiers.redissealing import RedisSealing

SORTED: Final = 200_000
"""Ids of one scan, about 20 MB."""

SCAN: Final = 1000
"""Descriptions read by one command."""

AT_ONCE: Final = 50
"""Entries read by one command."""

TOGETHER: Final = 8
"""Entries put back at a time: with many more the loop would have no time for callers."""


class RedisArchive:
    """An `Archive` of what a `RedisTier` of the same prefix stores.

    Args:
        tier: Stores what is put back.
        link: The way to Redis; started and closed with the tier.
        prefix: Begins every key.
        clock: The time now.
        most: Ids of one scan.
        sealing: As the tier's.
    """

    def __init__(
        self,
        tier: RedisTier,
        link: RedisLink,
        *,
        prefix: str,
        clock: Clock,
        most: int = SORTED,
        sealing: RedisSealing | None = None,
    ) -> None:
        self._tier = tier
        self._link = link
        self._clock = clock
        self._groups = Groups(prefix, link.groups)
        self._sealing = sealing or RedisSealing(link, prefix)
        told = link.name, self._groups.log_channel
        self._purges = RedisPurges(link, self._groups, told, self._sealing.codec)
        self._most = most

    async def pages(self, selector: Selector) -> AsyncGenerator[Sequence[Entry]]:
        """What is meant, in the order of the ids, a few at a time."""
        after, count = b"", self._most
        while count == self._most:
            count = 0
            ids = await self._following(selector, after)
            while some := list(islice(ids, AT_ONCE)):
                after, count = some[-1], count + len(some)
                if entries := await self._read(some):
                    yield entries

    async def _following(self, selector: Selector, after: bytes) -> Iterator[bytes]:
        """The first ids after this one, in order."""
        first = _First(self._most, after)
        async for page in self._scanned(selector):
            first.take(page)
            if first.is_full:
                await asyncio.to_thread(first.cut)
        return first.ids()

    async def _scanned(self, selector: Selector) -> AsyncIterator[list[bytes]]:
        """The ids that are meant, in no order; one may come twice."""
        for group in self._groups:
            cursor: int | None = 0
            purges = await self._purges.of(group)
            while cursor is not None:
                next_cursor, page = await self._link.ask(
                    group.about, "HSCAN", group.about, cursor, "COUNT", SCAN
                )
                cursor = int(next_cursor) or None
                with mapped():
                    meant = [
                        one for one, about in page.items() if is_meant(selector, purges, one, about)
                    ]
                yield meant

    async def _read(self, ids: Sequence[bytes]) -> list[Entry]:
        """Those of these that are there, whole, and still kept."""
        names = [(entry_id.decode(), self._groups.of(entry_id.decode())) for entry_id in ids]
        asked = [(group.entry(key), "GET", group.entry(key)) for key, group in names]
        found = await self._link.ask_each("get", asked)
        salts = await self._sealing.salts_for(found)
        return await asyncio.to_thread(
            _decoded, self._sealing.codec, salts, ids, found, self._clock()
        )

    async def restore(self, entries: Sequence[Entry]) -> Sequence[bool]:
        """Store and log those that nothing as new outdoes. What failed may be stored or not."""
        stored: list[bool] = []
        for at in range(0, len(entries), TOGETHER):
            some = entries[at : at + TOGETHER]
            stored += await together([self._tier.restore(entry) for entry in some])
        return stored


class _First:
    """The first ids after one, of many that come in no order, some of them twice.

    To sort them all at once would hold the loop for a tenth of a second, in a thread as well. They
    are sorted as they come, some hundreds at a time, and merged when they are wanted.

    Args:
        most: How many are wanted; twice as many are held.
        after: Those up to it are not.
    """

    def __init__(self, most: int, after: bytes) -> None:
        self._most = most
        self._after = after
        self._last: bytes | None = None
        self._runs: list[list[bytes]] = []
        self._held = 0

    def take(self, ids: Sequence[bytes]) -> None:
        """Some more."""
        last = self._last
        run = sorted(one for one in ids if one > self._after and (last is None or one < last))
        self._runs.append(run)
        self._held += len(run)

    @property
    def is_full(self) -> bool:
        """Whether it is time to `cut`."""
        return self._held >= 2 * self._most

    def cut(self) -> None:
        """Forget those that are not wanted any more."""
        run = list(self.ids())
        self._runs, self._held = [run], len(run)
        if len(run) == self._most:
            self._last = run[-1]

    def ids(self) -> Iterator[bytes]:
        """Those that are wanted, in order, each once."""
        return islice((one for one, _ in groupby(merge(*self._runs))), self._most)


def _decoded(
    codec: EntryCodec,
    salts: Mapping[str | None, bytes],
    ids: Sequence[bytes],
    found: Sequence[bytes | None],
    now: float,
) -> list[Entry]:
    """Some take a millisecond."""
    entries = []
    for entry_id, data in zip(ids, found, strict=True):
        if data is None:
            continue
        try:
            entry = codec.decode(entry_id.decode(), data, salts.get(codec.owner_of(data)))
        except CodecError:
            continue
        if entry.kept_until > now:
            entries.append(entry)
    return entries
