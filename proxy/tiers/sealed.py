"""How sealed bytes begin, which stands in clear; `keyring` opens them.

Integers little endian::

    magic "RPS"  version  key id length  tenant length (2)  key id  tenant  nonce (12)  AES-GCM
"""

import struct
from typing import Final

from proxy.tiers.codec import CodecError

VERSION: Final = 1
MAGIC: Final = b"RPS"
SALT_BYTES: Final = 32

_HEAD: Final = struct.Struct("<3sBBH")


class SealError(CodecError):
    """These bytes cannot be opened here: in clear, of a key that is not there, or changed."""


def is_sealed(data: bytes) -> bool:
    """Whether these bytes are, by how they begin."""
    return data.startswith(MAGIC)


def tenant_of(data: bytes) -> str:
    """Whose salt opens these bytes. Raises SealError where they are not sealed."""
    return read_head(data)[1].decode(errors="replace")


def head(key_id: bytes, tenant: bytes) -> bytes:
    """All that stands before the nonce."""
    return _HEAD.pack(MAGIC, VERSION, len(key_id), len(tenant)) + key_id + tenant


def read_head(data: bytes) -> tuple[bytes, bytes, int]:
    """Key id, tenant, and where the nonce begins. Raises SealError where nothing is sealed."""
    try:
        magic, version, key_length, tenant_length = _HEAD.unpack_from(data)
    except (struct.error, TypeError):  # TypeError: a damaged file may hold a number
        raise SealError("truncated") from None
    if (magic, version) != (MAGIC, VERSION):
        raise SealError("in clear, or sealed by another version")
    at = _HEAD.size
    key_id, tenant = data[at : at + key_length], data[at + key_length :][:tenant_length]
    return key_id, tenant, at + key_length + tenant_length
