"""The keys that what is stored is sealed with: the first seals, all of them open.

A key of the ring seals nothing itself. Of it, of a tenant's name and of a tenant's salt a key is
derived (HKDF, RFC 5869) that holds for this tenant alone: who forgets the salt has forgotten what
was sealed with it. All that stands before the ciphertext is authenticated with it, and so is the
place where the bytes are kept: they open nowhere else.

Nonces are random. One derived key may seal 2**32 times (NIST SP 800-38D, 8.3): a tenant that stores
a thousand answers a second needs another key in the ring after seven weeks.
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from proxy.tiers import sealed
from proxy.tiers.sealed import SealError

KEY_BYTES: Final = 32
NONCE_BYTES: Final = 12

DERIVED: Final = 4096
"""Derived keys at hand: to derive one takes longer than to seal an answer."""


@dataclass(frozen=True, slots=True)
class Key:
    """One key of a ring.

    Attributes:
        id: Its name, which stands in clear in what it has sealed.
        secret: 32 random bytes.
    """

    id: str
    secret: bytes = field(repr=False)


class Keyring:
    """Seals and opens. Safe from several threads.

    Args:
        keys: The first seals, all of them open.
    """

    def __init__(self, keys: Sequence[Key]) -> None:
        self._first = keys[0]
        self._secrets = {key.id: key.secret for key in keys}
        self.cipher = lru_cache(DERIVED)(self._cipher)
        """The cipher of a derived key, by the ring's key's id, what it is for, and a salt.

        Raises SealError for a key that is not in the ring.
        """

    def _cipher(self, key_id: str, info: bytes, salt: bytes) -> AESGCM:
        secret = self._secrets.get(key_id)
        if secret is None:
            raise SealError(f"sealed with the key {key_id!r}, which is not in the ring")
        return AESGCM(HKDF(SHA256(), KEY_BYTES, salt, b"reprise " + info).derive(secret))

    @property
    def first(self) -> str:
        """The id of the key that seals."""
        return self._first.id

    def seal(self, plain: bytes, *, place: str, tenant: str = "", salt: bytes = b"") -> bytes:
        """The bytes, to be read by nobody without the ring and the salt, and in no other place."""
        key_id, owner = self.first.encode(), tenant.encode()
        head = sealed.head(key_id, owner)
        nonce = os.urandom(NONCE_BYTES)
        cipher = self.cipher(self.first, _info(owner), salt)
        return head + nonce + cipher.encrypt(nonce, plain, head + place.encode())

    def open(self, data: bytes, *, place: str, salt: bytes = b"") -> bytes:
        """What was sealed for this place. Raises SealError for anything else."""
        key_id, owner, at = sealed.read_head(data)
        nonce, rest = data[at : at + NONCE_BYTES], data[at + NONCE_BYTES :]
        cipher = self.cipher(key_id.decode(errors="replace"), _info(owner), salt)
        try:
            return cipher.decrypt(nonce, rest, data[:at] + place.encode())
        except (InvalidTag, ValueError):
            raise SealError("its seal is broken, or is of another place or salt") from None


def _info(tenant: bytes) -> bytes:
    return b"tenant " + tenant
