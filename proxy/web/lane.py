"""Repeats answered as their bytes arrive: the quickest way to an answer.

A request that was answered from an exact tier is known from then on by its bytes, head and body.
Who sends the same bytes again is the same caller, who asks the same of the same cache: nothing is
left to be read. The tiers are asked as ever, for they alone know whether the answer still holds:
the session tier at once, and the shared tier where that has nothing. The reply is filled into what
was prepared, and what is to be counted is noted.

Any doubt leaves a request to the full path, which answers it alike and prepares the next one.
"""

import asyncio
import os
from collections import Counter
from collections.abc import Callable
from time import perf_counter
from typing import Final

from aiohttp.helpers import rfc822_formatted_time
from aiohttp.http import SERVER_SOFTWARE

from proxy.core import status
from proxy.core.dialects.base import Stamp
from proxy.core.model import Tier
from proxy.core.repetition import Repetition
from proxy.core.stencil import Stencil, cut
from proxy.errors import ApiError
from proxy.ports import Clock
from proxy.repeats import Kept, Repeat
from proxy.resilience import Deadline
from proxy.runtime import Runtime
from proxy.web import entrance
from proxy.web.entrance import Visitor
from proxy.web.reply import merged

LARGEST: Final = 64 << 10
"""Bytes of the largest request that is known, and of the largest reply that is prepared."""

MOST: Final = 2000
"""Requests known, the newest."""

MOST_BYTES: Final = 16 << 20
"""Of all requests known and replies prepared."""

STATUS: Final = b"HTTP/1.1 200 OK\r\n"

_GAP: Final = "\0"
"""Where a request's id goes in a head: no header can have it."""

Sought = asyncio.Task[bytes | None]
"""Brings a reply once the shared tier has been asked, or None."""


class Prepared:
    """A reply, but for what each has of its own.

    Args:
        runtime: What the request was answered by; after a reload it is another.
        repeat: The request, and what it got.
        visitor: Who asks, where that may be refused.
    """

    __slots__ = ("heads", "repeat", "runtime", "second", "size", "stencil", "visitor")

    def __init__(self, runtime: Runtime, repeat: Repeat, visitor: Visitor | None = None) -> None:
        self.runtime = runtime
        self.repeat = repeat
        self.visitor = visitor
        self.size = 0
        self.second = 0
        self.heads: dict[Tier, tuple[bytes, bytes]] = {}
        self.stencil: Stencil | None = None

    def at(self, now: float) -> Stencil | None:
        """The body for this second; None where it cannot be prepared."""
        second = int(now)
        if second == self.second:
            return self.stencil
        self.second = second
        self.stencil = cut(self.repeat.make, self._body, second)
        if self.stencil is not None and self.stencil.size > LARGEST:
            self.stencil = None
        self.heads = {}
        return self.stencil

    def head(self, now: float, tier: Tier) -> tuple[bytes, bytes]:
        """Headers before and after the request's id, where this tier answers."""
        head = self.heads.get(tier)
        if head is None:
            head = self.heads[tier] = self._head(now, tier)
        return head

    def _body(self, stamp: Stamp) -> bytes:
        """As it goes over the wire (RFC 9112, 7.1)."""
        pieces = self.repeat.pieces(stamp)
        if not self.repeat.request.stream:
            return b"".join(pieces)
        chunks = (b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces)
        return b"".join((*chunks, b"0\r\n\r\n"))

    def _head(self, now: float, tier: Tier) -> tuple[bytes, bytes]:
        """As aiohttp writes them."""
        repeat = self.repeat
        shared_s = 0.0 if tier is Tier.SHARED else None
        repetition = Repetition(_GAP, now - repeat.at, 0.0, 0.0, shared_s)
        outcome = repetition.of(repeat.outcome)
        expose = self.runtime.config.server.expose_cache_headers
        fields = merged(repeat.headers, status.headers(outcome, expose=expose))
        if repeat.request.stream:
            fields["Transfer-Encoding"] = "chunked"
        else:
            fields["Content-Length"] = str(self.stencil.size if self.stencil else 0)
        fields["Date"] = rfc822_formatted_time()
        fields["Server"] = SERVER_SOFTWARE
        lines = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
        before, after = f"{lines}\r\n".split(_GAP)
        return before.encode(), after.encode()


def _left(prepared: Prepared) -> bytes | None:
    """Headers that say what the caller has left; None where he may not be answered now."""
    if prepared.visitor is None:
        return b""
    is_let_in, left = entrance.again(prepared.visitor, prepared.runtime)
    if not is_let_in:
        return None
    told = () if left is None else left.headers()
    return "".join(f"{name}: {value}\r\n" for name, value in told).encode()


def _head(raw: bytes) -> bytes:
    return raw.partition(b"\r\n\r\n")[0]


