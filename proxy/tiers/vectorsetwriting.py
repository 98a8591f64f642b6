"""Brings entries to where an index of vector sets shall have them, however many write at once.

Whatever is asked for is asked for only where something is missing, and may be repeated: what is
there already costs a look. `proxy.tiers.vectorsetlayout` says where things are.
"""

import asyncio
from collections import OrderedDict
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any, Final

import numpy as np

from proxy.core.changes import Added
from proxy.tiers import OnEvent
from proxy.tiers.rediscluster import together
from proxy.tiers.redislink import RedisLink, Script
from proxy.tiers.vectorsetlayout import Attributes, Layout, counts, outgrown

Exists = Callable[[Sequence[str]], Awaitable[Sequence[str]]]
"""Which of these entries the source of truth has."""

Wanted = Mapping[str, Added | None]
"""What the index shall hold, by entry id; None for nothing."""

PAGE: Final = 100
"""Entries that are looked up and written together."""
AT_ONCE: Final = 2
"""Commands under way at once: the server answers nobody else while it adds a vector."""
SCAN: Final = 1000
REMEMBERED: Final = 10_000
"""Entries added last: as many as another replica may be ahead in the log."""

# KEYS: a vector set. ARGV: ids. How many elements it has, and each id's attributes.
_LOOK: Final = Script(
    "vectors_look",
    """
local found = {redis.call('VCARD', KEYS[1])}
for _, id in ipairs(ARGV) do found[#found + 1] = redis.call('VGETATTR', KEYS[1], id) end
return found
""",
)

# KEYS: a vector set. ARGV: id and attributes of each. What was refreshed meanwhile stays.
_DROP: Final = Script(
    "vectors_drop",
    """
for at = 1, #ARGV, 2 do
  if redis.call('VGETATTR', KEYS[1], ARGV[at]) == ARGV[at + 1] then
    redis.call('VREM', KEYS[1], ARGV[at])
  end
end
""",
)


