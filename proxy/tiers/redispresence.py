"""Which processes are there, kept on Redis: one hash, `<prefix>:{0}:replicas`, of them all.

A value is when the process said so, until when it is listed, and its record. Both times are the
server's, in milliseconds, so that the clocks of machines need not agree. The hash ends with the
last of them.
"""

from collections.abc import Sequence
from typing import Final

from proxy.core.presence import Replica, dumps, loads
from proxy.ports import Clock
from proxy.tiers.rediscluster import together
from proxy.tiers.redislink import Groups, RedisLink, Script

MOST_BEHIND: Final = 1000
"""Records of one group's log that are counted: the server does nothing else meanwhile."""

_NOW: Final = """
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
"""

ANNOUNCE: Final = Script(
    "announce",
    f"""{_NOW}
-- KEYS: replicas. ARGV: id, milliseconds, record.
local until_ms = now + ARGV[2]
local value = string.format('%d %d %s', now, until_ms, ARGV[3])
redis.call('HSET', KEYS[1], ARGV[1], value)
if redis.call('PTTL', KEYS[1]) < tonumber(ARGV[2]) then
  redis.call('PEXPIRE', KEYS[1], ARGV[2])
end
return 1
""",
)

PRESENT: Final = Script(
    "present",
    f"""{_NOW}
-- KEYS: replicas. Returns milliseconds since it said so, and the record, of each that is listed.
local found = {{}}
local all = redis.call('HGETALL', KEYS[1])
for at = 1, #all, 2 do
  local seen, until_ms, record = string.match(all[at + 1], '^(%d+) (%d+) (.*)$')
  if seen and tonumber(until_ms) > now then
    found[#found + 1] = now - tonumber(seen)
    found[#found + 1] = record
  else
    redis.call('HDEL', KEYS[1], all[at])
  end
end
return found
""",
)

BEHIND: Final = Script(
    "behind",
    """
-- KEYS: log. ARGV: the last record read, and how many are counted at most. -1 when it is gone.
local found = redis.call('XRANGE', KEYS[1], ARGV[1], '+', 'COUNT', ARGV[2] + 1)
if not found[1] or found[1][1] ~= ARGV[1] then return -1 end
return #found - 1
""",
)


class RedisPresence:
    """A `Presence` on Redis.

    Args:
        link: The way to Redis; the shared tier starts and closes it.
        prefix: Begins every key.
        clock: The time now.
    """

    def __init__(self, link: RedisLink, *, prefix: str, clock: Clock) -> None:
        self._link = link
        self._clock = clock
        self._groups = tuple(Groups(prefix, link.groups))
        self._key = f"{self._groups[0].prefix}replicas"

    async def announce(self, replica: Replica, seconds: float) -> None:
        """Have it listed for so long from now."""
        milliseconds = max(1, round(seconds * 1000))
        await self._link.run(ANNOUNCE, [self._key], replica.id, milliseconds, dumps(replica))

    async def withdraw(self, replica_id: str) -> None:
        """List it no longer; one that is not listed is a no-op."""
        await self._link.ask(self._key, "HDEL", self._key, replica_id)

    async def present(self) -> Sequence[Replica]:
        """All that are listed, in the order of their ids."""
        flat = await self._link.run(PRESENT, [self._key])
        now = self._clock()
        found = [
            replica.seen(now - age / 1000)
            for age, record in zip(flat[::2], flat[1::2], strict=True)
            if (replica := loads(record)) is not None
        ]
        return sorted(found, key=lambda replica: replica.id)

    async def behind(self, position: str | None) -> int | None:
        """How many records of the change log follow; of each group at most `MOST_BEHIND`."""
        records = [part.partition("/")[0] for part in (position or "").split(",")]
        if position is None or len(records) != len(self._groups):
            return None
        asked = zip(self._groups, records, strict=True)
        counted: list[int] = await together(
            [self._link.run(BEHIND, [group.log], record, MOST_BEHIND) for group, record in asked]
        )
        return None if min(counted) < 0 else sum(counted)
