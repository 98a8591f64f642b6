"""The configuration of what is stored sealed, and of the keys that it is sealed with."""

import base64
import binascii
from typing import Annotated, Final

from pydantic import AfterValidator, Field, SecretStr, model_validator
from pydantic_core import PydanticCustomError

from proxy.config.section import Section

KEY_BYTES: Final = 32
EXAMPLE: Final = base64.b64encode(bytes(KEY_BYTES)).decode()


def _decoded(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return b""


def _key(secret: SecretStr) -> SecretStr:
    if len(_decoded(secret.get_secret_value())) != KEY_BYTES:
        raise ValueError(f"must be the base64 of {KEY_BYTES} bytes: openssl rand -base64 32")
    return secret


class EncryptionKey(Section):
    """One key of the ring."""

    id: Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]+$", max_length=32)]
    """Its name, which stands in clear beside what it has sealed."""

    key: Annotated[SecretStr, AfterValidator(_key)] = Field(examples=[EXAMPLE])
    """The base64 of 32 random bytes, from the environment rather than from this file."""

    @property
    def secret(self) -> bytes:
        """The bytes."""
        return _decoded(self.key.get_secret_value())


class Encryption(Section):
    """What is stored sealed."""

    keys: tuple[EncryptionKey, ...] = ()
    """Keys that entries, selectors in the change log and the index's snapshot are sealed with
    (AES-256-GCM): the first seals, all of them open, so that keys can be exchanged while replicas
    run. All replicas need all keys that any of them seals with. Empty leaves everything in clear;
    what was stored in clear before there was a key is not read any more, and removed.
    """

    @model_validator(mode="after")
    def _keys_have_names_of_their_own(self) -> "Encryption":
        names = [one.id for one in self.keys]
        for at, name in enumerate(names):
            if name in names[:at]:
                raise PydanticCustomError("same_id", "is an earlier key's", {"at": ("keys", at)})
        return self