class SetWriter:
    """Writes an index; every method raises TierError when the server does not answer.

    A vector is added without `CAS`, which would have a thread find its place in the graph: Redis
    8.2.3 keeps that word in its AOF, and aborts when it reads it at the next start.

    Args:
        link: Reaches the server.
        layout: Names the keys.
        quantisation: As VADD names it.
        split_at: Elements a part of a scope holds before there are twice as many parts.
        on_event: Hears `scope_split`.
    """

    def __init__(
        self,
        link: RedisLink,
        layout: Layout,
        *,
        quantisation: str,
        split_at: int,
        on_event: OnEvent,
    ) -> None:
        self._link = link
        self._layout = layout
        self._quantisation = quantisation
        self._split_at = split_at
        self._on_event = on_event
        self._room = asyncio.Semaphore(AT_ONCE)
        self.splits: dict[str, int] = {}
        # Another may forget an entry's scope just before our vector gets there. We read its removal
        # too, and then know where we have put it.
        self._mine: OrderedDict[str, str] = OrderedDict()

    def parts(self, scope: str) -> Sequence[str]:
        """The vector sets of a scope, as of the last time that anything was written."""
        return self._layout.parts(scope, self.splits.get(scope, 1))

    async def read_splits(self) -> None:
        """Learn which scopes have several parts."""
        splits = self._layout.splits
        self.splits = counts(await self._link.ask(splits, "HGETALL", splits))

    async def settle(self, wanted: Wanted) -> int:
        """Bring entries to where they shall be, a page at a time.

        Returns:
            How many more entries the index has than before.
        """
        items = list(wanted.items())
        pages = [dict(items[at : at + PAGE]) for at in range(0, len(items), PAGE)]
        return sum([await self._settle(page) for page in pages])

    async def drop(self, over: Mapping[str, Mapping[str, bytes]]) -> None:
        """Take elements out of their sets, by key, unless their attributes have changed."""
        for key, found in over.items():
            await self._link.run(_DROP, [key], *(part for pair in found.items() for part in pair))

    async def sweep(self, exists: Exists) -> None:
        """Remove what the source of truth does not have."""
        async for page in self._pages():
            if page:
                there = set(await exists(list(page)))
                await self.settle({at: None for at in page if at not in there})

    async def scopes(self) -> set[str]:
        """Those that have entries, and how many parts each has is known afterwards."""
        await self.read_splits()
        return {scope async for page in self._pages() for scope in page.values()}

    async def clear(self) -> None:
        """Delete the index, whoever uses it."""
        scopes = await self.scopes()
        layout = self._layout
        keys = [key for scope in scopes for key in self.parts(scope)]
        await self._together([(key, "UNLINK", key) for key in keys])
        others = (*layout.buckets, layout.splits, layout.state)
        await self._together([(key, "UNLINK", key) for key in others])

    async def count(self) -> int:
        """Entries in the index."""
        buckets = self._layout.buckets
        return sum(await self._together([(bucket, "HLEN", bucket) for bucket in buckets]))

    async def _settle(self, wanted: Wanted) -> int:
        known = await self._known(list(wanted))
        await self.read_splits()
        added = [item for item in wanted.values() if item is not None]
        sizes, there = await self._look(added)
        # Noted first, and forgotten last: an element whose scope is not known stays for ever.
        await self._note({one.id: one.scope for one in added if known.get(one.id) != one.scope})
        left = [
            (key, "VREM", key, at)
            for at, item in wanted.items()
            for scope in {known.get(at), self._mine.get(at)}
            if scope is not None and (item is None or item.scope != scope)
            for key in self.parts(scope)
        ]
        await self._together(left)
        self._remember(wanted)
        await self._together([one for item in added for one in self._adding(item, there[item.id])])
        gone = [at for at, item in wanted.items() if item is None and at in known]
        await self._forget(gone)
        await self._split(sizes, {item.scope for item in added})
        return sum(item.id not in known for item in added) - len(gone)

    def _remember(self, wanted: Wanted) -> None:
        for at, item in wanted.items():
            self._mine.pop(at, None)
            if item is not None:
                self._mine[at] = item.scope
        while len(self._mine) > REMEMBERED:
            self._mine.popitem(last=False)

    def _home(self, item: Added) -> str:
        return self._layout.home(item.scope, item.id, self.splits.get(item.scope, 1))

    def _adding(self, item: Added, there: Attributes | None) -> Iterator[tuple[Any, ...]]:
        """What brings a question to its set, given what that has of it."""
        home, about = self._home(item), Attributes.of(item)
        if there is None or there.vector != about.vector:
            data = np.ascontiguousarray(item.vector, "<f4").tobytes()
            options = (self._quantisation, "SETATTR", about.written())
            yield (home, "VADD", home, "FP32", data, item.id, *options)
            # Where it was before its scope was split.
            others = (key for key in self.parts(item.scope) if key != home)
            yield from ((key, "VREM", key, item.id) for key in others)
        elif there != about:
            yield (home, "VSETATTR", home, item.id, about.written())

    async def _known(self, ids: Sequence[str]) -> dict[str, str]:
        """The scopes in which these entries are."""
        buckets = self._by_bucket(ids)
        answers = await self._together(
            [(bucket, "HMGET", bucket, *members) for bucket, members in buckets.items()]
        )
        return {
            at: scope.decode()
            for members, scopes in zip(buckets.values(), answers, strict=True)
            for at, scope in zip(members, scopes, strict=True)
            if scope is not None
        }

    async def _look(
        self, added: Sequence[Added]
    ) -> tuple[dict[str, int], dict[str, Attributes | None]]:
        """The sizes of the sets where these belong, and what is there of each."""
        homes = sorted((self._home(item), item.id) for item in added)
        sets = {key: [at for _, at in group] for key, group in groupby(homes, lambda one: one[0])}
        answers = await together(
            [self._link.run(_LOOK, [key], *members) for key, members in sets.items()]
        )
        sizes: dict[str, int] = {}
        there: dict[str, Attributes | None] = {}
        for (key, members), (size, *found) in zip(sets.items(), answers, strict=True):
            sizes[key] = size
            there |= {at: Attributes.read(data) for at, data in zip(members, found, strict=True)}
        return sizes, there

    async def _note(self, scopes: Mapping[str, str]) -> None:
        await self._together(
            [
                (bucket, "HSET", bucket, *(part for at in ids for part in (at, scopes[at])))
                for bucket, ids in self._by_bucket(list(scopes)).items()
            ]
        )

    async def _forget(self, ids: Sequence[str]) -> None:
        await self._together(
            [(bucket, "HDEL", bucket, *members) for bucket, members in self._by_bucket(ids).items()]
        )

    def _by_bucket(self, ids: Sequence[str]) -> dict[str, list[str]]:
        buckets: dict[str, list[str]] = {}
        for at in ids:
            buckets.setdefault(self._layout.bucket(at), []).append(at)
        return buckets

    async def _split(self, sizes: Mapping[str, int], scopes: set[str]) -> None:
        """Give more parts to scopes that have outgrown theirs."""
        for scope in scopes:
            parts = self.parts(scope)
            if all(sizes.get(key, 0) < self._split_at for key in parts):
                continue
            held = await self._together([(key, "VCARD", key) for key in parts])
            if (more := outgrown(held, self._split_at)) is not None:
                splits = self._layout.splits
                await self._link.ask(splits, "HSET", splits, scope, more)
                self.splits[scope] = more
                self._on_event("scope_split", scope=scope, parts=more, entries=sum(held))

    async def _pages(self) -> AsyncIterator[dict[str, str]]:
        """Scopes by entry id, a page at a time; what changes meanwhile may be in none or in two."""
        for bucket in self._layout.buckets:
            cursor: int | None = 0
            while cursor is not None:
                after, page = await self._link.ask(bucket, "HSCAN", bucket, cursor, "COUNT", SCAN)
                cursor = int(after) or None
                yield {at.decode(): scope.decode() for at, scope in page.items()}

    async def _together(self, commands: Sequence[tuple[Any, ...]]) -> list[Any]:
        """Ask several at once; each begins with the key by which its server is found."""

        async def one(key: str, *command: Any) -> Any:  # noqa: ANN401 - as Redis answers
            async with self._room:
                return await self._link.ask(key, *command)

        return await together([one(*command) for command in commands])
