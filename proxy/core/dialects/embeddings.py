"""Embeddings: read a request as the inputs it is made of.

An input's vector depends on that input alone, so each is looked up and kept on its own, and a batch
is only how they are sent. Nothing of an input may differ: numbers are no answer to a reworded text,
and text in another Unicode form, or as token ids, has another vector.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from proxy.core.canonical import UncanonicalError, fingerprint
from proxy.core.dialects import parameters
from proxy.core.dialects.base import Json
from proxy.core.dialects.embeddings_parameters import TABLE
from proxy.core.dialects.parameters import Part
from proxy.core.model import Scope

API: Final = "embeddings"
PATH: Final = "/v1/embeddings"

Encoding = Literal["float", "base64"]
"""How a caller wants the numbers: as JSON, or as little-endian float32 in base64."""


@dataclass(frozen=True, slots=True)
class Input:
    """One text, or one list of token ids.

    Attributes:
        scope: What else must match exactly; the token ids are part of it.
        text: The text as it came; "" where it is token ids.
        value: As the request has it.
        weight: Its share of its batch's tokens, as far as its length tells.
    """

    scope: Scope
    text: str = field(repr=False)
    value: Any = field(repr=False)
    weight: int = 1

    @property
    def key(self) -> str:
        """The exact key."""
        return self.scope.key(self.text)


@dataclass(frozen=True, slots=True)
class BatchReading:
    """A request, read.

    Attributes:
        scope: Of the request, without its inputs.
        inputs: In the order in which they are answered.
        encoding: How the caller wants the numbers.
        bypass: Why the cache must not touch it; None when it may.
    """

    scope: Scope
    inputs: tuple[Input, ...] = ()
    encoding: Encoding = "float"
    bypass: str | None = None


class _UnknownShapeError(ValueError):
    """The request is not of a shape this dialect knows."""


def read(body: Json, *, tenant: str, namespace: str, extra: Mapping[str, str]) -> BatchReading:
    """Read a request; one of an unknown shape is a bypass with the reason `unreadable`.

    Args:
        body: The request's JSON.
        tenant: Who asks.
        namespace: Partition of the tenant's entries.
        extra: What else must match: query string, beta headers.
    """
    name = parameters.model_of(body)
    try:
        parts, unknown = parameters.sorted_out(body, TABLE)
        scope = Scope(
            tenant=tenant,
            namespace=namespace,
            api=API,
            model=name,
            format=fingerprint(parts[Part.FORMAT]),
            extra=fingerprint([unknown, dict(extra)]) if unknown or extra else "",
        )
        inputs = tuple(_inputs(scope, body.get("input") if name else None))
    except (_UnknownShapeError, UncanonicalError, UnicodeEncodeError):
        name = name.encode(errors="replace").decode()
        return BatchReading(Scope(tenant, namespace, API, name), bypass="unreadable")
    return BatchReading(
        scope,
        inputs,
        "base64" if body.get("encoding_format") == "base64" else "float",
        bypass=parameters.why_bypass(body, TABLE),
    )


def _inputs(scope: Scope, value: object) -> list[Input]:
    """The inputs. A list of numbers is one input; a list of texts, or of such lists, has many."""
    if isinstance(value, str) or _are_tokens(value):
        return [_input(scope, value)]
    if not isinstance(value, list) or len({type(one) for one in value}) != 1:
        raise _UnknownShapeError("input")
    return [_input(scope, one) for one in value]


def _input(scope: Scope, value: object) -> Input:
    if isinstance(value, str):
        return Input(scope, value, value, len(value.encode()))
    if isinstance(value, list) and _are_tokens(value):
        return Input(_with_tokens(scope, value), "", value, len(value))
    raise _UnknownShapeError("input")


def _with_tokens(scope: Scope, tokens: list[int]) -> Scope:
    return Scope(
        scope.tenant,
        scope.namespace,
        scope.api,
        scope.model,
        context=fingerprint(tokens),
        format=scope.format,
        extra=scope.extra,
    )


def _are_tokens(value: object) -> bool:
    return isinstance(value, list) and bool(value) and all(type(one) is int for one in value)
