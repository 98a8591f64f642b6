"""From a body to a `Reading`: what is the same in every dialect.

What the proxy does not understand it does not judge: a request of an unknown shape is passed to
the origin, which knows best whether it is one. Only what every origin must refuse is refused, by
the caller of this module: a body that is no JSON object.
"""

import unicodedata
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar

from proxy.core.canonical import UncanonicalError, fingerprint
from proxy.core.conversation.turns import Turn
from proxy.core.dialects.base import Json, Reading
from proxy.core.dialects.parameters import (
    Part,
    Table,
    model_of,
    sorted_out,
    why_bypass,
    why_exact,
)
from proxy.core.model import Scope


class UnknownShapeError(ValueError):
    """The request is not of a shape this dialect knows."""


@dataclass(frozen=True, slots=True)
class Found:
    """What a dialect finds in a request beside its table's parameters.

    Attributes:
        question: The last user text; "" where there is none.
        context: What else was said, and must match exactly.
        system: Instructions, likewise.
        tools: Tools, where the table does not have them.
        stream, include_usage: How the answer is to be delivered.
        exact_only: Why no other question's answer may serve, if not for a parameter.
        bypass: Why the cache must not touch it, if not for a parameter.
        is_stored, talk: As in `Reading`.
    """

    question: str
    context: Any
    stream: bool
    include_usage: bool
    system: Any = None
    tools: Any = None
    exact_only: str | None = None
    bypass: str | None = None
    is_stored: bool = False
    talk: tuple[Turn, ...] = ()


class Reader(ABC):
    """A dialect's way to read requests."""

    api: ClassVar[str]
    table: ClassVar[Table]

    @abstractmethod
    def find(self, body: Json) -> Found:
        """What the request says. Raises UnknownShapeError."""

    def read(self, body: Json, *, tenant: str, namespace: str, extra: Mapping[str, str]) -> Reading:
        """Read a request; one of an unknown shape is a bypass with the reason `unreadable`."""
        model = model_of(body)
        scope = partial(Scope, tenant=tenant, namespace=namespace, api=self.api)
        try:
            return self._read(body, model, scope, extra)
        except (UnknownShapeError, UncanonicalError, UnicodeEncodeError, RecursionError):
            # Half a surrogate pair, in whatever text, cannot be keyed; nor what has no bottom.
            name = model.encode(errors="replace").decode()
            stream = body.get("stream") is True
            return Reading(scope(model=name), question="", stream=stream, bypass="unreadable")

    def _read(
        self, body: Json, model: str, scope: "partial[Scope]", extra: Mapping[str, str]
    ) -> Reading:
        if not model:
            raise UnknownShapeError("model")
        found = self.find(body)
        found.question.encode()
        parts, unknown = sorted_out(body, self.table)
        return Reading(
            scope(
                model=model,
                system=_digest(parts[Part.SYSTEM], found.system),
                context=fingerprint(found.context),
                tools=_digest(parts[Part.TOOLS], found.tools),
                sampling=fingerprint(parts[Part.SAMPLING]),
                format=fingerprint(parts[Part.FORMAT]),
                extra=_digest(unknown, dict(extra)),
            ),
            question=unicodedata.normalize("NFC", found.question),
            stream=found.stream,
            include_usage=found.include_usage,
            exact_only=found.exact_only or why_exact(body, self.table),
            bypass=why_bypass(body, self.table) or found.bypass,
            is_stored=found.is_stored,
            talk=found.talk,
        )


def _digest(*parts: Any) -> str:  # noqa: ANN401 - JSON is anything
    """Of several parts; "" where none says anything."""
    return fingerprint(list(parts)) if any(parts) else ""
