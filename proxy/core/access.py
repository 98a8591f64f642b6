"""Keys of the proxy's own: whose a key is, and what it may be used for."""

from __future__ import annotations

from dataclasses import dataclass
from fnmatch import fnmatchcase
from hashlib import sha256
from hmac import compare_digest
from typing import TYPE_CHECKING, Final

from proxy.core.credentials import KEYS
from proxy.errors import ForbiddenError, UnauthorizedError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from proxy.core.quotas import Terms

REALM: Final = 'Bearer realm="reprise"'
"""What a 401 says is wanted (RFC 6750, 3)."""

EVERY: Final = "*"


@dataclass(frozen=True, slots=True)
class Key:
    """A key.

    Attributes:
        name: What the operator calls it.
        digest: SHA-256 of it, in hex.
        tenant: Whose entries and whose quota it uses.
        terms: How much may be asked with it.
        namespaces, models: Those it may use: names or patterns.
    """

    name: str
    digest: str
    tenant: str
    terms: Terms
    namespaces: tuple[str, ...] = (EVERY,)
    models: tuple[str, ...] = (EVERY,)

    @property
    def asks_any_model(self) -> bool:
        """Whether nothing depends on which model is asked."""
        return EVERY in self.models

    def permit(self, namespace: str, models: Iterable[str]) -> None:
        """Raise ForbiddenError unless it may be used there, and for all of these models."""
        if not _is_among(namespace, self.namespaces):
            where = f"the namespace {namespace}" if namespace else "the default namespace"
            raise ForbiddenError(f"This key may not use {where}.", code="namespace_not_allowed")
        for model in models:
            if not _is_among(model, self.models):
                raise ForbiddenError(
                    f"This key may not ask the model {model}.",
                    param="model",
                    code="model_not_allowed",
                )

    def permit_unread(self) -> None:
        """Raise ForbiddenError unless it may send what the proxy does not read."""
        if not self.asks_any_model:
            raise ForbiddenError(
                "This key may only ask some models, and what this request asks is not read here.",
                code="endpoint_not_allowed",
            )


def _is_among(name: str, patterns: Iterable[str]) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in patterns)


class Keys:
    """All keys that are valid."""

    def __init__(self, keys: Iterable[Key] = ()) -> None:
        self._by_digest = {key.digest: key for key in keys}

    def __len__(self) -> int:
        return len(self._by_digest)

    def holder(self, headers: Mapping[str, str]) -> Key | None:
        """The key that a request gives; None where no key is asked for.

        It is looked up by its digest, which nobody can choose, and compared in constant time.

        Args:
            headers: By lower-case name. What is not UTF-8 in a value is escaped (PEP 383).

        Raises:
            UnauthorizedError: It gives none, or one that is not valid.
        """
        if not self._by_digest:
            return None
        given = presented(headers)
        if not given:
            raise _refused("Give a key of this proxy: `authorization: Bearer ...`.")
        digest = sha256(given.encode(errors="surrogateescape")).hexdigest()
        found = self._by_digest.get(digest)
        if found is None or not compare_digest(found.digest, digest):
            raise _refused("This is not a key of this proxy.", ', error="invalid_token"')
        return found


def presented(headers: Mapping[str, str]) -> str:
    """The key that a request gives, as clients of OpenAI, Azure or Anthropic do; "" for none."""
    for name in KEYS:
        value = headers.get(name, "").strip()
        scheme, _, token = value.partition(" ")
        if name != "authorization":
            token = value
        elif scheme.lower() != "bearer":
            continue
        if token.strip():
            return token.strip()
    return ""


def _refused(text: str, details: str = "") -> UnauthorizedError:
    headers = {"www-authenticate": REALM + details}
    return UnauthorizedError(text, code="invalid_api_key", headers=headers)
