"""Repeats answered as their bytes arrive: the quickest way to an answer.

A request that was answered from the session tier is known from then on by its bytes, head and body.
Who sends the same bytes again is the same caller, who asks the same of the same cache: nothing is
left to be read. The session tier is asked as ever, for it alone knows whether the answer still
holds; the reply is filled into what was prepared, and what is to be counted is noted.

Any doubt leaves a request to the full path, which answers it alike and prepares the next one.
"""

import os
from collections import Counter
from collections.abc import Callable
from time import perf_counter
from typing import Final

from aiohttp.helpers import rfc822_formatted_time
from aiohttp.http import SERVER_SOFTWARE

from proxy.core import status
from proxy.core.dialects.base import Stamp
from proxy.core.repetition import Repetition
from proxy.core.stencil import Stencil, cut
from proxy.ports import Clock
from proxy.repeats import Repeat
from proxy.runtime import Runtime
from proxy.web.reply import merged

LARGEST: Final = 64 << 10
"""Bytes of the largest request that is known, and of the largest reply that is prepared."""

MOST: Final = 2000
"""Requests known, the newest."""

MOST_BYTES: Final = 16 << 20
"""Of all requests known and replies prepared."""

_GAP: Final = "\0"
"""Where a request's id goes in a head: no header can have it."""


class Prepared:
    """A reply, but for what each has of its own.

    Args:
        runtime: What the request was answered by; after a reload it is another.
        repeat: The request, and what it got.
    """

    __slots__ = ("after", "before", "repeat", "runtime", "second", "size", "stencil")

    def __init__(self, runtime: Runtime, repeat: Repeat) -> None:
        self.runtime = runtime
        self.repeat = repeat
        self.size = 0
        self.second = 0
        self.before = self.after = b""
        self.stencil: Stencil | None = None

    def at(self, now: float) -> Stencil | None:
        """The body for this second, its head being prepared too; None where that cannot be."""
        second = int(now)
        if second == self.second:
            return self.stencil
        self.second = second
        self.stencil = cut(self.repeat.make, self._body, second)
        if self.stencil is not None and self.stencil.size > LARGEST:
            self.stencil = None
        if self.stencil is not None:
            self.before, self.after = self._head(now, self.stencil.size)
        return self.stencil

    def _body(self, stamp: Stamp) -> bytes:
        """As it goes over the wire (RFC 9112, 7.1)."""
        pieces = self.repeat.pieces(stamp)
        if not self.repeat.request.stream:
            return b"".join(pieces)
        chunks = (b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces)
        return b"".join((*chunks, b"0\r\n\r\n"))

    def _head(self, now: float, size: int) -> tuple[bytes, bytes]:
        """Status line and headers before and after the request's id, as aiohttp writes them."""
        repeat = self.repeat
        outcome = Repetition(_GAP, now - repeat.at, 0.0, 0.0).of(repeat.outcome)
        expose = self.runtime.config.server.expose_cache_headers
        fields = merged(repeat.headers, status.headers(outcome, expose=expose))
        if repeat.request.stream:
            fields["Transfer-Encoding"] = "chunked"
        else:
            fields["Content-Length"] = str(size)
        fields["Date"] = rfc822_formatted_time()
        fields["Server"] = SERVER_SOFTWARE
        lines = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
        before, after = f"HTTP/1.1 200 OK\r\n{lines}\r\n".split(_GAP)
        return before.encode(), after.encode()


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
        self._current = current
        self._clock = clock
        self._known: dict[bytes, Prepared] = {}
        self._heads: Counter[bytes] = Counter()
        self._size = 0
        self.answered = 0

    def learn(self, raw: bytes, runtime: Runtime, repeat: Repeat) -> None:
        """Know this request from now on; of too many the oldest is known no longer."""
        prepared = Prepared(runtime, repeat)
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

    def reply(self, raw: bytes) -> bytes | None:
        """The reply to a request, whole; None leaves it to the full path."""
        began = perf_counter()
        prepared = self._known.get(raw)
        if prepared is None:
            return None
        runtime, repeat, now = self._current(), prepared.repeat, self._clock()
        is_known = prepared.runtime is runtime and runtime.repeats.holds(repeat, now)
        asked = perf_counter()
        stencil = prepared.at(now) if is_known else None
        if stencil is None:
            self._forget(raw)
            return None
        chance = os.urandom(28).hex()
        request_id, token = f"req_{chance[:24]}", chance[24:]
        body = stencil.filled(token.encode())
        whole = b"".join((prepared.before, request_id.encode(), prepared.after, body))
        took = (asked - began, perf_counter() - began)
        self.answered += 1
        runtime.repeats.note(repeat, Repetition(request_id, now - repeat.at, *took))
        return whole

    def settle(self) -> None:
        """Have all counted that was answered: somebody may look now."""
        self._current().repeats.settle()
