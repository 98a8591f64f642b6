"""Who of all replicas asks the origin for a key, kept on Redis beside the key's entry.

A lease is a hash in the entry's group, so that `put` can check it in the step that stores. Its
token is the server's time in microseconds, or one more than the key's last token where that is
larger: tokens grow even over a server that has lost what it knew. The server's clock alone says
when a lease lapses.

A lease that is given back is deleted, unless an earlier one of its key had lapsed: that one's
holder may be held up and come back, and is fenced for `FENCE_S` by the token of his successor.
"""

import asyncio
import secrets
from typing import Final

from proxy.core.model import Entry, Lease
from proxy.ports import SharedTier
from proxy.resilience import Deadline
from proxy.tiers.redislink import Groups, RedisLink
from proxy.tiers.redisnews import RedisNews
from proxy.tiers.redisscripts import LEFT, RELEASE, RENEW, TAKE

FENCE_S: Final = 600
"""How late a holder may come back and still be refused."""
MICRO: Final = 1_000_000


class RedisLeases:
    """`Leases` on Redis.

    Args:
        tier: Has the entries.
        link: The way to Redis; the shared tier starts and closes it.
        news: Hears of leases that are given back.
        prefix: Begins every key.
    """

    def __init__(self, tier: SharedTier, link: RedisLink, news: RedisNews, *, prefix: str) -> None:
        self._tier = tier
        self._link = link
        self._news = news
        self._groups = Groups(prefix, link.groups)

    @property
    def are_needless(self) -> bool:
        """Who else uses a server is not known."""
        return False

    async def take(self, key: str, seconds: float) -> Lease | None:
        """The right to ask, for so long; None while somebody else has it."""
        token = await self._link.run(
            TAKE, self._at(key), _micro(seconds), _micro(FENCE_S), secrets.token_hex(8)
        )
        return None if token is None else Lease(key, int(token))

    async def claim(
        self, key: str, seconds: float, scope: str
    ) -> tuple[Lease | None, Entry | None]:
        """The same, and the entry of that key, in one round trip: see `Leases`."""
        looking = self._tier.get(scope, Lease(key, 0).entry_id)
        return await asyncio.gather(self.take(key, seconds), looking)

    async def renew(self, lease: Lease, seconds: float) -> bool:
        """Hold it for so long from now; False when it has passed to somebody else, or lapsed."""
        is_held = await self._link.run(
            RENEW,
            self._at(lease.key),
            _micro(seconds),
            _micro(FENCE_S),
            lease.token,
            self._groups.lease_channel,
            lease.key,
        )
        return bool(is_held)

    async def release(self, lease: Lease) -> None:
        """Give it back, and wake who waits; one that has passed to somebody else is a no-op."""
        await self._link.run(
            RELEASE,
            self._at(lease.key),
            lease.token,
            FENCE_S * 1000,
            self._groups.lease_channel,
            lease.key,
        )

    async def wait(self, key: str, seconds: float) -> bool:
        """Wait for the key's release by its holder; False when it lapses, or after so long."""
        deadline = Deadline(seconds)
        first: bytes | None = None
        while True:
            with self._news.freed(key) as freed:
                token, left = await self._link.run(LEFT, self._at(key))
                first = first or token
                left_s = int(left) / MICRO
                if left_s == 0 or token != first:
                    return False
                try:
                    async with asyncio.timeout(min(left_s, deadline.remaining)):
                        if await freed:
                            return True
                except TimeoutError:
                    if deadline.remaining == 0:
                        return False

    def _at(self, key: str) -> list[str]:
        return [self._groups.of(Lease(key, 0).entry_id).lease(key)]


def _micro(seconds: float) -> int:
    return max(1, round(seconds * MICRO))
