"""From an embeddings request to a `CacheRequest` an input: all that is decided before any tier."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from proxy.core.admission import Admission
from proxy.core.dialects import embeddings
from proxy.core.dialects.base import Json
from proxy.core.dialects.embeddings import Encoding, Input
from proxy.core.model import CacheRequest, Caller, Directives, Scope


@dataclass(frozen=True, slots=True)
class Item:
    """One input of a batch.

    Attributes:
        request: What is looked up.
        value: The input as the request has it.
        weight: Its share of the batch's tokens, as far as its length tells.
    """

    request: CacheRequest
    value: Any = field(repr=False)
    weight: int

    @property
    def key(self) -> str:
        """The exact key."""
        return self.request.key


@dataclass(frozen=True, slots=True)
class Batch:
    """An embeddings request, read.

    Attributes:
        scope: Of the request, without its inputs.
        items: In the order in which they are answered; equal inputs are equal items.
        encoding: How the caller wants the numbers.
        asked: What the caller wants of the cache, for all of them.
        body: The request as parsed, untouched.
        bypass: Why the cache must not touch it; None when it may.
    """

    scope: Scope
    items: tuple[Item, ...]
    encoding: Encoding
    asked: Directives
    body: Json = field(repr=False)
    bypass: str | None = None


def understand_batch(
    body: Json,
    *,
    caller: Caller,
    asked: Directives,
    admission: Admission,
    extra: Mapping[str, str],
) -> Batch:
    """Read a request; each input is admitted by itself.

    Args:
        body: The request's JSON.
        caller: Who asks.
        asked: What it asks of the cache.
        admission: The operator's rules.
        extra: What else must match: query string, beta headers.
    """
    reading = embeddings.read(body, tenant=caller.tenant, namespace=asked.namespace, extra=extra)
    bypass, items, reason = reading.bypass, [], ""
    for one in reading.inputs:
        narrowed, why = admission.narrow(
            asked, question=one.text, temperature=None, has_tools=False
        )
        reason = reason or why
        items.append(Item(_request(one, narrowed, caller, body), one.value, one.weight))
    if bypass is None and not any(_is_touched(item.request.directives) for item in items):
        bypass = reason or "no-store"
    return Batch(reading.scope, tuple(items), reading.encoding, asked, body, bypass)


def _request(one: Input, directives: Directives, caller: Caller, body: Json) -> CacheRequest:
    return CacheRequest(
        scope=one.scope,
        caller=caller,
        directives=directives,
        question=one.text,
        key=one.key,
        stream=False,
        include_usage=False,
        body=body,
    )


def _is_touched(directives: Directives) -> bool:
    return directives.read or directives.write
