"""The shared tier on a Redis server: for several replicas.

Every write is one Lua script, so entry, indexes and log record change together or not at all; a
read is one GET. Keys, of which one group holds everything::

    <prefix>:{0}:e:<id>    the entry's bytes; expires by itself
    <prefix>:{0}:about     hash: id -> what a selector asks about it
    <prefix>:{0}:kept      sorted set: id by `kept_until`; `expire` follows it
    <prefix>:{0}:vectors   sorted set, all scores 0: ids that have a vector, to be paged by id
    <prefix>:{0}:log       stream: the change log

`{0}` is a hash tag: the keys that a script touches share one slot of a cluster. A cluster would
have several such groups, an entry's chosen by its id, and one position for each log.

A position is the stream id of the last record read. The record is still there, or what follows it
may not be: a reader whose record was trimmed, or flushed with the server, starts anew.

The server must not evict keys that have no lifetime (`noeviction` or a `volatile-` policy): indexes
and log have none. What a crash of the server costs is its own persistence's business.
"""

import re
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final

import orjson
from redis.asyncio import Redis
from redis.exceptions import RedisError

from proxy.core.model import Added, Answer, Changes, Entry, Removed, Selector
from proxy.errors import TierError
from proxy.ports import Clock
from proxy.tiers import OnEvent
from proxy.tiers.codec import CodecError, decode, encode
from proxy.tiers.redisclient import Access, Client, client

PAGE: Final = 256
"""Entries a script removes: the server does nothing else meanwhile."""
SCAN: Final = 1000
START: Final = "0-0"
"""The position in a log that has no record yet."""
LAST_MS: Final = 253_402_300_799_000
"""The year 9999: what is kept longer does not expire by itself."""

_POSITION: Final = re.compile(r"(\d{1,19}-\d{1,19})(?:/(.+))?", re.DOTALL)

# KEYS of all three: about, kept, vectors, log.
# ARGV: entry key, id, bytes, expiry in ms or "", kept_until, about, "1" with a vector, log records.
_PUT: Final = """
local was_known = redis.call('HEXISTS', KEYS[1], ARGV[2])
if ARGV[4] == '' then redis.call('SET', ARGV[1], ARGV[3])
else redis.call('SET', ARGV[1], ARGV[3], 'PXAT', ARGV[4]) end
redis.call('HSET', KEYS[1], ARGV[2], ARGV[6])
redis.call('ZADD', KEYS[2], ARGV[5], ARGV[2])
local op = nil
if ARGV[7] == '1' then
  redis.call('ZADD', KEYS[3], 0, ARGV[2])
  op = '+'
else
  redis.call('ZREM', KEYS[3], ARGV[2])
  -- What it replaces may be in an index, and is in session tiers.
  if was_known == 1 then op = '-' end
end
if op then redis.call('XADD', KEYS[4], 'MAXLEN', '~', ARGV[8], '*', 'id', ARGV[2], 'op', op) end
"""

_REMOVE: Final = """
local function remove(id)
  redis.call('DEL', ARGV[1] .. id)
  redis.call('HDEL', KEYS[1], id)
  redis.call('ZREM', KEYS[2], id)
  redis.call('ZREM', KEYS[3], id)
  redis.call('XADD', KEYS[4], '*', 'id', id, 'op', '-')
end
"""

# ARGV: entry key prefix, then id and about of each. What was refreshed meanwhile stays.
_PURGE: Final = f"""{_REMOVE}
local removed = {{}}
for at = 2, #ARGV, 2 do
  if redis.call('HGET', KEYS[1], ARGV[at]) == ARGV[at + 1] then
    remove(ARGV[at])
    removed[#removed + 1] = ARGV[at]
  end
end
return removed
"""

# ARGV: entry key prefix, now, most entries.
_EXPIRE: Final = f"""{_REMOVE}
local over = redis.call('ZRANGEBYSCORE', KEYS[2], '-inf', ARGV[2], 'LIMIT', 0, ARGV[3])
for _, id in ipairs(over) do remove(id) end
return #over
"""


