"""A memory before something slow: repeats cost nothing, and concurrent equal askers one call.

Rules of the file: a fault is never remembered, any answer is; a waiter's cancellation stays its
own. Who comes first asks for all; when it is cancelled, the next of those who wait asks again. So
no task is needed, and a call that nobody waits for ends.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping
from typing import Final, Generic, TypeVar

from proxy.core.model import digest
from proxy.errors import TierError

T = TypeVar("T")

_DESERTED: Final = object()
"""What a flight ends with when its leader was cancelled."""


def key_of(*texts: str) -> str:
    """A key for some texts: their digest, so that nobody's prompt stays in memory for it."""
    # A lone surrogate has no UTF-8; it must not be the memory that fails on it.
    return digest(*(text.encode("utf-8", "surrogatepass") for text in texts))


class Memo(Generic[T]):
    """The most recently used answers.

    Args:
        entries: How many are remembered; 0 remembers none, and still joins equal askers.
    """

    def __init__(self, entries: int) -> None:
        self._entries = entries
        self._known: OrderedDict[str, T] = OrderedDict()
        self._flights: dict[str, asyncio.Future[object]] = {}
        self.hits = 0
        """Answered from memory."""
        self.misses = 0
        """Asked."""
        self.joined = 0
        """Waited for another's asking."""

    def clear(self) -> None:
        """Forget."""
        self._known.clear()

    def stats(self) -> Mapping[str, float]:
        """Gauges: entries; and hits, misses and joined so far."""
        return {
            "entries": len(self._known),
            "hits": self.hits,
            "misses": self.misses,
            "joined": self.joined,
        }

    async def get(self, key: str, ask: Callable[[], Awaitable[T]]) -> T:
        """The answer, new or remembered. Raises what `ask` does; TierError to who joined it."""
        while key not in self._known:
            flight = self._flights.get(key)
            if flight is None:
                return await self._lead(key, ask)
            self.joined += 1
            # Shielded: a follower's cancellation must not end the flight of the others.
            outcome = await asyncio.shield(flight)
            if isinstance(outcome, Exception):
                raise TierError(str(outcome)) from outcome
            if outcome is not _DESERTED:
                answer: T = outcome  # type: ignore[assignment]  # a flight holds nothing else
                return answer
        self.hits += 1
        self._known.move_to_end(key)
        return self._known[key]

    async def _lead(self, key: str, ask: Callable[[], Awaitable[T]]) -> T:
        """Ask, for oneself and all who come meanwhile."""
        flight = self._flights[key] = asyncio.get_running_loop().create_future()
        self.misses += 1
        outcome: object = _DESERTED
        try:
            outcome = answer = await ask()
            self._remember(key, answer)
        except Exception as error:
            outcome = error
            raise
        else:
            return answer
        finally:
            # Before anybody can wake: who does finds the answer, or no flight, and leads.
            del self._flights[key]
            flight.set_result(outcome)

    def _remember(self, key: str, answer: T) -> None:
        self._known[key] = answer
        while len(self._known) > self._entries:
            self._known.popitem(last=False)
