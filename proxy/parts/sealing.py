"""Builds what seals stored things, as configured.

A part of the composition root, apart because the index is sealed as the entries are.
"""

from typing import TYPE_CHECKING

from proxy.config import Config
from proxy.tiers.entrycodec import EntryCodec

if TYPE_CHECKING:
    from proxy.tiers.keyring import Keyring


def keyring(config: Config) -> "Keyring | None":
    """The keys that what is stored is sealed with; None where it is stored in clear."""
    keys = config.cache.encryption.keys
    if not keys:
        return None
    from proxy.tiers.keyring import Key, Keyring  # noqa: PLC0415 - only where there are keys

    return Keyring([Key(one.id, one.secret) for one in keys])


def codec(config: Config) -> EntryCodec:
    """From entries to bytes and back."""
    return EntryCodec(keyring(config), keeps_questions=config.cache.store_questions)