class RedisTier:
    """A `SharedTier` on a Redis 6.2 or newer, standalone or under Sentinel.

    Args:
        url: `redis://`, `rediss://`, `unix://`, `redis+sentinel://` or `rediss+sentinel://`.
        prefix: Begins every key.
        clock: The time now.
        on_event: Hears `entry_unreadable`.
        log_records: Change log records kept; a reader further behind starts anew.
        timeout_s: Longest wait for one answer, for a new connection, and for a free one.
        max_connections: Most connections; further commands wait for one.
        access: Certificates, the sentinels' password, and the name connections have.
    """

    def __init__(
        self,
        url: str,
        *,
        prefix: str,
        clock: Clock,
        on_event: OnEvent,
        log_records: int = 100_000,
        timeout_s: float = 1.0,
        max_connections: int = 32,
        access: Access = Access(),  # noqa: B008 - it is frozen
    ) -> None:
        self._url = url
        self._clock = clock
        self._on_event = on_event
        self._log_records = max(1, log_records)
        self._timeout_s = timeout_s
        self._max_connections = max_connections
        self._access = access
        group = f"{prefix}:{{0}}:"
        self._entry_prefix = f"{group}e:"
        self._about, self._kept = f"{group}about", f"{group}kept"
        self._vectors, self._log = f"{group}vectors", f"{group}log"
        self._keys = (self._about, self._kept, self._vectors, self._log)
        self._client: Client | None = None

    async def start(self) -> None:
        """Connect, or prove that the server answers. Raises TierError when it does not."""
        with _mapped():
            if self._client is None:
                made = await client(
                    self._url,
                    self._access,
                    timeout_s=self._timeout_s,
                    max_connections=self._max_connections,
                )
                # Of two starts at once the first made it; a client never used holds nothing.
                self._client = self._client or made
            await self._ask("PING")

    async def close(self) -> None:
        """Close all connections; a tier never started is a no-op."""
        closing, self._client = self._client, None
        if closing is not None:
            with _mapped():
                await closing.close()

    async def get(self, scope: str, key: str) -> Entry | None:
        """The entry of this key if it is in this scope and not past `kept_until`."""
        with _mapped():
            data = await self._ask("GET", self._entry_prefix + key)
        entry = self._decode(key, data)
        return entry if entry is not None and entry.scope == scope else None

    async def put(self, entry: Entry) -> None:
        """Store and log it in one script.

        Raises:
            ValueError: The entry is private.
            TierError: It could not be written.
        """
        data = encode(entry)
        expiry = entry.kept_until * 1000
        with _mapped():
            await self._script(
                _PUT,
                self._entry_prefix + entry.id,
                entry.id,
                data,
                max(1, int(expiry)) if expiry < LAST_MS else "",
                entry.kept_until,
                _about(entry),
                int(entry.vector is not None),
                self._log_records,
            )

    async def purge(self, selector: Selector, *, dry_run: bool = False) -> Sequence[str]:
        """Delete and log what the selector means; an entry refreshed under it stays."""
        purged: dict[str, None] = {}  # a scan may show an entry twice
        with _mapped():
            async for page in self._pages(selector):
                meant = [pair for pair in page if selector.matches(_described(*pair))]
                for at in range(0, len(meant), PAGE):
                    pairs = meant[at : at + PAGE]
                    ids = [entry_id for entry_id, _ in pairs]
                    if not dry_run:
                        flat = [part for pair in pairs for part in pair]
                        ids = await self._script(_PURGE, self._entry_prefix, *flat)
                    purged.update(dict.fromkeys(map(_text, ids)))
        return list(purged)

    async def _pages(self, selector: Selector) -> AsyncIterator[list[tuple[bytes, bytes]]]:
        """Id and description of what the selector may mean, page by page."""
        for at in range(0, len(selector.ids), SCAN):
            ids = selector.ids[at : at + SCAN]
            about = await self._ask("HMGET", self._about, *ids)
            yield [
                (entry_id.encode(), found)
                for entry_id, found in zip(ids, about, strict=True)
                if found is not None
            ]
        cursor: int | None = None if selector.ids else 0
        while cursor is not None:
            after, page = await self._ask("HSCAN", self._about, cursor, "COUNT", SCAN)
            cursor = int(after) or None
            yield list(page.items())

    async def expire(self, now: float) -> int:
        """Remove from indexes and log what Redis has expired or `now` says it will; trim."""
        expired = 0
        with _mapped():
            while page := int(await self._script(_EXPIRE, self._entry_prefix, now, PAGE)):
                expired += page
            await self._ask("XTRIM", self._log, "MAXLEN", self._log_records)
        return expired

    async def changes(self, after: str | None, limit: int) -> Changes:
        """The log after a position, at most `limit` records or entries at once.

        While a reader that starts anew is being given all entries, its position is the head of the
        log when it began and the last id it was given: what changes under it comes after the head.
        """
        limit = max(1, limit)
        match = _POSITION.fullmatch(after or "")
        with _mapped():
            if match is None:
                return await self._scan(await self._head(), "", limit, reset=True)
            position, last_id = match.groups()
            # The position's own record comes first; one more than asked says whether there is more.
            records = await self._ask("XRANGE", self._log, position, "+", "COUNT", limit + 2)
            if [_text(at) for at, _ in records[:1]] != [at for at in [position] if at != START]:
                return await self._scan(await self._head(), "", limit, reset=True)
            if last_id is not None:
                return await self._scan(position, last_id, limit)
            return await self._tail(records[1:], position, limit)

    async def _head(self) -> str:
        last = await self._ask("XREVRANGE", self._log, "+", "-", "COUNT", 1)
        return _text(last[0][0]) if last else START

    async def _scan(self, head: str, last_id: str, limit: int, *, reset: bool = False) -> Changes:
        after = f"({last_id}" if last_id else "-"
        ids = await self._ask("ZRANGE", self._vectors, after, "+", "BYLEX", "LIMIT", 0, limit)
        found = await self._added(ids)
        items = tuple(item for item in found.values() if item is not None)
        if len(ids) == limit:
            return Changes(items, f"{head}/{_text(ids[-1])}", reset=reset, more=True)
        return Changes(items, head, reset=reset, more=await self._head() != head)

    async def _tail(self, records: list[Any], position: str, limit: int) -> Changes:
        taken = [(_text(at), fields) for at, fields in records[:limit]]
        added = await self._added([fields[b"id"] for _, fields in taken if fields[b"op"] == b"+"])
        items: list[Added | Removed] = []
        for _, fields in taken:
            # An added entry that is gone since has its removal further on.
            is_added = fields[b"op"] == b"+"
            item = added[fields[b"id"]] if is_added else Removed(_text(fields[b"id"]))
            items += [item] if item else []
        position = taken[-1][0] if taken else position
        return Changes(tuple(items), position, more=len(records) > limit)

    async def _added(self, ids: Sequence[bytes]) -> dict[bytes, Added | None]:
        if not ids:
            return {}
        keys = [self._entry_prefix + _text(entry_id) for entry_id in ids]
        found = await self._ask("MGET", *keys)
        return {
            entry_id: _change(self._decode(_text(entry_id), data))
            for entry_id, data in zip(ids, found, strict=True)
        }

    def _decode(self, key: str, data: bytes | None) -> Entry | None:
        """The entry if it is whole, this key's, and still kept; the next put mends another."""
        if data is None:
            return None
        try:
            entry = decode(data)
        except CodecError as error:
            self._on_event("entry_unreadable", tier="redis", reason=str(error))
            return None
        if entry.id != key:
            self._on_event("entry_unreadable", tier="redis", reason="entry is another's")
            return None
        return entry if entry.kept_until > self._clock() else None

    @property
    def _redis(self) -> Redis:
        if self._client is None:
            raise TierError("redis: not started")
        return self._client.redis

    async def _ask(self, *command: Any) -> Any:  # noqa: ANN401 - as Redis answers
        return await self._redis.execute_command(*command)  # type: ignore[no-untyped-call]

    async def _script(self, script: str, *args: Any) -> Any:  # noqa: ANN401 - as Redis answers
        return await self._redis.register_script(script)(keys=self._keys, args=args)


@contextmanager
def _mapped() -> Iterator[None]:
    try:
        yield
    except (RedisError, OSError, ValueError) as error:  # ValueError: a URL that is none
        raise TierError(f"redis: {error}") from error


def _text(data: bytes | str) -> str:
    return data.decode() if isinstance(data, bytes) else data


def _about(entry: Entry) -> bytes:
    return orjson.dumps(
        [entry.scope, entry.tenant, entry.namespace, entry.model, entry.created_at, entry.tags]
    )


def _described(entry_id: bytes, about: bytes) -> Entry:
    """What a selector looks at, so that `Selector.matches` is the only reading of it."""
    scope, tenant, namespace, model, created_at, tags = orjson.loads(about)
    return Entry(
        id=entry_id.decode(),
        scope=scope,
        tenant=tenant,
        namespace=namespace,
        model=model,
        question="",
        answer=Answer(b""),
        created_at=created_at,
        expires_at=0.0,
        kept_until=0.0,
        tags=tuple(tags),
    )


def _change(entry: Entry | None) -> Added | None:
    if entry is None or entry.vector is None:
        return None
    return Added(
        entry.id, entry.scope, entry.question, entry.vector, entry.embedder, entry.kept_until
    )
