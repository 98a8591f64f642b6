"""Which embedders are in use, and new vectors for stored entries, on Redis.

The record of embedders is one string, `<prefix>:{0}:embedders`. What it becomes is decided here,
and written only if it is still what was read.
"""

from collections.abc import Callable
from typing import Final

from proxy.core.model import Entry
from proxy.core.reembedding import Known, Standing, announced, doubted, dumps, loads, standing
from proxy.errors import TierError
from proxy.ports import Clock
from proxy.tiers.redis import RedisTier
from proxy.tiers.redislink import Groups, RedisLink, Script

TRIES: Final = 20
"""Proxies that may write at the same moment before one of them gives up for now."""

SWAP: Final = Script(
    "swap",
    """
-- KEYS: a string. ARGV: what it was, '' for nothing; what it shall be.
if (redis.call('GET', KEYS[1]) or '') ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[2])
return 1
""",
)


class RedisEmbedders:
    """`Embedders` of what a `RedisTier` of the same prefix stores.

    Args:
        tier: Stores the entries.
        link: The way to Redis; started and closed with the tier.
        prefix: Begins every key.
        clock: The time now, which machines agree on to a few seconds.
    """

    def __init__(self, tier: RedisTier, link: RedisLink, *, prefix: str, clock: Clock) -> None:
        self._tier = tier
        self._link = link
        self._clock = clock
        self._key = f"{next(iter(Groups(prefix, link.groups))).prefix}embedders"

    async def announce(self, embedder: str, *, has_all: bool = False) -> Standing:
        """Say that it is in use; what that means for who uses it."""
        now = self._clock()
        known = await self._become(lambda known: announced(known, embedder, now, has_all=has_all))
        return standing(known, embedder)

    async def doubt(self) -> None:
        """Say that entries have come whose vectors may be another embedder's."""
        await self._become(doubted)

    async def _become(self, change: Callable[[Known], Known]) -> Known:
        for _ in range(TRIES):
            before = await self._link.ask(self._key, "GET", self._key)
            known = change(loads(before))
            if await self._link.run(SWAP, [self._key], before or "", dumps(known)):
                return known
        raise TierError("redis: too many proxies name their embedder at once")

    async def replace(self, entry: Entry) -> bool:
        """Give the stored answer this vector; False where that answer is no longer there."""
        return await self._tier.replace(entry)
