"""Entries as Redis has them, sealed with their tenants' salts.

The salts are a hash of the first group, `<prefix>:{0}:salts`: tenant -> salt. Whoever deletes one
has made unreadable all that was sealed with it. A salt is remembered here until the change log says
that its tenant is forgotten; bytes that it does not open may be of a newer one, which is asked for
once. An answer that is sealed with a salt just deleted elsewhere is one that nobody reads: a miss.
"""

import asyncio
import os
from collections.abc import Iterable, Mapping
from typing import Final

from proxy.core.changes import ALL_TENANTS, Changes, Forgotten, Selector
from proxy.core.model import Entry
from proxy.tiers.codec import INLINE
from proxy.tiers.entrycodec import EntryCodec
from proxy.tiers.redislink import Groups, RedisLink, Script
from proxy.tiers.sealed import SALT_BYTES, SealError

SALTS: Final = 100_000
"""Most tenants whose salt is remembered."""

SALT: Final = Script(
    "salt",
    """
-- KEYS: salts. ARGV: tenant; a new salt. Gives the one that holds.
redis.call('HSETNX', KEYS[1], ARGV[1], ARGV[2])
return redis.call('HGET', KEYS[1], ARGV[1])
""",
)


class RedisSealing:
    """Entries to bytes and back, for all that read and write those of one prefix.

    Args:
        link: The way to Redis.
        prefix: Begins every key.
        codec: From entries to bytes and back; None stores them in clear.
    """

    def __init__(self, link: RedisLink, prefix: str, codec: EntryCodec | None = None) -> None:
        self.codec = codec or EntryCodec()
        self._link = link
        self._key = f"{next(iter(Groups(prefix, link.groups))).prefix}salts"
        self._salts: dict[str, bytes] = {}
        self._forgettings = 0

    async def encoded(self, entry: Entry) -> bytes:
        """The entry's bytes as they are stored; its tenant gets a salt if it has none.

        Raises:
            ValueError: The entry is private.
            TierError: It has no bytes, or the salt cannot be had.
        """
        salt = b"" if self.codec.ring is None else await self._made(entry.tenant)
        if entry.answer.size <= INLINE:
            return self._sealed(entry, salt)
        return await asyncio.to_thread(self._sealed, entry, salt)

    def _sealed(self, entry: Entry, salt: bytes) -> bytes:
        data = self.codec.encode(entry)
        return self.codec.sealed(data, entry.id, entry.tenant, salt)

    async def decoded(self, entry_id: str, data: bytes) -> Entry:
        """The entry of this id that these bytes are. Raises CodecError when they are none."""
        tenant = self.codec.owner_of(data)
        known = None if tenant is None else self._salts.get(tenant)
        try:
            return await self._decoded(entry_id, data, known)
        except SealError:
            if tenant is None or (salt := await self._asked(tenant)) == known:
                raise
            return await self._decoded(entry_id, data, salt)

    async def _decoded(self, entry_id: str, data: bytes, salt: bytes | None) -> Entry:
        if len(data) <= INLINE:
            return self.codec.decode(entry_id, data, salt)
        return await asyncio.to_thread(self.codec.decode, entry_id, data, salt)

    async def salts_for(self, found: Iterable[bytes | None]) -> Mapping[str | None, bytes]:
        """By `EntryCodec.owner_of` the salts, as they are now, that it takes to decode these."""
        owners = {self.codec.owner_of(data) for data in found if data is not None} - {None}
        tenants = [tenant for tenant in owners if tenant is not None]
        if not tenants:
            return {}
        salts = await self._link.ask(self._key, "HMGET", self._key, *tenants)
        return {one: salt for one, salt in zip(tenants, salts, strict=True) if salt is not None}

    async def forget(self, selector: Selector) -> None:
        """Delete the salt of a tenant that is forgotten whole, or all salts; else a no-op."""
        if not selector.is_tenant:
            return
        # Before the log tells of it: who hears of it asks for the new one, not for this again.
        if selector.tenant == ALL_TENANTS:
            await self._link.ask(self._key, "DEL", self._key)
        else:
            await self._link.ask(self._key, "HDEL", self._key, selector.tenant)
        self._drop(selector.tenant)

    def heard(self, changes: Changes) -> None:
        """Forget the salts that the change log says were deleted."""
        if changes.reset:
            self._drop(ALL_TENANTS)
        for item in changes.items:
            if isinstance(item, Forgotten) and item.selector.is_tenant:
                self._drop(item.selector.tenant)

    def _drop(self, tenant: str) -> None:
        self._forgettings += 1
        if tenant == ALL_TENANTS:
            self._salts.clear()
        self._salts.pop(tenant, None)

    async def _made(self, tenant: str) -> bytes:
        known = self._salts.get(tenant)
        if known is not None:
            return known
        before = self._forgettings
        salt = await self._link.run(SALT, [self._key], tenant, os.urandom(SALT_BYTES))
        return self._remembered(tenant, bytes(salt), before)

    async def _asked(self, tenant: str) -> bytes | None:
        before = self._forgettings
        salt = await self._link.ask(self._key, "HGET", self._key, tenant)
        if salt is None:
            self._salts.pop(tenant, None)
            return None
        return self._remembered(tenant, bytes(salt), before)

    def _remembered(self, tenant: str, salt: bytes, forgettings: int) -> bytes:
        """The salt, which is known from now on unless one was forgotten while it was asked for."""
        if forgettings == self._forgettings:
            if len(self._salts) >= SALTS:
                self._salts.clear()
            self._salts[tenant] = salt
        return salt
