"""Which request headers say who asks: the caller's credential, and the account it is used for."""

import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Final

from proxy.core.model import digest

KEYS: Final = ("authorization", "api-key", "x-api-key")
"""Where OpenAI, Azure and Anthropic clients put their key."""

ACCOUNTS: Final = ("openai-organization", "openai-project", "anthropic-workspace-id")
"""Which of a key's accounts is meant: answers do not cross them."""

_LOOKS_SECRET: Final = re.compile(r"auth|api-?key|virtual-?key|token|secret|credential")
"""Others have headers of their own: `x-goog-api-key`, `helicone-auth`, `x-portkey-virtual-key`."""


def is_personal(name: str) -> bool:
    """Whether a header (lower case) is for the origin that its sender knows, and for no other."""
    return name in ACCOUNTS or name == "cookie" or _looks_secret(name)


@lru_cache(maxsize=1024)
def _looks_secret(name: str) -> bool:
    """Remembered, as nearly all requests have the same few headers."""
    return _LOOKS_SECRET.search(name) is not None


def digest_of(headers: Mapping[str, str], key: bytes = b"") -> str:
    """Of all that says who asks, and for which account. Cookies do not: many are set by the origin.

    Args:
        headers: By lower-case name. What is not UTF-8 in a value is escaped (PEP 383).
        key: `cache.tenant_key`.
    """
    told = [headers.get(name, "") for name in KEYS + ACCOUNTS]
    return digest(*(_bytes(value) for value in (*told, *_others(headers))), key=key)


def tenant_named(name: str, key: bytes = b"", headers: Mapping[str, str] | None = None) -> str:
    """The tenant that somebody who is trusted names, in place of its credential.

    Args:
        name: The name.
        key: `cache.tenant_key`.
        headers: By lower-case name, where the origin's accounts tell tenants apart, and other
            credentials, but what stands in `KEYS`.
    """
    headers = headers or {}
    told = [part for one in ACCOUNTS if one in headers for part in (one, headers[one])]
    parts = (name, *told, *_others(headers))
    return digest(b"tenant", *(_bytes(value) for value in parts), key=key)


def _others(headers: Mapping[str, str]) -> Iterator[str]:
    """Name and value of each other header that looks like a credential."""
    for name in sorted(headers):
        if name not in KEYS and _looks_secret(name):
            yield name
            yield headers[name]


def _bytes(value: str) -> bytes:
    return value.encode(errors="surrogateescape")
