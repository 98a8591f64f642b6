"""A past chat as an entry: as if this proxy had passed it on and kept the answer.

Key, scope, admission and lifetime are those of a request that comes now; what would not be kept of
one is not kept of the other.
"""

import time
from dataclasses import dataclass
from typing import Final

from proxy.core.admission import AnswerFacts, why_not
from proxy.core.canonical import dumps
from proxy.core.dialects.base import Dialect
from proxy.core.entrylines import Chat, LineError
from proxy.core.model import Answer, Directives, Entry
from proxy.core.reading import Understood
from proxy.resilience import Deadline
from proxy.runtime import Runtime
from proxy.web import imagined

SKEW_S: Final = 3600.0
"""By how much the clock that wrote the log may be ahead."""

EMBED_S: Final = 30.0
"""How long making one question's vector may take."""


@dataclass(frozen=True, slots=True)
class Refused:
    """It is not kept; the reason is a rule's, and short."""

    reason: str


class PastChats:
    """Makes entries of chats by the rules of a running proxy."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime

    async def entry(self, chat: Chat) -> Entry | Refused:
        """The entry, not stored, or why there is none. One that is over has no vector.

        Raises:
            LineError: The chat cannot be read.
            BadRequestError: Its path or a header cannot be read.
        """
        now = time.time()
        if chat.created_at is not None and chat.created_at > now + SKEW_S:
            raise LineError("created_at: is in the future; seconds since the epoch are meant")
        dialect, found = self._read(chat)
        facts, answer = self._answer(dialect, chat)
        store = self._runtime.store
        request = store.ruled(found.request, dialect.path)
        refused = found.bypass or _withheld(request.directives, found.reason) or why_not(facts)
        if refused:
            return Refused(refused)
        request = await self._runtime.search.written(request)
        at = now if chat.created_at is None else chat.created_at
        entry = store.made(request, answer, dialect.path, at)
        if entry.kept_until <= now:
            return entry
        return await store.whole(
            entry,
            None,
            lambda: dialect.texts_of(request.body, chat.response),
            Deadline(EMBED_S),
            is_semantic=request.directives.semantic and not facts.tool_calls,
        )

    def _read(self, chat: Chat) -> tuple[Dialect, Understood]:
        """In which API it was asked, and what."""
        if chat.tenant is None and self._runtime.config.cache.tenancy != "shared":
            raise LineError("tenant: say who shall find it, by the digest of a credential")
        named = {"x-cache-namespace": chat.namespace} if chat.namespace else {}
        return imagined.read(
            self._runtime,
            chat.request,
            path=chat.path,
            headers={**chat.headers, **named},
            tenant=chat.tenant,
        )

    def _answer(self, dialect: Dialect, chat: Chat) -> tuple[AnswerFacts, Answer]:
        body, most = dumps(chat.response), self._runtime.config.cache.max_entry_bytes
        if not dialect.is_answer(chat.response):
            raise LineError(f"response: is no answer of {dialect.path}")
        if len(body) > most:
            raise LineError(f"response: is over cache.max_entry_bytes, {most}")
        try:
            facts = dialect.facts(chat.response)
        except (ValueError, LookupError, TypeError, AttributeError):
            raise LineError(f"response: is no answer of {dialect.path}") from None
        return facts, Answer(body, (), dialect.usage_of(chat.response), facts.finish)


def _withheld(asked: Directives, reason: str) -> str | None:
    """Why an answer to this request is not kept where others can find it."""
    if not asked.write:
        return reason or "not stored"
    return (reason or "private") if asked.private else None