class Lane:
    """Knows requests by their bytes.

    Args:
        current: The runtime that holds now.
        clock: The time now.

    `answered` counts its replies.
    """

    def __init__(self, current: Callable[[], Runtime], clock: Clock) -> None:
        self.current = current
        self._clock = clock
        self._known: dict[bytes, Prepared] = {}
        self._heads: Counter[bytes] = Counter()
        self._size = 0
        self.answered = 0

    def learn(
        self, raw: bytes, runtime: Runtime, repeat: Repeat, visitor: Visitor | None = None
    ) -> None:
        """Know this request from now on; of too many the oldest is known no longer."""
        prepared = Prepared(runtime, repeat, visitor)
        stencil = prepared.at(self._clock()) if len(raw) <= LARGEST else None
        if stencil is None:
            return
        self._forget(raw)
        prepared.size = 2 * (len(raw) + stencil.size)  # what was read of them is held too
        self._known[raw] = prepared
        self._heads[_head(raw)] += 1
        self._size += prepared.size
        while len(self._known) > MOST or self._size > MOST_BYTES:
            self._forget(next(iter(self._known)))

    def _forget(self, raw: bytes) -> None:
        if (known := self._known.pop(raw, None)) is not None:
            self._size -= known.size
            head = _head(raw)
            self._heads[head] -= 1
            if not self._heads[head]:
                del self._heads[head]

    def expects(self, begun: bytes) -> bool:
        """Whether a request is known that begins with the same head."""
        return _head(begun) in self._heads

    def reply(self, raw: bytes) -> bytes | Sought | None:
        """The reply to a request, whole, or who brings it; None leaves it to the full path.

        Whoever cancels the task that brings it says that the caller has left.
        """
        began = perf_counter()
        prepared = self._known.get(raw)
        if prepared is None:
            return None
        runtime, now = self.current(), self._clock()
        is_current = prepared.runtime is runtime
        kept = runtime.repeats.kept(prepared.repeat, now) if is_current else Kept.OTHERWISE
        session_s = perf_counter() - began
        if kept is Kept.NO_LONGER:
            seeking = self._let_in(raw, prepared, began, session_s)
            return runtime.tasks.start("seek a repeat", seeking)
        visitor = prepared.visitor
        is_let_in = visitor is None or entrance.has_place(visitor, runtime)
        is_still = kept is Kept.STILL and is_let_in
        reply = self._filled(prepared, now, began, session_s) if is_still else None
        if reply is None:
            self._forget(raw)
        return reply

    async def _let_in(
        self, raw: bytes, prepared: Prepared, began: float, session_s: float
    ) -> bytes | None:
        """What `_sought` brings, where the caller may be under way so long."""
        try:
            with entrance.repeating(prepared.visitor, prepared.runtime):
                return await self._sought(raw, prepared, began, session_s)
        except ApiError:
            return None

    async def _sought(
        self, raw: bytes, prepared: Prepared, began: float, session_s: float
    ) -> bytes | None:
        """The reply, where the shared tier still has the answer."""
        asked = perf_counter()
        runtime, repeat = prepared.runtime, prepared.repeat
        deadline = Deadline(runtime.config.cache.deadline_ms / 1000)
        try:
            is_found = await runtime.repeats.found(repeat, deadline, self._clock)
        except asyncio.CancelledError:
            gone = perf_counter()
            times = (session_s, gone - began, gone - asked)
            runtime.repeats.left(repeat, Repetition(f"req_{os.urandom(12).hex()}", 0.0, *times))
            raise
        shared_s = perf_counter() - asked
        reply = None
        if is_found:
            reply = self._filled(prepared, self._clock(), began, session_s, shared_s)
        if reply is None and self._known.get(raw) is prepared:
            self._forget(raw)
        return reply

    def _filled(
        self,
        prepared: Prepared,
        now: float,
        began: float,
        session_s: float,
        shared_s: float | None = None,
    ) -> bytes | None:
        """The reply, whole, and it is noted."""
        stencil, repeat = prepared.at(now), prepared.repeat
        if stencil is None:
            return None
        told = _left(prepared)
        if told is None:
            return None
        before, after = prepared.head(now, Tier.SESSION if shared_s is None else Tier.SHARED)
        chance = os.urandom(28).hex()
        request_id, token = f"req_{chance[:24]}", chance[24:]
        body = stencil.filled(token.encode())
        whole = b"".join((STATUS, told, before, request_id.encode(), after, body))
        self.answered += 1
        total_s = perf_counter() - began
        repetition = Repetition(request_id, now - repeat.at, session_s, total_s, shared_s)
        prepared.runtime.repeats.note(repeat, repetition)
        return whole

    def settle(self) -> None:
        """Have all counted that was answered: somebody may look now."""
        self.current().repeats.settle()
